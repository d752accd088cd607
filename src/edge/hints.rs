//! Hints from the kernel that something happened in the export folder. They only make scanward look sooner: a share
//! delivers none, a queue may overflow, and the scans see whatever a hint left out.

use super::folder::{Folders, seen};
use crate::intake::FileSeen;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{
    CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// Folders watched at most; the kernel's own limit is shared by all programs of a user.
const WATCHES_MAX: usize = 4096;
/// Events of one reading, bytes: some hundred.
const BUFFER_BYTES: usize = 16 << 10;
/// Files of one hint; beyond, the next scan finds them.
const FILES_MAX: usize = 512;

/// What is asked for: files closed by their writer or moved in, folders made.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);

/// What the kernel told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Hint {
    /// Files whose writer closed them, or that were moved in, as they are now.
    pub(super) written: Vec<FileSeen>,
    /// A folder came or events were lost: only a listing tells what is there.
    pub(super) look: bool,
}

/// The watches on the export folder and the folders below it; none where the system gives none.
pub(super) struct Hints {
    queue: Option<OwnedFd>,
    watched: BTreeMap<PathBuf, i32>,
    folders: BTreeMap<i32, PathBuf>,
    trouble: Option<String>,
}

impl Hints {
    /// No folder is watched yet.
    pub(super) fn new() -> Hints {
        let queue = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        Hints {
            trouble: queue.as_ref().err().map(|error| error.to_string()),
            queue: queue.ok(),
            watched: BTreeMap::new(),
            folders: BTreeMap::new(),
        }
    }

    /// Why a folder is not watched; `None` when all are.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Watches nothing any more.
    pub(super) fn forget(&mut self) {
        if !self.watched.is_empty() {
            *self = Hints::new();
        }
    }

    /// Watches the folders of a listing, and no others. Whether one is new: what came into it between its listing and its
    /// watch is worth another look.
    pub(super) fn follow(&mut self, folders: &Folders) -> bool {
        let Some(queue) = &self.queue else {
            return false;
        };
        self.trouble = None;
        let watched = |path: &&PathBuf| self.watched.contains_key(*path);
        let fresh: Vec<&PathBuf> = folders.iter().filter(|path| !watched(path)).collect();
        let gone = |path: &&PathBuf| !folders.contains(*path);
        let gone: Vec<PathBuf> = self.watched.keys().filter(gone).cloned().collect();
        for path in gone {
            if let Some(watch) = self.watched.remove(&path)
                && self.folders.get(&watch) == Some(&path)
            {
                self.folders.remove(&watch);
                // It is void already where the folder was removed.
                let _gone = remove_watch(queue, watch);
            }
        }
        let mut added = false;
        for path in fresh {
            if self.watched.len() >= WATCHES_MAX {
                self.trouble = Some(format!("more than {WATCHES_MAX} folders"));
                break;
            }
            match add_watch(queue, path, EVENTS) {
                Ok(watch) => {
                    // One folder may be mounted under two names: the kernel has one watch for both.
                    added |= self.folders.insert(watch, path.clone()).is_none();
                    self.watched.insert(path.clone(), watch);
                }
                // Gone since the listing.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => {
                    self.trouble = Some(error.to_string());
                    break;
                }
            }
        }
        added
    }

    /// Waits for a hint, no longer than `wait`.
    pub(super) fn wait(&mut self, wait: Duration) -> Hint {
        let Some(queue) = &self.queue else {
            std::thread::park_timeout(wait);
            return Hint::default();
        };
        let timeout = Timespec::try_from(wait).ok();
        let mut ready = [PollFd::new(queue, PollFlags::IN)];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(0) => Hint::default(),
            Ok(_) | Err(Errno::INTR) => self.read(),
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.queue = None;
                Hint::default()
            }
        }
    }

    /// What is in the queue now.
    fn read(&mut self) -> Hint {
        let Some(queue) = &self.queue else {
            return Hint::default();
        };
        let mut hint = Hint::default();
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(queue, &mut buffer);
        let mut paths: Vec<PathBuf> = Vec::new();
        while let Ok(event) = events.next() {
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                hint.look = true;
            }
            if flags.contains(ReadFlags::IGNORED)
                && let Some(path) = self.folders.remove(&event.wd())
            {
                self.watched.remove(&path);
            }
            let folder = self.folders.get(&event.wd());
            let (Some(folder), Some(name)) = (folder, event.file_name()) else {
                continue;
            };
            if flags.contains(ReadFlags::ISDIR) {
                hint.look = true;
            } else if flags.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
                match paths.len() < FILES_MAX {
                    true => paths.push(folder.join(OsStr::from_bytes(name.to_bytes()))),
                    false => hint.look = true,
                }
            }
        }
        paths.sort();
        paths.dedup();
        let facts = paths.into_iter().filter_map(|path| {
            let facts = fs::symlink_metadata(&path).ok()?;
            facts.is_file().then(|| seen(path, &facts)).flatten()
        });
        hint.written = facts.collect();
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::folder::list;
    use std::fs::File;
    use std::io::Write;
    use std::path::Path;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn following(root: &Path) -> Hints {
        let mut hints = Hints::new();
        assert!(hints.follow(&list(root).unwrap().folders));
        assert_eq!(hints.trouble(), None);
        hints
    }

    fn names(hint: &Hint) -> Vec<String> {
        let name = |seen: &FileSeen| {
            seen.path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        };
        hint.written.iter().map(name).collect()
    }

    #[test]
    fn a_file_is_told_of_when_its_writer_closes_it_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        let mut hints = following(root.path());
        let mut file = File::create(root.path().join("a")).unwrap();
        file.write_all(&[1; 100]).unwrap();
        let _made = hints.wait(PATIENCE);
        assert_eq!(hints.read(), Hint::default(), "it is open still");
        file.write_all(&[1; 100]).unwrap();
        drop(file);
        let hint = hints.wait(PATIENCE);
        assert_eq!((names(&hint), hint.look), (vec!["a".to_owned()], false));
        assert_eq!(hint.written[0].bytes, 200);
    }

    #[test]
    fn a_new_folder_asks_for_a_look_and_is_watched_after_it() {
        let root = tempfile::tempdir().unwrap();
        let mut hints = following(root.path());
        let folder = root.path().join("series");
        fs::create_dir(&folder).unwrap();
        assert!(hints.wait(PATIENCE).look);
        assert!(hints.follow(&list(root.path()).unwrap().folders));
        fs::write(root.path().join("b"), "beside").unwrap();
        fs::rename(root.path().join("b"), folder.join("c")).unwrap();
        let mut told = Vec::new();
        while !told.contains(&"c".to_owned()) {
            told.extend(names(&hints.wait(PATIENCE)));
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(!hints.follow(&list(root.path()).unwrap().folders));
        assert_eq!(hints.watched.len(), 1);
    }

    #[test]
    fn a_folder_made_anew_under_its_old_name_is_watched_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("series");
        fs::create_dir(&folder).unwrap();
        let mut hints = following(root.path());
        fs::remove_dir(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        assert!(hints.wait(PATIENCE).look);
        assert!(hints.follow(&list(root.path()).unwrap().folders));
        fs::write(folder.join("d"), "in it").unwrap();
        assert_eq!(names(&hints.wait(PATIENCE)), ["d"]);
    }
}

//! Machine: which files of the annotations folder are to be read, and when.
//!
//! ```text
//!             unchanged for three looks                 recorded
//!   Growing ─────────────────────────────> to be read ───────────> done
//!      ^ changed                                │ could not be read or recorded
//!      └────────────────────────────────────────┴──> later: after a while
//! ```

use crate::intake::FileSeen;
use crate::store::{FileMark, PathDigest};
use crate::units::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file is read when so many looks in a row found it as it was: a share shows a copy that halts for a while.
const LOOKS: u8 = 3;
/// What could not be read, or not be recorded, is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Files that are looked at, the ones changed last: the folder is no archive.
const FILES_MAX: usize = 2_000;

/// Marks that are remembered before those of files that are gone are let go.
const KNOWN_MAX: usize = 10_000;

/// What is known of each file.
#[derive(Debug, Default)]
pub struct Watch {
    files: BTreeMap<PathBuf, Tracked>,
    /// Files whose outcome is recorded.
    known: BTreeSet<FileMark>,
}

#[derive(Debug)]
struct Tracked {
    seen: FileSeen,
    looks: u8,
    not_before: Moment,
}

/// What a look came to.
#[derive(Debug, Default, PartialEq)]
pub struct Looked {
    /// Files to be read, in the order of their paths.
    pub ready: Vec<FileSeen>,
    /// Files left aside because there are too many.
    pub left: usize,
}

/// The mark by which the store knows a file.
pub fn mark(seen: &FileSeen) -> FileMark {
    FileMark {
        path: PathDigest::of(&seen.path),
        bytes: seen.bytes,
        modified: seen.modified,
    }
}

impl Watch {
    /// A watch that knows what became of the files with the marks `known`.
    pub fn new(known: impl IntoIterator<Item = FileMark>) -> Watch {
        Watch {
            files: BTreeMap::new(),
            known: known.into_iter().collect(),
        }
    }

    /// Takes a listing of the folder; says what is to be read.
    pub fn look(&mut self, mut listing: Vec<FileSeen>, now: Moment) -> Looked {
        listing.retain(|file| file.bytes > 0 && !is_passing(&file.path));
        listing.sort_by(|one, other| (other.modified, &one.path).cmp(&(one.modified, &other.path)));
        let left = listing.len().saturating_sub(FILES_MAX);
        listing.truncate(FILES_MAX);
        let mut before = std::mem::take(&mut self.files);
        let mut ready = Vec::new();
        for seen in listing {
            let mut tracked = match before.remove(&seen.path) {
                Some(tracked) if tracked.seen == seen => tracked,
                Some(_) | None => Tracked {
                    seen,
                    looks: 0,
                    not_before: Moment::default(),
                },
            };
            tracked.looks = tracked.looks.saturating_add(1);
            let due = tracked.looks >= LOOKS && tracked.not_before <= now;
            if due && !self.known.contains(&mark(&tracked.seen)) {
                ready.push(tracked.seen.clone());
            }
            self.files.insert(tracked.seen.path.clone(), tracked);
        }
        if self.known.len() > KNOWN_MAX {
            let listed: BTreeSet<FileMark> =
                self.files.values().map(|file| mark(&file.seen)).collect();
            self.known.retain(|mark| listed.contains(mark));
        }
        ready.sort_by(|one, other| one.path.cmp(&other.path));
        Looked { ready, left }
    }

    /// The outcome of `seen` is recorded.
    pub fn done(&mut self, seen: &FileSeen) {
        self.known.insert(mark(seen));
    }

    /// `seen` could not be read, or its outcome not be recorded.
    pub fn later(&mut self, seen: &FileSeen, now: Moment) {
        if let Some(tracked) = self.files.get_mut(&seen.path) {
            tracked.not_before = now.after(AGAIN_AFTER);
        }
    }
}

/// Whether a file's name says that it is not there yet, or is none of the radiologist's.
fn is_passing(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    name.starts_with('.') || [".tmp", ".part"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::WallTime;

    #[test]
    fn a_file_is_read_once_when_it_has_held_still_for_three_looks() {
        let mut watch = Watch::new([]);
        let (small, whole) = (file("a", 5, 1), file("a", 9, 2));
        for (seen, expected) in [
            (&small, 0),
            (&small, 0),
            (&whole, 0),
            (&whole, 0),
            (&whole, 1),
        ] {
            assert_eq!(look(&mut watch, seen, 0).len(), expected);
        }
        watch.done(&whole);
        assert_eq!(look(&mut watch, &whole, 9), []);
        let changed = file("a", 9, 3);
        let found: Vec<usize> = (0..3)
            .map(|_| look(&mut watch, &changed, 9).len())
            .collect();
        assert_eq!(found, [0, 0, 1]);
    }

    #[test]
    fn what_could_not_be_recorded_is_tried_again_after_a_while() {
        let mut watch = Watch::new([]);
        let seen = file("a", 5, 1);
        (0..3).for_each(|_| drop(look(&mut watch, &seen, 0)));
        watch.later(&seen, at(1));
        assert_eq!(look(&mut watch, &seen, 60), []);
        assert_eq!(look(&mut watch, &seen, 61), [seen]);
    }

    #[test]
    fn what_a_start_before_recorded_is_not_read_again() {
        let seen = file("a", 5, 1);
        let mut watch = Watch::new([mark(&seen)]);
        (0..5).for_each(|_| assert_eq!(look(&mut watch, &seen, 0), []));
    }

    #[test]
    fn hidden_passing_and_empty_files_are_left_alone_and_of_too_many_the_newest_are_taken() {
        let mut watch = Watch::new([]);
        let mut listing: Vec<FileSeen> =
            (0..2_005).map(|n| file(&format!("{n:05}"), 1, n)).collect();
        listing.extend([".a", "b.part", "c.TMP"].map(|name| file(name, 1, 9_999)));
        listing.push(file("empty", 0, 9_999));
        let mut looked = Looked::default();
        for _ in 0..3 {
            looked = watch.look(listing.clone(), Moment::default());
        }
        assert_eq!((looked.ready.len(), looked.left), (2_000, 5));
        assert_eq!(looked.ready[0].path, Path::new("00005"));
    }

    fn look(watch: &mut Watch, seen: &FileSeen, seconds: u64) -> Vec<FileSeen> {
        watch.look(vec![seen.clone()], at(seconds)).ready
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    fn file(name: &str, bytes: u64, changed: i64) -> FileSeen {
        FileSeen {
            path: PathBuf::from(name),
            bytes,
            modified: WallTime::from_unix_millis(changed),
        }
    }
}

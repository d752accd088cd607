//! What is known of each file of the export folder, and which are to be read.

use super::machine::{Depth, Reading};
use crate::ids::SeriesKey;
use crate::refusal::Refusal;
use crate::store::{FileMark, PathDigest};
use crate::units::{Moment, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file of one scan of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSeen {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its time of last change.
    pub modified: WallTime,
}

/// What the machine remembers of one file. There may be very many: it is kept small.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    bytes: u64,
    pub(super) modified: WallTime,
    pub(super) first_seen: Moment,
    /// How often it was found broken in a row, unchanged.
    pub(super) tries: u8,
    /// The series it named when it could be read last: that series waits for it, whatever becomes of the file.
    pub(super) series: Option<SeriesKey>,
    /// Why it could not be read whole last, unchanged since.
    pub(super) refusal: Option<Box<Refusal>>,
    pub(super) phase: Phase,
    /// A reader has it. Its answer is void where the phase is no longer `Reading`: no second one may overtake it.
    in_flight: bool,
    /// How often it was read on the writer's word alone.
    hints: u8,
    /// The scan that listed it last.
    listed: u64,
}

/// A file may be read so often on its writer's word: one that closes it after each block would have it read as often.
const HINTS_MAX: u8 = 3;

/// Where a file stands.
///
/// ```text
///        held still over two scans, or closed by its writer   slices
///   Growing ----------------------------> Reading ------------------> Held(series)
///      ^  ^                                  |  |                        | closed
///      |  |  changed                         |  | no series in it       v
///      |  +---- Broken <---------------------+  +----> Foreign        Known(series)
///      |            cut off, or unreadable                               |
///      +-----------------------------------------------------------------+ reopened, or changed
/// ```
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// Seen once, or changed since the scan before.
    Growing,
    /// Handed out to be read.
    Reading,
    /// Its slices are held.
    Held(SeriesKey),
    /// Its series is closed; slices are no longer held.
    Known(SeriesKey),
    /// Its slices were let go to bound memory; it is read again when a series is closed.
    PutBack(SeriesKey),
    /// Nothing of a series is in it.
    Foreign,
    /// It could not be read whole. Read again when it changes or after a while.
    Broken {
        /// When it is tried again.
        retry_at: Moment,
    },
}

impl Phase {
    /// Holds still and waits to be read at once.
    pub(super) fn due() -> Phase {
        Phase::Broken {
            retry_at: Moment::default(),
        }
    }
}

/// Files that are asked for together: with very many in the folder, no question may look at them all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Growing, with a reader or broken: it may hold a slice yet, of the series that it named, if it named one.
    OnTheWay(Option<SeriesKey>),
    /// [`Phase::Held`].
    Held(SeriesKey),
    /// [`Phase::Known`].
    Known(SeriesKey),
    /// [`Phase::PutBack`].
    PutBack(SeriesKey),
    /// [`Phase::Foreign`].
    Foreign,
}

/// The paths of each group; none is empty.
type Groups = BTreeMap<Group, BTreeSet<Arc<OsStr>>>;

/// What a look at a file showed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sight {
    /// Not known before, or as it was.
    Still,
    /// It changed; it stood here before.
    Changed(PathBuf, Phase),
}

/// All files of the folder.
#[derive(Debug, Default)]
pub(super) struct Files {
    // By the path's bytes: comparing paths part by part would cost more than all else of a scan.
    tracked: BTreeMap<Arc<OsStr>, Tracked>,
    groups: Groups,
    /// What is to be read when; an entry that the file's phase does not bear out is void.
    due: BTreeSet<(Moment, Arc<OsStr>)>,
    reading: usize,
    scans: u64,
}

impl Files {
    pub(super) fn get(&self, path: &Path) -> Option<&Tracked> {
        self.tracked.get(path.as_os_str())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tracked.len()
    }

    /// The files of a group.
    pub(super) fn group(&self, group: &Group) -> impl Iterator<Item = (&Path, &Tracked)> {
        let paths = self.groups.get(group).into_iter().flatten();
        paths.filter_map(|path| Some((Path::new(path), self.tracked.get(path)?)))
    }

    /// How many files a group has.
    pub(super) fn count(&self, group: &Group) -> usize {
        self.groups.get(group).map_or(0, BTreeSet::len)
    }

    /// The series that files are known to belong to.
    pub(super) fn series(&self) -> impl Iterator<Item = &SeriesKey> {
        self.groups.keys().filter_map(|group| match group {
            Group::Held(key) | Group::Known(key) | Group::PutBack(key) => Some(key),
            Group::OnTheWay(_) | Group::Foreign => None,
        })
    }

    /// The series with files that were put back, and how many.
    pub(super) fn put_back(&self) -> impl Iterator<Item = (&SeriesKey, usize)> {
        self.groups.iter().filter_map(|(group, paths)| match group {
            Group::PutBack(key) => Some((key, paths.len())),
            Group::OnTheWay(_) | Group::Held(_) | Group::Known(_) | Group::Foreign => None,
        })
    }

    /// A listing begins.
    pub(super) fn begin_scan(&mut self) {
        self.scans += 1;
    }

    /// A listing is through: a file that went away keeps what was read from it; a fresh file of its name starts anew.
    pub(super) fn end_scan(&mut self) {
        let (scans, groups) = (self.scans, &mut self.groups);
        self.tracked.retain(|path, tracked| {
            let stays = tracked.listed == scans || tracked.in_flight;
            if !stays {
                leave(groups, &tracked.group(), path);
            }
            stays
        });
    }

    /// A file as it is now. One not known yet starts in the phase that `at_first_sight` gives, unless `files_max` are.
    pub(super) fn look(
        &mut self,
        seen: FileSeen,
        now: Moment,
        files_max: usize,
        at_first_sight: impl FnOnce(&FileSeen) -> Phase,
    ) -> Sight {
        let known = self.tracked.len();
        let Some(tracked) = self.tracked.get_mut(seen.path.as_os_str()) else {
            if known < files_max {
                let phase = at_first_sight(&seen);
                let tracked = Tracked::new(&seen, now, phase, self.scans);
                let path: Arc<OsStr> = seen.path.as_os_str().into();
                let group = self.groups.entry(tracked.group()).or_default();
                group.insert(Arc::clone(&path));
                self.tracked.insert(path, tracked);
            }
            return Sight::Still;
        };
        tracked.listed = self.scans;
        if (tracked.bytes, tracked.modified) == (seen.bytes, seen.modified) {
            if tracked.phase == Phase::Growing {
                self.set_phase(&seen.path, Phase::due());
            }
            return Sight::Still;
        }
        tracked.first_seen = now;
        tracked.refusal = None;
        (tracked.bytes, tracked.modified) = (seen.bytes, seen.modified);
        let before = tracked.phase.clone();
        self.set_phase(&seen.path, Phase::Growing);
        Sight::Changed(seen.path, before)
    }

    /// The writer of a file closed it: it need not hold still first.
    pub(super) fn closed_by_writer(&mut self, path: &Path) {
        let Some(tracked) = self.tracked.get_mut(path.as_os_str()) else {
            return;
        };
        if tracked.phase == Phase::Growing && tracked.hints < HINTS_MAX {
            tracked.hints += 1;
            self.set_phase(path, Phase::due());
        }
    }

    /// Puts a file into `phase`; a broken one is read again in its time.
    pub(super) fn set_phase(&mut self, path: &Path, phase: Phase) {
        self.set_phase_and(path, phase, |_| ());
    }

    /// [`Files::set_phase`] and another change in one: a file goes from group to group once.
    fn set_phase_and(&mut self, path: &Path, phase: Phase, also: impl FnOnce(&mut Tracked)) {
        if let Phase::Broken { retry_at } = phase {
            self.is_due(retry_at, path);
        }
        self.change(path.as_os_str(), |tracked| {
            also(tracked);
            tracked.phase = phase;
        });
    }

    /// Changes what is known of a file, and with it its group.
    fn change(&mut self, path: &OsStr, change: impl FnOnce(&mut Tracked)) {
        let Some((path, _)) = self.tracked.get_key_value(path) else {
            return;
        };
        let path = Arc::clone(path);
        if let Some(tracked) = self.tracked.get_mut(&path) {
            let before = tracked.group();
            change(tracked);
            let after = tracked.group();
            if before != after {
                leave(&mut self.groups, &before, &path);
                self.groups.entry(after).or_default().insert(path);
            }
        }
    }

    /// The path's text is shared: very many files may be due.
    fn is_due(&mut self, when: Moment, path: &Path) {
        if let Some((known, _)) = self.tracked.get_key_value(path.as_os_str()) {
            self.due.insert((when, Arc::clone(known)));
        }
    }

    /// All files of a group go to a phase.
    pub(super) fn regroup(&mut self, from: &Group, to: &Phase) {
        let own = match from {
            // Closed, and needed again: what it names is known already.
            Group::Known(key) => Some(key),
            Group::OnTheWay(_) | Group::Held(_) | Group::PutBack(_) | Group::Foreign => None,
        };
        for path in self.groups.remove(from).unwrap_or_default() {
            let Some(tracked) = self.tracked.get_mut(&path) else {
                continue;
            };
            if let Some(own) = own {
                tracked.series = Some(own.clone());
            }
            tracked.phase = to.clone();
            let group = self.groups.entry(tracked.group()).or_default();
            if let Phase::Broken { retry_at } = to {
                self.due.insert((*retry_at, Arc::clone(&path)));
            }
            group.insert(path);
        }
    }

    /// What the answer to a read told of the file.
    pub(super) fn was_read(&mut self, path: &Path, series: Option<SeriesKey>, phase: Phase) {
        self.set_phase_and(path, phase, |tracked| tracked.series = series);
    }

    /// Notes why a file could not be read whole; says how often that was so before.
    pub(super) fn found_broken(&mut self, path: &Path, refusal: Refusal) -> Option<u8> {
        let tracked = self.tracked.get_mut(path.as_os_str())?;
        tracked.refusal = Some(Box::new(refusal));
        Some(tracked.tries)
    }

    /// The next file to be read, as long as fewer than `reads_max` are with readers. Where memory is `short`, of one whose
    /// series is not known only the header.
    pub(super) fn next_read(
        &mut self,
        now: Moment,
        reads_max: usize,
        short: bool,
    ) -> Option<Reading> {
        while self.reading < reads_max {
            let (when, path) = self.due.first()?;
            if *when > now {
                return None;
            }
            let (when, path) = (*when, Arc::clone(path));
            self.due.pop_first();
            if let Some(tracked) = self.tracked.get_mut(&path)
                && tracked.phase == (Phase::Broken { retry_at: when })
                && !tracked.in_flight
            {
                tracked.tries = match tracked.refusal {
                    Some(_) => tracked.tries.saturating_add(1),
                    None => 0,
                };
                tracked.phase = Phase::Reading;
                tracked.in_flight = true;
                self.reading += 1;
                let depth = if short && tracked.series.is_none() {
                    Depth::Header
                } else {
                    Depth::Whole
                };
                let path = PathBuf::from(path.as_ref());
                return Some(Reading { path, depth });
            }
        }
        None
    }

    /// The answer to a read came; whether it is still wanted.
    pub(super) fn answered(&mut self, path: &Path) -> bool {
        self.reading = self.reading.saturating_sub(1);
        let Some(tracked) = self.tracked.get_mut(path.as_os_str()) else {
            return false;
        };
        tracked.in_flight = false;
        if let Phase::Broken { retry_at } = tracked.phase {
            // It changed and held still while it was read: its turn was passed over.
            self.is_due(retry_at, path);
            return false;
        }
        tracked.phase == Phase::Reading
    }
}

/// Takes a file out of its group.
fn leave(groups: &mut Groups, group: &Group, path: &OsStr) {
    if let Some(paths) = groups.get_mut(group) {
        paths.remove(path);
        if paths.is_empty() {
            groups.remove(group);
        }
    }
}

impl Tracked {
    fn group(&self) -> Group {
        match &self.phase {
            Phase::Growing | Phase::Reading | Phase::Broken { .. } => {
                Group::OnTheWay(self.series.clone())
            }
            Phase::Held(key) => Group::Held(key.clone()),
            Phase::Known(key) => Group::Known(key.clone()),
            Phase::PutBack(key) => Group::PutBack(key.clone()),
            Phase::Foreign => Group::Foreign,
        }
    }

    /// Its mark for the ledger; it stands at `path`.
    pub(super) fn mark(&self, path: &Path) -> FileMark {
        FileMark {
            path: PathDigest::of(path),
            bytes: self.bytes,
            modified: self.modified,
        }
    }

    fn new(seen: &FileSeen, now: Moment, phase: Phase, listed: u64) -> Tracked {
        Tracked {
            bytes: seen.bytes,
            modified: seen.modified,
            first_seen: now,
            tries: 0,
            series: None,
            refusal: None,
            phase,
            in_flight: false,
            hints: 0,
            listed,
        }
    }
}

/// Whether a file's name says that it is not an instance: hidden, unfinished, or an index of the medium.
pub fn is_skipped(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return true;
    };
    let lower = name.to_ascii_lowercase();
    name.starts_with('.')
        || lower.ends_with(".tmp")
        || lower.ends_with(".part")
        || lower.ends_with(".partial")
        || lower == "dicomdir"
}

//! What is known of each file of the export folder.

use crate::ids::SeriesKey;
use crate::refusal::Refusal;
use crate::store::{FileMark, PathDigest};
use crate::units::{Moment, WallTime};
use std::path::{Path, PathBuf};

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

/// The mark of `seen` for the ledger.
pub(super) fn mark(seen: &FileSeen) -> FileMark {
    FileMark {
        path: PathDigest::of(&seen.path),
        bytes: seen.bytes,
        modified: seen.modified,
    }
}

/// What the machine remembers of one file.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) seen: FileSeen,
    pub(super) first_seen: Moment,
    /// How often it was found broken in a row, unchanged.
    pub(super) tries: u8,
    /// The series it named when it could be read last: that series waits for it, whatever becomes of the file.
    pub(super) series: Option<SeriesKey>,
    /// Why it could not be read whole last, unchanged since.
    pub(super) refusal: Option<Refusal>,
    pub(super) phase: Phase,
}

/// Where a file stands.
///
/// ```text
///             held still over two scans                    slices
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

//! Listing the export folder: the whole of it, each time. Network shares deliver no change events, and events overflow.

use super::failure::Failure;
use crate::intake::FileSeen;
use crate::units::WallTime;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Folders below the export folder are followed this deep.
const DEPTH_MAX: usize = 8;
/// Files one listing returns at most; a folder that holds more is listed in part and said to be so.
pub(super) const FILES_MAX: usize = 200_000;

/// The export folder and the folders below it.
pub(super) type Folders = BTreeSet<PathBuf>;

/// One listing of the folder.
#[derive(Debug)]
pub(super) struct Listing {
    /// Files, sorted by the bytes of their paths.
    pub(super) files: Vec<FileSeen>,
    /// Folders that were listed.
    pub(super) folders: Folders,
    /// Whether the bound cut the listing.
    pub(super) cut: bool,
}

/// The export folder as the scanner thread watches it.
#[derive(Debug)]
pub(super) struct Watched {
    root: PathBuf,
    /// The device on which files were seen last.
    device: Option<u64>,
}

impl Watched {
    /// Nothing is known of it yet.
    pub(super) fn new(root: PathBuf) -> Watched {
        Watched { root, device: None }
    }

    /// One listing. Errors: the folder is not there; or it is empty and on another device than its files were: a share
    /// that was unmounted leaves its bare mount point, and its files have not gone for that.
    pub(super) fn list(&mut self) -> io::Result<Listing> {
        let device = fs::metadata(&self.root)?.dev();
        let listing = list(&self.root)?;
        if !listing.files.is_empty() {
            self.device = Some(device);
        } else if self.device.is_some_and(|known| known != device) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        Ok(listing)
    }
}

/// Every regular file below `root`, sorted by the bytes of their paths.
///
/// Symbolic links are not followed: a link could lead out of the folder or round in circles. A file or folder that
/// vanishes while it is listed is left out; an error on the root itself is returned, for nothing is known then.
pub(super) fn list(root: &Path) -> io::Result<Listing> {
    let mut listing = Listing {
        files: Vec::new(),
        folders: Folders::new(),
        cut: false,
    };
    let mut open = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && depth < DEPTH_MAX {
                open.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                let facts = entry.metadata().ok();
                listing
                    .files
                    .extend(facts.and_then(|facts| seen(entry.path(), &facts)));
            }
        }
        listing.folders.insert(folder);
        if listing.files.len() > FILES_MAX {
            listing.cut = true;
            break;
        }
    }
    // By bytes: part by part, sorting would take longer than all else of a listing.
    listing
        .files
        .sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    Ok(listing)
}

/// The paths of all files below `folder`, sorted. Errors: it cannot be listed, or holds none.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let advice = "give a folder that holds the DICOM files of a series";
    let listing = list(folder).map_err(|error| {
        let what = format!("{} cannot be listed: {error}", folder.display());
        Failure::new(what, advice)
    })?;
    if listing.files.is_empty() {
        let what = format!("{} holds no files", folder.display());
        return Err(Failure::new(what, advice));
    }
    Ok(listing.files.into_iter().map(|file| file.path).collect())
}

/// The file at `path` as its `facts` tell it; `None` where the file system keeps no time of change.
pub(super) fn seen(path: PathBuf, facts: &fs::Metadata) -> Option<FileSeen> {
    let modified = facts.modified().ok()?;
    let millis = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_millis()).ok()?,
    };
    Some(FileSeen {
        path,
        bytes: facts.len(),
        modified: WallTime::from_unix_millis(millis),
    })
}

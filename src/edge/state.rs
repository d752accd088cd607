//! The state folder's file: made once, so that a power cut while it is made leaves none instead of half of one.

use crate::store::{Store, StoreError};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// The database's name in the state folder.
const NAME: &str = "state.redb";
/// Its name while it is made.
const FRESH: &str = "state.redb.new";

/// Opens the state in `folder`, which must exist, and makes it at the first start.
///
/// redb lays out a fresh file in several writes; cut between them, it is no database and never becomes one. So it is
/// made under another name and renamed when it is whole; what a cut left under the other name never held anything.
pub fn open(folder: &Path) -> Result<Store, StoreError> {
    let path = folder.join(NAME);
    // A file that is there is opened as it is: a damaged one is reported, never made anew.
    if !path.try_exists().map_err(failed)? {
        make(folder, &path)?;
    }
    Store::open(&path)
}

/// Whether there is a state in `folder`.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(NAME).exists()
}

fn make(folder: &Path, path: &Path) -> Result<(), StoreError> {
    let fresh = folder.join(FRESH);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    drop(Store::open(&fresh)?);
    File::open(&fresh)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)?;
    // Without this a power cut may undo the rename.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn failed(error: io::Error) -> StoreError {
    let doing = "making the state";
    if matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    ) {
        return StoreError::Full { doing };
    }
    StoreError::Disk {
        doing,
        what: error.to_string(),
    }
}

//! Files that a local command writes for its user: whole or not at all.

use super::clock::dice;
use super::failure::Failure;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `file`, replacing what was there. It appears whole or not at all: a fresh file beside it is written
/// and renamed.
///
/// Errors: the folder is missing or may not be written, the disk is full.
pub fn save(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fresh = beside(file);
    let written = write(&fresh, bytes).and_then(|()| fs::rename(&fresh, file));
    written.map_err(|error| {
        let _never_made = fs::remove_file(&fresh);
        Failure::new(
            format!("{} cannot be written: {error}", file.display()),
            "give a file in an existing folder that you may write, on a disk with free space",
        )
    })
}

fn write(fresh: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name in the same folder that no other run uses.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{:08x}.part", dice()))
}

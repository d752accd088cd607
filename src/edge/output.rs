//! Files that a local command writes for its user: whole or not at all.

use super::clock::dice;
use super::failure::Failure;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes `file`, replacing what was there; `fill` gives its bytes. It appears whole or not at all: a fresh file beside
/// it is written and renamed.
///
/// Errors: the folder is missing or may not be written, the disk is full, `fill` fails.
pub fn save(
    file: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Failure> {
    let fresh = beside(file);
    let written = write(&fresh, fill).and_then(|()| fs::rename(&fresh, file));
    written.map_err(|error| {
        let _never_made = fs::remove_file(&fresh);
        cannot_be_written(file, &error)
    })
}

/// Whether [`save`] could write `file`, for whoever would learn it too late. What is there stays as it is.
///
/// Errors: the folder is missing or may not be written; `file` is a folder.
pub(super) fn check(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        let error = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(cannot_be_written(file, &error));
    }
    let fresh = beside(file);
    let tried = write(&fresh, |_| Ok(()));
    let _never_made = fs::remove_file(&fresh);
    tried.map_err(|error| cannot_be_written(file, &error))
}

fn cannot_be_written(file: &Path, error: &io::Error) -> Failure {
    Failure::new(
        format!("{} cannot be written: {error}", file.display()),
        "give a file in an existing folder that you may write, on a disk with free space",
    )
}

fn write(
    fresh: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(fresh)?;
    let mut out = BufWriter::new(file);
    fill(&mut out)?;
    out.flush()?;
    out.get_ref().sync_all()
}

/// A name in the same folder that no other run uses.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{:08x}.part", dice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.png");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        save(&file, |out| out.write_all(b"first")).unwrap();
        let broken = save(&file, |out| {
            out.write_all(b"sec")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(broken.unwrap_err().what.contains("the disk is full"));
        assert_eq!(
            (fs::read(&file).unwrap().as_slice(), names()),
            (&b"first"[..], 1)
        );
        save(&file, |out| out.write_all(b"second")).unwrap();
        assert_eq!(
            (fs::read(&file).unwrap().as_slice(), names()),
            (&b"second"[..], 1)
        );
    }

    #[test]
    fn a_check_tells_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("out.html")).unwrap();
        assert!(check(&folder.path().join("no/out.html")).is_err());
        assert!(check(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = save(&folder.path().join("no/out.png"), |_| Ok(())).unwrap_err();
        assert!(refused.what.contains("no/out.png"), "{refused}");
    }
}

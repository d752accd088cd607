//! A folder for one run, gone with it.

use super::failure::Failure;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder of this process' own below the system's folder for such; removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A fresh folder that only this user may enter. Errors: the system's folder cannot be written.
    pub fn new(purpose: &str) -> Result<Scratch, Failure> {
        let name = format!(
            "scanward-{purpose}-{}-{:08x}",
            std::process::id(),
            super::clock::dice()
        );
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| {
                let what = format!("the folder {} cannot be made: {error}", path.display());
                Failure::new(what, "set TMPDIR to a folder that you may write to")
            })?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A fresh folder in it. Errors: it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|error| {
            let what = format!("the folder {} cannot be made: {error}", path.display());
            Failure::new(what, "make room on its disk")
        })?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        drop(fs::remove_dir_all(&self.path));
    }
}

//! The files that IT writes beside the settings: users, names. Looked at every second, read again when they change.

use super::failure::Wrong;
use super::names::{self, Names};
use super::settings::Settings;
use super::users::Users;
use crate::edge::Failure;
use std::fs;
use std::path::Path;
use std::time::SystemTime;
use tracing::warn;

/// The largest file of users.
const USERS_BYTES_MAX: u64 = 8 << 20;

/// How the files looked when they were read last.
#[derive(Debug, Default)]
pub(super) struct Files {
    users: Seen,
    names: Seen,
}

/// How a file looked: when it was changed, and its size. `None` where it is not there.
type Seen = Option<(SystemTime, u64)>;

impl Files {
    /// The users at the start. Errors: they do not read.
    pub(super) fn first_users(&mut self, settings: &Settings) -> Result<Users, Failure> {
        self.users = seen(&settings.users_file);
        read(&settings.users_file, USERS_BYTES_MAX)
            .and_then(|bytes| users(&bytes))
            .map_err(|error| {
                let what = format!("{}: {error}", settings.users_file.display());
                Failure::new(what, "correct it; `scanward ward-user add` prints an entry")
            })
    }

    /// The users, when their file has changed. What does not read is told of once, and the old stand.
    pub(super) fn new_users(&mut self, settings: &Settings) -> Option<Users> {
        let now = seen(&settings.users_file);
        if now == self.users {
            return None;
        }
        self.users = now;
        let found = read(&settings.users_file, USERS_BYTES_MAX).and_then(|bytes| users(&bytes));
        found
            .inspect_err(
                |why| warn!(%why, "the users' file is not taken; the users of before stand"),
            )
            .ok()
    }

    /// The names, when their file has changed, as for users. They may come later than the start: a finding without a name is
    /// better than none.
    pub(super) fn new_names(&mut self, settings: &Settings) -> Option<Names> {
        let file = settings.names_file.as_ref()?;
        let now = seen(file);
        if now == self.names {
            return None;
        }
        self.names = now;
        let found = read(file, names::FILE_BYTES_MAX).and_then(|bytes| Names::parse(&bytes));
        found
            .inspect_err(
                |why| warn!(%why, "the names' file is not taken; the names of before stand"),
            )
            .ok()
    }
}

fn users(bytes: &[u8]) -> Result<Users, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| Wrong::new("it is not UTF-8 text"))?;
    Users::parse(text)
}

fn seen(file: &Path) -> Seen {
    let facts = fs::metadata(file).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Wrong> {
    let failed = |error: std::io::Error| Wrong::new(&format!("it cannot be read: {error}"));
    let length = fs::metadata(file).map_err(failed)?.len();
    if length > bytes_max {
        return Err(Wrong::new(&format!(
            "it has {length} bytes, {bytes_max} are allowed"
        )));
    }
    fs::read(file).map_err(failed)
}

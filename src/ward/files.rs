//! The files that IT writes beside the settings: users, names. Looked at every second, read again when they change.

use super::failure::Wrong;
use super::names::{self, Names};
use super::settings::Settings;
use super::users::Users;
use crate::edge::Failure;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::warn;

/// The largest file of users.
const USERS_BYTES_MAX: u64 = 8 << 20;

/// What was read, and from which state of the files.
#[derive(Debug)]
pub(super) struct Files {
    /// Who may sign in.
    pub(super) users: Arc<Users>,
    /// The patients' names.
    pub(super) names: Arc<Names>,
    users_seen: Seen,
    names_seen: Seen,
}

/// Which file was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// The users.
    Users,
    /// The names.
    Names,
}

/// How a file looked: when it was changed, and its size. `None` where it is not there.
type Seen = Option<(SystemTime, u64)>;

impl Files {
    /// Reads both. Errors: the users do not read. Names may come later: a finding without one is better than none.
    pub(super) fn read(settings: &Settings) -> Result<Files, Failure> {
        let users_seen = seen(&settings.users_file);
        let users = read(&settings.users_file, USERS_BYTES_MAX)
            .and_then(|bytes| users(&bytes))
            .map_err(|error| {
                let what = format!("{}: {error}", settings.users_file.display());
                Failure::new(what, "correct it; `scanward ward-user add` prints an entry")
            })?;
        let mut files = Files {
            users: Arc::new(users),
            names: Arc::default(),
            users_seen,
            names_seen: None,
        };
        files.read_names(settings);
        Ok(files)
    }

    /// Reads what has changed; returns it. What does not read is told of once, and the old stands.
    pub(super) fn read_again(&mut self, settings: &Settings) -> Vec<Watched> {
        let mut changed = Vec::new();
        let now = seen(&settings.users_file);
        if now != self.users_seen {
            self.users_seen = now;
            let found = read(&settings.users_file, USERS_BYTES_MAX).and_then(|bytes| users(&bytes));
            match found {
                Ok(users) => {
                    self.users = Arc::new(users);
                    changed.push(Watched::Users);
                }
                Err(why) => warn!(%why, "the users' file is not taken; the users of before stand"),
            }
        }
        if self.read_names(settings) {
            changed.push(Watched::Names);
        }
        changed
    }

    fn read_names(&mut self, settings: &Settings) -> bool {
        let Some(file) = &settings.names_file else {
            return false;
        };
        let now = seen(file);
        if now == self.names_seen {
            return false;
        }
        self.names_seen = now;
        match read(file, names::FILE_BYTES_MAX).and_then(|bytes| Names::parse(&bytes)) {
            Ok(names) => {
                self.names = Arc::new(names);
                true
            }
            Err(why) => {
                warn!(%why, "the names' file is not taken; the names of before stand");
                false
            }
        }
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

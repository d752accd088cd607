//! The server's data: one SQLite database. A commit is on disk before anybody is told of it (WAL, synchronous FULL).

mod audit;
mod boxes;
mod findings;
mod keys;
mod not_triaged;
mod outgoing;
mod people;

pub(in crate::ward) use findings::{History, LogLine, Which};
pub(in crate::ward) use keys::{Code, EnrolledKey};
pub(in crate::ward) use outgoing::Waiting;
pub(in crate::ward) use people::Known;

use crate::units::WallTime;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schema's version; a newer database is refused.
const VERSION: i64 = 1;
/// How long a statement waits for another process, such as a backup.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// How a database's file begins. Source: SQLite's file format, section 1.3.
pub(in crate::ward) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

const SCHEMA: &str = include_str!("schema.sql");
/// Tables that came later. A program without them leaves them alone: who goes back to it needs no other data.
const ADDED: &str = include_str!("added.sql");

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::ward) enum StoreError {
    /// The database said no.
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A row that does not read.
    #[error("a row of `{table}` is damaged")]
    Damaged {
        /// Where.
        table: &'static str,
    },
    /// A database of a newer program.
    #[error("the database was written by a newer scanward (version {found})")]
    Newer {
        /// Its version.
        found: i64,
    },
    /// A bound of the store.
    #[error("too many {what}")]
    Full {
        /// What there is too much of.
        what: &'static str,
    },
}

impl StoreError {
    /// What IT can do.
    pub(in crate::ward) fn advice(&self) -> &'static str {
        match self {
            StoreError::Database(_) => {
                "check the disk and the rights of [state] folder; see the log"
            }
            StoreError::Damaged { .. } => "put back a backup of the database: docs/ward.md",
            StoreError::Newer { .. } => "install the newer scanward, or put back a backup",
            StoreError::Full { .. } => "see that the broker takes this server's messages",
        }
    }
}

/// The database: one connection that writes, one that reads beside it.
#[derive(Debug)]
pub(in crate::ward) struct Store {
    connection: Connection,
}

impl Store {
    /// The database in `folder`, made if need be. Errors: no rights, a damaged or newer one.
    pub(in crate::ward) fn open(folder: &Path) -> Result<Store, StoreError> {
        let connection = Connection::open(file(folder))?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > VERSION {
            return Err(StoreError::Newer { found });
        }
        if found < VERSION {
            connection.execute_batch(&format!(
                "BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"
            ))?;
        }
        connection.execute_batch(ADDED)?;
        Ok(Store { connection })
    }

    /// The same database, for reading only.
    pub(in crate::ward) fn open_reader(folder: &Path) -> Result<Store, StoreError> {
        Store::open_file(&file(folder))
    }

    /// A database by its name, for reading only.
    pub(in crate::ward) fn open_file(path: &Path) -> Result<Store, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        Ok(Store { connection })
    }

    /// Does `work` in one transaction: all of it is on disk when this returns, or nothing.
    pub(in crate::ward) fn write<T>(
        &mut self,
        work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.transaction()?;
        let done = work(&Db(&transaction))?;
        transaction.commit()?;
        Ok(done)
    }

    /// Does `work` on one state of the database.
    pub(in crate::ward) fn read<T>(
        &mut self,
        work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.transaction()?;
        work(&Db(&transaction))
    }
}

/// The database's file in `folder`.
pub(in crate::ward) fn file(folder: &Path) -> PathBuf {
    folder.join("ward.sqlite")
}

/// The database within a transaction; what can be asked of it stands in the files of this folder.
pub(in crate::ward) struct Db<'a>(&'a Connection);

impl Db<'_> {
    /// The last change's number.
    pub(in crate::ward) fn sequence(&self) -> Result<u64, StoreError> {
        let number: i64 = self
            .0
            .query_row("SELECT value FROM counter", [], |row| row.get(0))?;
        unsigned(number, "counter")
    }

    /// The rows of a table.
    fn count(&self, table: &'static str) -> Result<i64, StoreError> {
        let query = format!("SELECT count(*) FROM {table}");
        let mut statement = self.0.prepare_cached(&query)?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The next change's number.
    fn next_sequence(&self) -> Result<i64, StoreError> {
        let next = "UPDATE counter SET value = value + 1 RETURNING value";
        Ok(self.0.query_row(next, [], |row| row.get(0))?)
    }
}

fn unsigned(number: i64, table: &'static str) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged { table })
}

/// SQLite's numbers have a sign. Ours are far from the bound; what is not takes it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn time(millis: i64) -> WallTime {
    WallTime::from_unix_millis(millis)
}

/// What was `wait` before `now`, milliseconds.
fn before(now: WallTime, wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    now.unix_millis().saturating_sub(wait)
}

fn to_json<T: serde::Serialize>(value: &T, table: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Damaged { table })
}

fn from_json<T: serde::de::DeserializeOwned>(
    text: &str,
    table: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged { table })
}

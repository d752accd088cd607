//! What can go wrong with the state folder, and what the technician does about it.

use std::io::ErrorKind;

/// Why the state could not be read or written. A failed write has changed nothing: the caller tries it again later.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database.
    #[error("another scanward uses this state folder")]
    InUse,
    /// No space is left.
    #[error("the state folder's disk is full ({doing})")]
    Full {
        /// What was being done.
        doing: &'static str,
    },
    /// The database, or a record in it, fails its check.
    #[error("the state is damaged ({doing}): {what}")]
    Damaged {
        /// What was being done.
        doing: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The state was written by a newer scanward.
    #[error("the state has schema version {found}, this scanward knows up to {known}")]
    Newer {
        /// The version in the state folder.
        found: u64,
        /// The version of this program.
        known: u64,
    },
    /// Any other failure of the disk.
    #[error("the state folder's disk failed ({doing}): {what}")]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        what: String,
    },
}

impl StoreError {
    /// What the technician can do.
    pub fn advice(&self) -> &'static str {
        match self {
            StoreError::InUse => {
                "stop the other one (`systemctl status scanward`), or give this one its own [state] folder"
            }
            StoreError::Full { .. } => "free space on the disk of [state] folder",
            StoreError::Damaged { .. } => {
                "move the state file aside and keep it for scanward's support; a new one is made at the next start"
            }
            StoreError::Newer { .. } => {
                "install the newer scanward again, or give this one its own [state] folder"
            }
            StoreError::Disk { .. } => {
                "check the disk of [state] folder and the folder's rights: `scanward doctor`"
            }
        }
    }

    /// Whether the same call may succeed later without anybody acting on the state folder's content.
    pub fn may_pass(&self) -> bool {
        match self {
            StoreError::Full { .. } | StoreError::Disk { .. } => true,
            StoreError::InUse | StoreError::Damaged { .. } | StoreError::Newer { .. } => false,
        }
    }

    /// A record that does not read as what its table holds.
    pub(super) fn record(doing: &'static str, error: &serde_json::Error) -> StoreError {
        // The line and column only: serde's own text may repeat a value of the record.
        let what = format!(
            "a record does not parse at line {} column {}",
            error.line(),
            error.column()
        );
        StoreError::Damaged { doing, what }
    }

    /// The database's own error, sorted by what can be done about it.
    pub(super) fn database(doing: &'static str, error: impl Into<redb::Error>) -> StoreError {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "redb's error is non-exhaustive: what is not named here is a failure of the disk"
        )]
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => StoreError::InUse,
            redb::Error::Io(io) if is_full(io.kind()) => StoreError::Full { doing },
            redb::Error::Io(io) if io.kind() == ErrorKind::InvalidData => StoreError::Damaged {
                doing,
                what: io.to_string(),
            },
            redb::Error::Corrupted(what) => StoreError::Damaged { doing, what },
            redb::Error::TableTypeMismatch { .. } | redb::Error::UpgradeRequired(_) => {
                StoreError::Damaged {
                    doing,
                    what: "it is not scanward's".to_owned(),
                }
            }
            other => StoreError::Disk {
                doing,
                what: other.to_string(),
            },
        }
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

impl From<StoreError> for crate::fault::Fault {
    fn from(error: StoreError) -> crate::fault::Fault {
        crate::fault::Fault::Store {
            what: error.to_string(),
        }
    }
}

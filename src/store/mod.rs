//! What must survive a power cut: the ledger of series, the outbox's messages, the findings, the box's own secrets.
//!
//! One embedded database (redb) with every commit synced to the disk. Closing a series and queueing its messages is
//! one transaction, so a crash leaves both or neither. The database runs on a path or on any [`StorageBackend`] a test
//! hands in, so a test can cut it at any operation. docs/decisions/0004-store.md tells why.

mod database;
mod error;
mod priors;
mod records;
mod tables;

pub use database::{Limits, Store};
pub use error::StoreError;
pub use priors::{PriorLimits, PriorRecord, PriorRow};
pub use records::{
    DevicePace, FileMark, FindingRecord, PaceRecord, PathDigest, QueuedRow, SeriesRecord,
    SeriesState,
};
/// The trait a test implements to cut the database at any operation.
pub use redb::StorageBackend;

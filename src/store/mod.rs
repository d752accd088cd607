//! What must survive a power cut: the ledger of series, the outbox's messages, the findings, the box's own secrets.
//!
//! One embedded database (redb) with every commit synced to the disk. Closing a series and queueing its messages is
//! one transaction, so a crash leaves both or neither. The database runs on a path or on any [`StorageBackend`] a test
//! hands in, so a test can cut it at any operation. docs/decisions/0004-store.md tells why.

mod annotations;
mod closing;
mod database;
mod error;
mod labels;
mod priors;
mod prune;
mod records;
mod reviews;
mod tables;

pub use annotations::{
    AnnotationLimits, AnnotationRecord, AnnotationRow, AnnotationState, Correction,
};
pub use closing::Closing;
pub use database::Store;
pub use error::StoreError;
pub use labels::{Label, LabelLimits, LabelRow};
pub use priors::{PriorLimits, PriorRecord, PriorRow};
pub use prune::Limits;
pub use records::{
    DevicePace, FileMark, FindingRecord, GridRecord, PaceRecord, PathDigest, QueuedRow,
    SeriesRecord, SeriesState,
};
/// The trait a test implements to cut the database at any operation.
pub use redb::StorageBackend;
pub use reviews::{ClockRecord, Opening, ReviewChange, ReviewRecord, ShownRecord, VerdictRecord};

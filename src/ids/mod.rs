//! Parsed identifiers, and patient data that cannot be printed.

mod hex;
mod redacted;
mod uid;

pub use hex::hex;
pub use redacted::Redacted;
pub use uid::{FindingId, IdError, ModelDigest, Pseudonym, SeriesKey, SlugName, Uid};

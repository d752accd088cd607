//! Every message that leaves the box or reaches it: topics, CloudEvents envelopes, the finding's and the health's documents, and the
//! parcels that carry them through the outbox. docs/schemas/ describes them; tests/golden/ holds examples.

mod answer;
mod build;
mod canonical;
mod envelope;
mod finding;
mod health;
mod incoming;
mod keys;
mod parcel;
mod receipt;
mod topic;
mod verdict;

pub use answer::{EXPIRY_S as RECEIPT_EXPIRY_S, escalated, receipt};
pub use build::{Ending, Sender, parcels};
pub use canonical::{NotCanonical, canonical};
pub use envelope::{Envelope, EventType, SupersededPayload, mark_late};
pub use finding::{
    ComparisonPayload, FindingPayload, Identity, IdentityLevel, IdentityPayload, IntendedUse,
    LesionPayload, ModelPayload, PatientFacts, PatientPayload, Profile, ReasonPayload,
    RegistrationPayload, SeriesPayload, TimingPayload, ZoneChangePayload, ZonePayload,
};
pub use health::{
    ClockPayload, FolderPayload, HealthPayload, HealthState, OfflinePayload, OutboxPayload,
    SeriesCountPayload, WardPayload,
};
pub use incoming::{IncomingError, SignatureError, named_finding};
pub use keys::{KeyListPayload, KeyPayload};
pub use parcel::{Kind, MessageId, Parcel};
pub use receipt::{FindingState, ReceiptPayload, RefusedCode, RefusedPayload, RefusedWhat};
pub use topic::{Root, Topic};
pub use verdict::{AckPayload, Comment, Decision, Seen, VerdictPayload};

/// The notice in every finding.
pub const NOTICE: &str = "Assists a physician; not a diagnosis.";

/// Why a message could not be written. Always our own mistake: wrong numbers must not reach the ward.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WireError {
    /// A number that is not finite, or outside its range.
    #[error("{name} is {value}, outside {least} to {most}")]
    OutOfRange {
        /// The contract's key.
        name: &'static str,
        /// The value.
        value: f64,
        /// The least value allowed.
        least: f64,
        /// The greatest value allowed.
        most: f64,
    },
    /// A payload beyond the bound.
    #[error("the {what} has {bytes} bytes, {bytes_max} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// A message that does not read as what it claims to be.
    #[error("a {what} does not parse")]
    Malformed {
        /// What was being read.
        what: &'static str,
    },
}

impl From<WireError> for crate::fault::Fault {
    fn from(error: WireError) -> crate::fault::Fault {
        crate::fault::Fault::Internal {
            room: "wire",
            what: error.to_string(),
        }
    }
}

//! The durable state of a finding, as the box tells the ward.
#![expect(
    missing_docs,
    reason = "the keys of the payloads are the contract's, docs/contract.md explains them"
)]

use super::WireError;
use super::incoming::{IncomingError, MESSAGE_BYTES_MAX, Rules, present, read};
use crate::ids::FindingId;
use crate::outcome::Priority;
use serde::{Deserialize, Serialize};

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// Nobody has said anything.
    Open,
    /// A nurse has seen it.
    Acknowledged,
    /// Nobody has said anything for too long.
    Escalated,
    /// A physician confirmed it.
    Confirmed,
    /// A physician corrected it.
    Corrected,
    /// A physician rejected it.
    Rejected,
}

impl FindingState {
    /// Every state.
    pub const ALL: [FindingState; 6] = [
        FindingState::Open,
        FindingState::Acknowledged,
        FindingState::Escalated,
        FindingState::Confirmed,
        FindingState::Corrected,
        FindingState::Rejected,
    ];

    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingState::Open => "open",
            FindingState::Acknowledged => "acknowledged",
            FindingState::Escalated => "escalated",
            FindingState::Confirmed => "confirmed",
            FindingState::Corrected => "corrected",
            FindingState::Rejected => "rejected",
        }
    }

    /// The state that `word` names.
    pub fn parse(word: &str) -> Option<FindingState> {
        FindingState::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedWhat {
    /// An acknowledgement.
    Ack,
    /// A verdict.
    Verdict,
}

/// Why a message about a finding was refused: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedCode {
    /// The signature does not hold.
    BadSignature,
    /// The key is not on the list.
    UnknownKey,
    /// The key was revoked.
    RevokedKey,
    /// The page showed other than the box found.
    SeenDiffers,
    /// The box knows no such finding. Counted, never sent.
    UnknownFinding,
    /// The message breaks the contract.
    Malformed,
    /// A newer result replaced the finding.
    Superseded,
    /// A verdict as late or later stands.
    AlreadySigned,
}

impl RefusedCode {
    /// Every code, in the order of docs/contract.md.
    pub const ALL: [RefusedCode; 8] = [
        RefusedCode::BadSignature,
        RefusedCode::UnknownKey,
        RefusedCode::RevokedKey,
        RefusedCode::SeenDiffers,
        RefusedCode::UnknownFinding,
        RefusedCode::Malformed,
        RefusedCode::Superseded,
        RefusedCode::AlreadySigned,
    ];

    /// The contract's word.
    pub fn code(self) -> &'static str {
        match self {
            RefusedCode::BadSignature => "bad-signature",
            RefusedCode::UnknownKey => "unknown-key",
            RefusedCode::RevokedKey => "revoked-key",
            RefusedCode::SeenDiffers => "seen-differs",
            RefusedCode::UnknownFinding => "unknown-finding",
            RefusedCode::Malformed => "malformed",
            RefusedCode::Superseded => "superseded",
            RefusedCode::AlreadySigned => "already-signed",
        }
    }

    /// What happened and what to do next, for the person whose message it was.
    pub fn text(self) -> &'static str {
        match self {
            RefusedCode::BadSignature => {
                "The signature does not hold for what was sent. Sign again; if it fails again, tell IT."
            }
            RefusedCode::UnknownKey => {
                "The box does not know this key. Ask IT to publish the list of keys with yours on it."
            }
            RefusedCode::RevokedKey => {
                "This key was revoked. Ask IT for a new code and enrol again."
            }
            RefusedCode::SeenDiffers => {
                "The page showed other figures than the box found. Load the page again and look once more."
            }
            RefusedCode::UnknownFinding => "The box knows no such finding.",
            RefusedCode::Malformed => {
                "The message is not as the contract writes it. Load the page again; if it fails again, tell IT."
            }
            RefusedCode::Superseded => {
                "A newer result of the same series replaced this finding. Look at the newer one."
            }
            RefusedCode::AlreadySigned => {
                "A verdict that is as late or later stands already. Load the page again."
            }
        }
    }
}

/// The last message about this finding that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedPayload {
    pub what: RefusedWhat,
    pub code: RefusedCode,
    pub text: String,
    pub at: String,
}

/// The receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptPayload {
    pub finding_id: FindingId,
    pub state: FindingState,
    pub priority: Priority,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub by: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub station: Option<String>,
    pub at: String,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub burden_percent: Option<f64>,
    pub sequence: u64,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub refused: Option<RefusedPayload>,
}

impl ReceiptPayload {
    /// Reads and checks a receipt, as the ward does.
    pub fn parse(payload: &[u8]) -> Result<ReceiptPayload, IncomingError> {
        let receipt: ReceiptPayload = read("receipt", payload, MESSAGE_BYTES_MAX)?;
        let rules = Rules("receipt");
        rules.finding(&receipt.finding_id)?;
        rules.time("at", &receipt.at)?;
        rules.percent("burden_percent", receipt.burden_percent.unwrap_or_default())?;
        rules.holds("sequence", receipt.sequence > 0, "begins with 1")?;
        Ok(receipt)
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "receipt" })
    }
}

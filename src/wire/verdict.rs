//! What the ward says of a finding: a nurse's acknowledgement, a physician's signed verdict.
#![expect(
    missing_docs,
    reason = "the keys of the payloads are the contract's, docs/contract.md explains them"
)]

use super::WireError;
use super::canonical::NotCanonical;
use super::incoming::{
    IncomingError, MESSAGE_BYTES_MAX, Rules, SignatureError, present, read, signed_bytes,
};
use crate::ids::FindingId;
use crate::outcome::Priority;
use crate::trust::{KeyId, PublicKey, Signature, SigningKey, TrustError};
use crate::units::WallTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest comment, characters.
const COMMENT_CHARS_MAX: usize = 1000;

/// A nurse has seen a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckPayload {
    pub finding_id: FindingId,
    pub by: String,
    pub at: String,
    pub station: String,
}

impl AckPayload {
    /// Reads and checks a message.
    pub fn parse(payload: &[u8]) -> Result<AckPayload, IncomingError> {
        let ack: AckPayload = read("ack", payload, MESSAGE_BYTES_MAX)?;
        let rules = Rules("ack");
        rules.finding(&ack.finding_id)?;
        rules.name("by", &ack.by)?;
        rules.time("at", &ack.at)?;
        rules.name("station", &ack.station)?;
        Ok(ack)
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "ack" })
    }
}

/// What a physician decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The finding stands.
    Confirm,
    /// There is a finding, of another extent.
    Correct,
    /// There is no finding.
    Reject,
}

impl Decision {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Confirm => "confirm",
            Decision::Correct => "correct",
            Decision::Reject => "reject",
        }
    }
}

/// A physician's words: they may be of a patient, so they print as `***`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Comment(String);

impl Comment {
    /// The comment `text`.
    pub fn new(text: &str) -> Comment {
        Comment(text.to_owned())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the physician's page showed of the finding; what its profile hides is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub priority: Priority,
    pub score: f64,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub burden_percent: Option<f64>,
    pub model_digest: String,
}

impl Seen {
    /// Whether `other` shows the same, number by number.
    pub fn is_same(&self, other: &Seen) -> bool {
        let bits = |seen: &Seen| (seen.score.to_bits(), seen.burden_percent.map(f64::to_bits));
        (self.priority, bits(self), &self.model_digest)
            == (other.priority, bits(other), &other.model_digest)
    }
}

/// A physician confirms, corrects or rejects a finding, and signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictPayload {
    pub finding_id: FindingId,
    pub decision: Decision,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub burden_percent: Option<f64>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub comment: Option<Comment>,
    pub by: String,
    pub at: String,
    pub key_id: KeyId,
    pub seen: Seen,
    pub signature: Signature,
}

impl VerdictPayload {
    /// Reads and checks a message; its signature is not checked yet.
    pub fn parse(payload: &[u8]) -> Result<VerdictPayload, IncomingError> {
        let verdict: VerdictPayload = read("verdict", payload, MESSAGE_BYTES_MAX)?;
        let rules = Rules("verdict");
        rules.finding(&verdict.finding_id)?;
        rules.name("by", &verdict.by)?;
        rules.time("at", &verdict.at)?;
        verdict.check_burden(rules)?;
        let comment = verdict.comment.as_ref().map_or("", Comment::as_str);
        let fits = comment.chars().count() <= COMMENT_CHARS_MAX;
        rules.holds("comment", fits, "is longer than 1,000 characters")?;
        verdict.seen.check(rules)?;
        Ok(verdict)
    }

    fn check_burden(&self, rules: Rules) -> Result<(), IncomingError> {
        let is_correction = self.decision == Decision::Correct;
        let fits = is_correction == self.burden_percent.is_some();
        rules.holds(
            "burden_percent",
            fits,
            "goes with `correct`, and only with it",
        )?;
        rules.percent("burden_percent", self.burden_percent.unwrap_or_default())
    }

    /// When the physician decided.
    pub fn decided_at(&self) -> WallTime {
        WallTime::parse(&self.at).unwrap_or_default()
    }

    /// What is signed: the canonical JSON (RFC 8785) of all but `signature`.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        signed_bytes(self)
    }

    /// Errors: the signature is not that of `key` over this verdict.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        Ok(key.verify(&self.signed_bytes()?, &self.signature)?)
    }

    /// This verdict signed with `key`, whose id it takes.
    pub fn signed(mut self, key: &SigningKey) -> Result<VerdictPayload, SignatureError> {
        self.key_id = key.public().ok_or(TrustError::Key)?.id();
        let signature = key.sign(&self.signed_bytes()?);
        self.signature = signature.ok_or(TrustError::SignatureForm)?;
        Ok(self)
    }

    /// The message's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "verdict" })
    }
}

impl Seen {
    fn check(&self, rules: Rules) -> Result<(), IncomingError> {
        let is_share = (0.0..=1.0).contains(&self.score);
        rules.holds("seen.score", is_share, "must be from 0 to 1")?;
        rules.percent(
            "seen.burden_percent",
            self.burden_percent.unwrap_or_default(),
        )?;
        let digest = self.model_digest.strip_prefix("sha256:");
        let is_digest = digest
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        rules.holds(
            "seen.model_digest",
            is_digest,
            "is no `sha256:` and 64 digits",
        )
    }
}

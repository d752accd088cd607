//! Reading what comes from outside: bounded, strict, and with errors that repeat nothing of the content.

use super::canonical::{NotCanonical, canonical};
use crate::ids::FindingId;
use crate::trust::TrustError;
use crate::units::WallTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Why a message is not taken. Tells the place and the rule, never the content: that may be a patient's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncomingError {
    /// More bytes than any right message has.
    #[error("the {what} has {bytes} bytes, {bytes_max} are allowed")]
    TooLarge {
        /// What it claims to be.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Not JSON, or not the members that the schema asks for.
    #[error(
        "the {what} does not parse at line {line} column {column}: docs/schemas has its members"
    )]
    Shape {
        /// What it claims to be.
        what: &'static str,
        /// Where reading ended, from 1.
        line: usize,
        /// Where reading ended.
        column: usize,
    },
    /// A member whose value breaks a rule.
    #[error("`{key}` of the {what} {rule}")]
    Member {
        /// What it claims to be.
        what: &'static str,
        /// The member.
        key: &'static str,
        /// The rule.
        rule: &'static str,
    },
}

/// Why a signed message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// What was signed has no one spelling.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// The signature does not hold.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A message read from its bytes, `bytes_max` at most. Its rules are still to be checked.
pub(super) fn read<T: DeserializeOwned>(
    what: &'static str,
    payload: &[u8],
    bytes_max: usize,
) -> Result<T, IncomingError> {
    if payload.len() > bytes_max {
        return Err(IncomingError::TooLarge {
            what,
            bytes: payload.len(),
            bytes_max,
        });
    }
    serde_json::from_slice(payload).map_err(|error| IncomingError::Shape {
        what,
        line: error.line(),
        column: error.column(),
    })
}

/// The finding that `payload` names, however wrong the rest is; `None` where it names none.
pub fn named_finding(payload: &[u8]) -> Option<FindingId> {
    #[derive(Deserialize)]
    struct Named {
        finding_id: String,
    }
    let named: Named = read("message", payload, MESSAGE_BYTES_MAX).ok()?;
    FindingId::parse(&named.finding_id).ok()
}

/// The largest message about one finding.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// What is signed of `payload`: the canonical JSON of all but its member `signature`.
pub(super) fn signed_bytes<T: Serialize>(payload: &T) -> Result<Vec<u8>, NotCanonical> {
    let mut value = serde_json::to_value(payload).map_err(|_| NotCanonical)?;
    if let Value::Object(members) = &mut value {
        members.remove("signature");
    }
    canonical(&value).map(String::into_bytes)
}

/// The rules of one kind of message.
#[derive(Clone, Copy)]
pub(super) struct Rules(pub(super) &'static str);

impl Rules {
    pub(super) fn holds(
        self,
        key: &'static str,
        holds: bool,
        rule: &'static str,
    ) -> Result<(), IncomingError> {
        let what = self.0;
        match holds {
            true => Ok(()),
            false => Err(IncomingError::Member { what, key, rule }),
        }
    }

    pub(super) fn finding(self, id: &FindingId) -> Result<(), IncomingError> {
        let holds = FindingId::parse(id.as_str()).is_ok();
        self.holds("finding_id", holds, "is no UUID in small letters")
    }

    /// A name of a person or place: it is shown, so it has an end and no line breaks.
    pub(super) fn name(self, key: &'static str, text: &str) -> Result<(), IncomingError> {
        let count = text.chars().count();
        let holds = (1..=64).contains(&count) && !text.chars().any(char::is_control);
        self.holds(
            key,
            holds,
            "must have 1 to 64 letters, no control characters",
        )
    }

    pub(super) fn time(self, key: &'static str, text: &str) -> Result<WallTime, IncomingError> {
        let time = WallTime::parse(text);
        self.holds(
            key,
            time.is_some(),
            "is no time as 2026-11-23T08:00:12.000Z",
        )?;
        Ok(time.unwrap_or_default())
    }

    pub(super) fn percent(self, key: &'static str, value: f64) -> Result<(), IncomingError> {
        let holds = (0.0..=100.0).contains(&value);
        self.holds(key, holds, "must be from 0 to 100")
    }
}

/// For a member that may be absent but not null: what is signed has one spelling.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// For a member that may be null but not absent.
pub(super) fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

//! The CloudEvents 1.0 envelope in structured mode.

use super::WireError;
use crate::ids::FindingId;
use serde::{Deserialize, Serialize};

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    /// A triaged series.
    #[serde(rename = "org.scanward.finding.v1")]
    Finding,
    /// The ending of any series.
    #[serde(rename = "org.scanward.outcome.v1")]
    Outcome,
    /// A finding is replaced by a newer one of the same series.
    #[serde(rename = "org.scanward.superseded.v1")]
    Superseded,
}

/// The envelope around `data`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope<T> {
    /// "1.0".
    pub specversion: String,
    /// Receivers drop repeats by it.
    pub id: String,
    /// The box.
    pub source: String,
    /// What the event tells.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When the result was made, RFC 3339 UTC.
    pub time: String,
    /// The study's pseudonym.
    pub subject: String,
    /// "application/json".
    pub datacontenttype: String,
    /// The event's content.
    pub data: T,
}

impl Envelope<super::FindingPayload> {
    /// Reads a finding or an outcome, as the ward does. Errors: [`WireError::Malformed`].
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        serde_json::from_slice(payload).map_err(|_| WireError::Malformed { what: "finding" })
    }
}

/// The content of [`EventType::Superseded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupersededPayload {
    /// The finding that no longer stands.
    pub superseded: FindingId,
    /// The result that stands in its place.
    pub by: FindingId,
}

/// The payload with `late` set: the message was sent long after it was made. The id stays.
///
/// Works on the written bytes: a quoted key cannot stand inside a JSON string, whose quotes are escaped, so nothing
/// else can match, and no number is parsed and written again.
pub fn mark_late(payload: &[u8]) -> Result<Vec<u8>, WireError> {
    const EARLY: &[u8] = b"\"late\":false";
    const LATE: &[u8] = b"\"late\":true";
    let place = payload
        .windows(EARLY.len())
        .position(|window| window == EARLY);
    let Some((before, rest)) = place.and_then(|place| payload.split_at_checked(place)) else {
        return match payload.windows(LATE.len()).any(|window| window == LATE) {
            true => Ok(payload.to_vec()),
            false => Err(WireError::Malformed {
                what: "finding without `late`",
            }),
        };
    };
    let after = rest.get(EARLY.len()..).unwrap_or_default();
    Ok([before, LATE, after].concat())
}

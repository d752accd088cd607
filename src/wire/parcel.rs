//! The parcel: one message with all that its sending needs, as the outbox keeps it.

use super::WireError;
use crate::outcome::Priority;
use crate::store::QueuedRow;
use crate::units::WallTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The outbox's name for one message: `<finding id>/<kind>`, a receipt's with its sequence. The same on a rerun, so nothing is queued twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(String);

impl MessageId {
    /// The message of `kind` about the finding `group`.
    pub fn new(group: &str, kind: Kind) -> MessageId {
        MessageId(format!("{group}/{}", kind.as_str()))
    }

    /// The receipt `sequence` of the finding `group`: each has an id of its own, for a later one is another message.
    pub fn receipt(group: &str, sequence: u64) -> MessageId {
        MessageId(format!("{group}/{}/{sequence}", Kind::Receipt.as_str()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The finding that the message is about: a preview goes before the finding of the same group.
    pub fn group(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(group, _)| group)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message is. The order is the order of sending within one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The picture.
    Preview,
    /// The finding.
    Finding,
    /// The series' ending.
    Outcome,
    /// An earlier finding is replaced.
    Superseded,
    /// The finding once more, more urgently: nobody acknowledged it.
    Escalated,
    /// The state of a finding.
    Receipt,
    /// What the ward's server says to a box.
    Ward,
}

impl Kind {
    /// The word in a message id.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Preview => "preview",
            Kind::Finding => "finding",
            Kind::Outcome => "outcome",
            Kind::Superseded => "superseded",
            Kind::Escalated => "escalated",
            Kind::Receipt => "receipt",
            Kind::Ward => "ward",
        }
    }

    /// Whether the message may never be dropped, however often it is refused.
    pub fn must_arrive(self) -> bool {
        match self {
            Kind::Preview => false,
            Kind::Finding
            | Kind::Outcome
            | Kind::Superseded
            | Kind::Escalated
            | Kind::Receipt
            | Kind::Ward => true,
        }
    }
}

/// One message. Its payload is kept apart from the rest in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    pub(super) version: u16,
    /// The outbox's name for it.
    pub id: MessageId,
    /// What it is.
    pub kind: Kind,
    /// How soon it goes out.
    pub priority: Priority,
    /// The full topic name.
    pub topic: String,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// MQTT quality of service; 1 for all that goes through the outbox.
    pub qos: u8,
    /// MQTT 5 content type.
    pub content_type: String,
    /// Whether the payload is UTF-8 text (MQTT 5 payload format indicator).
    pub text: bool,
    /// The broker forgets it after this, seconds.
    pub expiry_s: Option<u32>,
    /// Where the ward answers.
    pub response_topic: Option<String>,
    /// The finding id, for the answer.
    pub correlation: Option<String>,
    /// When it was made, milliseconds since 1970 UTC.
    pub(super) created_ms: i64,
    /// The bytes to send.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

impl Parcel {
    /// A parcel of `kind` about `group`, QoS 1, not retained, binary, without answer or expiry.
    pub fn new(group: &str, kind: Kind, topic: String, payload: Vec<u8>) -> Parcel {
        Parcel {
            version: 1,
            id: MessageId::new(group, kind),
            kind,
            priority: Priority::Routine,
            topic,
            retain: false,
            qos: 1,
            content_type: "application/octet-stream".to_owned(),
            text: false,
            expiry_s: None,
            response_topic: None,
            correlation: None,
            created_ms: 0,
            payload,
        }
    }

    /// The same parcel, made at `created`.
    pub fn created_at(self, created: WallTime) -> Parcel {
        Parcel {
            created_ms: created.unix_millis(),
            ..self
        }
    }

    /// When it was made.
    pub fn created(&self) -> WallTime {
        WallTime::from_unix_millis(self.created_ms)
    }

    /// The parcel as it is sent long after it was made: findings and outcomes say `late: true`.
    pub fn sent_late(self) -> Result<Parcel, WireError> {
        match self.kind {
            Kind::Finding | Kind::Outcome | Kind::Escalated => Ok(Parcel {
                payload: super::mark_late(&self.payload)?,
                ..self
            }),
            Kind::Preview | Kind::Superseded | Kind::Receipt | Kind::Ward => Ok(self),
        }
    }

    /// The parcel as the store keeps it.
    pub fn to_row(&self) -> Result<QueuedRow, WireError> {
        let head = serde_json::to_vec(self).map_err(|_| WireError::Malformed { what: "parcel" })?;
        Ok(QueuedRow {
            key: self.id.as_str().to_owned(),
            head,
            payload: self.payload.clone(),
        })
    }

    /// The parcel from the store; without payload where the row has none.
    pub fn from_row(row: QueuedRow) -> Result<Parcel, WireError> {
        let head: Parcel = serde_json::from_slice(&row.head)
            .map_err(|_| WireError::Malformed { what: "parcel" })?;
        Ok(Parcel {
            payload: row.payload,
            ..head
        })
    }
}

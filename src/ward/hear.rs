//! An MQTT message as the ward reads it. Pure: bytes in, what they tell out.
//!
//! Members that are not known are passed over: a box may be newer than the server.

use crate::ids::{FindingId, Pseudonym, SlugName};
use crate::outcome::Priority;
use crate::preview::PICTURE_BYTES_MAX;
use crate::units::WallTime;
use crate::wire::{EventType, ReceiptPayload, Root, Topic};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest event that is read; a finding with all zones has about 2 KiB.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// The largest health document.
const HEALTH_BYTES_MAX: usize = 16 << 10;
/// How a PNG begins.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A box, as topics name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct BoxName {
    /// The hospital or ward.
    pub(super) site: SlugName,
    /// The box.
    pub(super) device: SlugName,
}

impl BoxName {
    /// The root of its topics.
    pub(super) fn root(&self) -> Root {
        Root::new(self.site.clone(), self.device.clone())
    }
}

/// What a message tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// A finding; `topic` is the priority of the topic it came by, another one when it was escalated.
    Finding {
        /// The box.
        from: BoxName,
        /// The finding.
        told: Box<Told>,
        /// The topic's priority.
        topic: Priority,
    },
    /// A finding is replaced.
    Superseded {
        /// The finding that no longer stands.
        earlier: FindingId,
        /// The one in its place.
        by: FindingId,
    },
    /// A series ended without a finding.
    NotTriaged {
        /// The box.
        from: BoxName,
        /// The series, and why.
        told: Box<NotTriaged>,
    },
    /// The picture of a finding.
    Preview {
        /// The finding.
        id: FindingId,
        /// The PNG.
        png: Vec<u8>,
    },
    /// The state of a finding.
    Receipt(Box<ReceiptPayload>),
    /// How a box is.
    Health {
        /// The box.
        from: BoxName,
        /// What it says.
        said: Box<Said>,
    },
    /// Nothing that a nursing station shows: the outcome that goes with a finding, the state of updates.
    Nothing,
}

/// Why a message is passed over. Tells nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unheard {
    /// A topic that is not of the contract, or of another site.
    #[error("its topic is not one of the contract's")]
    Topic,
    /// A payload that the contract does not allow.
    #[error("its payload does not follow the contract")]
    Payload,
}

/// A finding, as the ward needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The finding.
    pub(super) id: FindingId,
    /// When it was made.
    pub(super) time: String,
    /// What it says.
    pub(super) data: Finding,
}

/// The `data` of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// How soon somebody should look.
    pub(super) priority: Priority,
    /// The network's score.
    pub(super) score: f64,
    /// What the box is used for.
    pub(super) intended_use: String,
    /// Whose it is.
    pub(super) identity: Identity,
    /// The series, as the contract writes it.
    pub(super) series: Value,
    /// The lesion's figures; absent where the intended use hides them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lesion: Option<Lesion>,
    /// The change since a prior.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comparison: Option<Value>,
    /// Quality flags.
    #[serde(default)]
    pub(super) quality: Vec<String>,
    /// Whether it was sent long after it was made.
    pub(super) late: bool,
    /// The finding it replaces.
    #[serde(default)]
    pub(super) supersedes: Option<FindingId>,
    /// The model.
    pub(super) model: Model,
    /// What it is not.
    pub(super) notice: String,
}

/// A series that ended without a finding, as the ward needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NotTriaged {
    /// Its outcome's id.
    pub(super) id: FindingId,
    /// When it ended.
    pub(super) time: String,
    /// What its outcome says.
    pub(super) data: Ending,
}

/// The `data` of an outcome without a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ending {
    /// Why there is none.
    pub(super) reason: Reason,
    /// Whose it is.
    pub(super) identity: Identity,
    /// The series, as the contract writes it.
    pub(super) series: Value,
    /// The finding or outcome that it replaces.
    #[serde(default)]
    pub(super) supersedes: Option<FindingId>,
}

/// Why a series has no finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reason {
    /// A code of the contract's closed list.
    pub(super) code: String,
    /// In words.
    pub(super) text: String,
    /// What somebody can do.
    pub(super) remedy: String,
}

/// Whose a finding is. Not for `Debug`: it may name the patient.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The patient's pseudonym at this box.
    pub(super) pseudonym: Pseudonym,
    /// The accession number.
    pub(super) accession: Option<String>,
    /// The patient in clear, at the level `full` only.
    pub(super) patient: Option<Person>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.pseudonym)
    }
}

/// A patient in clear.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    /// The name.
    pub(super) name: String,
    /// The patient id.
    pub(super) id: String,
    /// The birth date.
    pub(super) birth_date: String,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The lesion's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lesion {
    /// Percent of the lung.
    pub(super) burden_percent: f64,
    /// Between which figures it lies.
    pub(super) burden_interval_percent: [f64; 2],
    /// Its volume.
    pub(super) volume_ml: f64,
    /// The lungs' volume.
    pub(super) lung_volume_ml: f64,
    /// How many lesions.
    pub(super) count: u32,
    /// The zones, as the contract writes them.
    pub(super) zones: Value,
}

/// The model that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Model {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its digest.
    pub(super) digest: String,
    /// What it ran on.
    #[serde(default)]
    pub(super) backend: String,
}

/// How a box says it is; the last will has state and boot only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Said {
    /// `online`, `degraded`, `offline`.
    pub(super) state: BoxState,
    /// Counts its starts.
    pub(super) boot: u64,
    /// Counts its documents.
    #[serde(default)]
    pub(super) sequence: u64,
    /// Its program.
    #[serde(default)]
    pub(super) version: String,
    /// Its model.
    #[serde(default)]
    pub(super) model: Option<Value>,
    /// What the model runs on.
    #[serde(default)]
    pub(super) backend: Option<String>,
    /// What waits to be sent.
    #[serde(default)]
    pub(super) outbox: Value,
    /// The series of the day.
    #[serde(default)]
    pub(super) series: Value,
    /// What is not quite well.
    #[serde(default)]
    pub(super) degraded: Vec<String>,
}

/// How a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BoxState {
    /// All well.
    Online,
    /// Working, with a complaint.
    Degraded,
    /// Gone.
    Offline,
}

/// What the message `payload` on `topic` tells, at the site `site`.
pub(super) fn hear(site: &SlugName, topic: &str, payload: &[u8]) -> Result<Heard, Unheard> {
    let (root, topic) = Root::parse(topic).ok_or(Unheard::Topic)?;
    if root.site() != site {
        return Err(Unheard::Topic);
    }
    let from = BoxName {
        site: root.site().clone(),
        device: root.device().clone(),
    };
    match topic {
        Topic::Health => health(from, payload),
        Topic::Finding(priority) => finding(from, priority, payload),
        Topic::Outcome => outcome(from, payload),
        Topic::Preview(id) => preview(id, payload),
        Topic::Receipt(id) => receipt(&id, payload),
        Topic::Update | Topic::Learning => Ok(Heard::Nothing),
        Topic::Ack | Topic::Verdict | Topic::Keys => Err(Unheard::Topic),
    }
}

fn health(from: BoxName, payload: &[u8]) -> Result<Heard, Unheard> {
    let said: Box<Said> = read(payload, HEALTH_BYTES_MAX)?;
    let short = said.version.len() <= 64 && said.degraded.len() <= 64;
    match short {
        true => Ok(Heard::Health { from, said }),
        false => Err(Unheard::Payload),
    }
}

/// The envelope as far as it decides what the event is.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    event_type: EventType,
    time: String,
    data: Value,
}

fn finding(from: BoxName, topic: Priority, payload: &[u8]) -> Result<Heard, Unheard> {
    let event: Event = read(payload, EVENT_BYTES_MAX)?;
    let data: Finding = serde_json::from_value(event.data).map_err(|_| Unheard::Payload)?;
    let right = event.event_type == EventType::Finding
        && WallTime::parse(&event.time).is_some()
        && (0.0..=1.0).contains(&data.score)
        && data.identity.is_short();
    if !right {
        return Err(Unheard::Payload);
    }
    let told = Box::new(Told {
        id: id(&event.id)?,
        time: event.time,
        data,
    });
    Ok(Heard::Finding { from, told, topic })
}

impl Identity {
    /// It is a key of the store and is looked up: no more than a pseudonym is long.
    fn is_short(&self) -> bool {
        self.pseudonym.as_str().len() <= 64
    }
}

fn outcome(from: BoxName, payload: &[u8]) -> Result<Heard, Unheard> {
    #[derive(Deserialize)]
    struct Replaced {
        superseded: String,
        by: String,
    }
    let event: Event = read(payload, EVENT_BYTES_MAX)?;
    match event.event_type {
        EventType::Superseded => {
            let data: Replaced =
                serde_json::from_value(event.data).map_err(|_| Unheard::Payload)?;
            Ok(Heard::Superseded {
                earlier: id(&data.superseded)?,
                by: id(&data.by)?,
            })
        }
        EventType::Outcome => ending(from, event),
        EventType::Finding => Ok(Heard::Nothing),
    }
}

/// The outcome of a series that was triaged goes with its finding: that is enough.
fn ending(from: BoxName, event: Event) -> Result<Heard, Unheard> {
    if event.data.get("outcome").and_then(Value::as_str) == Some("triaged") {
        return Ok(Heard::Nothing);
    }
    let data: Ending = serde_json::from_value(event.data).map_err(|_| Unheard::Payload)?;
    if WallTime::parse(&event.time).is_none() || !data.identity.is_short() {
        return Err(Unheard::Payload);
    }
    let told = Box::new(NotTriaged {
        id: id(&event.id)?,
        time: event.time,
        data,
    });
    Ok(Heard::NotTriaged { from, told })
}

fn preview(id: FindingId, payload: &[u8]) -> Result<Heard, Unheard> {
    // It is served as it came, so it has to be what it claims to be.
    if payload.len() > PICTURE_BYTES_MAX || !payload.starts_with(PNG) {
        return Err(Unheard::Payload);
    }
    let png = payload.to_vec();
    Ok(Heard::Preview { id, png })
}

fn receipt(id: &FindingId, payload: &[u8]) -> Result<Heard, Unheard> {
    let receipt = ReceiptPayload::parse(payload).map_err(|_| Unheard::Payload)?;
    match receipt.finding_id == *id {
        true => Ok(Heard::Receipt(Box::new(receipt))),
        false => Err(Unheard::Payload),
    }
}

fn id(text: &str) -> Result<FindingId, Unheard> {
    FindingId::parse(text).map_err(|_| Unheard::Payload)
}

fn read<T: serde::de::DeserializeOwned>(payload: &[u8], bytes_max: usize) -> Result<T, Unheard> {
    if payload.len() > bytes_max {
        return Err(Unheard::Payload);
    }
    serde_json::from_slice(payload).map_err(|_| Unheard::Payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1e67772b-ccf5-54b6-b0e2-17e44bcdc5f4";

    fn golden(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");
        std::fs::read(format!("{folder}{name}.json")).unwrap()
    }

    fn heard(topic: &str, payload: &[u8]) -> Result<Heard, Unheard> {
        let site = SlugName::parse("north").unwrap();
        hear(&site, &format!("scanward/v1/north/ct-2/{topic}"), payload)
    }

    #[test]
    fn every_golden_message_of_the_box_is_heard() {
        for (topic, name) in [
            ("finding/urgent", "finding"),
            ("finding/urgent", "finding-triage"),
            ("finding/urgent", "finding-full-identity"),
            ("finding/urgent", "finding-compared-whole"),
            ("finding/urgent", "finding-superseding"),
            ("health", "health"),
            ("health", "health-fresh"),
            ("health", "will"),
            ("outcome", "outcome-triaged"),
            ("outcome", "outcome-not-triaged"),
            ("outcome", "superseded"),
        ] {
            let found = heard(topic, &golden(name));
            assert!(found.is_ok(), "{name}: {found:?}");
        }
        for name in ["receipt-open", "receipt-corrected", "receipt-refused"] {
            let topic = "receipt/a57e214a-243a-5efb-8c4d-99cc65e50048";
            assert!(heard(topic, &golden(name)).is_ok(), "{name}");
        }
        let png = heard(&format!("preview/{ID}"), b"\x89PNG\r\n\x1a\nx");
        assert!(matches!(png, Ok(Heard::Preview { .. })));
    }

    #[test]
    fn what_the_contract_does_not_know_is_passed_over() {
        let long = vec![b' '; 1 << 20];
        for (topic, payload) in [
            ("finding/urgent", &b"{"[..]),
            ("finding/urgent", &golden("health")),
            ("finding/urgent", &golden("outcome-not-triaged")),
            ("finding/sudden", &golden("finding")),
            ("health", b"[]"),
            ("health", &long),
            ("outcome", &long),
            (&format!("preview/{ID}"), b"<svg>"),
            (&format!("receipt/{ID}"), &golden("receipt-open")),
            ("ack", &golden("ack")),
            ("attic", b"{}"),
        ] {
            assert!(heard(topic, payload).is_err(), "{topic}");
        }
        let site = SlugName::parse("south").unwrap();
        let topic = "scanward/v1/north/ct-2/health";
        assert_eq!(hear(&site, topic, &golden("health")), Err(Unheard::Topic));
    }

    #[test]
    fn a_newer_box_may_say_more() {
        let mut event: Value = serde_json::from_slice(&golden("finding")).unwrap();
        event["data"]["new"] = Value::Bool(true);
        event["new"] = Value::Bool(true);
        assert!(heard("finding/urgent", event.to_string().as_bytes()).is_ok());
        let mut said: Value = serde_json::from_slice(&golden("health")).unwrap();
        said["new"] = Value::Bool(true);
        assert!(heard("health", said.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn a_name_cannot_reach_a_log_line() {
        let found = format!(
            "{:?}",
            heard("finding/urgent", &golden("finding-full-identity"))
        );
        assert!(
            !found.contains("CHAN") && !found.contains("PID-0815"),
            "{found}"
        );
        assert!(!found.contains("ACC-4711"), "{found}");
    }
}

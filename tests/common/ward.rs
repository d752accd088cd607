//! The ward: an independent MQTT client, everything it received, and the questions tests ask of it.

use super::mosquitto::{Subscriber, publish};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest wait for a finding: a debug build on a busy machine takes its time. A wait that ends early costs nothing.
const PATIENCE: Duration = Duration::from_secs(300);
/// The root of the topics of a test's box.
const ROOT: &str = "scanward/v1/north/ct-2";
/// No message of scanward's; tells that all before it have arrived.
const BARRIER: &str = "test/barrier";

/// One message as it came in.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
}

impl Message {
    /// The payload as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }

    /// `finding`, `outcome`, `superseded`, `preview`, `health`, `receipt`, and what the ward itself says: `ack`,
    /// `verdict`, `keys`.
    pub fn kind(&self) -> &'static str {
        let room = self
            .topic
            .strip_prefix(ROOT)
            .unwrap()
            .split('/')
            .nth(1)
            .unwrap();
        match room {
            "finding" => "finding",
            "preview" => "preview",
            "health" => "health",
            "outcome" if self.json()["type"] == "org.scanward.superseded.v1" => "superseded",
            "outcome" => "outcome",
            "receipt" => "receipt",
            "ack" => "ack",
            "verdict" => "verdict",
            "keys" => "keys",
            other => panic!("a topic that the contract does not know: {other}"),
        }
    }

    /// The event's id; a preview's and a receipt's is in its topic. A list of keys has none.
    pub fn id(&self) -> String {
        match self.kind() {
            "preview" | "receipt" => self.topic.rsplit('/').next().unwrap().to_owned(),
            "ack" | "verdict" | "keys" => String::new(),
            _ => text(&self.json()["id"]),
        }
    }

    /// The pseudonym of the study.
    pub fn subject(&self) -> String {
        text(&self.json()["subject"])
    }

    /// The reason's code, or `triaged`.
    pub fn code(&self) -> String {
        let data = &self.json()["data"];
        data["reason"]["code"]
            .as_str()
            .map_or_else(|| text(&data["outcome"]), str::to_owned)
    }
}

/// The text of a JSON string.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// A client that collects all that the box sends.
#[derive(Debug)]
pub struct Ward {
    client: Subscriber,
    port: u16,
    /// Everything so far, in order of arrival.
    pub seen: Vec<Message>,
    barriers: usize,
}

impl Ward {
    /// Subscribes to everything; returns when the broker has confirmed.
    pub fn start(port: u16) -> Ward {
        let client = Subscriber::start(port, "ward", &["scanward/#", BARRIER]);
        Ward {
            client,
            port,
            seen: Vec::new(),
            barriers: 0,
        }
    }

    /// Collects until `enough` says so; fails with what it waits for when that does not come.
    pub fn until(&mut self, what: &str, enough: impl Fn(&Ward) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some((topic, payload)) = self.client.bytes_within(left) else {
                panic!("waited in vain for {what}; came: {:#?}", self.summary());
            };
            if topic == BARRIER {
                self.barriers += 1;
            } else {
                self.seen.push(Message { topic, payload });
            }
        }
    }

    /// Collects until `count` outcomes with ids of their own are there.
    pub fn until_outcomes(&mut self, count: usize) {
        self.until(&format!("{count} outcomes"), |ward| {
            ward.ids("outcome").len() >= count
        });
    }

    /// Collects all that the broker holds.
    pub fn drain(&mut self) {
        let barriers = self.barriers;
        publish(self.port, BARRIER, "x");
        self.until("the barrier", |ward| ward.barriers > barriers);
    }

    /// Collects while the box, which must be running, publishes `count` more health documents, one each second.
    pub fn watch(&mut self, count: usize) {
        let before = self.of("health").len();
        self.until("more health documents", |ward| {
            ward.of("health").len() >= before + count
        });
    }

    /// Says something on a topic of the box, as a ward's client does.
    pub fn say(&self, topic: &str, payload: &str) {
        publish(self.port, &format!("{ROOT}/{topic}"), payload);
    }

    /// The receipts of a finding, in order of arrival.
    pub fn receipts(&self, finding: &str) -> Vec<Value> {
        let all = self.of("receipt").into_iter();
        all.filter(|receipt| receipt.id() == finding)
            .map(Message::json)
            .collect()
    }

    /// Collects until the last receipt of a finding is as `enough` asks, and returns it.
    pub fn until_receipt(
        &mut self,
        finding: &str,
        what: &str,
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until(&format!("a receipt: {what}"), |ward| {
            ward.receipts(finding).last().is_some_and(&enough)
        });
        self.receipts(finding).pop().unwrap()
    }

    /// The messages of a kind.
    pub fn of(&self, kind: &str) -> Vec<&Message> {
        self.seen
            .iter()
            .filter(|message| message.kind() == kind)
            .collect()
    }

    /// The ids of a kind of message.
    pub fn ids(&self, kind: &str) -> BTreeSet<String> {
        self.of(kind).into_iter().map(Message::id).collect()
    }

    /// The ids of a kind of message for each study.
    pub fn ids_by_study(&self, kind: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for message in self.of(kind) {
            found
                .entry(message.subject())
                .or_default()
                .insert(message.id());
        }
        found
    }

    /// The codes of all outcomes, each id once, sorted.
    pub fn codes(&self) -> Vec<String> {
        let by_id: BTreeMap<String, String> = self
            .of("outcome")
            .iter()
            .map(|it| (it.id(), it.code()))
            .collect();
        let mut codes: Vec<String> = by_id.into_values().collect();
        codes.sort();
        codes
    }

    /// The last health document.
    pub fn health(&self) -> Option<Value> {
        self.of("health").last().map(|message| message.json())
    }

    /// Whether the last health document names `reason`.
    pub fn is_degraded_by(&self, reason: &str) -> bool {
        self.health().is_some_and(|health| {
            let reasons = health["degraded"].as_array().cloned().unwrap_or_default();
            reasons.iter().any(|given| given == reason)
        })
    }

    /// Whether all copies of a message are the same but for `late`.
    pub fn copies_are_alike(&self) -> bool {
        let mut first: BTreeMap<(String, &str), Value> = BTreeMap::new();
        self.seen
            .iter()
            .filter(|message| matches!(message.kind(), "finding" | "outcome" | "superseded"))
            .all(|message| {
                let mut value = message.json();
                value["data"]["late"] = Value::Null;
                let kept = first
                    .entry((message.id(), message.kind()))
                    .or_insert_with(|| value.clone());
                *kept == value
            })
    }

    fn summary(&self) -> Vec<String> {
        let told = self
            .seen
            .iter()
            .filter(|message| message.kind() != "health");
        told.map(|message| match message.kind() {
            "outcome" => format!("{} {} {}", message.topic, message.id(), message.code()),
            _ => format!("{} {}", message.topic, message.id()),
        })
        .chain(self.health().map(|health| health.to_string()))
        .collect()
    }
}

/// Fails with the complaints when a message does not follow its schema in docs/schemas.
pub fn check_schema(message: &Message) {
    let name = match message.kind() {
        "superseded" => "outcome",
        "preview" => return assert!(message.payload.starts_with(b"\x89PNG")),
        other => other,
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let schema = std::fs::read(folder.join(format!("{name}.schema.json"))).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = message.json();
    let complaints: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(complaints.is_empty(), "{value:#}: {complaints:#?}");
}

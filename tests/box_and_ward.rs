//! A box and its ward over a real broker: the built program acknowledges, escalates, takes signed verdicts, and refuses
//! what it must.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files; a test needs a real clock to bound its waits"
)]

mod common;

use common::mosquitto::{Mosquitto, Subscriber, free_port, is_missing};
use common::phantoms::Scan;
use common::site::{Daemon, Settings, Site};
use common::ward::{Message, Ward, check_schema, text};
use scanward::edge::state;
use scanward::ids::FindingId;
use scanward::trust::{KeyId, Signature, SigningKey};
use scanward::wire::{Decision, KeyListPayload, KeyPayload, Seen, VerdictPayload, canonical};
use serde_json::{Value, json};

#[test]
fn a_nurse_acknowledges_and_a_physician_signs() {
    let Some(mut scene) = Scene::new("acknowledge", "") else {
        return;
    };
    let id = scene.finding(21);
    let open = scene.receipt(&id, "open", |receipt| receipt["sequence"] == 1);
    assert_eq!(open["state"], "open");

    scene
        .ward
        .say("ack", &ack(&id, "Chan 陳", "Ward 7B").to_string());
    let seen = scene.receipt(&id, "acknowledged", |receipt| {
        receipt["state"] == "acknowledged"
    });
    assert_eq!(
        (&seen["by"], &seen["station"]),
        (&json!("Chan 陳"), &json!("Ward 7B"))
    );
    scene
        .ward
        .say("ack", &ack(&id, "Wong", "Ward 8").to_string());
    let again = scene.receipt(&id, "told again", |receipt| receipt["sequence"] == 3);
    assert_eq!(again["by"], "Chan 陳", "the first counts");

    scene.publish_keys(1, None);
    let verdict = scene.verdict(&id, Decision::Correct, 1);
    scene.ward.say("verdict", &json(&verdict).to_string());
    let signed = scene.receipt(&id, "corrected", |receipt| receipt["state"] == "corrected");
    assert_eq!(
        (&signed["by"], &signed["burden_percent"]),
        (&json!("Dr Lee 李"), &json!(17.5))
    );
    let later = scene.verdict(&id, Decision::Confirm, 2);
    scene.ward.say("verdict", &json(&later).to_string());
    scene.receipt(&id, "confirmed", |receipt| receipt["state"] == "confirmed");

    // Whoever subscribes later finds how it stands.
    let topic = format!("scanward/v1/north/ct-2/receipt/{id}");
    let newcomer = Subscriber::start(scene.broker.port, "newcomer", &[&topic]);
    let (_, retained) = newcomer.message();
    let retained: Value = serde_json::from_str(&retained).unwrap();
    assert_eq!(retained["state"], "confirmed");

    let site = scene.end();
    let mut store = state::open(&site.state()).unwrap();
    let labels = store.labels_of(&FindingId::parse(&id).unwrap()).unwrap();
    assert_eq!(labels.len(), 2);
    let kept: Value = serde_json::from_slice(&labels[0].verdict).unwrap();
    assert_eq!(kept, json(&verdict));
    assert!(labels[0].masks.is_some(), "with the finding's masks");
    let log = site.log();
    for secret in ["Chan", "Dr Lee", "for the record"] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

#[test]
fn what_the_box_must_not_believe_is_refused_and_changes_nothing() {
    let Some(mut scene) = Scene::new("refused", "") else {
        return;
    };
    let id = scene.finding(22);
    let good = || scene_verdict(&id);
    scene.publish_keys(1, Some("2026-11-20T08:00:00.000Z"));
    scene.receipt(&id, "open", |receipt| receipt["state"] == "open");

    let mut altered = json(&scene.verdict(&id, Decision::Confirm, 1));
    altered["seen"]["score"] = json!(0.001);
    let mut unsigned = json(&scene.verdict(&id, Decision::Confirm, 1));
    unsigned.as_object_mut().unwrap().remove("signature");
    let mut differs = scene.verdict(&id, Decision::Confirm, 1);
    differs.seen.score = 0.001;
    let differs = differs.signed(&key(PHYSICIAN)).unwrap();
    let stranger = scene
        .verdict(&id, Decision::Confirm, 1)
        .signed(&key(STRANGER))
        .unwrap();
    let revoked = scene
        .verdict(&id, Decision::Confirm, 1)
        .signed(&key(REVOKED))
        .unwrap();
    let mut foreign = json(&good().signed(&key(STRANGER)).unwrap());
    foreign["key_id"] = json(&key(PHYSICIAN).public().unwrap().id());
    for (message, code) in [
        (altered, "bad-signature"),
        (unsigned, "malformed"),
        (json(&differs), "seen-differs"),
        (json(&stranger), "unknown-key"),
        (json(&revoked), "revoked-key"),
        (foreign, "bad-signature"),
        (
            json!({"finding_id": id, "nonsense": [1, 2, {"secret": "CHAN^TAI"}]}),
            "malformed",
        ),
    ] {
        let before = scene.ward.receipts(&id).last().unwrap()["sequence"]
            .as_u64()
            .unwrap();
        scene.ward.say("verdict", &message.to_string());
        let receipt = scene.receipt(&id, code, |receipt| {
            receipt["sequence"].as_u64().unwrap() > before
        });
        assert_eq!(receipt["state"], "open");
        assert_eq!(
            (&receipt["refused"]["what"], &receipt["refused"]["code"]),
            (&json!("verdict"), &json!(code))
        );
    }
    // What names no finding of this box is counted, and nobody is told.
    let unknown = "00000000-0000-5000-8000-000000000000";
    scene
        .ward
        .say("ack", &ack(unknown, "Chan", "Ward 7B").to_string());
    for broken in ["{", "", "[]", "\u{fffd}", &"[".repeat(60_000)] {
        scene.ward.say("ack", broken);
        scene.ward.say("verdict", broken);
        scene.ward.say("keys", broken);
    }
    scene.ward.until("23 refused messages in health", |ward| {
        ward.health()
            .is_some_and(|health| health["ward"]["refused"] == 23)
    });
    assert_eq!(scene.ward.receipts(unknown), Vec::<Value>::new());
    // The box is as it was.
    let verdict = scene.verdict(&id, Decision::Reject, 3);
    scene.ward.say("verdict", &json(&verdict).to_string());
    scene.receipt(&id, "rejected", |receipt| receipt["state"] == "rejected");
    let site = scene.end();
    assert!(
        !site.log().contains("CHAN^TAI"),
        "content stands in the log"
    );
}

#[test]
fn what_nobody_acknowledges_escalates_once_also_across_a_kill() {
    let wait = "escalate_critical_minutes = 0.1\nescalate_urgent_minutes = 0.1";
    let Some(mut scene) = Scene::new("escalates", wait) else {
        return;
    };
    let id = scene.finding(23);
    scene.receipt(&id, "open", |receipt| receipt["state"] == "open");
    scene.kill_when_all_is_sent();
    let escalated = scene.receipt(&id, "escalated", |receipt| receipt["state"] == "escalated");
    scene
        .ward
        .until("the finding once more", |ward| copies(ward, &id).len() == 2);
    let [first, second] = &copies(&scene.ward, &id)[..] else {
        panic!("two copies");
    };
    assert!(second.topic.ends_with("/finding/critical"));
    let data = |message: &Message| message.json()["data"].clone();
    assert_eq!(second.json(), first.json(), "the finding as it was");
    assert_eq!(data(second)["priority"], escalated["priority"]);

    // Killed once more, and again: never twice.
    for _ in 0..2 {
        scene.kill_when_all_is_sent();
        scene.ward.watch(3);
    }
    scene.ward.watch(8);
    assert_eq!(copies(&scene.ward, &id).len(), 2);
    let receipts = scene.ward.receipts(&id);
    let is_escalated = |receipt: &&Value| receipt["state"] == "escalated";
    assert_eq!(receipts.iter().filter(is_escalated).count(), 1);
    scene
        .ward
        .say("ack", &ack(&id, "Chan", "Ward 7B").to_string());
    scene.receipt(&id, "acknowledged", |receipt| {
        receipt["state"] == "acknowledged"
    });
    scene.end();
}

#[test]
fn what_was_said_while_the_box_was_away_is_heard_when_it_comes_back() {
    let Some(mut scene) = Scene::new("away", "") else {
        return;
    };
    let id = scene.finding(24);
    scene.receipt(&id, "open", |receipt| receipt["state"] == "open");
    scene.publish_keys(7, None);
    scene.daemon.take().unwrap().kill();
    scene
        .ward
        .say("ack", &ack(&id, "Chan", "Ward 7B").to_string());
    scene.daemon = Some(scene.site.start());
    scene.receipt(&id, "acknowledged", |receipt| {
        receipt["state"] == "acknowledged"
    });
    // The keys were kept; an older list, as an attacker might bring back, is refused.
    let older = key_list(6, None);
    scene.ward.say("keys", &json(&older).to_string());
    scene.ward.until("the refusal in health", |ward| {
        ward.health()
            .is_some_and(|health| health["ward"] == json!({"refused": 1, "keys_counter": 7}))
    });
    scene.end();
}

// Helpers.

const PHYSICIAN: u8 = 1;
const IT: u8 = 2;
const REVOKED: u8 = 3;
const STRANGER: u8 = 4;

/// A broker, a ward that listens to all of it, and a box that runs.
struct Scene {
    _folder: tempfile::TempDir,
    broker: Mosquitto,
    ward: Ward,
    site: Site,
    daemon: Option<Daemon>,
}

impl Scene {
    fn new(test: &str, ward: &str) -> Option<Scene> {
        if is_missing(test) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(folder.path(), free_port(), "");
        let it = key(IT).public().unwrap();
        let site = Site::new(&Settings {
            ward: format!("it_keys = [\"{it}\"]\n{ward}"),
            ..Settings::new(broker.port)
        });
        Some(Scene {
            ward: Ward::start(broker.port),
            daemon: Some(site.start()),
            _folder: folder,
            broker,
            site,
        })
    }

    /// The id of a finding that somebody has to see.
    fn finding(&mut self, seed: u64) -> String {
        self.site.move_in("series", &Scan::small(seed).files());
        self.ward
            .until("a finding", |ward| !ward.of("finding").is_empty());
        let finding = self.ward.of("finding")[0].clone();
        assert_ne!(finding.json()["data"]["priority"], "routine");
        finding.id()
    }

    /// `kill -9`, and a new start. What the broker has not acknowledged would come once more, with the same id: only what
    /// is settled may be counted.
    fn kill_when_all_is_sent(&mut self) {
        self.ward.watch(2);
        self.ward.until("an empty outbox", |ward| {
            ward.health()
                .is_some_and(|health| health["outbox"]["count"] == 0)
        });
        self.daemon.take().unwrap().kill();
        self.daemon = Some(self.site.start());
    }

    fn receipt(&mut self, id: &str, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        self.ward.until_receipt(id, what, enough)
    }

    fn publish_keys(&mut self, counter: u64, revoked_at: Option<&str>) {
        let list = key_list(counter, revoked_at);
        self.ward.say("keys", &json(&list).to_string());
        self.ward.until("the keys in health", |ward| {
            ward.health()
                .is_some_and(|health| health["ward"]["keys_counter"] == counter)
        });
    }

    /// A verdict on what the ward saw of the finding, signed so many minutes after nine.
    fn verdict(&self, id: &str, decision: Decision, minutes: u8) -> VerdictPayload {
        let sent = self.ward.of("finding");
        let data = sent.iter().find(|it| it.id() == id).unwrap().json()["data"].clone();
        let verdict = VerdictPayload {
            decision,
            burden_percent: (decision == Decision::Correct).then_some(17.5),
            comment: Some(scanward::wire::Comment::new("for the record")),
            at: format!("2026-11-23T09:{minutes:02}:00.000Z"),
            seen: Seen {
                priority: serde_json::from_value(data["priority"].clone()).unwrap(),
                score: data["score"].as_f64().unwrap(),
                burden_percent: data["lesion"]["burden_percent"].as_f64(),
                model_digest: text(&data["model"]["digest"]),
            },
            ..scene_verdict(id)
        };
        verdict.signed(&key(PHYSICIAN)).unwrap()
    }

    /// Stops the box; everything that was said followed its schema.
    fn end(mut self) -> Site {
        assert!(self.daemon.take().unwrap().stop().success());
        self.ward.drain();
        let of_the_box = |message: &&Message| !matches!(message.kind(), "ack" | "verdict" | "keys");
        self.ward
            .seen
            .iter()
            .filter(of_the_box)
            .for_each(check_schema);
        // Receipts count up, and never come in another order than they were made.
        let mut last: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for receipt in self.ward.of("receipt") {
            let sequence = receipt.json()["sequence"].as_u64().unwrap();
            let before = last.insert(receipt.id(), sequence).unwrap_or(0);
            assert!(sequence >= before, "{sequence} after {before}");
        }
        self.site
    }
}

/// A verdict on a finding that nobody looked at.
fn scene_verdict(id: &str) -> VerdictPayload {
    VerdictPayload {
        finding_id: FindingId::parse(id).unwrap(),
        decision: Decision::Confirm,
        burden_percent: None,
        comment: None,
        by: "lee".to_owned(),
        at: "2026-11-23T09:00:00.000Z".to_owned(),
        key_id: KeyId::parse("0000000000000000").unwrap(),
        seen: Seen {
            priority: scanward::outcome::Priority::Urgent,
            score: 0.5,
            burden_percent: None,
            model_digest: format!("sha256:{}", "00".repeat(32)),
        },
        signature: Signature::NONE,
    }
}

fn copies(ward: &Ward, id: &str) -> Vec<Message> {
    let all = ward.of("finding").into_iter();
    all.filter(|message| message.id() == id).cloned().collect()
}

fn key(which: u8) -> SigningKey {
    SigningKey::from_seed(&[which; 32]).unwrap()
}

fn key_list(counter: u64, revoked_at: Option<&str>) -> KeyListPayload {
    let entry = |which: u8, by: &str, revoked_at: Option<&str>| {
        let public = key(which).public().unwrap();
        KeyPayload {
            key_id: public.id(),
            by: by.to_owned(),
            public_key: public.to_base64(),
            enrolled_at: "2026-11-01T08:00:00.000Z".to_owned(),
            revoked_at: revoked_at.map(str::to_owned),
        }
    };
    let list = KeyListPayload {
        counter,
        issued_at: "2026-11-20T08:00:00.000Z".to_owned(),
        keys: vec![
            entry(PHYSICIAN, "Dr Lee 李", None),
            entry(REVOKED, "Dr Wu", revoked_at),
        ],
        signature: Signature::NONE,
    };
    list.signed(&key(IT)).unwrap()
}

fn ack(id: &str, by: &str, station: &str) -> Value {
    json!({"finding_id": id, "by": by, "at": "2026-11-23T08:10:00.000Z", "station": station})
}

fn json(message: &impl serde::Serialize) -> Value {
    let value = serde_json::to_value(message).unwrap();
    // What is sent is what a page would send: any spelling of the same value.
    assert!(canonical(&value).is_ok());
    value
}

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
use common::site::{Daemon, Settings, Site, in_ci, pause};
use common::ward::{Message, Ward, check_schema, text};
use scanward::annotation::CorrectedMask;
use scanward::edge::state;
use scanward::ids::FindingId;
use scanward::store::GridRecord;
use scanward::trust::{KeyId, Signature, SigningKey};
use scanward::wire::{Decision, KeyListPayload, KeyPayload, Seen, VerdictPayload, canonical};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

#[test]
fn a_corrected_mask_comes_back_before_or_after_its_verdict_and_is_kept_with_the_label() {
    let test = "corrected_mask";
    let Some(python) = segmentation_writer(test) else {
        return;
    };
    let annotations = "[annotations]\nfolder = \"ANNOTATIONS\"\npoll_seconds = 0.1";
    let Some(mut scene) = Scene::new(test, annotations) else {
        return;
    };
    let scan = Scan::small(31);
    let ct = scene.site.root().join("ct");
    fs::create_dir(&ct).unwrap();
    for (z, file) in scan.files().iter().enumerate() {
        fs::write(ct.join(format!("{z:04}")), file).unwrap();
    }
    let id = scene.finding(31);
    scene.receipt(&id, "open", |receipt| receipt["state"] == "open");
    let folder = scene.annotations.clone();
    let mut drawn = Vec::new();
    let mut write = |kind: &str, radius: f64| {
        let mask = ball(&scan, radius);
        let path = ct.with_file_name("mask");
        fs::write(&path, &mask).unwrap();
        let out = folder.join(format!("CHAN^TAI MAN {kind} {radius}.dcm"));
        let status = Command::new(&python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/tools/segmentation.py"
            ))
            .args([&ct, &path, &out])
            .arg(kind)
            .status();
        assert!(status.unwrap().success(), "{kind}");
        drawn.push((out.clone(), fs::read(&out).unwrap()));
        mask
    };

    // Before the verdict, and a kill between.
    write("binary", 25.0);
    scene.until_log("waits for the verdict");
    scene.kill_when_all_is_sent();
    scene.publish_keys(1, None);
    let verdict = scene.verdict(&id, Decision::Correct, 1);
    scene.ward.say("verdict", &json(&verdict).to_string());
    scene.receipt(&id, "corrected", |receipt| receipt["state"] == "corrected");
    scene.until_log("kept with the signed label");
    // After it, each way of writing; each the newest.
    let mut kept = 0;
    let mut last = Vec::new();
    for (kind, radius) in [("alone", 30.0), ("rle", 35.0), ("fractional", 40.0)] {
        last = write(kind, radius);
        kept += 1;
        scene.until_log_has(kept, "is kept with its label");
    }
    // What is none of this box's, or nothing at all.
    fs::write(folder.join("notes.txt"), "Chan Tai Man: see slice 12").unwrap();
    scene.until_log("not-dicom");
    let mut foreign = drawn[0].1.clone();
    let named = [b"\x20\0\x0E\0UI\x0A\0", scan.series.as_bytes()].concat();
    let place = find(&foreign, &named);
    foreign[place + named.len() - 1] = b'7';
    fs::write(folder.join("foreign.dcm"), &foreign).unwrap();
    scene.until_log("no-finding");

    for (path, bytes) in drawn {
        assert_eq!(fs::read(path).unwrap(), bytes, "the file is as it was");
    }
    let site = scene.end();
    let mut store = state::open(&site.state()).unwrap();
    let finding = FindingId::parse(&id).unwrap();
    let grid = store.finding(&finding).unwrap().unwrap().grid.unwrap();
    let labels = store.labels_of(&finding).unwrap();
    assert_eq!(labels.len(), 1);
    let corrected = CorrectedMask::unpack(labels[0].corrected.as_ref().unwrap()).unwrap();
    assert_eq!(corrected.grid, grid);
    let expected = on_grid(&scan, &last, &grid);
    assert!(dice(corrected.mask.values(), &expected) > 0.9999);
    let volume = expected.iter().filter(|value| **value != 0).count() as f64;
    let millilitres = volume * grid.spacing_mm.iter().product::<f64>() / 1000.0;
    assert!(
        (millilitres / 268.0 - 1.0).abs() < 0.03,
        "{millilitres} ml of a ball of 40 mm"
    );
    for secret in ["CHAN^TAI", "Tai Man", "notes.txt"] {
        assert!(!site.log().contains(secret), "{secret} stands in the log");
        let bytes = fs::read(site.state().join("state.redb"));
        let in_state = bytes.is_ok_and(|bytes| {
            bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        });
        assert!(!in_state, "{secret} stands in the state");
    }
}

// Helpers.

/// The interpreter that writes segmentations as radiologists' programs do. In CI it has to be there.
fn segmentation_writer(test: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-annotations/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(
        !in_ci(),
        "{test}: `scripts/segmentation-writer` sets highdicom up"
    );
    eprintln!("SKIPPED {test}: run `scripts/segmentation-writer` first");
    None
}

/// A ball of `radius` mm in the middle of the scan: 1 in it, 2 in what passes for the left lung; index order `z, y, x`.
fn ball(scan: &Scan, radius: f64) -> Vec<u8> {
    let edge = usize::from(scan.edge);
    let middle = |count: usize| (count as f64 - 1.0) / 2.0;
    let step = scan.heights[1] - scan.heights[0];
    let mut mask = Vec::new();
    for z in 0..scan.len() {
        for (y, x) in (0..edge * edge).map(|at| (at / edge, at % edge)) {
            let away = [
                (z as f64 - middle(scan.len())) * step,
                (y as f64 - middle(edge)) * scan.pixel_mm,
                (x as f64 - middle(edge)) * scan.pixel_mm,
            ];
            let inside = away.iter().map(|mm| mm * mm).sum::<f64>() <= radius * radius;
            mask.push(if inside {
                1
            } else {
                2 * u8::from(x > edge / 2)
            });
        }
    }
    mask
}

/// The lesion of `mask` on `grid` by matrices of shares, one axis after the other.
fn on_grid(scan: &Scan, mask: &[u8], grid: &GridRecord) -> Vec<u8> {
    let edge = usize::from(scan.edge);
    let half = f64::from(scan.edge) * scan.pixel_mm / 2.0;
    let step = scan.heights[1] - scan.heights[0];
    let axes = [
        (scan.len(), scan.heights[0] - grid.origin_mm[2], step),
        (edge, -half - grid.origin_mm[1], scan.pixel_mm),
        (edge, -half - grid.origin_mm[0], scan.pixel_mm),
    ];
    let mut values: Vec<f64> = mask
        .iter()
        .map(|value| f64::from(u8::from(*value == 1)))
        .collect();
    let mut shape = [scan.len(), edge, edge];
    for (axis, (count, start, mm)) in axes.into_iter().enumerate() {
        let voxel = grid.spacing_mm[axis];
        let wanted = grid.shape[axis];
        let inner: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        let mut next = vec![0.0; outer * wanted * inner];
        for to in 0..wanted {
            for from in 0..count {
                let centre = start + from as f64 * mm;
                let high = (centre + mm / 2.0).min((to as f64 + 0.5) * voxel);
                let low = (centre - mm / 2.0).max((to as f64 - 0.5) * voxel);
                let share = (high - low).max(0.0) / voxel;
                if share > 0.0 {
                    for (out, at) in (0..outer).flat_map(|out| (0..inner).map(move |at| (out, at)))
                    {
                        next[(out * wanted + to) * inner + at] +=
                            share * values[(out * count + from) * inner + at];
                    }
                }
            }
        }
        values = next;
        shape[axis] = wanted;
    }
    values.iter().map(|share| u8::from(*share >= 0.5)).collect()
}

fn dice(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let count = |mask: &[u8]| mask.iter().filter(|value| **value != 0).count();
    let both = one
        .iter()
        .zip(other)
        .filter(|(one, other)| **one != 0 && **other != 0);
    2.0 * both.count() as f64 / (count(one) + count(other)) as f64
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut parts = bytes.windows(wanted.len());
    parts.position(|part| part == wanted).unwrap()
}

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
    /// A folder for corrected masks: what `ANNOTATIONS` stands for in the settings.
    annotations: PathBuf,
}

impl Scene {
    fn new(test: &str, ward: &str) -> Option<Scene> {
        if is_missing(test) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(folder.path(), free_port(), "");
        let it = key(IT).public().unwrap();
        let annotations = folder.path().join("annotations");
        fs::create_dir(&annotations).unwrap();
        let ward = ward.replace("ANNOTATIONS", &annotations.display().to_string());
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
            annotations,
        })
    }

    /// Waits until the log holds `text`.
    fn until_log(&self, text: &str) {
        self.until_log_has(1, text);
    }

    /// Waits until the log holds `text` so often.
    fn until_log_has(&self, count: usize, text: &str) {
        for _ in 0..1_200 {
            if self.site.log().matches(text).count() >= count {
                return;
            }
            pause(50);
        }
        panic!(
            "waited in vain for {count} of `{text}`: {}",
            self.site.log()
        );
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

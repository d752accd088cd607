//! A box's review machine with its store and clocks.

use crate::signed::{IT, list, public};
use crate::sweep_disk::SweepDisk;
use scanward::edge::ward::{carry_out, recall};
use scanward::ids::{FindingId, Pseudonym, SeriesKey, SlugName, Uid};
use scanward::outbox::At;
use scanward::outcome::Priority;
use scanward::review::{self, Action, Event, Limits, Review, Said, Watched};
use scanward::store::{
    Closing, FindingRecord, LabelLimits, Opening, QueuedRow, SeriesRecord, SeriesState,
    ShownRecord, Store,
};
use scanward::units::{Lived, Moment, WallTime};
use scanward::wire::{
    AckPayload, KeyListPayload, Kind, Parcel, ReceiptPayload, RefusedCode, RefusedWhat, Root,
    VerdictPayload,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 24 * 60 * MINUTE;

/// 2026-11-23T08:00:00Z.
pub const START: i64 = 1_795_420_800_000;

pub struct Scene {
    pub disk: SweepDisk,
    pub store: Store,
    pub limits: Limits,
    pub review: Review,
    pub now: u64,
    pub wall: i64,
    /// All receipts and escalated findings that were ever queued, by key: a repeat is the same message.
    pub sent: BTreeMap<String, Parcel>,
    pub refused: Vec<&'static str>,
    pub disk_failed: usize,
}

pub fn limits() -> Limits {
    Limits {
        escalate_critical: Some(Duration::from_secs(5 * 60)),
        escalate_urgent: Some(Duration::from_secs(30 * 60)),
        it_keys: vec![public(IT)],
        labels: LabelLimits {
            count_max: 30,
            ..LabelLimits::default()
        },
    }
}

pub fn root() -> Root {
    let name = |text| SlugName::parse(text).unwrap();
    Root::new(name("north"), name("ct-2"))
}

impl Scene {
    pub fn new() -> Scene {
        let disk = SweepDisk::default();
        let mut scene = Scene {
            store: disk.open().unwrap(),
            disk,
            limits: limits(),
            review: Review::new(limits(), root()),
            now: 0,
            wall: START,
            sent: BTreeMap::new(),
            refused: Vec::new(),
            disk_failed: 0,
        };
        scene.boot();
        scene
    }

    pub fn with_keys() -> Scene {
        let mut scene = Scene::new();
        scene.keys(&list(1, IT));
        assert_eq!(scene.review.tally().keys_counter, 1);
        scene
    }

    pub fn boot(&mut self) {
        self.review = Review::new(self.limits.clone(), root());
        for event in recall(&mut self.store).unwrap() {
            self.give(event);
        }
    }

    /// The program ends and starts again after `away`, its wall clock then wrong by `wrong`.
    pub fn restart(&mut self, away: i64, wrong: i64) {
        self.disk.free();
        self.now = 0;
        self.wall += away + wrong;
        self.boot();
    }

    /// The power comes back after a cut.
    pub fn power_up(&mut self, away: i64) {
        self.disk = self.disk.after_reboot();
        self.store = self.disk.open().unwrap();
        // What was queued and not durable was never sent.
        self.sent.retain(|key, _| !key.contains("receipt"));
        self.now = 0;
        self.wall += away;
        self.boot();
        self.collect();
    }

    pub fn at(&self) -> At {
        At {
            now: Moment::from_millis(self.now),
            wall: WallTime::from_unix_millis(self.wall),
            dice: 0,
        }
    }

    pub fn is_well(&mut self) -> bool {
        let clock =
            scanward::store::ClockRecord::new(self.review.lived(self.at().now), self.at().wall);
        self.store.put_clock(&clock).is_ok()
    }

    pub fn give(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            if let Event::SaveFailed(_) | Event::LookFailed(_) = &event {
                self.disk_failed += 1;
            }
            if let Event::Saved(change) = &event {
                for row in &change.rows {
                    self.sent_row(row.clone());
                }
            }
            for action in self.review.handle(event, self.at()) {
                if let Action::Refused(_, code) = &action {
                    self.refused.push(code);
                }
                events.extend(carry_out(&mut self.store, action));
            }
        }
    }

    pub fn sent_row(&mut self, row: QueuedRow) {
        let key = row.key.clone();
        let parcel = Parcel::from_row(row).unwrap();
        let before = self.sent.insert(key.clone(), parcel);
        assert!(before.is_none(), "{key} was queued twice");
    }

    /// What the store holds queued after a power cut.
    pub fn collect(&mut self) {
        for head in self.store.queued_heads().unwrap() {
            let row = self.store.queued(&head.key).unwrap().unwrap();
            self.sent.insert(head.key, Parcel::from_row(row).unwrap());
        }
    }

    pub fn tick(&mut self) {
        self.give(Event::Tick);
    }

    /// Time passes; the machine is woken when it asks for it, and at the end.
    pub fn pass(&mut self, millis: i64) {
        let end = self.now + u64::try_from(millis).unwrap();
        let mut wakes = 0;
        loop {
            let wake = self.review.wake_at().map_or(end, Moment::millis);
            let next = wake.clamp(self.now + 1, end.max(self.now + 1)).min(end);
            self.wall += i64::try_from(next - self.now).unwrap();
            self.now = next;
            self.tick();
            wakes += 1;
            assert!(wakes < 500_000, "it asks to be woken over and over");
            if self.now >= end {
                return;
            }
        }
    }

    pub fn hear(&mut self, said: Said, payload: &[u8]) {
        self.give(Event::Heard(said, payload.to_vec()));
    }

    pub fn ack(&mut self, id: &FindingId, by: &str, station: &str) {
        let ack = AckPayload {
            finding_id: id.clone(),
            by: by.to_owned(),
            at: "2026-11-23T08:01:00.000Z".to_owned(),
            station: station.to_owned(),
        };
        self.hear(Said::Ack, &ack.to_bytes().unwrap());
    }

    pub fn keys(&mut self, list: &KeyListPayload) {
        self.hear(Said::Keys, &list.to_bytes().unwrap());
    }

    /// Why a verdict was refused; `None` when it was taken.
    pub fn refusal(&mut self, verdict: &VerdictPayload) -> Option<RefusedCode> {
        let before = self.receipt(&verdict.finding_id).sequence;
        self.hear(Said::Verdict, &verdict.to_bytes().unwrap());
        let receipt = self.receipt(&verdict.finding_id);
        assert!(receipt.sequence > before, "no answer");
        receipt.refused.map(|refused| {
            assert_eq!(refused.what, RefusedWhat::Verdict);
            refused.code
        })
    }

    pub fn open(&mut self, which: u8, priority: Priority) -> FindingId {
        self.close(which, priority, None)
    }

    pub fn supersede(&mut self, old: &FindingId, which: u8, priority: Priority) -> FindingId {
        let id = self.close(which, priority, Some(old.clone()));
        self.give(Event::Superseded(old.clone()));
        id
    }

    /// As the core closes a series with a finding.
    pub fn close(
        &mut self,
        which: u8,
        priority: Priority,
        supersedes: Option<FindingId>,
    ) -> FindingId {
        let id = finding_id(which);
        let at = self.at();
        let patient = Pseudonym::from_mac(&[1; 32]);
        let mut record = FindingRecord::new(id.clone(), series(which), patient, at.wall);
        priority.as_str().clone_into(&mut record.priority);
        record.shown = Some(ShownRecord {
            score: 0.93,
            burden_percent: Some(12.3),
            model: format!("sha256:{}", "7a".repeat(32)),
        });
        let clock = self.review.clock(at);
        let receipt = review::opened(&mut record, &root(), clock.lived(), at.wall).unwrap();
        let mut watched = message(&id);
        watched.priority = priority;
        let watches = self.review.watches(priority);
        let opening = Opening {
            receipt: receipt.to_row().unwrap(),
            watched: watches.then(|| watched.to_row().unwrap()),
            clock,
        };
        let state = SeriesState::Closed {
            outcome: "triaged".to_owned(),
            finding_id: id.clone(),
            content_digest: "00".repeat(32),
            model_digest: None,
            closed_at: at.wall,
            supersedes,
            files: Vec::new(),
        };
        let closed = SeriesRecord::new(series(which), at.wall, state);
        let known = self.store.finding(&id).unwrap().is_some();
        self.store
            .close_series(&Closing {
                finding: Some(&record),
                opening: Some(&opening),
                ..Closing::of(&closed)
            })
            .unwrap();
        if !known {
            self.sent_row(opening.receipt);
        }
        if watches {
            self.give(Event::Opened(Watched {
                finding: id.clone(),
                priority,
                opened: Lived::from_millis(record.review.opened_ms),
            }));
        }
        id
    }

    /// The last receipt of a finding.
    pub fn receipt(&self, id: &FindingId) -> ReceiptPayload {
        let topic = format!("scanward/v1/north/ct-2/receipt/{id}");
        let receipts = self.sent.values().filter(|parcel| parcel.topic == topic);
        let read = receipts.map(|parcel| {
            assert!(parcel.retain && parcel.text);
            assert_eq!((parcel.qos, parcel.expiry_s), (1, Some(86_400)));
            ReceiptPayload::parse(&parcel.payload).unwrap()
        });
        read.max_by_key(|receipt| receipt.sequence).unwrap()
    }

    pub fn escalated(&self, id: &FindingId) -> &Parcel {
        &self.sent[&format!("{id}/escalated")]
    }

    /// How often a finding was published once more.
    pub fn escalations(&self, id: &FindingId) -> usize {
        let is_it =
            |parcel: &&Parcel| parcel.kind == Kind::Escalated && parcel.id.group() == id.as_str();
        self.sent.values().filter(is_it).count()
    }

    pub fn queued(&mut self) -> usize {
        self.store.queued_heads().unwrap().len()
    }
}

pub fn series(which: u8) -> SeriesKey {
    SeriesKey(Uid::parse(&format!("1.2.{which}")).unwrap())
}

pub fn finding_id(which: u8) -> FindingId {
    FindingId::derive(&series(which), "sha256:aa", &[which; 32])
}

/// The finding as it was sent.
pub fn message(id: &FindingId) -> Parcel {
    let topic = "scanward/v1/north/ct-2/finding/urgent".to_owned();
    Parcel::new(
        id.as_str(),
        Kind::Finding,
        topic,
        b"{\"late\":false}\n".to_vec(),
    )
}

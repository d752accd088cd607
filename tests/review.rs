//! The review machine on a real store, scene by scene, with both clocks stepped by hand: who has seen, who signed, what
//! escalates. The box may restart or lose its power anywhere.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files"
)]

#[path = "common/sweep_disk.rs"]
mod sweep_disk;

use proptest::prelude::*;
use scanward::edge::ward::{carry_out, recall};
use scanward::ids::{FindingId, Pseudonym, SeriesKey, SlugName, Uid};
use scanward::outbox::At;
use scanward::outcome::Priority;
use scanward::review::{self, Action, Event, Limits, Review, Said, Watched};
use scanward::store::{
    Closing, FindingRecord, LabelLimits, Opening, QueuedRow, SeriesRecord, SeriesState,
    ShownRecord, Store,
};
use scanward::trust::{KeyId, PublicKey, Signature, SigningKey};
use scanward::units::{Lived, Moment, WallTime};
use scanward::wire::{
    AckPayload, Comment, Decision, FindingState, KeyListPayload, KeyPayload, Kind, Parcel,
    ReceiptPayload, RefusedCode, RefusedWhat, Root, Seen, VerdictPayload,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use sweep_disk::SweepDisk;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

// ---- acknowledgements ------------------------------------------------------------------------------------------------

#[test]
fn the_first_nurse_counts_and_the_second_is_told_who_it_was() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Urgent);
    assert_eq!(scene.receipt(&id).state, FindingState::Open);
    scene.pass(MINUTE);
    scene.ack(&id, "Chan", "Ward 7B");
    let first = scene.receipt(&id);
    assert_eq!(first.state, FindingState::Acknowledged);
    assert_eq!(
        (
            first.by.as_deref(),
            first.station.as_deref(),
            first.sequence
        ),
        (Some("Chan"), Some("Ward 7B"), 2)
    );
    scene.pass(MINUTE);
    scene.ack(&id, "Wong", "Ward 8");
    let second = scene.receipt(&id);
    assert_eq!(second.sequence, 3);
    assert_eq!(
        (second.by, second.station, second.at),
        (first.by, first.station, first.at)
    );
    assert_eq!(second.refused, None);
    scene.pass(DAY);
    assert_eq!(scene.escalations(&id), 0);
}

#[test]
fn what_names_no_finding_of_ours_is_counted_and_answered_by_nothing() {
    let mut scene = Scene::new();
    let unknown = finding_id(99);
    scene.ack(&unknown, "Chan", "Ward 7B");
    for bad in ["", "{", "[]", "{\"finding_id\":7}", "\u{0}\u{1}"] {
        scene.hear(Said::Ack, bad.as_bytes());
        scene.hear(Said::Verdict, bad.as_bytes());
        scene.hear(Said::Keys, bad.as_bytes());
    }
    assert_eq!(scene.review.tally().refused, 16);
    assert_eq!(scene.queued(), 0);
    assert!(scene.refused.contains(&"unknown-finding"));
    assert!(scene.refused.contains(&"malformed"));
}

#[test]
fn a_broken_message_about_a_finding_is_answered_and_changes_nothing() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Urgent);
    let broken = format!("{{\"finding_id\":\"{id}\",\"by\":7}}");
    for (said, what) in [
        (Said::Ack, RefusedWhat::Ack),
        (Said::Verdict, RefusedWhat::Verdict),
    ] {
        scene.hear(said, broken.as_bytes());
        let receipt = scene.receipt(&id);
        assert_eq!(receipt.state, FindingState::Open);
        let refused = receipt.refused.unwrap();
        assert_eq!((refused.what, refused.code), (what, RefusedCode::Malformed));
    }
}

#[test]
fn a_flood_of_refused_messages_is_counted_and_not_answered_one_by_one() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Routine);
    for _ in 0..500 {
        scene.hear(
            Said::Verdict,
            format!("{{\"finding_id\":\"{id}\"}}").as_bytes(),
        );
        assert!(
            scene.queued() <= 1,
            "each receipt makes the one before it void"
        );
    }
    assert_eq!(scene.review.tally().refused, 500);
    let answered = scene.receipt(&id).sequence;
    assert!(answered <= 22, "{answered} receipts");
    scene.pass(MINUTE);
    scene.ack(&id, "Chan", "Ward 7B");
    assert_eq!(scene.receipt(&id).state, FindingState::Acknowledged);
}

// ---- escalation ------------------------------------------------------------------------------------------------------

#[test]
fn what_nobody_acknowledges_escalates_once_under_the_next_topic() {
    let mut scene = Scene::new();
    let urgent = scene.open(1, Priority::Urgent);
    let critical = scene.open(2, Priority::Critical);
    let routine = scene.open(3, Priority::Routine);
    let seen = scene.open(4, Priority::Critical);
    scene.ack(&seen, "Chan", "Ward 7B");
    scene.pass(5 * MINUTE - 1000);
    assert_eq!(scene.receipt(&critical).state, FindingState::Open);
    scene.pass(1000);
    assert_eq!(scene.receipt(&critical).state, FindingState::Escalated);
    assert_eq!(scene.receipt(&urgent).state, FindingState::Open);
    scene.pass(25 * MINUTE);
    assert_eq!(scene.receipt(&urgent).state, FindingState::Escalated);
    scene.pass(2 * DAY);
    for (id, count) in [(&urgent, 1), (&critical, 1), (&routine, 0), (&seen, 0)] {
        assert_eq!(scene.escalations(id), count);
    }
    for id in [&urgent, &critical] {
        let parcel = scene.escalated(id);
        assert_eq!(parcel.topic, "scanward/v1/north/ct-2/finding/critical");
        assert_eq!(parcel.payload, message(id).payload, "the message as it was");
    }
    assert_eq!(scene.receipt(&urgent).priority, Priority::Urgent);
    scene.ack(&urgent, "Chan", "Ward 7B");
    assert_eq!(scene.receipt(&urgent).state, FindingState::Acknowledged);
    assert_eq!(
        scene.review.wake_at(),
        None,
        "nothing is watched any longer"
    );
}

#[test]
fn a_wall_clock_that_is_set_does_not_move_the_escalation() {
    for jump in [-400 * DAY, -DAY, -1, 1, DAY, 400 * DAY] {
        let mut scene = Scene::new();
        let id = scene.open(1, Priority::Critical);
        scene.pass(2 * MINUTE);
        scene.wall += jump;
        scene.pass(3 * MINUTE - 1);
        assert_eq!(scene.receipt(&id).state, FindingState::Open, "{jump}");
        scene.pass(1);
        assert_eq!(scene.receipt(&id).state, FindingState::Escalated, "{jump}");
        assert_eq!(scene.escalations(&id), 1);
    }
}

#[test]
fn an_escalation_comes_when_it_is_due_whatever_restarts_and_power_cuts_lie_between() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Critical);
    scene.pass(2 * MINUTE);
    scene.restart(MINUTE, 0);
    assert_eq!(scene.receipt(&id).state, FindingState::Open);
    scene.pass(2 * MINUTE - 20_000);
    assert_eq!(scene.receipt(&id).state, FindingState::Open);
    scene.pass(40_000);
    assert_eq!(scene.escalations(&id), 1);
    scene.restart(MINUTE, 0);
    scene.pass(DAY);
    assert_eq!(scene.escalations(&id), 1, "never twice");

    let id = scene.open(2, Priority::Critical);
    scene.restart(20 * MINUTE, 0);
    scene.tick();
    assert_eq!(scene.escalations(&id), 1, "at once, where it is long due");
}

#[test]
fn a_box_that_wakes_with_a_wrong_clock_again_and_again_escalates_still() {
    for wrong in [-30_000 * DAY, 0, 3 * MINUTE, 400 * DAY] {
        let mut scene = Scene::new();
        let id = scene.open(1, Priority::Urgent);
        let mut runs = 0;
        // Each run is cut a little after the clock was written.
        while scene.escalations(&id) == 0 {
            scene.pass(20_000);
            scene.restart(0, wrong);
            runs += 1;
            assert!(runs < 200, "{wrong}: never");
        }
        scene.pass(DAY);
        assert_eq!(scene.escalations(&id), 1);
    }
}

#[test]
fn a_clock_lost_with_the_state_of_an_earlier_start_does_not_put_the_escalation_off() {
    let mut scene = Scene::new();
    // Nothing is watched for a month, so nothing is written; then a finding, and the box wakes in 1970.
    scene.pass(30 * DAY);
    let id = scene.open(1, Priority::Critical);
    scene.pass(1000);
    scene.restart(0, -30_000 * DAY);
    scene.pass(5 * MINUTE);
    assert_eq!(scene.escalations(&id), 1);
}

#[test]
fn a_full_disk_puts_the_escalation_off_until_it_has_room_again() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Critical);
    scene.pass(4 * MINUTE);
    scene.disk.fill_at(0);
    scene.pass(10 * MINUTE);
    assert!(scene.disk_failed > 10, "tried {} times", scene.disk_failed);
    scene.ack(&id, "Chan", "Ward 7B");
    scene.disk.free();
    scene.pass(10_000);
    let receipt = scene.receipt(&id);
    assert_eq!(
        receipt.state,
        FindingState::Acknowledged,
        "what the ward said waited too"
    );
    scene.pass(DAY);
    assert!(scene.escalations(&id) <= 1);
}

#[test]
fn a_power_cut_at_any_operation_of_an_escalation_gives_one_and_never_none_or_two() {
    for torn in [false, true] {
        for cut in 0.. {
            let mut scene = Scene::new();
            let id = scene.open(1, Priority::Critical);
            scene.pass(5 * MINUTE - 1000);
            scene.disk.cut_power_at(cut, torn);
            scene.pass(2000);
            let reached = scene.disk.has_power();
            scene.power_up(1000);
            scene.pass(MINUTE);
            assert_eq!(scene.escalations(&id), 1, "cut at {cut}, torn {torn}");
            assert_eq!(scene.receipt(&id).state, FindingState::Escalated);
            if reached {
                break;
            }
            assert!(cut < 400, "never finished");
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_of_a_verdict_leaves_it_taken_whole_or_not_at_all() {
    for torn in [false, true] {
        for cut in 0.. {
            let mut scene = Scene::with_keys();
            let id = scene.open(1, Priority::Urgent);
            scene.disk.cut_power_at(cut, torn);
            let verdict = verdict(&id, Decision::Confirm, 1);
            scene.hear(Said::Verdict, &verdict.to_bytes().unwrap());
            let reached = scene.disk.has_power();
            scene.power_up(1000);
            let labels = scene.store.labels_of(&id).unwrap().len();
            match scene.receipt(&id).state {
                FindingState::Open => assert_eq!((labels, reached), (0, false)),
                FindingState::Confirmed => assert_eq!(labels, 1),
                FindingState::Acknowledged
                | FindingState::Escalated
                | FindingState::Corrected
                | FindingState::Rejected => panic!("cut at {cut}: {labels} labels"),
            }
            scene.pass(30 * MINUTE);
            let open = labels == 0;
            assert_eq!(
                scene.escalations(&id),
                usize::from(open),
                "cut at {cut}, torn {torn}"
            );
            if reached {
                break;
            }
            assert!(cut < 400, "never finished");
        }
    }
}

#[test]
fn what_a_newer_finding_replaced_neither_escalates_nor_takes_a_word() {
    let mut scene = Scene::with_keys();
    let old = scene.open(1, Priority::Critical);
    let new = scene.supersede(&old, 2, Priority::Critical);
    scene.pass(DAY);
    assert_eq!((scene.escalations(&old), scene.escalations(&new)), (0, 1));
    scene.ack(&old, "Chan", "Ward 7B");
    let refused = scene.receipt(&old).refused.unwrap();
    assert_eq!(
        (refused.what, refused.code),
        (RefusedWhat::Ack, RefusedCode::Superseded)
    );
    let verdict = verdict(&old, Decision::Confirm, 1);
    assert_eq!(scene.refusal(&verdict), Some(RefusedCode::Superseded));
    scene.restart(MINUTE, 0);
    scene.pass(DAY);
    assert_eq!(scene.escalations(&old), 0);
}

#[test]
fn the_same_result_made_once_more_keeps_who_has_seen_it() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Critical);
    scene.ack(&id, "Chan", "Ward 7B");
    scene.open(1, Priority::Critical);
    scene.pass(DAY);
    assert_eq!(scene.escalations(&id), 0);
    let record = scene.store.finding(&id).unwrap().unwrap();
    assert_eq!(record.review.state, "acknowledged");
    scene.restart(MINUTE, 0);
    scene.pass(DAY);
    assert_eq!(scene.escalations(&id), 0);
}

// ---- verdicts --------------------------------------------------------------------------------------------------------

#[test]
fn a_physician_confirms_corrects_and_rejects_and_the_history_is_kept() {
    let mut scene = Scene::with_keys();
    let id = scene.open(1, Priority::Urgent);
    for (place, (decision, state, burden)) in [
        (Decision::Confirm, FindingState::Confirmed, Some(12.3)),
        (Decision::Correct, FindingState::Corrected, Some(17.0)),
        (Decision::Reject, FindingState::Rejected, None),
    ]
    .into_iter()
    .enumerate()
    {
        let minutes = i64::try_from(place).unwrap() + 1;
        scene.pass(MINUTE);
        assert_eq!(scene.refusal(&verdict(&id, decision, minutes)), None);
        let receipt = scene.receipt(&id);
        assert_eq!((receipt.state, receipt.burden_percent), (state, burden));
        // The name that IT gave the key, whatever the message claims.
        assert_eq!(receipt.by.as_deref(), Some("Dr Lee 李"));
        assert_eq!(receipt.station, None);
    }
    let record = scene.store.finding(&id).unwrap().unwrap();
    let decisions: Vec<&str> = record
        .review
        .verdicts
        .iter()
        .map(|it| it.decision.as_str())
        .collect();
    assert_eq!(decisions, ["confirm", "correct", "reject"]);
    let labels = scene.store.labels_of(&id).unwrap();
    let words: Vec<Value> = labels
        .iter()
        .map(|label| serde_json::from_slice(&label.verdict).unwrap())
        .collect();
    assert_eq!(words.len(), 3);
    assert_eq!(words[1]["comment"], "as I see it");
    scene.pass(DAY);
    assert_eq!(
        scene.escalations(&id),
        0,
        "a verdict acknowledges by itself"
    );
    scene.ack(&id, "Chan", "Ward 7B");
    assert_eq!(scene.receipt(&id).state, FindingState::Rejected);
}

#[test]
fn a_verdict_is_refused_with_its_reason_and_changes_nothing() {
    let mut scene = Scene::with_keys();
    let id = scene.open(1, Priority::Urgent);
    let good = || verdict(&id, Decision::Confirm, 5);
    let with = |change: &dyn Fn(&mut VerdictPayload), key: u8| {
        let mut verdict = good();
        change(&mut verdict);
        verdict.signed(&key_of(key)).unwrap()
    };
    let mut altered = good();
    altered.seen.score = 0.94;
    let mut stolen = with(&|_| {}, STRANGER);
    stolen.key_id = good().key_id;
    let none = VerdictPayload {
        signature: Signature::NONE,
        ..good()
    };
    for (verdict, code) in [
        (none, RefusedCode::BadSignature),
        (altered, RefusedCode::BadSignature),
        (stolen, RefusedCode::BadSignature),
        (with(&|_| {}, STRANGER), RefusedCode::UnknownKey),
        (with(&|_| {}, REVOKED), RefusedCode::RevokedKey),
        (
            with(&|it| it.seen.score = 0.94, PHYSICIAN),
            RefusedCode::SeenDiffers,
        ),
        (
            with(&|it| it.seen.burden_percent = None, PHYSICIAN),
            RefusedCode::SeenDiffers,
        ),
        (
            with(&|it| it.seen.priority = Priority::Routine, PHYSICIAN),
            RefusedCode::SeenDiffers,
        ),
        (
            with(
                &|it| it.seen.model_digest = format!("sha256:{}", "00".repeat(32)),
                PHYSICIAN,
            ),
            RefusedCode::SeenDiffers,
        ),
    ] {
        let before = scene.store.finding(&id).unwrap().unwrap().review;
        assert_eq!(scene.refusal(&verdict), Some(code), "{verdict:?}");
        let mut after = scene.store.finding(&id).unwrap().unwrap().review;
        assert_eq!(after.sequence, before.sequence + 1);
        after.sequence = before.sequence;
        assert_eq!(after, before, "{code:?}");
        assert_eq!(scene.store.labels_of(&id).unwrap().len(), 0);
        scene.pass(1000);
    }
    assert_eq!(scene.refusal(&good()), None);
    for minutes in [5, 4] {
        let other = verdict(&id, Decision::Reject, minutes);
        assert_eq!(scene.refusal(&other), Some(RefusedCode::AlreadySigned));
    }
    assert_eq!(scene.receipt(&id).state, FindingState::Confirmed);
    // The very same verdict once more, as MQTT may bring it: told again, not refused, not kept twice.
    assert_eq!(scene.refusal(&good()), None);
    assert_eq!(scene.store.labels_of(&id).unwrap().len(), 1);
    assert_eq!(scene.review.tally().refused, 11);
}

#[test]
fn the_history_of_one_finding_has_an_end_and_the_labels_have_theirs() {
    let mut scene = Scene::with_keys();
    let id = scene.open(1, Priority::Urgent);
    for minutes in 1..=40 {
        scene.pass(MINUTE);
        assert_eq!(
            scene.refusal(&verdict(&id, Decision::Reject, minutes)),
            None
        );
    }
    let record = scene.store.finding(&id).unwrap().unwrap();
    assert_eq!(record.review.verdicts.len(), 16);
    let last = record.review.verdicts.last().unwrap();
    assert_eq!(last.at, WallTime::from_unix_millis(START + 40 * MINUTE));
    assert_eq!(
        scene.store.labels_of(&id).unwrap().len(),
        30,
        "labels_max of this scene"
    );
    let week = LabelLimits {
        age_max: Duration::from_secs(7 * 86_400),
        ..limits().labels
    };
    let later = WallTime::from_unix_millis(scene.wall + 8 * DAY);
    assert_eq!(scene.store.prune_labels(&week, None).unwrap(), 0);
    assert_eq!(scene.store.prune_labels(&week, Some(later)).unwrap(), 30);
    assert_eq!(scene.store.labels_of(&id).unwrap(), []);
}

// ---- keys ------------------------------------------------------------------------------------------------------------

#[test]
fn a_list_of_keys_counts_when_it_signed_it_and_it_is_newer() {
    let mut scene = Scene::new();
    let id = scene.open(1, Priority::Urgent);
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 1)),
        Some(RefusedCode::UnknownKey)
    );
    let counter = |scene: &Scene| scene.review.tally().keys_counter;

    scene.keys(&list(3, IT));
    assert_eq!(counter(&scene), 3);
    let refused = scene.review.tally().refused;
    scene.keys(&list(3, IT));
    assert_eq!(
        scene.review.tally().refused,
        refused,
        "the very same list is no fault"
    );

    let mut emptied = list(3, IT);
    emptied.keys.clear();
    scene.keys(&emptied.signed(&key_of(IT)).unwrap());
    scene.keys(&list(2, IT));
    scene.keys(&list(4, STRANGER));
    assert_eq!(scene.review.tally().refused, refused + 3);
    assert_eq!(counter(&scene), 3);
    assert_eq!(scene.refusal(&verdict(&id, Decision::Confirm, 1)), None);

    scene.restart(MINUTE, 0);
    assert_eq!(counter(&scene), 3, "kept over a restart");
    assert_eq!(scene.refusal(&verdict(&id, Decision::Reject, 2)), None);
    scene.keys(&list(2, IT));
    assert_eq!(counter(&scene), 3);

    let mut revoked = list(4, IT);
    revoked.keys[0].revoked_at = Some("2026-11-23T00:00:00.000Z".to_owned());
    scene.keys(&revoked.signed(&key_of(IT)).unwrap());
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 3)),
        Some(RefusedCode::RevokedKey)
    );
}

#[test]
fn a_list_that_the_settings_trust_no_longer_leaves_no_keys_but_its_counter() {
    let mut scene = Scene::with_keys();
    let id = scene.open(1, Priority::Urgent);
    scene.limits.it_keys = vec![public(STRANGER)];
    scene.restart(MINUTE, 0);
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 1)),
        Some(RefusedCode::UnknownKey)
    );
    scene.keys(&list(1, STRANGER));
    assert_eq!(scene.review.tally().keys_counter, 1);
    assert_eq!(
        scene.refusal(&verdict(&id, Decision::Confirm, 1)),
        Some(RefusedCode::UnknownKey)
    );
    scene.keys(&list(2, STRANGER));
    assert_eq!(scene.refusal(&verdict(&id, Decision::Confirm, 1)), None);
}

// ---- any order -------------------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Step {
    Open(u8, Priority),
    Ack(u8),
    Verdict(u8, Decision, i64),
    Pass(i64),
    Restart { away: i64, wrong: i64 },
    JumpWall(i64),
    Full(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..4_u8;
    let priority = prop_oneof![
        Just(Priority::Critical),
        Just(Priority::Urgent),
        Just(Priority::Routine)
    ];
    let decision = prop_oneof![
        Just(Decision::Confirm),
        Just(Decision::Correct),
        Just(Decision::Reject)
    ];
    let jump = prop_oneof![-400 * DAY..400 * DAY, -MINUTE..MINUTE];
    let step = prop_oneof![
        3 => (which.clone(), priority).prop_map(|(which, priority)| Step::Open(which, priority)),
        1 => which.clone().prop_map(Step::Ack),
        1 => (which, decision, 0..60_i64).prop_map(|(which, decision, at)| Step::Verdict(which, decision, at)),
        4 => (0..10 * MINUTE).prop_map(Step::Pass),
        2 => (0..10 * MINUTE, jump.clone()).prop_map(|(away, wrong)| Step::Restart { away, wrong }),
        1 => jump.prop_map(Step::JumpWall),
        1 => any::<bool>().prop_map(Step::Full),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn in_any_order_of_things_what_nobody_saw_escalates_once_and_receipts_count_up(steps in steps()) {
        let mut scene = Scene::with_keys();
        // What it was opened as, and when it was first seen or signed, if ever.
        let mut opened: BTreeMap<FindingId, Priority> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Open(which, priority) => {
                    let id = finding_id(which);
                    if !opened.contains_key(&id) && scene.is_well() {
                        scene.open(which, priority);
                        opened.insert(id, priority);
                    }
                }
                Step::Ack(which) => scene.ack(&finding_id(which), "Chan", "Ward 7B"),
                Step::Verdict(which, decision, at) => {
                    let verdict = verdict(&finding_id(which), decision, at);
                    scene.hear(Said::Verdict, &verdict.to_bytes().unwrap());
                }
                Step::Pass(millis) => scene.pass(millis),
                Step::Restart { away, wrong } => scene.restart(away, wrong),
                Step::JumpWall(jump) => scene.wall += jump,
                Step::Full(true) => scene.disk.fill_at(0),
                Step::Full(false) => drop(scene.disk.free()),
            }
        }
        scene.disk.free();
        // However wrong the clocks were: no later than the longest wait from here.
        scene.pass(31 * MINUTE);
        for (id, priority) in &opened {
            let record = scene.store.finding(id).unwrap().unwrap();
            let escalated = scene.escalations(id);
            prop_assert!(escalated <= 1, "{id} escalated {escalated} times");
            prop_assert_eq!(record.review.escalated, escalated == 1);
            if *priority == Priority::Routine {
                prop_assert_eq!(escalated, 0);
            } else {
                prop_assert!(record.review.state != "open", "{} is open still: {:?}", id, record);
            }
        }
        prop_assert!(scene.store.watched().unwrap().is_empty());
    }
}

// ---- helpers ---------------------------------------------------------------------------------------------------------

const PHYSICIAN: u8 = 1;
const IT: u8 = 2;
const REVOKED: u8 = 3;
const STRANGER: u8 = 4;
/// 2026-11-23T08:00:00Z.
const START: i64 = 1_795_420_800_000;

struct Scene {
    disk: SweepDisk,
    store: Store,
    limits: Limits,
    review: Review,
    now: u64,
    wall: i64,
    /// All receipts and escalated findings that were ever queued, by key: a repeat is the same message.
    sent: BTreeMap<String, Parcel>,
    refused: Vec<&'static str>,
    disk_failed: usize,
}

fn limits() -> Limits {
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

fn root() -> Root {
    let name = |text| SlugName::parse(text).unwrap();
    Root::new(name("north"), name("ct-2"))
}

impl Scene {
    fn new() -> Scene {
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

    fn with_keys() -> Scene {
        let mut scene = Scene::new();
        scene.keys(&list(1, IT));
        assert_eq!(scene.review.tally().keys_counter, 1);
        scene
    }

    fn boot(&mut self) {
        self.review = Review::new(self.limits.clone(), root());
        for event in recall(&mut self.store).unwrap() {
            self.give(event);
        }
    }

    /// The program ends and starts again after `away`, its wall clock then wrong by `wrong`.
    fn restart(&mut self, away: i64, wrong: i64) {
        self.disk.free();
        self.now = 0;
        self.wall += away + wrong;
        self.boot();
    }

    /// The power comes back after a cut.
    fn power_up(&mut self, away: i64) {
        self.disk = self.disk.after_reboot();
        self.store = self.disk.open().unwrap();
        // What was queued and not durable was never sent.
        self.sent.retain(|key, _| !key.contains("receipt"));
        self.now = 0;
        self.wall += away;
        self.boot();
        self.collect();
    }

    fn at(&self) -> At {
        At {
            now: Moment::from_millis(self.now),
            wall: WallTime::from_unix_millis(self.wall),
            dice: 0,
        }
    }

    fn is_well(&mut self) -> bool {
        let clock =
            scanward::store::ClockRecord::new(self.review.lived(self.at().now), self.at().wall);
        self.store.put_clock(&clock).is_ok()
    }

    fn give(&mut self, event: Event) {
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

    fn sent_row(&mut self, row: QueuedRow) {
        let key = row.key.clone();
        let parcel = Parcel::from_row(row).unwrap();
        let before = self.sent.insert(key.clone(), parcel);
        assert!(before.is_none(), "{key} was queued twice");
    }

    /// What the store holds queued after a power cut.
    fn collect(&mut self) {
        for head in self.store.queued_heads().unwrap() {
            let row = self.store.queued(&head.key).unwrap().unwrap();
            self.sent.insert(head.key, Parcel::from_row(row).unwrap());
        }
    }

    fn tick(&mut self) {
        self.give(Event::Tick);
    }

    /// Time passes; the machine is woken when it asks for it, and at the end.
    fn pass(&mut self, millis: i64) {
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

    fn hear(&mut self, said: Said, payload: &[u8]) {
        self.give(Event::Heard(said, payload.to_vec()));
    }

    fn ack(&mut self, id: &FindingId, by: &str, station: &str) {
        let ack = AckPayload {
            finding_id: id.clone(),
            by: by.to_owned(),
            at: "2026-11-23T08:01:00.000Z".to_owned(),
            station: station.to_owned(),
        };
        self.hear(Said::Ack, &ack.to_bytes().unwrap());
    }

    fn keys(&mut self, list: &KeyListPayload) {
        self.hear(Said::Keys, &list.to_bytes().unwrap());
    }

    /// Why a verdict was refused; `None` when it was taken.
    fn refusal(&mut self, verdict: &VerdictPayload) -> Option<RefusedCode> {
        let before = self.receipt(&verdict.finding_id).sequence;
        self.hear(Said::Verdict, &verdict.to_bytes().unwrap());
        let receipt = self.receipt(&verdict.finding_id);
        assert!(receipt.sequence > before, "no answer");
        receipt.refused.map(|refused| {
            assert_eq!(refused.what, RefusedWhat::Verdict);
            refused.code
        })
    }

    fn open(&mut self, which: u8, priority: Priority) -> FindingId {
        self.close(which, priority, None)
    }

    fn supersede(&mut self, old: &FindingId, which: u8, priority: Priority) -> FindingId {
        let id = self.close(which, priority, Some(old.clone()));
        self.give(Event::Superseded(old.clone()));
        id
    }

    /// As the core closes a series with a finding.
    fn close(&mut self, which: u8, priority: Priority, supersedes: Option<FindingId>) -> FindingId {
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
    fn receipt(&self, id: &FindingId) -> ReceiptPayload {
        let topic = format!("scanward/v1/north/ct-2/receipt/{id}");
        let receipts = self.sent.values().filter(|parcel| parcel.topic == topic);
        let read = receipts.map(|parcel| {
            assert!(parcel.retain && parcel.text);
            assert_eq!((parcel.qos, parcel.expiry_s), (1, Some(86_400)));
            ReceiptPayload::parse(&parcel.payload).unwrap()
        });
        read.max_by_key(|receipt| receipt.sequence).unwrap()
    }

    fn escalated(&self, id: &FindingId) -> &Parcel {
        &self.sent[&format!("{id}/escalated")]
    }

    /// How often a finding was published once more.
    fn escalations(&self, id: &FindingId) -> usize {
        let is_it =
            |parcel: &&Parcel| parcel.kind == Kind::Escalated && parcel.id.group() == id.as_str();
        self.sent.values().filter(is_it).count()
    }

    fn queued(&mut self) -> usize {
        self.store.queued_heads().unwrap().len()
    }
}

fn series(which: u8) -> SeriesKey {
    SeriesKey(Uid::parse(&format!("1.2.{which}")).unwrap())
}

fn finding_id(which: u8) -> FindingId {
    FindingId::derive(&series(which), "sha256:aa", &[which; 32])
}

/// The finding as it was sent.
fn message(id: &FindingId) -> Parcel {
    let topic = "scanward/v1/north/ct-2/finding/urgent".to_owned();
    Parcel::new(
        id.as_str(),
        Kind::Finding,
        topic,
        b"{\"late\":false}\n".to_vec(),
    )
}

fn key_of(which: u8) -> SigningKey {
    SigningKey::from_seed(&[which; 32]).unwrap()
}

fn public(which: u8) -> PublicKey {
    key_of(which).public().unwrap()
}

fn list(counter: u64, signer: u8) -> KeyListPayload {
    let entry = |which: u8, by: &str, revoked: bool| KeyPayload {
        key_id: public(which).id(),
        by: by.to_owned(),
        public_key: public(which).to_base64(),
        enrolled_at: "2026-11-01T08:00:00.000Z".to_owned(),
        revoked_at: revoked.then(|| "2026-11-02T08:00:00.000Z".to_owned()),
    };
    let list = KeyListPayload {
        counter,
        issued_at: "2026-11-20T08:00:00.000Z".to_owned(),
        keys: vec![
            entry(PHYSICIAN, "Dr Lee 李", false),
            entry(REVOKED, "Dr Wu", true),
        ],
        signature: Signature::NONE,
    };
    list.signed(&key_of(signer)).unwrap()
}

/// A verdict of the physician so many minutes after the start.
fn verdict(id: &FindingId, decision: Decision, minutes: i64) -> VerdictPayload {
    let corrects = decision == Decision::Correct;
    let verdict = VerdictPayload {
        finding_id: id.clone(),
        decision,
        burden_percent: corrects.then_some(17.0),
        comment: corrects.then(|| Comment::new("as I see it")),
        by: "somebody".to_owned(),
        at: WallTime::from_unix_millis(START + minutes * MINUTE).to_string(),
        key_id: KeyId::parse("0000000000000000").unwrap(),
        seen: Seen {
            priority: Priority::Urgent,
            score: 0.93,
            burden_percent: Some(12.3),
            model_digest: format!("sha256:{}", "7a".repeat(32)),
        },
        signature: Signature::NONE,
    };
    verdict.signed(&key_of(PHYSICIAN)).unwrap()
}

//! Signed verdicts: taken, refused, kept.

use crate::scene::{DAY, MINUTE, START, Scene, limits};
use crate::signed::{PHYSICIAN, REVOKED, STRANGER, key_of, verdict};
use scanward::outcome::Priority;
use scanward::store::LabelLimits;
use scanward::trust::Signature;
use scanward::units::WallTime;
use scanward::wire::{Decision, FindingState, RefusedCode, VerdictPayload};
use serde_json::Value;
use std::time::Duration;

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

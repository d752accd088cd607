//! Acknowledgements, and what is no message of ours.

use crate::scene::{DAY, MINUTE, Scene, finding_id};
use scanward::outcome::Priority;
use scanward::review::Said;
use scanward::wire::{FindingState, RefusedCode, RefusedWhat};

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

//! What nobody acknowledges escalates, once, whatever clocks, restarts and disks do.

use crate::scene::{DAY, MINUTE, Scene, message};
use crate::signed::verdict;
use scanward::outcome::Priority;
use scanward::review::Said;
use scanward::wire::{Decision, FindingState, RefusedCode, RefusedWhat};

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

//! Anything in any order.

use crate::scene::{DAY, MINUTE, Scene, finding_id};
use crate::signed::verdict;
use proptest::prelude::*;
use scanward::ids::FindingId;
use scanward::outcome::Priority;
use scanward::review::Said;
use scanward::wire::Decision;
use std::collections::BTreeMap;

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

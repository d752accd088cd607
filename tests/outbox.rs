//! The outbox machine, scene by scene, with the clock stepped by hand.

use scanward::outbox::{Action, At, Event, Limits, Outbox, Ticket};
use scanward::outcome::Priority;
use scanward::units::{Moment, WallTime};
use scanward::wire::{Kind, MessageId};
use std::time::Duration;

#[test]
fn critical_goes_first_then_the_oldest_and_a_preview_before_its_finding() {
    let mut scene = Scene::new();
    scene.queue("r", Kind::Outcome, Priority::Routine, 1);
    scene.queue("u-new", Kind::Finding, Priority::Urgent, 5);
    scene.queue("u-old", Kind::Finding, Priority::Urgent, 4);
    scene.queue("c", Kind::Outcome, Priority::Critical, 9);
    scene.queue("c", Kind::Finding, Priority::Critical, 9);
    scene.queue("c", Kind::Preview, Priority::Critical, 9);
    assert_eq!(scene.actions, [], "nothing is sent offline");
    scene.give(Event::Online);
    let order = [
        ("c", Kind::Preview),
        ("c", Kind::Finding),
        ("c", Kind::Outcome),
        ("u-old", Kind::Finding),
        ("u-new", Kind::Finding),
        ("r", Kind::Outcome),
    ];
    for (group, kind) in order {
        assert_eq!(scene.sent(), [id(group, kind)]);
        scene.ack(&id(group, kind));
    }
    assert_eq!(scene.sent(), []);
    assert_eq!(scene.outbox.tally(scene.at.wall).count, 0);
    assert_eq!(scene.outbox.wake_at(), None);
}

#[test]
fn a_message_is_deleted_only_after_its_acknowledgement() {
    let mut scene = Scene::online();
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    assert_eq!(scene.take(), [send("a")]);
    scene.give(Event::Acked(id("a", Kind::Finding)));
    assert_eq!(scene.take(), [Action::Delete(id("a", Kind::Finding))]);
    scene.give(Event::Acked(id("a", Kind::Finding)));
    assert_eq!(scene.take(), [], "a second acknowledgement changes nothing");
}

#[test]
fn a_lost_connection_sends_the_same_message_again_on_the_next_one() {
    let mut scene = Scene::online();
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    assert_eq!(scene.take(), [send("a")]);
    scene.give(Event::Offline);
    assert_eq!(scene.take(), []);
    assert_eq!(
        scene.outbox.wake_at(),
        None,
        "offline, only the connection can change anything"
    );
    scene.give(Event::Online);
    assert_eq!(scene.take(), [send("a")]);
}

#[test]
fn an_acknowledgement_that_comes_after_its_connection_counts() {
    let mut scene = Scene::online();
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    scene.give(Event::Offline);
    scene.take();
    scene.give(Event::Acked(id("a", Kind::Finding)));
    assert_eq!(scene.take(), [Action::Delete(id("a", Kind::Finding))]);
    scene.give(Event::Online);
    assert_eq!(scene.take(), []);
}

#[test]
fn an_overdue_acknowledgement_makes_the_connection_anew() {
    let mut scene = Scene::online();
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    scene.take();
    let wake = scene.outbox.wake_at().unwrap();
    assert_eq!(wake, Moment::from_millis(20_000));
    scene.step_to(wake.millis() - 1);
    assert_eq!(scene.take(), [], "one millisecond early");
    scene.step_to(wake.millis());
    assert_eq!(scene.take(), [Action::Reconnect]);
    scene.step_to(wake.millis() + 60_000);
    assert_eq!(scene.take(), [], "asked once");
    scene.give(Event::Online);
    assert_eq!(scene.take(), [send("a")]);
}

#[test]
fn a_refused_finding_waits_longer_each_time_and_never_stops_the_others() {
    let mut scene = Scene::online();
    scene.queue("bad", Kind::Finding, Priority::Critical, 0);
    scene.queue("good", Kind::Finding, Priority::Routine, 0);
    let bad = id("bad", Kind::Finding);
    assert_eq!(scene.sent(), std::slice::from_ref(&bad));
    scene.give(Event::Nacked(bad.clone()));
    assert_eq!(scene.sent(), [id("good", Kind::Finding)]);
    scene.ack(&id("good", Kind::Finding));
    let mut waits = Vec::new();
    for _ in 0..12 {
        let wake = scene.outbox.wake_at().unwrap();
        waits.push(wake.since(scene.at.now).as_millis());
        scene.step_to(wake.millis());
        assert_eq!(scene.sent(), std::slice::from_ref(&bad));
        scene.give(Event::Nacked(bad.clone()));
    }
    // The dice show 0: the lower half of each wait.
    assert_eq!(waits[..4], [500, 1_000, 2_000, 4_000]);
    assert_eq!(waits[11], 150_000);
    let tally = scene.outbox.tally(scene.at.wall);
    assert_eq!(
        (tally.count, tally.refused),
        (1, 1),
        "kept, however often it is refused"
    );
}

#[test]
fn the_dice_spread_the_waits_over_the_upper_half() {
    for (dice, wait) in [(0, 500), (u32::MAX / 2, 750), (u32::MAX, 1_000)] {
        let mut scene = Scene::online();
        scene.at.dice = dice;
        scene.queue("a", Kind::Finding, Priority::Urgent, 0);
        scene.give(Event::Nacked(id("a", Kind::Finding)));
        assert_eq!(
            scene.outbox.wake_at(),
            Some(Moment::from_millis(wait)),
            "{dice}"
        );
    }
}

#[test]
fn a_preview_refused_twice_is_given_up_and_its_finding_goes() {
    let mut scene = Scene::online();
    scene.queue("a", Kind::Preview, Priority::Critical, 0);
    scene.queue("a", Kind::Finding, Priority::Critical, 0);
    let preview = id("a", Kind::Preview);
    assert_eq!(scene.sent(), std::slice::from_ref(&preview));
    scene.give(Event::Nacked(preview.clone()));
    assert_eq!(scene.sent(), [], "the finding waits for its preview");
    let wake = scene.outbox.wake_at().unwrap();
    scene.step_to(wake.millis().max(500));
    assert_eq!(scene.sent(), std::slice::from_ref(&preview));
    scene.give(Event::Nacked(preview.clone()));
    assert_eq!(
        scene.take(),
        [
            Action::GaveUp(preview.clone()),
            Action::Delete(preview),
            send("a")
        ]
    );
}

#[test]
fn a_finding_is_late_when_it_is_sent_more_than_half_an_hour_after_it_was_made() {
    for (age_s, late) in [(0, false), (1800, false), (1801, true)] {
        let mut scene = Scene::new();
        scene.at.wall = WallTime::from_unix_millis(age_s * 1000);
        scene.queue("a", Kind::Finding, Priority::Urgent, 0);
        scene.give(Event::Online);
        let id = id("a", Kind::Finding);
        assert_eq!(scene.take(), [Action::Send { id, late }], "{age_s} s");
    }
}

#[test]
fn a_store_that_cannot_forget_is_asked_again_and_the_message_not_sent_again() {
    let mut scene = Scene::online();
    let finding = id("a", Kind::Finding);
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    scene.give(Event::Acked(finding.clone()));
    scene.take();
    scene.give(Event::DeleteFailed(finding.clone()));
    assert_eq!(scene.take(), []);
    scene.step_to(scene.outbox.wake_at().unwrap().millis());
    assert_eq!(scene.take(), [Action::Delete(finding.clone())]);
    scene.give(Event::Deleted(finding));
    assert_eq!(scene.outbox.wake_at(), None);
}

#[test]
fn spurious_ticks_and_a_message_queued_twice_are_harmless() {
    let mut scene = Scene::online();
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    scene.queue("a", Kind::Finding, Priority::Urgent, 0);
    scene.give(Event::Tick);
    scene.give(Event::Nacked(id("unknown", Kind::Finding)));
    scene.give(Event::Acked(id("unknown", Kind::Finding)));
    assert_eq!(scene.take(), [send("a")]);
}

#[test]
fn a_full_outbox_drops_nothing_and_says_that_it_is_full() {
    let mut scene = Scene::new();
    scene.outbox = Outbox::new(Limits {
        tickets_max: 2,
        ..Limits::default()
    });
    for group in ["a", "b", "c"] {
        assert_eq!(scene.outbox.has_room(), group != "c", "{group}");
        scene.queue(group, Kind::Outcome, Priority::Routine, 0);
    }
    assert_eq!(scene.outbox.tally(scene.at.wall).count, 3);
}

#[test]
fn the_tally_tells_the_age_of_the_oldest() {
    let mut scene = Scene::new();
    scene.at.wall = WallTime::from_unix_millis(90_000);
    scene.queue("a", Kind::Finding, Priority::Urgent, 30);
    scene.queue("b", Kind::Finding, Priority::Urgent, 60);
    let tally = scene.outbox.tally(scene.at.wall);
    assert_eq!((tally.count, tally.oldest), (2, Duration::from_secs(60)));
}

/// Connection lost at each step of a run with three messages: each is acknowledged, deleted once, in order.
#[test]
fn a_connection_lost_at_any_step_loses_nothing() {
    for lost in 0..12 {
        let mut scene = Scene::online();
        for group in ["a", "b", "c"] {
            scene.queue(group, Kind::Finding, Priority::Urgent, 0);
        }
        let mut deleted = Vec::new();
        let mut step = 0;
        let mut queue = scene.take();
        while let Some(action) = queue.first().cloned() {
            queue.remove(0);
            step += 1;
            match action.clone() {
                Action::Send { .. } if step == lost => {
                    scene.give(Event::Offline);
                    scene.give(Event::Online);
                }
                Action::Send { id, .. } => scene.give(Event::Acked(id)),
                Action::Delete(id) => {
                    deleted.push(id.group().to_owned());
                    scene.give(Event::Deleted(id));
                }
                Action::Reconnect | Action::GaveUp(_) => panic!("{action:?}"),
            }
            queue.extend(scene.take());
        }
        assert_eq!(deleted, ["a", "b", "c"], "lost at step {lost}");
    }
}

// Helpers.

struct Scene {
    outbox: Outbox,
    at: At,
    actions: Vec<Action>,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            outbox: Outbox::new(Limits::default()),
            at: At {
                now: Moment::default(),
                wall: WallTime::default(),
                dice: 0,
            },
            actions: Vec::new(),
        }
    }

    fn online() -> Scene {
        let mut scene = Scene::new();
        scene.give(Event::Online);
        scene
    }

    fn give(&mut self, event: Event) {
        self.actions.extend(self.outbox.handle(event, self.at));
    }

    fn queue(&mut self, group: &str, kind: Kind, priority: Priority, made_s: i64) {
        let created = WallTime::from_unix_millis(made_s * 1000);
        let id = id(group, kind);
        self.give(Event::Queued(Ticket {
            id,
            kind,
            priority,
            created,
        }));
    }

    fn step_to(&mut self, millis: u64) {
        self.at.now = Moment::from_millis(millis);
        self.give(Event::Tick);
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The messages sent since the last look.
    fn sent(&mut self) -> Vec<MessageId> {
        self.take()
            .into_iter()
            .filter_map(|action| match action {
                Action::Send { id, .. } => Some(id),
                Action::Delete(_) | Action::Reconnect | Action::GaveUp(_) => None,
            })
            .collect()
    }

    /// The broker acknowledges, the store forgets.
    fn ack(&mut self, id: &MessageId) {
        self.give(Event::Acked(id.clone()));
        self.give(Event::Deleted(id.clone()));
    }
}

fn id(group: &str, kind: Kind) -> MessageId {
    MessageId::new(group, kind)
}

fn send(group: &str) -> Action {
    Action::Send {
        id: id(group, Kind::Finding),
        late: false,
    }
}

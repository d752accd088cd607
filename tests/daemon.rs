//! The pure core, scene by scene, with the clock stepped by hand: what is tried again, what is void, what waits.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files"
)]

mod common;

use common::instances::{answer, slice};
use scanward::daemon::{Action, Daemon, Event, Judgement, Saving, Settings};
use scanward::fault::Fault;
use scanward::health::{self, Health};
use scanward::ids::SlugName;
use scanward::intake::{self, FileSeen, Intake, IntakeLimits, Reading, Ready};
use scanward::outbox::{self, At};
use scanward::outcome::{Outcome, SeriesFacts, Why};
use scanward::series::SeriesLimits;
use scanward::units::{Moment, WallTime};
use scanward::wire::{MessageId, Profile, Root, Sender};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn an_ending_that_could_not_be_saved_is_tried_again_until_it_is() {
    let mut scene = Scene::new(10);
    scene.put_series("1.1", 3);
    scene.disk_full = true;
    scene.pass(30);
    assert!(scene.degraded().contains(&"store-failing".to_owned()));
    assert!(scene.tried > 3, "tried {} times", scene.tried);
    assert_eq!(
        (scene.saved.len(), scene.sent.len()),
        (0, 0),
        "nothing is sent before it is durable"
    );
    assert!(!scene.daemon.is_idle());
    scene.disk_full = false;
    scene.pass(4);
    assert_eq!((scene.saved.len(), scene.sent.len()), (1, 1));
    assert!(!scene.degraded().contains(&"store-failing".to_owned()));
    assert!(scene.daemon.is_idle());
}

#[test]
fn a_judgement_is_void_when_a_slice_came_meanwhile() {
    let mut scene = Scene::new(10);
    scene.put_series("1.1", 3);
    scene.hold_judgements = true;
    scene.pass(13);
    assert_eq!(scene.judging.len(), 1);
    scene.put("late", "1.1", 3);
    scene.pass(3);
    scene.answer_judgements();
    assert_eq!(scene.tried, 0, "what was judged is not the series any more");
    scene.hold_judgements = false;
    scene.pass(13);
    assert_eq!(scene.saved.len(), 1);
    assert_eq!(scene.saved[0].closed.files.len(), 4);
}

#[test]
fn an_ending_that_waits_for_the_disk_is_dropped_when_another_slice_comes() {
    let mut scene = Scene::new(10);
    scene.put_series("1.1", 3);
    scene.disk_full = true;
    scene.pass(15);
    scene.put("late", "1.1", 3);
    // The next ending is judged while the disk is full still: two are due, one may be written.
    scene.pass(20);
    scene.disk_full = false;
    scene.pass(20);
    assert_eq!(
        scene.saved.len(),
        1,
        "one ending, for nothing of the other was ever told"
    );
    assert_eq!(scene.saved[0].closed.files.len(), 4);
    assert!(!String::from_utf8_lossy(&scene.saved[0].rows[0].payload).contains("superseded"));
    assert!(scene.daemon.is_idle());
}

#[test]
fn a_full_outbox_stops_the_judging_until_the_broker_takes_something() {
    let mut scene = Scene::new(1);
    scene.acknowledge = false;
    scene.put_series("1.1", 3);
    scene.pass(15);
    scene.put_series("1.2", 3);
    scene.pass(60);
    assert_eq!(scene.saved.len(), 1);
    assert!(scene.degraded().contains(&"outbox-full".to_owned()));
    assert!(!scene.daemon.is_idle(), "a series waits");
    scene.acknowledge = true;
    scene.pass(30);
    assert_eq!(scene.saved.len(), 2);
    assert!(!scene.degraded().contains(&"outbox-full".to_owned()));
    assert!(scene.daemon.is_idle());
}

#[test]
fn one_series_is_judged_at_a_time() {
    let mut scene = Scene::new(10);
    scene.put_series("1.1", 3);
    scene.put_series("1.2", 3);
    scene.hold_judgements = true;
    scene.pass(20);
    assert_eq!(scene.judging.len(), 1);
    scene.hold_judgements = false;
    scene.answer_judgements();
    scene.pass(2);
    assert_eq!(scene.saved.len(), 2);
}

#[test]
fn the_core_asks_to_be_woken_no_sooner_than_something_is_due() {
    let mut scene = Scene::new(10);
    scene.acknowledge = false;
    // Two endings: the second's message waits while the first's is on its way.
    scene.put_series("1.1", 3);
    scene.put_series("1.2", 3);
    for _ in 0..40 {
        scene.pass(1);
        let wake = scene.daemon.wake_at().unwrap();
        assert!(
            wake > Moment::from_millis(scene.now),
            "{wake:?} at {} ms",
            scene.now
        );
    }
}

#[test]
fn what_was_judged_ahead_is_published_when_the_series_is_quiet_and_not_before() {
    let mut scene = Scene::ahead();
    scene.put_series("1.1", 5);
    scene.pass(4);
    assert_eq!(scene.judged, 1, "it looked complete");
    assert_eq!((scene.tried, scene.sent.len()), (0, 0));
    assert!(!scene.daemon.is_idle());
    scene.pass(7);
    assert_eq!((scene.saved.len(), scene.sent.len()), (0, 0));
    scene.pass(2);
    assert_eq!((scene.saved.len(), scene.sent.len()), (1, 1));
    assert_eq!(scene.judged, 1, "once is enough");
    assert_eq!(scene.saved[0].closed.files.len(), 5);
    assert!(scene.daemon.is_idle());
}

#[test]
fn what_was_judged_ahead_is_void_when_a_slice_comes() {
    let mut scene = Scene::ahead();
    scene.put_series("1.1", 5);
    scene.pass(4);
    scene.put("1.1/late", "1.1", 5);
    scene.pass(30);
    assert_eq!(scene.saved.len(), 1);
    assert_eq!(scene.saved[0].closed.files.len(), 6);
    assert_eq!(scene.judged, 2);
    assert!(!String::from_utf8_lossy(&scene.saved[0].rows[0].payload).contains("superseded"));
}

#[test]
fn a_series_that_becomes_quiet_while_it_is_judged_ahead_is_ended_when_that_is_done() {
    let mut scene = Scene::ahead();
    scene.put_series("1.1", 5);
    scene.hold_judgements = true;
    scene.pass(20);
    assert_eq!((scene.judging.len(), scene.saved.len()), (1, 0));
    scene.answer_judgements();
    assert_eq!((scene.saved.len(), scene.sent.len()), (1, 1));
    assert_eq!(scene.judged, 1);
    assert!(scene.daemon.is_idle());
}

#[test]
fn a_judgement_made_ahead_does_not_hold_when_another_series_of_the_study_came_since() {
    let mut scene = Scene::ahead();
    scene.put_series("1.1", 5);
    scene.pass(4);
    scene.put_series("1.2", 5);
    scene.pass(30);
    assert_eq!(scene.saved.len(), 2);
    // The first is judged again beside its sibling; the second knew of it from the start.
    assert_eq!(scene.judged, 3);
}

#[test]
fn quiet_series_are_judged_before_those_that_only_look_complete() {
    let mut scene = Scene::ahead();
    scene.hold_judgements = true;
    scene.put_series("1.1", 5);
    scene.pass(4);
    // Of two slices no chest can be complete: it is judged when it is quiet.
    scene.put_series("1.2", 2);
    scene.pass(9);
    scene.put_series("1.3", 5);
    scene.pass(5);
    assert_eq!(scene.judging.len(), 1);
    // The first is judged again, for it has siblings now.
    for expected in ["1.1", "1.2", "1.3"] {
        let event = scene.judgement().unwrap();
        scene.give(event);
        assert_eq!(scene.judging[0].key.to_string(), expected);
    }
    scene.hold_judgements = false;
    scene.answer_judgements();
    scene.pass(20);
    assert_eq!(scene.saved.len(), 3);
    assert!(scene.daemon.is_idle());
}

#[test]
fn what_was_judged_ahead_waits_for_room_in_the_outbox_too() {
    let mut scene = Scene::with(1, ahead());
    scene.acknowledge = false;
    scene.put_series("1.1", 5);
    scene.pass(14);
    assert_eq!(scene.saved.len(), 1);
    scene.put_series("1.2", 5);
    scene.pass(30);
    assert_eq!(scene.saved.len(), 1);
    scene.acknowledge = true;
    scene.pass(3);
    assert_eq!(scene.saved.len(), 2);
}

// Helpers.

/// The core between a folder, a disk and a broker that do as they are told. Quiet time 10 s, a scan each second.
struct Scene {
    daemon: Daemon,
    now: u64,
    files: BTreeMap<String, (&'static str, u8)>,
    disk_full: bool,
    acknowledge: bool,
    hold_judgements: bool,
    judging: Vec<Ready>,
    judged: usize,
    in_flight: Vec<MessageId>,
    tried: usize,
    saved: Vec<Saving>,
    sent: Vec<MessageId>,
    degraded: Vec<String>,
}

fn limits() -> IntakeLimits {
    IntakeLimits {
        quiet: Duration::from_secs(10),
        ..IntakeLimits::default()
    }
}

/// Under which three slices of these small pictures may be a complete series.
fn ahead() -> IntakeLimits {
    IntakeLimits {
        geometry: SeriesLimits {
            height_min: 3.0,
            field_of_view: [1.0, 700.0],
            ..SeriesLimits::default()
        },
        ..limits()
    }
}

impl Scene {
    fn new(tickets_max: usize) -> Scene {
        Scene::with(tickets_max, limits())
    }

    fn ahead() -> Scene {
        Scene::with(10, ahead())
    }

    fn with(tickets_max: usize, limits: IntakeLimits) -> Scene {
        let name = |text| SlugName::parse(text).unwrap();
        let settings = Settings {
            sender: Sender {
                root: Root::new(name("north"), name("ct-2")),
                profile: Profile::default(),
            },
            model: "sha256:aa".to_owned(),
            outbox: outbox::Limits {
                tickets_max,
                ack_wait_max: Duration::from_secs(1000),
                ..outbox::Limits::default()
            },
            review: scanward::review::Limits::default(),
        };
        let health = Health::new(health::Limits::default(), 1, "0.1.0", WallTime::default());
        let mut scene = Scene {
            daemon: Daemon::new(settings, Intake::new(limits, Vec::new()), health),
            now: 0,
            files: BTreeMap::new(),
            disk_full: false,
            acknowledge: true,
            hold_judgements: false,
            judging: Vec::new(),
            judged: 0,
            in_flight: Vec::new(),
            tried: 0,
            saved: Vec::new(),
            sent: Vec::new(),
            degraded: Vec::new(),
        };
        assert!(scene.daemon.is_idle());
        scene.give(Event::Outbox(outbox::Event::Online));
        scene
    }

    fn put(&mut self, name: &str, series: &'static str, z: u8) {
        self.files.insert(name.to_owned(), (series, z));
    }

    fn put_series(&mut self, series: &'static str, slices: u8) {
        for z in 0..slices {
            self.put(&format!("{series}/{z}"), series, z);
        }
    }

    /// Seconds pass, each with a scan.
    fn pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.now += 1000;
            let seen = self.files.keys().map(|name| FileSeen {
                path: PathBuf::from(name),
                bytes: 100,
                modified: WallTime::default(),
            });
            let listing = seen.collect();
            self.give(Event::Intake(intake::Event::Scanned(listing)));
            if self.acknowledge {
                for id in std::mem::take(&mut self.in_flight) {
                    self.give(Event::Outbox(outbox::Event::Acked(id)));
                }
            }
        }
    }

    fn give(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let wall = WallTime::from_unix_millis(i64::try_from(self.now).unwrap());
            let at = At {
                now: Moment::from_millis(self.now),
                wall,
                dice: 0,
            };
            for action in self.daemon.handle(event, at) {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Read(Reading { path, .. }) => {
                let (series, z) = self.files[path.to_str().unwrap()];
                let result = answer(&slice(series, z));
                Some(Event::Intake(intake::Event::Read { path, result }))
            }
            Action::Judge(ready) => {
                self.judging.push(*ready);
                (!self.hold_judgements).then(|| self.judgement()).flatten()
            }
            Action::Compare(judgement) => Some(Event::Compared(judgement)),
            Action::Save(saving) => {
                self.tried += 1;
                if self.disk_full {
                    return Some(Event::SaveFailed(saving));
                }
                self.saved.push(saving.as_ref().clone());
                Some(Event::Saved(saving))
            }
            Action::Send { id, .. } => {
                self.sent.push(id.clone());
                self.in_flight.push(id);
                None
            }
            Action::Delete(id) => Some(Event::Outbox(outbox::Event::Deleted(id))),
            Action::PublishHealth(document) => {
                self.degraded = document.degraded.clone();
                None
            }
            Action::Review(_) | Action::Reconnect | Action::Ignored(_) | Action::GaveUp(_) => None,
        }
    }

    fn answer_judgements(&mut self) {
        while let Some(event) = self.judgement() {
            self.give(event);
        }
    }

    fn judgement(&mut self) -> Option<Event> {
        let ready = self.judging.pop()?;
        self.judged += 1;
        let why = Why::Failed(Fault::Overdue {
            stage: "test",
            limit_s: 1,
        });
        Some(Event::Judged(Box::new(Judgement {
            ready: Box::new(ready),
            outcome: Outcome::NotTriaged { why },
            series: SeriesFacts {
                modality: "CT".to_owned(),
                ..SeriesFacts::default()
            },
            preview: None,
            masks: None,
            grid: None,
            at: WallTime::default(),
        })))
    }

    /// The reasons of the last health document.
    fn degraded(&self) -> Vec<String> {
        self.degraded.clone()
    }
}

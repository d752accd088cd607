//! The intake machine, scene by scene, with the clock stepped by hand.
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

use common::instances::{Kind, What, answer, cut_off, key, pixels, slice};
use scanward::ids::FindingId;
use scanward::intake::{
    Action, Arrival, ClosedSeries, Depth, Event, FileSeen, Intake, IntakeLimits, ReadResult,
    Reading, Ready,
};
use scanward::refusal::Refusal;
use scanward::series::SeriesLimits;
use scanward::units::{Moment, WallTime};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn a_file_is_read_once_it_held_still_over_two_scans() {
    let mut scene = Scene::new();
    scene.put("a", slice("1.1", 0));
    for _ in 0..3 {
        scene.grow("a");
        scene.scan();
        assert_eq!(scene.reads("a"), 0, "it grew since the scan before");
    }
    scene.scan();
    assert_eq!(scene.reads("a"), 1);
    scene.scan_for(5);
    assert_eq!(scene.reads("a"), 1, "unchanged, it is not read again");
}

#[test]
fn a_series_is_judged_once_it_is_quiet_with_all_its_slices_and_only_once() {
    let mut scene = Scene::new();
    for z in 0..5 {
        scene.put(&format!("{z}"), slice("1.1", z));
        scene.scan();
    }
    scene.scan_for(9);
    assert_eq!(scene.ready.len(), 0, "the last slice came 9 s ago");
    scene.scan_for(1);
    assert_eq!(scene.slices(), [Ok(5)]);
    scene.scan_for(30);
    assert_eq!(scene.ready.len(), 1);
}

#[test]
fn hidden_unfinished_and_empty_files_are_left_alone() {
    let mut scene = Scene::new();
    for name in [".a", "b.tmp", "c.PART", "d.partial", "DICOMDIR"] {
        scene.put(name, slice("1.1", 0));
    }
    scene.put("e", slice("1.1", 0));
    scene.files.get_mut("e").unwrap().bytes = 0;
    scene.scan_for(30);
    assert_eq!((scene.read.len(), scene.ready.len()), (0, 0));
}

#[test]
fn a_late_slice_reopens_its_series_and_the_next_ending_names_the_one_before() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.scan_for(12);
    let first = scene.close();
    scene.put("late", slice("1.1", 5));
    scene.scan_for(12);
    assert_eq!(scene.slices(), [Ok(6)], "all its slices are read again");
    assert_eq!(scene.ready[0].supersedes, Some(first));
}

#[test]
fn a_copy_of_a_closed_series_changes_nothing() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.scan_for(12);
    let first = scene.close();
    for z in 0..5 {
        scene.put(&format!("copy/{z}"), slice("1.1", z));
    }
    scene.scan_for(30);
    assert_eq!((scene.ready.len(), scene.intake.open_series()), (0, 0));
    assert_eq!(scene.intake.ended_in(&key("1.1")), Some(&first));
}

#[test]
fn a_slice_that_comes_while_the_ending_is_written_is_not_lost() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.scan_for(12);
    scene.put("late", slice("1.1", 5));
    scene.scan_for(2);
    let void = &scene.ready[0];
    assert!(!scene.intake.is_current(&void.key, void.generation));
    let first = scene.close();
    scene.scan_for(12);
    assert_eq!(scene.slices(), [Ok(6)]);
    assert_eq!(scene.ready[0].supersedes, Some(first));
}

#[test]
fn one_instance_with_two_contents_refuses_the_series_until_it_is_mended() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.put("again", pixels("1.1", 2, 7));
    scene.scan_for(3);
    // Written once more, in the right way: the refusal rested on what was there before.
    scene.put("again", slice("1.1", 2));
    scene.scan_for(14);
    assert_eq!(scene.slices(), [Ok(5)]);
    scene.ready.clear();
    scene.put("again", pixels("1.1", 2, 7));
    scene.scan_for(14);
    assert_eq!(scene.slices(), [Err("instance-conflict")]);
}

#[test]
fn files_written_anew_under_a_corrected_patient_are_not_two_patients() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.scan_for(4);
    for z in 0..5 {
        scene.put(
            &format!("1.1/{z}"),
            What {
                patient: 2,
                ..slice("1.1", z)
            },
        );
    }
    scene.scan_for(14);
    assert_eq!(scene.slices(), [Ok(5)]);
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.put(
        "other",
        What {
            patient: 2,
            ..slice("1.1", 6)
        },
    );
    scene.scan_for(14);
    assert_eq!(scene.slices(), [Err("patient-mixed")]);
}

#[test]
fn while_the_folder_is_away_no_series_is_quiet() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.scan_for(4);
    scene.now += 100_000;
    scene.handle(Event::FolderLost);
    assert_eq!(
        (scene.ready.len(), scene.intake.folder_reachable()),
        (0, false)
    );
    assert_eq!(scene.intake.wake_at(), None);
    // Back, with what was exported meanwhile.
    scene.put("more", slice("1.1", 5));
    scene.scan_for(12);
    assert_eq!(scene.slices(), [Ok(6)]);
}

#[test]
fn a_cut_off_file_is_waited_for_until_it_is_whole() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.put("elsewhere/5", cut_off("1.1"));
    scene.scan_for(40);
    assert_eq!(scene.ready.len(), 0);
    scene.grow("elsewhere/5");
    scene.scan();
    assert_eq!(scene.ready.len(), 0, "while it grows it is waited for too");
    scene.put("elsewhere/5", slice("1.1", 5));
    scene.scan_for(13);
    assert_eq!(scene.slices(), [Ok(6)]);
}

#[test]
fn a_cut_off_file_ends_its_series_when_it_is_overdue_and_its_rest_supersedes_that() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.put("1.1/5", cut_off("1.1"));
    scene.scan_for(70);
    assert_eq!(scene.ready.len(), 0);
    scene.scan_for(2);
    assert_eq!(scene.slices(), [Err("unreadable")]);
    let content = scene.ready[0].content;
    let first = scene.close();
    scene.scan_for(200);
    assert_eq!(scene.ready.len(), 0);
    scene.put("1.1/5", slice("1.1", 5));
    scene.scan_for(14);
    assert_eq!(scene.slices(), [Ok(6)]);
    assert_eq!(scene.ready[0].supersedes, Some(first));

    let mut whole = Scene::new();
    whole.put_series("1.1", 5);
    whole.scan_for(12);
    assert_ne!(
        whole.ready[0].content, content,
        "another ending has another id"
    );
}

#[test]
fn a_series_of_cut_off_files_alone_ends_with_its_own_reason_even_while_one_is_being_read() {
    let mut scene = Scene::new();
    scene.put("a", cut_off("1.1"));
    // Overdue when its fourth try begins: 36 s after the first look.
    scene.intake.set_limits(IntakeLimits {
        overdue: Duration::from_secs(25),
        ..limits()
    });
    for _ in 0..36 {
        scene.hold_reads = true;
        scene.scan();
        assert_eq!(scene.ready.len(), 0, "{} ms", scene.now);
        scene.hold_reads = false;
        scene.answer_reads();
        assert_eq!(scene.ready.len(), 0, "{} ms", scene.now);
    }
    scene.hold_reads = true;
    scene.scan();
    assert_eq!(scene.unanswered.len(), 1, "it is being read");
    assert_eq!(scene.slices(), [Err("truncated")]);
}

#[test]
fn a_broken_file_is_tried_again_less_and_less_often() {
    let mut scene = Scene::new();
    scene.put(
        "a",
        What {
            kind: Kind::Unreadable,
            ..slice("1.1", 0)
        },
    );
    let mut tried_at = Vec::new();
    for second in 0..400 {
        let before = scene.reads("a");
        scene.scan();
        if scene.reads("a") > before {
            tried_at.push(second);
        }
    }
    assert_eq!(tried_at, [1, 6, 16, 36, 76, 156, 316]);
}

#[test]
fn nothing_it_waits_for_wakes_it_at_once_again_and_again() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.put("1.1/5", cut_off("1.1"));
    scene.scan_for(40);
    let wake = scene.intake.wake_at().unwrap();
    assert!(
        wake > Moment::from_millis(scene.now),
        "{wake:?} at {} ms",
        scene.now
    );
    scene.now = wake.millis();
    scene.handle(Event::Tick);
    assert_eq!(scene.slices(), [Err("unreadable")]);
}

#[test]
fn many_series_at_once_are_held_in_bounded_memory_and_all_come_to_their_end() {
    held_in_bounded_memory(IntakeLimits {
        slices_held_max: 12,
        ..limits()
    });
    // A slice of four pixels takes eight bytes.
    held_in_bounded_memory(IntakeLimits {
        bytes_held_max: 12 * 8,
        ..limits()
    });
}

fn held_in_bounded_memory(limits: IntakeLimits) {
    let mut scene = Scene::with(limits);
    for series in ["1.1", "1.2", "1.3", "1.4"] {
        scene.put_series(series, 8);
    }
    let mut ended = Vec::new();
    let mut read = 0;
    for _ in 0..400 {
        scene.scan();
        read = scene.read.len();
        if let Some(ready) = scene.ready.first() {
            ended.push((ready.key.to_string(), ready.slices.as_ref().unwrap().len()));
            scene.close();
        }
    }
    ended.sort();
    let expected = ["1.1", "1.2", "1.3", "1.4"].map(|series| (series.to_owned(), 8));
    assert_eq!(ended, expected);
    assert!(read > 4 * 8, "none was put back: {read} files were read");
}

#[rustfmt::skip]
const QUEUE: [&str; 20] = [
    "1.10", "1.11", "1.12", "1.13", "1.14", "1.15", "1.16", "1.17", "1.18", "1.19",
    "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27", "1.28", "1.29",
];

#[test]
fn a_long_queue_of_series_is_not_read_over_and_over() {
    let mut scene = Scene::with(IntakeLimits {
        slices_held_max: 24,
        ..limits()
    });
    for series in QUEUE {
        scene.put_series(series, 8);
    }
    let mut ended = 0;
    while ended < QUEUE.len() {
        if scene.ready.is_empty() {
            scene.scan();
            assert!(scene.now < 60_000, "{ended} ended");
        } else {
            ended += 1;
            scene.close();
        }
    }
    let files = QUEUE.len() * 8;
    let read = scene.read.len();
    // What was on the way when memory became short is read twice.
    assert!(read <= files + 24, "{read} reads of {files} files");
    assert!(scene.headers <= files);
}

#[test]
fn a_series_put_back_whose_files_go_away_still_gets_its_ending() {
    let mut scene = Scene::with(IntakeLimits {
        slices_held_max: 12,
        ..limits()
    });
    scene.put_series("1.1", 8);
    scene.scan_for(4);
    scene.put_series("1.2", 8);
    scene.scan_for(4);
    scene.files.retain(|name, _| name.starts_with("1.1"));
    let mut ended = Vec::new();
    for _ in 0..100 {
        scene.scan();
        if let Some(ready) = scene.ready.first() {
            ended.push((
                ready.key.to_string(),
                ready.slices.as_ref().map(Vec::len).map_err(Refusal::code),
            ));
            scene.close();
        }
    }
    ended.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        ended,
        [
            ("1.1".to_owned(), Ok(8)),
            ("1.2".to_owned(), Err("files-gone"))
        ]
    );
}

#[test]
fn after_a_restart_the_files_of_a_closed_series_are_not_read_again() {
    let mut scene = Scene::new();
    scene.put_series("1.1", 5);
    scene.scan_for(12);
    let closed = closed(&scene.ready[0]);
    scene.close();
    let mut after = Scene::new();
    after.intake = Intake::new(limits(), vec![closed]);
    after.files = scene.files.clone();
    after.scan_for(30);
    assert_eq!((after.read.len(), after.ready.len()), (0, 0));
    after.put("late", slice("1.1", 5));
    after.scan_for(14);
    assert_eq!(after.slices(), [Ok(6)]);
    assert!(after.ready[0].supersedes.is_some());
}

#[test]
fn a_file_that_its_writer_closed_is_read_at_once() {
    let mut scene = Scene::new();
    scene.put("a", slice("1.1", 0));
    scene.written(&["a", ".hidden"]);
    assert_eq!(scene.reads("a"), 1);
    scene.scan_for(5);
    assert_eq!(scene.reads("a"), 1, "unchanged, it is not read again");
    scene.now += 10;
    scene.put("a", slice("1.1", 1));
    scene.written(&["a"]);
    assert_eq!(scene.reads("a"), 2);
    scene.scan_for(12);
    assert_eq!(scene.slices(), [Ok(1)]);
}

#[test]
fn a_file_closed_again_and_again_is_read_no_oftener_than_it_holds_still() {
    let mut scene = Scene::new();
    for _ in 0..20 {
        scene.now += 10;
        scene.put("a", cut_off("1.1"));
        scene.written(&["a"]);
    }
    assert_eq!(scene.reads("a"), 3);
    scene.put("a", slice("1.1", 0));
    scene.scan_for(2);
    assert_eq!(scene.reads("a"), 4);
    scene.scan_for(10);
    assert_eq!(scene.slices(), [Ok(1)]);
}

#[test]
fn a_file_written_anew_while_it_is_read_is_read_once_more_when_the_reader_is_done() {
    let mut scene = Scene::new();
    scene.hold_reads = true;
    scene.put("a", slice("1.1", 0));
    scene.written(&["a"]);
    scene.now += 10;
    scene.put("a", slice("1.1", 1));
    scene.written(&["a"]);
    assert_eq!(scene.reads("a"), 1, "two readers would answer in any order");
    // The first answer is void, whatever it holds.
    let path = scene.unanswered.pop().unwrap().path;
    let result = answer(&slice("1.1", 0));
    scene.handle(Event::Read { path, result });
    assert_eq!(scene.reads("a"), 2);
    scene.hold_reads = false;
    scene.answer_reads();
    scene.scan_for(12);
    assert_eq!(scene.slices(), [Ok(1)]);
    let ready = &scene.ready[0].slices.as_ref().unwrap()[0];
    assert!((ready.geometry.position[2] - 1.0).abs() < 1e-9);
}

#[test]
fn a_series_that_looks_complete_is_handed_out_ahead_and_ended_as_the_same_when_it_is_quiet() {
    let mut scene = Scene::ahead();
    scene.arrive("1.1", 0..5, 20);
    assert!(scene.early.is_empty());
    scene.pass(150);
    let early = scene.early.pop().unwrap();
    assert_eq!(early.slices.as_ref().unwrap().len(), 5);
    assert!(scene.intake.is_early(&early.key, early.generation));
    assert!(!scene.intake.is_current(&early.key, early.generation));
    scene.pass(9_800);
    assert!(scene.ready.is_empty(), "not known to be complete, it waits");
    scene.pass(100);
    assert_eq!(scene.ready[0].generation, early.generation);
    assert_eq!(scene.ready[0].content, early.content);
    assert!(scene.intake.is_current(&early.key, early.generation));
    assert!(scene.early.is_empty(), "once is enough");
}

#[test]
fn what_cannot_be_complete_is_not_handed_out_ahead() {
    let mut gap = Scene::ahead();
    gap.arrive("1.1", (0..3).chain(4..7), 20);
    gap.pass(5_000);
    let mut short = Scene::ahead();
    short.arrive("1.1", 0..2, 20);
    short.pass(5_000);
    let mut growing = Scene::ahead();
    growing.arrive("1.1", 0..5, 20);
    growing.put("1.1/5", slice("1.1", 5));
    growing.look();
    growing.pass(900);
    let mut broken = Scene::ahead();
    broken.put("1.1/5", cut_off("1.1"));
    broken.written(&["1.1/5"]);
    broken.arrive("1.1", 0..5, 20);
    broken.pass(900);
    let mut conflict = Scene::ahead();
    conflict.arrive("1.1", 0..5, 20);
    conflict.put("again", pixels("1.1", 2, 7));
    conflict.written(&["again"]);
    conflict.pass(5_000);
    for scene in [gap, short, growing, broken, conflict] {
        assert_eq!(scene.early.len(), 0);
    }
}

#[test]
fn a_file_on_its_way_beside_a_complete_series_only_puts_the_look_off() {
    let mut scene = Scene::ahead();
    scene.arrive("1.1", 0..5, 20);
    scene.hold_reads = true;
    scene.put("1.1/another", slice("1.2", 0));
    scene.written(&["1.1/another"]);
    scene.pass(400);
    assert_eq!(scene.early.len(), 0, "it may be one of its slices");
    let wake = scene.intake.wake_at().unwrap();
    assert!(wake.millis() > scene.now, "{wake:?} at {} ms", scene.now);
    scene.hold_reads = false;
    scene.answer_reads();
    scene.pass(200);
    assert_eq!(scene.early[0].key, key("1.1"));
}

#[test]
fn a_later_slice_voids_what_was_handed_out_ahead_and_each_time_the_pause_doubles() {
    let mut scene = Scene::ahead();
    // Long enough that the pauses are not this series' usual ones.
    scene.arrive("1.1", 0..100, 20);
    let mut pauses = Vec::new();
    let mut last = None;
    for z in 100..110 {
        let began = scene.now;
        for _ in 0..950 {
            scene.pass(10);
            if let Some(early) = scene.early.pop() {
                assert!(scene.intake.is_early(&early.key, early.generation));
                last = Some(early);
                pauses.push(scene.now - began);
                break;
            }
        }
        scene.arrive("1.1", z..z + 1, 20);
        let void = |early: &Ready| !scene.intake.is_early(&early.key, early.generation);
        assert!(last.as_ref().is_some_and(void));
    }
    assert_eq!(pauses, [150, 300, 600, 1200, 2400, 4800]);
    scene.pass(10_000);
    assert_eq!(scene.slices(), [Ok(110)]);
}

#[test]
fn a_complete_series_waits_as_its_scanner_asks_for_and_never_less_than_two_seconds() {
    let mut scene = Scene::ahead();
    assert_eq!(scene.wait_of("1.0", true), 5_000, "half of the longest");
    let mut waits = Vec::new();
    for series in NAMES {
        waits.push(scene.wait_of(series, true));
    }
    assert!(waits.is_sorted_by(|one, next| one >= next), "{waits:?}");
    assert_eq!(waits.last(), Some(&2_000));
    assert_eq!(
        scene.wait_of("2.1", false),
        10_000,
        "where the lungs are cut off, more may come"
    );
    scene.intake.set_limits(IntakeLimits {
        adaptive: false,
        ..scene.limits.clone()
    });
    assert_eq!(scene.wait_of("2.2", true), 10_000);
}

#[test]
fn a_finding_that_was_superseded_makes_the_next_waits_longer() {
    let mut scene = Scene::ahead();
    for series in NAMES {
        scene.wait_of(series, true);
    }
    assert_eq!(scene.wait_of("2.1", true), 2_000);
    scene.put("2.1/late", slice("2.1", 9));
    scene.pass(1_500);
    scene.written(&["2.1/late"]);
    scene.pass(150);
    scene.early.clear();
    scene.pass(10_000);
    assert_eq!(scene.slices(), [Ok(10)]);
    assert!(scene.ready[0].supersedes.is_some());
    scene.close();
    let wait = scene.wait_of("2.2", true);
    assert!(wait > 3_500, "{wait} ms");
    // Kept and recalled, it holds after a restart.
    let mut after = Scene::ahead();
    after.intake.recall_paces(&scene.intake.paces());
    assert_eq!(after.wait_of("2.3", true), wait);
}

#[test]
fn a_copy_of_a_slice_keeps_what_was_judged_and_begins_the_wait_anew() {
    let mut scene = Scene::ahead();
    scene.arrive("1.1", 0..5, 20);
    scene.pass(200);
    let early = scene.early.pop().unwrap();
    scene.pass(5_000);
    scene.put("copy/3", slice("1.1", 3));
    scene.written(&["copy/3"]);
    assert!(scene.intake.is_early(&early.key, early.generation));
    scene.pass(9_900);
    assert!(scene.ready.is_empty(), "the sender is at work still");
    scene.pass(100);
    assert_eq!(scene.ready[0].generation, early.generation);
    assert_eq!(scene.ready[0].instances, 6);
    assert!(scene.early.is_empty());
}

#[test]
fn while_the_folder_is_away_a_complete_series_loses_its_short_wait() {
    let mut scene = Scene::ahead();
    scene.arrive("1.1", 0..5, 20);
    scene.pass(200);
    let early = scene.early.pop().unwrap();
    scene.handle(Event::JudgedEarly {
        key: early.key.clone(),
        generation: early.generation,
        complete: true,
    });
    scene.handle(Event::FolderLost);
    scene.look();
    assert!(!scene.intake.is_early(&early.key, early.generation));
    scene.pass(9_900);
    assert!(scene.ready.is_empty());
    scene.pass(100);
    assert_eq!(scene.slices(), [Ok(5)]);
}

#[test]
fn no_more_series_are_judged_ahead_than_may_be_held() {
    let mut scene = Scene::ahead();
    scene.intake.set_limits(IntakeLimits {
        early_max: 2,
        ..scene.limits.clone()
    });
    for series in ["1.1", "1.2", "1.3"] {
        scene.arrive(series, 0..5, 0);
    }
    scene.pass(200);
    assert_eq!(scene.early.len(), 2);
    let wake = scene.intake.wake_at().unwrap();
    assert!(wake.millis() > scene.now, "{wake:?} at {} ms", scene.now);
    scene.pass(10_000);
    assert_eq!(scene.ready.len(), 3);
}

// Helpers.

#[derive(Clone)]
struct File {
    bytes: u64,
    modified: i64,
    what: What,
}

/// A folder, the machine, and what it asked for. Quiet time 10 s, overdue after 60 s, a scan each second.
struct Scene {
    intake: Intake,
    now: u64,
    files: BTreeMap<String, File>,
    read: Vec<PathBuf>,
    /// Files of which only the header was read.
    headers: usize,
    unanswered: Vec<Reading>,
    hold_reads: bool,
    limits: IntakeLimits,
    ready: Vec<Ready>,
    /// Handed out ahead of time.
    early: Vec<Ready>,
}

fn limits() -> IntakeLimits {
    IntakeLimits {
        quiet: Duration::from_secs(10),
        overdue: Duration::from_secs(60),
        ..IntakeLimits::default()
    }
}

/// Series enough to know a scanner by.
const NAMES: [&str; 40] = [
    "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13",
    "3.14", "3.15", "3.16", "3.17", "3.18", "3.19", "3.20", "3.21", "3.22", "3.23", "3.24", "3.25",
    "3.26", "3.27", "3.28", "3.29", "3.30", "3.31", "3.32", "3.33", "3.34", "3.35", "3.36", "3.37",
    "3.38", "3.39", "3.40",
];

impl Scene {
    /// Three slices of this file's small pictures make a series that may be complete.
    fn ahead() -> Scene {
        Scene::with(IntakeLimits {
            geometry: SeriesLimits {
                height_min: 3.0,
                field_of_view: [1.0, 700.0],
                ..SeriesLimits::default()
            },
            ..limits()
        })
    }

    /// Slices are written one after the other, and told of.
    fn arrive(&mut self, series: &'static str, slices: impl IntoIterator<Item = u8>, gap_ms: u64) {
        for z in slices {
            self.now += gap_ms;
            let name = format!("{series}/{z}");
            self.put(&name, slice(series, z));
            self.written(&[&name]);
        }
    }

    /// The kernel tells of files.
    fn written(&mut self, names: &[&str]) {
        let seen = names.iter().map(|name| {
            let file = self.files.get(*name);
            FileSeen {
                path: PathBuf::from(name),
                bytes: file.map_or(100, |file| file.bytes),
                modified: WallTime::from_unix_millis(file.map_or(0, |file| file.modified)),
            }
        });
        let files = seen.collect();
        self.handle(Event::Written(files));
    }

    /// Time passes, ten milliseconds a tick.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now += 10;
            self.handle(Event::Tick);
        }
    }

    /// How long a series of nine slices waits when it was judged ahead, `complete` or not; it is ended then.
    fn wait_of(&mut self, series: &'static str, complete: bool) -> u64 {
        self.arrive(series, 0..9, 20);
        let began = self.now;
        self.pass(150);
        let early = self.early.pop().unwrap();
        self.handle(Event::JudgedEarly {
            key: early.key,
            generation: early.generation,
            complete,
        });
        while self.ready.is_empty() {
            self.pass(10);
        }
        let waited = self.now - began;
        self.close();
        waited
    }

    fn new() -> Scene {
        Scene::with(limits())
    }

    fn with(limits: IntakeLimits) -> Scene {
        Scene {
            intake: Intake::new(limits.clone(), Vec::new()),
            limits,
            now: 0,
            files: BTreeMap::new(),
            read: Vec::new(),
            headers: 0,
            unanswered: Vec::new(),
            hold_reads: false,
            ready: Vec::new(),
            early: Vec::new(),
        }
    }

    fn put(&mut self, name: &str, what: What) {
        let modified = i64::try_from(self.now).unwrap();
        let file = File {
            bytes: 100,
            modified,
            what,
        };
        self.files.insert(name.to_owned(), file);
    }

    fn put_series(&mut self, series: &'static str, slices: u8) {
        for z in 0..slices {
            self.put(&format!("{series}/{z}"), slice(series, z));
        }
    }

    fn grow(&mut self, name: &str) {
        self.files.get_mut(name).unwrap().bytes += 1;
    }

    /// One second passes, then the folder is listed.
    fn scan(&mut self) {
        self.now += 1000;
        self.look();
    }

    /// The folder is listed.
    fn look(&mut self) {
        let seen = self.files.iter().map(|(name, file)| FileSeen {
            path: PathBuf::from(name),
            bytes: file.bytes,
            modified: WallTime::from_unix_millis(file.modified),
        });
        let listing = seen.collect();
        self.handle(Event::Scanned(listing));
    }

    fn scan_for(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.scan();
        }
    }

    fn handle(&mut self, event: Event) {
        for action in self.intake.handle(event, Moment::from_millis(self.now)) {
            match action {
                Action::Read(reading) => {
                    match reading.depth {
                        Depth::Header => self.headers += 1,
                        Depth::Whole => self.read.push(reading.path.clone()),
                    }
                    self.unanswered.push(reading);
                }
                Action::Judge(ready) => self.ready.push(*ready),
                Action::JudgeEarly(ready) => self.early.push(*ready),
                Action::Ignored { .. } => {}
            }
        }
        if !self.hold_reads {
            self.answer_reads();
        }
    }

    fn answer_reads(&mut self) {
        while let Some(Reading { path, depth }) = self.unanswered.pop() {
            let file = self.files.get(path.to_str().unwrap());
            let mut result = file.map_or(ReadResult::Unreadable, |file| answer(&file.what));
            if let (ReadResult::Series(arrival), Depth::Header) = (&result, depth) {
                let slices = Ok(Vec::new());
                let arrival = Arrival {
                    slices,
                    ..Arrival::clone(arrival)
                };
                result = ReadResult::Named(Box::new(arrival));
            }
            self.handle(Event::Read { path, result });
        }
    }

    fn reads(&self, name: &str) -> usize {
        self.read
            .iter()
            .filter(|path| path.as_os_str() == name)
            .count()
    }

    /// What was handed out: the number of slices, or the code of the refusal.
    fn slices(&self) -> Vec<Result<usize, &'static str>> {
        let count = |ready: &Ready| ready.slices.as_ref().map(Vec::len).map_err(Refusal::code);
        self.ready.iter().map(count).collect()
    }

    /// The ending of the first series handed out is durable.
    fn close(&mut self) -> FindingId {
        let closed = closed(&self.ready.remove(0));
        let finding = closed.finding.clone();
        self.handle(Event::Closed(closed));
        finding
    }
}

fn closed(ready: &Ready) -> ClosedSeries {
    ClosedSeries {
        key: ready.key.clone(),
        content: ready.content,
        finding: FindingId::derive(&ready.key, "model", &ready.content),
        files: ready.files.clone(),
    }
}

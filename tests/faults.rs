//! Bad input and faults, against the built program, a real broker and an independent client.
//!
//! `SCANWARD_KILLS` sets the number of kills, `SCANWARD_SEED` the seed of the random moments.
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

use common::mosquitto::{Mosquitto, free_port, is_missing, run};
use common::phantoms::{Dice, Scan};
use common::proxy::{Cut, Proxy};
use common::site::{Daemon, Settings, Site, in_ci, pause};
use common::ward::{Ward, check_schema, text};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn a_broker_away_for_the_whole_run_gets_every_finding_once_by_id_and_marked_late() {
    if is_missing("broker_away") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let broker = Mosquitto::start(folder.path(), port, "");
    // The ward's session stays at the broker.
    drop(Ward::start(port));
    broker.stop();
    let site = Site::new(&Settings {
        publish: "late_after_minutes = 0.01",
        ..Settings::new(port)
    });
    let daemon = site.start();
    for seed in [21, 22] {
        site.move_in(&seed.to_string(), &Scan::small(seed).files());
    }
    until_logged(&site, "series ended", 2);
    // Longer than `late_after_minutes`; a slow machine makes it longer still.
    pause(1000);
    // A restart in between: what waits is on the disk.
    daemon.kill();
    let _daemon = site.start();
    until_logged(&site, "no connection to the broker", 2);
    let _broker = Mosquitto::start(folder.path(), port, "");
    let mut ward = Ward::start(port);
    ward.until_outcomes(2);
    ward.until("an empty outbox", outbox_is_empty);
    assert_eq!(ward.codes(), ["triaged", "triaged"]);
    assert_eq!(ward.ids("finding"), ward.ids("outcome"));
    for message in ward.of("finding").into_iter().chain(ward.of("outcome")) {
        check_schema(message);
        assert_eq!(message.json()["data"]["late"], true);
    }
    assert!(ward.copies_are_alike());
}

#[test]
fn a_connection_lost_before_the_puback_repeats_the_message_under_the_same_id() {
    if is_missing("lost_puback") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let proxy = Proxy::start(broker.port, Cut::FirstPuback);
    let site = Site::new(&Settings::new(proxy.port));
    let daemon = site.start();
    site.move_in("one", &Scan::small(23).files());
    ward.until_outcomes(1);
    ward.until("an empty outbox", outbox_is_empty);
    proxy.cut_all();
    site.move_in("two", &Scan::small(24).files());
    ward.until_outcomes(2);
    ward.until("an empty outbox", outbox_is_empty);
    assert!(daemon.stop().success());
    ward.drain();
    assert_eq!(ward.ids("finding").len(), 2);
    assert_eq!(ward.ids("finding"), ward.ids("outcome"));
    assert!(ward.copies_are_alike());
}

#[test]
fn a_hundred_kills_at_random_moments_lose_nothing_and_change_no_id() {
    if is_missing("hundred_kills") {
        return;
    }
    let kills = from_environment("SCANWARD_KILLS", 100);
    let seed = from_environment("SCANWARD_SEED", 4711);
    eprintln!(
        "replay: SCANWARD_KILLS={kills} SCANWARD_SEED={seed} cargo test --test faults hundred -- --nocapture"
    );
    let scans: Vec<Scan> = (30..36).map(Scan::small).collect();
    let expected = undisturbed(&scans);

    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = Site::new(&Settings::new(broker.port));
    let mut dice = Dice(seed);
    let mut steps = trickle(&scans);
    let per_kill = steps.len().div_ceil(usize::try_from(kills).unwrap().max(1));
    for _ in 0..kills {
        let daemon = site.start();
        let lives = 20 + dice.below(1481);
        // The export goes on while the program starts, works and dies.
        let share = steps.split_off(steps.len().saturating_sub(per_kill));
        let wait = u64::try_from(lives / (share.len() + 1)).unwrap();
        for (name, bytes) in share.iter().rev() {
            pause(wait);
            site.append(name, bytes);
        }
        pause(wait);
        daemon.kill();
    }
    let daemon = site.start();
    for (name, bytes) in steps.iter().rev() {
        site.append(name, bytes);
    }
    ward.until_outcomes(scans.len());
    ward.watch(4);
    ward.until("an empty outbox", outbox_is_empty);
    assert!(daemon.stop().success());
    ward.drain();
    assert_eq!(ward.ids("outcome"), expected, "seed {seed}");
    assert_eq!(ward.ids("finding"), expected, "seed {seed}");
    assert_eq!(ward.of("superseded").len(), 0, "seed {seed}");
    assert!(
        ward.ids_by_study("finding")
            .values()
            .all(|ids| ids.len() == 1)
    );
    assert!(ward.copies_are_alike(), "seed {seed}");
    let boot = ward.health().unwrap()["boot"].as_u64().unwrap();
    assert!(boot <= kills + 1, "boot {boot} after {kills} kills");
}

#[test]
fn an_export_folder_that_goes_away_and_comes_back_loses_nothing() {
    if is_missing("folder_away") {
        return;
    }
    let (_folder, _broker, mut ward, site, _daemon) = scene(Settings::new);
    let files = Scan::small(25).files();
    for (z, bytes) in files.iter().enumerate().take(20) {
        site.put(&format!("ct/{z}"), bytes);
    }
    ward.until("an open series", |ward| {
        ward.health()
            .is_some_and(|health| health["series"]["in_flight"] == 1)
    });
    let away = site.root().join("away");
    fs::rename(site.export(), &away).unwrap();
    ward.until("folder-unreachable", |ward| {
        ward.is_degraded_by("folder-unreachable")
    });
    // Longer than the quiet time: half a series must not be judged because nobody can see its other half.
    ward.watch(5);
    assert_eq!(ward.of("outcome").len(), 0);
    for (z, bytes) in files.iter().enumerate().skip(20) {
        fs::write(away.join(format!("ct/{z}")), bytes).unwrap();
    }
    fs::rename(&away, site.export()).unwrap();
    ward.until_outcomes(1);
    ward.until("a reachable folder", |ward| {
        !ward.is_degraded_by("folder-unreachable")
    });
    assert_eq!(ward.codes(), ["triaged"]);
    assert_eq!(
        ward.of("finding")[0].json()["data"]["series"]["instances"],
        40
    );
}

#[test]
fn a_share_that_is_unmounted_and_mounted_again_loses_nothing() {
    if is_missing("unmounted") || cannot_mount("unmounted") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = Site::new(&Settings::new(broker.port));
    // The share is a folder beside, bound over an empty one in the program's private mount namespace.
    let (share, export) = (site.root().join("share"), site.export());
    fs::create_dir(&share).unwrap();
    let (share, export) = (share.display(), export.display());
    let mount = format!(
        "mount -t tmpfs tmpfs '{share}' && mount --bind '{share}' '{export}' && exec \"$0\" \"$@\""
    );
    let mut command = unshare();
    command.args(["sh", "-c", &mount, env!("CARGO_BIN_EXE_scanward")]);
    let daemon = site.start_under(command);
    ward.until("the birth", |ward| ward.health().is_some());
    let inside = format!("/proc/{}/root{share}/ct", daemon.pid());
    fs::create_dir(&inside).unwrap();
    let files = Scan::small(42).files();
    let put = |z: usize| fs::write(format!("{inside}/{z}"), &files[z]).unwrap();
    (0..20).for_each(put);
    ward.until("an open series", |ward| {
        ward.health()
            .is_some_and(|health| health["series"]["in_flight"] == 1)
    });
    let pid = daemon.pid().to_string();
    let enter = |command: &[&str]| {
        let into = ["--target", &pid, "--mount"];
        run(site.root(), "nsenter", &[&into, command].concat());
    };
    enter(&["umount", "--lazy", &export.to_string()]);
    ward.until("folder-unreachable", |ward| {
        ward.is_degraded_by("folder-unreachable")
    });
    (20..files.len()).for_each(put);
    ward.watch(5);
    assert_eq!(ward.of("outcome").len(), 0);
    enter(&["mount", "--bind", &share.to_string(), &export.to_string()]);
    ward.until_outcomes(1);
    assert_eq!(ward.codes(), ["triaged"]);
    assert_eq!(
        ward.of("finding")[0].json()["data"]["series"]["instances"],
        40
    );
}

#[test]
fn a_full_disk_holds_a_finding_back_and_loses_none() {
    if is_missing("full_disk") || cannot_mount("full_disk") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = Site::new(&Settings::new(broker.port));
    let mount = format!(
        "mount -t tmpfs -o size=6m tmpfs '{}' && exec \"$0\" \"$@\"",
        site.state().display()
    );
    let mut command = unshare();
    command.args(["sh", "-c", &mount, env!("CARGO_BIN_EXE_scanward")]);
    let daemon = site.start_under(command);
    ward.until("the birth", |ward| ward.health().is_some());
    // The program's own view of its state folder, in its private mount namespace.
    let state = format!("/proc/{}/root{}", daemon.pid(), site.state().display());
    let filler = Path::new(&state).join("filler");
    fill(&filler);
    for seed in [26, 27, 28] {
        site.move_in(&seed.to_string(), &Scan::small(seed).files());
    }
    ward.until("store-failing or disk-low", |ward| {
        ward.is_degraded_by("store-failing") || ward.is_degraded_by("disk-low")
    });
    let held_back = 3 - ward.ids("outcome").len();
    assert!(held_back > 0, "the disk was not full enough");
    // The disk stays full while a late look at the whole goes on.
    ward.watch(4);
    fs::remove_file(&filler).unwrap();
    ward.until_outcomes(3);
    ward.until("a store that works", |ward| {
        outbox_is_empty(ward) && !ward.is_degraded_by("store-failing")
    });
    ward.watch(3);
    assert_eq!(ward.codes(), ["triaged", "triaged", "triaged"]);
    assert_eq!(ward.ids("finding"), ward.ids("outcome"));
    assert_eq!(ward.of("superseded").len(), 0);
    assert!(daemon.stop().success());
}

#[test]
fn a_file_cut_off_for_good_ends_its_series_and_its_rest_supersedes_that() {
    if is_missing("cut_off") {
        return;
    }
    let (_folder, _broker, mut ward, site, _daemon) = scene(|port| Settings {
        intake: "overdue_minutes = 0.05",
        ..Settings::new(port)
    });
    let files = Scan::small(29).files();
    let (head, tail) = files[7].split_at(files[7].len() / 2);
    for (z, bytes) in files.iter().enumerate() {
        site.put(&format!("ct/{z}"), if z == 7 { head } else { bytes });
    }
    ward.until_outcomes(1);
    assert_eq!(ward.codes(), ["unreadable"]);
    let refused = ward.of("outcome")[0].id();
    site.append("ct/7", tail);
    ward.until("a finding", |ward| !ward.of("superseded").is_empty());
    let finding = ward.of("finding")[0].json();
    assert_eq!(text(&finding["data"]["supersedes"]), refused);
    assert_eq!(finding["data"]["series"]["instances"], 40);
    assert_eq!(ward.of("finding").len(), 1);
}

#[test]
fn a_series_of_nothing_but_cut_off_files_ends_too() {
    if is_missing("only_cut_off") {
        return;
    }
    let (_folder, _broker, mut ward, site, _daemon) = scene(|port| Settings {
        intake: "overdue_minutes = 0.05",
        ..Settings::new(port)
    });
    for (z, bytes) in Scan::small(29).files().iter().enumerate().take(3) {
        site.put(&format!("ct/{z}"), &bytes[..bytes.len() / 2]);
    }
    ward.until_outcomes(1);
    assert_eq!(ward.codes(), ["truncated"]);
    assert_eq!(ward.of("finding").len(), 0);
}

#[test]
fn files_of_every_other_kind_neither_stop_nor_delay_a_series() {
    if is_missing("other_files") {
        return;
    }
    let (_folder, _broker, mut ward, site, _daemon) = scene(Settings::new);
    site.put("ct/empty", b"");
    site.put("ct/notes.txt", b"The patient was moving.");
    site.put("ct/DICOMDIR", b"index");
    site.put("ct/unfinished.part", &[0; 5000]);
    site.put("ct/zeros", &[0; 5000]);
    site.put("ct/preamble only", &[[0; 128].as_slice(), b"DICM"].concat());
    let ct = site.export().join("ct");
    run(&ct, "mkfifo", &["a pipe"]);
    std::os::unix::fs::symlink("/nowhere", ct.join("dangling")).unwrap();
    std::os::unix::fs::symlink("..", ct.join("circle")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(ct.join("socket")).unwrap();
    let changing = std::thread::spawn({
        let path = ct.join("a log that grows");
        move || {
            for line in 0..100 {
                // Ends when the folder is gone, after the test.
                if fs::write(&path, vec![b'x'; 100 + line]).is_err() {
                    return;
                }
                pause(100);
            }
        }
    });
    for (z, bytes) in Scan::small(40).files().iter().enumerate() {
        site.put(&format!("ct/{z}"), bytes);
    }
    ward.until_outcomes(1);
    assert!(!changing.is_finished(), "the log grew all the time");
    assert_eq!(ward.codes(), ["triaged"]);
    assert_eq!(
        ward.of("finding")[0].json()["data"]["series"]["instances"],
        40
    );
    changing.join().unwrap();
}

#[test]
fn a_file_that_may_not_be_read_is_waited_for_and_then_named_as_the_reason() {
    if is_missing("may_not_be_read") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = Site::new(&Settings {
        intake: "overdue_minutes = 0.05",
        ..Settings::new(broker.port)
    });
    let files = Scan::small(41).files();
    for (z, bytes) in files.iter().enumerate() {
        site.put(&format!("ct/{z}"), bytes);
    }
    run(&site.export(), "chmod", &["000", "ct/5"]);
    let Some(_daemon) = start_without_rights(&site) else {
        return;
    };
    ward.until_outcomes(1);
    assert_eq!(ward.codes(), ["unreadable"]);
    run(&site.export(), "chmod", &["644", "ct/5"]);
    ward.until("a finding", |ward| !ward.of("superseded").is_empty());
    assert_eq!(ward.of("finding").len(), 1);
}

#[test]
fn series_that_cannot_be_triaged_are_refused_by_reason_beside_two_that_can() {
    if is_missing("refused") {
        return;
    }
    let (_folder, _broker, mut ward, site, _daemon) = scene(Settings::new);
    let mut files: Vec<Vec<u8>> = Vec::new();
    for seed in [50, 51] {
        files.extend(Scan::small(seed).files());
    }
    let mut spoilt = |seed, spoil: &dyn Fn(&mut Scan, &mut Vec<Vec<u8>>)| {
        let mut scan = Scan::small(seed);
        let mut own = scan.files();
        spoil(&mut scan, &mut own);
        files.extend(own);
    };
    spoilt(52, &|_, files| drop(files.remove(20)));
    spoilt(53, &|scan, files| {
        scan.patient_id = "another".to_owned();
        files[9] = scan.file(9);
    });
    spoilt(54, &|scan, files| {
        scan.slices[9][0] += 1;
        files.push(scan.file(9));
    });
    spoilt(55, &|scan, files| {
        scan.pixel_mm *= 3.0;
        *files = scan.files();
    });
    spoilt(56, &|scan, files| {
        for height in &mut scan.heights[30..] {
            *height += 2.0;
        }
        *files = scan.files();
    });
    spoilt(57, &|_, files| files.truncate(10));
    // All in one folder, their files mixed.
    Dice(7).shuffle(&mut files);
    site.move_in("all", &files);
    ward.until_outcomes(8);
    ward.watch(4);
    let expected = [
        "geometry-gap",
        "instance-conflict",
        "patient-mixed",
        "spacing-implausible",
        "spacing-uneven",
        "too-short",
        "triaged",
        "triaged",
    ];
    assert_eq!(ward.codes(), expected);
    assert_eq!((ward.of("outcome").len(), ward.of("finding").len()), (8, 2));
    for message in &ward.seen {
        check_schema(message);
    }
}

// Helpers.

type Scene = (tempfile::TempDir, Mosquitto, Ward, Site, Daemon);

fn scene(settings: impl Fn(u16) -> Settings) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let ward = Ward::start(broker.port);
    let site = Site::new(&settings(broker.port));
    let daemon = site.start();
    (folder, broker, ward, site, daemon)
}

fn outbox_is_empty(ward: &Ward) -> bool {
    let last = ward.of("health").last().map(|message| message.json());
    last.is_some_and(|health| health["state"] != "offline" && health["outbox"]["count"] == 0)
}

/// Waits until the log holds `text` at least `count` times.
fn until_logged(site: &Site, text: &str, count: usize) {
    for _ in 0..3000 {
        if site.log().matches(text).count() >= count {
            return;
        }
        pause(100);
    }
    panic!("not logged {count} times: {text}");
}

fn from_environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

/// The ids of `scans` from a run that nothing disturbs.
fn undisturbed(scans: &[Scan]) -> BTreeSet<String> {
    let (_folder, _broker, mut ward, site, _daemon) = scene(Settings::new);
    for (index, scan) in scans.iter().enumerate() {
        site.move_in(&index.to_string(), &scan.files());
    }
    ward.until_outcomes(scans.len());
    assert_eq!(ward.ids("finding"), ward.ids("outcome"));
    ward.ids("finding")
}

/// Pieces of files to append, the first one last. A series' first file stays cut off until its other files are there:
/// however long the program is dead or the machine slow, the series is not complete before.
fn trickle(scans: &[Scan]) -> Vec<(String, Vec<u8>)> {
    let mut steps = Vec::new();
    for (index, scan) in scans.iter().enumerate() {
        let files = scan.files();
        let (head, tail) = files[0].split_at(files[0].len() / 2);
        steps.push((format!("{index}/0"), head.to_vec()));
        for (z, bytes) in files.iter().enumerate().skip(1) {
            steps.push((format!("{index}/{z}"), bytes.clone()));
        }
        steps.push((format!("{index}/0"), tail.to_vec()));
    }
    steps.reverse();
    steps
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !is_root() {
        command.arg("--map-root-user");
    }
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|facts| std::os::unix::fs::MetadataExt::uid(&facts) == 0)
}

/// Whether this machine forbids a mount of our own. Fails where CI expects it, else tells that the test skips.
fn cannot_mount(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let status = unshare()
        .args(["mount", "-t", "tmpfs", "tmpfs"])
        .arg(folder.path())
        .status();
    let cannot = !status.is_ok_and(|status| status.success());
    assert!(
        !(cannot && in_ci()),
        "{test}: `unshare --mount` is not allowed"
    );
    if cannot {
        eprintln!("SKIPPED {test}: `unshare --mount` is not allowed");
    }
    cannot
}

/// Writes to `file` until the disk is full.
fn fill(file: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(file).unwrap();
    for block in [1 << 16, 1 << 12, 1 << 8, 1] {
        while file.write(&vec![1; block]).is_ok_and(|written| written > 0) {}
    }
}

/// Starts the program as a user whom file rights bind; `None`, told on stderr, where that cannot be done.
fn start_without_rights(site: &Site) -> Option<Daemon> {
    if !is_root() {
        return Some(site.start());
    }
    run(site.root(), "chown", &["-R", "65534", "."]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let mut probe = Command::new("setpriv");
    probe.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let program = env!("CARGO_BIN_EXE_scanward");
    let can = probe
        .args([program, "--version"])
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        can || !in_ci(),
        "the program cannot be started as another user"
    );
    if !can {
        eprintln!("SKIPPED may_not_be_read: {program} cannot be started as another user");
        return None;
    }
    command.arg(program);
    Some(site.start_under(command))
}

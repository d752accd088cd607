//! The whole way: files in the export folder, the built program, a real broker, an independent client.
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

use common::mosquitto::{Mosquitto, free_port, is_missing};
use common::phantoms::{Dice, Scan};
use common::site::{Settings, Site, pause, sample_data};
use common::ward::{Message, Ward, check_schema, text};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn two_real_series_copied_at_once_give_one_finding_and_one_outcome_each() {
    let test = "two_real_series";
    let (false, Some(data)) = (is_missing(test), sample_data(test)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = Site::new(&Settings::new(broker.port));
    let daemon = site.start();

    let mut dice = Dice(20_261_125);
    let mut steps = Vec::new();
    for (series, folder) in [
        ("P002", "Übung ß/1 2/=x"),
        ("normal001", "Übung ß/.hidden-not/%41"),
    ] {
        let files = slices_of(&data.join("dicom").join(series));
        steps.extend(copy_steps(&files, folder, &mut dice));
    }
    steps.sort_by_key(|(place, _)| *place);
    for (_, step) in steps {
        step.take(&site);
        pause(2);
    }
    ward.until_outcomes(2);
    // A second ending of a series would come within its quiet time.
    ward.watch(5);
    assert!(daemon.stop().success());
    ward.drain();

    for message in &ward.seen {
        check_schema(message);
    }
    assert_eq!(ward.codes(), ["triaged", "triaged"]);
    assert_eq!((ward.of("finding").len(), ward.of("outcome").len()), (2, 2));
    assert_eq!(ward.ids("finding"), ward.ids("outcome"));
    assert_eq!(ward.of("superseded").len(), 0);
    let by_instances: BTreeMap<u64, &Message> = ward
        .of("finding")
        .into_iter()
        .map(|finding| {
            (
                finding.json()["data"]["series"]["instances"]
                    .as_u64()
                    .unwrap(),
                finding,
            )
        })
        .collect();
    let (covid, normal) = (by_instances[&133], by_instances[&154]);
    assert!(
        urgency(covid) > urgency(normal),
        "{:#} {:#}",
        covid.json(),
        normal.json()
    );
    let burden = normal.json()["data"]["lesion"]["burden_percent"]
        .as_f64()
        .unwrap();
    assert!(burden < 1.0, "the normal series' burden is {burden} %");
    assert_eq!(ward.of("preview").len(), 2);
    for preview in ward.of("preview") {
        let place = |kind: &str| {
            let is_wanted = |it: &&Message| it.kind() == kind && it.id() == preview.id();
            ward.seen.iter().position(|it| is_wanted(&it))
        };
        assert!(
            place("preview") < place("finding"),
            "the preview comes first"
        );
    }
}

#[test]
fn late_slices_supersede_copies_change_nothing_and_a_restart_sends_nothing_twice() {
    if is_missing("late_slices") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let mut ward = Ward::start(broker.port);
    let site = Site::new(&Settings::new(broker.port));
    let daemon = site.start();
    let scan = Scan::new(11, 80, 256, 12.0);
    let files = scan.files();
    site.move_in("first", &files[..77]);
    ward.until("the first finding", |ward| ward.of("finding").len() == 1);
    let first = ward.of("finding")[0].id();

    for (z, bytes) in files.iter().enumerate().skip(77) {
        site.put(&format!("later/{z}"), bytes);
    }
    ward.until("the event superseded", |ward| {
        !ward.of("superseded").is_empty()
    });
    let second = ward.of("finding").last().unwrap().json();
    assert_ne!(text(&second["id"]), first);
    assert_eq!(text(&second["data"]["supersedes"]), first);
    assert_eq!(second["data"]["series"]["instances"], 80);
    let superseded = ward.of("superseded")[0].json();
    assert_eq!(text(&superseded["data"]["superseded"]), first);
    assert_eq!(superseded["data"]["by"], second["id"]);

    let count = |ward: &Ward| ["finding", "outcome", "superseded"].map(|kind| ward.of(kind).len());
    let settled = count(&ward);
    assert_eq!(settled, [2, 2, 1]);
    let opened = |ward: &Ward| ward.health().unwrap()["series"]["today"].as_u64().unwrap();
    let before = opened(&ward);
    site.move_in("a copy", &files);
    ward.until("the copy read and closed", |ward| {
        opened(ward) > before && ward.health().unwrap()["series"]["in_flight"] == 0
    });
    ward.watch(2);
    assert_eq!(count(&ward), settled, "a copy is no news");

    assert!(daemon.stop().success());
    let daemon = site.start();
    ward.until("the second boot", |ward| {
        ward.health()
            .is_some_and(|health| health["boot"] == 2 && health["state"] != "offline")
    });
    ward.watch(4);
    assert!(daemon.stop().success());
    ward.drain();
    assert_eq!(count(&ward), settled, "a restart is no news");
    for message in &ward.seen {
        check_schema(message);
    }
}

// Helpers.

fn urgency(finding: &Message) -> u8 {
    let data = finding.json()["data"].clone();
    let priority = text(&data["priority"]);
    assert!(
        finding.topic.ends_with(&format!("/finding/{priority}")),
        "{}",
        finding.topic
    );
    match priority.as_str() {
        "critical" => 3,
        "urgent" => 2,
        "routine" => 1,
        other => panic!("no priority: {other}"),
    }
}

fn slices_of(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "dcm"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// One thing a slow exporter does.
enum Step {
    Append(String, Vec<u8>),
    Rename(String, String),
}

impl Step {
    fn take(&self, site: &Site) {
        match self {
            Step::Append(name, bytes) => site.append(name, bytes),
            Step::Rename(from, to) => {
                std::fs::rename(site.export().join(from), site.export().join(to)).unwrap();
            }
        }
    }
}

/// The copying of `files` into `folder`, step by step, each with its place in the order of all steps. The first file
/// stays cut off until the very end: however slow this machine is, the series is not complete before.
fn copy_steps(files: &[Vec<u8>], folder: &str, dice: &mut Dice) -> Vec<(usize, Step)> {
    const LAST: usize = 1_000_000;
    let mut steps = Vec::new();
    for (index, bytes) in files.iter().enumerate() {
        // Names tell nothing of the order, the series or the kind of file.
        let name = format!(
            "{folder}/{} {index}.{}",
            dice.below(1000),
            ["jpg", "dcm", "x y", "1"][dice.below(4)]
        );
        let (first, rest) = bytes.split_at(bytes.len() * (10 + dice.below(80)) / 100);
        let mut places: Vec<usize> = (0..3).map(|_| 1 + dice.below(LAST - 1)).collect();
        places.sort_unstable();
        let temporary = format!("{name}{}", [".part", ".tmp"][dice.below(2)]);
        let append = |name: &str, bytes: &[u8]| Step::Append(name.to_owned(), bytes.to_vec());
        if index == 0 {
            steps.push((0, append(&name, first)));
            steps.push((LAST, append(&name, rest)));
            continue;
        }
        match dice.below(4) {
            0 => steps.push((places[0], append(&name, bytes))),
            1 => {
                steps.push((places[0], append(&name, first)));
                steps.push((places[1], append(&name, rest)));
            }
            2 => {
                let (second, third) = rest.split_at(rest.len() / 2);
                for (place, part) in places.iter().zip([first, second, third]) {
                    steps.push((*place, append(&name, part)));
                }
            }
            _ => {
                steps.push((places[0], append(&temporary, first)));
                steps.push((places[1], append(&temporary, rest)));
                steps.push((places[2], Step::Rename(temporary, name)));
            }
        }
    }
    steps
}

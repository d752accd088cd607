//! Priors: which one is chosen, what the store keeps of them and for how long, and what a running box publishes.
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

use common::instances::{answer, slice};
use common::mosquitto::{Mosquitto, free_port, is_missing};
use common::phantoms::Scan;
use common::site::{Settings, Site};
use common::ward::{Ward, check_schema};
use redb::ReadableTable;
use scanward::daemon::{Judgement, Saving};
use scanward::dicom::Patient;
use scanward::ids::{FindingId, ModelDigest, Pseudonym, Redacted, SeriesKey, SlugName, Uid};
use scanward::intake::{ReadResult, Ready};
use scanward::outcome::{
    ComparisonNote, Direction, LesionFacts, ModelFacts, Outcome, Priority, SeriesFacts,
    TimingFacts, TriagedSeries,
};
use scanward::store::{
    Closing, PriorLimits, PriorRecord, PriorRow, SeriesRecord, SeriesState, Store,
};
use scanward::units::{Moment, WallTime};
use scanward::wire::{Profile, Root, Sender};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn the_newest_earlier_finding_of_another_study_by_the_same_model_is_the_prior() {
    let current = judgement(&Case::default());
    let offered = [
        (
            "an older one",
            Kept {
                day: 2,
                ..Kept::default()
            },
        ),
        (
            "the prior",
            Kept {
                day: 9,
                ..Kept::default()
            },
        ),
        (
            "another patient",
            Kept {
                patient: 2,
                day: 9,
                number: 7,
                ..Kept::default()
            },
        ),
        (
            "the same study",
            Kept {
                study: 1,
                day: 9,
                number: 8,
                ..Kept::default()
            },
        ),
        (
            "scanned at the same time",
            Kept {
                day: 10,
                ..Kept::default()
            },
        ),
        (
            "scanned later",
            Kept {
                day: 12,
                ..Kept::default()
            },
        ),
        (
            "another model",
            Kept {
                model: 2,
                day: 9,
                number: 9,
                ..Kept::default()
            },
        ),
    ];
    let records: Vec<PriorRecord> = offered.iter().map(|(_, kept)| record(kept)).collect();
    assert_eq!(
        current.prior_among(records.clone()),
        Some(records[1].clone())
    );
    let backwards = records.iter().rev().cloned().collect();
    assert_eq!(current.prior_among(backwards), Some(records[1].clone()));
    for (name, kept) in offered.iter().skip(2) {
        assert_eq!(current.prior_among(vec![record(kept)]), None, "{name}");
    }
}

#[test]
fn what_a_series_supersedes_is_no_prior_of_it() {
    let kept = Kept {
        day: 9,
        ..Kept::default()
    };
    let mut current = judgement(&Case::default());
    current.ready.supersedes = Some(record(&kept).finding);
    assert_eq!(current.prior_among(vec![record(&kept)]), None);
}

#[test]
fn without_a_patient_id_or_a_date_nothing_is_compared_or_kept() {
    for (name, case) in [
        (
            "no id",
            Case {
                id: None,
                ..Case::default()
            },
        ),
        (
            "an empty id",
            Case {
                id: Some(" "),
                ..Case::default()
            },
        ),
        (
            "no date",
            Case {
                day: None,
                ..Case::default()
            },
        ),
    ] {
        let current = judgement(&case);
        assert_eq!(current.compared_patient(), None, "{name}");
        assert_eq!(
            current.prior_among(vec![record(&Kept::default())]),
            None,
            "{name}"
        );
        let saving = Saving::new(&current, "sha256:aa", &sender()).unwrap();
        assert_eq!(saving.prior, None, "{name}");
    }
}

#[test]
fn masks_of_no_use_give_the_whole_change_and_a_note() {
    for (masks, note) in [
        (
            Err(ComparisonNote::MasksDamaged),
            ComparisonNote::MasksDamaged,
        ),
        (
            Err(ComparisonNote::MasksMissing),
            ComparisonNote::MasksMissing,
        ),
        (Ok(&[1, 2, 3][..]), ComparisonNote::MasksDamaged),
    ] {
        let mut current = judgement(&Case::default());
        current.masks = Some(vec![1, 9, 9]);
        current.compare_with(
            &record(&Kept {
                day: 3,
                ..Kept::default()
            }),
            masks,
        );
        let Outcome::Triaged(triaged) = &current.outcome else {
            panic!("not triaged")
        };
        let found = triaged.comparison.clone().unwrap();
        assert_eq!((found.days, found.direction), (7, Direction::Worsening));
        assert!((found.burden_change_points - 4.0).abs() < 1e-9);
        assert_eq!((found.zones.len(), found.note), (0, Some(note)));
    }
}

#[test]
fn what_is_kept_holds_the_numbers_and_no_identity() {
    let case = Case {
        id: Some("Zq-4711"),
        ..Case::default()
    };
    let saving = Saving::new(&judgement(&case), "sha256:aa", &sender()).unwrap();
    let (record, masks) = saving.prior.unwrap();
    assert!((record.burden_percent - 12.0).abs() < 1e-9);
    assert_eq!(masks, [5, 5]);
    assert!(!format!("{record:?}").contains("Zq-4711"));
}

#[test]
fn a_prior_and_its_masks_are_read_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    close(&mut store, &Kept::default(), None);
    drop(store);
    let mut store = open(folder.path());
    let wanted = record(&Kept::default());
    assert_eq!(
        store.priors_of(&patient(1)).unwrap(),
        std::slice::from_ref(&wanted)
    );
    assert_eq!(store.priors_of(&patient(2)).unwrap(), []);
    assert_eq!(store.prior_masks(&wanted.finding).unwrap(), Some(masks()));
}

#[test]
fn a_superseded_finding_is_a_prior_no_longer_also_under_another_patient() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let first = Kept::default();
    close(&mut store, &first, None);
    // Exported again under the corrected patient.
    let second = Kept {
        patient: 2,
        number: 2,
        ..Kept::default()
    };
    close(&mut store, &second, Some(record(&first).finding));
    assert_eq!(store.priors_of(&patient(1)).unwrap(), []);
    assert_eq!(store.prior_masks(&record(&first).finding).unwrap(), None);
    assert_eq!(store.priors_of(&patient(2)).unwrap(), [record(&second)]);
}

#[test]
fn of_one_patient_the_newest_scans_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    for day in [5, 3, 8, 6, 1] {
        let number = u8::try_from(day).unwrap();
        close(
            &mut store,
            &Kept {
                day,
                number,
                ..Kept::default()
            },
            None,
        );
    }
    close(
        &mut store,
        &Kept {
            patient: 2,
            number: 99,
            ..Kept::default()
        },
        None,
    );
    assert_eq!(days(&mut store, 1), [5, 6, 8]);
    assert_eq!(days(&mut store, 2), [1]);
}

#[test]
fn old_and_surplus_priors_go_oldest_first_and_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    for number in 0..40 {
        // Each a patient of its own, made a second after the other.
        let kept = Kept {
            patient: number,
            number,
            made_s: i64::from(number),
            ..Kept::default()
        };
        close(&mut store, &kept, None);
    }
    let left = |store: &mut Store| {
        let all = (0..40).filter(|number| !store.priors_of(&patient(*number)).unwrap().is_empty());
        all.collect::<Vec<u8>>()
    };
    assert_eq!(left(&mut store).len(), 40);
    let at = |seconds: i64| WallTime::from_unix_millis(seconds * 1000);
    let limits = PriorLimits {
        age_max: Duration::from_secs(60),
        ..LIMITS
    };
    assert!(
        !store.prune_priors(&limits, at(59)).unwrap(),
        "nothing is due"
    );
    assert!(store.prune_priors(&limits, at(79)).unwrap());
    assert_eq!(left(&mut store)[0], 16, "sixteen at a time");
    while store.prune_priors(&limits, at(79)).unwrap() {}
    assert_eq!(left(&mut store)[0], 20);
    let limits = PriorLimits {
        count_max: 5,
        ..LIMITS
    };
    while store.prune_priors(&limits, at(79)).unwrap() {}
    assert_eq!(left(&mut store), [35, 36, 37, 38, 39]);
    // The settings keep none any more.
    let limits = PriorLimits {
        age_max: Duration::ZERO,
        count_max: 0,
        ..LIMITS
    };
    while store.prune_priors(&limits, at(79)).unwrap() {}
    assert_eq!(left(&mut store), [0_u8; 0]);
    assert!(!store.prune_priors(&limits, at(79)).unwrap());
}

#[test]
fn a_closing_lets_go_what_is_too_old_or_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    for number in 0..LIMITS_COUNT + 3 {
        let number = u8::try_from(number).unwrap();
        let kept = Kept {
            patient: number,
            number,
            made_s: i64::from(number),
            ..Kept::default()
        };
        close(&mut store, &kept, None);
    }
    assert!(store.priors_of(&patient(2)).unwrap().is_empty());
    assert!(!store.priors_of(&patient(3)).unwrap().is_empty());
}

#[test]
fn damaged_masks_and_records_are_told_from_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    close(&mut store, &Kept::default(), None);
    drop(store);
    let finding = record(&Kept::default()).finding;
    spoil(folder.path(), "prior-masks", finding.as_str());
    let mut store = open(folder.path());
    assert!(store.prior_masks(&finding).is_err());
    assert_eq!(store.priors_of(&patient(1)).unwrap().len(), 1);
    drop(store);
    spoil(folder.path(), "priors", finding.as_str());
    let mut store = open(folder.path());
    assert!(store.priors_of(&patient(1)).is_err());
    // The next closing of this patient clears it away.
    let next = Kept {
        number: 2,
        ..Kept::default()
    };
    close(&mut store, &next, None);
    assert_eq!(store.priors_of(&patient(1)).unwrap(), [record(&next)]);
    assert_eq!(store.prior_masks(&finding).unwrap(), None);
}

#[test]
fn a_state_of_an_earlier_program_has_no_priors_and_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    assert_eq!(store.priors_of(&patient(1)).unwrap(), []);
    assert_eq!(
        store
            .prior_masks(&record(&Kept::default()).finding)
            .unwrap(),
        None
    );
    assert!(!store.prune_priors(&LIMITS, WallTime::default()).unwrap());
    close(&mut store, &Kept::default(), None);
    assert_eq!(store.priors_of(&patient(1)).unwrap().len(), 1);
}

#[test]
fn the_second_scan_of_a_patient_is_compared_with_the_first_unless_the_use_is_triage() {
    if is_missing("priors") {
        return;
    }
    let ill = scan(61, 22.0, 20, "1");
    let better = scan(61, 6.0, 23, "2");
    let stranger = Scan {
        patient_id: "another".to_owned(),
        ..scan(61, 22.0, 24, "3")
    };
    for (publish, compares) in [("", true), ("intended_use = \"triage\"", false)] {
        let folder = tempfile::tempdir().unwrap();
        let broker = Mosquitto::start(folder.path(), free_port(), "");
        let mut ward = Ward::start(broker.port);
        let site = Site::new(&Settings {
            publish,
            ..Settings::new(broker.port)
        });
        let mut daemon = site.start();
        site.move_in("ill", &ill.files());
        ward.until_outcomes(1);
        let first = ward.ids("finding").into_iter().next().unwrap();
        if compares {
            // What is kept survives the daemon.
            daemon.kill();
            daemon = site.start();
        }
        site.move_in("better", &better.files());
        ward.until_outcomes(2);
        site.move_in("stranger", &stranger.files());
        ward.until_outcomes(3);
        assert!(daemon.stop().success());
        ward.drain();
        ward.seen.iter().for_each(check_schema);
        let compared: Vec<_> = ward
            .of("finding")
            .iter()
            .map(|finding| finding.json()["data"]["comparison"].clone())
            .filter(|comparison| !comparison.is_null())
            .collect();
        if !compares {
            assert_eq!(compared.len(), 0, "{compared:?}");
            continue;
        }
        let [comparison] = compared.as_slice() else {
            panic!("{compared:?}\n{}", site.log())
        };
        assert_eq!(comparison["prior_finding_id"], first.as_str());
        assert_eq!(
            (&comparison["days"], &comparison["direction"]),
            (&3.into(), &"improving".into())
        );
        assert_eq!(
            comparison["zones"].as_array().unwrap().len(),
            6,
            "{comparison}"
        );
        assert!(
            comparison["registration"]["dice"].as_f64().unwrap() > 0.9,
            "{comparison}"
        );
    }
}

// Helpers.

const LIMITS_COUNT: usize = 100;
const LIMITS: PriorLimits = PriorLimits {
    age_max: Duration::from_secs(86_400),
    per_patient_max: 3,
    count_max: LIMITS_COUNT,
};

/// A phantom patient's scan of day `day`, series and study of its own.
fn scan(seed: u64, burden: f64, day: i64, name: &str) -> Scan {
    let scan = Scan::new(seed, 40, 192, burden);
    Scan {
        study: format!("{}.{name}", scan.study),
        series: format!("{}.{name}", scan.series),
        acquired: WallTime::from_civil(2026, 11, day, 8 * 3_600_000).unwrap(),
        ..scan
    }
}

/// What is told apart of a kept prior.
#[derive(Clone, Copy)]
struct Kept {
    patient: u8,
    study: u8,
    model: u8,
    day: i64,
    number: u8,
    made_s: i64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept {
            patient: 1,
            study: 5,
            model: 1,
            day: 1,
            number: 1,
            made_s: 1000,
        }
    }
}

fn patient(number: u8) -> Pseudonym {
    Pseudonym::from_mac(&[number; 32])
}

fn day(day: i64) -> WallTime {
    WallTime::from_civil(2026, 3, day, 0).unwrap()
}

fn masks() -> Vec<u8> {
    (0..=255).cycle().take(20_000).collect()
}

fn record(kept: &Kept) -> PriorRecord {
    let key = SeriesKey(Uid::parse("1.2.3").unwrap());
    let number = [kept.number, u8::try_from(kept.day).unwrap()];
    let mut content = [0; 32];
    content[..2].copy_from_slice(&number);
    PriorRecord::new(
        FindingId::derive(&key, "model", &content),
        [
            patient(kept.patient),
            Pseudonym::from_mac(&[100 + kept.study; 32]),
        ],
        ModelDigest::from_sha256(&[kept.model; 32]),
        [
            day(kept.day),
            WallTime::from_unix_millis(kept.made_s * 1000),
        ],
        8.0,
    )
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("state.redb")).unwrap()
}

fn close(store: &mut Store, kept: &Kept, supersedes: Option<FindingId>) {
    let record = record(kept);
    let state = SeriesState::Closed {
        files: Vec::new(),
        outcome: "triaged".to_owned(),
        finding_id: record.finding.clone(),
        content_digest: "00".repeat(32),
        model_digest: None,
        closed_at: record.created,
        supersedes,
    };
    let key = SeriesKey(Uid::parse("1.2.3").unwrap());
    let series = SeriesRecord::new(key, record.created, state);
    let row = PriorRow {
        record,
        masks: masks(),
        limits: LIMITS,
    };
    store
        .close_series(&Closing {
            prior: Some(&row),
            ..Closing::of(&series)
        })
        .unwrap();
}

fn days(store: &mut Store, number: u8) -> Vec<i64> {
    let found = store.priors_of(&patient(number)).unwrap();
    let mut days: Vec<i64> = found
        .iter()
        .map(|prior| (prior.acquired.unix_millis() - day(1).unix_millis()) / 86_400_000 + 1)
        .collect();
    days.sort_unstable();
    days
}

/// Changes one byte of a stored value behind the store's back.
fn spoil(folder: &Path, table: &str, key: &str) {
    let database = redb::Database::open(folder.join("state.redb")).unwrap();
    let rows: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new(table);
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(rows).unwrap();
        let mut value = table.get(key).unwrap().unwrap().value().to_vec();
        let middle = value.len() / 2;
        value[middle] ^= 1;
        table.insert(key, value.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

/// A judged series.
struct Case {
    id: Option<&'static str>,
    day: Option<i64>,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            id: Some("P-1"),
            day: Some(10),
        }
    }
}

fn judgement(case: &Case) -> Judgement {
    let ReadResult::Series(arrival) = answer(&slice("1.9", 1)) else {
        panic!("no slice")
    };
    let mut facts = arrival.facts;
    let header = Arc::make_mut(&mut facts.header);
    header.acquired = case.day.map(day);
    header.patient = Redacted::new(Patient {
        id: case.id.map(str::to_owned),
        ..Patient::default()
    });
    facts.patient = patient(1);
    facts.study = Pseudonym::from_mac(&[101; 32]);
    let ready = Ready {
        key: arrival.key,
        generation: 1,
        facts,
        slices: Ok(Vec::new()),
        content: [3; 32],
        files: Vec::new(),
        supersedes: None,
        last_instance_at: day(10),
        ready_at: Moment::default(),
        instances: 1,
        siblings: Vec::new(),
    };
    Judgement {
        ready: Box::new(ready),
        outcome: Outcome::Triaged(Box::new(triaged())),
        series: SeriesFacts {
            modality: "CT".to_owned(),
            ..SeriesFacts::default()
        },
        preview: None,
        masks: Some(vec![5, 5]),
        grid: None,
        at: day(10),
    }
}

fn triaged() -> TriagedSeries {
    TriagedSeries {
        priority: Priority::Urgent,
        score: 0.9,
        lesion: LesionFacts {
            burden_percent: 12.0,
            burden_interval_percent: [10.0, 14.0],
            volume_ml: 500.0,
            lung_volume_ml: 4000.0,
            count: 3,
            zones: Vec::new(),
        },
        comparison: None,
        quality: Vec::new(),
        timing: TimingFacts {
            last_instance_at: day(10),
            complete_at: day(10),
            compute_ms: 50,
            queued_ms: 1,
        },
        model: ModelFacts {
            name: "test".to_owned(),
            version: "1.0.0".to_owned(),
            digest: ModelDigest::from_sha256(&[1; 32]),
            epoch: 0,
            backend: "none".to_owned(),
        },
    }
}

fn sender() -> Sender {
    let name = |text| SlugName::parse(text).unwrap();
    Sender {
        root: Root::new(name("north"), name("ct-2")),
        profile: Profile::default(),
    }
}

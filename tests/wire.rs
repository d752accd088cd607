//! Every payload against its golden file and its JSON Schema. `UPDATE_GOLDEN=1` rewrites the golden files.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers outside #[test] functions; the environment asks for a rewrite of the golden files"
)]

use scanward::fault::Fault;
use scanward::health::{Degraded, Event, Health, Limits};
use scanward::ids::{FindingId, ModelDigest, Pseudonym, Redacted, SeriesKey, SlugName, Uid};
use scanward::outcome::{
    Comparison, ComparisonNote, Direction, LesionFacts, ModelFacts, Outcome, Priority,
    RegistrationFacts, SeriesFacts, TimingFacts, TriagedSeries, Why, ZoneBurden, ZoneChange,
};
use scanward::refusal::Refusal;
use scanward::units::{Moment, WallTime};
use scanward::wire::{
    Ending, Identity, IdentityLevel, IntendedUse, Kind, Parcel, PatientFacts, Profile, Root,
    Sender, WireError, mark_late, parcels,
};
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn a_finding_is_written_as_the_contract_says() {
    let sent = parcels(&sender(Profile::default()), &triaged(), Some(b"png")).unwrap();
    let names: Vec<&str> = sent.iter().map(|parcel| parcel.topic.as_str()).collect();
    let id = finding_id();
    assert_eq!(
        names,
        [
            &format!("scanward/v1/north/ct-2/preview/{id}"),
            "scanward/v1/north/ct-2/finding/urgent",
            "scanward/v1/north/ct-2/outcome"
        ]
    );
    golden("finding.json", "finding", &sent[1].payload);
    golden("outcome-triaged.json", "outcome", &sent[2].payload);
    assert_eq!(sent[0].content_type, "image/png");
    let finding = &sent[1];
    assert_eq!(finding.content_type, "application/cloudevents+json");
    assert_eq!(
        (finding.qos, finding.retain, finding.text),
        (1, false, true)
    );
    assert_eq!(finding.expiry_s, Some(72 * 3600));
    assert_eq!(
        finding.response_topic.as_deref(),
        Some("scanward/v1/north/ct-2/ack")
    );
    assert_eq!(finding.correlation.as_deref(), Some(id.as_str()));
}

#[test]
fn a_refused_series_is_published_with_its_reason() {
    let why = Why::Refused(Refusal::GeometryGap {
        from_mm: -212.0,
        to_mm: -208.0,
    });
    let ending = Ending {
        outcome: Outcome::NotTriaged { why },
        ..triaged()
    };
    let sent = parcels(&sender(Profile::default()), &ending, Some(b"png")).unwrap();
    assert_eq!(sent.len(), 1, "no finding, no preview");
    golden("outcome-not-triaged.json", "outcome", &sent[0].payload);
}

#[test]
fn a_series_refused_before_anything_was_read_is_published_too() {
    let why = Why::Failed(Fault::Overdue {
        stage: "intake",
        limit_s: 600,
    });
    let ending = Ending {
        outcome: Outcome::NotTriaged { why },
        series: SeriesFacts {
            modality: "CT".to_owned(),
            instances: 3,
            ..SeriesFacts::default()
        },
        ..triaged()
    };
    let sent = parcels(&sender(Profile::default()), &ending, None).unwrap();
    golden("outcome-overdue.json", "outcome", &sent[0].payload);
}

#[test]
fn a_finding_that_replaces_another_names_it_in_a_message_with_an_id_of_its_own() {
    let earlier = FindingId::derive(&series_key(), "sha256:aa", &[1; 32]);
    let ending = Ending {
        supersedes: Some(earlier),
        ..triaged()
    };
    let sent = parcels(&sender(Profile::default()), &ending, None).unwrap();
    let last = sent.last().unwrap();
    assert_eq!((last.kind, sent.len()), (Kind::Superseded, 3));
    golden("superseded.json", "outcome", &last.payload);
    golden("finding-superseding.json", "finding", &sent[0].payload);
    let own = parse(&last.payload)["id"].clone();
    assert_ne!(own, parse(&sent[0].payload)["id"]);
}

#[test]
fn a_comparison_without_zones_says_why() {
    let mut numbers = numbers();
    if let Some(comparison) = &mut numbers.comparison {
        comparison.zones.clear();
        comparison.registration = None;
        comparison.note = Some(ComparisonNote::NotRegistered);
    }
    let ending = Ending {
        outcome: Outcome::Triaged(Box::new(numbers)),
        ..triaged()
    };
    let sent = parcels(&sender(Profile::default()), &ending, None).unwrap();
    golden("finding-compared-whole.json", "finding", &sent[0].payload);
}

#[test]
fn the_intended_use_triage_shows_no_lesion_and_no_comparison() {
    let profile = Profile {
        intended_use: IntendedUse::Triage,
        ..Profile::default()
    };
    let sent = parcels(&sender(profile), &triaged(), None).unwrap();
    golden("finding-triage.json", "finding", &sent[0].payload);
    for parcel in &sent {
        let data = parse(&parcel.payload)["data"].clone();
        assert!(
            data.get("lesion").is_none() && data.get("comparison").is_none(),
            "{data}"
        );
        assert!(data.get("score").is_some());
    }
}

#[test]
fn each_identity_level_shows_what_it_may_and_no_more() {
    let levels = [
        (IdentityLevel::Pseudonym, [false, false]),
        (IdentityLevel::Accession, [true, false]),
        (IdentityLevel::Full, [true, true]),
    ];
    for (identity, [accession, patient]) in levels {
        let profile = Profile {
            identity,
            ..Profile::default()
        };
        for parcel in parcels(&sender(profile), &triaged(), Some(b"png")).unwrap() {
            let row = parcel.to_row().unwrap();
            let text = format!(
                "{} {} {}",
                row.key,
                String::from_utf8_lossy(&row.head),
                String::from_utf8_lossy(&row.payload)
            );
            let has_identity = parcel.kind != Kind::Preview;
            assert_eq!(
                text.contains("ACC-4711"),
                accession && has_identity,
                "{identity:?}"
            );
            for planted in ["CHAN^TAI MAN", "PID-0815", "19560101"] {
                assert_eq!(
                    text.contains(planted),
                    patient && has_identity,
                    "{identity:?}"
                );
            }
        }
    }
    let profile = Profile {
        identity: IdentityLevel::Full,
        ..Profile::default()
    };
    let sent = parcels(&sender(profile), &triaged(), None).unwrap();
    golden("finding-full-identity.json", "finding", &sent[0].payload);
}

#[test]
fn a_number_that_no_finding_can_have_is_never_written() {
    type Spoil = fn(&mut TriagedSeries);
    let spoils: [(&str, Spoil); 7] = [
        ("score", |it| it.score = f64::NAN),
        ("score", |it| it.score = 1.1),
        ("burden_percent", |it| it.lesion.burden_percent = -0.1),
        ("burden_percent", |it| it.lesion.burden_percent = 100.1),
        ("volume_ml", |it| it.lesion.volume_ml = f64::INFINITY),
        ("burden_interval_percent", |it| {
            it.lesion.burden_interval_percent = [0.0, f64::NAN]
        }),
        ("zones.burden_percent", |it| {
            it.lesion.zones[0].burden_percent = f64::NAN
        }),
    ];
    for intended_use in [IntendedUse::Triage, IntendedUse::Detection] {
        for (wanted, spoil) in spoils {
            let mut spoiled = numbers();
            spoil(&mut spoiled);
            let ending = Ending {
                outcome: Outcome::Triaged(Box::new(spoiled)),
                ..triaged()
            };
            let profile = Profile {
                intended_use,
                ..Profile::default()
            };
            let refused = parcels(&sender(profile), &ending, None);
            assert!(
                matches!(refused, Err(WireError::OutOfRange { name, .. }) if name == wanted),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn a_preview_beyond_128_kib_is_refused() {
    let large = vec![0; (128 << 10) + 1];
    let refused = parcels(&sender(Profile::default()), &triaged(), Some(&large));
    assert!(
        matches!(refused, Err(WireError::TooLarge { .. })),
        "{refused:?}"
    );
}

#[test]
fn late_is_set_without_touching_anything_else_and_only_once() {
    let sent = parcels(&sender(Profile::default()), &triaged(), Some(b"png")).unwrap();
    for parcel in &sent {
        let late = parcel.clone().sent_late().unwrap();
        let again = late.clone().sent_late().unwrap();
        assert_eq!(late, again);
        if parcel.kind == Kind::Preview {
            assert_eq!(late.payload, parcel.payload);
            continue;
        }
        let mut expected = parse(&parcel.payload);
        expected["data"]["late"] = Value::Bool(true);
        assert_eq!(parse(&late.payload), expected);
        assert_eq!(late.id, parcel.id);
    }
    assert!(mark_late(b"{}").is_err());
    let tricky = br#"{"text":"\"late\":false","late":false}"#;
    let marked = mark_late(tricky).unwrap();
    assert_eq!(marked, br#"{"text":"\"late\":false","late":true}"#);
}

#[test]
fn a_parcel_comes_back_from_its_row_as_it_was() {
    for parcel in parcels(&sender(Profile::default()), &triaged(), Some(b"png")).unwrap() {
        let row = parcel.to_row().unwrap();
        assert_eq!(Parcel::from_row(row).unwrap(), parcel);
    }
}

#[test]
fn a_rerun_gives_the_same_messages_byte_for_byte() {
    let twice = || parcels(&sender(Profile::default()), &triaged(), Some(b"png")).unwrap();
    assert_eq!(twice(), twice());
}

#[test]
fn health_and_will_are_written_as_the_contract_says() {
    let at = |millis| (Moment::from_millis(millis), time(millis.cast_signed()));
    let mut health = Health::new(Limits::default(), 12, "0.1.0", time(0));
    let (now, wall) = at(0);
    for event in [
        Event::Model(Some(numbers().model)),
        Event::SeriesOpened,
        Event::SeriesOpened,
        Event::SeriesClosed { triaged: true },
        Event::Folder {
            reachable: true,
            free_percent: Some(41.26),
        },
        Event::Outbox {
            count: 2,
            oldest_s: 31,
        },
        Event::Clock { synchronised: true },
        Event::Temperature(Some(54.0)),
        Event::Degraded {
            reason: Degraded::DiskLow,
            holds: true,
        },
    ] {
        assert_eq!(
            health.handle(event, now, wall),
            None,
            "nothing goes out before a connection"
        );
    }
    let birth = health.handle(Event::Connected, now, wall).unwrap();
    golden("health.json", "health", &birth.to_bytes().unwrap());
    golden("will.json", "health", &health.will().to_bytes().unwrap());
    let fresh = Health::new(Limits::default(), 1, "0.1.0", time(0)).document();
    golden("health-fresh.json", "health", &fresh.to_bytes().unwrap());
}

#[test]
fn health_goes_out_every_30_seconds_and_soon_after_a_change() {
    let mut health = Health::new(Limits::default(), 1, "0.1.0", time(0));
    let mut at = |event, millis: u64| {
        let due = health.handle(
            event,
            Moment::from_millis(millis),
            time(millis.cast_signed()),
        );
        (
            due.map(|document| document.sequence),
            health.wake_at().map(Moment::millis),
        )
    };
    assert_eq!(at(Event::Tick, 0), (None, None));
    assert_eq!(at(Event::Connected, 10), (Some(1), Some(30_010)));
    assert_eq!(at(Event::Tick, 30_009), (None, Some(30_010)));
    assert_eq!(at(Event::Tick, 30_010), (Some(2), Some(60_010)));
    let low = Event::Degraded {
        reason: Degraded::DiskLow,
        holds: true,
    };
    assert_eq!(
        at(low.clone(), 30_100),
        (None, Some(31_010)),
        "at most one a second"
    );
    assert_eq!(at(Event::Tick, 31_010), (Some(3), Some(61_010)));
    assert_eq!(
        at(low, 40_000),
        (None, Some(61_010)),
        "the same again is no change"
    );
    assert_eq!(at(Event::Disconnected, 40_001), (None, None));
    assert_eq!(
        at(Event::Connected, 40_002),
        (Some(4), Some(70_002)),
        "a birth at each connection"
    );
}

#[test]
fn the_days_counts_begin_anew_at_midnight_utc() {
    let mut health = Health::new(Limits::default(), 1, "0.1.0", WallTime::default());
    let midnight = WallTime::from_unix_millis(86_400_000);
    health.handle(
        Event::SeriesOpened,
        Moment::default(),
        WallTime::from_unix_millis(86_399_999),
    );
    assert_eq!(health.document().series.today, 1);
    health.handle(Event::Tick, Moment::default(), midnight);
    let series = health.document().series;
    assert_eq!((series.today, series.in_flight), (0, 1));
}

// Helpers.

/// Compares `payload` with the golden file and checks it against the schema.
fn golden(file: &str, schema: &str, payload: &[u8]) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let value = parse(payload);
    let path = root.join(format!("docs/schemas/{schema}.schema.json"));
    let schema = parse(&std::fs::read(path).unwrap());
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let complaints: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(complaints.is_empty(), "{file}: {complaints:#?}");
    let mut pretty = serde_json::to_string_pretty(&value).unwrap();
    pretty.push('\n');
    let path = root.join("tests/golden").join(file);
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &pretty).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        kept, pretty,
        "{file}: run with UPDATE_GOLDEN=1 and read the change"
    );
}

fn parse(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap()
}

fn sender(profile: Profile) -> Sender {
    let name = |text| SlugName::parse(text).unwrap();
    Sender {
        root: Root::new(name("north"), name("ct-2")),
        profile,
    }
}

fn series_key() -> SeriesKey {
    SeriesKey(Uid::parse("1.2.3").unwrap())
}

fn finding_id() -> FindingId {
    FindingId::derive(&series_key(), "sha256:aa", &[7; 32])
}

/// 2026-11-23 08:00:00 UTC and `millis`.
fn time(millis: i64) -> WallTime {
    WallTime::from_civil(2026, 11, 23, 8 * 3_600_000 + millis).unwrap()
}

fn triaged() -> Ending {
    Ending {
        finding_id: finding_id(),
        series: SeriesFacts {
            modality: "CT".to_owned(),
            instances: 301,
            spacing_mm: Some([1.0, 0.7, 0.7]),
            acquired: Some(time(12_000)),
            description_code: Some("chest-thin".to_owned()),
        },
        identity: Identity {
            study: Pseudonym::from_mac(&[0x5d; 32]),
            patient: Pseudonym::from_mac(&[0x3f; 32]),
            accession: Redacted::new(Some("ACC-4711".to_owned())),
            person: Redacted::new(PatientFacts {
                name: "CHAN^TAI MAN".to_owned(),
                id: "PID-0815".to_owned(),
                birth_date: "19560101".to_owned(),
            }),
        },
        outcome: Outcome::Triaged(Box::new(numbers())),
        supersedes: None,
        time: time(95_061),
    }
}

fn numbers() -> TriagedSeries {
    TriagedSeries {
        priority: Priority::Urgent,
        score: 0.93,
        lesion: LesionFacts {
            burden_percent: 12.3,
            burden_interval_percent: [9.8, 14.9],
            volume_ml: 512.04,
            lung_volume_ml: 4160.0,
            count: 7,
            zones: vec![
                ZoneBurden {
                    zone: "right-upper".to_owned(),
                    burden_percent: 3.1,
                },
                ZoneBurden {
                    zone: "left-lower".to_owned(),
                    burden_percent: 30.0 / 7.0,
                },
            ],
        },
        comparison: Some(Comparison {
            prior_finding_id: FindingId::derive(&series_key(), "sha256:aa", &[9; 32]),
            days: 12,
            burden_change_points: -3.1,
            direction: Direction::Improving,
            dead_band_points: 1.23,
            zones: vec![ZoneChange {
                zone: "left-lower".to_owned(),
                burden_change_points: -5.0 / 3.0,
            }],
            registration: Some(RegistrationFacts {
                dice: 0.9714,
                error_mm: 1.24,
            }),
            note: None,
        }),
        quality: vec!["motion-suspected".to_owned()],
        timing: TimingFacts {
            last_instance_at: time(65_000),
            complete_at: time(95_000),
            compute_ms: 61,
            queued_ms: 4,
        },
        model: ModelFacts {
            name: "covid-ct".to_owned(),
            version: "1.2.0".to_owned(),
            digest: ModelDigest::from_sha256(&[0xab; 32]),
            epoch: 7,
            backend: "cpu-int8-avx512vnni".to_owned(),
        },
    }
}

//! The store: what it keeps, whom it refuses, and a power cut, a torn write or a full disk at every operation.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files"
)]

#[path = "common/sweep_disk.rs"]
mod sweep_disk;

use scanward::edge::state;
use scanward::ids::{FindingId, ModelDigest, Pseudonym, SeriesKey, Uid};
use scanward::store::{
    ClockRecord, Closing, DevicePace, FindingRecord, Limits, Opening, PaceRecord, PriorLimits,
    PriorRecord, PriorRow, QueuedRow, SeriesRecord, SeriesState, Store, StoreError,
};
use scanward::units::{Lived, WallTime};
use std::time::Duration;
use sweep_disk::SweepDisk;

#[test]
fn a_second_scanward_on_the_same_state_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let first = Store::open(&path).unwrap();
    let second = Store::open(&path);
    assert!(matches!(second, Err(StoreError::InUse)), "{second:?}");
    drop(first);
    Store::open(&path).unwrap();
}

#[test]
fn boots_are_counted_and_the_secret_key_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    for boot in 1..=3 {
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.count_boot().unwrap(), boot);
        let fresh = [u8::try_from(boot).unwrap(); 32];
        assert_eq!(store.secret_key(fresh).unwrap(), [1; 32]);
    }
}

#[test]
fn the_scanners_pace_is_kept_with_a_closing_and_a_state_without_it_opens() {
    let disk = SweepDisk::default();
    let mut store = disk.open().unwrap();
    store.close_series(&Closing::of(&closed("1.1"))).unwrap();
    assert_eq!(store.paces().unwrap(), None);
    let paces = PaceRecord::new(vec![DevicePace {
        key: "00ff".to_owned(),
        series: 3.5,
        longest: vec![1.0, 2.5],
        late: vec![0.0, 0.0001],
    }]);
    store
        .close_series(&Closing {
            paces: Some(&paces),
            ..Closing::of(&closed("1.2"))
        })
        .unwrap();
    store.close_series(&Closing::of(&closed("1.3"))).unwrap();
    drop(store);
    assert_eq!(disk.open().unwrap().paces().unwrap(), Some(paces.clone()));
}

#[test]
fn a_closed_series_and_its_messages_are_read_back_after_a_restart() {
    let disk = SweepDisk::default();
    let mut store = disk.open().unwrap();
    store.open_series(&open("1.2.3")).unwrap();
    assert_eq!(unfinished(&mut store), [open("1.2.3")]);
    close(&mut store, None).unwrap();
    drop(store);
    let mut store = disk.open().unwrap();
    assert_eq!(store.series(&key("1.2.3")).unwrap(), Some(closed("1.2.3")));
    assert_eq!(unfinished(&mut store), []);
    assert_eq!(store.finding(&finding().id).unwrap(), Some(finding()));
    let heads: Vec<String> = store
        .queued_heads()
        .unwrap()
        .into_iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(heads, ["a/finding", "a/outcome", "a/receipt/1"]);
    assert_eq!(store.queued("a/finding").unwrap(), Some(rows()[0].clone()));
}

#[test]
fn old_and_surplus_closed_series_are_forgotten_and_open_ones_never() {
    let mut store = SweepDisk::default().open().unwrap();
    store.open_series(&open("9.9")).unwrap();
    for number in 0..5_i64 {
        let record = closed_at(&format!("1.{number}"), number * 1000);
        store.close_series(&Closing::of(&record)).unwrap();
    }
    let limits = Limits {
        records_max: 3,
        age_max: Duration::from_secs(10),
    };
    let mut prune = |seconds: Option<i64>, keep: &str| {
        let now = seconds.map(|seconds| WallTime::from_unix_millis(seconds * 1000));
        store.prune(&limits, now, |key| key == keep).unwrap()
    };
    assert_eq!(prune(None, "1.0"), 1, "the files of one are there still");
    assert_eq!(prune(Some(5), ""), 1);
    assert_eq!(prune(None, ""), 0);
    assert_eq!(prune(Some(13), ""), 1);
    assert_eq!(prune(Some(1_000), "1.4"), 1);
    assert_eq!(prune(Some(1_000), ""), 1);
    assert_eq!(store.series(&key("1.1")).unwrap(), None);
    assert_eq!(unfinished(&mut store), [open("9.9")]);
}

#[test]
fn a_finding_that_may_still_escalate_is_never_forgotten() {
    let mut store = SweepDisk::default().open().unwrap();
    close(&mut store, None).unwrap();
    let none = Limits {
        records_max: 0,
        age_max: Duration::ZERO,
    };
    let later = Some(WallTime::from_unix_millis(i64::MAX));
    assert_eq!(
        store.prune(&none, later, |_| false).unwrap(),
        1,
        "the series"
    );
    assert_eq!(store.watched().unwrap(), [finding()]);
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_series_open_or_closed_with_its_messages() {
    for torn in [false, true] {
        sweep(
            |store| store.open_series(&open("1.2.3")),
            |store| close(store, None),
            torn,
        );
    }
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_prior_with_its_closing_or_not_at_all() {
    for torn in [false, true] {
        sweep(
            |store| store.open_series(&open("1.2.3")),
            |store| close(store, Some(&prior())),
            torn,
        );
    }
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_message_queued_or_forgotten() {
    for torn in [false, true] {
        sweep(
            |store| close(store, None),
            |store| store.forget_queued("a/finding"),
            torn,
        );
    }
}

#[test]
fn a_power_cut_while_the_state_is_first_made_is_never_read_as_a_whole_state() {
    for cut in 0..STEPS_MAX {
        let disk = SweepDisk::default();
        disk.cut_power_at(cut, true);
        let finished = disk.open().is_ok();
        match disk.after_reboot().open() {
            Ok(mut store) => assert_eq!(unfinished(&mut store), [], "cut at {cut}"),
            // `edge::state` makes the file under another name first, so that a box never meets this one.
            Err(error) => assert!(
                !finished && matches!(error, StoreError::Damaged { .. }),
                "cut at {cut}: {error}"
            ),
        }
        if finished {
            return;
        }
    }
    panic!("the state was never made in {STEPS_MAX} steps");
}

#[test]
fn a_state_file_half_made_before_a_power_cut_is_thrown_away_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.redb.new"), vec![0; 5000]).unwrap();
    let mut store = state::open(folder.path()).unwrap();
    store.open_series(&open("1.2.3")).unwrap();
    let second = state::open(folder.path());
    assert!(matches!(second, Err(StoreError::InUse)), "{second:?}");
    drop(store);
    let mut store = state::open(folder.path()).unwrap();
    assert_eq!(unfinished(&mut store), [open("1.2.3")]);
    drop(store);

    let path = folder.path().join("state.redb");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..64].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let refused = state::open(folder.path());
    assert!(
        matches!(refused, Err(StoreError::Damaged { .. })),
        "{refused:?}"
    );
    assert_eq!(
        std::fs::read(&path).unwrap(),
        bytes,
        "left for support to read"
    );
}

#[test]
fn a_full_disk_at_any_operation_loses_nothing_and_the_same_call_succeeds_later() {
    for full in 0..STEPS_MAX {
        let disk = SweepDisk::default();
        let mut store = disk.open().unwrap();
        store.open_series(&open("1.2.3")).unwrap();
        disk.fill_at(full);
        let result = close(&mut store, None);
        let untouched = disk.free();
        match result {
            Ok(()) if untouched => return,
            Ok(()) => panic!("closed on a full disk at operation {full}"),
            Err(error) => assert!(error.may_pass(), "{error}"),
        }
        let found = state(&mut store);
        assert!(
            found == (true, 0) || found == (false, 3),
            "{found:?} at operation {full}"
        );
        close(&mut store, None).unwrap();
        assert_eq!(state(&mut store), (false, 3), "full at operation {full}");
    }
    panic!("the series was never closed in {STEPS_MAX} steps");
}

#[test]
fn a_state_of_a_newer_scanward_is_refused() {
    let disk = SweepDisk::default();
    let database = redb::Builder::new()
        .create_with_backend(disk.backend())
        .unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    transaction
        .open_table(meta)
        .unwrap()
        .insert("schema", b"2".as_slice())
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let found = disk.open();
    assert!(
        matches!(found, Err(StoreError::Newer { found: 2, known: 1 })),
        "{found:?}"
    );
}

// Helpers.

/// More operations than any of the swept calls makes.
const STEPS_MAX: usize = 400;

/// Cuts `act` at each operation after `before`; what is found after the reboot is the state before or after it.
fn sweep(
    before: impl Fn(&mut Store) -> Result<(), StoreError>,
    act: impl Fn(&mut Store) -> Result<(), StoreError>,
    torn: bool,
) {
    let prepared = || {
        let disk = SweepDisk::default();
        let mut store = disk.open().unwrap();
        before(&mut store).unwrap();
        (disk, store)
    };
    let (_, mut store) = prepared();
    let old = state(&mut store);
    act(&mut store).unwrap();
    let new = state(&mut store);
    for cut in 0..STEPS_MAX {
        let (disk, mut store) = prepared();
        disk.cut_power_at(cut, torn);
        let finished = act(&mut store).is_ok();
        let reached = disk.has_power();
        let rebooted = disk.after_reboot();
        let found = state(&mut rebooted.open().unwrap());
        assert!(
            found == old || found == new,
            "cut at {cut}, torn {torn}: {found:?}"
        );
        if finished {
            assert_eq!(
                found, new,
                "reported as done, then lost: cut at {cut}, torn {torn}"
            );
        }
        if reached {
            return;
        }
    }
    panic!("never finished in {STEPS_MAX} steps");
}

/// Whether the series is open, and how many messages are queued whole.
fn state(store: &mut Store) -> (bool, usize) {
    let is_open = store.series(&key("1.2.3")).unwrap().unwrap().is_open();
    let heads = store.queued_heads().unwrap();
    for head in &heads {
        let whole = store.queued(&head.key).unwrap().unwrap();
        assert!(rows().contains(&whole) || whole == opening().receipt);
    }
    let watched: Vec<FindingId> = store
        .watched()
        .unwrap()
        .into_iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(is_open, watched.is_empty());
    assert_eq!(is_open, store.clock().unwrap().is_none());
    assert_eq!(is_open, store.finding(&finding().id).unwrap().is_none());
    // A prior, where there is one, is whole and its series is closed.
    for prior in store.priors_of(&finding().patient).unwrap() {
        assert!(!is_open);
        let masks = store.prior_masks(&prior.finding).unwrap();
        assert_eq!(masks, Some(self::prior().masks));
    }
    (is_open, heads.len())
}

fn key(uid: &str) -> SeriesKey {
    SeriesKey(Uid::parse(uid).unwrap())
}

fn open(uid: &str) -> SeriesRecord {
    let state = SeriesState::Open { supersedes: None };
    SeriesRecord::new(key(uid), WallTime::from_unix_millis(5), state)
}

fn closed(uid: &str) -> SeriesRecord {
    closed_at(uid, 7)
}

fn closed_at(uid: &str, millis: i64) -> SeriesRecord {
    let state = SeriesState::Closed {
        files: Vec::new(),
        outcome: "triaged".to_owned(),
        finding_id: finding().id,
        content_digest: "00".repeat(32),
        model_digest: None,
        closed_at: WallTime::from_unix_millis(millis),
        supersedes: None,
    };
    SeriesRecord::new(key(uid), WallTime::from_unix_millis(5), state)
}

fn finding() -> FindingRecord {
    let id = FindingId::derive(&key("1.2.3"), "sha256:aa", &[7; 32]);
    let patient = Pseudonym::from_mac(&[1; 32]);
    FindingRecord::new(id, key("1.2.3"), patient, WallTime::from_unix_millis(7))
}

fn prior() -> PriorRow {
    let times = [3, 7].map(WallTime::from_unix_millis);
    let study = Pseudonym::from_mac(&[2; 32]);
    let model = ModelDigest::from_sha256(&[0; 32]);
    PriorRow {
        record: PriorRecord::new(finding().id, [finding().patient, study], model, times, 12.0),
        masks: (0..=250).cycle().take(30_000).collect(),
        limits: PriorLimits {
            age_max: Duration::from_secs(60),
            per_patient_max: 2,
            count_max: 10,
        },
    }
}

/// What the finding's review begins with.
fn opening() -> Opening {
    let row = |key: &str| QueuedRow {
        key: key.to_owned(),
        head: b"{}".to_vec(),
        payload: vec![7; 300],
    };
    Opening {
        receipt: row("a/receipt/1"),
        watched: Some(row("a/finding")),
        clock: ClockRecord::new(Lived::from_millis(9), WallTime::from_unix_millis(7)),
    }
}

/// Closes the series with its finding and all that goes with it.
fn close(store: &mut Store, prior: Option<&PriorRow>) -> Result<(), StoreError> {
    store.close_series(&Closing {
        finding: Some(&finding()),
        queued: &rows(),
        prior,
        opening: Some(&opening()),
        ..Closing::of(&closed("1.2.3"))
    })
}

/// Two messages; the first is as large as a preview, so that its write spans many pages.
fn rows() -> Vec<QueuedRow> {
    let row = |key: &str, bytes: usize| QueuedRow {
        key: key.to_owned(),
        head: b"{}".to_vec(),
        payload: (0..=250).cycle().take(bytes).collect(),
    };
    vec![row("a/finding", 100_000), row("a/outcome", 900)]
}

/// The series without an outcome.
fn unfinished(store: &mut Store) -> Vec<SeriesRecord> {
    let all = store.series_all().unwrap();
    all.into_iter().filter(SeriesRecord::is_open).collect()
}

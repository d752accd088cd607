//! The real chain: a service in a process of its own, a private broker, slices that appear in the export folder.

use super::broker::BenchBroker;
use super::copies::Copies;
use super::samples::Samples;
use super::service::{MeasuredService, ServiceSettings};
use crate::edge::{Clock, Failure, Scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The quiet time of the measured service; subtracted from the figures.
const QUIET: Duration = Duration::from_secs(1);
/// Its time between two looks into the folder; part of the figures.
const POLL: Duration = Duration::from_millis(100);
/// The service is left alone for this long before and after the series.
const IDLE: Duration = Duration::from_secs(3);
/// And watched for this long: the system tells processor time in steps of 10 ms, a tenth of a percent of it.
const WATCHED: Duration = Duration::from_secs(10);

/// What was measured of one series.
#[derive(Clone, Debug, Default)]
pub struct ChainReport {
    /// From the last slice to the outcome on disk, less the quiet time.
    pub durable: Samples,
    /// From the last slice to the broker's PUBACK for the finding (or the outcome, where there is none), less the quiet
    /// time.
    pub acknowledged: Samples,
    /// From the outcome on disk to the PUBACK.
    pub delivery: Samples,
    /// The quiet time that was subtracted.
    pub quiet: Duration,
    /// The time between two looks into the folder, which was not.
    pub poll: Duration,
    /// The time between two slices; 0 is as fast as the disk takes them.
    pub interval: Duration,
    /// The most memory the service held over all series, KiB.
    pub peak_kib: u64,
    /// What it held before the first, KiB.
    pub idle_before_kib: u64,
    /// What it held some seconds after the last, KiB.
    pub idle_after_kib: u64,
    /// The share of one core it used while idle, percent.
    pub idle_percent: f64,
}

/// Measures the series of `files`, `repeats` times in one service, each time as a series of its own.
///
/// A slice is exported each `interval`. Errors: the service does not start, or says nothing of a series.
pub fn measure_chain(
    broker: &BenchBroker,
    model_folder: &Path,
    files: &[PathBuf],
    repeats: u16,
    interval: Duration,
) -> Result<ChainReport, Failure> {
    let copies = Copies::of(files)?;
    let scratch = Scratch::new("bench")?;
    let export = scratch.folder("export")?;
    let service = MeasuredService::start(&ServiceSettings {
        folder: scratch.path().to_owned(),
        export: export.clone(),
        model_folder: model_folder.to_owned(),
        broker_port: broker.port(),
        quiet: QUIET,
        poll: POLL,
    })?;
    let clock = Clock::start();
    std::thread::park_timeout(IDLE);
    let mut report = ChainReport {
        quiet: QUIET,
        poll: POLL,
        interval,
        idle_before_kib: service.memory().unwrap_or_default().1,
        idle_percent: idle_percent(&service, &clock),
        ..ChainReport::default()
    };
    for repeat in 0..repeats {
        let last = export_copy(&copies, u32::from(repeat), &export, interval, &clock)?;
        let since = |now: Duration| now.saturating_sub(last + QUIET);
        let (code, finding) = service.await_closed()?;
        let closed = clock.elapsed();
        let kind = if code == "triaged" {
            "finding"
        } else {
            "outcome"
        };
        service.await_line(&format!("acknowledged {kind} {finding}"))?;
        let acknowledged = clock.elapsed();
        report.durable.add(since(closed));
        report.acknowledged.add(since(acknowledged));
        report.delivery.add(acknowledged.saturating_sub(closed));
        clear(&export);
    }
    std::thread::park_timeout(IDLE);
    let (peak, held) = service.memory().unwrap_or_default();
    report.peak_kib = peak;
    report.idle_after_kib = held;
    Ok(report)
}

/// Exports copy `number`, a slice each `interval`; returns when the last one appeared.
fn export_copy(
    copies: &Copies,
    number: u32,
    folder: &Path,
    interval: Duration,
    clock: &Clock,
) -> Result<Duration, Failure> {
    let mut due = clock.elapsed();
    for index in 0..copies.len() {
        std::thread::park_timeout(due.saturating_sub(clock.elapsed()));
        due += interval;
        copies.export(index, number, folder)?;
    }
    Ok(clock.elapsed())
}

/// A scanner's folder is emptied by others, too: the copies of fifty series are not kept.
fn clear(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.for_each(|entry| drop(fs::remove_file(entry.path())));
}

fn idle_percent(service: &MeasuredService, clock: &Clock) -> f64 {
    let (began, used) = (clock.elapsed(), service.processor_time());
    std::thread::park_timeout(WATCHED);
    let used = service
        .processor_time()
        .zip(used)
        .map_or(0.0, |(after, before)| (after - before).as_secs_f64());
    let lasted = clock.elapsed().saturating_sub(began).as_secs_f64();
    100.0 * used / lasted.max(f64::EPSILON)
}

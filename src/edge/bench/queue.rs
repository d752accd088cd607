//! Many series at once, as after a network's failure: whether each costs what one costs.

use super::broker::BenchBroker;
use super::copies::Copies;
use super::service::{MeasuredService, ServiceSettings};
use crate::edge::{Clock, Failure, Scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Short, so that little of the work is done meanwhile.
const QUIET: Duration = Duration::from_millis(500);
/// As a box has it: a listing of all the files of a long queue has its cost too.
const POLL: Duration = Duration::from_secs(1);

/// What so many series cost.
#[derive(Clone, Copy, Debug)]
pub struct QueueReport {
    /// Series that were there at once.
    pub series: u32,
    /// Slices of each.
    pub slices: usize,
    /// From their appearance until the last one's outcome was on disk, less the quiet time, over their number.
    pub each: Duration,
    /// Processor time that the service used, over their number.
    pub each_processor: Duration,
    /// The most memory the service held, KiB.
    pub peak_kib: u64,
}

/// Lets `series` copies of the series of `files` appear at once. Errors: the service says nothing of a series.
pub fn measure_queue(
    broker: &BenchBroker,
    model_folder: &Path,
    files: &[PathBuf],
    series: u32,
) -> Result<QueueReport, Failure> {
    let copies = Copies::of(files)?;
    let scratch = Scratch::new("bench-queue")?;
    let export = scratch.folder("export")?;
    let aside = scratch.folder("aside")?;
    for number in 0..series {
        for index in 0..copies.len() {
            copies.export(index, number, &aside)?;
        }
    }
    let service = MeasuredService::start(&ServiceSettings {
        folder: scratch.path().to_owned(),
        export: export.clone(),
        model_folder: model_folder.to_owned(),
        broker_port: broker.port(),
        quiet: QUIET,
        poll: POLL,
    })?;
    let clock = Clock::start();
    let used = service.processor_time().unwrap_or_default();
    fs::rename(&aside, export.join("queue")).map_err(|error| {
        let what = format!("the queue cannot be put into the export folder: {error}");
        Failure::new(what, "try again")
    })?;
    for _ in 0..series {
        service.await_closed()?;
    }
    let took = clock.elapsed().saturating_sub(QUIET);
    let used = service
        .processor_time()
        .unwrap_or_default()
        .saturating_sub(used);
    Ok(QueueReport {
        series,
        slices: copies.len(),
        each: took / series.max(1),
        each_processor: used / series.max(1),
        peak_kib: service.memory().unwrap_or_default().0,
    })
}

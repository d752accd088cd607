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

/// Rounds of the longest queue.
const ROUNDS: u32 = 4;

/// What so many series cost.
#[derive(Clone, Copy, Debug)]
pub struct QueueReport {
    /// Series that were there at once.
    pub series: u32,
    /// Slices of each.
    pub slices: usize,
    /// How often so many appeared.
    pub rounds: u32,
    /// From their appearance until the last one's outcome was on disk, the quiet time of 0.5 s included, over their number:
    /// the mean of the rounds.
    pub each: Duration,
    /// Processor time that the service used, over their number: the mean of the rounds.
    pub each_processor: Duration,
    /// The most memory the service held in a round, KiB: the mean of the rounds.
    pub peak_kib: u64,
}

/// Lets so many series appear at once as each of `numbers` says: the longest queue `ROUNDS` times, shorter ones as often as it
/// takes for as many series in all, by turns, so that a slow moment of the machine meets them alike. `tell` hears of each round.
///
/// Errors: as [`round`].
pub fn measure_queues(
    broker: &BenchBroker,
    model_folder: &Path,
    files: &[PathBuf],
    numbers: &[u32],
    tell: &mut dyn FnMut(u32),
) -> Result<Vec<QueueReport>, Failure> {
    let all = ROUNDS * numbers.iter().copied().max().unwrap_or(0);
    let mut measured: Vec<Vec<Round>> = vec![Vec::new(); numbers.len()];
    // The number of which the fewest series are done is next.
    loop {
        let rounds = |number: &u32| all / (*number).max(1);
        let pending = numbers.iter().zip(&mut measured);
        let pending = pending.filter(|(number, done)| done.len() < rounds(number) as usize);
        let next = pending.min_by_key(|(number, done)| done.len() * **number as usize);
        let Some((number, done)) = next else { break };
        tell(*number);
        done.push(round(broker, model_folder, files, *number)?);
    }
    let report = |(number, rounds): (&u32, &Vec<Round>)| {
        let count = u32::try_from(rounds.len()).unwrap_or(u32::MAX).max(1);
        let mean = |part: fn(&Round) -> Duration| {
            rounds.iter().map(part).sum::<Duration>() / count / (*number).max(1)
        };
        let peaks: u64 = rounds.iter().map(|round| round.peak_kib).sum();
        QueueReport {
            series: *number,
            slices: files.len(),
            rounds: count,
            each: mean(|round| round.took),
            each_processor: mean(|round| round.processor),
            peak_kib: peaks / u64::from(count),
        }
    };
    Ok(numbers.iter().zip(&measured).map(report).collect())
}

/// What was measured of one queue.
#[derive(Clone, Copy, Debug)]
struct Round {
    took: Duration,
    processor: Duration,
    peak_kib: u64,
}

/// Lets `series` copies of the series of `files` appear at once. Errors: the service says nothing of a series.
fn round(
    broker: &BenchBroker,
    model_folder: &Path,
    files: &[PathBuf],
    series: u32,
) -> Result<Round, Failure> {
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
    let took = clock.elapsed();
    let processor = service
        .processor_time()
        .unwrap_or_default()
        .saturating_sub(used);
    Ok(Round {
        took,
        processor,
        peak_kib: service.memory().unwrap_or_default().0,
    })
}

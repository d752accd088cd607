//! From the last slice's bytes to the finding's, in this process: what is left to do when all other slices were reduced
//! as they came.

use super::copies::Copies;
use super::samples::Samples;
use super::stages::{WholeSeries, bench_reader};
use crate::config::Config;
use crate::daemon::Saving;
use crate::edge::{Clock, Failure, Judge, Reader, Scratch, settings};
use std::path::PathBuf;
use std::time::Duration;

/// A series of which only the last slice is to come.
struct Waiting {
    copies: Copies,
    before: WholeSeries,
}

/// Measures the series one after the other, `repeats` rounds; the samples of each series.
///
/// Begins when the last slice's file has its name; then it is read, decoded and reduced, the series is stacked, its lungs
/// found, the network run, the findings measured and the messages written. Errors: a folder holds no series.
pub fn measure_direct(
    judge: &mut Judge,
    config: &Config,
    series: &[&[PathBuf]],
    repeats: u16,
) -> Result<Vec<Samples>, Failure> {
    let clock = Clock::start();
    let scratch = Scratch::new("bench-direct")?;
    let mut reader = bench_reader(judge);
    let mut waiting = Vec::new();
    for files in series {
        let before = files.split_last().map_or(&[][..], |(_, before)| before);
        waiting.push(Waiting {
            copies: Copies::of(files)?,
            before: WholeSeries::read(&mut reader, before, &clock, &mut |_| {})?,
        });
    }
    let mut samples = vec![Samples::default(); series.len()];
    for repeat in 0..repeats {
        for (one, samples) in waiting.iter().zip(&mut samples) {
            let last = one.copies.len().saturating_sub(1);
            let number = u32::from(repeat);
            let file = one.copies.export(last, number, scratch.path())?;
            samples.add(once(judge, config, &mut reader, one, &file, &clock)?);
            // As in the service: each series is planned for anew.
            judge.rest();
        }
    }
    Ok(samples)
}

fn once(
    judge: &mut Judge,
    config: &Config,
    reader: &mut Reader,
    waiting: &Waiting,
    last: &std::path::Path,
    clock: &Clock,
) -> Result<Duration, Failure> {
    let mut whole = waiting.before.clone();
    let model = judge.model().digest.as_str().to_owned();
    let began = clock.elapsed();
    whole.add(reader.read(last, clock.wall()));
    let judged = judge.judge_whole(Box::new(whole.ready(clock)), clock);
    let saving = Saving::new(&judged.judgement, &model, &settings::sender(config));
    let took = clock.elapsed().saturating_sub(began);
    match saving {
        Ok(_) => Ok(took),
        Err(error) => Err(Failure::new(
            format!("the messages cannot be written: {error}"),
            "report this",
        )),
    }
}

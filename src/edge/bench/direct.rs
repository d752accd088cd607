//! From the last slice's bytes to the finding's, in this process: what is left to do when all other slices were reduced
//! as they came.

use super::copies::Copies;
use super::samples::Samples;
use super::stages::{WholeSeries, bench_reader};
use crate::config::Config;
use crate::daemon::{Judgement, Saving};
use crate::edge::{Clock, Failure, Judge, Scratch, settings, state};
use crate::store::{Closing, StoreError};
use std::path::PathBuf;

/// What was measured of one series, from the moment when the last slice's file had its name.
#[derive(Clone, Debug, Default)]
pub struct DirectReport {
    /// Until the messages were written.
    pub messages: Samples,
    /// Until the outcome and its messages were on disk, synced.
    pub disk: Samples,
}

/// A series of which only the last slice is to come.
struct Waiting {
    copies: Copies,
    before: WholeSeries,
}

/// Measures the series one after the other, `repeats` rounds; a report for each series.
///
/// The last slice is read, decoded and reduced, the series stacked, its lungs found, the network run, the findings
/// measured, the messages written and stored. Errors: a folder holds no series; the store cannot be written.
pub fn measure_direct(
    judge: &mut Judge,
    config: &Config,
    series: &[&[PathBuf]],
    repeats: u16,
) -> Result<Vec<DirectReport>, Failure> {
    let clock = Clock::start();
    let scratch = Scratch::new("bench-direct")?;
    let mut store = state::open(&scratch.folder("state")?).map_err(unsaved)?;
    let mut reader = bench_reader(judge);
    let mut waiting = Vec::new();
    for files in series {
        let before = files.split_last().map_or(&[][..], |(_, before)| before);
        waiting.push(Waiting {
            copies: Copies::of(files)?,
            before: WholeSeries::read(&mut reader, before, &clock, &mut |_| {})?,
        });
    }
    let mut reports = vec![DirectReport::default(); series.len()];
    for repeat in 0..repeats {
        for (one, report) in waiting.iter().zip(&mut reports) {
            let last = one.copies.len().saturating_sub(1);
            let number = u32::from(repeat);
            let file = one.copies.export(last, number, scratch.path())?;
            let mut whole = one.before.clone();
            // As in the service, where the slices before it have come.
            judge.prepare();
            let began = clock.elapsed();
            whole.add(reader.read(&file, clock.wall()));
            let judged = judge.judge_whole(Box::new(whole.ready(&clock)), &clock);
            let saving = saving(judge, config, &judged.judgement)?;
            report.messages.add(clock.elapsed().saturating_sub(began));
            store
                .close_series(&Closing {
                    finding: saving.finding.as_ref(),
                    queued: &saving.rows,
                    ..Closing::of(&saving.record)
                })
                .map_err(unsaved)?;
            report.disk.add(clock.elapsed().saturating_sub(began));
            // As in the service: each series is planned for anew, and a box rests before the next one.
            drop(judged);
            judge.rest();
        }
    }
    Ok(reports)
}

fn unsaved(error: StoreError) -> Failure {
    Failure::new(error.to_string(), error.advice())
}

fn saving(judge: &Judge, config: &Config, judgement: &Judgement) -> Result<Saving, Failure> {
    let model = judge.model().digest.as_str();
    Saving::new(judgement, model, &settings::sender(config)).map_err(|error| {
        let what = format!("the messages cannot be written: {error}");
        Failure::new(what, "report this")
    })
}

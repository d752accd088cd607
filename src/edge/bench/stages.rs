//! The stages of one series, one after the other, in this process.

use super::samples::Samples;
use crate::config::Config;
use crate::daemon::Saving;
use crate::dicom::ReadLimits;
use crate::edge::{Clock, Failure, Judge, Reader, settings};
use crate::ids::{Redacted, SeriesKey};
use crate::intake::{Arrival, ReadResult, Ready, Slice};
use crate::pipeline::Stage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What was measured of one series.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// Its slices.
    pub slices: usize,
    /// `triaged`, or the code of the reason.
    pub outcome: &'static str,
    /// Reading, decoding and reducing one file.
    pub read_one: Samples,
    /// The same for all files of the series, one after the other.
    pub read_all: Samples,
    /// Each stage of the pipeline, with its planning.
    pub stages: Vec<(&'static str, Samples)>,
    /// The pipeline as a whole, with the preview.
    pub pipeline: Samples,
    /// Writing the messages.
    pub encode: Samples,
}

/// Measures the largest series among `files`, `repeats` times.
///
/// Errors: the files hold no series.
pub fn measure_stages(
    judge: &mut Judge,
    config: &Config,
    files: &[PathBuf],
    repeats: u16,
) -> Result<StageReport, Failure> {
    let clock = Clock::start();
    let mut report = StageReport {
        slices: 0,
        outcome: "",
        read_one: Samples::default(),
        read_all: Samples::default(),
        stages: Stage::ALL
            .iter()
            .map(|stage| (stage.name(), Samples::default()))
            .collect(),
        pipeline: Samples::default(),
        encode: Samples::default(),
    };
    for _ in 0..repeats {
        let mut reader = bench_reader(judge);
        let began = clock.elapsed();
        let whole = WholeSeries::read(&mut reader, files, &clock, &mut |took| {
            report.read_one.add(took);
        })?;
        report.read_all.add(clock.elapsed().saturating_sub(began));
        report.slices = whole.slices.len();
        let ready = whole.ready(&clock);
        // As in the service, while the slices come.
        judge.prepare();
        let began = clock.elapsed();
        let judged = judge.judge_whole(Box::new(ready), &clock);
        report.pipeline.add(clock.elapsed().saturating_sub(began));
        // As in the service: each series is planned for anew.
        judge.clear();
        for (stage, took) in &judged.stages {
            let row = report
                .stages
                .iter_mut()
                .find(|(name, _)| *name == stage.name());
            row.into_iter().for_each(|(_, samples)| samples.add(*took));
        }
        let model = judge.model().digest.as_str().to_owned();
        let began = clock.elapsed();
        let saving = Saving::new(&judged.judgement, &model, &settings::sender(config));
        report.encode.add(clock.elapsed().saturating_sub(began));
        report.outcome = saving.map_or("not encoded", |saving| saving.code);
    }
    Ok(report)
}

/// A reader as the service has it.
pub(super) fn bench_reader(judge: &Judge) -> Reader {
    let secret = Redacted::new([0; 32]);
    Reader::new(ReadLimits::default(), judge.spacing_mm(), secret)
}

/// A series that was read.
#[derive(Clone, Debug)]
pub(super) struct WholeSeries {
    first: Arrival,
    pub(super) slices: Vec<Slice>,
}

impl WholeSeries {
    /// Reads all files; the series with the most slices counts. `took` hears how long each file took.
    ///
    /// Errors: the files hold no series.
    pub(super) fn read(
        reader: &mut Reader,
        files: &[PathBuf],
        clock: &Clock,
        took: &mut dyn FnMut(Duration),
    ) -> Result<WholeSeries, Failure> {
        let mut series: BTreeMap<SeriesKey, WholeSeries> = BTreeMap::new();
        for file in files {
            let began = clock.elapsed();
            let result = reader.read(file, clock.wall());
            took(clock.elapsed().saturating_sub(began));
            let Some((first, slices)) = slices_of(result) else {
                continue;
            };
            let entry = series
                .entry(first.key.clone())
                .or_insert_with(|| WholeSeries {
                    first,
                    slices: Vec::new(),
                });
            entry.slices.extend(slices);
        }
        let largest = series.into_values().max_by_key(|whole| whole.slices.len());
        largest.ok_or_else(|| {
            let what = "the folder holds no CT series";
            Failure::new(what, "give folders with the DICOM files of a series")
        })
    }

    /// Adds the slices of one more file, if it has any.
    pub(super) fn add(&mut self, result: ReadResult) {
        if let Some((_, slices)) = slices_of(result) {
            self.slices.extend(slices);
        }
    }

    /// The series as the intake hands it out.
    pub(super) fn ready(self, clock: &Clock) -> Ready {
        Ready {
            key: self.first.key,
            generation: 0,
            facts: self.first.facts,
            instances: u32::try_from(self.slices.len()).unwrap_or(u32::MAX),
            slices: Ok(self.slices),
            content: [0; 32],
            files: Vec::new(),
            supersedes: None,
            last_instance_at: self.first.at,
            ready_at: clock.now(),
            siblings: Vec::new(),
        }
    }
}

fn slices_of(result: ReadResult) -> Option<(Arrival, Vec<Slice>)> {
    let ReadResult::Series(mut arrival) = result else {
        return None;
    };
    let slices = std::mem::replace(&mut arrival.slices, Ok(Vec::new())).ok()?;
    Some((*arrival, slices))
}

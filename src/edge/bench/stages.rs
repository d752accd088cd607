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
        let ready = read(judge.spacing_mm(), files, &clock, &mut report)?;
        report.slices = ready.slices.as_ref().map_or(0, Vec::len);
        let began = clock.elapsed();
        let judged = judge.judge_whole(Box::new(ready), &clock);
        report.pipeline.add(clock.elapsed().saturating_sub(began));
        // As in the service: each series is planned for anew.
        judge.rest();
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

/// Reads all files; the series with the most slices becomes ready.
fn read(
    spacing_mm: f64,
    files: &[PathBuf],
    clock: &Clock,
    report: &mut StageReport,
) -> Result<Ready, Failure> {
    let mut reader = Reader::new(ReadLimits::default(), spacing_mm, Redacted::new([0; 32]));
    let mut series: BTreeMap<SeriesKey, (Arrival, Vec<Slice>)> = BTreeMap::new();
    let all = clock.elapsed();
    for file in files {
        let began = clock.elapsed();
        let result = reader.read(file, clock.wall());
        report.read_one.add(clock.elapsed().saturating_sub(began));
        if let ReadResult::Series(mut arrival) = result
            && let Ok(slices) = std::mem::replace(&mut arrival.slices, Ok(Vec::new()))
        {
            let entry = series.entry(arrival.key.clone());
            entry
                .or_insert_with(|| (*arrival, Vec::new()))
                .1
                .extend(slices);
        }
    }
    report.read_all.add(clock.elapsed().saturating_sub(all));
    let largest = series.into_values().max_by_key(|(_, slices)| slices.len());
    let Some((first, slices)) = largest else {
        let what = "the folder holds no CT series";
        return Err(Failure::new(
            what,
            "give folders with the DICOM files of a series",
        ));
    };
    Ok(Ready {
        key: first.key,
        generation: 0,
        facts: first.facts,
        instances: u32::try_from(slices.len()).unwrap_or(u32::MAX),
        slices: Ok(slices),
        content: [0; 32],
        files: Vec::new(),
        supersedes: None,
        last_instance_at: first.at,
        ready_at: clock.now(),
        siblings: Vec::new(),
    })
}

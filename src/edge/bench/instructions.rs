//! Small work that is the same on every run, piece by piece: `scripts/bench-instructions` counts its instructions.
//!
//! Times on a busy machine say little; the number of instructions is nearly the same each time. [`cut`] marks where one
//! piece ends: the script has callgrind write down its counts there.

use super::stages::{WholeSeries, bench_reader};
use crate::config::Config;
use crate::daemon::Saving;
use crate::edge::{Clock, Failure, Judge, files_below, load_model, settings};
use crate::fault::Fault;
use crate::infer::{Backend, EngineOptions, Int8Network, Isa};
use crate::intake::Ready;
use crate::model::ModelPackage;
use crate::pipeline::{PipelineLimits, PipelineSlice, Stage, Triage, triage_in_stages};
use crate::preview::{Caption, Outlines, picture};
use crate::units::Hu;
use crate::volume::{BitMask, Grid3, Region};
use crate::wire::IntendedUse;
use std::path::Path;

/// Work between the pieces: not counted.
const BESIDE: &str = "-";
/// On what the network's layers are counted, and the edge of the volume, voxels: plain Rust needs twenty times as many.
const LAYERS: [(Isa, usize); 2] = [(Isa::Avx2, 32), (Isa::Scalar, 16)];
/// What stands in for the network's mask, so that the findings have lesions to measure, HU.
const MARKED_HU: std::ops::Range<i16> = -600..-100;

/// Ends the piece `name`. callgrind knows this function by its name: it must stay one, and be told of nothing else.
#[inline(never)]
fn bench_piece_ends(name: &str) {
    std::hint::black_box(name);
}

/// Does each piece once, single-threaded; `done` hears its name after each, in order.
///
/// `folder` holds a series (`series/`) and one slice of it in JPEG Lossless (`jpeg-lossless.dcm`). Errors: a file of it is
/// missing; the series is not triaged.
pub fn run_for_instructions(
    folder: &Path,
    model_folder: &Path,
    config: &Config,
    done: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Failure> {
    let package = load_model(model_folder)?;
    let mut cut = |name: &str| {
        bench_piece_ends(name);
        done(name);
    };
    let clock = Clock::start();
    let mut judge = Judge::new(
        &package,
        &config.series,
        true,
        IntendedUse::Detection,
        config.engine.options,
    )?;
    let files = files_below(&folder.join("series"))?;
    let mut reader = bench_reader(&judge);

    let jpeg = folder.join("jpeg-lossless.dcm");
    let slices = [
        (
            "slice, uncompressed",
            files.first().map_or(folder, |file| file),
        ),
        ("slice, JPEG Lossless", &jpeg),
    ];
    for (name, file) in slices {
        // Once before, so that the reader's buffers are there.
        reader.read(file, clock.wall());
        cut(BESIDE);
        reader.read(file, clock.wall());
        cut(name);
    }
    let ready = WholeSeries::read(&mut reader, &files, &clock, &mut |_| {})?.ready(&clock);
    let triage = stages(&ready, &package, config, &mut cut)?;
    picture(
        &triage.volume,
        &triage.lung,
        &triage.lesion,
        Caption {
            outlines: Outlines::Shown,
            model: &package.manifest().title(),
        },
    );
    cut("preview");
    for (isa, edge) in LAYERS {
        layers(&package, &triage, isa, edge, &mut cut)?;
    }
    let judged = judge.judge_whole(Box::new(ready), &clock);
    let model = judge.model().digest.as_str().to_owned();
    cut(BESIDE);
    let saving = Saving::new(&judged.judgement, &model, &settings::sender(config));
    cut("messages");
    saving.map(drop).map_err(|error| {
        Failure::new(
            format!("the messages cannot be written: {error}"),
            "report this",
        )
    })
}

/// The stages of the pipeline, with a threshold in the network's place.
fn stages(
    ready: &Ready,
    package: &ModelPackage,
    config: &Config,
    cut: &mut (dyn FnMut(&str) + Send),
) -> Result<Triage, Failure> {
    let none = Vec::new();
    let slices: Vec<PipelineSlice<'_>> = ready
        .slices
        .as_ref()
        .unwrap_or(&none)
        .iter()
        .map(|slice| PipelineSlice {
            geometry: &slice.geometry,
            plane: &slice.plane,
            has_uid: slice.instance.is_some(),
        })
        .collect();
    let limits = PipelineLimits {
        rules: config.series.clone(),
        ..PipelineLimits::default()
    };
    cut(BESIDE);
    let triage = triage_in_stages(
        &ready.facts.header,
        &slices,
        &mut Threshold,
        package.manifest(),
        &limits,
        // What stands in for the network is not worth counting.
        &mut |stage| {
            cut(if stage == Stage::Network {
                BESIDE
            } else {
                stage.name()
            })
        },
    );
    triage.map_err(|why| {
        Failure::new(
            format!("the series is not triaged: {why:?}"),
            "give a phantom",
        )
    })
}

/// The network's layers on a piece of the lungs, each under its kind.
fn layers(
    package: &ModelPackage,
    triage: &Triage,
    isa: Isa,
    edge: usize,
    cut: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Failure> {
    if !Isa::available().contains(&isa) {
        return Err(Failure::new(
            format!("this machine has no {}", isa.name()),
            "count on a machine with AVX2",
        ));
    }
    let options = EngineOptions {
        isa: Some(isa),
        threads: 1,
    };
    let mut network = Int8Network::load(package, options)
        .map_err(|error| Failure::new(error.to_string(), "give a model that runs in integers"))?;
    let size = [edge; 3];
    let start = triage.volume.hu.shape().map(|edge| edge / 3);
    let hu = triage.volume.hu.crop(Region { start, size }, Hu::AIR.get());
    let failed = |fault: Fault| Failure::new(fault.to_string(), fault.advice());
    let costs = network.costs(size).map_err(failed)?;
    // Once before, so that the buffers are there.
    network.segment(&hu).map_err(failed)?;
    cut(BESIDE);
    let mut kinds = costs.iter().map(|cost| cost.kind);
    network
        .segment_in_layers(&hu, &mut || {
            let kind = kinds.next().unwrap_or("");
            cut(&format!("layers {kind}, {}", isa.name()));
        })
        .map_err(failed)?;
    // Labels come with the head.
    cut(BESIDE);
    Ok(())
}

/// Marks what is as dense as a lesion may be.
struct Threshold;

impl Backend for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault> {
        Ok(BitMask::of(hu, |hu| MARKED_HU.contains(&hu)))
    }

    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        Ok(hu.map(|hu| f32::from(*hu)))
    }

    fn rest(&mut self) {}
}

//! The pipeline around a loaded network: a series that is ready becomes a judgement, whatever happens inside.

use super::accelerator::{Accelerator, Chosen};
use super::clock::Clock;
use super::failure::Failure;
use super::memory;
use super::settings::engine_options;
use crate::daemon::Judgement;
use crate::fault::Fault;
use crate::infer::{Backend, Engine, EngineOptions, engine, golden_check};
use crate::intake::Ready;
use crate::model::{ModelManifest, ModelPackage};
use crate::outcome::{
    LesionFacts, ModelFacts, Outcome, SeriesFacts, TimingFacts, TriagedSeries, Why, ZoneBurden,
};
use crate::pipeline::{PipelineLimits, PipelineSlice, Stage, Triage, left_out, triage_in_stages};
use crate::preview::{self, Caption, Outlines};
use crate::registration::ReducedChest;
use crate::series::SeriesRules;
use crate::store::GridRecord;
use crate::units::WallTime;
use crate::wire::IntendedUse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Slices up to this thickness make a thin series, mm.
const THIN_MM: f64 = 3.0;

/// A network that passed its self check, with all that its running needs.
#[derive(Debug)]
pub struct Judge {
    engine: Engine,
    accelerator: Option<Accelerator>,
    manifest: ModelManifest,
    facts: ModelFacts,
    limits: PipelineLimits,
    outlines: Option<Outlines>,
    /// Whether the system has back what series took.
    rested: bool,
}

/// The packed masks, where they are small enough to be kept, and the voxel `z, y, x` they begin in.
type Packed = (Option<Vec<u8>>, [usize; 3]);

/// What became of a series, with the volumes that a local command may want to draw.
#[derive(Debug)]
pub struct Judged {
    /// For the daemon.
    pub judgement: Judgement,
    /// Everything known of it, when it was triaged.
    pub triage: Option<Box<Triage>>,
    /// How long each stage took, as far as it came.
    pub stages: Vec<(Stage, Duration)>,
}

impl Judge {
    /// Loads the network of `package` and runs its self check.
    ///
    /// `preview`: whether each finding gets a picture; `intended_use` decides what the picture shows; the environment may
    /// overrule `options`. Errors: the network does not load, or gives another answer than its manifest.
    pub fn new(
        package: &ModelPackage,
        rules: &SeriesRules,
        preview: bool,
        intended_use: IntendedUse,
        options: EngineOptions,
    ) -> Result<Judge, Failure> {
        memory::keep();
        let failed = |fault: Fault| Failure::new(fault.to_string(), fault.advice());
        let mut engine = engine(package, engine_options(options)?).map_err(failed)?;
        let manifest = package.manifest().clone();
        golden_check(engine.backend.as_mut(), &manifest).map_err(failed)?;
        engine.backend.rest();
        if let Some(why) = &engine.not_lowered {
            tracing::warn!(%why, "the network runs in tract, slowly");
        }
        let facts = ModelFacts {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: package.digest().clone(),
            epoch: u32::try_from(manifest.epoch).unwrap_or(u32::MAX),
            backend: engine.backend.name().to_owned(),
        };
        let limits = PipelineLimits {
            rules: rules.clone(),
            ..PipelineLimits::default()
        };
        let outlines = preview.then_some(match intended_use {
            IntendedUse::Detection => Outlines::Shown,
            IntendedUse::Triage => Outlines::Hidden,
        });
        Ok(Judge {
            engine,
            accelerator: None,
            manifest,
            facts,
            limits,
            outlines,
            rested: true,
        })
    }

    /// The same judge, with an accelerator before its own engine.
    pub fn with_accelerator(mut self, accelerator: Accelerator) -> Judge {
        self.accelerator = Some(accelerator);
        self
    }

    /// The model that runs, and the engine that ran it last.
    pub fn model(&self) -> &ModelFacts {
        &self.facts
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// The in-plane spacing that slices are reduced to, mm.
    pub fn spacing_mm(&self) -> f64 {
        self.manifest.input.spacing_mm
    }

    /// Judges a series and hands the judgement on. Never fails: what goes wrong is the judgement.
    pub fn judge<T>(
        &mut self,
        ready: Box<Ready>,
        clock: &Clock,
        hand_on: impl FnOnce(Judgement) -> T,
    ) -> T {
        let judged = self.judge_whole(ready, clock);
        let handed_on = hand_on(judged.judgement);
        // Giving back the volumes' memory takes a while: nobody waits for it. The next series is minutes away and seldom of
        // this very shape.
        drop(judged.triage);
        self.clear();
        handed_on
    }

    /// Gets ready while a series' slices still come, and after a rest takes memory for it.
    pub fn prepare(&mut self) {
        self.engine.backend.prepare();
        if std::mem::take(&mut self.rested) {
            memory::make_ready();
        }
    }

    /// Gives back what the engine keeps for the next volume, as after each series.
    pub fn clear(&mut self) {
        self.engine.backend.rest();
    }

    /// [`Judge::clear`], and memory goes back to the system: while no series comes.
    pub fn rest(&mut self) {
        self.clear();
        memory::give_back();
        self.rested = true;
    }

    /// As [`Judge::judge`], with the volumes.
    pub fn judge_whole(&mut self, ready: Box<Ready>, clock: &Clock) -> Judged {
        let began = clock.now();
        let queued = began.since(ready.ready_at);
        let mut stages = Vec::new();
        let mut before = clock.elapsed();
        let result = self.run(&ready, &mut |stage| {
            let after = clock.elapsed();
            stages.push((stage, after.saturating_sub(before)));
            before = after;
        });
        let at = clock.wall();
        let compute = clock.now().since(began);
        let complete_at =
            WallTime::from_unix_millis(at.unix_millis() - millis(queued) - millis(compute));
        let timing = TimingFacts {
            last_instance_at: ready.last_instance_at,
            complete_at,
            compute_ms: u64::try_from(compute.as_millis()).unwrap_or(u64::MAX),
            queued_ms: u64::try_from(queued.as_millis()).unwrap_or(u64::MAX),
        };
        match result {
            Ok(triage) => {
                let outcome = Outcome::Triaged(Box::new(self.triaged(&triage, timing)));
                let series = facts(&ready, Some(&triage));
                let (preview, packed) = self.drawn_and_packed(&triage);
                let cells_start = packed.as_ref().map(|(_, start)| *start);
                let masks = packed.and_then(|(masks, _)| masks);
                Judged {
                    judgement: Judgement {
                        ready,
                        outcome,
                        series,
                        preview,
                        masks,
                        grid: cells_start.map(|start| grid(&triage, start)),
                        at,
                    },
                    triage: Some(Box::new(triage)),
                    stages,
                }
            }
            Err(why) => {
                let series = facts(&ready, None);
                let outcome = Outcome::NotTriaged { why };
                Judged {
                    judgement: Judgement {
                        ready,
                        outcome,
                        series,
                        preview: None,
                        masks: None,
                        grid: None,
                        at,
                    },
                    triage: None,
                    stages,
                }
            }
        }
    }

    /// The picture, and the masks for the patient's next scan with the voxel they begin in, side by side.
    fn drawn_and_packed(&self, triage: &Triage) -> (Option<Vec<u8>>, Option<Packed>) {
        let (volume, lung, lesion) = (&triage.volume, &triage.lung, &triage.lesion);
        std::thread::scope(|scope| {
            let packing = std::thread::Builder::new().spawn_scoped(scope, || {
                let (chest, start) = ReducedChest::placed(lung, lesion, volume.spacing)?;
                Some((chest.pack(), start))
            });
            let model = &self.manifest.title();
            let draw = |outlines| {
                let caption = Caption { outlines, model };
                preview::picture(volume, lung, lesion, caption)
            };
            let preview = self.outlines.and_then(draw);
            // Without a thread to spare, or after a panic in it, there is nothing to compare the next scan with.
            let packed = packing.ok().and_then(|packing| packing.join().ok()?);
            (preview, packed)
        })
    }

    fn run(&mut self, ready: &Ready, passed: &mut dyn FnMut(Stage)) -> Result<Triage, Why> {
        let slices = ready
            .slices
            .as_ref()
            .map_err(|refusal| Why::Refused(refusal.clone()))?;
        let siblings: Vec<_> = ready
            .siblings
            .iter()
            .map(|sibling| sibling.header.as_ref())
            .collect();
        let header = ready.facts.header.as_ref();
        if let Some(refusal) = left_out(header, &siblings) {
            return Err(Why::Refused(refusal));
        }
        let slices: Vec<PipelineSlice<'_>> = slices
            .iter()
            .map(|slice| PipelineSlice {
                geometry: &slice.geometry,
                plane: &slice.plane,
                has_uid: slice.instance.is_some(),
            })
            .collect();
        let cpu = self.engine.backend.as_mut();
        let mut network = Chosen::new(self.accelerator.as_mut(), cpu);
        let (manifest, limits) = (&self.manifest, &self.limits);
        let run = || triage_in_stages(header, &slices, &mut network, manifest, limits, passed);
        // A panic, ours or a dependency's, ends this series and not the daemon.
        let result = catch_unwind(AssertUnwindSafe(run));
        network.name().clone_into(&mut self.facts.backend);
        result.unwrap_or_else(|_| {
            let what = "a stage of the pipeline panicked".to_owned();
            Err(Why::Failed(Fault::Internal {
                room: "pipeline",
                what,
            }))
        })
    }

    fn triaged(&self, triage: &Triage, timing: TimingFacts) -> TriagedSeries {
        let report = &triage.report;
        let [low, high] = report.burden_interval;
        TriagedSeries {
            priority: triage.priority,
            score: report.score,
            lesion: LesionFacts {
                burden_percent: report.burden.get(),
                burden_interval_percent: [low.get(), high.get()],
                volume_ml: report.lesion_volume.get(),
                lung_volume_ml: report.lung_volume.get(),
                count: u32::try_from(report.lesions.len()).unwrap_or(u32::MAX),
                zones: report
                    .zones
                    .iter()
                    .map(|zone| ZoneBurden {
                        zone: zone.zone.name(),
                        burden_percent: zone.burden.get(),
                    })
                    .collect(),
            },
            comparison: None,
            quality: triage
                .quality
                .iter()
                .map(|flag| flag.code().to_owned())
                .collect(),
            timing,
            model: self.facts.clone(),
        }
    }
}

/// The grid of the volume, of whose reduced masks the first cell begins in the voxel `cells_start`.
fn grid(triage: &Triage, cells_start: [usize; 3]) -> GridRecord {
    let volume = &triage.volume;
    let spacing = volume.spacing;
    GridRecord {
        shape: volume.hu.shape(),
        spacing_mm: [spacing.z(), spacing.y(), spacing.x()],
        origin_mm: volume.origin,
        axes: volume.axes,
        step_mm: triage.geometry.step_mm,
        cells_start,
    }
}

/// What is known of the series itself; the spacing only where the slices make one volume.
fn facts(ready: &Ready, triage: Option<&Triage>) -> SeriesFacts {
    let header = &ready.facts.header;
    let spacing = triage.map(|triage| {
        let geometry = &triage.geometry;
        [
            geometry.step_mm,
            geometry.row_spacing,
            geometry.column_spacing,
        ]
    });
    let thin = header
        .slice_thickness
        .is_none_or(|thickness| thickness <= THIN_MM);
    SeriesFacts {
        modality: header.modality.clone(),
        instances: ready.instances,
        spacing_mm: spacing,
        acquired: header.acquired,
        description_code: triage
            .map(|_| if thin { "chest-thin" } else { "chest-thick" }.to_owned()),
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

//! The trial: before its first series the accelerator answers volumes whose answer is known, against the clock.

use super::remote::{Order, Remote};
use super::trouble::Trouble;
use crate::config::AcceleratorUse;
use crate::edge::clock::Clock;
use crate::fault::Fault;
use crate::infer::{Backend, EngineOptions, engine, golden_check, golden_volume};
use crate::model::{Golden, ModelPackage};
use crate::volume::Grid3;
use std::time::Duration;

/// Edges of the volumes that both engines are timed on, voxels: lungs at 2.8 mm, each of another shape, because every
/// series has its own and a runtime may plan anew for it.
const TIMED: [[usize; 3]; 3] = [[112, 96, 96], [112, 112, 112], [128, 112, 128]];
/// One label of so many may differ from the CPU engine's.
const LABELS_AGREE: usize = 1000;
/// How far the accelerator's logits may lie from the CPU engine's on average: single steps of rounding.
const MEAN_DIFFERENCE_MAX: f64 = 0.01;

/// How a trial went that was passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The engine that passed.
    pub name: String,
    /// Why providers that come first do not run; empty where the first does.
    pub passed_over: String,
    /// Mean difference of the logits from the CPU engine's.
    pub mean_difference: f64,
    /// Labels that differ from the CPU engine's.
    pub labels_differ: usize,
    /// Of so many.
    pub labels: usize,
    /// Time for the volumes that are timed, with all that lies between the processes.
    pub accelerator: Duration,
    /// The CPU engine's.
    pub cpu: Duration,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "{}: logits differ by {:.5} on average, {} of {} labels differ; {:.0} ms where the CPU takes {:.0} ms",
            self.name,
            self.mean_difference,
            self.labels_differ,
            self.labels,
            millis(self.accelerator),
            millis(self.cpu)
        )?;
        if !self.passed_over.is_empty() {
            write!(f, " ({})", self.passed_over)?;
        }
        Ok(())
    }
}

/// Starts the accelerator of `order` and tries it on `package` beside the CPU engine.
///
/// With [`AcceleratorUse::Auto`] it has to be faster than the CPU. Errors: what is wrong with it.
pub fn trial(
    order: &Order,
    package: &ModelPackage,
    options: EngineOptions,
    how: AcceleratorUse,
) -> Result<(Remote, Trial), Trouble> {
    let mut remote = Remote::start(order, package)?;
    let cpu = engine(package, options);
    let mut cpu = cpu.map_err(|fault| internal(&fault))?.backend;
    let golden = &package.manifest().golden;
    golden_check(&mut remote, package.manifest()).map_err(|fault| {
        remote
            .trouble()
            .unwrap_or(Trouble::Wrong(fault.to_string()))
    })?;
    let mean_difference = logits_differ(&mut remote, cpu.as_mut(), golden)?;
    let mut trial = Trial {
        name: remote.name().to_owned(),
        passed_over: remote.passed_over().to_owned(),
        mean_difference,
        labels_differ: 0,
        labels: 0,
        accelerator: Duration::ZERO,
        cpu: Duration::ZERO,
    };
    let multiple = package.manifest().input.multiple;
    let clock = Clock::start();
    for shape in TIMED {
        let shape = shape.map(|edge| edge.next_multiple_of(multiple));
        let hu = cubes(shape);
        let began = clock.elapsed();
        let found = remote.mask(&hu)?;
        let between = clock.elapsed();
        let wanted = cpu.segment(&hu).map_err(|fault| internal(&fault))?;
        trial.accelerator += between.saturating_sub(began);
        trial.cpu += clock.elapsed().saturating_sub(between);
        trial.labels += hu.len();
        trial.labels_differ += found.differing(&wanted);
    }
    judged(&trial, how)?;
    remote.admit();
    Ok((remote, trial))
}

/// Cubes of 8 voxels, each of its own density between −900 and 0 HU, with noise of ±50 HU: to the network a patchwork of
/// lung and lesion with many voxels on the edge of a label, where plain noise is all one.
fn cubes(shape: [usize; 3]) -> Grid3<i16> {
    const EDGE: usize = 8;
    // The generator of Numerical Recipes, as for the golden volume; `below` takes the upper half of its state.
    let mut state = 1_u32;
    let mut below = |bound: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from((state >> 16) % bound).unwrap_or(0)
    };
    let [across_z, across_y, across_x] = shape.map(|edge| edge.div_ceil(EDGE));
    let densities: Vec<i16> = (0..across_z * across_y * across_x)
        .map(|_| below(900) - 900)
        .collect();
    let mut hu = Grid3::filled(shape, 0);
    let [_, _, width] = shape;
    for (z, plane) in hu.planes_mut().enumerate() {
        for (y, row) in plane.chunks_exact_mut(width.max(1)).enumerate() {
            let first = (z / EDGE * across_y + y / EDGE) * across_x;
            let cubes = densities.iter().skip(first);
            for (voxels, density) in row.chunks_mut(EDGE).zip(cubes) {
                voxels.fill_with(|| density + below(101) - 50);
            }
        }
    }
    hu
}

fn logits_differ(
    remote: &mut Remote,
    cpu: &mut dyn Backend,
    golden: &Golden,
) -> Result<f64, Trouble> {
    let hu: Grid3<i16> = golden_volume(golden).map_err(|fault| internal(&fault))?;
    let wanted = cpu.logits(&hu).map_err(|fault| internal(&fault))?;
    let found = remote
        .logits(&hu)
        .map_err(|fault| remote.trouble().unwrap_or_else(|| internal(&fault)))?;
    let pairs = found.values().iter().zip(wanted.values());
    let sum: f64 = pairs
        .map(|(one, other)| f64::from((one - other).abs()))
        .sum();
    Ok(sum / hu.len().max(1) as f64)
}

fn judged(trial: &Trial, how: AcceleratorUse) -> Result<(), Trouble> {
    // Written so that a mean that is not a number fails too.
    let close = trial.mean_difference <= MEAN_DIFFERENCE_MAX
        && trial.labels_differ <= trial.labels / LABELS_AGREE;
    if !close {
        return Err(Trouble::Wrong(trial.to_string()));
    }
    if how == AcceleratorUse::Auto && trial.accelerator >= trial.cpu {
        return Err(Trouble::Slow(trial.to_string()));
    }
    Ok(())
}

fn internal(fault: &Fault) -> Trouble {
    Trouble::Failed(format!("its trial could not be made: {fault}"))
}

//! What is true about a phantom, counted on a fixed grid from the same formulas that draw it.

use crate::phantom::anatomy::{Anatomy, Point};
use crate::phantom::lesion::LesionField;
use crate::phantom::spec::PhantomSpec;
use crate::units::Percent;

/// The grid of the truth, mm; fixed, so that truth does not depend on the slices asked for.
const STEP_MM: f32 = 3.0;

/// What one voxel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoxelTruth {
    /// Neither lung nor lesion.
    Outside,
    /// Healthy lung; vessels and small airways in it belong to it.
    Lung,
    /// Diseased lung.
    Lesion,
}

/// What is true about the whole phantom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Lesion in percent of lung OR lesion: the definition of a finding's burden.
    pub burden_percent: Percent,
    /// Burden of the patient's right lung.
    pub burden_right_percent: Percent,
    /// Burden of the patient's left lung.
    pub burden_left_percent: Percent,
    /// Volume of lung OR lesion, ml.
    pub lung_ml: f64,
    /// Volume of lesion, ml.
    pub lesion_ml: f64,
}

/// Strength of the disease at each grid point in the lung, and whether it lies on the right.
fn strengths(anatomy: &Anatomy, lesions: &LesionField, spec: &PhantomSpec) -> Vec<(f32, bool)> {
    let top = height(spec);
    let mut found = Vec::new();
    for z in along(STEP_MM / 2.0, top) {
        let level = anatomy.level(z);
        for y in along(-105.0, 108.0) {
            for x in along(-145.0, 145.0) {
                if level.distances(x, y).lung > 0.0 {
                    found.push((lesions.strength(Point { x, y, z }), x < 0.0));
                }
            }
        }
    }
    found
}

/// The height shown, mm.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a few hundred mm need no f64"
)]
fn height(spec: &PhantomSpec) -> f32 {
    (spec.slices as f64 * spec.step_mm) as f32
}

fn along(from: f32, to: f32) -> impl Iterator<Item = f32> {
    (0_u16..400)
        .map(move |step| from + STEP_MM * f32::from(step))
        .take_while(move |at| *at < to)
}

/// The level at which the field gives the asked burden, and the truth at that level.
pub(super) fn settle(anatomy: &Anatomy, lesions: &LesionField, spec: &PhantomSpec) -> (f32, Truth) {
    let mut found = strengths(anatomy, lesions, spec);
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let wanted = wanted_count(found.len(), spec.burden_percent);
    let level = match wanted {
        0 => f32::INFINITY,
        count => found.get(count).map_or(f32::NEG_INFINITY, |next| next.0),
    };
    let sick = |right: bool| {
        found
            .iter()
            .take(wanted)
            .filter(|point| point.1 == right)
            .count()
    };
    let all = |right: bool| found.iter().filter(|point| point.1 == right).count();
    let truth = Truth {
        burden_percent: Percent::of(wanted, found.len()),
        burden_right_percent: Percent::of(sick(true), all(true)),
        burden_left_percent: Percent::of(sick(false), all(false)),
        lung_ml: volume(found.len()),
        lesion_ml: volume(wanted),
    };
    (level, truth)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, 0 to 60 percent by the check of the spec"
)]
fn wanted_count(points: usize, percent: f64) -> usize {
    (points as f64 * percent / 100.0).round() as usize
}

/// ml of `points` grid cubes.
fn volume(points: usize) -> f64 {
    points as f64 * f64::from(STEP_MM).powi(3) / 1000.0
}

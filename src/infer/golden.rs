//! The self check: a volume that everybody can make from one number must give the answer in the manifest.

use sha2::{Digest, Sha256};

use crate::fault::Fault;
use crate::ids::ModelDigest;
use crate::infer::network::Backend;
use crate::infer::packing::{packed, packed_shape};
use crate::model::{Golden, ModelManifest};
use crate::volume::Grid3;

/// How far a logit may lie from the reference run's. Rounding to int8 steps can differ in the last bit of a float, and one step
/// early in the network moves a logit by a tenth or two (docs/decisions/0003-tract-reference.md; `tests/network.rs` prints it).
const LOGIT_TOLERANCE: f64 = 0.25;
/// How far the mean of all logits may lie: single steps average out.
const MEAN_TOLERANCE: f64 = 0.002;

/// How close the network came to the answer in its manifest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoldenReport {
    /// |mean of the logits − the manifest's|.
    pub mean_difference: f64,
    /// The largest of the eight differences in the centre.
    pub centre_difference: f64,
}

/// The golden volume, HU. Source: the linear congruential generator of Numerical Recipes, upper half of each state.
///
/// Errors: [`Fault::Internal`] for a shape without voxels.
pub fn golden_volume(golden: &Golden) -> Result<Grid3<i16>, Fault> {
    let mut state = golden.seed;
    let mut hu = Vec::with_capacity(golden.shape.iter().product());
    for _ in 0..golden.shape.iter().product::<usize>() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let step = i16::try_from((state >> 16) % 1275).unwrap_or(0);
        hu.push(step - 1024);
    }
    Grid3::from_values(golden.shape, hu).map_err(|error| Fault::Internal {
        room: "infer",
        what: error.to_string(),
    })
}

/// Runs the golden volume of `manifest` through `network`. Errors: an input or an answer other than the manifest's.
pub fn golden_check(
    network: &mut dyn Backend,
    manifest: &ModelManifest,
) -> Result<GoldenReport, Fault> {
    let golden = &manifest.golden;
    let fault = |what: String| Fault::Inference {
        model: manifest.title(),
        what,
    };
    let hu = golden_volume(golden)?;
    let found = digest(&packed(&hu, &manifest.input));
    if found.as_str() != golden.input_digest {
        return Err(fault(format!(
            "self check: the golden input has digest {found}, the manifest says {}",
            golden.input_digest
        )));
    }
    let logits = network.logits(&hu)?;
    let report = compare(&logits, golden);
    let close =
        report.mean_difference <= MEAN_TOLERANCE && report.centre_difference <= LOGIT_TOLERANCE;
    // Written so that a difference that is not a number fails too.
    if close {
        Ok(report)
    } else {
        Err(fault(format!(
            "self check: {report:?} is too far from the manifest"
        )))
    }
}

fn digest(values: &[f32]) -> ModelDigest {
    let mut hash = Sha256::new();
    for value in values {
        hash.update(value.to_le_bytes());
    }
    ModelDigest::from_sha256(&hash.finalize().into())
}

fn compare(logits: &Grid3<f32>, golden: &Golden) -> GoldenReport {
    let sum: f64 = logits.values().iter().map(|logit| f64::from(*logit)).sum();
    let mean = sum / logits.len() as f64;
    let [z, y, x] = packed_shape(golden.shape)
        .unwrap_or_default()
        .map(|edge| edge / 2 * 2);
    let mut worst = 0.0_f64;
    for (channel, wanted) in golden.logits_centre.iter().enumerate() {
        let [dz, dy, dx] = [channel / 4, channel / 2 % 2, channel % 2];
        let found = logits
            .get(z + dz, y + dy, x + dx)
            .map_or(f64::NAN, f64::from);
        let gap = (found - wanted).abs();
        worst = if gap.is_nan() {
            f64::INFINITY
        } else {
            worst.max(gap)
        };
    }
    GoldenReport {
        mean_difference: (mean - golden.logits_mean).abs(),
        centre_difference: worst,
    }
}

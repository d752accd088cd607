//! Reduced slices to one volume: z resampled at the end, canonical orientation.

use super::grid::Grid3;
use super::histogram::HISTOGRAM_BINS;
use super::reduce::ReducedSlice;
use super::rounding::{rounded, single, whole};
use crate::refusal::Refusal;
use crate::series::Geometry;
use crate::units::Spacing;

/// Bounds of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeLimits {
    /// Voxels after resampling.
    pub voxels_max: usize,
}

impl Default for VolumeLimits {
    /// Twice the largest chest on a 2.8 mm grid (600 × 500 × 500 mm).
    fn default() -> VolumeLimits {
        VolumeLimits {
            voxels_max: 14_000_000,
        }
    }
}

/// A chest on the network's grid, canonical orientation.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Hounsfield units, index order `z, y, x`: feet → head, front → back, patient right → left.
    pub hu: Grid3<i16>,
    /// Edge lengths of a voxel.
    pub spacing: Spacing,
    /// Centre of voxel `0, 0, 0`, LPS mm.
    pub origin: [f64; 3],
    /// Unit vectors in LPS of the axes `z, y, x`.
    pub axes: [[f64; 3]; 3],
    /// Native pixels in each 64 HU from -1024 up.
    pub histogram: [u64; HISTOGRAM_BINS],
}

impl Volume {
    /// Where the centre of voxel `z, y, x` lies in the patient, LPS mm.
    pub fn place(&self, voxel: [usize; 3]) -> [f64; 3] {
        let edges = [self.spacing.z(), self.spacing.y(), self.spacing.x()];
        let mut place = self.origin;
        for ((index, edge), axis) in voxel.into_iter().zip(edges).zip(self.axes) {
            for (sum, part) in place.iter_mut().zip(axis) {
                *sum += index as f64 * edge * part;
            }
        }
        place
    }
}

/// Builds the volume of `slices`, given in any order; `geometry` holds their order and flips.
///
/// z is resampled to `target` by linear interpolation between slice centres, after a Gaussian of σ = 0.42 × target/step
/// slices where the step is finer than the target: the kernel used in training (scripts/training/grid.py).
/// Errors: [`Refusal::SeriesTooLarge`]; [`Refusal::SizeMixed`] when a slice's grid differs.
pub fn stack(
    slices: &[&ReducedSlice],
    geometry: &Geometry,
    target: Spacing,
    limits: &VolumeLimits,
) -> Result<Volume, Refusal> {
    let ordered: Option<Vec<&ReducedSlice>> = geometry
        .order
        .iter()
        .map(|index| slices.get(*index).copied())
        .collect();
    let Some((ordered, first)) =
        ordered.and_then(|all| all.first().copied().map(|first| (all, first)))
    else {
        return Err(Refusal::TooShort {
            height_mm: 0.0,
            least_mm: geometry.step_mm,
        });
    };
    let (rows, columns) = (first.rows(), first.columns());
    if ordered
        .iter()
        .any(|slice| (slice.rows(), slice.columns()) != (rows, columns))
    {
        return Err(Refusal::SizeMixed);
    }
    let samples = Samples::new(ordered.len(), geometry.step_mm, target.z());
    let voxels = samples.count.saturating_mul(rows).saturating_mul(columns);
    if voxels > limits.voxels_max {
        let what = format!("{voxels} voxels, {} are allowed", limits.voxels_max);
        return Err(Refusal::SeriesTooLarge { what });
    }
    let mut hu = Grid3::filled([samples.count, rows, columns], 0);
    for (index, plane) in hu.planes_mut().enumerate() {
        let taken: Vec<(&[i16], f32)> = samples
            .weights(index)
            .into_iter()
            .filter_map(|(slice, weight)| Some((ordered.get(slice)?.hu(), weight)))
            .collect();
        blend(&taken, plane);
        flip(plane, columns, geometry);
    }
    Ok(Volume {
        hu,
        spacing: samples.spacing(target, geometry.step_mm),
        origin: origin(first, geometry, target, &samples),
        axes: geometry.axes,
        histogram: histogram(&ordered),
    })
}

/// Pixels blended at a time: their sums stay in the processor's nearest cache.
const BLEND_PIXELS: usize = 2048;

/// The weighted sum of `slices`, rounded, into `plane`.
fn blend(slices: &[(&[i16], f32)], plane: &mut [i16]) {
    let mut sums = [0.0_f32; BLEND_PIXELS];
    for (block, to) in plane.chunks_mut(BLEND_PIXELS).enumerate() {
        let start = block * BLEND_PIXELS;
        let sums = sums.get_mut(..to.len()).unwrap_or(&mut []);
        sums.fill(0.0);
        let part = |slice| part(slice, start, to.len());
        // Three at a time, added in the same order as one by one: the sums are read and written a third as often.
        let (threes, rest) = slices.as_chunks::<3>();
        for three in threes {
            let [(one, first), (two, second), (three, third)] = three.each_ref().map(part);
            let values = one.iter().zip(two).zip(three);
            for (sum, ((one, two), three)) in sums.iter_mut().zip(values) {
                let one = *sum + first * f32::from(*one);
                *sum = one + second * f32::from(*two) + third * f32::from(*three);
            }
        }
        for (slice, weight) in rest.iter().map(part) {
            for (sum, value) in sums.iter_mut().zip(slice) {
                *sum += weight * f32::from(*value);
            }
        }
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = rounded(*sum);
        }
    }
}

/// So many pixels of a weighted slice from `start` on.
fn part<'a>((slice, weight): &(&'a [i16], f32), start: usize, count: usize) -> (&'a [i16], f32) {
    let pixels = slice.get(start..start + count);
    (pixels.unwrap_or(&[]), *weight)
}

/// Where the new planes lie along z, and what each takes from the slices.
struct Samples {
    slices: usize,
    count: usize,
    factor: f64,
    sigma: f64,
    /// Whether each plane is one slice.
    is_same: bool,
}

/// Steps within this share of the target are left as they are: resampling would only blur them.
const SAME_SPACING: f64 = 0.02;
/// σ of the Gaussian before reducing, in target planes (scripts/training/grid.py).
const SIGMA_TARGETS: f64 = 0.42;

impl Samples {
    fn new(slices: usize, step_mm: f64, target_mm: f64) -> Samples {
        let factor = step_mm / target_mm;
        if (factor - 1.0).abs() < SAME_SPACING {
            return Samples {
                slices,
                count: slices,
                factor: 1.0,
                sigma: 0.0,
                is_same: true,
            };
        }
        let count = whole((slices as f64 * factor).round().max(1.0));
        let sigma = if factor < 1.0 {
            SIGMA_TARGETS / factor
        } else {
            0.0
        };
        Samples {
            slices,
            count,
            factor,
            sigma,
            is_same: false,
        }
    }

    /// The edges of the new voxels: planes that were left as they are keep their step.
    fn spacing(&self, target: Spacing, step_mm: f64) -> Spacing {
        let kept = Spacing::new(step_mm, target.y(), target.x());
        kept.filter(|_| self.is_same).unwrap_or(target)
    }

    /// Where the centre of plane `index` lies, in slices; outside them near the ends of thick slices.
    fn place(&self, index: usize) -> f64 {
        (index as f64 + 0.5) / self.factor - 0.5
    }

    /// What plane `index` is taken from, in slices: the nearest place within them.
    fn centre(&self, index: usize) -> f64 {
        let last = self.slices.saturating_sub(1) as f64;
        self.place(index).clamp(0.0, last)
    }

    /// Slices and weights of plane `index`, each slice once; the weights add up to 1. Slices past an end count as the
    /// last one there.
    fn weights(&self, index: usize) -> Vec<(usize, f32)> {
        let centre = self.centre(index);
        let low = centre.floor();
        let share = centre - low;
        let mut weights = Vec::new();
        for (slice, part) in [(low, 1.0 - share), (low + 1.0, share)] {
            if part > f64::EPSILON {
                self.spread(slice, part, &mut weights);
            }
        }
        weights.sort_by_key(|(slice, _)| *slice);
        weights.dedup_by(|(slice, weight), (kept, sum)| {
            let same = slice == kept;
            if same {
                *sum += *weight;
            }
            same
        });
        weights
    }

    fn spread(&self, slice: f64, part: f64, weights: &mut Vec<(usize, f32)>) {
        let last = self.slices.saturating_sub(1) as f64;
        let reach = (4.0 * self.sigma + 0.5).floor();
        let gauss = |offset: f64| (-0.5 * (offset / self.sigma).powi(2)).exp();
        if self.sigma <= 0.0 {
            weights.push((whole(slice.clamp(0.0, last)), single(part)));
            return;
        }
        let offsets = || (0..=2 * whole(reach)).map(|index| index as f64 - reach);
        let sum: f64 = offsets().map(gauss).sum();
        for offset in offsets() {
            let place = whole((slice + offset).clamp(0.0, last));
            weights.push((place, single(part * gauss(offset) / sum)));
        }
    }
}

/// Puts a plane into canonical orientation: rows front to back, columns patient right to left.
fn flip(plane: &mut [i16], columns: usize, geometry: &Geometry) {
    if geometry.flip_y {
        plane.reverse();
    }
    // Reversing the whole plane turned the columns too.
    if geometry.flip_x != geometry.flip_y {
        plane.chunks_exact_mut(columns).for_each(<[i16]>::reverse);
    }
}

/// The centre of voxel `0, 0, 0`: from the native origin by the inset of the reduced grid and the first plane's place.
fn origin(
    first: &ReducedSlice,
    geometry: &Geometry,
    target: Spacing,
    samples: &Samples,
) -> [f64; 3] {
    let [inset_y, inset_x] = first.inset_mm();
    let along_z = samples.place(0) * geometry.step_mm;
    let along_y = inset_y + (target.y() - geometry.row_spacing) / 2.0;
    let along_x = inset_x + (target.x() - geometry.column_spacing) / 2.0;
    let [axis_z, axis_y, axis_x] = geometry.axes;
    let mut origin = geometry.origin;
    for (place, ((z, y), x)) in origin
        .iter_mut()
        .zip(axis_z.iter().zip(&axis_y).zip(&axis_x))
    {
        *place += along_z * z + along_y * y + along_x * x;
    }
    origin
}

fn histogram(slices: &[&ReducedSlice]) -> [u64; HISTOGRAM_BINS] {
    let mut sums = [0_u64; HISTOGRAM_BINS];
    for slice in slices {
        for (sum, count) in sums.iter_mut().zip(slice.histogram()) {
            *sum += u64::from(*count);
        }
    }
    sums
}

//! Counting: which voxels are lesion, which are lung, and where.

use super::report::{FindingRules, Lesion, Report, Zone, ZoneBurden};
use crate::lung::{LungMask, Side};
use crate::units::{Millilitre, Percent};
use crate::volume::{Component, Components, Grid3, Neighbours, Volume, dilate};

/// A lesion lies in a lung or at most this many voxels beside the aerated part of one.
const REACH_VOXELS: usize = 3;

/// Returns the finding's numbers and the mask they were counted on.
///
/// `lesion` is the network's mask on the volume's grid, index order `z, y, x`, 1 = lesion. Components (26 neighbours)
/// below the least volume, and those that touch no lung, are dropped. The denominator of every burden is lung OR lesion.
pub fn measure(
    volume: &Volume,
    lung: &LungMask,
    lesion: &Grid3<u8>,
    rules: &FindingRules,
) -> (Report, Grid3<u8>) {
    let kept = clean(volume, lung, lesion, rules);
    let components = Components::of(&kept, Neighbours::TwentySix);
    let counts = count(lung, &kept);
    let burden = counts.all().burden();
    let half = rules
        .interval_points
        .max(rules.interval_relative * burden.get());
    let bounded = |value: f64| Percent::new(value.clamp(0.0, 100.0)).unwrap_or(burden);
    let ml = |voxels| Millilitre::of_voxels(voxels, volume.spacing);
    let logit = rules.score_slope * burden.get().ln_1p() + rules.score_offset;
    let report = Report {
        burden,
        burden_interval: [bounded(burden.get() - half), bounded(burden.get() + half)],
        burden_of_side: [
            counts.side(Side::Right).burden(),
            counts.side(Side::Left).burden(),
        ],
        lesion_volume: ml(counts.all().lesion),
        lung_volume: ml(counts.all().whole),
        lesions: lesions(volume, lung, &components),
        zones: Zone::all()
            .map(|zone| ZoneBurden {
                zone,
                burden: counts.zone(zone).burden(),
            })
            .collect(),
        score: 1.0 / (1.0 + (-logit).exp()),
    };
    (report, kept)
}

/// Drops what is too small to be trusted, and what lies outside the lungs.
fn clean(volume: &Volume, lung: &LungMask, lesion: &Grid3<u8>, rules: &FindingRules) -> Grid3<u8> {
    let components = Components::of(lesion, Neighbours::TwentySix);
    let near = dilate(&lung.sides.map(|side| u8::from(*side != 0)), REACH_VOXELS);
    let mut touches = vec![false; components.found().len() + 1];
    for (label, near) in components.labels().values().iter().zip(near.values()) {
        let index = usize::try_from(*label).unwrap_or(0);
        if let Some(touch) = touches.get_mut(index).filter(|_| *near != 0) {
            *touch = true;
        }
    }
    let large = |found: &Component| {
        Millilitre::of_voxels(found.voxels, volume.spacing).get() >= rules.component_min_ml
    };
    let keep: Vec<bool> = std::iter::once(false)
        .chain(
            components
                .found()
                .iter()
                .zip(touches.iter().skip(1))
                .map(|(found, touch)| *touch && large(found)),
        )
        .collect();
    components.labels().map(|label| {
        let index = usize::try_from(*label).unwrap_or(0);
        u8::from(keep.get(index).copied().unwrap_or(false))
    })
}

/// Voxels of one part of the lungs.
#[derive(Clone, Copy, Default)]
struct Count {
    lesion: usize,
    whole: usize,
}

impl Count {
    fn burden(self) -> Percent {
        Percent::of(self.lesion, self.whole)
    }

    fn add(self, other: Count) -> Count {
        Count {
            lesion: self.lesion + other.lesion,
            whole: self.whole + other.whole,
        }
    }
}

/// Counts of the six zones: `[side][third]`.
struct Counts([[Count; 3]; 2]);

impl Counts {
    fn zone(&self, zone: Zone) -> Count {
        let sides = self.side_parts(zone.side);
        sides
            .get(usize::from(zone.third))
            .copied()
            .unwrap_or_default()
    }

    fn side(&self, side: Side) -> Count {
        self.side_parts(side)
            .iter()
            .fold(Count::default(), |sum, part| sum.add(*part))
    }

    fn all(&self) -> Count {
        self.side(Side::Right).add(self.side(Side::Left))
    }

    fn side_parts(&self, side: Side) -> &[Count; 3] {
        let [right, left] = &self.0;
        match side {
            Side::Right => right,
            Side::Left => left,
        }
    }
}

fn count(lung: &LungMask, lesion: &Grid3<u8>) -> Counts {
    let mut counts = [[Count::default(); 3]; 2];
    let [bottom, _, _] = lung.bounds.start;
    let [size_z, _, _] = lung.bounds.size;
    let middle = middle_x(lung);
    let [_, height, width] = lesion.shape();
    let rows = lesion
        .values()
        .chunks_exact(width.max(1))
        .zip(lung.sides.values().chunks_exact(width.max(1)));
    for (index, (lesions, sides)) in rows.enumerate() {
        let z = index / height.max(1);
        let third = (z.saturating_sub(bottom) * 3 / size_z.max(1)).min(2);
        for (x, (lesion, side)) in lesions.iter().zip(sides).enumerate() {
            if *lesion == 0 && *side == 0 {
                continue;
            }
            // A lesion voxel that holds no air belongs to the side it lies on.
            let left = if *side == 0 { x >= middle } else { *side == 2 };
            let part = counts
                .get_mut(usize::from(left))
                .and_then(|thirds| thirds.get_mut(third));
            if let Some(part) = part {
                part.whole += 1;
                part.lesion += usize::from(*lesion != 0);
            }
        }
    }
    Counts(counts)
}

/// The column between the lungs: half-way between the mean columns of the two.
fn middle_x(lung: &LungMask) -> usize {
    let [_, _, width] = lung.sides.shape();
    let (mut sums, mut counts) = ([0_usize; 2], [0_usize; 2]);
    for row in lung.sides.values().chunks_exact(width.max(1)) {
        for (x, side) in row.iter().enumerate() {
            if let Some(side) = Side::of(*side) {
                let index = usize::from(side == Side::Left);
                if let (Some(sum), Some(count)) = (sums.get_mut(index), counts.get_mut(index)) {
                    *sum += x;
                    *count += 1;
                }
            }
        }
    }
    let [right, left] = [0, 1].map(|index| {
        let count = counts.get(index).copied().unwrap_or(0);
        sums.get(index).copied().unwrap_or(0).checked_div(count)
    });
    match (right, left) {
        (Some(right), Some(left)) => (right + left) / 2,
        (Some(_), None) => width,
        (None, Some(_)) | (None, None) => 0,
    }
}

/// The lesions, largest first.
fn lesions(volume: &Volume, lung: &LungMask, components: &Components) -> Vec<Lesion> {
    let middle = middle_x(lung);
    let mut sums = vec![(0_i64, 0_usize); components.found().len() + 1];
    let [_, _, width] = volume.hu.shape();
    let voxels = components.labels().values().iter().zip(volume.hu.values());
    for (index, (label, hu)) in voxels.enumerate() {
        let place = usize::try_from(*label).unwrap_or(0);
        if let Some((sum, left)) = sums.get_mut(place).filter(|_| *label != 0) {
            *sum += i64::from(*hu);
            *left += usize::from(index % width >= middle);
        }
    }
    let mut lesions: Vec<Lesion> = components
        .found()
        .iter()
        .zip(sums.iter().skip(1))
        .map(|(found, (sum, left))| Lesion {
            volume: Millilitre::of_voxels(found.voxels, volume.spacing),
            centre: found.bounds.map(|[first, last]| first.midpoint(last)),
            side: if left * 2 > found.voxels {
                Side::Left
            } else {
                Side::Right
            },
            mean_hu: *sum as f64 / found.voxels.max(1) as f64,
        })
        .collect();
    lesions.sort_by(|one, other| other.volume.get().total_cmp(&one.volume.get()));
    lesions
}

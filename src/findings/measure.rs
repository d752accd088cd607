//! Counting: which voxels are lesion, which are lung, and where.

use super::report::{FindingRules, Lesion, Report, Zone, ZoneBurden};
use crate::lung::{LungMask, Side};
use crate::units::{Millilitre, Percent};
use crate::volume::{BitMask, Component, Components, Grid3, Neighbours, Span, Volume, dilate};

/// A lesion lies in a lung or at most this many voxels beside the aerated part of one.
const REACH_VOXELS: usize = 3;

/// Returns the finding's numbers and the mask they were counted on.
///
/// `lesion` is the network's mask on the volume's grid. Components (26 neighbours)
/// below the least volume, and those that touch no lung, are dropped. The denominator of every burden is lung OR lesion.
pub fn measure(
    volume: &Volume,
    lung: &LungMask,
    lesion: &BitMask,
    rules: &FindingRules,
) -> (Report, Grid3<u8>) {
    let lungs = Lungs::of(lung);
    let components = clean(volume, &lungs, lesion, rules);
    let middle = lungs.middle_x();
    let counts = count(lung, &lungs, &components, middle);
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
        lesions: lesions(volume, &components, middle),
        zones: Zone::all()
            .map(|zone| ZoneBurden {
                zone,
                burden: counts.zone(zone).burden(),
            })
            .collect(),
        score: 1.0 / (1.0 + (-logit).exp()),
    };
    (report, components.mask().grid())
}

/// Each lung's mask.
struct Lungs {
    right: BitMask,
    left: BitMask,
}

impl Lungs {
    fn of(lung: &LungMask) -> Lungs {
        let side = |side: Side| BitMask::of(&lung.sides, |cell| cell == side.mark());
        Lungs {
            right: side(Side::Right),
            left: side(Side::Left),
        }
    }

    /// Both lungs and what lies within `steps` of them.
    fn near(&self, steps: usize) -> BitMask {
        dilate(&self.right.clone().or(&self.left), steps)
    }

    /// The column between the lungs: half-way between the mean columns of the two.
    fn middle_x(&self) -> usize {
        let [_, _, width] = self.right.shape();
        match (mean_column(&self.right), mean_column(&self.left)) {
            (Some(right), Some(left)) => (right + left) / 2,
            (Some(_), None) => width,
            (None, Some(_)) | (None, None) => 0,
        }
    }
}

fn mean_column(mask: &BitMask) -> Option<usize> {
    let (mut count, mut sum) = (0_usize, 0_usize);
    mask.runs(|_, _, columns| {
        count += columns.len();
        // Twice the sum of the run's columns.
        sum += columns.len() * (columns.start + columns.end - 1);
    });
    sum.checked_div(2 * count)
}

/// The lesions less what is too small to be trusted, and what lies outside the lungs.
fn clean(volume: &Volume, lungs: &Lungs, lesion: &BitMask, rules: &FindingRules) -> Components {
    let components = Components::of(lesion, Neighbours::TwentySix);
    let near = lungs.near(REACH_VOXELS);
    let mut touches = vec![false; components.found().len()];
    for span in components.spans() {
        let beside = near.any(span.z, span.y, span.columns.clone());
        if let Some(touch) = touches.get_mut(span.component).filter(|_| beside) {
            *touch = true;
        }
    }
    let large = |found: &Component| {
        Millilitre::of_voxels(found.voxels, volume.spacing).get() >= rules.component_min_ml
    };
    components.only(|number, found| touches.get(number).copied().unwrap_or(false) && large(found))
}

/// The cells of `grid` that `span` covers.
fn cells<'a, T>(grid: &'a Grid3<T>, span: &Span) -> &'a [T] {
    let row = grid.row(span.z, span.y);
    row.get(span.columns.clone()).unwrap_or(&[])
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
#[derive(Default)]
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

    /// The count of one third (0 lower, 1 middle, else upper) of one side.
    fn part(&mut self, side: Side, third: u8) -> &mut Count {
        let [right, left] = &mut self.0;
        let [lower, middle, upper] = match side {
            Side::Right => right,
            Side::Left => left,
        };
        match third {
            0 => lower,
            1 => middle,
            _ => upper,
        }
    }

    fn side_parts(&self, side: Side) -> &[Count; 3] {
        let [right, left] = &self.0;
        match side {
            Side::Right => right,
            Side::Left => left,
        }
    }
}

/// Lung voxels plane by plane, lesion voxels span by span.
fn count(lung: &LungMask, lungs: &Lungs, lesions: &Components, middle: usize) -> Counts {
    let mut counts = Counts::default();
    let third = |z| Zone::third_of(z, lung.bounds);
    for (side, mask) in [(Side::Right, &lungs.right), (Side::Left, &lungs.left)] {
        for (z, count) in mask.count_of_planes().enumerate() {
            counts.part(side, third(z)).whole += count;
        }
    }
    for span in lesions.spans() {
        for (x, cell) in span.columns.clone().zip(cells(&lung.sides, span)) {
            // A lesion voxel that holds no air belongs to the side it lies on, and to the whole.
            let beside = if x >= middle { Side::Left } else { Side::Right };
            let side = Side::of(*cell);
            let part = counts.part(side.unwrap_or(beside), third(span.z));
            part.lesion += 1;
            part.whole += usize::from(side.is_none());
        }
    }
    counts
}

/// The lesions, largest first.
fn lesions(volume: &Volume, components: &Components, middle: usize) -> Vec<Lesion> {
    let mut sums = vec![(0_i64, 0_usize); components.found().len()];
    for span in components.spans() {
        if let Some((sum, left)) = sums.get_mut(span.component) {
            *sum += cells(&volume.hu, span)
                .iter()
                .map(|hu| i64::from(*hu))
                .sum::<i64>();
            *left += span
                .columns
                .end
                .saturating_sub(span.columns.start.max(middle));
        }
    }
    let mut lesions: Vec<Lesion> = components
        .found()
        .iter()
        .zip(&sums)
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

//! From Hounsfield units to the mask of both lungs.

use super::side::{Side, split};
use crate::refusal::Refusal;
use crate::units::Millilitre;
use crate::volume::{BitMask, Component, Components, Grid3, Neighbours, Region, Volume, close};

/// What counts as lung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LungLimits {
    /// Voxels below this are air or lung, HU. Source: the valley between lung and soft tissue; scripts/training/grid.py.
    pub threshold_hu: i16,
    /// Components below this share of the largest are gas in stomach and bowel, not a second lung.
    pub share_min: f64,
    /// Components below this volume are not a lung, ml.
    pub component_min_ml: f64,
    /// Vessels and small lesions up to twice this many voxels wide are taken in.
    pub closing_voxels: usize,
    /// Below this there are no lungs in the volume, ml.
    pub volume_min_ml: f64,
}

impl Default for LungLimits {
    fn default() -> LungLimits {
        LungLimits {
            threshold_hu: -500,
            share_min: 1.0 / 12.0,
            component_min_ml: 33.0,
            closing_voxels: 3,
            volume_min_ml: 800.0,
        }
    }
}

/// Both lungs.
#[derive(Clone, Debug, PartialEq)]
pub struct LungMask {
    /// 0 outside, 1 in the patient's right lung, 2 in the left; index order `z, y, x`.
    pub sides: Grid3<u8>,
    /// The box of both lungs.
    pub bounds: Region,
    /// Volume of both lungs as far as they hold air.
    pub volume: Millilitre,
}

/// Finds the lungs: air inside the body, its large components, closed, split into right and left.
///
/// Air that reaches the sides of the picture lies outside the body; air that reaches the first or last slice may be lung.
/// Errors: [`Refusal::NoLungs`].
pub fn segment(volume: &Volume, limits: &LungLimits) -> Result<LungMask, Refusal> {
    let [_, height, width] = volume.hu.shape();
    let air = BitMask::of(&volume.hu, |hu| hu < limits.threshold_hu);
    let components = Components::of(&air, Neighbours::Six);
    let inside = |component: &Component| {
        let [_, [top, bottom], [first, last]] = component.bounds;
        top > 0 && first > 0 && bottom + 1 < height && last + 1 < width
    };
    let largest = components
        .found()
        .iter()
        .filter(|component| inside(component))
        .map(|found| found.voxels)
        .max();
    let largest = largest.unwrap_or(0);
    let least_ml = |found: &Component| Millilitre::of_voxels(found.voxels, volume.spacing).get();
    let is_lung = |found: &Component| {
        inside(found)
            && found.voxels as f64 >= limits.share_min * largest as f64
            && least_ml(found) >= limits.component_min_ml
    };
    let mask = close(
        &components.only(|_, found| is_lung(found)).mask(),
        limits.closing_voxels,
    );
    let found = Millilitre::of_voxels(mask.count(), volume.spacing);
    let Some(bounds) = bounds(&mask).filter(|_| found.get() >= limits.volume_min_ml) else {
        return Err(Refusal::NoLungs {
            found_ml: found.get(),
            least_ml: limits.volume_min_ml,
        });
    };
    Ok(LungMask {
        sides: split(&mask, bounds),
        bounds,
        volume: found,
    })
}

impl LungMask {
    /// The box that the network sees: the lungs with `margin` voxels on each side, each size a multiple of `multiple`.
    ///
    /// The box may reach past the volume's end; a crop fills it with air.
    pub fn network_box(&self, margin: usize, multiple: usize) -> Region {
        let mut region = self.bounds;
        let shape = self.sides.shape();
        for ((start, size), limit) in region.start.iter_mut().zip(&mut region.size).zip(shape) {
            let end = (*start + *size + margin).min(limit);
            *start = start.saturating_sub(margin);
            *size = (end - *start).next_multiple_of(multiple.max(1));
        }
        region
    }

    /// The side of the voxel `z, y, x`; `None` outside the lungs.
    pub fn side(&self, z: usize, y: usize, x: usize) -> Option<Side> {
        Side::of(self.sides.get(z, y, x)?)
    }

    /// Whether a lung reaches the first or the last slice: it may go on outside the volume.
    pub fn is_cut_off(&self) -> bool {
        let [depth, _, _] = self.sides.shape();
        let holds = |z: usize| {
            self.sides
                .plane(z)
                .iter()
                .filter(|value| **value != 0)
                .count()
                > CUT_VOXELS_MIN
        };
        holds(0) || holds(depth.saturating_sub(1))
    }
}

/// The trachea and specks of noise reach the first slice of a whole chest too; a cut lung is larger.
const CUT_VOXELS_MIN: usize = 120;

/// The smallest box that holds the mask; `None` when it is empty.
fn bounds(mask: &BitMask) -> Option<Region> {
    let mut low = [usize::MAX; 3];
    let mut high = [0; 3];
    mask.runs(|z, y, columns| {
        let ends = [(z, z + 1), (y, y + 1), (columns.start, columns.end)];
        for ((low, high), (first, end)) in low.iter_mut().zip(&mut high).zip(ends) {
            *low = (*low).min(first);
            *high = (*high).max(end);
        }
    });
    let [start_z, start_y, start_x] = low;
    let [end_z, end_y, end_x] = high;
    (start_z < end_z).then(|| Region {
        start: low,
        size: [end_z - start_z, end_y - start_y, end_x - start_x],
    })
}

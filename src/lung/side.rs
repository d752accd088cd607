//! Right lung, left lung.

use crate::volume::{BitMask, Grid3, Region};

/// A lung, as the patient has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The patient's right: small x.
    Right,
    /// The patient's left: large x.
    Left,
}

impl Side {
    /// The word in zone names.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Right => "right",
            Side::Left => "left",
        }
    }

    /// The value that stands for the side in a mask.
    pub fn mark(self) -> u8 {
        match self {
            Side::Right => 1,
            Side::Left => 2,
        }
    }

    /// The side that a mask's value stands for.
    pub fn of(value: u8) -> Option<Side> {
        match value {
            1 => Some(Side::Right),
            2 => Some(Side::Left),
            _ => None,
        }
    }
}

/// 1 for the right and 2 for the left lung of `mask`, cut at the sagittal plane that holds the least lung in the middle
/// third of `bounds`: there lies the mediastinum, also where the lungs touch in front of the heart.
pub(super) fn split(mask: &BitMask, bounds: Region) -> Grid3<u8> {
    let [_, _, start] = bounds.start;
    let [_, _, size] = bounds.size;
    let areas = column_areas(mask);
    let middle = areas
        .iter()
        .enumerate()
        .skip(start + size / 3)
        .take((size / 3).max(1));
    let cut = middle
        .min_by_key(|(_, area)| **area)
        .map_or(start + size / 2, |(x, _)| x);
    let mut sides = Grid3::filled(mask.shape(), 0_u8);
    mask.runs(|z, y, columns| {
        let row = sides.row_mut(z, y);
        let between = cut.clamp(columns.start, columns.end);
        for (part, side) in [
            (columns.start..between, Side::Right),
            (between..columns.end, Side::Left),
        ] {
            if let Some(cells) = row.get_mut(part) {
                cells.fill(side.mark());
            }
        }
    });
    sides
}

/// Voxels of the mask in each column: each run adds one where it begins and takes it away where it ends.
fn column_areas(mask: &BitMask) -> Vec<i64> {
    let [_, _, width] = mask.shape();
    let mut areas = vec![0_i64; width + 1];
    mask.runs(|_, _, columns| {
        for (end, change) in [(columns.start, 1), (columns.end, -1)] {
            if let Some(area) = areas.get_mut(end) {
                *area += change;
            }
        }
    });
    let mut sum = 0;
    for area in &mut areas {
        sum += *area;
        *area = sum;
    }
    areas.truncate(width);
    areas
}

//! Right lung, left lung.

use crate::volume::{Grid3, Region};

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
pub(super) fn split(mask: &Grid3<u8>, bounds: Region) -> Grid3<u8> {
    let [_, _, width] = mask.shape();
    let mut areas = vec![0_usize; width];
    for row in mask.values().chunks_exact(width.max(1)) {
        for (area, value) in areas.iter_mut().zip(row) {
            *area += usize::from(*value != 0);
        }
    }
    let [_, _, start] = bounds.start;
    let [_, _, size] = bounds.size;
    let middle = areas
        .iter()
        .enumerate()
        .skip(start + size / 3)
        .take((size / 3).max(1));
    let cut = middle
        .min_by_key(|(_, area)| **area)
        .map_or(start + size / 2, |(x, _)| x);
    let mut sides = mask.clone();
    for row in sides.values_mut().chunks_exact_mut(width.max(1)) {
        for (x, value) in row.iter_mut().enumerate().filter(|(_, value)| **value != 0) {
            *value = if x < cut { 1 } else { 2 };
        }
    }
    sides
}

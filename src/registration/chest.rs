//! A chest small enough to be kept: lung and lesion voxels, counted in cells of two voxels an edge.

use crate::lung::{LungMask, Side};
use crate::units::Spacing;
use crate::volume::{Grid3, Region};

/// Voxels along each edge of a cell.
pub(super) const CELL: usize = 2;
/// Voxels of a full cell.
pub(super) const FULL: u8 = 8;

/// Lungs and lesions of one scan, halved in resolution; no grey values. Index order `z, y, x`, as in its volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ReducedChest {
    /// Edges of a cell `z, y, x`, mm.
    pub(super) cell_mm: [f64; 3],
    /// Voxels of lung OR lesion in each cell, 0 to 8, of the right and of the left lung.
    pub(super) whole: [Grid3<u8>; 2],
    /// Voxels of lesion among them.
    pub(super) lesion: [Grid3<u8>; 2],
    /// The lungs' first plane and their number of planes, voxels from the lower face of the first cell: the thirds of
    /// the zones are those of this height.
    pub(super) height: [usize; 2],
}

impl ReducedChest {
    /// The chest of `lung` and of `lesion` (not 0 in a lesion), both on one grid of `spacing`.
    ///
    /// Lesion voxels without air belong to the side they lie on, as in the finding's zones. `None`: the grids differ.
    pub fn of(lung: &LungMask, lesion: &Grid3<u8>, spacing: Spacing) -> Option<ReducedChest> {
        ReducedChest::placed(lung, lesion, spacing).map(|(chest, _)| chest)
    }

    /// As [`ReducedChest::of`], with the voxel `z, y, x` of the grid in which the first cell begins.
    pub fn placed(
        lung: &LungMask,
        lesion: &Grid3<u8>,
        spacing: Spacing,
    ) -> Option<(ReducedChest, [usize; 3])> {
        if lesion.shape() != lung.sides.shape() {
            return None;
        }
        let region = hull(lung.bounds, lesion);
        let cells = region.size.map(|size| size.div_ceil(CELL));
        let empty = || Grid3::filled(cells, 0_u8);
        let edge = |voxel: f64| voxel * CELL as f64;
        let [start, _, _] = region.start;
        let [bottom, _, _] = lung.bounds.start;
        let [planes, _, _] = lung.bounds.size;
        let mut chest = ReducedChest {
            cell_mm: [edge(spacing.z()), edge(spacing.y()), edge(spacing.x())],
            whole: [empty(), empty()],
            lesion: [empty(), empty()],
            height: [bottom - start, planes],
        };
        chest.take_lungs(&lung.sides, region);
        chest.take_lesions(&lung.sides, lesion, region);
        Some((chest, region.start))
    }

    /// Planes, rows, columns of cells.
    pub fn shape(&self) -> [usize; 3] {
        let [right, _] = &self.whole;
        right.shape()
    }

    /// Volume of one voxel, mm³.
    pub(super) fn voxel_mm3(&self) -> f64 {
        self.cell_mm.iter().product::<f64>() / f64::from(FULL)
    }

    /// Volume of lung OR lesion, mm³.
    pub(super) fn volume_mm3(&self) -> f64 {
        let voxels = self.whole.iter().flat_map(|side| side.values());
        voxels.map(|count| f64::from(*count)).sum::<f64>() * self.voxel_mm3()
    }

    /// Voxels of lung OR lesion in each cell, both lungs.
    pub(super) fn both(&self) -> Grid3<u8> {
        let [right, left] = &self.whole;
        let mut both = right.clone();
        for (sum, other) in both.values_mut().iter_mut().zip(left.values()) {
            *sum = sum.saturating_add(*other).min(FULL);
        }
        both
    }

    fn take_lungs(&mut self, sides: &Grid3<u8>, region: Region) {
        let [right, left] = &mut self.whole;
        for (z, y, row) in rows(sides, region) {
            for (cells, side) in [(&mut *right, Side::Right), (&mut *left, Side::Left)] {
                let mark = side.mark();
                let cells = cells.row_mut(z / CELL, y / CELL);
                let (pairs, last) = row.as_chunks::<CELL>();
                let (inner, rest) = cells.split_at_mut(pairs.len().min(cells.len()));
                for (cell, [one, other]) in inner.iter_mut().zip(pairs) {
                    *cell += u8::from(*one == mark) + u8::from(*other == mark);
                }
                for (cell, voxel) in rest.iter_mut().zip(last) {
                    *cell += u8::from(*voxel == mark);
                }
            }
        }
    }

    fn take_lesions(&mut self, sides: &Grid3<u8>, lesion: &Grid3<u8>, region: Region) {
        let middle = self.middle();
        let [start_z, start_y, start_x] = region.start;
        let ([whole_right, whole_left], [lesion_right, lesion_left]) =
            (&mut self.whole, &mut self.lesion);
        for (z, y, row) in rows(lesion, region) {
            for (x, _) in row.iter().enumerate().filter(|(_, found)| **found != 0) {
                let cell = [z / CELL, y / CELL, x / CELL];
                let mark = sides.get(start_z + z, start_y + y, start_x + x);
                let own = mark.and_then(Side::of);
                let beside = if x >= middle { Side::Left } else { Side::Right };
                let (whole, lesion) = match own.unwrap_or(beside) {
                    Side::Right => (&mut *whole_right, &mut *lesion_right),
                    Side::Left => (&mut *whole_left, &mut *lesion_left),
                };
                count(lesion, cell);
                if own.is_none() {
                    count(whole, cell);
                }
            }
        }
    }

    /// The column between the lungs, half-way between the mean columns of the two; voxels from the first.
    fn middle(&self) -> usize {
        let [_, _, width] = self.shape();
        let mean = |side: &Grid3<u8>| {
            let (mut voxels, mut sum) = (0_usize, 0_usize);
            for row in side.values().chunks_exact(width.max(1)) {
                for (x, count) in row.iter().enumerate() {
                    voxels += usize::from(*count);
                    sum += x * usize::from(*count);
                }
            }
            (sum * CELL).checked_div(voxels)
        };
        let [right, left] = &self.whole;
        match (mean(right), mean(left)) {
            (Some(right), Some(left)) => right.midpoint(left) + 1,
            (Some(_), None) => usize::MAX,
            (None, Some(_)) | (None, None) => 0,
        }
    }
}

fn count(grid: &mut Grid3<u8>, [z, y, x]: [usize; 3]) {
    if let Some(found) = grid.get(z, y, x) {
        grid.set(z, y, x, found.saturating_add(1).min(FULL));
    }
}

/// The rows of `grid` inside `region` that hold anything, with plane and row counted from the region's start.
fn rows(grid: &Grid3<u8>, region: Region) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let [start_z, start_y, start_x] = region.start;
    let [depth, height, width] = region.size;
    let places = (0..depth).flat_map(move |z| (0..height).map(move |y| (z, y)));
    places.filter_map(move |(z, y)| {
        let row = grid.row(start_z + z, start_y + y);
        let row = row.get(start_x..start_x + width)?;
        holds(row).then_some((z, y, row))
    })
}

fn holds(row: &[u8]) -> bool {
    row.iter().fold(0, |all, found| all | found) != 0
}

/// The smallest box that holds `bounds` and every lesion.
fn hull(bounds: Region, lesion: &Grid3<u8>) -> Region {
    let mut low = bounds.start;
    let mut high = bounds.start;
    for (high, size) in high.iter_mut().zip(bounds.size) {
        *high += size;
    }
    for (z, plane) in lesion.planes().enumerate() {
        let [_, _, width] = lesion.shape();
        for (y, row) in plane.chunks_exact(width.max(1)).enumerate() {
            if !holds(row) {
                continue;
            }
            let first = row.iter().position(|found| *found != 0).unwrap_or(0);
            let last = row.iter().rposition(|found| *found != 0).unwrap_or(0);
            let ends = [(z, z), (y, y), (first, last)];
            for ((low, high), (first, last)) in low.iter_mut().zip(&mut high).zip(ends) {
                *low = (*low).min(first);
                *high = (*high).max(last + 1);
            }
        }
    }
    let mut size = high;
    for (size, low) in size.iter_mut().zip(low) {
        *size -= low;
    }
    Region { start: low, size }
}

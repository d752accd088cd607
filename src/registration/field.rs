//! How full of lung each place is, smoothed over some cells: the hill that the fit climbs.

use super::chest::{CELL, FULL, ReducedChest};
use crate::volume::{Grid3, whole};

/// Both lungs of a chest: how many of its voxels each cell holds.
#[derive(Debug)]
pub(super) struct Lungs {
    voxels: Grid3<u8>,
    /// What a full cell holds.
    full: u8,
    cell_mm: [f64; 3],
}

impl Lungs {
    pub(super) fn of(chest: &ReducedChest) -> Lungs {
        Lungs {
            voxels: chest.both(),
            full: FULL,
            cell_mm: chest.cell_mm,
        }
    }

    /// The same in cells of twice the edge.
    pub(super) fn halved(&self) -> Lungs {
        let [_, rows, columns] = self.voxels.shape();
        let shape = self.voxels.shape().map(|size| size.div_ceil(CELL));
        let mut voxels = Grid3::filled(shape, 0_u8);
        for (z, plane) in self.voxels.planes().enumerate() {
            for (y, row) in plane.chunks_exact(columns.max(1)).enumerate().take(rows) {
                let to = voxels.row_mut(z / CELL, y / CELL);
                for (sum, cells) in to.iter_mut().zip(row.chunks(CELL)) {
                    *sum += cells.iter().sum::<u8>();
                }
            }
        }
        Lungs {
            voxels,
            full: self.full.saturating_mul(FULL),
            cell_mm: self.cell_mm.map(|edge| edge * CELL as f64),
        }
    }

    /// Voxels of lung along each axis `z, y, x`: in each plane, each row, each column.
    pub(super) fn along(&self) -> [Vec<u64>; 3] {
        let [depth, rows, columns] = self.voxels.shape();
        let mut along = [vec![0_u64; depth], vec![0; rows], vec![0; columns]];
        let [along_z, along_y, along_x] = &mut along;
        for (plane, in_plane) in self.voxels.planes().zip(along_z) {
            for (row, in_row) in plane.chunks_exact(columns.max(1)).zip(&mut *along_y) {
                let mut sum = 0;
                for (count, in_column) in row.iter().zip(&mut *along_x) {
                    sum += u64::from(*count);
                    *in_column += u64::from(*count);
                }
                *in_row += sum;
                *in_plane += sum;
            }
        }
        along
    }

    /// Edges of a cell `z, y, x`, mm.
    pub(super) fn cell_mm(&self) -> [f64; 3] {
        self.cell_mm
    }
}

/// The lungs of one chest, smoothed by a box, with an empty margin as wide as the box reaches.
#[derive(Debug)]
pub(super) struct Field {
    /// Lung voxels in the box around each cell; at most 64 × 9³, which fits.
    sums: Grid3<u16>,
    cell_mm: [f64; 3],
    margin: usize,
    /// What a box full of lung holds.
    full: f64,
}

/// A place on the hill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// `z, y, x` from the corner of the first cell, mm.
    pub(super) at: [f64; 3],
    /// 0 outside to 1 inside.
    pub(super) height: f64,
}

impl Field {
    /// The field of `lungs`; each cell is the mean of those at most `reach` (0 to 4) away along each axis.
    pub(super) fn of(lungs: &Lungs, reach: usize) -> Field {
        let margin = reach + 1;
        let (cell_mm, full) = (lungs.cell_mm, f64::from(lungs.full));
        let lungs = &lungs.voxels;
        let [_, rows, columns] = lungs.shape();
        let mut sums = Grid3::filled(lungs.shape().map(|size| size + 2 * margin), 0_u16);
        for (z, plane) in lungs.planes().enumerate() {
            for (y, row) in plane.chunks_exact(columns.max(1)).enumerate().take(rows) {
                let to = sums.row_mut(z + margin, y + margin);
                let to = to.get_mut(margin..).unwrap_or(&mut []);
                for (to, from) in to.iter_mut().zip(row) {
                    *to = u16::from(*from);
                }
            }
        }
        if reach > 0 {
            smooth(&mut sums, reach);
        }
        let width = (2 * reach + 1) as f64;
        Field {
            sums,
            cell_mm,
            margin,
            full: full * width.powi(3),
        }
    }

    /// About `wanted` spots on the slope between outside and inside, evenly taken in index order.
    pub(super) fn slope(&self, wanted: usize) -> Vec<Spot> {
        let [low, high] = [0.02, 0.98].map(|share| u16::try_from(whole(share * self.full)));
        let (low, high) = (low.unwrap_or(u16::MAX), high.unwrap_or(u16::MAX));
        let on_slope = |sum: u16| sum > low && sum < high;
        let cells = self.sums.values();
        let found = cells.iter().filter(|sum| on_slope(**sum)).count();
        let taken = self.every(found / wanted.max(1));
        let taken = taken.filter(|(_, sum)| on_slope(**sum));
        taken.map(|(index, sum)| self.spot(index, *sum)).collect()
    }

    /// Of `few` cells that hold lung one, or all.
    pub(super) fn lung(&self, few: usize) -> impl Iterator<Item = Spot> {
        let held = self.every(few).filter(|(_, sum)| **sum > 0);
        held.map(|(index, sum)| self.spot(index, *sum))
    }

    /// About every `few`th cell with its number, spread over all rows and columns.
    fn every(&self, few: usize) -> impl Iterator<Item = (usize, &u16)> {
        let [_, rows, columns] = self.sums.shape();
        // A step that shares a factor with the row's length would meet some columns again and again, and others never.
        let apart = |step: &usize| divisor(*step, rows * columns) == 1;
        let step = (few.max(1)..).find(apart).unwrap_or(1);
        self.sums.values().iter().enumerate().step_by(step)
    }

    /// Area of the lungs' surface, mm².
    ///
    /// Faces of cells overstate it by half, on the average over all directions: the mean of |nx| + |ny| + |nz| over unit
    /// vectors is 3/2 (Cauchy's projections).
    pub(super) fn surface_mm2(&self) -> f64 {
        let [_, rows, columns] = self.sums.shape();
        let half = u16::try_from(whole(self.full / 2.0)).unwrap_or(u16::MAX);
        let inside = |sum: u16| sum >= half;
        // The empty margin parts each row and plane from the next.
        let faces = |stride: usize| {
            let cells = self.sums.values();
            let later = cells.get(stride..).unwrap_or(&[]);
            let pairs = cells.iter().zip(later);
            let changes = pairs.filter(|(one, other)| inside(**one) != inside(**other));
            changes.count() as f64
        };
        let [z, y, x] = self.cell_mm;
        let along = faces(1) * z * y + faces(columns) * z * x + faces(rows * columns) * y * x;
        along.max(1.0) * 2.0 / 3.0
    }

    /// The cell of number `index`.
    fn spot(&self, index: usize, sum: u16) -> Spot {
        let [_, rows, columns] = self.sums.shape();
        let (row, x) = (index / columns.max(1), index % columns.max(1));
        let cell = [row / rows.max(1), row % rows.max(1), x];
        let mut at = self.cell_mm;
        for (at, cell) in at.iter_mut().zip(cell) {
            *at *= cell as f64 + 0.5 - self.margin as f64;
        }
        Spot {
            at,
            height: f64::from(sum) / self.full,
        }
    }

    /// Height and its slope a mm at `at`, interpolated trilinearly; nothing outside.
    pub(super) fn at(&self, at: [f64; 3]) -> (f64, [f64; 3]) {
        let mut low = [0_usize; 3];
        let mut part = [0.0; 3];
        let axes = at.iter().zip(self.cell_mm).zip(self.sums.shape());
        for (((at, cell), size), (low, part)) in axes.zip(low.iter_mut().zip(&mut part)) {
            let index = at / cell - 0.5 + self.margin as f64;
            // Written so that not-a-number lies outside.
            if !(index >= 0.0 && index < (size - 1) as f64) {
                return (0.0, [0.0; 3]);
            }
            *low = whole(index);
            *part = index - *low as f64;
        }
        let ([z, y, x], [pz, py, px]) = (low, part);
        let pair = |dz, dy| match self.sums.row(z + dz, y + dy).get(x..x + 2) {
            Some([low, high]) => (f64::from(*low), f64::from(*high)),
            Some(_) | None => (0.0, 0.0),
        };
        let mix = |low: f64, high: f64, part: f64| low + (high - low) * part;
        let [row_ll, row_lh, row_hl, row_hh] = [pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 1)];
        let along = |row: (f64, f64)| mix(row.0, row.1, px);
        let rise = |row: (f64, f64)| row.1 - row.0;
        let [low_y, high_y] = [
            mix(along(row_ll), along(row_lh), py),
            mix(along(row_hl), along(row_hh), py),
        ];
        let slope_y = mix(
            along(row_lh) - along(row_ll),
            along(row_hh) - along(row_hl),
            pz,
        );
        let slope_x = mix(
            mix(rise(row_ll), rise(row_lh), py),
            mix(rise(row_hl), rise(row_hh), py),
            pz,
        );
        let mut slope = [high_y - low_y, slope_y, slope_x];
        for (slope, cell) in slope.iter_mut().zip(self.cell_mm) {
            *slope /= cell * self.full;
        }
        (mix(low_y, high_y, pz) / self.full, slope)
    }
}

/// The greatest number that divides both. Source: Euclid, Elements VII.2.
fn divisor(mut one: usize, mut other: usize) -> usize {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// Each cell becomes the sum of those at most `reach` away along each axis: three passes of a sliding window.
fn smooth(sums: &mut Grid3<u16>, reach: usize) {
    let [_, rows, columns] = sums.shape();
    let mut row_before = Vec::with_capacity(columns);
    for row in sums.values_mut().chunks_exact_mut(columns.max(1)) {
        if row.iter().fold(0, |all, sum| all | sum) == 0 {
            continue;
        }
        row_before.clear();
        row_before.extend_from_slice(row);
        let entering = row_before.iter().copied().chain(std::iter::repeat(0));
        let leaving = std::iter::repeat_n(0, 2 * reach + 1).chain(row_before.iter().copied());
        let windows = entering.zip(leaving).scan(0_u16, |sum, (enters, leaves)| {
            *sum = *sum + enters - leaves;
            Some(*sum)
        });
        for (to, sum) in row.iter_mut().zip(windows.skip(reach)) {
            *to = sum;
        }
    }
    for plane in sums.planes_mut() {
        slide(plane, columns, reach);
    }
    slide(sums.values_mut(), rows * columns, reach);
}

/// The same along chunks of `length` values.
fn slide(values: &mut [u16], length: usize, reach: usize) {
    let before = values.to_vec();
    let chunk = |index: usize| before.get(index * length..(index + 1) * length);
    let mut sum = vec![0_u16; length];
    for index in 0..reach {
        add(&mut sum, chunk(index));
    }
    for (index, to) in values.chunks_exact_mut(length.max(1)).enumerate() {
        add(&mut sum, chunk(index + reach));
        if let Some(leaving) = index.checked_sub(reach + 1).and_then(chunk) {
            for (sum, leaves) in sum.iter_mut().zip(leaving) {
                *sum -= leaves;
            }
        }
        to.copy_from_slice(&sum);
    }
}

fn add(sum: &mut [u16], entering: Option<&[u16]>) {
    for (sum, enters) in sum.iter_mut().zip(entering.unwrap_or(&[])) {
        *sum += enters;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_the_sum_of_its_box() {
        let shape = [7, 8, 9];
        let values: Vec<u16> = (0..7 * 8 * 9).map(|index| index * 37 % 9).collect();
        let before = Grid3::from_values(shape, values).unwrap();
        let mut after = before.clone();
        smooth(&mut after, 2);
        for (z, y, x) in [(0, 0, 0), (3, 4, 5), (6, 7, 8), (1, 6, 2)] {
            let near = |at: usize, size: usize| at.saturating_sub(2)..(at + 3).min(size);
            let mut wanted = 0;
            for z in near(z, 7) {
                for y in near(y, 8) {
                    for x in near(x, 9) {
                        wanted += before.get(z, y, x).unwrap();
                    }
                }
            }
            assert_eq!(after.get(z, y, x), Some(wanted), "{z} {y} {x}");
        }
    }
}

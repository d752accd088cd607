//! How full of lung each place is, smoothed over some cells: the hill that the fit climbs.

use super::chest::{FULL, ReducedChest};
use crate::volume::{Grid3, whole};

/// The lungs of one chest, smoothed by a box, with an empty margin as wide as the box reaches.
#[derive(Debug)]
pub(super) struct Field {
    /// Lung voxels in the box around each cell; at most 8 × 9³, which fits.
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
    /// The field of `chest`; each cell is the mean of those at most `reach` (0 to 4) away along each axis.
    pub(super) fn of(chest: &ReducedChest, reach: usize) -> Field {
        let margin = reach + 1;
        let lungs = chest.both();
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
            cell_mm: chest.cell_mm,
            margin,
            full: f64::from(FULL) * width.powi(3),
        }
    }

    /// About `wanted` spots on the slope between outside and inside, evenly taken in index order.
    pub(super) fn slope(&self, wanted: usize) -> Vec<Spot> {
        let on_slope = |sum: u16| {
            let height = f64::from(sum) / self.full;
            (0.02..0.98).contains(&height).then_some(height)
        };
        let found = self.sums.values().iter();
        let found = found.filter(|sum| on_slope(**sum).is_some()).count();
        let spots = self.places().filter_map(|(at, sum)| {
            on_slope(sum).map(|height| Spot {
                at: self.millimetres(at),
                height,
            })
        });
        spots.step_by((found / wanted.max(1)).max(1)).collect()
    }

    /// Every cell that holds lung.
    pub(super) fn lung(&self) -> impl Iterator<Item = Spot> {
        let held = self.places().filter(|(_, sum)| *sum > 0);
        held.map(|(at, sum)| Spot {
            at: self.millimetres(at),
            height: f64::from(sum) / self.full,
        })
    }

    /// Area of the lungs' surface, mm².
    ///
    /// Faces of cells overstate it by half, on the average over all directions: the mean of |nx| + |ny| + |nz| over unit
    /// vectors is 3/2 (Cauchy's projections).
    pub(super) fn surface_mm2(&self) -> f64 {
        let [_, rows, columns] = self.sums.shape();
        let inside = |sum: u16| f64::from(sum) >= self.full / 2.0;
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

    fn places(&self) -> impl Iterator<Item = ([usize; 3], u16)> {
        let [_, rows, columns] = self.sums.shape();
        let cells = self.sums.values().iter().enumerate();
        cells.map(move |(index, sum)| {
            let (row, x) = (index / columns.max(1), index % columns.max(1));
            ([row / rows.max(1), row % rows.max(1), x], *sum)
        })
    }

    fn millimetres(&self, cell: [usize; 3]) -> [f64; 3] {
        let mut at = self.cell_mm;
        for (at, cell) in at.iter_mut().zip(cell) {
            *at *= cell as f64 + 0.5 - self.margin as f64;
        }
        at
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

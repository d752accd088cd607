//! A mask as bits: 64 voxels of a row in one word, so that growing, counting and finding runs take few steps.

use super::grid::Grid3;
use std::ops::Range;

/// Voxels a word.
const WORD: usize = 64;

/// A mask of `z, y, x`; each row begins with a new word, its bits past the last column are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitMask {
    shape: [usize; 3],
    /// Words a row.
    across: usize,
    words: Vec<u64>,
}

impl BitMask {
    /// The empty mask of `shape`.
    pub fn empty(shape: [usize; 3]) -> BitMask {
        let [depth, height, width] = shape;
        let across = width.div_ceil(WORD);
        BitMask {
            shape,
            across,
            words: vec![0; depth * height * across],
        }
    }

    /// The voxels of `grid` that pass `test`.
    pub fn of<T: Copy>(grid: &Grid3<T>, test: impl Fn(T) -> bool) -> BitMask {
        let mut mask = BitMask::empty(grid.shape());
        let [_, _, width] = grid.shape();
        let rows = grid.values().chunks_exact(width.max(1));
        for (words, row) in mask.words.chunks_exact_mut(mask.across.max(1)).zip(rows) {
            for (word, cells) in words.iter_mut().zip(row.chunks(WORD)) {
                let mut marks = [0_u8; WORD];
                for (mark, cell) in marks.iter_mut().zip(cells) {
                    *mark = u8::from(test(*cell));
                }
                *word = gathered(&marks);
            }
        }
        mask
    }

    /// Planes, rows, columns.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Voxels in the mask.
    pub fn count(&self) -> usize {
        ones(&self.words)
    }

    /// Voxels in each plane.
    pub fn count_of_planes(&self) -> impl Iterator<Item = usize> {
        let [_, height, _] = self.shape;
        self.words
            .chunks_exact((height * self.across).max(1))
            .map(ones)
    }

    /// Calls `each` with plane, row and columns of every run of voxels, in index order.
    pub fn runs(&self, mut each: impl FnMut(usize, usize, Range<usize>)) {
        let [_, height, width] = self.shape;
        for (row, words) in self.words.chunks_exact(self.across.max(1)).enumerate() {
            let (z, y) = (row / height, row % height);
            runs_of(words, width, |columns| each(z, y, columns));
        }
    }

    /// Whether any voxel of these columns is in the mask.
    pub fn any(&self, z: usize, y: usize, columns: Range<usize>) -> bool {
        let words = self.row(z, y);
        parts(columns).any(|(word, bits)| words.get(word).is_some_and(|found| found & bits != 0))
    }

    /// Takes these columns in; what lies outside is left out.
    pub fn fill(&mut self, z: usize, y: usize, columns: Range<usize>) {
        let [_, height, width] = self.shape;
        let inside = columns.start.min(width)..columns.end.min(width);
        let start = (z * height + y) * self.across;
        let words = self.words.get_mut(start..start + self.across);
        let words = words.filter(|_| y < height).unwrap_or(&mut []);
        for (word, bits) in parts(inside) {
            if let Some(word) = words.get_mut(word) {
                *word |= bits;
            }
        }
    }

    /// The mask with all that is in `other` too; both of one shape.
    #[must_use]
    pub fn or(mut self, other: &BitMask) -> BitMask {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own |= other;
        }
        self
    }

    /// 1 in the mask, 0 outside.
    pub fn grid(&self) -> Grid3<u8> {
        let mut grid = Grid3::filled(self.shape, 0_u8);
        self.runs(|z, y, columns| {
            if let Some(cells) = grid.row_mut(z, y).get_mut(columns) {
                cells.fill(1);
            }
        });
        grid
    }

    /// The words of row `z, y`; empty outside.
    pub(super) fn row(&self, z: usize, y: usize) -> &[u64] {
        let [_, height, _] = self.shape;
        let start = (z * height + y) * self.across;
        let words = self.words.get(start..start + self.across);
        words.filter(|_| y < height).unwrap_or(&[])
    }

    pub(super) fn row_mut(&mut self, z: usize, y: usize) -> &mut [u64] {
        let [_, height, _] = self.shape;
        let start = (z * height + y) * self.across;
        let words = self.words.get_mut(start..start + self.across);
        words.filter(|_| y < height).unwrap_or(&mut [])
    }

    /// Words a row, and all words row by row.
    pub(super) fn words(&self) -> (usize, &[u64]) {
        (self.across, &self.words)
    }
}

/// Marks of 0 and 1 as bits, the first one lowest. Two loops, this one and the caller's, each of which takes many at a time.
fn gathered(marks: &[u8; WORD]) -> u64 {
    // The product brings the lowest bits of eight bytes together in its highest byte; no two meet anywhere else.
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = marks.as_chunks::<8>();
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(TOGETHER) >> 56;
    let eights = eights.iter().rev();
    eights.fold(0, |word, eight| word << 8 | bits(eight))
}

fn ones(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// The words that `columns` reach, and which of their bits.
fn parts(columns: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let words = columns.start / WORD..columns.end.div_ceil(WORD);
    words.map(move |word| {
        let first = columns.start.saturating_sub(word * WORD);
        let last = (columns.end - word * WORD).min(WORD);
        let below = |end: usize| u64::MAX.checked_shr(u32::try_from(WORD - end).unwrap_or(64));
        (word, below(last).unwrap_or(0) & !below(first).unwrap_or(0))
    })
}

/// Calls `each` with every run of ones of a row.
pub(super) fn runs_of(words: &[u64], width: usize, mut each: impl FnMut(Range<usize>)) {
    let mut open: Option<usize> = None;
    for (word, base) in words.iter().zip((0..).step_by(WORD)) {
        let mut at = 0;
        while at < WORD {
            let rest = word >> at;
            match open {
                None if rest == 0 => break,
                None => {
                    at += rest.trailing_zeros() as usize;
                    open = Some(base + at);
                }
                Some(start) => {
                    at += rest.trailing_ones() as usize;
                    if at < WORD {
                        each(start..base + at);
                        open = None;
                    }
                }
            }
        }
    }
    if let Some(start) = open {
        each(start..width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn bits_are_the_cells_they_were_made_of(
            width in 1_usize..200, seed in proptest::collection::vec(proptest::bool::weighted(0.7), 400),
        ) {
            let cells: Vec<u8> = (0..2 * width).map(|index| u8::from(seed[index])).collect();
            let grid = Grid3::from_values([1, 2, width], cells.clone()).unwrap();
            let mask = BitMask::of(&grid, |cell| cell != 0);
            assert_eq!(mask.grid(), grid);
            assert_eq!(mask.count(), cells.iter().filter(|cell| **cell == 1).count());
            let mut again = BitMask::empty([1, 2, width]);
            let mut before = None;
            mask.runs(|z, y, columns| {
                assert!(mask.any(z, y, columns.clone()));
                assert!(before.is_none_or(|(row, end)| row < y || end < columns.start), "runs touch");
                before = Some((y, columns.end));
                again.fill(z, y, columns);
            });
            assert_eq!(again, mask);
            for (at, cell) in cells.iter().take(width).enumerate() {
                assert_eq!(mask.any(0, 0, at..at + 1), *cell == 1);
            }
        }
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut mask = BitMask::empty([2, 2, 70]);
        mask.fill(0, 1, 60..900);
        mask.fill(0, 2, 0..70);
        mask.fill(2, 0, 0..70);
        assert_eq!(mask.count_of_planes().collect::<Vec<_>>(), [10, 0]);
        assert!(!mask.any(1, 0, 0..70) && !mask.any(5, 0, 0..70) && mask.any(0, 1, 0..61));
    }
}

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

    /// The mask of `shape` whose words, row by row, are `words`; `None` where they are not as many, or have bits past the
    /// last column.
    pub fn from_words(shape: [usize; 3], words: Vec<u64>) -> Option<BitMask> {
        let mask = BitMask::empty(shape);
        let [_, _, width] = shape;
        let past = |row: &[u64]| {
            parts(width..mask.across * WORD)
                .any(|(word, bits)| row.get(word).is_some_and(|word| word & bits != 0))
        };
        let fits =
            words.len() == mask.words.len() && !words.chunks_exact(mask.across.max(1)).any(past);
        fits.then_some(BitMask { words, ..mask })
    }

    /// The mask in an empty one of `shape`, its first voxel at `start`; what reaches past `shape` is left out.
    #[must_use]
    pub fn placed(&self, shape: [usize; 3], start: [usize; 3]) -> BitMask {
        let mut placed = BitMask::empty(shape);
        let [start_z, start_y, start_x] = start;
        self.runs(|z, y, columns| {
            let columns = start_x + columns.start..start_x + columns.end;
            placed.fill(start_z + z, start_y + y, columns);
        });
        placed
    }

    /// Voxels in one of the masks only; both of one shape.
    pub fn differing(&self, other: &BitMask) -> usize {
        let pairs = self.words.iter().zip(&other.words);
        pairs
            .map(|(one, other)| (one ^ other).count_ones() as usize)
            .sum()
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

    /// Words a row, and all words row by row: 64 columns each, the first one lowest.
    pub fn words(&self) -> (usize, &[u64]) {
        (self.across, &self.words)
    }

    /// The same, to be written; bits past the last column have to stay 0.
    pub fn words_mut(&mut self) -> (usize, &mut [u64]) {
        (self.across, &mut self.words)
    }
}

/// Marks of 0 and 1 as bits, the first one lowest. Two loops, this one and the caller's, each of which takes many at a time.
fn gathered(marks: &[u8; WORD]) -> u64 {
    let (eights, _) = marks.as_chunks::<8>();
    let eights = eights.iter().rev();
    eights.fold(0, |word, eight| {
        word << 8 | together(u64::from_le_bytes(*eight))
    })
}

/// Eight bytes of 0 and 1 as bits, the lowest one first.
fn together(ones: u64) -> u64 {
    // The product brings the lowest bits of eight bytes together in its highest byte; no two meet anywhere else.
    ones.wrapping_mul(0x0102_0408_1020_4080) >> 56
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
            let (_, words) = mask.words();
            assert_eq!(BitMask::from_words([1, 2, width], words.to_vec()).as_ref(), Some(&mask));
            for (at, cell) in cells.iter().take(width).enumerate() {
                assert_eq!(mask.any(0, 0, at..at + 1), *cell == 1);
            }
        }
    }

    #[test]
    fn words_that_are_no_mask_are_refused() {
        assert!(BitMask::from_words([1, 1, 65], vec![u64::MAX, 1]).is_some());
        assert!(BitMask::from_words([1, 1, 65], vec![u64::MAX, 2]).is_none());
        assert!(BitMask::from_words([1, 1, 65], vec![u64::MAX]).is_none());
        assert!(BitMask::from_words([2, 1, 64], vec![u64::MAX; 2]).is_some());
        assert!(BitMask::from_words([0, 0, 0], vec![]).is_some());
    }

    #[test]
    fn a_mask_is_placed_in_another_shape() {
        let mut small = BitMask::empty([1, 2, 3]);
        small.fill(0, 0, 0..2);
        small.fill(0, 1, 2..3);
        let placed = small.placed([3, 3, 5], [2, 1, 3]);
        assert_eq!(placed.count(), 2);
        assert!(placed.any(2, 1, 3..4) && placed.any(2, 1, 4..5));
        assert_eq!(small.differing(&small.placed([1, 2, 3], [0, 0, 1])), 3);
        assert_eq!(small.placed([1, 1, 3], [1, 0, 0]).count(), 0);
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

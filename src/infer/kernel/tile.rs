//! How rows are cut into tiles for the vector instruction sets: some voxels times 16 or 32 output channels, whose sums
//! stay in registers while all taps are added to them.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    reason = "calls operators that work on raw pointers, bounded by `Rows::check`"
)]

use super::{LANES, PAIR, Rows};

/// Computes the voxels of a tile.
pub(super) type Tile = unsafe fn(rows: &mut Rows<'_>, place: Place);

/// Where a tile lies in its rows.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The pair of blocks of output channels.
    pub(super) pair: usize,
    /// The tile's first block in it.
    pub(super) block: usize,
    /// The row.
    pub(super) row: usize,
    /// Its first voxel.
    pub(super) from: usize,
}

impl Place {
    /// The first output channel.
    pub(super) fn channel(self) -> usize {
        (self.pair * PAIR + self.block) * LANES
    }
}

/// The operators of an instruction set. Handed out only on machines that have it.
pub(super) struct Tiles {
    /// For one block of output channels.
    pub(super) one: Widths,
    /// For a pair of blocks, which share each input; none where the registers do not suffice.
    pub(super) two: Option<Widths>,
    /// For the marks of the first block, a byte a voxel.
    pub(super) marks: Widths,
}

/// An operator for tiles of each width.
pub(super) struct Widths {
    /// For tiles of 1, 2, … voxels.
    pub(super) each: &'static [Tile],
    /// For [`LONG`] voxels, where the registers suffice: a tile's beginning and end are paid half as often.
    pub(super) long: Option<Tile>,
}

/// Voxels of a long tile.
pub(super) const LONG: usize = 28;
/// A rest of fewer voxels would take almost as long as a tile of usual width: long tiles leave none so narrow.
const REST_MIN: usize = 7;

/// Entry points for the tile widths given.
macro_rules! by_width {
    ($tile:ident::<$blocks:literal>: $($width:literal)*) => { &[$($tile::<$blocks, $width>),*] };
    ($tile:ident: $($width:literal)*) => { &[$($tile::<$width>),*] };
}
pub(super) use by_width;

/// How rows of one width are cut: long tiles, then others of nearly one width, as a narrow rest would cost almost as much as a full
/// tile. Found once for many rows: divisions for each of them show in layers with short lists.
struct Cut<'a> {
    widths: &'a Widths,
    longs: usize,
    /// The other tiles' least width, how many have a voxel more, and how many there are.
    least: usize,
    wider: usize,
    count: usize,
}

impl Cut<'_> {
    fn of(widths: &Widths, width: usize) -> Cut<'_> {
        let longs = widths.long.map_or(0, |_| longs(width));
        let rest = width - longs * LONG;
        let count = rest.div_ceil(widths.each.len());
        Cut {
            widths,
            longs,
            least: rest.checked_div(count).unwrap_or(0),
            wider: rest.checked_rem(count).unwrap_or(0),
            count,
        }
    }

    /// Computes a row to a block, or a pair.
    #[inline(always)]
    fn row(&self, rows: &mut Rows<'_>, pair: usize, block: usize, row: usize) {
        let at = |from| Place {
            pair,
            block,
            row,
            from,
        };
        let mut from = 0;
        if let Some(long) = self.widths.long {
            for _ in 0..self.longs {
                // SAFETY: the machine has the instructions, or `widths` would not be; the rows were checked, the tile lies in them.
                unsafe { long(rows, at(from)) }
                from += LONG;
            }
        }
        for tile in 0..self.count {
            let width = self.least + usize::from(tile < self.wider);
            // SAFETY: as above.
            unsafe { self.widths.each[width - 1](rows, at(from)) }
            from += width;
        }
    }
}

/// Computes the rows, which `Rows::check` has passed.
pub(super) fn run(rows: &mut Rows<'_>, tiles: &Tiles) {
    for pair in 0..rows.weights.pairs.len() {
        let blocks = rows.weights.pairs[pair].blocks;
        let (widths, taken) = match &tiles.two {
            Some(two) if blocks == PAIR => (two, PAIR),
            _ => (&tiles.one, 1),
        };
        let cut = Cut::of(widths, rows.width);
        for row in 0..rows.count {
            for block in (0..blocks).step_by(taken) {
                cut.row(rows, pair, block, row);
            }
        }
    }
}

/// Computes the rows' marks, which `Rows::check` has passed.
pub(super) fn mark(rows: &mut Rows<'_>, tiles: &Tiles) {
    let cut = Cut::of(&tiles.marks, rows.width);
    for row in 0..rows.count {
        cut.row(rows, 0, 0, row);
    }
}

/// How many long tiles a row of `width` voxels begins with.
fn longs(width: usize) -> usize {
    let most = width / LONG;
    match width % LONG {
        1..REST_MIN => most.saturating_sub(1),
        _ => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tiles_leave_no_narrow_rest() {
        for width in 1..200 {
            let rest = width - longs(width) * LONG;
            assert!(rest == 0 || rest >= REST_MIN || width < REST_MIN, "{width}");
            assert!(rest < LONG + REST_MIN, "{width}");
        }
        assert_eq!(longs(56), 2);
    }
}

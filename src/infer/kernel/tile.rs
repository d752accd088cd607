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

/// The operators of an instruction set, each list for tiles of 1, 2, … voxels. Handed out only on machines that have it.
pub(super) struct Tiles {
    /// For one block of output channels.
    pub(super) one: &'static [Tile],
    /// For a pair of blocks, which share each input; empty where the registers do not suffice.
    pub(super) two: &'static [Tile],
    /// For one block and [`LONG`] voxels, where the registers suffice: a tile's beginning and end are paid half as often.
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

/// Computes the rows, which `Rows::check` has passed.
pub(super) fn run(rows: &mut Rows<'_>, tiles: &Tiles) {
    for pair in 0..rows.weights.pairs.len() {
        let blocks = rows.weights.pairs[pair].blocks;
        let (by_width, taken) = if blocks == PAIR && !tiles.two.is_empty() {
            (tiles.two, PAIR)
        } else {
            (tiles.one, 1)
        };
        let long = tiles.long.filter(|_| taken == 1);
        let longs = long.map_or(0, |_| longs(rows.width));
        let begin = longs * LONG;
        // Tiles of nearly one width: a narrow rest would cost almost as much as a full tile.
        let rest = rows.width - begin;
        let count = rest.div_ceil(by_width.len());
        for row in 0..rows.count {
            for block in (0..blocks).step_by(taken) {
                let at = |from| Place {
                    pair,
                    block,
                    row,
                    from,
                };
                if let Some(long) = long {
                    for from in (0..begin).step_by(LONG) {
                        // SAFETY: the machine has the instructions, or `tiles` would not be; the rows were checked, the tile lies in them.
                        unsafe { long(rows, at(from)) }
                    }
                }
                for tile in 0..count {
                    let (from, to) = (tile * rest / count, (tile + 1) * rest / count);
                    // SAFETY: as above.
                    unsafe { by_width[to - from - 1](rows, at(begin + from)) }
                }
            }
        }
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

//! How a row is cut into tiles for the vector instruction sets: some voxels times 16 or 32 output channels, whose sums
//! stay in registers while all taps are added to them.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    reason = "calls operators that work on raw pointers, bounded by `Row::check`"
)]

use super::{GROUP, LANES, Row};

/// Bytes of the weights from four input channels to 16 output channels.
pub(super) const VECTOR: usize = LANES * GROUP;

/// Computes the voxels of a tile.
pub(super) type Tile = unsafe fn(row: &mut Row<'_>, place: Place);

/// Where a tile lies in its row.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The first block of 16 output channels.
    pub(super) block: usize,
    /// Bytes of weights of a block: known for the row, so that no tile counts them again.
    pub(super) per_block: usize,
    /// The first voxel.
    pub(super) from: usize,
}

/// The operators of an instruction set, each list for tiles of 1, 2, … voxels. Handed out only on machines that have it.
pub(super) struct Tiles {
    /// For one block of output channels.
    pub(super) one: &'static [Tile],
    /// For two blocks, which share each input; empty where the registers do not suffice.
    pub(super) two: &'static [Tile],
    /// For one block whose taps are rows of three neighbours, which share each input; empty where it does not pay.
    pub(super) triple: &'static [Tile],
}

/// Entry points for the tile widths given.
macro_rules! by_width {
    ($tile:ident::<$blocks:literal>: $($width:literal)*) => { &[$($tile::<$blocks, $width>),*] };
    ($tile:ident: $($width:literal)*) => { &[$($tile::<$width>),*] };
}
pub(super) use by_width;

/// Computes the whole row, which `Row::check` has passed.
pub(super) fn run(row: &mut Row<'_>, tiles: &Tiles) {
    let blocks = row.bias.len() / LANES;
    let three = !tiles.triple.is_empty() && has_triples(row);
    let per_block = row.block_bytes();
    let mut block = 0;
    while block < blocks {
        let (by_width, taken) = if block + 1 < blocks && !tiles.two.is_empty() {
            (tiles.two, 2)
        } else if three {
            (tiles.triple, 1)
        } else {
            (tiles.one, 1)
        };
        // Tiles of nearly one width: a narrow rest would cost almost as much as a full tile.
        let count = row.width.div_ceil(by_width.len());
        for tile in 0..count {
            let (from, to) = (tile * row.width / count, (tile + 1) * row.width / count);
            // SAFETY: the machine has the instructions, or `tiles` would not be; the row was checked, `from..to` lies in it.
            unsafe {
                by_width[to - from - 1](
                    row,
                    Place {
                        block,
                        per_block,
                        from,
                    },
                )
            }
        }
        block += taken;
    }
}

/// Whether every source's taps are rows of three neighbours.
fn has_triples(row: &Row<'_>) -> bool {
    row.sources.iter().all(|source| {
        source.step == source.channels
            && source.taps.len() % 3 == 0
            && source
                .taps
                .chunks_exact(3)
                .all(|t| t[1] == t[0] + source.step && t[2] == t[1] + source.step)
    })
}

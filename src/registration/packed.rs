//! The chest as bytes: runs of equal cells. What is read back is checked before it is believed.

use super::chest::{FULL, ReducedChest};
use crate::volume::{Grid3, read_length, take, write_length};

/// The largest packed chest; usual ones take 11 to 22 KB. What is larger is not kept.
pub const PACKED_BYTES_MAX: usize = 192 << 10;

/// The shape written today.
const VERSION: u8 = 1;
/// Cells of a chest at most: those of the largest volume the pipeline takes, 14 million voxels.
const CELLS_MAX: usize = 2_000_000;
/// Runs below this length take one byte.
const LONG: usize = 15;

/// Bytes that are no packed chest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reduced masks do not read as what they claim to be")]
pub struct Unpackable;

impl ReducedChest {
    /// The chest as bytes, the same for the same chest; `None` when they would be more than [`PACKED_BYTES_MAX`].
    pub fn pack(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![VERSION];
        for count in self.shape().into_iter().chain(self.height) {
            bytes.extend(u16::try_from(count).ok()?.to_le_bytes());
        }
        for edge in self.cell_mm {
            bytes.extend(edge.to_le_bytes());
        }
        for grid in self.whole.iter().chain(&self.lesion) {
            for run in grid.values().chunk_by(|one, other| one == other) {
                let value = run.first().copied().unwrap_or(0);
                write_run(value, run.len(), &mut bytes);
            }
        }
        (bytes.len() <= PACKED_BYTES_MAX).then_some(bytes)
    }

    /// The chest that `bytes` were packed from.
    ///
    /// Errors: another version, a shape beyond any volume's, counts that no cell can have, too few or too many cells.
    pub fn unpack(bytes: &[u8]) -> Result<ReducedChest, Unpackable> {
        if bytes.len() > PACKED_BYTES_MAX {
            return Err(Unpackable);
        }
        let mut rest = bytes;
        let [version] = take(&mut rest).ok_or(Unpackable)?;
        if version != VERSION {
            return Err(Unpackable);
        }
        let mut count = || {
            Ok(usize::from(u16::from_le_bytes(
                take(&mut rest).ok_or(Unpackable)?,
            )))
        };
        let shape = [count()?, count()?, count()?];
        let height = [count()?, count()?];
        let mut edge = || {
            let edge = f64::from_le_bytes(take(&mut rest).ok_or(Unpackable)?);
            let plausible = (0.1..=50.0).contains(&edge);
            plausible.then_some(edge).ok_or(Unpackable)
        };
        let cell_mm = [edge()?, edge()?, edge()?];
        let [depth, rows, columns] = shape;
        // Each factor is below 2^16.
        let cells = depth * rows * columns;
        if cells == 0 || cells > CELLS_MAX {
            return Err(Unpackable);
        }
        let values = read_runs(rest, 4 * cells)?;
        let mut grids = values.chunks_exact(cells).map(|part| {
            let grid = Grid3::from_values(shape, part.to_vec());
            grid.map_err(|_| Unpackable)
        });
        let mut grid = || grids.next().unwrap_or(Err(Unpackable));
        let chest = ReducedChest {
            cell_mm,
            whole: [grid()?, grid()?],
            lesion: [grid()?, grid()?],
            height,
        };
        let pairs = chest.whole.iter().zip(&chest.lesion);
        let mut pairs =
            pairs.flat_map(|(whole, lesion)| whole.values().iter().zip(lesion.values()));
        let [bottom, planes] = height;
        let inside = planes > 0 && bottom + planes <= 2 * depth;
        (inside && pairs.all(|(whole, lesion)| lesion <= whole))
            .then_some(chest)
            .ok_or(Unpackable)
    }
}

/// One byte: the value in its upper half, the length in its lower; from [`LONG`] up the rest follows as LEB128.
fn write_run(value: u8, length: usize, bytes: &mut Vec<u8>) {
    let short = length.min(LONG);
    bytes.push(value << 4 | u8::try_from(short).unwrap_or(0));
    if short < LONG {
        return;
    }
    write_length(length - LONG, bytes);
}

/// The values of runs that fill `wanted` cells exactly.
fn read_runs(bytes: &[u8], wanted: usize) -> Result<Vec<u8>, Unpackable> {
    let mut rest = bytes;
    // Memory is asked for as the runs are read: a short text cannot claim more than CELLS_MAX.
    let mut values = Vec::new();
    while values.len() < wanted {
        let [head] = take(&mut rest).ok_or(Unpackable)?;
        let (value, mut length) = (head >> 4, usize::from(head & 0x0f));
        if length == LONG {
            length += read_length(&mut rest).ok_or(Unpackable)?;
        }
        if value > FULL || length == 0 || length > wanted - values.len() {
            return Err(Unpackable);
        }
        values.resize(values.len() + length, value);
    }
    rest.is_empty().then_some(values).ok_or(Unpackable)
}

//! A corrected mask as bytes: where it lies, then runs of equal voxels. What is read back is checked before it is believed.

use crate::store::GridRecord;
use crate::volume::{Grid3, read_length, take, write_length};

/// The largest packed mask; usual ones take a few KB. What is larger is not kept.
pub const PACKED_BYTES_MAX: usize = 192 << 10;

/// The shape written today.
const VERSION: u8 = 1;
/// Voxels of the largest volume that the pipeline takes.
const VOXELS_MAX: usize = 14_000_000;

/// Bytes that are no packed mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the corrected mask does not read as what it claims to be")]
pub struct Unpackable;

/// A lesion mask that a radiologist corrected, on the grid that the network ran on; no grey values, nothing of the patient.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrectedMask {
    /// Where the grid lies.
    pub grid: GridRecord,
    /// Index order `z, y, x`, 1 in a lesion.
    pub mask: Grid3<u8>,
}

impl CorrectedMask {
    /// The mask as bytes, the same for the same mask; `None` when they would be more than [`PACKED_BYTES_MAX`].
    ///
    /// Little endian: version (1 byte); shape and first cell, `z, y, x` (six u16); spacing, origin, the axes `z, y, x` and the
    /// series' step (sixteen f64); then the lengths of runs, LEB128, in index order, the first one outside of lesions.
    pub fn pack(&self) -> Option<Vec<u8>> {
        let grid = &self.grid;
        let mut bytes = vec![VERSION];
        for count in grid.shape.into_iter().chain(grid.cells_start) {
            bytes.extend(u16::try_from(count).ok()?.to_le_bytes());
        }
        let places = grid.spacing_mm.into_iter().chain(grid.origin_mm);
        let places = places.chain(grid.axes.into_iter().flatten());
        for number in places.chain([grid.step_mm]) {
            bytes.extend(number.to_le_bytes());
        }
        if self.mask.values().first().is_some_and(|value| *value != 0) {
            write_length(0, &mut bytes);
        }
        for run in self.mask.values().chunk_by(|one, other| one == other) {
            write_length(run.len(), &mut bytes);
        }
        (bytes.len() <= PACKED_BYTES_MAX).then_some(bytes)
    }

    /// The mask that `bytes` were packed from.
    ///
    /// Errors: another version, a grid beyond any volume's, numbers that are none, too few or too many voxels.
    pub fn unpack(bytes: &[u8]) -> Result<CorrectedMask, Unpackable> {
        let mut rest = bytes;
        let [version] = take(&mut rest).ok_or(Unpackable)?;
        if version != VERSION || bytes.len() > PACKED_BYTES_MAX {
            return Err(Unpackable);
        }
        let mut count = || {
            Ok(usize::from(u16::from_le_bytes(
                take(&mut rest).ok_or(Unpackable)?,
            )))
        };
        let shape = [count()?, count()?, count()?];
        let cells_start = [count()?, count()?, count()?];
        let mut number = || {
            let number = f64::from_le_bytes(take(&mut rest).ok_or(Unpackable)?);
            number.is_finite().then_some(number).ok_or(Unpackable)
        };
        let mut triple = || Ok([number()?, number()?, number()?]);
        let (spacing_mm, origin_mm) = (triple()?, triple()?);
        let axes = [triple()?, triple()?, triple()?];
        let step_mm = number()?;
        let [depth, rows, columns] = shape;
        // Each factor is below 2^16.
        let voxels = depth * rows * columns;
        if voxels == 0 || voxels > VOXELS_MAX || spacing_mm.iter().any(|edge| *edge <= 0.0) {
            return Err(Unpackable);
        }
        let mask = Grid3::from_values(shape, read_runs(rest, voxels)?);
        Ok(CorrectedMask {
            grid: GridRecord {
                shape,
                spacing_mm,
                origin_mm,
                axes,
                step_mm,
                cells_start,
            },
            mask: mask.map_err(|_| Unpackable)?,
        })
    }
}

/// The voxels of runs that fill `wanted` exactly.
fn read_runs(bytes: &[u8], wanted: usize) -> Result<Vec<u8>, Unpackable> {
    let mut rest = bytes;
    let mut values = Vec::new();
    let mut value = 0;
    while values.len() < wanted {
        let length = read_length(&mut rest).ok_or(Unpackable)?;
        let first = values.is_empty();
        if length > wanted - values.len() || (length == 0 && (!first || value != 0)) {
            return Err(Unpackable);
        }
        values.resize(values.len() + length, value);
        value ^= 1;
    }
    rest.is_empty().then_some(values).ok_or(Unpackable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_reads_back_as_it_was() {
        for values in [
            vec![0, 1, 1, 0, 0, 1],
            vec![1, 1, 0, 0, 0, 0],
            vec![1; 6],
            vec![0; 6],
        ] {
            let mask = mask(values);
            let packed = mask.pack().unwrap();
            assert_eq!(CorrectedMask::unpack(&packed), Ok(mask));
        }
    }

    #[test]
    fn what_was_changed_is_refused_or_is_another_mask_and_never_panics() {
        let packed = mask(vec![0, 1, 1, 0, 0, 1]).pack().unwrap();
        for length in 0..packed.len() {
            assert_eq!(
                CorrectedMask::unpack(&packed[..length]),
                Err(Unpackable),
                "{length}"
            );
        }
        for at in 0..packed.len() {
            for bit in 0..8 {
                let mut other = packed.clone();
                other[at] ^= 1 << bit;
                let _ = CorrectedMask::unpack(&other);
            }
        }
        let mut longer = packed;
        longer.push(0);
        assert_eq!(CorrectedMask::unpack(&longer), Err(Unpackable));
    }

    fn mask(values: Vec<u8>) -> CorrectedMask {
        CorrectedMask {
            grid: GridRecord {
                shape: [1, 2, 3],
                spacing_mm: [2.8, 2.8, 2.5],
                origin_mm: [-1.0, 2.0, 3.5],
                axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
                step_mm: 2.5,
                cells_start: [0, 1, 2],
            },
            mask: Grid3::from_values([1, 2, 3], values).unwrap(),
        }
    }
}

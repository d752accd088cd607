//! A tensor of bytes with a rim of zeros, so that a convolution needs no case for the edge.

use crate::infer::crew::Crew;

/// Bytes in the order z, y, x, channel, with one voxel of zeros on every side of z, y and x.
#[derive(Clone, Debug, Default)]
pub(super) struct Halo {
    /// The tensor's bytes, and what the memory has beyond: cutting that off would be to zero it when it is wanted again.
    buffer: Vec<u8>,
    length: usize,
    shape: [usize; 3],
    channels: usize,
}

impl Halo {
    /// A tensor of `shape` (`z, y, x` without the rim) in the memory of `buffer`. Only the rim is zeroed: every other
    /// byte must be written before it is read.
    pub(super) fn in_buffer(
        mut buffer: Vec<u8>,
        shape: [usize; 3],
        channels: usize,
        crew: &Crew,
    ) -> Halo {
        let length = shape.iter().map(|edge| edge + 2).product::<usize>() * channels;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let mut tensor = Halo {
            buffer,
            length,
            shape,
            channels,
        };
        tensor.clear_rim(crew);
        tensor
    }

    /// The memory, for another tensor.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Planes, rows, columns without the rim.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Channels.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// All bytes, the rim included.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or(&[])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.length).unwrap_or(&mut [])
    }

    /// Bytes from one row to the next.
    pub(super) fn row_bytes(&self) -> usize {
        let [_, _, width] = self.shape;
        (width + 2) * self.channels
    }

    /// Bytes from one plane to the next.
    pub(super) fn plane_bytes(&self) -> usize {
        let [_, height, _] = self.shape;
        (height + 2) * self.row_bytes()
    }

    /// Where the voxel at `z, y, x` begins, counted with the rim: the first voxel inside is `1, 1, 1`.
    pub(super) fn offset(&self, z: usize, y: usize, x: usize) -> usize {
        z * self.plane_bytes() + y * self.row_bytes() + x * self.channels
    }

    /// The voxels of row `z, y` (without the rim), channels innermost.
    pub(super) fn row(&self, z: usize, y: usize) -> &[u8] {
        let start = self.offset(z + 1, y + 1, 1);
        let [_, _, width] = self.shape;
        self.bytes()
            .get(start..start + width * self.channels)
            .unwrap_or(&[])
    }

    /// Blocks of up to `rows` rows of one plane: plane, first row, and the bytes of the rows with their rims. In up to `parts`
    /// parts of as many planes, but for the last.
    pub(super) fn blocks_mut(
        &mut self,
        rows: usize,
        parts: usize,
    ) -> impl Iterator<Item = impl DoubleEndedIterator<Item = (usize, usize, &mut [u8])>> {
        let [depth, height, _] = self.shape;
        let (row_bytes, plane_bytes) = (self.row_bytes(), self.plane_bytes());
        let inside = self
            .bytes_mut()
            .get_mut(plane_bytes..(depth + 1) * plane_bytes)
            .unwrap_or(&mut []);
        in_parts(inside, plane_bytes, parts).map(move |planes| {
            planes.flat_map(move |(z, plane)| {
                let inside = plane
                    .get_mut(row_bytes..(height + 1) * row_bytes)
                    .unwrap_or(&mut []);
                let blocks = inside.chunks_mut((row_bytes * rows).max(1));
                blocks
                    .enumerate()
                    .map(move |(block, bytes)| (z, block * rows, bytes))
            })
        })
    }

    /// Each thread clears what it will write beside: the other one's cache would have to give the lines back.
    fn clear_rim(&mut self, crew: &Crew) {
        let [depth, height, _] = self.shape;
        let (row_bytes, plane_bytes, channels) =
            (self.row_bytes(), self.plane_bytes(), self.channels);
        let threads = crew.threads_for(self.length);
        let planes = in_parts(self.bytes_mut(), plane_bytes, threads);
        crew.share_out(threads, planes, |(z, plane)| {
            if z == 0 || z == depth + 1 {
                plane.fill(0);
                return;
            }
            for (y, row) in plane.chunks_exact_mut(row_bytes).enumerate() {
                if y == 0 || y == height + 1 {
                    row.fill(0);
                } else if let Some((first, rest)) = row.split_at_mut_checked(channels) {
                    first.fill(0);
                    rest.rchunks_mut(channels)
                        .take(1)
                        .for_each(|last| last.fill(0));
                }
            }
        });
    }
}

/// The planes of `cells`, each of `plane` cells, with their numbers: in up to `parts` parts of as many, but for the last.
pub(super) fn in_parts<T>(
    cells: &mut [T],
    plane: usize,
    parts: usize,
) -> impl Iterator<Item = impl DoubleEndedIterator<Item = (usize, &mut [T])>> {
    let plane = plane.max(1);
    let planes = (cells.len() / plane).div_ceil(parts.max(1)).max(1);
    let parts = cells.chunks_mut(planes * plane).enumerate();
    parts.map(move |(part, cells)| {
        let numbered = cells.chunks_exact_mut(plane).enumerate();
        numbered.map(move |(number, cells)| (part * planes + number, cells))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rim_is_zero_whatever_the_buffer_held() {
        let mut tensor = Halo::in_buffer(vec![7; 999], [2, 3, 4], 8, &Crew::of(2));
        assert_eq!(tensor.bytes().len(), 4 * 5 * 6 * 8);
        let mut rows = 0;
        for (z, first, bytes) in tensor.blocks_mut(2, 2).flatten() {
            for (y, row) in bytes.chunks_exact_mut(6 * 8).enumerate() {
                assert!(z < 2 && first + y < 3);
                row[8..40].fill(9);
                rows += 1;
            }
        }
        assert_eq!(rows, 6);
        for z in 0..4 {
            for y in 0..5 {
                for x in 0..6 {
                    let inside = (1..3).contains(&z) && (1..4).contains(&y) && (1..5).contains(&x);
                    let at = tensor.offset(z, y, x);
                    let wanted = if inside { 9 } else { 0 };
                    assert_eq!(tensor.bytes()[at..at + 8], [wanted; 8], "{z} {y} {x}");
                }
            }
        }
        assert_eq!(tensor.row(1, 2), [9; 32]);
    }
}

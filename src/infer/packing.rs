//! From HU to the network's input and from its logits back to the grid: blocks of 2 × 2 × 2 voxels are channels.

use crate::infer::crew::Crew;
use crate::infer::halo::Halo;
use crate::infer::kernel::LANES;
use crate::model::InputSpec;
use crate::volume::{Grid3, together};

/// The eight places in a block, in the order of the channels: 4·dz + 2·dy + dx.
pub(super) const PLACES: [[usize; 3]; 8] = [
    [0, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
    [0, 1, 1],
    [1, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
    [1, 1, 1],
];

/// The grid's shape in blocks; `None` when an edge is odd or zero.
pub(super) fn packed_shape(shape: [usize; 3]) -> Option<[usize; 3]> {
    let whole = shape.iter().all(|edge| *edge > 0 && edge % 2 == 0);
    whole.then(|| shape.map(|edge| edge / 2))
}

/// The input of the network, (8, Z/2, Y/2, X/2) in C order: HU windowed to 0…1 and packed.
pub(super) fn packed(hu: &Grid3<i16>, input: &InputSpec) -> Vec<f32> {
    let window = Window::of(input);
    let [depth, height, width] = hu.shape();
    let mut values = Vec::with_capacity(hu.len());
    for [dz, dy, dx] in PLACES {
        for z in (dz..depth).step_by(2) {
            for y in (dy..height).step_by(2) {
                let row = hu.row(z, y).iter().skip(dx).step_by(2).take(width / 2);
                values.extend(row.map(|value| window.apply(*value)));
            }
        }
    }
    values
}

/// The grid of `shape` whose blocks are the channels of `values`.
pub(super) fn unpacked(values: &[f32], shape: [usize; 3]) -> Grid3<f32> {
    let [_, height, width] = shape;
    let mut grid = Grid3::filled(shape, 0.0);
    let blocks = grid.len() / 8;
    for ([dz, dy, dx], channel) in PLACES.into_iter().zip(values.chunks_exact(blocks.max(1))) {
        let mut rows = channel.chunks_exact((width / 2).max(1));
        for plane in grid.planes_mut().skip(dz).step_by(2) {
            let lines = plane
                .chunks_exact_mut(width.max(1))
                .skip(dy)
                .step_by(2)
                .take(height / 2);
            // The short side leads the zip, so that no row of logits is taken and lost.
            for (line, row) in lines.zip(rows.by_ref()) {
                for (voxel, value) in line.iter_mut().skip(dx).step_by(2).zip(row) {
                    *voxel = *value;
                }
            }
        }
    }
    grid
}

/// From HU to the bytes that QuantizeLinear makes of the network's input, by table.
#[derive(Debug)]
pub(super) struct Steps {
    /// For every HU, told by its bits: an index that needs neither a bound nor a comparison.
    bytes: Box<[u8; 1 << 16]>,
}

impl Steps {
    /// The table of the manifest's window. Each entry is computed as ONNX does: windowed in f32, over the scale, to the
    /// nearest step, ties to even.
    pub(super) fn of(input: &InputSpec) -> Steps {
        let window = Window::of(input);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 255 after the window"
        )]
        let step = |hu: i16| {
            (window.apply(hu) / (1.0 / 255.0))
                .round_ties_even()
                .clamp(0.0, 255.0) as u8
        };
        let mut bytes = Box::new([0; 1 << 16]);
        for (byte, bits) in bytes.iter_mut().zip(0..=u16::MAX) {
            *byte = step(bits.cast_signed());
        }
        Steps { bytes }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the table has an entry for every number of 16 bits"
    )]
    fn byte(&self, hu: i16) -> u8 {
        self.bytes[usize::from(hu.cast_unsigned())]
    }

    /// Fills `blocks` (eight channels) with `hu`, whose edges are twice as long.
    pub(super) fn pack(&self, hu: &Grid3<i16>, blocks: &mut Halo, crew: &Crew) {
        let row_bytes = blocks.row_bytes();
        let rows = blocks.blocks_mut(ROWS_CLAIMED, crew.threads());
        crew.share_out(crew.threads(), rows, |(z, first, bytes)| {
            for (y, row) in bytes.chunks_exact_mut(row_bytes).enumerate() {
                let twos = |dz, dy| hu.row(2 * z + dz, 2 * (first + y) + dy).as_chunks::<2>().0;
                let (lower, upper) = (
                    twos(0, 0).iter().zip(twos(0, 1)),
                    twos(1, 0).iter().zip(twos(1, 1)),
                );
                let (voxels, _) = row.as_chunks_mut::<{ PLACES.len() }>();
                let inside = voxels.iter_mut().skip(1);
                for (voxel, ((a, b), (c, d))) in inside.zip(lower.zip(upper)) {
                    *voxel = [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
                        .map(|value| self.byte(value));
                }
            }
        });
    }
}

/// Rows that a thread takes at a time.
const ROWS_CLAIMED: usize = 16;

/// Columns of a word of a [`BitMask`].
const WORD: usize = u64::BITS as usize;

/// Channels back to voxels: a row of voxels with `channels` becomes four rows of `planes`, the words of two planes of a
/// [`BitMask`], `across` a row. A bit is set where one of the first eight channels is above zero.
pub(super) fn put_marks(
    planes: &mut [u64],
    across: usize,
    y: usize,
    marks: &[u8],
    channels: usize,
) {
    let (lower, upper) = planes.split_at_mut(planes.len() / 2);
    let ([a, b], [c, d]) = (twins(lower, across, y), twins(upper, across, y));
    let words = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
    let channels = channels.max(1);
    let voxels = marks.chunks(WORD / 2 * channels);
    for (((a, b), (c, d)), voxels) in words.zip(voxels) {
        let found = four_words(voxels, channels);
        for (word, found) in [a, b, c, d].into_iter().zip(found) {
            *word = found;
        }
    }
}

/// Rows `2 y` and `2 y + 1` of a plane.
fn twins(plane: &mut [u64], across: usize, y: usize) -> [&mut [u64]; 2] {
    let rows = plane.get_mut(2 * y * across..2 * (y + 1) * across);
    rows.unwrap_or(&mut []).split_at_mut(across).into()
}

/// Four rows of 64 columns from up to 32 voxels.
fn four_words(voxels: &[u8], channels: usize) -> [u64; 4] {
    let mut words = [0; 4];
    let mut unused = u64::BITS;
    for four in voxels.chunks(4 * channels) {
        let four = match four.first_chunk::<{ 4 * LANES }>() {
            // The usual head: lengths known beforehand.
            Some(four) if channels == LANES => {
                let (voxels, _) = four.as_chunks::<LANES>();
                std::array::from_fn(|x| voxels.get(x).map_or(0, |voxel| eight(voxel)))
            }
            _ => {
                let mut voxels = four.chunks_exact(channels);
                std::array::from_fn(|_| voxels.next().map_or(0, eight))
            }
        };
        // From above, by a number of bits known beforehand.
        for (word, row) in words.iter_mut().zip(turned(four.map(above_zero))) {
            *word = *word >> 8 | together(row) << 56;
        }
        unused = unused.saturating_sub(8);
    }
    words.map(|word| word.checked_shr(unused).unwrap_or(0))
}

/// The first eight channels of a voxel, the first one lowest.
fn eight(voxel: &[u8]) -> u64 {
    u64::from_le_bytes(voxel.first_chunk().copied().unwrap_or_default())
}

/// Four rows of four pairs of bytes, turned: what was a row is a column.
fn turned([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    const EVEN: u64 = 0x0000_ffff_0000_ffff;
    const LOW: u64 = 0xffff_ffff;
    let even = |one: u64, other: u64| one & EVEN | (other & EVEN) << 16;
    let odd = |one: u64, other: u64| one >> 16 & EVEN | other & !EVEN;
    let low = |one: u64, other: u64| one & LOW | other << 32;
    let high = |one: u64, other: u64| one >> 32 | other & !LOW;
    let (first, second) = ([even(a, b), odd(a, b)], [even(c, d), odd(c, d)]);
    [
        low(first[0], second[0]),
        low(first[1], second[1]),
        high(first[0], second[0]),
        high(first[1], second[1]),
    ]
}

/// 1 for each byte above zero, eight at once.
fn above_zero(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // The seven lower bits carry into the highest one unless all are zero; no byte's sum reaches the next byte.
    let highest = ((bytes & LOW) + LOW) | bytes;
    highest >> 7 & 0x0101_0101_0101_0101
}

/// From HU to 0…1.
struct Window {
    low: f32,
    width: f32,
}

impl Window {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "HU are small whole numbers"
    )]
    fn of(input: &InputSpec) -> Window {
        let [low, high] = input.window_hu;
        Window {
            low: low as f32,
            width: (high - low) as f32,
        }
    }

    fn apply(&self, hu: i16) -> f32 {
        ((f32::from(hu) - self.low) / self.width).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Packing;

    #[test]
    fn what_is_packed_comes_back_at_its_place() {
        let shape = [4, 6, 8];
        let values = (0..4 * 6 * 8).collect();
        let hu = Grid3::<i16>::from_values(shape, values).unwrap();
        let input = InputSpec {
            spacing_mm: 2.8,
            window_hu: [0.0, 191.0],
            packing: Packing::SpaceToDepth2,
            multiple: 2,
            margin_voxels: 0,
        };
        let packed = packed(&hu, &input);
        // Channel 5 is dz 1, dy 0, dx 1; its first value is the voxel (1, 0, 1).
        let first = packed[5 * 24] * 191.0;
        assert!((first - f32::from(hu.get(1, 0, 1).unwrap())).abs() < 1e-3);
        let back = unpacked(&packed, shape);
        for (was, is) in hu.values().iter().zip(back.values()) {
            assert!((f32::from(*was) - is * 191.0).abs() < 1e-3);
        }
    }

    #[test]
    fn each_byte_above_zero_becomes_one() {
        for byte in 0..=u8::MAX {
            let bytes = [byte, 0, !byte, 255, byte, 1, 128, byte];
            let ones = bytes.map(|byte| u8::from(byte > 0));
            let found = above_zero(u64::from_le_bytes(bytes));
            assert_eq!(found.to_le_bytes(), ones, "{bytes:?}");
        }
    }

    #[test]
    fn marks_lie_where_their_channels_say() {
        // A row of 39 voxels becomes row 1 of two planes of 2 x 2 rows, each of two words.
        let (voxels, across) = (39, 2);
        for channels in [LANES, 2 * LANES] {
            for at in 0..voxels * 8 {
                let (x, channel) = (at / 8, at % 8);
                let mut planes = vec![9; 2 * 4 * across];
                let mut marks = vec![0; voxels * channels];
                (marks[x * channels + channel], marks[x * channels + 9]) = (200, 7);
                put_marks(&mut planes, across, 1, &marks, channels);
                let [dz, dy, dx] = PLACES[channel];
                let mut wanted = [9, 9, 9, 9, 0, 0, 0, 0].repeat(2);
                let column = 2 * x + dx;
                wanted[(dz * 4 + 2 + dy) * across + column / WORD] = 1_u64 << (column % WORD);
                assert_eq!(
                    planes, wanted,
                    "{channels} channels, voxel {x}, channel {channel}"
                );
            }
        }
    }

    #[test]
    fn an_odd_edge_cannot_be_packed() {
        assert_eq!(packed_shape([4, 5, 6]), None);
        assert_eq!(packed_shape([4, 0, 6]), None);
        assert_eq!(packed_shape([4, 2, 6]), Some([2, 1, 3]));
    }
}

//! From HU to the network's input and from its logits back to the grid: blocks of 2 × 2 × 2 voxels are channels.

use crate::infer::crew::Crew;
use crate::infer::halo::Halo;
use crate::infer::kernel::{BLOCK, Isa, Ramp};
use crate::model::InputSpec;
use crate::volume::Grid3;

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

/// From HU to the bytes that QuantizeLinear makes of the network's input.
#[derive(Debug)]
pub(super) struct Steps {
    /// For every HU, told by its bits: an index that needs neither a bound nor a comparison.
    bytes: Box<[u8; 1 << 16]>,
    /// The line that gives every byte of the table, if there is one: what vectors compute faster than they look up.
    ramp: Option<Ramp>,
}

impl Steps {
    /// Those of the manifest's window. Each is computed as ONNX does: windowed in f32, over the scale, to the nearest step,
    /// ties to even.
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
        let table = Steps { bytes, ramp: None };
        let mut ramps = window.ramps().into_iter();
        Steps {
            ramp: ramps.find(|ramp| table.is(*ramp)),
            ..table
        }
    }

    fn is(&self, ramp: Ramp) -> bool {
        (i16::MIN..=i16::MAX).all(|hu| ramp.byte(hu) == self.byte(hu))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the table has an entry for every number of 16 bits"
    )]
    fn byte(&self, hu: i16) -> u8 {
        self.bytes[usize::from(hu.cast_unsigned())]
    }

    /// Fills `blocks` (eight channels) with `hu`, whose edges are twice as long.
    pub(super) fn pack(&self, hu: &Grid3<i16>, blocks: &mut Halo, isa: Isa, crew: &Crew) {
        let row_bytes = blocks.row_bytes();
        let rows = blocks.blocks_mut(ROWS_CLAIMED, crew.threads());
        crew.share_out(crew.threads(), rows, |(z, first, bytes)| {
            for (y, row) in bytes.chunks_exact_mut(row_bytes).enumerate() {
                let row_of = |[dz, dy]: [usize; 2]| hu.row(2 * z + dz, 2 * (first + y) + dy);
                let (_, inside) = row.split_at_mut(BLOCK);
                self.pack_row(
                    isa,
                    [[0, 0], [0, 1], [1, 0], [1, 1]].map(row_of),
                    inside.as_chunks_mut().0,
                );
            }
        });
    }

    fn pack_row(&self, isa: Isa, rows: [&[i16]; 4], blocks: &mut [[u8; BLOCK]]) {
        let done = self.ramp.map_or(0, |ramp| ramp.pack(isa, rows, blocks));
        let [a, b, c, d] = rows.map(|row| row.as_chunks::<2>().0.iter().skip(done));
        let rest = blocks.iter_mut().skip(done).zip(a.zip(b)).zip(c.zip(d));
        for ((block, (a, b)), (c, d)) in rest {
            *block = [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]].map(|hu| self.byte(hu));
        }
    }
}

/// Rows that a thread takes at a time.
const ROWS_CLAIMED: usize = 16;

/// Columns of a word of a [`BitMask`].
const WORD: usize = u64::BITS as usize;

/// Channels back to voxels: a row of `marks`, a byte for the eight channels of a voxel, becomes four rows of `planes`, the words of
/// two planes of a [`BitMask`], `across` a row.
pub(super) fn put_marks(planes: &mut [u64], across: usize, y: usize, marks: &[u8]) {
    let (lower, upper) = planes.split_at_mut(planes.len() / 2);
    let ([a, b], [c, d]) = (twins(lower, across, y), twins(upper, across, y));
    let words = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
    for (((a, b), (c, d)), marks) in words.zip(marks.chunks(WORD / 2)) {
        for (word, found) in [a, b, c, d].into_iter().zip(four_words(marks)) {
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
fn four_words(marks: &[u8]) -> [u64; 4] {
    let mut words = [0; 4];
    let (eights, rest) = marks.as_chunks();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let last = (!rest.is_empty()).then_some(&last);
    for (place, eight) in eights.iter().chain(last).enumerate() {
        let rows = turned(u64::from_le_bytes(*eight));
        for (word, row) in words.iter_mut().zip(0..) {
            *word |= (rows >> (16 * row) & 0xffff) << (16 * place);
        }
    }
    words
}

/// Eight voxels' marks, each two bits of four rows, turned: the first row's bits of all voxels, then the second one's.
fn turned(marks: u64) -> u64 {
    // A bit's place is a number of six bits: three of the voxel, two of the row, one of the column. Each step swaps two of those
    // bits, until the row's are the highest: bits of `lower` change places with those that lie `by` above.
    let swap = |bits: u64, by: u32, lower: u64| {
        let differ = (bits >> by ^ bits) & lower;
        bits ^ differ ^ differ << by
    };
    let bits = swap(marks, 32 - 4, 0x0000_0000_f0f0_f0f0);
    let bits = swap(bits, 16 - 2, 0x0000_cccc_0000_cccc);
    let bits = swap(bits, 8 - 4, 0x00f0_00f0_00f0_00f0);
    swap(bits, 4 - 2, 0x0c0c_0c0c_0c0c_0c0c)
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

    /// Lines that may give the bytes of [`Steps`]: where a HU lies in the middle of two steps, the roundings of the formula
    /// decide, for the shipped window downwards.
    fn ramps(&self) -> [Ramp; 3] {
        const A_LITTLE: f32 = 1.0 / (1 << 21) as f32;
        [1.0, 1.0 - A_LITTLE, 1.0 + A_LITTLE].map(|times| Ramp {
            low: self.low,
            slope: 255.0 / self.width * times,
        })
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
    fn marks_lie_where_their_channels_say() {
        // A row of 39 voxels becomes row 1 of two planes of 2 x 2 rows, each of two words.
        let (voxels, across) = (39, 2);
        for at in 0..voxels * 8 {
            let (x, channel) = (at / 8, at % 8);
            let mut planes = vec![9; 2 * 4 * across];
            let mut marks = vec![0; voxels];
            marks[x] = 1 << channel;
            put_marks(&mut planes, across, 1, &marks);
            let [dz, dy, dx] = PLACES[channel];
            let mut wanted = [9, 9, 9, 9, 0, 0, 0, 0].repeat(2);
            let column = 2 * x + dx;
            wanted[(dz * 4 + 2 + dy) * across + column / WORD] = 1_u64 << (column % WORD);
            assert_eq!(planes, wanted, "voxel {x}, channel {channel}");
        }
    }

    #[test]
    fn vectors_and_the_table_pack_the_same() {
        let width = 2 * 21;
        let shape = [2, 2, width];
        let hus = (0..4 * 42_i16).map(|place| place.wrapping_mul(389));
        let hu = Grid3::from_values(shape, hus.collect()).unwrap();
        let crew = Crew::of(1);
        // A line gives the steps of the first window; the second one's ties go both ways.
        for (high, line) in [(250.0, true), (-754.0, false)] {
            let steps = Steps::of(&InputSpec {
                spacing_mm: 2.8,
                window_hu: [-1024.0, high],
                packing: Packing::SpaceToDepth2,
                multiple: 2,
                margin_voxels: 0,
            });
            assert_eq!(steps.ramp.is_some(), line);
            for isa in Isa::available() {
                let mut blocks = Halo::in_buffer(Vec::new(), [1, 1, 21], PLACES.len(), &crew);
                steps.pack(&hu, &mut blocks, isa, &crew);
                for (x, block) in blocks.row(0, 0).chunks_exact(PLACES.len()).enumerate() {
                    for (byte, [dz, dy, dx]) in block.iter().zip(PLACES) {
                        let voxel = hu.get(dz, dy, 2 * x + dx).unwrap();
                        assert_eq!(*byte, steps.byte(voxel), "{} {x} {voxel}", isa.name());
                    }
                }
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

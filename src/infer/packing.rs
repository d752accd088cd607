//! From HU to the network's input and from its logits back to the grid: blocks of 2 × 2 × 2 voxels are channels.

use crate::infer::halo::Halo;
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

/// The grid of `shape` whose blocks are the channels of `values`, each put through `label`.
pub(super) fn unpacked<T: Copy + Default>(
    values: &[f32],
    shape: [usize; 3],
    label: impl Fn(f32) -> T,
) -> Grid3<T> {
    let [_, height, width] = shape;
    let mut grid = Grid3::filled(shape, T::default());
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
                    *voxel = label(*value);
                }
            }
        }
    }
    grid
}

/// From HU to the bytes that QuantizeLinear makes of the network's input, by table.
#[derive(Debug)]
pub(super) struct Steps {
    lowest: i16,
    bytes: Vec<u8>,
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
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the manifest's window lies within i16"
        )]
        let [low, high] = input.window_hu.map(|hu| hu as i16);
        Steps {
            lowest: low,
            bytes: (low..=high).map(step).collect(),
        }
    }

    fn byte(&self, hu: i16) -> u8 {
        let index = usize::try_from(i32::from(hu) - i32::from(self.lowest)).unwrap_or(0);
        let last = self.bytes.last().copied().unwrap_or(0);
        self.bytes.get(index).copied().unwrap_or(last)
    }

    /// Fills `blocks` (eight channels) with `hu`, whose edges are twice as long.
    pub(super) fn pack(&self, hu: &Grid3<i16>, blocks: &mut Halo) {
        let channels = blocks.channels();
        for (z, y, bytes) in blocks.blocks_mut(1) {
            let inside = bytes.get_mut(channels..).unwrap_or(&mut []);
            for (pair, [dz, dy]) in [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter().enumerate() {
                let (twos, _) = hu.row(2 * z + dz, 2 * y + dy).as_chunks::<2>();
                for (voxel, two) in inside.chunks_exact_mut(channels).zip(twos) {
                    for (slot, value) in voxel.iter_mut().skip(2 * pair).zip(two) {
                        *slot = self.byte(*value);
                    }
                }
            }
        }
    }
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
        let back = unpacked(&packed, shape, |value| value * 191.0);
        for (was, is) in hu.values().iter().zip(back.values()) {
            assert!((f32::from(*was) - is).abs() < 1e-3);
        }
    }

    #[test]
    fn an_odd_edge_cannot_be_packed() {
        assert_eq!(packed_shape([4, 5, 6]), None);
        assert_eq!(packed_shape([4, 0, 6]), None);
        assert_eq!(packed_shape([4, 2, 6]), Some([2, 1, 3]));
    }
}

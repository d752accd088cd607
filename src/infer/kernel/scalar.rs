//! The reference: plain Rust, no speed, no doubt.

use super::{GROUP, LANES, PAIR, Row, VECTOR};

pub(super) fn run(row: &mut Row<'_>) {
    for x in 0..row.width {
        for channel in 0..row.bias.len() {
            let value = requantised(
                sum(row, x, channel),
                row.scale.get(channel).copied().unwrap_or(0.0),
            );
            if let Some(byte) = row.output.get_mut(x * row.output_step + channel) {
                *byte = value;
            }
        }
    }
}

fn sum(row: &Row<'_>, x: usize, channel: usize) -> i32 {
    let (block, lane) = (channel / LANES, channel % LANES);
    let mut sum = row.bias.get(channel).copied().unwrap_or(0);
    let (Some(pair), Some(offsets)) = (
        row.weights.pairs.get(block / PAIR),
        row.offsets.pairs.get(block / PAIR),
    ) else {
        return sum;
    };
    let vectors = pair.bytes.chunks_exact(VECTOR);
    let mut vectors = vectors.skip(block % PAIR).step_by(pair.blocks);
    for (source, offsets) in row.sources.iter().zip(offsets) {
        for (offset, weights) in offsets.iter().zip(vectors.by_ref()) {
            let input = source.start + offset + x * source.step;
            let four = source.bytes.get(input..input + GROUP).unwrap_or(&[]);
            for (input, weight) in four.iter().zip(weights.iter().skip(lane * GROUP)) {
                sum = sum.wrapping_add(i32::from(*input) * i32::from(*weight));
            }
        }
    }
    sum
}

/// To the nearest step of the output, ties to even, below zero to zero: what ReLU and QuantizeLinear do.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 255 after the clamp"
)]
fn requantised(sum: i32, scale: f32) -> u8 {
    (sum as f32 * scale).round_ties_even().clamp(0.0, 255.0) as u8
}

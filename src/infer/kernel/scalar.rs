//! The reference: plain Rust, no speed, no doubt.

use super::{GROUP, LANES, Row};

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
    let first = block * row.block_bytes();
    let mut weights = row
        .weights
        .bytes
        .get(first..)
        .unwrap_or(&[])
        .chunks_exact(LANES * GROUP);
    let mut sum = row.bias.get(channel).copied().unwrap_or(0);
    for source in row.sources {
        for tap in source.taps {
            let voxel = source.start + tap + x * source.step;
            let inputs = source
                .bytes
                .get(voxel..voxel + source.channels)
                .unwrap_or(&[]);
            for (four, group) in inputs.chunks_exact(GROUP).zip(weights.by_ref()) {
                for (input, weight) in four.iter().zip(group.iter().skip(lane * GROUP)) {
                    sum = sum.wrapping_add(i32::from(*input) * i32::from(*weight));
                }
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

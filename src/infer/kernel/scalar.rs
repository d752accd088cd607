//! The reference: plain Rust, no speed, no doubt.

use super::{GROUP, LANES, MARKS, PAIR, Rows};

pub(super) fn run(rows: &mut Rows<'_>) {
    for row in 0..rows.count {
        for x in 0..rows.width {
            for channel in 0..rows.bias.len() {
                let value = requantised(
                    sum(rows, row, x, channel),
                    rows.scale.get(channel).copied().unwrap_or(0.0),
                );
                let place = row * rows.output_row_step + x * rows.output_step + channel;
                if let Some(byte) = rows.output.get_mut(place) {
                    *byte = value;
                }
            }
        }
    }
}

/// As [`run`], but of the first eight channels whether the sum is above zero, a bit each.
pub(super) fn mark(rows: &mut Rows<'_>) {
    for row in 0..rows.count {
        for x in 0..rows.width {
            let bits =
                (0..MARKS).map(|channel| u8::from(sum(rows, row, x, channel) > 0) << channel);
            let marks = bits.fold(0, |marks, bit| marks | bit);
            let place = row * rows.output_row_step + x * rows.output_step;
            if let Some(byte) = rows.output.get_mut(place) {
                *byte = marks;
            }
        }
    }
}

fn sum(rows: &Rows<'_>, row: usize, x: usize, channel: usize) -> i32 {
    let (block, lane) = (channel / LANES, channel % LANES);
    let mut sum = rows.bias.get(channel).copied().unwrap_or(0);
    let (Some(pair), Some(offsets)) = (
        rows.weights.pairs.get(block / PAIR),
        rows.offsets.pairs.get(block / PAIR),
    ) else {
        return sum;
    };
    let vectors = pair.vectors.iter().skip(block % PAIR);
    let mut vectors = vectors.step_by(pair.blocks);
    for (source, offsets) in rows.sources.iter().zip(offsets) {
        for (offset, weights) in offsets.iter().zip(vectors.by_ref()) {
            let input = source.start + offset + row * source.row_step + x * source.step;
            let four = source.bytes.get(input..input + GROUP).unwrap_or(&[]);
            for (input, weight) in four.iter().zip(weights.0.iter().skip(lane * GROUP)) {
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

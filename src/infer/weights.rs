//! Weights in the order in which the operators read them.

use crate::infer::kernel::{GROUP, LANES, PackedWeights};
use crate::infer::lower::Kind;

/// The largest weight that every instruction set multiplies exactly: two products with bytes must fit into 16 bits.
const WEIGHT_MAX: i8 = 63;

/// Weights as ONNX stores them.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) values: Vec<i8>,
    /// `(out, in, z, y, x)`; for a transposed kernel `(in, out, z, y, x)`.
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    /// Channels of each tensor that is read; padding channels stand behind a single source's own.
    pub(super) sources: Vec<usize>,
}

impl Weights {
    /// Output channels.
    pub(super) fn outputs(&self) -> usize {
        let axis = usize::from(self.kind == Kind::Raise);
        self.shape.get(axis).copied().unwrap_or(0)
    }

    fn inputs(&self) -> usize {
        let axis = usize::from(self.kind != Kind::Raise);
        self.shape.get(axis).copied().unwrap_or(0)
    }

    fn taps(&self) -> usize {
        self.shape.iter().skip(2).product()
    }

    /// The weight from input channel to output channel at `tap`; 0 past the last channel.
    fn at(&self, output: usize, input: usize, tap: usize) -> i8 {
        if output >= self.outputs() || input >= self.inputs() {
            return 0;
        }
        let (slow, fast, wide) = match self.kind {
            Kind::Raise => (input, output, self.outputs()),
            Kind::Convolution { .. } | Kind::Head => (output, input, self.inputs()),
        };
        self.values
            .get((slow * wide + fast) * self.taps() + tap)
            .copied()
            .unwrap_or(0)
    }
}

/// The weights in the operators' order: one list with all taps, or for a transposed kernel eight lists with one tap each.
///
/// Errors: shapes that do not belong together, weights beyond ±63.
pub(super) fn packed(weights: &Weights) -> Result<Vec<PackedWeights>, &'static str> {
    let taps = weights.taps();
    let wanted = weights.outputs() * weights.inputs() * taps;
    let inputs: usize = weights.sources.iter().sum();
    let matching = match weights.sources.len() {
        // A source's padding channels are zeros and take no weight.
        1 => {
            inputs == weights.inputs().next_multiple_of(GROUP)
                || inputs == weights.inputs().next_multiple_of(LANES)
        }
        _ => inputs == weights.inputs(),
    };
    if wanted != weights.values.len() || !matching || wanted == 0 {
        return Err("weights of another shape than its input's");
    }
    if weights
        .values
        .iter()
        .any(|weight| weight.unsigned_abs() > WEIGHT_MAX.unsigned_abs())
    {
        return Err("weights beyond ±63, which not every instruction set multiplies exactly");
    }
    Ok(match weights.kind {
        Kind::Raise => (0..taps).map(|tap| list(weights, tap..tap + 1)).collect(),
        Kind::Convolution { .. } | Kind::Head => vec![list(weights, 0..taps)],
    })
}

fn list(weights: &Weights, taps: std::ops::Range<usize>) -> PackedWeights {
    let mut packed = Vec::new();
    let blocks = weights.outputs().div_ceil(LANES);
    for block in 0..blocks {
        let mut first = 0;
        for channels in &weights.sources {
            for tap in taps.clone() {
                for group in (first..first + channels).step_by(GROUP) {
                    let lanes = block * LANES..(block + 1) * LANES;
                    packed.extend(lanes.flat_map(|output| {
                        (group..group + GROUP).map(move |input| weights.at(output, input, tap))
                    }));
                }
            }
            first += channels;
        }
    }
    PackedWeights::new(packed, blocks * LANES)
}

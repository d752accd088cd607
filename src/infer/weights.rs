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

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights that tell where they come from.
    fn numbered(kind: Kind, shape: &[usize], sources: &[usize]) -> Weights {
        let count: usize = shape.iter().product();
        Weights {
            values: (0..count)
                .map(|at| i8::try_from(at % 127).unwrap() - 63)
                .collect(),
            shape: shape.to_vec(),
            kind,
            sources: sources.to_vec(),
        }
    }

    #[test]
    fn each_weight_lies_where_the_operators_look_for_it() {
        let weights = numbered(Kind::Convolution { stride: 1 }, &[20, 12, 3, 3, 3], &[8, 4]);
        let lists = packed(&weights).unwrap();
        assert_eq!(lists.len(), 1);
        let bytes = lists[0].bytes();
        // 20 outputs fill two blocks.
        assert_eq!(bytes.len(), 32 * 12 * 27);
        for (output, input, tap) in [(0, 0, 0), (3, 5, 2), (19, 11, 26), (16, 8, 13), (7, 9, 4)] {
            let (source, first, channels) = if input < 8 { (0, 0, 8) } else { (27 * 8, 8, 4) };
            let own = input - first;
            let at = output / 16 * 12 * 27 * 16
                + source * 16
                + (tap * channels + own / 4 * 4) * 16
                + output % 16 * 4
                + own % 4;
            let value = weights.values[(output * 12 + input) * 27 + tap];
            assert_eq!(bytes[at], value, "{output} {input} {tap}");
        }
        // The last block's outputs past the twentieth are zeros.
        assert!(
            bytes[12 * 27 * 16..]
                .chunks_exact(64)
                .all(|vector| vector[16..].iter().all(|weight| *weight == 0))
        );
    }

    #[test]
    fn a_transposed_kernel_has_a_list_for_each_place() {
        let weights = numbered(Kind::Raise, &[16, 16, 2, 2, 2], &[16]);
        let lists = packed(&weights).unwrap();
        assert_eq!(lists.len(), 8);
        // From input 5 to output 3 at place 6; the file has the inputs first.
        assert_eq!(
            lists[6].bytes()[64 + 3 * 4 + 1],
            weights.values[(5 * 16 + 3) * 8 + 6]
        );
    }

    #[test]
    fn what_would_overflow_or_does_not_fit_is_refused() {
        let mut weights = numbered(Kind::Head, &[16, 16, 1, 1, 1], &[16]);
        weights.values[7] = 64;
        assert!(packed(&weights).unwrap_err().contains("±63"));
        weights.values[7] = -63;
        assert!(packed(&weights).is_ok());
        weights.values.pop();
        assert!(packed(&weights).unwrap_err().contains("shape"));
        let other = numbered(Kind::Head, &[16, 16, 1, 1, 1], &[8, 4]);
        assert!(packed(&other).unwrap_err().contains("shape"));
    }
}

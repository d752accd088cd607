//! Weights in the order in which the operators read them.

use crate::infer::kernel::{GROUP, Input, LANES, PackedWeights};
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

/// The weights in the operators' order: one list with all taps; or for a transposed kernel four lists, one for each place in z
/// and y, with twice the outputs, first those of the even and then those of the odd voxels of a row.
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
        Kind::Raise => (0..taps)
            .step_by(2)
            .map(|first| list(weights, first, 1, 2))
            .collect(),
        Kind::Convolution { .. } | Kind::Head => vec![list(weights, 0, taps, 1)],
    })
}

/// The list of `taps` from `first` on. With two `voxels` the outputs are those of two neighbours along x, whose channels lie
/// side by side: both come from one input voxel, the second by the tap after the first one's.
fn list(weights: &Weights, first: usize, taps: usize, voxels: usize) -> PackedWeights {
    let channels = weights.outputs().next_multiple_of(LANES);
    let sources = weights.sources.iter();
    let inputs: Vec<Vec<Input>> = sources.map(|each| Input::all(*each, taps)).collect();
    PackedWeights::new(voxels * channels, &inputs, |output, source, input, at| {
        let before: usize = weights.sources.iter().take(source).sum();
        let (voxel, channel) = (output / channels, output % channels);
        let tap = first + input.tap + voxel;
        weights.at(channel, before + input.channel + at, tap)
    })
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
        // 20 outputs fill two blocks, which are a pair.
        let (count, at) = (32 * 12 * 27, |output, source, input, four| {
            lists[0].at(output, source, input, four)
        });
        assert_eq!(lists[0].count(), count);
        for (output, input, tap) in [(0, 0, 0), (3, 5, 2), (19, 11, 26), (16, 8, 13), (7, 9, 4)] {
            let (source, own) = if input < 8 {
                (0, input)
            } else {
                (1, input - 8)
            };
            let place = Input {
                tap,
                channel: own / 4 * 4,
            };
            let value = weights.values[(output * 12 + input) * 27 + tap];
            assert_eq!(
                at(output, source, place, own % 4),
                Some(value),
                "{output} {input} {tap}"
            );
        }
        // Outputs past the twentieth are zeros.
        let place = Input {
            tap: 26,
            channel: 0,
        };
        assert!((20..32).all(|output| at(output, 1, place, 3) == Some(0)));
    }

    #[test]
    fn inputs_that_no_output_of_a_pair_uses_are_left_out() {
        let mut weights = numbered(Kind::Convolution { stride: 1 }, &[48, 8, 3, 3, 3], &[8]);
        let place = Input { tap: 4, channel: 4 };
        for output in 0..32 {
            for input in 4..8 {
                weights.values[(output * 8 + input) * 27 + 4] = 0;
            }
        }
        let lists = packed(&weights).unwrap();
        assert_eq!(lists[0].count(), 48 * 8 * 27 - 32 * 4);
        assert_eq!(lists[0].at(0, 0, place, 0), None);
        // The third block is of another pair.
        assert!(lists[0].at(32, 0, place, 0).is_some());
        let before = Input { tap: 4, channel: 0 };
        let value = weights.values[(9 * 8 + 2) * 27 + 4];
        assert_eq!(lists[0].at(9, 0, before, 2), Some(value));
    }

    #[test]
    fn a_transposed_kernel_has_a_list_for_each_pair_of_places() {
        let weights = numbered(Kind::Raise, &[16, 16, 2, 2, 2], &[16]);
        let lists = packed(&weights).unwrap();
        assert_eq!(lists.len(), 4);
        // From input 5 to output 3 at places 6 and 7; the file has the inputs first.
        let place = Input { tap: 0, channel: 4 };
        for dx in 0..2 {
            let value = weights.values[(5 * 16 + 3) * 8 + 6 + dx];
            assert_eq!(lists[3].at(16 * dx + 3, 0, place, 1), Some(value));
        }
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

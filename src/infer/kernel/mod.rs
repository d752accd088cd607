//! The int8 operators: some rows of an output plane at a time, the same bits on every instruction set.
//!
//! A convolution is a sum over *inputs*: four channels at one place of the kernel, found at a fixed distance from the output
//! voxel, times a vector of weights. 3³ and 1³ kernels, strides, two-source skips and the parities of a transposed convolution
//! differ in their lists of inputs only, so one operator runs them all; and inputs whose weights are all zero are not in the list.

#[cfg(target_arch = "x86_64")]
mod avx256;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod peak;
mod ramp;
mod scalar;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use isa::{Isa, IsaError};
use tile::Tiles;

pub use peak::dot_products;
pub(super) use ramp::{BLOCK, Ramp};

/// Output channels that share one vector of weights.
pub(super) const LANES: usize = 16;
/// Input channels that one multiply-accumulate takes.
pub(super) const GROUP: usize = 4;

/// Blocks of output channels that share a list of inputs: what fills the registers of the widest vectors.
pub(super) const PAIR: usize = 2;
/// Channels whose marks fill a byte.
pub(super) const MARKS: usize = 8;
/// Bytes of the weights from four input channels to 16 output channels.
pub(super) const VECTOR: usize = LANES * GROUP;

/// What a row reads from one tensor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source<'a> {
    /// The tensor, channels innermost.
    pub(super) bytes: &'a [u8],
    /// Where offset 0 of the first output voxel lies.
    pub(super) start: usize,
    /// Bytes from one output voxel's input to the next one's.
    pub(super) step: usize,
    /// Bytes from one output row's input to the next one's.
    pub(super) row_step: usize,
}

/// Four neighbouring channels of a tensor at one place of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// Which of the kernel's places.
    pub(super) tap: usize,
    /// Its first channel, a multiple of [`GROUP`].
    pub(super) channel: usize,
}

impl Input {
    /// All of a tensor with so many `channels`, at so many `taps`, in the operators' order.
    pub(super) fn all(channels: usize, taps: usize) -> Vec<Input> {
        let channels = (0..channels).step_by(GROUP);
        (0..taps)
            .flat_map(|tap| channels.clone().map(move |channel| Input { tap, channel }))
            .collect()
    }
}

/// The weights of a row, in the order in which the operators read them; what is zero for all outputs of a pair is left out.
#[derive(Clone, Debug)]
pub(super) struct PackedWeights {
    pairs: Vec<PackedPair>,
    /// Per output channel, the sum of its weights: what an operator that takes a number from each input adds again.
    totals: Vec<i32>,
}

/// The weights from four input channels to 16 output channels, `[output][input]`. Aligned to what it fills, a line of the
/// cache: one that lies across two lines is read twice.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Vector([i8; VECTOR]);

/// The weights to one pair of blocks of output channels; the last pair may have one.
#[derive(Clone, Debug, Default)]
struct PackedPair {
    /// `[source][input][block]`.
    vectors: Vec<Vector>,
    /// The inputs of each source.
    inputs: Vec<Vec<Input>>,
    blocks: usize,
}

impl PackedWeights {
    /// Weights to `outputs` channels, a multiple of [`LANES`]. `inputs` lists those of each source; `weight` gives the one
    /// of an output channel, a source, and an input's channel (from 0 to 3).
    pub(super) fn new(
        outputs: usize,
        inputs: &[Vec<Input>],
        weight: impl Fn(usize, usize, Input, usize) -> i8,
    ) -> PackedWeights {
        let mut packed = PackedWeights {
            pairs: Vec::new(),
            totals: vec![0; outputs],
        };
        for first in (0..outputs).step_by(PAIR * LANES) {
            let last = outputs.min(first + PAIR * LANES);
            let mut pair = PackedPair {
                blocks: (last - first) / LANES,
                ..PackedPair::default()
            };
            for (source, inputs) in inputs.iter().enumerate() {
                let mut kept = Vec::new();
                for input in inputs {
                    let length = pair.vectors.len();
                    let blocks = (first..last).step_by(LANES);
                    pair.vectors.extend(blocks.map(|block| {
                        Vector(std::array::from_fn(|place| {
                            weight(block + place / GROUP, source, *input, place % GROUP)
                        }))
                    }));
                    let added = pair.vectors.get(length..).unwrap_or(&[]);
                    let weights = added.iter().flat_map(|vector| &vector.0);
                    if weights.clone().all(|weight| *weight == 0) {
                        pair.vectors.truncate(length);
                        continue;
                    }
                    for (place, weight) in weights.enumerate() {
                        if let Some(total) = packed.totals.get_mut(first + place / GROUP) {
                            *total += i32::from(*weight);
                        }
                    }
                    kept.push(*input);
                }
                pair.inputs.push(kept);
            }
            packed.pairs.push(pair);
        }
        packed
    }

    /// Weights that are stored: the products of one output voxel.
    pub(super) fn count(&self) -> usize {
        let vectors = self.pairs.iter().map(|pair| pair.vectors.len());
        vectors.sum::<usize>() * VECTOR
    }

    /// The weight to an output channel from channel `at` (0 to 3) of an input of a source; `None` where it was left out.
    pub(super) fn at(&self, output: usize, source: usize, input: Input, at: usize) -> Option<i8> {
        let pair = self.pairs.get(output / (PAIR * LANES))?;
        let before: usize = pair.inputs.iter().take(source).map(Vec::len).sum();
        let mut own = pair.inputs.get(source)?.iter();
        let number = before + own.position(|kept| *kept == input)?;
        let vector = number * pair.blocks + output / LANES % PAIR;
        let place = output % LANES * GROUP + at;
        pair.vectors.get(vector)?.0.get(place).copied()
    }

    /// Where the inputs lie, for tensors whose taps lie at `taps`: the byte offsets of each source's.
    ///
    /// An input at a tap that is not in `taps` lies nowhere: `Row::check` refuses it.
    pub(super) fn offsets(&self, taps: &[Vec<usize>]) -> Offsets {
        let lies = |source: usize, input: &Input| {
            let tap = taps.get(source).and_then(|taps| taps.get(input.tap));
            tap.map_or(usize::MAX, |tap| tap + input.channel)
        };
        let pairs: Vec<Vec<Vec<usize>>> = self
            .pairs
            .iter()
            .map(|pair| {
                let sources = pair.inputs.iter().enumerate();
                let of = |(source, inputs): (usize, &Vec<Input>)| {
                    inputs.iter().map(|input| lies(source, input)).collect()
                };
                sources.map(of).collect()
            })
            .collect();
        let mut last = vec![0; taps.len()];
        for offsets in &pairs {
            for (last, offsets) in last.iter_mut().zip(offsets) {
                *last = offsets.iter().copied().fold(*last, usize::max);
            }
        }
        Offsets { pairs, last }
    }
}

/// Byte offsets of the inputs of [`PackedWeights`] in tensors of one shape.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    /// `[pair][source]`, in the order of the weights.
    pairs: Vec<Vec<Vec<usize>>>,
    /// The highest of each source.
    last: Vec<usize>,
}

impl Offsets {
    /// Whether they are those of `weights`, for so many sources.
    fn belong_to(&self, weights: &PackedWeights, sources: usize) -> bool {
        let pairs = self.pairs.iter().zip(&weights.pairs);
        let same = |(offsets, pair): (&Vec<Vec<usize>>, &PackedPair)| {
            let lengths = offsets.iter().map(Vec::len);
            offsets.len() == sources && lengths.eq(pair.inputs.iter().map(Vec::len))
        };
        self.pairs.len() == weights.pairs.len()
            && self.last.len() == sources
            && pairs.into_iter().all(same)
    }
}

/// Rows of output voxels, which lie at equal distances as their inputs do.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// One or two tensors; the sums of both are added.
    pub(super) sources: &'a [Source<'a>],
    pub(super) weights: &'a PackedWeights,
    /// Where the weights' inputs lie in the sources.
    pub(super) offsets: &'a Offsets,
    /// Per output channel, in steps of input × weight.
    pub(super) bias: &'a [i32],
    /// Per output channel: from steps of input × weight to steps of the output. No sum times it may leave the range of i32,
    /// which the vector operators do not look after: none does where it is less than one.
    pub(super) scale: &'a [f32],
    /// From the first output voxel's channel 0.
    pub(super) output: &'a mut [u8],
    /// Bytes from one output voxel to the next.
    pub(super) output_step: usize,
    /// Bytes from one output row to the next.
    pub(super) output_row_step: usize,
    /// Output voxels of a row.
    pub(super) width: usize,
    /// Output rows.
    pub(super) count: usize,
}

/// Why rows cannot be computed: a mistake of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfBounds;

impl Rows<'_> {
    /// Whether every read and write of the rows lies in its slices: what the vector operators rely on. `written`: bytes of a voxel.
    fn check(&self, written: usize) -> Result<(), OutOfBounds> {
        let channels = self.bias.len();
        for (source, last) in self.sources.iter().zip(&self.offsets.last) {
            let end = self
                .reach(source.step, source.row_step)
                .and_then(|reach| reach.checked_add(source.start)?.checked_add(*last))
                .and_then(|at| at.checked_add(GROUP));
            if end.is_none_or(|end| end > source.bytes.len()) {
                return Err(OutOfBounds);
            }
        }
        let written = self
            .reach(self.output_step, self.output_row_step)
            .and_then(|at| at.checked_add(written));
        let fits = channels.is_multiple_of(LANES)
            && self.scale.len() == channels
            && self.weights.totals.len() == channels
            && self.offsets.belong_to(self.weights, self.sources.len())
            && written.is_some_and(|end| end <= self.output.len());
        if fits { Ok(()) } else { Err(OutOfBounds) }
    }

    /// From the first voxel of the first row to the last of the last, bytes.
    fn reach(&self, step: usize, row_step: usize) -> Option<usize> {
        let across = step.checked_mul(self.width.saturating_sub(1))?;
        let down = row_step.checked_mul(self.count.saturating_sub(1))?;
        across.checked_add(down)
    }
}

/// The vector operator of `isa`; `None` where this machine has none.
fn tiles(isa: Isa) -> Option<&'static Tiles> {
    #[cfg(target_arch = "x86_64")]
    return x86::tiles(isa);
    #[cfg(target_arch = "aarch64")]
    return neon::tiles(isa);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return None;
}

/// Computes `rows` with `isa`, which should be one of [`Isa::available`]; another falls back to plain Rust.
pub(super) fn run(isa: Isa, rows: &mut Rows<'_>) -> Result<(), OutOfBounds> {
    rows.check(rows.bias.len())?;
    match tiles(isa) {
        _ if rows.width == 0 => {}
        Some(tiles) => tile::run(rows, tiles),
        None => scalar::run(rows),
    }
    Ok(())
}

/// As [`run`], but a byte a voxel: the bits of its first [`MARKS`] channels, the first one lowest, set where the sum is above
/// zero. Scales do not matter.
pub(super) fn mark(isa: Isa, rows: &mut Rows<'_>) -> Result<(), OutOfBounds> {
    rows.check(1)?;
    match tiles(isa) {
        _ if rows.width == 0 || rows.bias.is_empty() => {}
        Some(tiles) => tile::mark(rows, tiles),
        None => scalar::mark(rows),
    }
    Ok(())
}

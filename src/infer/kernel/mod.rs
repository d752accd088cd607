//! The int8 operators: one output row at a time, the same bits on every instruction set.
//!
//! A convolution is a sum over *taps*: for each tap, an input voxel at a fixed distance and a block of weights. 3³ and
//! 1³ kernels, strides, two-source skips and the parities of a transposed convolution differ in their lists of taps only,
//! so one operator runs them all.

#[cfg(target_arch = "x86_64")]
mod avx256;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod peak;
mod scalar;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use isa::{Isa, IsaError};
use tile::Tiles;

pub use peak::dot_products;

/// Output channels that share one vector of weights.
pub(super) const LANES: usize = 16;
/// Input channels that one multiply-accumulate takes.
pub(super) const GROUP: usize = 4;

/// What a row reads from one tensor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source<'a> {
    /// The tensor, channels innermost.
    pub(super) bytes: &'a [u8],
    /// Where tap offset 0 of the first output voxel lies.
    pub(super) start: usize,
    /// Byte offsets of the taps. They come in threes one voxel apart where `triples` says so.
    pub(super) taps: &'a [usize],
    /// Bytes from one output voxel's input to the next one's.
    pub(super) step: usize,
    /// Channels of the tensor.
    pub(super) channels: usize,
}

/// The weights of a row, in the order in which the operators read them.
#[derive(Clone, Debug)]
pub(super) struct PackedWeights {
    /// `[block of 16 output channels][source][tap][4 input channels][16 output channels][4]`.
    bytes: Vec<i8>,
    /// Per output channel, the sum of its weights: what an operator that takes a number from each input adds again.
    totals: Vec<i32>,
}

impl PackedWeights {
    /// Weights in the order of `bytes`, for `outputs` channels, a multiple of [`LANES`].
    pub(super) fn new(bytes: Vec<i8>, outputs: usize) -> PackedWeights {
        let per_block = bytes.len() / (outputs / LANES).max(1);
        let mut totals = vec![0; outputs];
        let blocks = bytes.chunks(per_block.max(1));
        for (totals, block) in totals.chunks_exact_mut(LANES).zip(blocks) {
            for vector in block.chunks_exact(LANES * GROUP) {
                for (total, four) in totals.iter_mut().zip(vector.chunks_exact(GROUP)) {
                    *total += four.iter().map(|weight| i32::from(*weight)).sum::<i32>();
                }
            }
        }
        PackedWeights { bytes, totals }
    }

    /// The weights in their order.
    pub(super) fn bytes(&self) -> &[i8] {
        &self.bytes
    }
}

/// One row of output voxels.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// One or two tensors; the sums of both are added.
    pub(super) sources: &'a [Source<'a>],
    pub(super) weights: &'a PackedWeights,
    /// Per output channel, in steps of input × weight.
    pub(super) bias: &'a [i32],
    /// Per output channel: from steps of input × weight to steps of the output.
    pub(super) scale: &'a [f32],
    /// From the first output voxel's channel 0.
    pub(super) output: &'a mut [u8],
    /// Bytes from one output voxel to the next.
    pub(super) output_step: usize,
    /// Output voxels.
    pub(super) width: usize,
}

/// Why a row cannot be computed: a mistake of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfBounds;

impl Row<'_> {
    /// Bytes of weights of one block of 16 output channels.
    fn block_bytes(&self) -> usize {
        self.sources
            .iter()
            .map(|source| source.taps.len() * source.channels * LANES)
            .sum()
    }

    /// Whether every read and write of the row lies in its slices: what the vector operators rely on.
    fn check(&self) -> Result<(), OutOfBounds> {
        let channels = self.bias.len();
        let mut weights = 0_usize;
        for source in self.sources {
            let last = source.taps.iter().copied().max().unwrap_or(0);
            let across = source
                .step
                .checked_mul(self.width.saturating_sub(1))
                .ok_or(OutOfBounds)?;
            let end = source
                .start
                .checked_add(last)
                .and_then(|at| at.checked_add(across)?.checked_add(source.channels));
            if end.is_none_or(|end| end > source.bytes.len())
                || !source.channels.is_multiple_of(GROUP)
            {
                return Err(OutOfBounds);
            }
            weights += source.taps.len() * source.channels * channels;
        }
        let written = self
            .output_step
            .checked_mul(self.width.saturating_sub(1))
            .and_then(|at| at.checked_add(channels));
        let fits = channels.is_multiple_of(LANES)
            && self.scale.len() == channels
            && self.weights.bytes.len() == weights
            && self.weights.totals.len() == channels
            && written.is_some_and(|end| end <= self.output.len());
        if fits { Ok(()) } else { Err(OutOfBounds) }
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

/// Computes `row` with `isa`, which should be one of [`Isa::available`]; another falls back to plain Rust.
pub(super) fn run(isa: Isa, row: &mut Row<'_>) -> Result<(), OutOfBounds> {
    row.check()?;
    if row.width == 0 {
        return Ok(());
    }
    match tiles(isa) {
        Some(tiles) => tile::run(row, tiles),
        None => scalar::run(row),
    }
    Ok(())
}

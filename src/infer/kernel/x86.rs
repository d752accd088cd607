//! The operator of x86's instruction sets, written once over their vectors.
//!
//! Each set brings its [`Vectors`], and entry points compiled with its features into which everything here is inlined; how
//! wide a tile may be is a matter of its registers.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "raw pointers, bounded by `Row::check`; arrays of registers are indexed by loops that unroll"
)]

use super::tile::{Place, Tiles, VECTOR};
use super::{GROUP, Isa, LANES, Row, Source, avx256, avx512};

/// The operators of `isa`, where this machine has it.
pub(super) fn tiles(isa: Isa) -> Option<&'static Tiles> {
    match isa {
        Isa::Avx512Vnni => avx512::tiles(),
        Isa::AvxVnni => avx256::avxvnni::tiles(),
        Isa::Avx512Vnni256 => avx256::avx512vnni_256::tiles(),
        Isa::Avx2 => avx256::avx2::tiles(),
        Isa::NeonI8mm | Isa::NeonDotprod | Isa::Scalar => None,
    }
}

/// The vectors of an instruction set. Each holds 16 output channels, in as many registers as that takes.
///
/// All pointers may be unaligned.
pub(super) trait Vectors {
    /// Sums in 32 bits.
    type Sums: Copy;
    /// Weights from four input channels.
    type Weights: Copy;
    /// Four input channels of one voxel, once for each output channel.
    type Inputs: Copy;
    /// A scale for each output channel.
    type Scales: Copy;

    /// Reads 16 sums.
    unsafe fn sums(from: *const i32) -> Self::Sums;
    /// Reads [`VECTOR`] weights.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Reads four bytes.
    unsafe fn inputs(from: *const u8) -> Self::Inputs;
    /// Reads 16 scales.
    unsafe fn scales(from: *const f32) -> Self::Scales;
    /// Adds four products a channel, exactly, wrapping at 32 bits.
    unsafe fn added(sums: Self::Sums, inputs: Self::Inputs, weights: Self::Weights) -> Self::Sums;
    /// Writes 16 bytes: each sum times its scale, to the nearest whole number, ties to even, within 0 to 255.
    unsafe fn store(sums: Self::Sums, scales: Self::Scales, to: *mut u8);
}

/// `T` voxels and `B` blocks of output channels.
#[inline(always)]
pub(super) unsafe fn plain<V: Vectors, const B: usize, const T: usize>(
    row: &mut Row<'_>,
    place: Place,
) {
    let Place {
        block,
        per_block,
        from,
    } = place;
    unsafe {
        let bias = row.bias.as_ptr().add(block * LANES);
        let mut first = [V::sums(bias); B];
        for b in 1..B {
            first[b] = V::sums(bias.add(b * LANES));
        }
        let mut sums = [first; T];
        let mut weights = row.weights.bytes.as_ptr().add(block * per_block);
        for source in row.sources {
            // Where the distance of voxels is known, addresses need no register.
            weights = match source.step {
                16 => add::<V, B, T, 16>(source, &mut sums, weights, per_block, from),
                32 => add::<V, B, T, 32>(source, &mut sums, weights, per_block, from),
                64 => add::<V, B, T, 64>(source, &mut sums, weights, per_block, from),
                96 => add::<V, B, T, 96>(source, &mut sums, weights, per_block, from),
                128 => add::<V, B, T, 128>(source, &mut sums, weights, per_block, from),
                _ => add::<V, B, T, 0>(source, &mut sums, weights, per_block, from),
            };
        }
        store::<V, B, T>(row, block, from, &sums);
    }
}

/// Adds one source; returns where the next one's weights begin. `STEP` is the source's step, or 0 for any.
#[inline(always)]
unsafe fn add<V: Vectors, const B: usize, const T: usize, const STEP: usize>(
    source: &Source<'_>,
    sums: &mut [[V::Sums; B]; T],
    weights: *const i8,
    per_block: usize,
    from: usize,
) -> *const i8 {
    unsafe {
        let step = if STEP == 0 { source.step } else { STEP };
        let base = source.bytes.as_ptr().add(source.start + from * step);
        let mut weights = weights;
        let mut local = *sums;
        for tap in source.taps {
            let mut input = base.add(*tap);
            for _ in 0..source.channels / GROUP {
                let mut weight = [V::weights(weights); B];
                for b in 1..B {
                    weight[b] = V::weights(weights.add(b * per_block));
                }
                for t in 0..T {
                    let four = V::inputs(input.add(t * step));
                    for b in 0..B {
                        local[t][b] = V::added(local[t][b], four, weight[b]);
                    }
                }
                input = input.add(GROUP);
                weights = weights.add(VECTOR);
            }
        }
        *sums = local;
        weights
    }
}

/// `T` voxels of one block whose taps are rows of three: each input is read once for all three.
#[inline(always)]
pub(super) unsafe fn triple<V: Vectors, const T: usize>(row: &mut Row<'_>, place: Place) {
    let Place {
        block,
        per_block,
        from,
    } = place;
    unsafe {
        let mut sums = [[V::sums(row.bias.as_ptr().add(block * LANES))]; T];
        let mut weights = row.weights.bytes.as_ptr().add(block * per_block);
        for source in row.sources {
            weights = match source.step {
                8 => add_triple::<V, T, 8>(source, &mut sums, weights, from),
                16 => add_triple::<V, T, 16>(source, &mut sums, weights, from),
                _ => add_triple::<V, T, 0>(source, &mut sums, weights, from),
            };
        }
        store::<V, 1, T>(row, block, from, &sums);
    }
}

/// As [`add`], three taps at a time.
#[inline(always)]
unsafe fn add_triple<V: Vectors, const T: usize, const STEP: usize>(
    source: &Source<'_>,
    sums: &mut [[V::Sums; 1]; T],
    weights: *const i8,
    from: usize,
) -> *const i8 {
    unsafe {
        let step = if STEP == 0 { source.step } else { STEP };
        let base = source.bytes.as_ptr().add(source.start + from * step);
        let mut weights = weights;
        let mut local = *sums;
        // Taps are neighbours, so a voxel's channels are a step.
        let channels = step;
        // One tap's weights lie `tap` bytes behind the one before.
        let tap = channels * LANES;
        for three in source.taps.chunks_exact(3) {
            let mut input = base.add(three[0]);
            for _ in 0..channels / GROUP {
                let w0 = V::weights(weights);
                let w1 = V::weights(weights.add(tap));
                let w2 = V::weights(weights.add(2 * tap));
                for t in 0..T + 2 {
                    let four = V::inputs(input.add(t * step));
                    if t < T {
                        local[t][0] = V::added(local[t][0], four, w0);
                    }
                    if t >= 1 && t < T + 1 {
                        local[t - 1][0] = V::added(local[t - 1][0], four, w1);
                    }
                    if t >= 2 {
                        local[t - 2][0] = V::added(local[t - 2][0], four, w2);
                    }
                }
                input = input.add(GROUP);
                weights = weights.add(VECTOR);
            }
            weights = weights.add(2 * tap);
        }
        *sums = local;
        weights
    }
}

/// Writes a tile.
#[inline(always)]
pub(super) unsafe fn store<V: Vectors, const B: usize, const T: usize>(
    row: &mut Row<'_>,
    block: usize,
    from: usize,
    sums: &[[V::Sums; B]; T],
) {
    unsafe {
        for b in 0..B {
            let scales = V::scales(row.scale.as_ptr().add((block + b) * LANES));
            let output = row
                .output
                .as_mut_ptr()
                .add(from * row.output_step + (block + b) * LANES);
            for t in 0..T {
                V::store(sums[t][b], scales, output.add(t * row.output_step));
            }
        }
    }
}

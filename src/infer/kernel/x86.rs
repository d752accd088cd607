//! The operator of x86's instruction sets, written once over their vectors.
//!
//! Each set brings its [`Vectors`], and entry points compiled with its features into which everything here is inlined; how
//! wide a tile may be is a matter of its registers.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "raw pointers, bounded by `Rows::check`; arrays of registers are indexed by loops that unroll"
)]

use super::tile::{Place, Tiles};
use super::{Isa, LANES, Rows, Source, VECTOR, avx256, avx512};

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
pub(super) trait Vectors: Sized {
    /// Sums in 32 bits.
    type Sums: Copy;
    /// Weights from four input channels.
    type Weights: Copy;
    /// Four input channels of one voxel, once for each output channel.
    type Inputs: Copy;
    /// A scale for each output channel.
    type Scales: Copy;

    /// Whether the usual distances of voxels get code of their own: where a tile is so wide that its addresses do not fit
    /// the registers.
    const STEPS: bool;

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
    /// Adds four input channels of `T` voxels, which lie `step` bytes apart from `input` on, to their sums in `B` blocks. `STEP` is
    /// the step where it is known, else 0.
    #[inline(always)]
    unsafe fn add_voxels<const B: usize, const T: usize, const STEP: usize>(
        sums: &mut [[Self::Sums; B]; T],
        input: *const u8,
        step: usize,
        weights: [Self::Weights; B],
    ) {
        unsafe { voxel_by_voxel::<Self, B, T>(sums, input, step, weights) }
    }
    /// The first eight sums' signs: a bit is set where one is above zero.
    unsafe fn marks(sums: Self::Sums) -> u8;
    /// Writes 16 bytes: each sum times its scale, to the nearest whole number, ties to even, within 0 to 255.
    unsafe fn store(sums: Self::Sums, scales: Self::Scales, to: *mut u8);
    /// The same for four voxels that lie `step` bytes apart.
    #[inline(always)]
    unsafe fn store_four(sums: [Self::Sums; 4], scales: Self::Scales, to: *mut u8, step: usize) {
        for t in 0..4 {
            unsafe { Self::store(sums[t], scales, to.add(t * step)) }
        }
    }
}

/// [`Vectors::add_voxels`], in whatever order the compiler likes best.
#[inline(always)]
pub(super) unsafe fn voxel_by_voxel<V: Vectors, const B: usize, const T: usize>(
    sums: &mut [[V::Sums; B]; T],
    input: *const u8,
    step: usize,
    weights: [V::Weights; B],
) {
    for t in 0..T {
        // `Rows::check` has seen that nothing wraps: no code to see it again.
        let four = unsafe { V::inputs(input.wrapping_add(t.wrapping_mul(step))) };
        for b in 0..B {
            sums[t][b] = unsafe { V::added(sums[t][b], four, weights[b]) };
        }
    }
}

/// The addresses of so few voxels fit the registers.
const FEW: usize = 6;

/// Writes the bytes of `T` voxels and `B` blocks of output channels.
#[inline(always)]
pub(super) unsafe fn plain<V: Vectors, const B: usize, const T: usize>(
    rows: &mut Rows<'_>,
    place: Place,
) {
    unsafe {
        let sums = sums::<V, B, T>(rows, place);
        store::<V, B, T>(rows, place, &sums);
    }
}

/// Writes the marks of `T` voxels.
#[inline(always)]
pub(super) unsafe fn marks<V: Vectors, const T: usize>(rows: &mut Rows<'_>, place: Place) {
    unsafe {
        let sums = sums::<V, 1, T>(rows, place);
        let first = place.row * rows.output_row_step + place.from * rows.output_step;
        let output = rows.output.as_mut_ptr().add(first);
        for t in 0..T {
            *output.add(t * rows.output_step) = V::marks(sums[t][0]);
        }
    }
}

/// The sums of `T` voxels and `B` blocks of output channels.
#[inline(always)]
unsafe fn sums<V: Vectors, const B: usize, const T: usize>(
    rows: &Rows<'_>,
    place: Place,
) -> [[V::Sums; B]; T] {
    unsafe {
        let pair = rows.weights.pairs.get_unchecked(place.pair);
        let bias = rows.bias.as_ptr().add(place.channel());
        let mut first = [V::sums(bias); B];
        for b in 1..B {
            first[b] = V::sums(bias.add(b * LANES));
        }
        let mut sums = [first; T];
        let mut weights = Weights {
            next: pair.vectors.as_ptr().add(place.block).cast(),
            step: pair.blocks * VECTOR,
        };
        let offsets = rows.offsets.pairs.get_unchecked(place.pair);
        for (source, offsets) in rows.sources.iter().zip(offsets) {
            // Where the distance of many voxels is known, their addresses need no register.
            weights = match source.step * usize::from(V::STEPS && T > FEW) {
                8 => add::<V, B, T, 8>(source, offsets, &mut sums, weights, place),
                16 => add::<V, B, T, 16>(source, offsets, &mut sums, weights, place),
                32 => add::<V, B, T, 32>(source, offsets, &mut sums, weights, place),
                64 => add::<V, B, T, 64>(source, offsets, &mut sums, weights, place),
                96 => add::<V, B, T, 96>(source, offsets, &mut sums, weights, place),
                128 => add::<V, B, T, 128>(source, offsets, &mut sums, weights, place),
                _ => add::<V, B, T, 0>(source, offsets, &mut sums, weights, place),
            };
        }
        sums
    }
}

/// The weights of the next input to a tile's blocks, and how far those of the one after it lie behind.
#[derive(Clone, Copy)]
struct Weights {
    next: *const i8,
    step: usize,
}

/// Adds one source; returns where the next one's weights begin. `STEP` is the source's step, or 0 for any.
#[inline(always)]
unsafe fn add<V: Vectors, const B: usize, const T: usize, const STEP: usize>(
    source: &Source<'_>,
    offsets: &[usize],
    sums: &mut [[V::Sums; B]; T],
    weights: Weights,
    place: Place,
) -> Weights {
    unsafe {
        let step = if STEP == 0 { source.step } else { STEP };
        let start = source.start + place.row * source.row_step + place.from * step;
        let base = source.bytes.as_ptr().add(start);
        let mut weights = weights;
        let mut local = *sums;
        for offset in offsets {
            let input = base.add(*offset);
            let mut weight = [V::weights(weights.next); B];
            for b in 1..B {
                weight[b] = V::weights(weights.next.add(b * VECTOR));
            }
            V::add_voxels::<B, T, STEP>(&mut local, input, step, weight);
            weights.next = weights.next.add(weights.step);
        }
        *sums = local;
        weights
    }
}

/// Writes a tile.
#[inline(always)]
unsafe fn store<V: Vectors, const B: usize, const T: usize>(
    rows: &mut Rows<'_>,
    place: Place,
    sums: &[[V::Sums; B]; T],
) {
    unsafe {
        for b in 0..B {
            let channel = place.channel() + b * LANES;
            let scales = V::scales(rows.scale.as_ptr().add(channel));
            let output = rows.output.as_mut_ptr();
            let first = place.row * rows.output_row_step + place.from * rows.output_step;
            let output = output.add(first + channel);
            for t in (0..T / 4 * 4).step_by(4) {
                let four = [sums[t][b], sums[t + 1][b], sums[t + 2][b], sums[t + 3][b]];
                V::store_four(
                    four,
                    scales,
                    output.add(t * rows.output_step),
                    rows.output_step,
                );
            }
            for t in T / 4 * 4..T {
                V::store(sums[t][b], scales, output.add(t * rows.output_step));
            }
        }
    }
}

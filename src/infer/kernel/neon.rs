//! NEON with dot products: four registers hold 16 output channels, one holds 16 input channels of a voxel.
//!
//! The instructions stand in assembler because the compiler does not offer them yet. `sdot` multiplies signed bytes, so
//! 128 is taken from each input and the bias gets 128 times the sum of the weights; `sudot`, where there is i8mm, multiplies
//! signed by unsigned ones.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "vector instructions on raw pointers, bounded by `Rows::check`; arrays of registers are indexed by loops that unroll"
)]

use super::tile::{Place, Tiles, Widths, by_width};
use super::{GROUP, Isa, LANES, Rows, Source, VECTOR};
use std::arch::aarch64::*;
use std::arch::asm;
use std::arch::is_aarch64_feature_detected;

/// The operators of `isa`, where this machine has it.
pub(super) fn tiles(isa: Isa) -> Option<&'static Tiles> {
    match isa {
        Isa::NeonI8mm => i8mm::tiles(),
        Isa::NeonDotprod => dotprod::tiles(),
        Isa::Avx512Vnni | Isa::AvxVnni | Isa::Avx512Vnni256 | Isa::Avx2 | Isa::Scalar => None,
    }
}

/// 16 sums, or the weights from four input channels to 16 output channels.
type Four<T> = [T; 4];

/// A module for one instruction set: its instruction, and what it takes from each input.
macro_rules! instruction_set {
    ($(#[$about:meta])* $module:ident, $feature:tt, $instruction:literal, $offset:literal) => {
        $(#[$about])*
        pub(super) mod $module {
            use super::*;

            /// 5 voxels: 20 sums, 5 inputs, 4 weights, and the offset fill 30 of the 32 registers.
            const TILES: Tiles = Tiles {
                one: Widths {
                    each: by_width!(plain: 1 2 3 4 5),
                    long: None,
                },
                two: None,
                marks: Widths {
                    each: by_width!(marks: 1 2 3 4 5),
                    long: None,
                },
            };

            /// The operators, where this machine has the instructions.
            pub(in super::super) fn tiles() -> Option<&'static Tiles> {
                is_aarch64_feature_detected!($feature).then_some(&TILES)
            }

            #[target_feature(enable = "neon", enable = $feature)]
            unsafe fn plain<const T: usize>(rows: &mut Rows<'_>, place: Place) {
                unsafe { super::plain::<Dot, T>(rows, place) }
            }

            #[target_feature(enable = "neon", enable = $feature)]
            unsafe fn marks<const T: usize>(rows: &mut Rows<'_>, place: Place) {
                unsafe { super::marks::<Dot, T>(rows, place) }
            }

            struct Dot;

            impl Multiply for Dot {
                const OFFSET: u8 = $offset;

                #[inline(always)]
                unsafe fn added<const PLACE: usize>(
                    sums: int32x4_t,
                    inputs: uint8x16_t,
                    weights: int8x16_t,
                ) -> int32x4_t {
                    let mut sums = sums;
                    // SAFETY: `plain` enables the feature, and its caller has seen that the machine has it.
                    unsafe {
                        asm!(
                            concat!($instruction, " {sums:v}.4s, {weights:v}.16b, {inputs:v}.4b[{place}]"),
                            sums = inout(vreg) sums,
                            weights = in(vreg) weights,
                            inputs = in(vreg) inputs,
                            place = const PLACE,
                            options(pure, nomem, nostack, preserves_flags),
                        );
                    }
                    sums
                }
            }
        }
    };
}

instruction_set! {
    /// Armv8.2 with dot products: the Cortex-A78AE of Jetson Orin.
    dotprod, "dotprod", "sdot", 128
}

instruction_set! {
    /// Armv8.6: Graviton 3, Neoverse N2, Cortex-A710 and newer.
    i8mm, "i8mm", "sudot", 0
}

trait Multiply {
    /// What is taken from each input before it is multiplied.
    const OFFSET: u8;

    /// Adds to each of four output channels the products with input channels `4 * PLACE..` of the voxel.
    unsafe fn added<const PLACE: usize>(
        sums: int32x4_t,
        inputs: uint8x16_t,
        weights: int8x16_t,
    ) -> int32x4_t;
}

/// Writes the bytes of `T` voxels.
#[inline(always)]
unsafe fn plain<M: Multiply, const T: usize>(rows: &mut Rows<'_>, place: Place) {
    unsafe {
        let sums = sums::<M, T>(rows, place);
        let first = place.channel();
        let begin = place.row * rows.output_row_step + first;
        for t in 0..T {
            let output = rows
                .output
                .as_mut_ptr()
                .add(begin + (place.from + t) * rows.output_step);
            store(sums[t], rows.scale.as_ptr().add(first), output);
        }
    }
}

/// Writes the marks of `T` voxels: a bit is set where one of the first eight sums is above zero.
#[inline(always)]
unsafe fn marks<M: Multiply, const T: usize>(rows: &mut Rows<'_>, place: Place) {
    const BITS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    unsafe {
        let sums = sums::<M, T>(rows, place);
        let (low, high) = (vld1q_u32(BITS.as_ptr()), vld1q_u32(BITS.as_ptr().add(4)));
        let begin = place.row * rows.output_row_step;
        for t in 0..T {
            let output = rows
                .output
                .as_mut_ptr()
                .add(begin + (place.from + t) * rows.output_step);
            let (first, second) = (vcgtzq_s32(sums[t][0]), vcgtzq_s32(sums[t][1]));
            let marks = vorrq_u32(vandq_u32(first, low), vandq_u32(second, high));
            [*output, ..] = vaddvq_u32(marks).to_le_bytes();
        }
    }
}

/// The sums of `T` voxels.
#[inline(always)]
unsafe fn sums<M: Multiply, const T: usize>(rows: &Rows<'_>, place: Place) -> [Four<int32x4_t>; T] {
    unsafe {
        let pair = rows.weights.pairs.get_unchecked(place.pair);
        let first = place.channel();
        let (bias, totals) = (
            rows.bias.as_ptr().add(first),
            rows.weights.totals.as_ptr().add(first),
        );
        let mut start = [vdupq_n_s32(0); 4];
        for q in 0..4 {
            start[q] = vmlaq_n_s32(
                vld1q_s32(bias.add(4 * q)),
                vld1q_s32(totals.add(4 * q)),
                i32::from(M::OFFSET),
            );
        }
        let mut sums = [start; T];
        let mut weights = pair.vectors.as_ptr().add(place.block).cast();
        let step = pair.blocks * VECTOR;
        let offsets = rows.offsets.pairs.get_unchecked(place.pair);
        for (source, offsets) in rows.sources.iter().zip(offsets) {
            weights = add::<M, T>(source, offsets, &mut sums, weights, step, place);
        }
        sums
    }
}

/// Adds one source; returns where the next one's weights begin. `weights_step`: from one input's weights to the next one's.
#[inline(always)]
unsafe fn add<M: Multiply, const T: usize>(
    source: &Source<'_>,
    offsets: &[usize],
    sums: &mut [Four<int32x4_t>; T],
    weights: *const i8,
    weights_step: usize,
    place: Place,
) -> *const i8 {
    unsafe {
        let step = source.step;
        let start = source.start + place.row * source.row_step + place.from * step;
        let base = source.bytes.as_ptr().add(start);
        let mut weights = weights;
        let mut local = *sums;
        let mut rest = offsets;
        while let Some(offset) = rest.first() {
            let input = base.add(*offset);
            let mut inputs = [vdupq_n_u8(0); T];
            // 16 channels in one register where all four inputs are wanted, else four.
            let whole = matches!(rest, [a, b, c, d, ..]
                if *b == a + GROUP && *c == b + GROUP && *d == c + GROUP);
            if whole {
                for t in 0..T {
                    inputs[t] = less::<M>(vld1q_u8(input.add(t * step)));
                }
                group::<M, T, 0>(&mut local, &inputs, weights);
                group::<M, T, 1>(&mut local, &inputs, weights.add(weights_step));
                group::<M, T, 2>(&mut local, &inputs, weights.add(2 * weights_step));
                group::<M, T, 3>(&mut local, &inputs, weights.add(3 * weights_step));
            } else {
                for t in 0..T {
                    let four = input.add(t * step).cast::<u32>().read_unaligned();
                    inputs[t] = less::<M>(vreinterpretq_u8_u32(vdupq_n_u32(four)));
                }
                group::<M, T, 0>(&mut local, &inputs, weights);
            }
            let taken = if whole { 4 } else { 1 };
            weights = weights.add(taken * weights_step);
            rest = rest.get_unchecked(taken..);
        }
        *sums = local;
        weights
    }
}

/// The inputs as the instruction takes them.
#[inline(always)]
unsafe fn less<M: Multiply>(inputs: uint8x16_t) -> uint8x16_t {
    if M::OFFSET == 0 {
        inputs
    } else {
        unsafe { vsubq_u8(inputs, vdupq_n_u8(M::OFFSET)) }
    }
}

/// Adds four input channels of each voxel.
#[inline(always)]
unsafe fn group<M: Multiply, const T: usize, const PLACE: usize>(
    sums: &mut [Four<int32x4_t>; T],
    inputs: &[uint8x16_t; T],
    weights: *const i8,
) {
    unsafe {
        let mut four = [vdupq_n_s8(0); 4];
        for q in 0..4 {
            four[q] = vld1q_s8(weights.add(16 * q));
        }
        for t in 0..T {
            for q in 0..4 {
                sums[t][q] = M::added::<PLACE>(sums[t][q], inputs[t], four[q]);
            }
        }
    }
}

/// Writes 16 bytes: each sum times its scale, to the nearest whole number, ties to even, within 0 to 255.
#[inline(always)]
unsafe fn store(sums: Four<int32x4_t>, scale: *const f32, to: *mut u8) {
    unsafe {
        let mut short = [vdup_n_u16(0); 4];
        for q in 0..4 {
            let scaled = vmulq_f32(vcvtq_f32_s32(sums[q]), vld1q_f32(scale.add(4 * q)));
            // The conversion and both narrowings saturate.
            short[q] = vqmovun_s32(vcvtnq_s32_f32(scaled));
        }
        let low = vqmovn_u16(vcombine_u16(short[0], short[1]));
        let high = vqmovn_u16(vcombine_u16(short[2], short[3]));
        vst1q_u8(to, vcombine_u8(low, high));
    }
}

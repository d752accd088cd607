//! AVX-512 VNNI: 16 output channels a register.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    reason = "vector instructions on raw pointers, bounded by `Rows::check`; arrays of registers have constant places"
)]

use super::tile::{LONG, Place, Tiles, Widths, by_width};
use super::x86::{self, Vectors};
use super::{LANES, Rows};
use std::arch::asm;
use std::arch::x86_64::*;

/// Two blocks × 14 voxels of sums, 2 weights and 1 input fill 31 of the 32 registers; one block × 28 voxels 30 of them.
const TILES: Tiles = Tiles {
    one: Widths {
        each: by_width!(plain::<1>: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        long: Some(plain::<1, LONG>),
    },
    two: Some(Widths {
        each: by_width!(plain::<2>: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        long: None,
    }),
    marks: Widths {
        each: by_width!(marks: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        long: Some(marks::<LONG>),
    },
};

/// The operators, where this machine has the instructions.
pub(super) fn tiles() -> Option<&'static Tiles> {
    let found = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni");
    found.then_some(&TILES)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn plain<const B: usize, const T: usize>(rows: &mut Rows<'_>, place: Place) {
    unsafe { x86::plain::<Zmm, B, T>(rows, place) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn marks<const T: usize>(rows: &mut Rows<'_>, place: Place) {
    unsafe { x86::marks::<Zmm, T>(rows, place) }
}

struct Zmm;

impl Vectors for Zmm {
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    type Scales = __m512;

    const STEPS: bool = true;

    #[inline(always)]
    unsafe fn sums(from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn inputs(from: *const u8) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn scales(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn added(sums: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sums, inputs, weights) }
    }

    #[inline(always)]
    unsafe fn add_voxels<const B: usize, const T: usize, const STEP: usize>(
        sums: &mut [[__m512i; B]; T],
        input: *const u8,
        step: usize,
        weights: [__m512i; B],
    ) {
        match STEP {
            // Not known before it runs, so it cannot stand in an instruction.
            0 => unsafe { x86::voxel_by_voxel::<Zmm, B, T>(sums, input, step, weights) },
            _ => unsafe { add_voxels::<B, T, STEP>(sums, input, weights) },
        }
    }

    #[inline(always)]
    unsafe fn marks(sums: __m512i) -> u8 {
        let [first, _] =
            unsafe { _mm512_cmpgt_epi32_mask(sums, _mm512_setzero_si512()) }.to_le_bytes();
        first
    }

    #[inline(always)]
    unsafe fn store(sums: __m512i, scales: __m512, to: *mut u8) {
        unsafe {
            let whole = _mm512_max_epi32(scaled(sums, scales), _mm512_setzero_si512());
            _mm_storeu_si128(to.cast(), _mm512_cvtusepi32_epi8(whole));
        }
    }

    #[inline(always)]
    unsafe fn store_four(sums: [__m512i; 4], scales: __m512, to: *mut u8, step: usize) {
        unsafe {
            // No closure: it would not have this instruction set.
            let (a, b) = (scaled(sums[0], scales), scaled(sums[1], scales));
            let (c, d) = (scaled(sums[2], scales), scaled(sums[3], scales));
            // 32 to 16 to 8 bits, saturating, four channels of each voxel in each quarter; then voxel by voxel.
            let bytes = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, bytes);
            if step == LANES {
                _mm512_storeu_si512(to.cast(), bytes);
            } else {
                _mm_storeu_si128(to.cast(), _mm512_castsi512_si128(bytes));
                _mm_storeu_si128(to.add(step).cast(), _mm512_extracti32x4_epi32::<1>(bytes));
                _mm_storeu_si128(
                    to.add(2 * step).cast(),
                    _mm512_extracti32x4_epi32::<2>(bytes),
                );
                _mm_storeu_si128(
                    to.add(3 * step).cast(),
                    _mm512_extracti32x4_epi32::<3>(bytes),
                );
            }
        }
    }
}

/// [`Vectors::add_voxels`], each voxel's instructions together: left to itself, the compiler reads all inputs first, has no
/// registers left for them and keeps sums in memory, whose way there and back is as long as the whole step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn add_voxels<const B: usize, const T: usize, const STEP: usize>(
    sums: &mut [[__m512i; B]; T],
    input: *const u8,
    weights: [__m512i; B],
) {
    macro_rules! voxels {
        ($($t:literal)*) => { $(
            if $t < T {
                // SAFETY: reads four bytes of the row, which was checked.
                unsafe {
                    if B == 2 {
                        asm!(
                            "vpbroadcastd {four}, dword ptr [{from} + {at}]",
                            "vpdpbusd {first}, {four}, {weights}",
                            "vpdpbusd {second}, {four}, {more}",
                            from = in(reg) input,
                            at = const $t * STEP,
                            four = out(zmm_reg) _,
                            first = inout(zmm_reg) sums[$t][0],
                            second = inout(zmm_reg) sums[$t][B - 1],
                            weights = in(zmm_reg) weights[0],
                            more = in(zmm_reg) weights[B - 1],
                            options(pure, readonly, nostack, preserves_flags),
                        );
                    } else {
                        asm!(
                            "vpbroadcastd {four}, dword ptr [{from} + {at}]",
                            "vpdpbusd {first}, {four}, {weights}",
                            from = in(reg) input,
                            at = const $t * STEP,
                            four = out(zmm_reg) _,
                            first = inout(zmm_reg) sums[$t][0],
                            weights = in(zmm_reg) weights[0],
                            options(pure, readonly, nostack, preserves_flags),
                        );
                    }
                }
            }
        )* };
    }
    const { assert!(B <= 2 && T <= 28) };
    voxels!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27);
}

/// To whole numbers, which [`Rows::scale`] keeps in range.
#[inline(always)]
unsafe fn scaled(sums: __m512i, scales: __m512) -> __m512i {
    unsafe { _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), scales)) }
}

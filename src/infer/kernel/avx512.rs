//! AVX-512 VNNI: 16 output channels a register.
#![expect(
    unsafe_code,
    reason = "vector instructions on raw pointers, bounded by `Row::check`"
)]

use super::Row;
use super::tile::{Place, Tiles, by_width};
use super::x86::{self, Vectors};
use std::arch::x86_64::*;

/// Two blocks × 14 voxels of sums, 2 weights and 1 input fill 31 of the 32 registers. Where one input serves three taps, 12
/// voxels: beside 3 weights and 1 input, 14 would put sums on the stack and cost more than half of the speed.
const TILES: Tiles = Tiles {
    one: by_width!(plain::<1>: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    two: by_width!(plain::<2>: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    triple: by_width!(triple: 1 2 3 4 5 6 7 8 9 10 11 12),
};

/// The operators, where this machine has the instructions.
pub(super) fn tiles() -> Option<&'static Tiles> {
    let found = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni");
    found.then_some(&TILES)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn plain<const B: usize, const T: usize>(row: &mut Row<'_>, place: Place) {
    unsafe { x86::plain::<Zmm, B, T>(row, place) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn triple<const T: usize>(row: &mut Row<'_>, place: Place) {
    unsafe { x86::triple::<Zmm, T>(row, place) }
}

struct Zmm;

impl Vectors for Zmm {
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    type Scales = __m512;

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
    unsafe fn store(sums: __m512i, scales: __m512, to: *mut u8) {
        unsafe {
            let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), scales);
            // Bounded first: past the range of i32 the conversion would give its lowest value.
            let scaled = _mm512_min_ps(scaled, _mm512_set1_ps(255.0));
            let whole = _mm512_max_epi32(_mm512_cvtps_epi32(scaled), _mm512_setzero_si512());
            _mm_storeu_si128(to.cast(), _mm512_cvtusepi32_epi8(whole));
        }
    }
}

//! The instruction sets with registers of 256 bits: AVX-VNNI, the same of AVX-512, and AVX2. Two registers hold 16 output
//! channels.
//!
//! They differ in one instruction, so the operator is written once and made three times. That also has AVX-VNNI's code
//! tested on machines that have these instructions in AVX-512's encoding only.
#![expect(
    unsafe_code,
    reason = "vector instructions on raw pointers, bounded by `Rows::check`"
)]

use super::Rows;
use super::tile::{Place, Tiles, Widths, by_width};
use super::x86::{self, Vectors};
use std::arch::x86_64::*;

/// A module for one instruction set: how it adds four products a channel, and the tiles that its registers allow.
macro_rules! instruction_set {
    (
        $(#[$about:meta])* $module:ident, $features:literal, [$($feature:tt)*], [$($width:literal)*],
        |$sums:ident, $inputs:ident, $weights:ident| $added:expr
    ) => {
        $(#[$about])*
        pub(super) mod $module {
            use super::*;

            const TILES: Tiles = Tiles {
                one: Widths {
                    each: by_width!(plain: $($width)*),
                    long: None,
                },
                two: None,
                marks: Widths {
                    each: by_width!(marks: $($width)*),
                    long: None,
                },
            };

            /// The operators, where this machine has the instructions.
            pub(in super::super) fn tiles() -> Option<&'static Tiles> {
                let found = $(is_x86_feature_detected!($feature))&&*;
                found.then_some(&TILES)
            }

            #[target_feature(enable = $features)]
            unsafe fn plain<const T: usize>(rows: &mut Rows<'_>, place: Place) {
                unsafe { x86::plain::<Ymm, 1, T>(rows, place) }
            }

            #[target_feature(enable = $features)]
            unsafe fn marks<const T: usize>(rows: &mut Rows<'_>, place: Place) {
                unsafe { x86::marks::<Ymm, T>(rows, place) }
            }

            #[inline(always)]
            unsafe fn half($sums: __m256i, $inputs: __m256i, $weights: __m256i) -> __m256i {
                unsafe { $added }
            }

            struct Ymm;

            impl Vectors for Ymm {
                type Sums = Pair;
                type Weights = Pair;
                type Inputs = __m256i;
                type Scales = [__m256; 2];

                const STEPS: bool = false;

                #[inline(always)]
                unsafe fn sums(from: *const i32) -> Pair {
                    unsafe { pair(from.cast()) }
                }

                #[inline(always)]
                unsafe fn weights(from: *const i8) -> Pair {
                    unsafe { pair(from.cast()) }
                }

                #[inline(always)]
                unsafe fn inputs(from: *const u8) -> __m256i {
                    unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
                }

                #[inline(always)]
                unsafe fn scales(from: *const f32) -> [__m256; 2] {
                    unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
                }

                #[inline(always)]
                unsafe fn added(sums: Pair, inputs: __m256i, weights: Pair) -> Pair {
                    let ([low, high], [low_weights, high_weights]) = (sums, weights);
                    unsafe { [half(low, inputs, low_weights), half(high, inputs, high_weights)] }
                }

                #[inline(always)]
                unsafe fn marks([first, _]: Pair) -> u8 {
                    unsafe { above_zero(first) }
                }

                #[inline(always)]
                unsafe fn store(sums: Pair, scales: [__m256; 2], to: *mut u8) {
                    unsafe { store(sums, scales, to) }
                }
            }
        }
    };
}

instruction_set! {
    /// AVX-VNNI: client processors, and servers that also have AVX-512. 6 voxels: 12 sums, 2 weights, 1 input.
    avxvnni, "avx2,avxvnni", ["avx2" "avxvnni"], [1 2 3 4 5 6],
    |sums, inputs, weights| _mm256_dpbusd_avx_epi32(sums, inputs, weights)
}

instruction_set! {
    /// The VNNI of AVX-512 in registers of half the width, for processors that lower their clock for the whole width.
    avx512vnni_256, "avx2,avx512vnni,avx512vl", ["avx2" "avx512vnni" "avx512vl"], [1 2 3 4 5 6],
    |sums, inputs, weights| _mm256_dpbusd_epi32(sums, inputs, weights)
}

instruction_set! {
    /// AVX2: pairs of products in 16 bits, which weights within ±63 cannot overflow. 5 voxels: 10 sums, 2 weights,
    /// 1 input, 1 pair and the ones that add pairs.
    avx2, "avx2", ["avx2"], [1 2 3 4 5],
    |sums, inputs, weights| _mm256_add_epi32(
        sums,
        _mm256_madd_epi16(_mm256_maddubs_epi16(inputs, weights), _mm256_set1_epi16(1)),
    )
}

/// 16 lanes of 32 bits.
type Pair = [__m256i; 2];

#[inline(always)]
unsafe fn pair(from: *const __m256i) -> Pair {
    unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
}

#[inline(always)]
unsafe fn above_zero(sums: __m256i) -> u8 {
    unsafe {
        let above = _mm256_cmpgt_epi32(sums, _mm256_setzero_si256());
        let [first, ..] = _mm256_movemask_ps(_mm256_castsi256_ps(above)).to_le_bytes();
        first
    }
}

/// To whole numbers, which [`Rows::scale`] keeps in range.
#[inline(always)]
unsafe fn scaled(sums: __m256i, scales: __m256) -> __m256i {
    unsafe { _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), scales)) }
}

#[inline(always)]
unsafe fn store(sums: Pair, scales: [__m256; 2], to: *mut u8) {
    unsafe {
        let [low, high] = sums;
        let (low, high) = (scaled(low, scales[0]), scaled(high, scales[1]));
        // 32 to 16 to 8 bits, saturating; packing works within halves, so the quarters are put in order between.
        let short = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
        let bytes = _mm256_packus_epi16(short, short);
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
        _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(bytes));
    }
}

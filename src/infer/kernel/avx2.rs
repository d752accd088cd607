//! AVX2: 8 output channels a vector; pairs of products in 16 bits, which weights within ±63 cannot overflow.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "vector instructions on raw pointers, bounded by `Row::check`; arrays of registers are indexed by loops that unroll"
)]

use super::{GROUP, LANES, Row, Source};
use std::arch::x86_64::*;

const TILE: usize = 5;
const VECTOR: usize = LANES * GROUP;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

pub(super) fn run(row: &mut Row<'_>) {
    // SAFETY: AVX2 was detected by the caller; `Row::check` has bounded every access.
    unsafe { run_blocks(row) }
}

#[target_feature(enable = "avx2")]
unsafe fn run_blocks(row: &mut Row<'_>) {
    let per_block = row.block_bytes();
    for block in 0..row.bias.len() / LANES {
        let weights = row.weights.as_ptr().wrapping_add(block * per_block);
        let count = row.width.div_ceil(TILE);
        for tile in 0..count {
            let (from, to) = (tile * row.width / count, (tile + 1) * row.width / count);
            unsafe {
                match to - from {
                    1 => tile_of::<1>(row, block, weights, from),
                    2 => tile_of::<2>(row, block, weights, from),
                    3 => tile_of::<3>(row, block, weights, from),
                    4 => tile_of::<4>(row, block, weights, from),
                    5 => tile_of::<5>(row, block, weights, from),
                    _ => {}
                }
            }
        }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn tile_of<const T: usize>(
    row: &mut Row<'_>,
    block: usize,
    weights: *const i8,
    from: usize,
) {
    unsafe {
        let bias = row.bias.as_ptr().add(block * LANES);
        let bias = [
            _mm256_loadu_si256(bias.cast()),
            _mm256_loadu_si256(bias.add(8).cast()),
        ];
        let mut sums = [bias; T];
        let mut weights = weights;
        for source in row.sources {
            weights = add(source, &mut sums, weights, from);
        }
        store(row, block, from, &sums);
    }
}

#[inline(always)]
unsafe fn add<const T: usize>(
    source: &Source<'_>,
    sums: &mut [[__m256i; 2]; T],
    weights: *const i8,
    from: usize,
) -> *const i8 {
    unsafe {
        let step = source.step;
        let base = source.bytes.as_ptr().add(source.start + from * step);
        let ones = _mm256_set1_epi16(1);
        let mut weights = weights;
        let mut local = *sums;
        for tap in source.taps {
            let mut input = base.add(*tap);
            for _ in 0..source.channels / GROUP {
                let weight = [
                    _mm256_loadu_si256(weights.cast()),
                    _mm256_loadu_si256(weights.add(32).cast()),
                ];
                for t in 0..T {
                    let four =
                        _mm256_set1_epi32(input.add(t * step).cast::<i32>().read_unaligned());
                    for b in 0..2 {
                        let pairs = _mm256_maddubs_epi16(four, weight[b]);
                        local[t][b] = _mm256_add_epi32(local[t][b], _mm256_madd_epi16(pairs, ones));
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

#[inline(always)]
unsafe fn store<const T: usize>(
    row: &mut Row<'_>,
    block: usize,
    from: usize,
    sums: &[[__m256i; 2]; T],
) {
    unsafe {
        let scale = row.scale.as_ptr().add(block * LANES);
        let scale = [_mm256_loadu_ps(scale), _mm256_loadu_ps(scale.add(8))];
        let output = row
            .output
            .as_mut_ptr()
            .add(from * row.output_step + block * LANES);
        for t in 0..T {
            let whole = [0, 1].map(|b| {
                _mm256_cvtps_epi32(_mm256_min_ps(
                    _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t][b]), scale[b]),
                    // Bounded first: past the range of i32 the conversion would give its lowest value.
                    _mm256_set1_ps(255.0),
                ))
            });
            // 32 to 16 to 8 bits, saturating; packing works within halves, so the quarters are put in order between.
            let short =
                _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(whole[0], whole[1]));
            let bytes = _mm256_packus_epi16(short, short);
            let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
            _mm_storeu_si128(
                output.add(t * row.output_step).cast(),
                _mm256_castsi256_si128(bytes),
            );
        }
    }
}

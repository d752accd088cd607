//! AVX-512 VNNI: 16 output channels a vector, four input channels of one voxel broadcast to all of them.
#![expect(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "vector instructions on raw pointers, bounded by `Row::check`; arrays of registers are indexed by loops that unroll"
)]

use super::{GROUP, LANES, Row, Source};
use std::arch::x86_64::*;

/// Voxels a tile: 2 × 14 accumulators, 2 weights and 1 input fill the 32 registers.
const TILE: usize = 14;
/// Voxels a tile when one input serves the three taps of a kernel's row: 24 accumulators, 3 weights, 1 input.
const TILE_TRIPLE: usize = 12;
const VECTOR: usize = LANES * GROUP;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

pub(super) fn run(row: &mut Row<'_>) {
    // SAFETY: the features were detected by the caller; `Row::check` has bounded every access.
    unsafe { run_blocks(row) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn run_blocks(row: &mut Row<'_>) {
    let blocks = row.bias.len() / LANES;
    let per_block = row.block_bytes();
    let mut block = 0;
    while block < blocks {
        let pair = block + 1 < blocks;
        let weights = row.weights.as_ptr().wrapping_add(block * per_block);
        unsafe {
            if pair {
                tiles::<2>(row, block, weights, per_block);
                block += 2;
            } else if triples(row) {
                tiles_triple(row, block, weights);
                block += 1;
            } else {
                tiles::<1>(row, block, weights, per_block);
                block += 1;
            }
        }
    }
}

/// Whether every source's taps are rows of three neighbours.
fn triples(row: &Row<'_>) -> bool {
    row.sources.iter().all(|source| {
        source.step == source.channels
            && source.taps.len() % 3 == 0
            && source
                .taps
                .chunks_exact(3)
                .all(|t| t[1] == t[0] + source.step && t[2] == t[1] + source.step)
    })
}

/// Calls the operator made for just this width.
macro_rules! by_width {
    ($width:expr, $operator:ident, [$($n:literal)*], $arguments:tt) => {
        match $width {
            $($n => unsafe { $operator::<$n> $arguments },)*
            _ => {}
        }
    };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn one_of<const T: usize>(
    row: &mut Row<'_>,
    block: usize,
    weights: *const i8,
    per_block: usize,
    from: usize,
) {
    unsafe { tile_of::<T, 1>(row, block, weights, per_block, from) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn two_of<const T: usize>(
    row: &mut Row<'_>,
    block: usize,
    weights: *const i8,
    per_block: usize,
    from: usize,
) {
    unsafe { tile_of::<T, 2>(row, block, weights, per_block, from) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tiles<const B: usize>(
    row: &mut Row<'_>,
    block: usize,
    weights: *const i8,
    per_block: usize,
) {
    let count = row.width.div_ceil(TILE);
    for tile in 0..count {
        let (from, to) = (tile * row.width / count, (tile + 1) * row.width / count);
        if B == 2 {
            by_width!(to - from, two_of, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], (row, block, weights, per_block, from));
        } else {
            by_width!(to - from, one_of, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], (row, block, weights, per_block, from));
        }
    }
}

#[inline(always)]
unsafe fn tile_of<const T: usize, const B: usize>(
    row: &mut Row<'_>,
    block: usize,
    weights: *const i8,
    per_block: usize,
    from: usize,
) {
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); B]; T];
        let mut bias = [_mm512_setzero_si512(); B];
        for b in 0..B {
            bias[b] = _mm512_loadu_si512(row.bias.as_ptr().add((block + b) * LANES).cast());
        }
        for t in 0..T {
            sums[t] = bias;
        }
        let mut weights = weights;
        for source in row.sources {
            weights = match source.step {
                16 => add::<T, B, 16>(source, &mut sums, weights, per_block, from),
                32 => add::<T, B, 32>(source, &mut sums, weights, per_block, from),
                64 => add::<T, B, 64>(source, &mut sums, weights, per_block, from),
                96 => add::<T, B, 96>(source, &mut sums, weights, per_block, from),
                128 => add::<T, B, 128>(source, &mut sums, weights, per_block, from),
                _ => add::<T, B, 0>(source, &mut sums, weights, per_block, from),
            };
        }
        store(row, block, from, &sums);
    }
}

#[inline(always)]
unsafe fn add<const T: usize, const B: usize, const STEP: usize>(
    source: &Source<'_>,
    sums: &mut [[__m512i; B]; T],
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
                let mut weight = [_mm512_setzero_si512(); B];
                for b in 0..B {
                    weight[b] = _mm512_loadu_si512(weights.add(b * per_block).cast());
                }
                for t in 0..T {
                    let four =
                        _mm512_set1_epi32(input.add(t * step).cast::<i32>().read_unaligned());
                    for b in 0..B {
                        local[t][b] = _mm512_dpbusd_epi32(local[t][b], four, weight[b]);
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
unsafe fn store<const T: usize, const B: usize>(
    row: &mut Row<'_>,
    block: usize,
    from: usize,
    sums: &[[__m512i; B]; T],
) {
    unsafe {
        for b in 0..B {
            let scale = _mm512_loadu_ps(row.scale.as_ptr().add((block + b) * LANES));
            let output = row
                .output
                .as_mut_ptr()
                .add(from * row.output_step + (block + b) * LANES);
            for t in 0..T {
                let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t][b]), scale);
                // Bounded first: past the range of i32 the conversion would give its lowest value.
                let scaled = _mm512_min_ps(scaled, _mm512_set1_ps(255.0));
                let whole = _mm512_max_epi32(_mm512_cvtps_epi32(scaled), _mm512_setzero_si512());
                _mm_storeu_si128(
                    output.add(t * row.output_step).cast(),
                    _mm512_cvtusepi32_epi8(whole),
                );
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tiles_triple(row: &mut Row<'_>, block: usize, weights: *const i8) {
    let count = row.width.div_ceil(TILE_TRIPLE);
    for tile in 0..count {
        let (from, to) = (tile * row.width / count, (tile + 1) * row.width / count);
        by_width!(to - from, triple_of, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24], (row, block, weights, from));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn triple_of<const T: usize>(
    row: &mut Row<'_>,
    block: usize,
    weights: *const i8,
    from: usize,
) {
    unsafe {
        let bias = _mm512_loadu_si512(row.bias.as_ptr().add(block * LANES).cast());
        let mut sums = [[bias; 1]; T];
        let mut weights = weights;
        for source in row.sources {
            weights = match source.step {
                8 => add_triple::<T, 8>(source, &mut sums, weights, from),
                16 => add_triple::<T, 16>(source, &mut sums, weights, from),
                _ => add_triple::<T, 0>(source, &mut sums, weights, from),
            };
        }
        store(row, block, from, &sums);
    }
}

#[inline(always)]
unsafe fn add_triple<const T: usize, const STEP: usize>(
    source: &Source<'_>,
    sums: &mut [[__m512i; 1]; T],
    weights: *const i8,
    from: usize,
) -> *const i8 {
    unsafe {
        let step = if STEP == 0 { source.step } else { STEP };
        let base = source.bytes.as_ptr().add(source.start + from * step);
        let mut weights = weights;
        let mut local = *sums;
        // One tap's weights lie `tap` bytes behind the one before.
        let tap = source.channels * LANES;
        for three in source.taps.chunks_exact(3) {
            let mut input = base.add(three[0]);
            for _ in 0..source.channels / GROUP {
                let w0 = _mm512_loadu_si512(weights.cast());
                let w1 = _mm512_loadu_si512(weights.add(tap).cast());
                let w2 = _mm512_loadu_si512(weights.add(2 * tap).cast());
                for t in 0..T + 2 {
                    let four =
                        _mm512_set1_epi32(input.add(t * step).cast::<i32>().read_unaligned());
                    if t < T {
                        local[t][0] = _mm512_dpbusd_epi32(local[t][0], four, w0);
                    }
                    if t >= 1 && t < T + 1 {
                        local[t - 1][0] = _mm512_dpbusd_epi32(local[t - 1][0], four, w1);
                    }
                    if t >= 2 {
                        local[t - 2][0] = _mm512_dpbusd_epi32(local[t - 2][0], four, w2);
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

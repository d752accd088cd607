//! From HU to the bytes of the network's input: four rows of voxels become one row of blocks.
#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(
        unsafe_code,
        reason = "vector instructions on arrays, called where the machine has them"
    )
)]

use super::Isa;

/// Voxels of a block: two in each of four rows.
pub(in crate::infer) const BLOCK: usize = 8;

/// A straight line from HU to bytes, cut off at 0 and 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::infer) struct Ramp {
    /// The HU of byte 0.
    pub(in crate::infer) low: f32,
    /// Bytes a HU.
    pub(in crate::infer) slope: f32,
}

impl Ramp {
    /// The byte of a HU: the nearest, ties to even.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 255 after the clamp"
    )]
    pub(in crate::infer) fn byte(self, hu: i16) -> u8 {
        let step = (f32::from(hu) - self.low) * self.slope;
        step.round_ties_even().clamp(0.0, 255.0) as u8
    }

    /// Fills `blocks` from four rows of twice as many voxels: a block's are the first row's two, the second one's, and so on. As
    /// many as fill whole vectors of `isa`, and without its instructions none; returns their number.
    pub(in crate::infer) fn pack(
        self,
        isa: Isa,
        rows: [&[i16]; 4],
        blocks: &mut [[u8; BLOCK]],
    ) -> usize {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni if is_x86_feature_detected!("avx512bw") => {
                // SAFETY: the machine has the instructions.
                unsafe { x86::avx512(self, rows, blocks) }
            }
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni | Isa::Avx512Vnni256 | Isa::Avx2 if is_x86_feature_detected!("avx2") => {
                // SAFETY: as above.
                unsafe { x86::avx2(self, rows, blocks) }
            }
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every such machine has NEON.
            Isa::NeonI8mm | Isa::NeonDotprod => unsafe { neon::pack(self, rows, blocks) },
            _ => 0,
        }
    }
}

/// The whole vectors of blocks, `$at_once` each, with the voxels of their four rows.
macro_rules! whole {
    ($rows:ident, $blocks:ident, $at_once:literal) => {{
        let [a, b, c, d] = $rows.map(|row| row.as_chunks::<{ 2 * $at_once }>().0.iter());
        let blocks = $blocks.as_chunks_mut::<$at_once>().0.iter_mut();
        blocks
            .zip(a.zip(b))
            .zip(c.zip(d))
            .map(|((blocks, (a, b)), (c, d))| (blocks, [a, b, c, d]))
    }};
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, Ramp};
    use std::arch::x86_64::*;

    /// The function for vectors of one width: the names of its instructions.
    macro_rules! width {
        (
            $name:ident, $features:literal, $at_once:literal, $load:ident, $whole:ident, $float:ident, $all:ident, $less:ident,
            $times:ident, $nearest:ident, $short:ident, $bytes:ident, $quarter:ident, $turned:ident, $store:ident
        ) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(
                ramp: Ramp,
                rows: [&[i16]; 4],
                blocks: &mut [[u8; BLOCK]],
            ) -> usize {
                let (low, slope) = ($all(ramp.low), $all(ramp.slope));
                // Within each quarter: two voxels of each row.
                let order = $quarter(_mm_setr_epi8(
                    0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
                ));
                let mut done = 0;
                for (blocks, [a, b, c, d]) in whole!(rows, blocks, $at_once) {
                    // No closure: it would not have this instruction set.
                    macro_rules! steps {
                        ($row:ident) => {{
                            // SAFETY: as many voxels as the vector holds.
                            let hu = unsafe { $load($row.as_ptr().cast()) };
                            $nearest($times($less($float($whole(hu)), low), slope))
                        }};
                    }
                    // 32 to 16 to 8 bits, saturating: within each quarter four voxels of a row follow those of another.
                    let (ab, cd) = ($short(steps!(a), steps!(b)), $short(steps!(c), steps!(d)));
                    let bytes = $turned($bytes(ab, cd), order);
                    // SAFETY: as many bytes as the vector has.
                    unsafe { $store(blocks.as_mut_ptr().cast(), bytes) };
                    done += blocks.len();
                }
                done
            }
        };
    }

    width!(
        avx512,
        "avx512f,avx512bw",
        8,
        _mm256_loadu_si256,
        _mm512_cvtepi16_epi32,
        _mm512_cvtepi32_ps,
        _mm512_set1_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_cvtps_epi32,
        _mm512_packs_epi32,
        _mm512_packus_epi16,
        _mm512_broadcast_i32x4,
        _mm512_shuffle_epi8,
        _mm512_storeu_si512
    );
    width!(
        avx2,
        "avx2",
        4,
        _mm_loadu_si128,
        _mm256_cvtepi16_epi32,
        _mm256_cvtepi32_ps,
        _mm256_set1_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_cvtps_epi32,
        _mm256_packs_epi32,
        _mm256_packus_epi16,
        _mm256_broadcastsi128_si256,
        _mm256_shuffle_epi8,
        _mm256_storeu_si256
    );
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{BLOCK, Ramp};
    use std::arch::aarch64::*;

    #[target_feature(enable = "neon")]
    pub(super) fn pack(ramp: Ramp, rows: [&[i16]; 4], blocks: &mut [[u8; BLOCK]]) -> usize {
        let mut done = 0;
        for (blocks, [a, b, c, d]) in whole!(rows, blocks, 4) {
            let (ab, cd) = (
                vzip_u16(twos(ramp, a), twos(ramp, b)),
                vzip_u16(twos(ramp, c), twos(ramp, d)),
            );
            // SAFETY: four blocks of eight bytes.
            unsafe {
                let to = blocks.as_mut_ptr().cast::<u32>();
                for (half, (ab, cd)) in [(ab.0, cd.0), (ab.1, cd.1)].into_iter().enumerate() {
                    let two = vzip_u32(vreinterpret_u32_u16(ab), vreinterpret_u32_u16(cd));
                    vst1_u32(to.add(4 * half), two.0);
                    vst1_u32(to.add(4 * half + 2), two.1);
                }
            }
            done += blocks.len();
        }
        done
    }

    /// The bytes of eight voxels by twos.
    #[inline]
    #[target_feature(enable = "neon")]
    fn twos(ramp: Ramp, voxels: &[i16; 8]) -> uint16x4_t {
        // SAFETY: eight voxels.
        let hu = unsafe { vld1q_s16(voxels.as_ptr()) };
        let (low, high) = (vmovl_s16(vget_low_s16(hu)), vmovl_high_s16(hu));
        let short = vcombine_u16(steps(ramp, low), steps(ramp, high));
        vreinterpret_u16_u8(vqmovn_u16(short))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn steps(ramp: Ramp, hu: int32x4_t) -> uint16x4_t {
        let above = vsubq_f32(vcvtq_f32_s32(hu), vdupq_n_f32(ramp.low));
        vqmovun_s32(vcvtnq_s32_f32(vmulq_n_f32(above, ramp.slope)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_give_the_bytes_of_the_line_and_leave_the_rest() {
        // The shipped window, and ends far outside and far inside the range of HU.
        for (low, slope) in [(-1024.0, 255.0 / 1274.0), (-40000.0, 0.004), (-0.5, 500.0)] {
            let ramp = Ramp { low, slope };
            for width in [1, 3, 4, 7, 8, 56, 59] {
                let row = |row: i16| -> Vec<i16> {
                    let place = |x: i16| x.wrapping_mul(1171).wrapping_add(row.wrapping_mul(7919));
                    (0..2 * width)
                        .map(place)
                        .chain([i16::MIN, i16::MAX])
                        .collect()
                };
                let rows: [Vec<i16>; 4] = [0, 1, 2, 3].map(row);
                let rows: [&[i16]; 4] = [0, 1, 2, 3].map(|at: usize| rows[at].as_slice());
                let wanted: Vec<[u8; BLOCK]> = (0..rows[0].len() / 2)
                    .map(|x| std::array::from_fn(|at| ramp.byte(rows[at / 2][2 * x + at % 2])))
                    .collect();
                for isa in Isa::available() {
                    let mut blocks = vec![[77; BLOCK]; wanted.len()];
                    let done = ramp.pack(isa, rows, &mut blocks);
                    assert_eq!(blocks[..done], wanted[..done], "{} {width}", isa.name());
                    assert!(blocks[done..].iter().all(|block| *block == [77; BLOCK]));
                    assert!(
                        isa == Isa::Scalar || blocks.len() < done + BLOCK,
                        "{}",
                        isa.name()
                    );
                }
            }
        }
    }
}

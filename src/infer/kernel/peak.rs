//! The most that an instruction set can do: independent dot products that never leave the registers.
//!
//! What a kernel is measured against. The sums are independent, and more than a unit keeps in flight, so nothing but the
//! multipliers limits the loop; empty assembler keeps the compiler from seeing that it always adds the same.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "vector instructions on registers only, each behind the detection of its feature"
    )
)]

use super::Isa;

/// Does `rounds` rounds of independent dot products with `isa` and returns the multiply-adds that were done.
///
/// `None` for plain Rust, whose speed is the compiler's, for NEON, whose peak is not measured yet, and for an instruction
/// set that this machine lacks.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused_variables, reason = "no peak is measured")
)]
pub fn dot_products(isa: Isa, rounds: u32) -> Option<u64> {
    super::tiles(isa)?;
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY (this and the next three): the machine has what `tiles` gives operators for.
        Isa::Avx512Vnni => Some(unsafe { x86::vnni_512(rounds) }),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => Some(unsafe { x86::avx_vnni(rounds) }),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni256 => Some(unsafe { x86::vnni_256(rounds) }),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Some(unsafe { x86::avx2(rounds) }),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx512Vnni | Isa::AvxVnni | Isa::Avx512Vnni256 | Isa::Avx2 => None,
        Isa::NeonI8mm | Isa::NeonDotprod | Isa::Scalar => None,
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// Sums in flight: latency 4 cycles at 2 a cycle asks for 8; with 12 no unit idles, and 16 registers hold them.
    const SUMS: usize = 12;
    /// AVX2 needs three registers more for its pairs.
    const SUMS_AVX2: usize = 8;

    /// One VNNI instruction a sum: the loop for a register of `$bytes` bytes, a multiply-add each.
    macro_rules! vnni {
        ($name:ident, $features:literal, $register:ident, $bytes:literal, $fill:ident, $dot:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(rounds: u32) -> u64 {
                let (input, weight) = ($fill(black_box(3)), $fill(black_box(5)));
                let mut sums = [$fill(0); SUMS];
                for sum in &mut sums {
                    // SAFETY: the assembler is empty.
                    unsafe {
                        asm!(
                            "/* {0} */",
                            inout($register) * sum,
                            options(nomem, nostack, preserves_flags)
                        );
                    }
                }
                for _ in 0..rounds {
                    for sum in &mut sums {
                        *sum = $dot(*sum, input, weight);
                    }
                }
                black_box(sums);
                u64::from(rounds) * (SUMS * $bytes) as u64
            }
        };
    }

    vnni!(
        vnni_512,
        "avx512f,avx512bw,avx512vnni",
        zmm_reg,
        64,
        _mm512_set1_epi8,
        _mm512_dpbusd_epi32
    );

    vnni!(
        vnni_256,
        "avx512vnni,avx512vl",
        ymm_reg,
        32,
        _mm256_set1_epi8,
        _mm256_dpbusd_epi32
    );
    vnni!(
        avx_vnni,
        "avxvnni",
        ymm_reg,
        32,
        _mm256_set1_epi8,
        _mm256_dpbusd_avx_epi32
    );

    /// Three instructions a sum: products of bytes in pairs, pairs to words of 32 bits, the sum.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(rounds: u32) -> u64 {
        let (mut input, weight) = (
            _mm256_set1_epi8(black_box(3)),
            _mm256_set1_epi8(black_box(5)),
        );
        let ones = _mm256_set1_epi16(black_box(1));
        let mut sums = [_mm256_setzero_si256(); SUMS_AVX2];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: the assembler is empty. It makes each product another one to the compiler.
                unsafe {
                    asm!("/* {0} */", inout(ymm_reg) input, options(nomem, nostack, preserves_flags));
                }
                let pairs = _mm256_maddubs_epi16(input, weight);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        black_box(sums);
        u64::from(rounds) * (SUMS_AVX2 * 32) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_grows_with_the_rounds_and_plain_rust_has_no_peak() {
        for isa in Isa::available() {
            let (one, three) = (dot_products(isa, 1), dot_products(isa, 3));
            assert_eq!(one.map(|work| 3 * work), three, "{}", isa.name());
            if cfg!(target_arch = "x86_64") {
                assert_eq!(one.is_none(), isa == Isa::Scalar, "{}", isa.name());
            }
        }
    }
}

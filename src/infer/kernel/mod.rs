//! The int8 operators: one output row at a time, the same bits on every instruction set.
//!
//! A convolution is a sum over *taps*: for each tap, an input voxel at a fixed distance and a block of weights. 3³ and
//! 1³ kernels, strides, two-source skips and the parities of a transposed convolution differ in their lists of taps only,
//! so one operator runs them all.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod peak;
mod scalar;

pub use peak::dot_products;

/// Output channels that share one vector of weights.
pub(super) const LANES: usize = 16;
/// Input channels that one multiply-accumulate takes.
pub(super) const GROUP: usize = 4;

/// What a row reads from one tensor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source<'a> {
    /// The tensor, channels innermost.
    pub(super) bytes: &'a [u8],
    /// Where tap offset 0 of the first output voxel lies.
    pub(super) start: usize,
    /// Byte offsets of the taps. They come in threes one voxel apart where `triples` says so.
    pub(super) taps: &'a [usize],
    /// Bytes from one output voxel's input to the next one's.
    pub(super) step: usize,
    /// Channels of the tensor.
    pub(super) channels: usize,
}

/// One row of output voxels.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// One or two tensors; the sums of both are added.
    pub(super) sources: &'a [Source<'a>],
    /// `[block of 16 output channels][source][tap][4 input channels][16 output channels][4]`.
    pub(super) weights: &'a [i8],
    /// Per output channel, in steps of input × weight.
    pub(super) bias: &'a [i32],
    /// Per output channel: from steps of input × weight to steps of the output.
    pub(super) scale: &'a [f32],
    /// From the first output voxel's channel 0.
    pub(super) output: &'a mut [u8],
    /// Bytes from one output voxel to the next.
    pub(super) output_step: usize,
    /// Output voxels.
    pub(super) width: usize,
}

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 with VNNI.
    Avx512Vnni,
    /// AVX2.
    Avx2,
    /// Plain Rust: the reference.
    Scalar,
}

impl Isa {
    /// Every instruction set that this machine has, fastest first.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_available() {
                found.push(Isa::Avx512Vnni);
            }
            if avx2::is_available() {
                found.push(Isa::Avx2);
            }
        }
        found.push(Isa::Scalar);
        found
    }

    /// The fastest instruction set of this machine.
    pub fn fastest() -> Isa {
        Isa::available().first().copied().unwrap_or(Isa::Scalar)
    }

    /// The name in findings.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512Vnni => "avx512vnni",
            Isa::Avx2 => "avx2",
            Isa::Scalar => "scalar",
        }
    }
}

/// Why a row cannot be computed: a mistake of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfBounds;

impl Row<'_> {
    /// Bytes of weights of one block of 16 output channels.
    fn block_bytes(&self) -> usize {
        self.sources
            .iter()
            .map(|source| source.taps.len() * source.channels * LANES)
            .sum()
    }

    /// Whether every read and write of the row lies in its slices: what the vector operators rely on.
    fn check(&self) -> Result<(), OutOfBounds> {
        let channels = self.bias.len();
        let mut weights = 0_usize;
        for source in self.sources {
            let last = source.taps.iter().copied().max().unwrap_or(0);
            let across = source
                .step
                .checked_mul(self.width.saturating_sub(1))
                .ok_or(OutOfBounds)?;
            let end = source
                .start
                .checked_add(last)
                .and_then(|at| at.checked_add(across)?.checked_add(source.channels));
            if end.is_none_or(|end| end > source.bytes.len())
                || !source.channels.is_multiple_of(GROUP)
            {
                return Err(OutOfBounds);
            }
            weights += source.taps.len() * source.channels * channels;
        }
        let written = self
            .output_step
            .checked_mul(self.width.saturating_sub(1))
            .and_then(|at| at.checked_add(channels));
        let fits = channels.is_multiple_of(LANES)
            && self.scale.len() == channels
            && self.weights.len() == weights
            && written.is_some_and(|end| end <= self.output.len());
        if fits { Ok(()) } else { Err(OutOfBounds) }
    }
}

/// Computes `row` with `isa`, which must be one of [`Isa::available`]; another falls back to plain Rust.
pub(super) fn run(isa: Isa, row: &mut Row<'_>) -> Result<(), OutOfBounds> {
    row.check()?;
    if row.width == 0 {
        return Ok(());
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni if avx512::is_available() => avx512::run(row),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if avx2::is_available() => avx2::run(row),
        Isa::Avx512Vnni | Isa::Avx2 | Isa::Scalar => scalar::run(row),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A row's numbers, owned.
    #[derive(Clone, Debug)]
    struct Case {
        sources: Vec<(Vec<u8>, Vec<usize>, usize, usize)>,
        weights: Vec<i8>,
        bias: Vec<i32>,
        scale: Vec<f32>,
        width: usize,
        output_step: usize,
    }

    fn run_on(isa: Isa, case: &Case) -> Vec<u8> {
        let sources: Vec<Source<'_>> = case
            .sources
            .iter()
            .map(|(bytes, taps, step, channels)| Source {
                bytes,
                start: 0,
                taps,
                step: *step,
                channels: *channels,
            })
            .collect();
        let mut output = vec![0xA5; case.output_step * case.width + 7];
        let mut row = Row {
            sources: &sources,
            weights: &case.weights,
            bias: &case.bias,
            scale: &case.scale,
            output: &mut output,
            output_step: case.output_step,
            width: case.width,
        };
        assert_eq!(run(isa, &mut row), Ok(()));
        output
    }

    prop_compose! {
        /// Rows as layers have them: taps in threes or single, strides, two sources, saturating bytes and weights.
        fn case()(
            groups in 1_usize..5, second in 0_usize..3, blocks in 1_usize..4, width in 1_usize..40,
            stride in 1_usize..3, rows in 1_usize..4, gap in 0_usize..2, single in any::<bool>(), seed in any::<u64>(),
        ) -> Case {
            let mut state = seed | 1;
            let mut next = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u32::try_from(state >> 33).unwrap()
            };
            let mut sources = Vec::new();
            let mut weights = 0;
            for groups in [groups, second].into_iter().filter(|groups| *groups > 0) {
                let channels = groups * GROUP * 2;
                let line = (width * stride + 3 + gap) * channels;
                let taps: Vec<usize> = if single {
                    vec![channels]
                } else {
                    (0..rows).flat_map(|row| (0..3).map(move |x| row * line + x * channels)).collect()
                };
                let bytes = (0..line * (rows + 1)).map(|_| match next() % 3 { 0 => 255, 1 => 0, _ => next().to_le_bytes()[0] });
                sources.push((bytes.collect::<Vec<u8>>(), taps.clone(), channels * stride, channels));
                weights += taps.len() * channels * blocks * LANES;
            }
            let outputs = blocks * LANES;
            Case {
                sources,
                weights: (0..weights).map(|_| match next() % 4 { 0 => 63, 1 => -63, _ => i8::try_from(next() % 127).unwrap() - 63 }).collect(),
                bias: (0..outputs).map(|_| next().cast_signed() >> 12).collect(),
                scale: (0..outputs).map(|_| next() as f32 / 4e12).collect(),
                width,
                output_step: outputs + 16 * gap,
            }
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_bits_of_plain_rust(case in case()) {
            let wanted = run_on(Isa::Scalar, &case);
            for isa in Isa::available() {
                prop_assert_eq!(&run_on(isa, &case), &wanted, "{}", isa.name());
            }
        }
    }

    #[test]
    fn a_row_that_reaches_past_a_slice_is_not_computed() {
        let bytes = [1_u8; 64];
        let taps = [0, 16, 32];
        let weights = [1_i8; 3 * 16 * 16];
        let (bias, scale) = ([0; 16], [1.0; 16]);
        for (start, width, room, fits) in [
            (0, 1, 16, true),
            (0, 2, 32, true),
            (0, 3, 48, false),
            (17, 1, 16, false),
            (usize::MAX, 1, 16, false),
            (0, 2, 31, false),
        ] {
            let source = Source {
                bytes: &bytes,
                start,
                taps: &taps,
                step: 16,
                channels: 16,
            };
            let mut output = vec![0; room];
            let mut row = Row {
                sources: &[source],
                weights: &weights,
                bias: &bias,
                scale: &scale,
                output: &mut output,
                output_step: 16,
                width,
            };
            let found = run(Isa::fastest(), &mut row);
            assert_eq!(
                found.is_ok(),
                fits,
                "start {start}, width {width}, room {room}"
            );
        }
    }
}

//! The int8 operators: one output row at a time, the same bits on every instruction set.
//!
//! A convolution is a sum over *taps*: for each tap, an input voxel at a fixed distance and a block of weights. 3³ and
//! 1³ kernels, strides, two-source skips and the parities of a transposed convolution differ in their lists of taps only,
//! so one operator runs them all.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

/// Output channels that share one vector of weights.
pub(super) const LANES: usize = 16;
/// Input channels that one multiply-accumulate takes.
pub(super) const GROUP: usize = 4;

/// What a row reads from one tensor.
#[derive(Clone, Copy, Debug)]
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

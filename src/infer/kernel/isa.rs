//! The instruction sets, and which of them this machine has.

use super::tiles;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 with VNNI.
    Avx512Vnni,
    /// AVX-VNNI: VNNI in registers of 256 bits.
    AvxVnni,
    /// The VNNI of AVX-512 in registers of 256 bits: where the whole width lowers the clock.
    Avx512Vnni256,
    /// AVX2.
    Avx2,
    /// NEON with the products of signed and unsigned bytes (i8mm).
    NeonI8mm,
    /// NEON with dot products (dotprod).
    NeonDotprod,
    /// Plain Rust: the reference.
    Scalar,
}

impl Isa {
    /// Every instruction set, those that are faster on the same machine first.
    const ALL: [Isa; 7] = [
        Isa::Avx512Vnni,
        Isa::AvxVnni,
        Isa::Avx512Vnni256,
        Isa::Avx2,
        Isa::NeonI8mm,
        Isa::NeonDotprod,
        Isa::Scalar,
    ];

    /// Every instruction set that this machine has, fastest first.
    pub fn available() -> Vec<Isa> {
        let all = Isa::ALL.into_iter();
        all.filter(|isa| *isa == Isa::Scalar || tiles(*isa).is_some())
            .collect()
    }

    /// The fastest instruction set of this machine.
    pub fn fastest() -> Isa {
        Isa::available().first().copied().unwrap_or(Isa::Scalar)
    }

    /// The name in settings and findings.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512Vnni => "avx512vnni",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512Vnni256 => "avx512vnni-256",
            Isa::Avx2 => "avx2",
            Isa::NeonI8mm => "neon-i8mm",
            Isa::NeonDotprod => "neon-dotprod",
            Isa::Scalar => "scalar",
        }
    }

    /// The instruction set of that name, if this machine has it. Errors: those that it has.
    pub fn parse(name: &str) -> Result<Isa, IsaError> {
        let found = Isa::available().into_iter().find(|isa| isa.name() == name);
        found.ok_or_else(|| IsaError {
            name: name.to_owned(),
            known: Isa::ALL.iter().any(|isa| isa.name() == name),
        })
    }
}

/// An instruction set that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError {
    name: String,
    /// Whether another machine may have it.
    known: bool,
}

impl std::error::Error for IsaError {}

impl std::fmt::Display for IsaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = Isa::available().iter().map(|isa| isa.name()).collect();
        let what = if self.known {
            "is not an instruction set of this machine, which has"
        } else {
            "is no instruction set that the engine knows; this machine has"
        };
        write!(f, "`{}` {what} {}", self.name, names.join(", "))
    }
}

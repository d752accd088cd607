//! How the engine runs.

use crate::infer::kernel::{Isa, IsaError};

/// How the engine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// The instruction set; the fastest that the machine has where nothing is said.
    pub isa: Option<Isa>,
    /// Threads; as many as the machine has cores, up to [`EngineOptions::THREADS_MAX`], where 0 stands.
    pub threads: usize,
}

impl EngineOptions {
    /// Threads beyond this wait for memory, not for arithmetic.
    pub const THREADS_MAX: usize = 8;

    /// The instruction set of that name; `None` for `auto`. Errors: this machine does not have it.
    pub fn parse_isa(text: &str) -> Result<Option<Isa>, IsaError> {
        match text {
            "auto" => Ok(None),
            name => Isa::parse(name).map(Some),
        }
    }

    /// The number of threads that `text` gives; 0 for `auto`. Errors: no whole number, or too many.
    pub fn parse_threads(text: &str) -> Result<usize, String> {
        let number = match text {
            "auto" => Some(0),
            number => number.parse().ok(),
        };
        number
            .filter(|threads| *threads <= Self::THREADS_MAX)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no number of threads: write 1 to {}, or 0 for one a core",
                    Self::THREADS_MAX
                )
            })
    }
}

//! Why the accelerator is not used: a closed list, each with its code in health and its remedy.

use crate::health::Degraded;

/// Why the CPU engine runs instead of the accelerator. The text says what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no library.
    #[error("no accelerator: {0}")]
    Missing(String),
    /// The library does not load, is none of ONNX Runtime's, or too old.
    #[error("the accelerator's library cannot be used: {0}")]
    Version(String),
    /// It says itself that it cannot.
    #[error("the accelerator failed: {0}")]
    Failed(String),
    /// It computes something else than the network.
    #[error("the accelerator gave a wrong answer: {0}")]
    Wrong(String),
    /// The CPU is as fast.
    #[error("the accelerator is slower than the CPU: {0}")]
    Slow(String),
    /// It did not answer in time, and was stopped.
    #[error("the accelerator hung: {0}")]
    Hung(String),
    /// Its process is gone.
    #[error("the accelerator crashed: {0}")]
    Crashed(String),
}

impl Trouble {
    /// The degraded state that it is.
    pub fn degraded(&self) -> Degraded {
        match self {
            Trouble::Missing(_) => Degraded::AcceleratorMissing,
            Trouble::Version(_) => Degraded::AcceleratorVersion,
            Trouble::Failed(_) => Degraded::AcceleratorFailed,
            Trouble::Wrong(_) => Degraded::AcceleratorWrong,
            Trouble::Slow(_) => Degraded::AcceleratorSlow,
            Trouble::Hung(_) => Degraded::AcceleratorHung,
            Trouble::Crashed(_) => Degraded::AcceleratorCrashed,
        }
    }

    /// What the technician can do.
    pub fn advice(&self) -> &'static str {
        match self {
            Trouble::Missing(_) => {
                "install ONNX Runtime for this machine and name its library as [engine] accelerator_library, or set accelerator = \"off\""
            }
            Trouble::Version(_) => {
                "install ONNX Runtime 1.17 or later for this machine's processor, with all libraries that it needs itself"
            }
            Trouble::Failed(_) => {
                "compare driver, CUDA, cuDNN and TensorRT with what this ONNX Runtime was built for; the journal has its own words"
            }
            Trouble::Wrong(_) => {
                "set [engine] accelerator = \"off\" and tell scanward's support: this runtime does not compute the network rightly"
            }
            Trouble::Slow(_) => {
                "check that the GPU was found and is not throttled or taken by others, or set [engine] accelerator = \"off\""
            }
            Trouble::Hung(_) => {
                "look at the driver's messages in `journalctl -k`; raise [engine] accelerator_start_seconds if the first start plans for longer"
            }
            Trouble::Crashed(_) => {
                "look at the journal for the library's last words and at the memory limits of the unit; restart scanward to try again"
            }
        }
    }
}

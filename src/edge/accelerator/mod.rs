//! The accelerator: ONNX Runtime in a process of its own, tried before it is used, and replaced by the CPU engine at the
//! first trouble (docs/decisions/0008-accelerator.md).
//!
//! ```text
//!   off                                         the daemon              the child
//!    │ turned on                                Remote ──package──────> loads the library, the network
//!    v                                                 <─ready, unfit──
//!   trying ──────any trouble──────> not used           ──volume───────> runs it
//!    │ right answer, quick enough      ^               <─labels────────
//!    v                                 │
//!   used ───────any trouble────────────┘        a child that hangs is killed, one that is gone has crashed
//! ```

#[cfg(not(feature = "onnxruntime"))]
mod absent;
#[cfg(feature = "onnxruntime")]
mod channel;
#[cfg(feature = "onnxruntime")]
mod child;
mod chosen;
#[cfg(feature = "onnxruntime")]
mod present;
#[cfg(feature = "onnxruntime")]
mod remote;
#[cfg(feature = "onnxruntime")]
mod trial;
mod trouble;

use std::sync::Arc;

#[cfg(not(feature = "onnxruntime"))]
pub use absent::Accelerator;
#[cfg(feature = "onnxruntime")]
pub use child::serve;
pub(super) use chosen::Chosen;
#[cfg(feature = "onnxruntime")]
pub use present::Accelerator;
#[cfg(feature = "onnxruntime")]
pub use remote::{Order, Remote};
#[cfg(feature = "onnxruntime")]
pub use trial::{Trial, trial};
pub use trouble::Trouble;

/// What has become of the accelerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It passed its trial; series run on the engine of this name from now on.
    Used(String),
    /// The CPU engine runs instead.
    NotUsed(Trouble),
}

/// Who hears of it, from whatever thread.
pub type Tell = Arc<dyn Fn(Standing) + Send + Sync>;

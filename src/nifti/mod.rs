//! Masks for other programs: NIfTI-1.
//!
//! ```text
//!  network grid --> plane by plane on the native grid --> header, planes --> .nii, .nii.gz
//! ```

mod header;
mod mask;

pub use mask::{NativeMask, Packing};

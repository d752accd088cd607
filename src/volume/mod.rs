//! Voxels: slices reduced in-plane as they arrive, z resampled at the end. Index order `z, y, x` throughout.
//!
//! Canonical orientation: z feet → head, y front → back, x patient right → left (the axes of LPS, all ascending).

mod bits;
mod components;
mod grid;
mod histogram;
mod lengths;
mod morphology;
mod plausible;
mod reduce;
mod rounding;
mod stack;

pub use bits::BitMask;
pub use components::{Component, Components, Neighbours, Span};
pub use grid::{Grid3, GridError, Region};
pub use histogram::HISTOGRAM_BINS;
pub(crate) use lengths::{read_length, take, write_length};
pub use morphology::{close, dilate};
pub use plausible::plausible;
pub use reduce::{ReducedSlice, Reducer, reduce};
pub use rounding::{single, whole};
pub use stack::{Volume, VolumeLimits, stack};

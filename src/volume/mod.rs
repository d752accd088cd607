//! Voxels: slices reduced in-plane as they arrive, z resampled at the end. Index order `z, y, x` throughout.
//!
//! Canonical orientation: z feet → head, y front → back, x patient right → left (the axes of LPS, all ascending).

mod grid;

pub use grid::{Grid3, GridError, Region};

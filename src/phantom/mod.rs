//! A synthetic chest CT with known truth: the same seed gives the same volume, bit for bit.
//!
//! Everything is a formula in patient millimetres, so one native slice is rendered at a time and the whole
//! volume is never held. Axes as everywhere: z feet → head, y front → back, x patient right → left.
//!
//! ```text
//!  PhantomSpec --> Anatomy (wall, lungs, heart, spine) --+
//!              --> VesselTree, airways ------------------+--> slice_hu, slice_truth
//!              --> LesionField, cut at the level that ---+--> Truth
//!                  gives the asked burden
//! ```

mod anatomy;
mod lesion;
mod noise;
mod organs;
mod render;
mod sheet;
mod spec;
mod tree;
mod truth;

pub use render::Phantom;
pub use spec::{PhantomSpec, SpecError};
pub use truth::{Truth, VoxelTruth};

//! Runs a network on the whole crop: a volume in, a label a voxel out. No type of an engine leaves this room.

mod engine;
mod golden;
mod halo;
mod int8;
mod kernel;
mod lower;
mod network;
mod options;
mod packing;
mod plan;
mod probe;
mod segments;
mod slabs;
mod weights;

pub use engine::{Engine, engine};
pub use golden::{GoldenReport, golden_check};
pub use int8::{Int8Error, Int8Network};
pub use kernel::{Isa, IsaError};
pub use lower::NotLowered;
pub use network::{Backend, Network};
pub use options::EngineOptions;
pub use probe::LayerProbe;

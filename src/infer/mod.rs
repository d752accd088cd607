//! Runs a network on the whole crop: a volume in, a label a voxel out. No type of an engine leaves this room.

#[cfg(feature = "onnxruntime")]
mod accelerator;
mod account;
mod crew;
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

#[cfg(feature = "onnxruntime")]
pub use accelerator::{OrtError, OrtNetwork};
pub use account::LayerCost;
pub use engine::{Engine, engine};
pub use golden::{GoldenReport, golden_check, golden_volume};
pub use int8::{Int8Error, Int8Network};
pub use kernel::{Isa, IsaError, dot_products};
pub use lower::NotLowered;
pub use network::{Backend, Network};
pub use options::EngineOptions;
pub use probe::LayerProbe;

//! Runs a network on the whole crop: a volume in, a label a voxel out. No type of an engine leaves this room.

mod golden;
mod network;
mod packing;
mod segments;
mod slabs;

pub use golden::GoldenReport;
pub use network::{Backend, Network};

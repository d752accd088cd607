//! scanward: from the scanner to the ward.
//!
//! Rooms in one order; a room names only rooms above it (`tests/house.rs` checks it). docs/architecture.md draws them.

/// Numbers with a unit, points in time.
pub mod units;

/// Parsed identifiers; patient data that cannot be printed.
pub mod ids;

/// Why an input cannot be triaged.
pub mod refusal;

/// How the box failed.
pub mod fault;

/// The network's package: manifest and file, checked.
pub mod model;

/// Voxels, index order z, y, x.
pub mod volume;

/// Runs the network: a volume in, a label a voxel out. The only room that names the engine.
pub mod infer;

/// A synthetic chest CT with known truth.
pub mod phantom;

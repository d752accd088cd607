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

/// Voxels, index order z, y, x.
pub mod volume;

/// A synthetic chest CT with known truth.
pub mod phantom;

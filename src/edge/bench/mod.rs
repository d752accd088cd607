//! Measuring: stages in this process, the way from the folder to the broker in a service of its own.

/// Simulated arrivals against the real intake.
pub mod arrivals;

mod chain;
mod machine;
mod samples;
mod stages;

pub use chain::{ChainReport, ChainRun};
pub use machine::{Machine, machine};
pub use samples::Samples;
pub use stages::{StageReport, measure_stages};

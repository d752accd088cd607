//! Measuring: stages in this process, the way from the folder to the broker in a service of its own.

/// Simulated arrivals against the real intake.
pub mod arrivals;

mod broker;
mod chain;
mod copies;
mod direct;
mod instructions;
mod machine;
mod network;
mod peak;
mod queue;
mod samples;
mod service;
mod stages;

pub use broker::BenchBroker;
pub use chain::{ChainReport, measure_chain};
pub use direct::{DirectReport, measure_direct};
pub use instructions::run_for_instructions;
pub use machine::{Machine, machine};
pub use network::{MeasuredEngine, NetworkBench, read_volume};
pub use peak::peak_gmacs;
pub use queue::{QueueReport, measure_queues};
pub use samples::Samples;
pub use stages::{StageReport, measure_stages};

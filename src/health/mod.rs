//! The health machine: counters and degraded states in, status documents out.

mod machine;
mod reason;

pub use machine::{Event, Health, Limits};
pub use reason::Degraded;

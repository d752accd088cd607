//! The pure core: it owns the machines, routes events to them and their actions to the edge, and decides what is tried
//! again. No file, clock, network or thread is reached from here.

mod core;
mod job;
mod messages;
mod prior;
mod ward;

pub use core::{Action, Daemon, Event, Settings};
pub use job::{Judgement, Saving, identity, pseudonym};
pub use prior::days_between;

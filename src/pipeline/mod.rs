//! The stages in order, as one pure function: slices in, finding out. No file, clock or thread.

mod triage;

pub use triage::{PipelineLimits, PipelineSlice, Triage, left_out, priority, triage};

//! The stages in order, as one pure function: slices in, finding out. No file, clock or thread.

mod triage;

pub use triage::{
    PipelineLimits, PipelineSlice, Stage, Triage, left_out, priority, triage, triage_in_stages,
};

//! The machine between the export folder and the pipeline: file seen, stable, read, grouped, quiet, judged, closed.
//!
//! It takes `(event, now)` and returns actions; it never touches a file. Polling is the truth: every scan lists the
//! whole folder, and a file is read when size and time of change held still over two scans. Nothing marks the end of a
//! series, so a series is ready when no instance came for `quiet`; a later instance reopens it.

mod files;
mod machine;
mod series;

pub use files::{FileSeen, is_skipped};
pub use machine::{Action, Event, Intake, IntakeLimits, ReadResult};
pub use series::{Arrival, ClosedSeries, Ready, SeriesFacts, Slice};

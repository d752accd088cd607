//! The machine between the export folder and the pipeline: file seen, stable, read, grouped, quiet, judged, closed.
//!
//! It takes `(event, now)` and returns actions; it never touches a file. Polling is the truth: every scan lists the
//! whole folder, and a file is read when size and time of change held still over two scans, or its writer closed it.
//!
//! Nothing marks the end of a series, so a series is ready when no instance came for `quiet`; a later instance reopens
//! it. One that looks complete is judged ahead of that; where the lungs end inside its slices, it waits as long as its
//! scanner's silences ask for, and no longer. docs/decisions/0007-adaptive-wait.md tells why.

mod early;
mod ending;
mod files;
mod machine;
mod pace;
mod series;

pub use files::{FileSeen, is_skipped};
pub use machine::{Action, Depth, Event, Intake, IntakeLimits, ReadResult, Reading};
pub use series::{Arrival, ClosedSeries, Ready, SeriesFacts, Slice};

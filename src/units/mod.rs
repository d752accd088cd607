//! Numbers with a unit, and points in time. Nothing here reads a clock or a file.

mod geometry;
mod time;

pub use geometry::{Hu, Millilitre, Millimetre, Percent, Rescale, Spacing};
pub use time::{Lived, Moment, WallTime};

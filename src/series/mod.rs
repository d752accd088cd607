//! The slices of one series: which series are triaged, and whether the slices make one regular volume.
//!
//! Geometry comes from Image Position and Orientation (Patient) alone: slice location and instance number may be empty
//! or follow another order than the anatomy.

mod geometry;
mod kernel;
mod rules;

pub use geometry::{Geometry, SeriesLimits, SliceGeometry, gate, is_complete_geometry};
pub use rules::{SeriesRules, choose, left_out_for, rank, same_scan};

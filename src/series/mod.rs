//! Slices of one series.

//! Masks for other programs.

//! The lungs by threshold and shape, and the check that this is a chest.
//!
//! The mask gives the box that the network sees and the denominator of the burden. It never hides a lesion: in
//! consolidated cases a threshold finds only part of the diseased lung.

mod segment;
mod side;

pub use segment::{LungLimits, LungMask, segment};
pub use side::Side;

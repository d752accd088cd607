//! An earlier chest laid over the present one: small masks that are kept, the map between two of them, change by zone.
//!
//! ```text
//!  LungMask + lesions --> ReducedChest --pack--> bytes (kept in the store)
//!                              |
//!   present, prior ---- register ----> Registration (map, Dice, gap in mm) --> zone_changes
//! ```
//!
//! docs/decisions/0010-priors.md tells why, and what was measured.

mod chest;
mod equations;
mod field;
mod fit;
mod map;
mod packed;
mod zones;

pub use chest::ReducedChest;
pub use fit::{Registration, Unregistered, register};
pub use map::ChestMap;
pub use packed::{PACKED_BYTES_MAX, Unpackable};
pub use zones::{ZoneChange, zone_changes};

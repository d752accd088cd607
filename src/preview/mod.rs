//! Pictures for people: PNG.

use crate::lung::LungMask;
use crate::volume::{Grid3, Volume};

/// Whether lesions are outlined; the intended use `triage` shows a picture without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlines {
    /// Outlined.
    Shown,
    /// The plain picture.
    Hidden,
}

/// The preview picture of a finding as PNG.
pub fn picture(
    _volume: &Volume,
    _lung: &LungMask,
    _lesion: &Grid3<u8>,
    _outlines: Outlines,
) -> Option<Vec<u8>> {
    None
}

//! Pictures for people: PNG.
//!
//! ```text
//!  Volume, LungMask, lesion --> sections: axial, coronal --> sheet: marks, scale, notice --> PNG
//! ```

mod canvas;
mod font;
mod section;
mod sheet;

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

/// What the picture says of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caption<'a> {
    /// Whether its lesions are outlined.
    pub outlines: Outlines,
    /// Its name and version; cut where it is too long for the picture.
    pub model: &'a str,
}

/// Largest picture, bytes. Source: the contract of the topic `preview`.
pub const PICTURE_BYTES_MAX: usize = 128 * 1024;

/// Pixels a voxel that are tried, the finest first, until the picture keeps its bound.
const PIXELS_PER_VOXEL: [f64; 6] = [4.0, 3.0, 2.0, 1.0, 0.5, 0.25];

/// Most pixels of a picture, so that a volume of odd shape cannot ask for much memory.
const PIXELS_MAX: usize = 2_000_000;

/// Returns the preview picture of a finding as PNG, at most [`PICTURE_BYTES_MAX`] bytes.
///
/// Left the axial, right the coronal plane with the most lesion (without lesion: the most lung), at one scale, in the lung
/// window, the patient's right on the left, the head on top; where each lies, in the patient's millimetres; the notice and the
/// model. It shows nothing that names a patient. The same input gives
/// the same bytes. `lesion` and `lung` lie on the grid of `volume`, index order `z, y, x`; `lesion` is 0 outside.
/// `None` when the grids differ in shape, hold nothing, or fit no picture of that size.
pub fn picture(
    volume: &Volume,
    lung: &LungMask,
    lesion: &Grid3<u8>,
    caption: Caption<'_>,
) -> Option<Vec<u8>> {
    let sections = section::sections(volume, lung, lesion)?;
    PIXELS_PER_VOXEL.iter().find_map(|pixels| {
        let mm = volume.spacing.x() / pixels;
        let sheet = sheet::sheet(&sections, mm, caption, PIXELS_MAX)?;
        sheet.png().filter(|png| png.len() <= PICTURE_BYTES_MAX)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass counts of pixels and voxels from 0 up; `as` saturates"
)]
fn whole(value: f64) -> usize {
    // Half up by an addition: rounding is a function call on machines without the instruction, and pictures have many pixels.
    (value + 0.5) as usize
}

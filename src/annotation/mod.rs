//! Masks that radiologists corrected: from a DICOM Segmentation in the annotations folder to a lesion mask on the
//! network's grid. Pure: the edge reads the files, the store keeps what comes of them.
//!
//! ```text
//!  folder ─ Watch (stable, new) ─ file ─ dicom::Segmentation ─ target (whose finding) ─ lesion_segments ─ resampled
//!                                                                                                           │
//!                                    store: waits for the verdict, or goes with the label <── CorrectedMask ┘
//! ```
//!
//! docs/annotations.md tells radiologists and data scientists what is taken and how.

mod limits;
mod packed;
mod resample;
mod segments;
mod target;
mod watch;

pub use limits::AnnotationSettings;
pub use packed::{CorrectedMask, PACKED_BYTES_MAX, Unpackable};
pub use resample::resampled;
pub use segments::lesion_segments;
pub use target::{Target, target};
pub use watch::{Looked, Watch, mark};

use crate::dicom::{ReadLimits, Segmentation};
use crate::refusal::AnnotationRefusal;

/// What is read of a segmentation file of at most `file_bytes_max` bytes.
pub fn read_limits(file_bytes_max: u64) -> ReadLimits {
    ReadLimits {
        file_bytes_max: usize::try_from(file_bytes_max).unwrap_or(usize::MAX),
        // Ten segments of a thin chest; every frame takes some twenty elements.
        frames_max: 10_000,
        ..ReadLimits::default()
    }
}

/// The corrected lesion mask of `segmentation` on the grid of its finding, packed.
///
/// `words` name lesions in the labels of segments. Errors: as [`lesion_segments`] and [`resampled`], and
/// [`AnnotationRefusal::TooLarge`] when the mask does not pack into [`PACKED_BYTES_MAX`].
pub fn corrected(
    segmentation: &Segmentation<'_>,
    target: &Target,
    words: &[String],
) -> Result<Vec<u8>, AnnotationRefusal> {
    let lesions = lesion_segments(&segmentation.segments, words)?;
    let mask = resampled(segmentation, &lesions, &target.grid)?;
    let corrected = CorrectedMask {
        grid: target.grid,
        mask,
    };
    corrected.pack().ok_or_else(|| AnnotationRefusal::TooLarge {
        what: "the lesion's outline is too ragged to be kept".to_owned(),
    })
}

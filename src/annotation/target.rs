//! Whose finding a segmentation corrects.

use crate::dicom::Segmentation;
use crate::ids::FindingId;
use crate::refusal::AnnotationRefusal;
use crate::store::{FindingRecord, GridRecord};

/// The finding that a segmentation corrects, and its grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The finding.
    pub finding: FindingId,
    /// The grid that its network ran on.
    pub grid: GridRecord,
}

/// Voxels of a grid at most: those of the largest volume that the pipeline takes.
const VOXELS_MAX: usize = 14_000_000;

/// The one of `found` (what the store has of the series named, or of the frame of reference) that is corrected.
///
/// Errors: [`AnnotationRefusal::NoFinding`], [`AnnotationRefusal::SeveralFindings`],
/// [`AnnotationRefusal::FrameOfReference`] when both name one and they differ, [`AnnotationRefusal::NoGrid`].
pub fn target(
    segmentation: &Segmentation<'_>,
    found: &[FindingRecord],
) -> Result<Target, AnnotationRefusal> {
    let finding = match found {
        [] => return Err(AnnotationRefusal::NoFinding),
        [only] => only,
        _ => return Err(AnnotationRefusal::SeveralFindings),
    };
    let frames = segmentation.frame_of_reference.as_ref();
    let frames = frames.zip(finding.frame_of_reference.as_ref());
    if frames.is_some_and(|(own, its)| own != its) {
        return Err(AnnotationRefusal::FrameOfReference);
    }
    let grid = finding.grid.filter(is_plausible);
    Ok(Target {
        finding: finding.id.clone(),
        grid: grid.ok_or(AnnotationRefusal::NoGrid)?,
    })
}

fn is_plausible(grid: &GridRecord) -> bool {
    let voxels = grid
        .shape
        .iter()
        .try_fold(1_usize, |all, size| all.checked_mul(*size));
    let positive = grid.spacing_mm.iter().all(|edge| *edge > 0.0);
    positive && voxels.is_some_and(|voxels| (1..=VOXELS_MAX).contains(&voxels))
}

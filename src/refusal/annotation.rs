//! Every reason why a file of the annotations folder is not kept: one closed list with stable codes.
//!
//! Codes and remedies are listed in `docs/annotations.md`.

use super::Refusal;
use std::fmt;

/// Why a file of the annotations folder was not kept as a correction.
///
/// Texts hold sizes, counts and names of the standard, never what somebody wrote into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnnotationRefusal {
    /// The bytes are not DICOM at all.
    NotDicom,
    /// The file ends before its data does.
    Truncated {
        /// What was being read.
        what: String,
    },
    /// An element is missing, or cannot be understood.
    Malformed {
        /// Which, and why.
        what: String,
    },
    /// DICOM, but another object than a segmentation of binary or fractional type.
    NotSegmentation,
    /// The pixel data's encoding is not one that is read here.
    TransferSyntax,
    /// The pixels are not those of a segmentation.
    PixelFormat {
        /// What was found.
        what: String,
    },
    /// The file, or what it declares, is larger than the limit.
    TooLarge {
        /// What is too large.
        what: String,
    },
    /// The planes do not lie on the grid of a series.
    Geometry {
        /// What is wrong.
        what: &'static str,
    },
    /// No finding of this box stands on the series that was segmented.
    NoFinding,
    /// The file names series of more than one finding.
    SeveralFindings,
    /// Series and segmentation have different frames of reference.
    FrameOfReference,
    /// The finding's record holds no grid: an earlier program made it.
    NoGrid,
    /// Which segments are lesions cannot be told.
    SegmentUnclear,
    /// No pixel is marked as lesion.
    Empty,
    /// Marked pixels lie outside the volume that the finding was made from.
    Outside,
    /// A newer segmentation of the same finding was taken before.
    Older,
    /// No signed correction of the finding came while the segmentation waited for it.
    NoVerdict,
}

impl AnnotationRefusal {
    /// One of each, for tables.
    pub fn all() -> Vec<AnnotationRefusal> {
        let what = String::new;
        vec![
            AnnotationRefusal::NotDicom,
            AnnotationRefusal::Truncated { what: what() },
            AnnotationRefusal::Malformed { what: what() },
            AnnotationRefusal::NotSegmentation,
            AnnotationRefusal::TransferSyntax,
            AnnotationRefusal::PixelFormat { what: what() },
            AnnotationRefusal::TooLarge { what: what() },
            AnnotationRefusal::Geometry { what: "" },
            AnnotationRefusal::NoFinding,
            AnnotationRefusal::SeveralFindings,
            AnnotationRefusal::FrameOfReference,
            AnnotationRefusal::NoGrid,
            AnnotationRefusal::SegmentUnclear,
            AnnotationRefusal::Empty,
            AnnotationRefusal::Outside,
            AnnotationRefusal::Older,
            AnnotationRefusal::NoVerdict,
        ]
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            AnnotationRefusal::NotDicom => "not-dicom",
            AnnotationRefusal::Truncated { .. } => "truncated",
            AnnotationRefusal::Malformed { .. } => "malformed",
            AnnotationRefusal::NotSegmentation => "not-segmentation",
            AnnotationRefusal::TransferSyntax => "transfer-syntax",
            AnnotationRefusal::PixelFormat { .. } => "pixel-format",
            AnnotationRefusal::TooLarge { .. } => "too-large",
            AnnotationRefusal::Geometry { .. } => "geometry",
            AnnotationRefusal::NoFinding => "no-finding",
            AnnotationRefusal::SeveralFindings => "several-findings",
            AnnotationRefusal::FrameOfReference => "frame-of-reference",
            AnnotationRefusal::NoGrid => "no-grid",
            AnnotationRefusal::SegmentUnclear => "segment-unclear",
            AnnotationRefusal::Empty => "empty",
            AnnotationRefusal::Outside => "outside",
            AnnotationRefusal::Older => "older",
            AnnotationRefusal::NoVerdict => "no-verdict",
        }
    }

    /// What the radiologist, or the technician, can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            AnnotationRefusal::NotDicom | AnnotationRefusal::NotSegmentation => {
                "export the segmentation as DICOM Segmentation (SEG), binary or fractional"
            }
            AnnotationRefusal::Truncated { .. } => "copy the file again; if it stays, export again",
            AnnotationRefusal::Malformed { .. } | AnnotationRefusal::PixelFormat { .. } => {
                "export again with another program or a newer version of it"
            }
            AnnotationRefusal::TransferSyntax => "export without compression",
            AnnotationRefusal::TooLarge { .. } => {
                "export the lesion's segment alone and as binary, or raise `file_megabytes_max` in [annotations]"
            }
            AnnotationRefusal::Geometry { .. } => {
                "export on the grid of the original series, not of a reformatted one"
            }
            AnnotationRefusal::NoFinding => {
                "segment the very series that the finding was made from, then export again"
            }
            AnnotationRefusal::SeveralFindings => "export one segmentation for each series",
            AnnotationRefusal::FrameOfReference => {
                "load the original series without registration, segment it, then export again"
            }
            AnnotationRefusal::NoGrid => {
                "nothing to do: the finding is from before the box kept what is needed"
            }
            AnnotationRefusal::SegmentUnclear => {
                "give the lesion's segments the type `Lesion`, or a name that says so, then export again"
            }
            AnnotationRefusal::Empty => "where there is no lesion, sign `reject`",
            AnnotationRefusal::Outside => {
                "check that the right series was segmented, then export again"
            }
            AnnotationRefusal::Older => "nothing to do: the newer one is kept",
            AnnotationRefusal::NoVerdict => {
                "sign the finding as `correct`, then export the segmentation again"
            }
        }
    }
}

impl fmt::Display for AnnotationRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnnotationRefusal::NotDicom => write!(f, "not a DICOM file"),
            AnnotationRefusal::Truncated { what } => write!(f, "the file is cut off: {what}"),
            AnnotationRefusal::Malformed { what } => write!(f, "the file is damaged: {what}"),
            AnnotationRefusal::NotSegmentation => {
                write!(f, "no segmentation of binary or fractional type")
            }
            AnnotationRefusal::TransferSyntax => write!(f, "a compression that is not read here"),
            AnnotationRefusal::PixelFormat { what } => {
                write!(f, "not the pixels of a segmentation: {what}")
            }
            AnnotationRefusal::TooLarge { what } => write!(f, "too large: {what}"),
            AnnotationRefusal::Geometry { what } => {
                write!(f, "not on the grid of a series: {what}")
            }
            AnnotationRefusal::NoFinding => {
                write!(f, "no finding of this box stands on the segmented series")
            }
            AnnotationRefusal::SeveralFindings => write!(f, "it belongs to several findings"),
            AnnotationRefusal::FrameOfReference => {
                write!(f, "another frame of reference than the series has")
            }
            AnnotationRefusal::NoGrid => write!(f, "the finding's grid is not known"),
            AnnotationRefusal::SegmentUnclear => {
                write!(f, "which segments are lesions cannot be told")
            }
            AnnotationRefusal::Empty => write!(f, "nothing is marked as lesion"),
            AnnotationRefusal::Outside => write!(f, "marks lie outside the finding's volume"),
            AnnotationRefusal::Older => write!(f, "a newer segmentation was taken before"),
            AnnotationRefusal::NoVerdict => write!(f, "no signed correction came for it"),
        }
    }
}

/// What the reader of DICOM files says, as it is told of a segmentation.
impl From<Refusal> for AnnotationRefusal {
    fn from(refusal: Refusal) -> AnnotationRefusal {
        let text = refusal.to_string();
        if let Refusal::Truncated { what } = refusal {
            AnnotationRefusal::Truncated { what }
        } else if let Refusal::TooLarge { what } = refusal {
            AnnotationRefusal::TooLarge { what }
        } else if let Refusal::Malformed { what } = refusal {
            AnnotationRefusal::Malformed { what }
        } else if matches!(refusal, Refusal::NotDicom) {
            AnnotationRefusal::NotDicom
        } else if matches!(refusal, Refusal::TransferSyntax { .. }) {
            AnnotationRefusal::TransferSyntax
        } else {
            AnnotationRefusal::Malformed { what: text }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_code_of_its_own_and_a_remedy() {
        let all = AnnotationRefusal::all();
        let codes: BTreeSet<&str> = all.iter().map(AnnotationRefusal::code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(all.iter().all(|one| !one.remedy().is_empty()));
    }
}

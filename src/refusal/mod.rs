//! Every reason why an *input* cannot be triaged: one closed list with stable codes, in one file a radiologist can review.
//!
//! Codes, texts and remedies are published in the `outcome` message and listed in `docs/operating.md`.

mod annotation;

pub use annotation::AnnotationRefusal;

use std::fmt;

/// Why a series, or a file offered as one, was not triaged.
///
/// Texts hold positions, sizes and counts, never a patient's name or number.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The bytes are not DICOM at all.
    NotDicom,
    /// The file ends before its data does, or an element claims more bytes than are left.
    Truncated {
        /// What was being read.
        what: String,
    },
    /// The file is DICOM, but an element cannot be understood.
    Malformed {
        /// What was being read.
        what: String,
    },
    /// A required element is missing or empty.
    MissingElement {
        /// The element's name in the standard.
        element: &'static str,
    },
    /// The pixel data's encoding is not one that this box decodes.
    TransferSyntax {
        /// The transfer syntax UID.
        uid: String,
    },
    /// The pixel data did not decode.
    PixelData {
        /// What the decoder said.
        what: String,
    },
    /// The pixel format is not a CT image's (colour, float, more than 16 bits …).
    PixelFormat {
        /// What was found.
        what: String,
    },
    /// A file is larger than the limit.
    TooLarge {
        /// What is too large.
        what: String,
    },
    /// Not a CT.
    NotCt {
        /// The modality found.
        modality: String,
    },
    /// No image in the object.
    NoImage,
    /// A rule of series selection left this series out.
    SeriesRule {
        /// The rule's name in the settings.
        rule: String,
        /// What was found.
        found: String,
    },
    /// A localizer (scout view).
    Localizer,
    /// Not axial slices.
    NotAxial,
    /// The slices do not share one orientation.
    OrientationMixed,
    /// The slices do not share one size or pixel spacing.
    SizeMixed,
    /// More than one frame of reference in the series.
    FrameOfReferenceMixed,
    /// The instances carry more than one patient or study.
    PatientMixed,
    /// A slice is missing between two positions, in mm along the slice normal.
    GeometryGap {
        /// The lower edge of the gap, mm.
        from_mm: f64,
        /// The upper edge of the gap, mm.
        to_mm: f64,
    },
    /// Two slices lie at one position with different pixels.
    GeometryDuplicate {
        /// The position, mm along the normal.
        at_mm: f64,
    },
    /// The step between slices varies.
    SpacingUneven {
        /// The smallest step, mm.
        least_mm: f64,
        /// The largest step, mm.
        most_mm: f64,
    },
    /// The slices are sheared against their normal (gantry tilt).
    GantryTilt {
        /// The angle in degrees.
        degrees: f64,
    },
    /// The slices are too thick or too far apart.
    SlicesTooThick {
        /// The step found, mm.
        step_mm: f64,
        /// The largest allowed, mm.
        allowed_mm: f64,
    },
    /// Pixel spacing outside what a chest CT has.
    SpacingImplausible {
        /// What was found.
        what: String,
    },
    /// Fewer slices than a chest needs, or less height.
    TooShort {
        /// The height covered, mm.
        height_mm: f64,
        /// The least height, mm.
        least_mm: f64,
    },
    /// One SOP Instance UID came with two different contents.
    InstanceConflict,
    /// More instances, or larger ones, than a series may have.
    SeriesTooLarge {
        /// What exceeds what.
        what: String,
    },
    /// The grey values are not Hounsfield units of a body in air.
    GreyValuesImplausible {
        /// What is wrong.
        what: String,
    },
    /// No lungs in the volume: not a chest, or cut off.
    NoLungs {
        /// The lung volume found, ml.
        found_ml: f64,
        /// The least volume, ml.
        least_ml: f64,
    },
    /// A file of the series could not be read for as long as the series may wait.
    Unreadable {
        /// How many files.
        files: usize,
    },
    /// The files went away before they had been read.
    FilesGone,
}

impl Refusal {
    /// The stable code of the contract.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotDicom => "not-dicom",
            Refusal::Truncated { .. } => "truncated",
            Refusal::Malformed { .. } => "malformed",
            Refusal::MissingElement { .. } => "missing-element",
            Refusal::TransferSyntax { .. } => "transfer-syntax",
            Refusal::PixelData { .. } => "pixel-data",
            Refusal::PixelFormat { .. } => "pixel-format",
            Refusal::TooLarge { .. } => "too-large",
            Refusal::NotCt { .. } => "not-ct",
            Refusal::NoImage => "no-image",
            Refusal::SeriesRule { .. } => "series-rule",
            Refusal::Localizer => "localizer",
            Refusal::NotAxial => "not-axial",
            Refusal::OrientationMixed => "orientation-mixed",
            Refusal::SizeMixed => "size-mixed",
            Refusal::FrameOfReferenceMixed => "frame-of-reference-mixed",
            Refusal::PatientMixed => "patient-mixed",
            Refusal::GeometryGap { .. } => "geometry-gap",
            Refusal::GeometryDuplicate { .. } => "geometry-duplicate",
            Refusal::SpacingUneven { .. } => "spacing-uneven",
            Refusal::GantryTilt { .. } => "gantry-tilt",
            Refusal::SlicesTooThick { .. } => "slices-too-thick",
            Refusal::SpacingImplausible { .. } => "spacing-implausible",
            Refusal::TooShort { .. } => "too-short",
            Refusal::InstanceConflict => "instance-conflict",
            Refusal::SeriesTooLarge { .. } => "series-too-large",
            Refusal::GreyValuesImplausible { .. } => "grey-values-implausible",
            Refusal::NoLungs { .. } => "no-lungs",
            Refusal::Unreadable { .. } => "unreadable",
            Refusal::FilesGone => "files-gone",
        }
    }

    /// What the radiographer can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Refusal::NotDicom | Refusal::NoImage | Refusal::Localizer | Refusal::NotCt { .. } => {
                "nothing to do: only axial CT series of the chest are triaged"
            }
            Refusal::Truncated { .. }
            | Refusal::PixelData { .. }
            | Refusal::GeometryGap { .. }
            | Refusal::Unreadable { .. }
            | Refusal::FilesGone => "export the series again",
            Refusal::Malformed { .. }
            | Refusal::MissingElement { .. }
            | Refusal::InstanceConflict => {
                "export the series again; if it stays, ask the scanner's service for a standard DICOM export"
            }
            Refusal::TransferSyntax { .. } => {
                "set the export to an uncompressed, JPEG Lossless, JPEG-LS, JPEG 2000 or RLE transfer syntax"
            }
            Refusal::PixelFormat { .. } => {
                "export the original CT images, not screenshots or derived pictures"
            }
            Refusal::TooLarge { .. } | Refusal::SeriesTooLarge { .. } => {
                "export one chest series of usual size, or ask IT to raise the limits of [intake]"
            }
            Refusal::SeriesRule { .. } => {
                "export the original axial thin-slice series, or change the rules of [series]"
            }
            Refusal::NotAxial | Refusal::OrientationMixed | Refusal::GantryTilt { .. } => {
                "export the original axial series without gantry tilt"
            }
            Refusal::SizeMixed
            | Refusal::FrameOfReferenceMixed
            | Refusal::GeometryDuplicate { .. }
            | Refusal::SpacingUneven { .. } => {
                "export one reconstruction only, with one field of view and one step"
            }
            Refusal::PatientMixed => {
                "check the patient's registration at the scanner, then export the series again"
            }
            Refusal::SlicesTooThick { .. } => "export a reconstruction with thinner slices",
            Refusal::SpacingImplausible { .. } => {
                "check the reconstruction's field of view, then export again"
            }
            Refusal::TooShort { .. } | Refusal::NoLungs { .. } => {
                "export a series that covers the whole lungs"
            }
            Refusal::GreyValuesImplausible { .. } => {
                "export the original CT images with their rescale values"
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotDicom => write!(f, "not a DICOM file"),
            Refusal::Truncated { what } => write!(f, "the file is cut off: {what}"),
            Refusal::Malformed { what } => write!(f, "the file is damaged: {what}"),
            Refusal::MissingElement { element } => write!(f, "{element} is missing or empty"),
            Refusal::TransferSyntax { uid } => write!(f, "transfer syntax {uid} is not decoded"),
            Refusal::PixelData { what } => write!(f, "the pixel data does not decode: {what}"),
            Refusal::PixelFormat { what } => write!(f, "not a CT pixel format: {what}"),
            Refusal::TooLarge { what } => write!(f, "too large: {what}"),
            Refusal::NotCt { modality } => write!(f, "modality {modality} is not CT"),
            Refusal::NoImage => write!(f, "the object holds no image"),
            Refusal::SeriesRule { rule, found } => {
                write!(f, "left out by the rule {rule}: {found}")
            }
            Refusal::Localizer => write!(f, "a localizer, not a series of slices"),
            Refusal::NotAxial => write!(f, "the slices are not axial"),
            Refusal::OrientationMixed => write!(f, "the slices do not share one orientation"),
            Refusal::SizeMixed => write!(f, "the slices do not share one size and pixel spacing"),
            Refusal::FrameOfReferenceMixed => {
                write!(f, "the slices have different frames of reference")
            }
            Refusal::PatientMixed => write!(f, "the slices carry different patients or studies"),
            Refusal::GeometryGap { from_mm, to_mm } => {
                write!(
                    f,
                    "slice missing between z = {from_mm:.1} mm and z = {to_mm:.1} mm"
                )
            }
            Refusal::GeometryDuplicate { at_mm } => {
                write!(f, "two different slices at z = {at_mm:.1} mm")
            }
            Refusal::SpacingUneven { least_mm, most_mm } => {
                write!(
                    f,
                    "the step between slices varies from {least_mm:.2} to {most_mm:.2} mm"
                )
            }
            Refusal::GantryTilt { degrees } => {
                write!(f, "the gantry was tilted by {degrees:.1} degrees")
            }
            Refusal::SlicesTooThick {
                step_mm,
                allowed_mm,
            } => {
                write!(
                    f,
                    "slices every {step_mm:.1} mm, allowed are {allowed_mm:.1} mm"
                )
            }
            Refusal::SpacingImplausible { what } => {
                write!(f, "the spacing cannot be a chest CT's: {what}")
            }
            Refusal::TooShort {
                height_mm,
                least_mm,
            } => {
                write!(
                    f,
                    "only {height_mm:.0} mm of the body are covered, {least_mm:.0} mm are needed"
                )
            }
            // Which one is not said: its UID would lead back to the patient at every identity level.
            Refusal::InstanceConflict => {
                write!(f, "one instance came twice with different content")
            }
            Refusal::SeriesTooLarge { what } => write!(f, "the series is too large: {what}"),
            Refusal::GreyValuesImplausible { what } => {
                write!(f, "the grey values are not Hounsfield units: {what}")
            }
            Refusal::NoLungs { found_ml, least_ml } => {
                write!(
                    f,
                    "no lungs found: {found_ml:.0} ml of air-filled tissue, {least_ml:.0} ml are needed"
                )
            }
            Refusal::Unreadable { files } => {
                write!(f, "{files} files of the series could not be read")
            }
            Refusal::FilesGone => write!(f, "the files went away before they were read"),
        }
    }
}

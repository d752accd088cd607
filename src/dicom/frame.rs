//! Where a frame lies in the patient: from a classic instance's own elements, or from functional groups.

use crate::dicom::attributes::Attributes;
use crate::dicom::element::Tag;
use crate::refusal::Refusal;
use crate::units::Rescale;

const SHARED_GROUPS: Tag = 0x5200_9229;
const PER_FRAME_GROUPS: Tag = 0x5200_9230;
const PIXEL_MEASURES: Tag = 0x0028_9110;
const PLANE_POSITION: Tag = 0x0020_9113;
const PLANE_ORIENTATION: Tag = 0x0020_9116;
const PIXEL_VALUE_TRANSFORMATION: Tag = 0x0028_9145;
const SEGMENT_IDENTIFICATION: Tag = 0x0062_000A;
const CT_FRAME_TYPE: Tag = 0x0018_9329;

/// The place of one frame in the patient, LPS, mm. Source: PS3.3 C.7.6.2.1.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameGeometry {
    /// Centre of the first pixel, LPS mm (Image Position (Patient)).
    pub position: [f64; 3],
    /// Direction of growing column index, then of growing row index (Image Orientation (Patient)); unit vectors.
    pub orientation: [f64; 6],
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// mm from row to row.
    pub row_spacing: f64,
    /// mm from column to column.
    pub column_spacing: f64,
}

/// The attributes that apply to frame `index`: its own functional groups, the shared ones, the instance itself.
#[derive(Clone, Copy)]
pub(super) struct FrameAttributes<'a> {
    instance: Attributes<'a>,
    shared: Option<Attributes<'a>>,
    own: Option<Attributes<'a>>,
}

impl<'a> FrameAttributes<'a> {
    pub(super) fn of(instance: Attributes<'a>, index: usize) -> FrameAttributes<'a> {
        let own = instance.items(PER_FRAME_GROUPS).get(index);
        FrameAttributes {
            instance,
            shared: instance.first(SHARED_GROUPS),
            own: own.map(|item| instance.of(item)),
        }
    }

    /// The functional group macro `sequence` of this frame; the instance itself when it has none.
    fn group(&self, sequence: Tag) -> Attributes<'a> {
        let within = |item: Option<Attributes<'a>>| item.and_then(|item| item.first(sequence));
        within(self.own)
            .or_else(|| within(self.shared))
            .unwrap_or(self.instance)
    }

    /// Slice Thickness in mm.
    pub(super) fn slice_thickness(&self) -> Option<f64> {
        let thickness = self.group(PIXEL_MEASURES).decimal(0x0018_0050);
        thickness.filter(|mm| *mm > 0.0)
    }

    /// Spacing Between Slices in mm.
    pub(super) fn spacing_between_slices(&self) -> Option<f64> {
        let spacing = self.group(PIXEL_MEASURES).decimal(0x0018_0088);
        spacing.map(f64::abs).filter(|mm| *mm > 0.0)
    }

    /// Referenced Segment Number. Source: PS3.3 C.8.20.3.1.
    pub(super) fn referenced_segment(&self) -> Option<u16> {
        self.group(SEGMENT_IDENTIFICATION).short(0x0062_000B)
    }

    /// Image Type, or the Frame Type of a multi-frame image.
    pub(super) fn image_type(&self) -> Option<&'a str> {
        let group = self.group(CT_FRAME_TYPE);
        group
            .ascii(0x0008_9007)
            .or_else(|| self.instance.ascii(0x0008_0008))
    }

    /// Rescale Slope and Intercept. Errors: [`Refusal::MissingElement`]; [`Refusal::PixelFormat`] when the
    /// result is something else than Hounsfield units.
    pub(super) fn rescale(&self) -> Result<Rescale, Refusal> {
        let group = self.group(PIXEL_VALUE_TRANSFORMATION);
        let missing = |element| Refusal::MissingElement { element };
        let intercept = group
            .decimal(0x0028_1052)
            .ok_or(missing("Rescale Intercept"))?;
        let slope = group.decimal(0x0028_1053).ok_or(missing("Rescale Slope"))?;
        match group.ascii(0x0028_1054) {
            // US stands for "unspecified"; spectral scanners also write Z_EFF, ED and others.
            None | Some("HU" | "US" | "HU_MOD") => {}
            Some(_) => {
                return Err(Refusal::PixelFormat {
                    what: "Rescale Type is not HU".to_owned(),
                });
            }
        }
        Rescale::new(slope, intercept).ok_or(Refusal::Malformed {
            what: "Rescale Slope is zero".to_owned(),
        })
    }

    /// The geometry. Errors: [`Refusal::MissingElement`], [`Refusal::Malformed`].
    pub(super) fn geometry(&self, rows: usize, columns: usize) -> Result<FrameGeometry, Refusal> {
        let missing = |element| Refusal::MissingElement { element };
        let position = self
            .group(PLANE_POSITION)
            .decimals(0x0020_0032)
            .ok_or(missing("Image Position (Patient)"))?;
        let orientation = self
            .group(PLANE_ORIENTATION)
            .decimals(0x0020_0037)
            .ok_or(missing("Image Orientation (Patient)"))?;
        let [row_spacing, column_spacing] = self
            .group(PIXEL_MEASURES)
            .decimals(0x0028_0030)
            .ok_or(missing("Pixel Spacing"))?;
        let malformed = |what: &str| Refusal::Malformed {
            what: what.to_owned(),
        };
        if !is_orthonormal(&orientation) {
            return Err(malformed(
                "Image Orientation (Patient) is not two perpendicular unit vectors",
            ));
        }
        if row_spacing <= 0.0 || column_spacing <= 0.0 {
            return Err(malformed("Pixel Spacing is not above zero"));
        }
        Ok(FrameGeometry {
            position,
            orientation,
            rows,
            columns,
            row_spacing,
            column_spacing,
        })
    }
}

/// Whether the two directions are perpendicular unit vectors, as far as rounded decimal strings can say so.
fn is_orthonormal(orientation: &[f64; 6]) -> bool {
    // Six decimals are usual, three have been seen; 1e-2 tells a rounded direction from a wrong one.
    const TOLERANCE: f64 = 1e-2;
    let [a, b, c, d, e, f] = *orientation;
    let unit = |squares: f64| (squares - 1.0).abs() < TOLERANCE;
    unit(a * a + b * b + c * c)
        && unit(d * d + e * e + f * f)
        && (a * d + b * e + c * f).abs() < TOLERANCE
}

//! What an instance says about itself, apart from its pixels.

use crate::dicom::attributes::Attributes;
use crate::dicom::text::{Charset, date_time, wall_time};
use crate::ids::{Redacted, SeriesKey, Uid};
use crate::refusal::Refusal;
use crate::units::WallTime;

/// The patient as registered at the scanner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patient {
    /// Patient ID.
    pub id: Option<String>,
    /// Patient's Name, components and groups as written (`^`, `=`).
    pub name: Option<String>,
    /// Patient's Birth Date as written, `YYYYMMDD`.
    pub birth_date: Option<String>,
}

/// The attributes of one instance that grouping, choice and reporting need.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Series Instance UID.
    pub series: SeriesKey,
    /// Study Instance UID; `None` when it is empty or unusable.
    pub study: Option<Uid>,
    /// SOP Instance UID; real exports leave it empty: then place and pixels tell instances apart.
    pub instance: Option<Uid>,
    /// Frame of Reference UID; real exports leave it empty.
    pub frame_of_reference: Option<Uid>,
    /// SOP Class UID.
    pub sop_class: Option<Uid>,
    /// Transfer Syntax UID the file was stored in.
    pub transfer_syntax: String,
    /// Modality; `CT` for whatever [`crate::dicom::read`] lets through.
    pub modality: String,
    /// The values of Image Type.
    pub image_type: Vec<String>,
    /// Rows of one frame.
    pub rows: usize,
    /// Columns of one frame.
    pub columns: usize,
    /// Pixel Spacing of the first frame: row to row, column to column, mm.
    pub pixel_spacing: [f64; 2],
    /// Slice Thickness of the first frame, mm.
    pub slice_thickness: Option<f64>,
    /// Instance Number.
    pub instance_number: Option<i64>,
    /// Acquisition Number.
    pub acquisition_number: Option<i64>,
    /// Series Number.
    pub series_number: Option<i64>,
    /// Body Part Examined; often wrong.
    pub body_part: Option<String>,
    /// Convolution Kernel.
    pub kernel: Option<String>,
    /// Series Description.
    pub series_description: Option<String>,
    /// What the scanner says of itself: manufacturer, model, station and serial number, with `\` between them.
    pub device: Option<String>,
    /// When the image was acquired by the scanner's clock, taken as UTC; `None` when the dates are empty.
    pub acquired: Option<WallTime>,
    /// Accession Number.
    pub accession: Option<Redacted<String>>,
    /// The patient.
    pub patient: Redacted<Patient>,
}

/// The parts of a [`Header`] that are known before the pixels have been looked at.
#[derive(Default)]
pub(super) struct ImageFacts {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) pixel_spacing: [f64; 2],
    pub(super) slice_thickness: Option<f64>,
    pub(super) image_type: Vec<String>,
    pub(super) transfer_syntax: String,
}

/// The Series Instance UID. Errors: [`Refusal::MissingElement`], [`Refusal::Malformed`].
pub(super) fn series_key(attributes: &Attributes<'_>) -> Result<SeriesKey, Refusal> {
    let text = attributes
        .ascii(0x0020_000E)
        .ok_or(Refusal::MissingElement {
            element: "Series Instance UID",
        })?;
    Uid::parse(text)
        .map(SeriesKey)
        .map_err(|error| Refusal::Malformed {
            what: format!("Series Instance UID: {error}"),
        })
}

/// The Modality, as a short code that can be shown; anything else reads "unknown".
pub(super) fn modality(attributes: &Attributes<'_>) -> Option<String> {
    let text = attributes.ascii(0x0008_0060)?;
    let code = text.len() <= 16 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    Some(if code { text } else { "unknown" }.to_owned())
}

/// The values of an Image Type or Frame Type.
pub(super) fn type_values(text: Option<&str>) -> Vec<String> {
    let values = text.into_iter().flat_map(|text| text.split('\\'));
    values.map(|value| value.trim().to_owned()).collect()
}

/// Builds the header. Errors: as [`series_key`].
pub(super) fn header(attributes: &Attributes<'_>, facts: ImageFacts) -> Result<Header, Refusal> {
    let charset = Charset::parse(attributes.ascii(0x0008_0005));
    let uid = |tag| attributes.ascii(tag).and_then(|text| Uid::parse(text).ok());
    let text = |tag| attributes.text(tag, &charset);
    Ok(Header {
        series: series_key(attributes)?,
        study: uid(0x0020_000D),
        instance: uid(0x0008_0018),
        frame_of_reference: uid(0x0020_0052),
        sop_class: uid(0x0008_0016),
        transfer_syntax: facts.transfer_syntax,
        modality: modality(attributes).unwrap_or_else(|| "unknown".to_owned()),
        image_type: facts.image_type,
        rows: facts.rows,
        columns: facts.columns,
        pixel_spacing: facts.pixel_spacing,
        slice_thickness: facts.slice_thickness,
        instance_number: attributes.integer(0x0020_0013),
        acquisition_number: attributes.integer(0x0020_0012),
        series_number: attributes.integer(0x0020_0011),
        body_part: text(0x0018_0015),
        kernel: text(0x0018_1210),
        series_description: text(0x0008_103E),
        device: device(attributes, &charset),
        acquired: acquired(attributes),
        accession: text(0x0008_0050).map(Redacted::new),
        patient: Redacted::new(Patient {
            id: text(0x0010_0020),
            name: text(0x0010_0010),
            birth_date: text(0x0010_0030),
        }),
    })
}

/// Manufacturer, Manufacturer's Model Name, Station Name, Device Serial Number; `None` when all are empty.
fn device(attributes: &Attributes<'_>, charset: &Charset) -> Option<String> {
    const PARTS: [u32; 4] = [0x0008_0070, 0x0008_1090, 0x0008_1010, 0x0018_1000];
    let parts = PARTS.map(|tag| attributes.text(tag, charset).unwrap_or_default());
    parts
        .iter()
        .any(|part| !part.is_empty())
        .then(|| parts.join("\\"))
}

/// Acquisition, else content, series or study date and time: the first that is there.
fn acquired(attributes: &Attributes<'_>) -> Option<WallTime> {
    const DATE_AND_TIME: [(u32, u32); 4] = [
        (0x0008_0022, 0x0008_0032),
        (0x0008_0023, 0x0008_0033),
        (0x0008_0021, 0x0008_0031),
        (0x0008_0020, 0x0008_0030),
    ];
    let stamped = attributes.ascii(0x0008_002A).and_then(date_time);
    let mut pairs = DATE_AND_TIME.iter();
    stamped.or_else(|| {
        pairs.find_map(|(date, time)| wall_time(attributes.ascii(*date)?, attributes.ascii(*time)))
    })
}

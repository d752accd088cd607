//! A slice as a scanner may send it, for tests that need a header.

use scanward::dicom::{CtImage, Header, ReadLimits, read, write_ct};
use scanward::units::WallTime;

/// The header that `image` reads back with.
pub(crate) fn header_of(image: &CtImage<'_>) -> Header {
    let file = write_ct(image);
    let instance = read(&file, &ReadLimits::default());
    instance
        .unwrap_or_else(|refusal| panic!("{refusal}"))
        .header()
        .clone()
}

/// An image of 2 × 2 pixels of a chest series.
pub(crate) fn image<'a>(series: &'a str, hu: &'a [i16]) -> CtImage<'a> {
    CtImage {
        study: "1.2.3.4",
        series,
        instance: "1.2.3.6",
        frame_of_reference: "1.2.3.7",
        patient_id: "P-7",
        patient_name: "A^B",
        accession: "A1",
        series_number: 2,
        instance_number: 3,
        position: [0.0; 3],
        orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        pixel_spacing: [0.7, 0.7],
        slice_thickness: 2.0,
        spacing_between_slices: 2.0,
        rows: 2,
        columns: 2,
        series_description: "phantom",
        kernel: "B40",
        acquired: WallTime::from_unix_millis(1_709_208_000_000),
        hu,
    }
}

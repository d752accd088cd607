//! Instances as the intake machine is told of them, without files.

use scanward::dicom::Header;
use scanward::ids::{Pseudonym, Redacted, SeriesKey, Uid};
use scanward::intake::{Arrival, ReadResult, SeriesFacts, Slice};
use scanward::refusal::Refusal;
use scanward::series::SliceGeometry;
use scanward::units::WallTime;
use scanward::volume::reduce;
use std::sync::Arc;

/// What is in a file.
#[derive(Clone, Debug)]
pub struct What {
    pub kind: Kind,
    pub series: &'static str,
    pub patient: u8,
    pub z: u8,
    pub pixel: i16,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Slice,
    CutOff,
    Unreadable,
}

/// Slice `z` of a series.
pub fn slice(series: &'static str, z: u8) -> What {
    pixels(series, z, 0)
}

/// Slice `z` of a series with pixels of its own.
pub fn pixels(series: &'static str, z: u8, pixel: i16) -> What {
    What {
        kind: Kind::Slice,
        series,
        patient: 1,
        z,
        pixel,
    }
}

/// A file that names its series and is cut off.
pub fn cut_off(series: &'static str) -> What {
    What {
        kind: Kind::CutOff,
        ..slice(series, 0)
    }
}

/// What reading the file gives.
pub fn answer(what: &What) -> ReadResult {
    match what.kind {
        Kind::Slice => ReadResult::Series(Box::new(arrival(what, Ok(vec![plane(what)])))),
        Kind::CutOff => {
            let refusal = Refusal::Truncated {
                what: "pixels".to_owned(),
            };
            let arrival = Some(Box::new(arrival(what, Err(refusal.clone()))));
            ReadResult::CutOff { arrival, refusal }
        }
        Kind::Unreadable => ReadResult::Unreadable,
    }
}

fn arrival(what: &What, slices: Result<Vec<Slice>, Refusal>) -> Arrival {
    Arrival {
        key: key(what.series),
        facts: SeriesFacts {
            header: Arc::new(header(what)),
            patient: Pseudonym::from_mac(&[what.patient; 32]),
            study: Pseudonym::from_mac(&[9; 32]),
        },
        slices,
        at: WallTime::default(),
    }
}

fn plane(what: &What) -> Slice {
    let mut digest = [what.z; 32];
    digest[0] = u8::try_from(what.pixel).unwrap();
    Slice {
        instance: Some(Uid::parse(&format!("{}.{}", what.series, what.z)).unwrap()),
        geometry: SliceGeometry {
            position: [0.0, 0.0, f64::from(what.z)],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            rows: 2,
            columns: 2,
            row_spacing: 1.0,
            column_spacing: 1.0,
        },
        digest,
        plane: Arc::new(reduce(&[what.pixel; 4], 2, 2, 1.0, 1.0, 1.0).unwrap()),
    }
}

/// The key of a series.
pub fn key(series: &str) -> SeriesKey {
    SeriesKey(Uid::parse(series).unwrap())
}

fn header(what: &What) -> Header {
    Header {
        series: key(what.series),
        study: None,
        instance: None,
        frame_of_reference: None,
        sop_class: None,
        transfer_syntax: String::new(),
        modality: "CT".to_owned(),
        image_type: Vec::new(),
        rows: 2,
        columns: 2,
        pixel_spacing: [1.0, 1.0],
        slice_thickness: None,
        instance_number: None,
        acquisition_number: None,
        series_number: None,
        body_part: None,
        kernel: None,
        series_description: None,
        device: None,
        acquired: None,
        accession: None,
        patient: Redacted::default(),
    }
}

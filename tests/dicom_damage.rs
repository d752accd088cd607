//! Written slices read back as they were; damaged ones are refused and never panic.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of this test stop at the first thing that is not as it should be"
)]

use std::io::Write;

use scanward::dicom::{CtImage, ReadLimits, read, read_header, write_ct};
use scanward::edge::Reader;
use scanward::ids::Redacted;
use scanward::intake::ReadResult;
use scanward::refusal::Refusal;
use scanward::units::WallTime;

const EDGE: u16 = 8;

#[test]
fn a_written_slice_reads_back_as_it_was() {
    let hu = ramp();
    let file = write_ct(&slice(&hu));
    let instance = read(&file, &ReadLimits::default()).unwrap();
    let header = instance.header();
    assert_eq!(header.series.0.as_str(), "1.2.3.5");
    assert_eq!(header.study.as_ref().unwrap().as_str(), "1.2.3.4");
    assert_eq!(header.instance.as_ref().unwrap().as_str(), "1.2.3.6");
    assert_eq!(header.instance_number, Some(3));
    assert_eq!(header.series_number, Some(2));
    assert_eq!(header.image_type, ["ORIGINAL", "PRIMARY", "AXIAL"]);
    assert_eq!(header.acquired, Some(slice(&hu).acquired));
    assert_eq!(header.patient.reveal().name.as_deref(), Some("陳^大文"));
    assert_eq!(header.patient.reveal().id.as_deref(), Some("P-7"));
    assert_eq!(header.accession.as_ref().unwrap().reveal(), "A1");
    assert_eq!(format!("{:?}", header.slice_thickness), "Some(1.25)");
    let place = instance.frame_geometry(0).unwrap();
    assert_eq!(format!("{:?}", place.position), "[-100.5, -90.25, 33.3]");
    assert!((place.row_spacing - 0.7).abs() < 1e-9);
    assert!((place.column_spacing - 0.8).abs() < 1e-9);
    let mut found = Vec::new();
    instance.frame_hu(0, &mut found).unwrap();
    assert_eq!(found, hu);
    assert_eq!(instance.frame_geometry(1), Err(Refusal::NoImage));
    assert_eq!(instance.frame_hu(1, &mut found), Err(Refusal::NoImage));
}

#[test]
fn a_slice_without_preamble_and_meta_group_or_with_a_deflated_data_set_reads_the_same() {
    let hu = ramp();
    let file = write_ct(&slice(&hu));
    let body = file
        .windows(8)
        .position(|w| w == b"\x08\0\x05\0CS\x0A\0")
        .unwrap();
    let mut deflated = vec![0; 128];
    deflated.extend_from_slice(b"DICM\x02\0\x10\0UI\x16\0");
    deflated.extend_from_slice(b"1.2.840.10008.1.2.1.99");
    let mut encoder = flate2::write::DeflateEncoder::new(deflated, flate2::Compression::default());
    encoder.write_all(&file[body..]).unwrap();
    let deflated = encoder.finish().unwrap();
    for variant in [&file[body..], &file[132..], &deflated] {
        let instance = read(variant, &ReadLimits::default()).unwrap();
        let mut found = Vec::new();
        instance.frame_hu(0, &mut found).unwrap();
        assert_eq!(found, hu);
    }
}

#[test]
fn a_deflated_data_set_larger_than_the_limit_is_refused() {
    let mut bomb = vec![0; 128];
    bomb.extend_from_slice(b"DICM\x02\0\x10\0UI\x16\0");
    bomb.extend_from_slice(b"1.2.840.10008.1.2.1.99");
    let mut encoder = flate2::write::DeflateEncoder::new(bomb, flate2::Compression::best());
    encoder.write_all(&vec![0; 4 << 20]).unwrap();
    let limits = ReadLimits {
        file_bytes_max: 1 << 20,
        ..ReadLimits::default()
    };
    let refusal = read(&encoder.finish().unwrap(), &limits).unwrap_err();
    assert_eq!(refusal.code(), "too-large");
}

#[test]
fn the_digest_of_a_slice_tells_pixels_and_positions_apart() {
    let hu = ramp();
    let mut reader = Reader::new(ReadLimits::default(), 2.8, Redacted::new([0; 32]));
    let mut digest = |image: &CtImage<'_>| {
        let result = reader.parse(&write_ct(image), WallTime::default());
        let ReadResult::Series(arrival) = result else {
            panic!("{result:?}")
        };
        arrival.slices.unwrap().swap_remove(0).digest
    };
    let base = slice(&hu);
    let renamed = CtImage {
        patient_name: "other",
        ..base
    };
    let moved = CtImage {
        position: [-100.5, -90.25, 34.3],
        ..base
    };
    let mut changed = hu.clone();
    changed[5] += 1;
    assert_eq!(digest(&base), digest(&renamed));
    assert_ne!(digest(&base), digest(&moved));
    assert_ne!(
        digest(&base),
        digest(&CtImage {
            hu: &changed,
            ..base
        })
    );
}

#[test]
fn a_file_cut_at_any_length_is_refused_and_still_names_its_series() {
    let hu = ramp();
    let file = write_ct(&slice(&hu));
    let limits = ReadLimits::default();
    let series_of = |bytes: &[u8]| read_header(bytes, &limits).map(|header| header.series);
    let key = series_of(&file).unwrap();
    let mut named = 0;
    for length in 0..file.len() {
        let cut = &file[..length];
        assert!(read(cut, &limits).is_err(), "cut at {length}");
        match series_of(cut) {
            Some(found) => {
                assert_eq!(found, key);
                named += 1;
            }
            None => assert_eq!(named, 0, "cut at {length} lost the series"),
        }
    }
    assert!(named > 100);
}

#[test]
fn a_cut_inside_the_data_set_reads_as_truncated_so_that_the_file_is_waited_for() {
    let hu = ramp();
    let file = write_ct(&slice(&hu));
    let modality = file
        .windows(4)
        .position(|w| w == b"CSCT" || w == [8, 0, 0x60, 0]);
    for length in modality.unwrap() + 10..file.len() {
        let refusal = read(&file[..length], &ReadLimits::default()).unwrap_err();
        assert_eq!(refusal.code(), "truncated", "cut at {length}");
    }
}

#[test]
fn a_small_file_that_declares_gigabytes_is_refused() {
    let hu = ramp();
    let mut file = write_ct(&slice(&hu));
    let pixels = file
        .windows(4)
        .rposition(|w| w == [0xE0, 0x7F, 0x10, 0])
        .unwrap();
    file[pixels + 8..pixels + 12].copy_from_slice(&0xFFFF_FFF0u32.to_le_bytes());
    let refusal = read(&file, &ReadLimits::default()).unwrap_err();
    assert_eq!(refusal.code(), "truncated");
}

#[test]
fn nested_sequences_without_end_are_refused() {
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    for _ in 0..100_000 {
        file.extend_from_slice(b"\x08\x00\x15\x11SQ\0\0\xFF\xFF\xFF\xFF");
        file.extend_from_slice(b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
    }
    let refusal = read(&file, &ReadLimits::default()).unwrap_err();
    assert_eq!(refusal.code(), "malformed");
}

#[test]
fn flipped_bytes_never_panic() {
    let hu = ramp();
    let file = write_ct(&slice(&hu));
    flip(&file, 20_000, 1);
}

#[test]
fn flipped_bytes_in_packed_pixels_never_panic() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/dicom-files");
    for name in [
        "CT1_RLE",
        "CT1_JLSL",
        "CT2_JLSN",
        "CT1_JPLL",
        "dcmqi-24x38x3-mf.dcm",
    ] {
        if let Ok(file) = std::fs::read(folder.join(name)) {
            flip(&file, 25, 2);
        }
    }
}

/// Reads `file` `rounds` times with up to eight bytes changed, by a seeded generator (xorshift).
fn flip(file: &[u8], rounds: u32, seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut hu = Vec::new();
    for _ in 0..rounds {
        let mut damaged = file.to_vec();
        for _ in 0..=next(8) {
            let at = next(damaged.len());
            damaged[at] = u8::try_from(next(256)).unwrap();
        }
        if let Ok(instance) = read(&damaged, &ReadLimits::default()) {
            for index in 0..instance.frame_count() {
                let _ = instance.frame_hu(index, &mut hu);
            }
        }
    }
}

fn ramp() -> Vec<i16> {
    (0..i16::try_from(EDGE * EDGE).unwrap())
        .map(|i| -1024 + 60 * i)
        .collect()
}

fn slice(hu: &[i16]) -> CtImage<'_> {
    CtImage {
        study: "1.2.3.4",
        series: "1.2.3.5",
        instance: "1.2.3.6",
        frame_of_reference: "1.2.3.7",
        patient_id: "P-7",
        patient_name: "陳^大文",
        accession: "A1",
        series_number: 2,
        instance_number: 3,
        position: [-100.5, -90.25, 33.3],
        orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        pixel_spacing: [0.7, 0.8],
        slice_thickness: 1.25,
        spacing_between_slices: 1.0,
        rows: EDGE,
        columns: EDGE,
        series_description: "phantom",
        kernel: "B40",
        acquired: WallTime::from_unix_millis(1_709_208_000_500),
        hu,
    }
}

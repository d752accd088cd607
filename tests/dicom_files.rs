//! Every public test file of the DICOM sample, and what the reader makes of it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of this test stop at the first thing that is not as it should be"
)]

use std::path::PathBuf;

use scanward::dicom::{Instance, ReadLimits, read};

/// File name and outcome: "reads", or the refusal's code.
const EXPECTED: &[(&str, &str)] = &[
    ("693_J2KI.dcm", "reads"),
    ("CT-MONO2-16-ankle", "missing-element"),
    ("CT1_J2KR", "reads"),
    ("CT1_JLSL", "reads"),
    ("CT1_JPLL", "reads"),
    ("CT1_RLE", "reads"),
    ("CT1_UNC", "reads"),
    ("CT2_J2KI", "reads"),
    ("CT2_JLSN", "reads"),
    ("CT_small.dcm", "reads"),
    ("DICOMDIR", "no-image"),
    ("ExplVR_LitEndNoMeta.dcm", "not-ct"),
    ("FreezePattern.dcm", "pixel-format"),
    ("GH1146.dcm", "not-ct"),
    (
        "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_ELE_undefinded_length.dcm",
        "reads",
    ),
    ("GH178.dcm", "no-image"),
    ("GH340.dcm", "not-ct"),
    ("GH342.dcm", "reads"),
    ("HTJ2KLossless_08_RGB.dcm", "not-ct"),
    ("IM-0001-0001-0001.dcm", "reads"),
    ("J2K_pixelrep_mismatch.dcm", "reads"),
    ("JLSL_RGB_ILV0.dcm", "not-ct"),
    ("JPEG2000-embedded-sequence-delimiter.dcm", "not-ct"),
    ("JPEGLSNearLossless_16.dcm", "not-ct"),
    ("JPGExtended.dcm", "not-ct"),
    ("MR_small.dcm", "not-ct"),
    ("MR_small_RLE.dcm", "not-ct"),
    ("MR_small_bigendian.dcm", "not-ct"),
    ("MR_small_jpeg_ls_lossless.dcm", "not-ct"),
    ("MR_truncated.dcm", "not-ct"),
    ("SC1_JPLY", "too-large"),
    ("SC_rgb_jpeg_dcmtk.dcm", "not-ct"),
    ("UN_sequence.dcm", "no-image"),
    ("badVR.dcm", "not-ct"),
    ("chrArab.dcm", "not-ct"),
    ("chrH31.dcm", "not-ct"),
    ("chrI2.dcm", "not-ct"),
    ("chrSQEncoding.dcm", "no-image"),
    ("chrX2.dcm", "not-ct"),
    ("crayons.icc", "not-dicom"),
    ("dcmqi-24x38x3-IMG0001.dcm", "reads"),
    ("dcmqi-24x38x3-IMG0002.dcm", "reads"),
    ("dcmqi-24x38x3-IMG0003.dcm", "reads"),
    ("dcmqi-24x38x3-label.seg", "not-ct"),
    ("dcmqi-24x38x3-mf.dcm", "reads"),
    ("dirtest-CT2-17106", "reads"),
    ("dirtest-CT2-17136", "reads"),
    ("dirtest-CT2-17166", "reads"),
    ("dirtest-CT2-17196", "reads"),
    ("dirtest-CT2N-6293", "reads"),
    ("dirtest-TINY_ALPHA-IM000000", "truncated"),
    ("emri_small.dcm", "not-ct"),
    ("examples_ybr_color.dcm", "not-ct"),
    ("image_dfl.dcm", "not-ct"),
    ("liver_deflate.dcm", "not-ct"),
    ("meta_missing_tsyntax.dcm", "not-ct"),
    ("nested_priv_SQ.dcm", "not-ct"),
    ("reportsi.dcm", "not-ct"),
    ("rtdose_rle.dcm", "not-ct"),
    ("rtplan.dcm", "not-ct"),
];

#[test]
fn every_sample_file_ends_as_the_table_says() {
    let Some(folder) = samples() else { return };
    let mut found = Vec::new();
    for name in names(&folder) {
        let bytes = std::fs::read(folder.join(&name)).expect("a readable file");
        let outcome = match read(&bytes, &ReadLimits::default()).and_then(|i| decode_all(&i)) {
            Ok(()) => "reads",
            Err(refusal) => refusal.code(),
        };
        found.push((name, outcome));
    }
    let found: Vec<(&str, &str)> = found.iter().map(|(n, o)| (n.as_str(), *o)).collect();
    assert_eq!(found, EXPECTED, "{}", as_table(&found));
}

#[test]
fn stored_values_equal_the_published_digests() {
    let Some(folder) = samples() else { return };
    let inventory = std::fs::read_to_string(folder.join("inventory.tsv")).expect("the inventory");
    let mut compared = 0;
    for row in inventory.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let [name, digest] = [0, 21].map(|i| fields.get(i).copied().unwrap_or(""));
        let bytes = std::fs::read(folder.join(name)).expect("a readable file");
        let Ok(instance) = read(&bytes, &ReadLimits::default()) else {
            continue;
        };
        if digest.is_empty() {
            continue;
        }
        // Lossy JPEG 2000 may differ by a rounding between decoders.
        let lossy = instance.header().transfer_syntax == "1.2.840.10008.1.2.4.91";
        let ours = digest_of(&instance);
        assert!(lossy || ours == digest, "{name}: {ours} is not {digest}");
        compared += usize::from(!lossy);
    }
    assert!(compared >= 12, "only {compared} files were compared");
}

#[test]
fn a_multi_frame_image_has_the_places_and_pixels_of_the_slices_it_was_made_of() {
    let Some(folder) = samples() else { return };
    let bytes = |name: &str| std::fs::read(folder.join(name)).expect("a readable file");
    let limits = ReadLimits::default();
    let together = bytes("dcmqi-24x38x3-mf.dcm");
    let together = read(&together, &limits).expect("an image");
    assert_eq!(together.frame_count(), 3);
    let slices = [1, 2, 3].map(|number| bytes(&format!("dcmqi-24x38x3-IMG000{number}.dcm")));
    let slices = slices
        .each_ref()
        .map(|file| read(file, &limits).expect("an image"));
    let (mut hu, mut single) = (Vec::new(), Vec::new());
    let mut matched = 0;
    for index in 0..3 {
        let place = together.frame_geometry(index).expect("a place");
        for slice in &slices {
            let other = slice.frame_geometry(0).expect("a place");
            if (place.position[2] - other.position[2]).abs() < 1e-3 {
                together.frame_hu(index, &mut hu).expect("pixels");
                slice.frame_hu(0, &mut single).expect("pixels");
                assert_eq!((place.rows, place.columns), (38, 24));
                assert_eq!(hu, single, "frame {index}");
                matched += 1;
            }
        }
    }
    assert_eq!(matched, 3);
}

#[test]
fn the_same_pixels_in_five_transfer_syntaxes_are_the_same_hounsfield_units() {
    let Some(folder) = samples() else { return };
    let decoded = |name: &str| {
        let bytes = std::fs::read(folder.join(name)).expect("a readable file");
        let mut hu = Vec::new();
        let instance = read(&bytes, &ReadLimits::default()).expect("an image");
        instance.frame_hu(0, &mut hu).expect("pixels");
        hu
    };
    let reference = decoded("CT1_UNC");
    // -2000 outside the round field of view is no Hounsfield unit.
    assert_eq!(reference.iter().min(), Some(&-1024));
    for name in ["CT1_RLE", "CT1_JPLL", "CT1_JLSL", "CT1_J2KR"] {
        assert!(decoded(name) == reference, "{name}");
    }
}

fn decode_all(instance: &Instance<'_>) -> Result<(), scanward::refusal::Refusal> {
    let mut hu = Vec::new();
    (0..instance.frame_count()).try_for_each(|index| {
        instance.frame_hu(index, &mut hu)?;
        let place = instance.frame_geometry(index)?;
        assert_eq!(hu.len(), place.rows * place.columns);
        Ok(())
    })
}

fn digest_of(instance: &Instance<'_>) -> String {
    use sha2::{Digest, Sha256};
    let (mut digest, mut stored) = (Sha256::new(), Vec::new());
    for index in 0..instance.frame_count() {
        instance.frame_stored(index, &mut stored).expect("pixels");
        for value in &stored {
            digest.update(value.to_le_bytes());
        }
    }
    let digest = digest.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn as_table(found: &[(&str, &str)]) -> String {
    let rows = found
        .iter()
        .map(|(name, outcome)| format!("    ({name:?}, {outcome:?}),\n"));
    rows.collect()
}

fn names(folder: &PathBuf) -> Vec<String> {
    const NOT_SAMPLES: [&str; 3] = ["README.md", "LICENSES.txt", "inventory.tsv"];
    let entries = std::fs::read_dir(folder).expect("the sample folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .filter(|name| !NOT_SAMPLES.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// The folder of samples; without it the test fails in CI and skips elsewhere.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find their data by the environment"
)]
fn samples() -> Option<PathBuf> {
    let root = std::env::var("SCANWARD_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = root.join("dicom-files");
    if folder.is_dir() {
        return Some(folder);
    }
    if std::env::var("CI").as_deref() == Ok("true") {
        panic!("{} is missing", folder.display());
    }
    eprintln!("skipped: {} is missing", folder.display());
    None
}

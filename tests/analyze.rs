//! `scanward analyze` as its users run it: every public sample file, the two real series, phantoms of known burden.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "helpers of this test stop at the first thing that is not as it should be"
)]

use scanward::dicom::{CtImage, write_ct};
use scanward::phantom::{Phantom, PhantomSpec};
use scanward::units::WallTime;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// File name and the reason's code. No single file of the sample is a chest: each ends with exit code 3.
///
/// Reviewed against the sample's categories. `series-rule` are derived images and heads, `spacing-implausible` fields of
/// view under 150 mm, `too-short` is one good chest slice alone. `CT1_UNC` and its compressed twins differ only in that
/// the twins' headers say DERIVED. GH342 is listed as a CT, and is a coronal Surview.
const EXPECTED: &[(&str, &str)] = &[
    ("693_J2KI.dcm", "series-rule"),
    ("CT-MONO2-16-ankle", "missing-element"),
    ("CT1_J2KR", "series-rule"),
    ("CT1_JLSL", "series-rule"),
    ("CT1_JPLL", "series-rule"),
    ("CT1_RLE", "series-rule"),
    ("CT1_UNC", "too-short"),
    ("CT2_J2KI", "series-rule"),
    ("CT2_JLSN", "series-rule"),
    ("CT_small.dcm", "spacing-implausible"),
    ("DICOMDIR", "no-image"),
    ("ExplVR_LitEndNoMeta.dcm", "not-ct"),
    ("FreezePattern.dcm", "pixel-format"),
    ("GH1146.dcm", "not-ct"),
    (
        "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_ELE_undefinded_length.dcm",
        "series-rule",
    ),
    ("GH178.dcm", "no-image"),
    ("GH340.dcm", "not-ct"),
    ("GH342.dcm", "localizer"),
    ("HTJ2KLossless_08_RGB.dcm", "not-ct"),
    ("IM-0001-0001-0001.dcm", "spacing-implausible"),
    ("J2K_pixelrep_mismatch.dcm", "series-rule"),
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
    ("dcmqi-24x38x3-IMG0001.dcm", "spacing-implausible"),
    ("dcmqi-24x38x3-IMG0002.dcm", "spacing-implausible"),
    ("dcmqi-24x38x3-IMG0003.dcm", "spacing-implausible"),
    ("dcmqi-24x38x3-label.seg", "not-ct"),
    ("dcmqi-24x38x3-mf.dcm", "spacing-implausible"),
    ("dirtest-CT2-17106", "series-rule"),
    ("dirtest-CT2-17136", "series-rule"),
    ("dirtest-CT2-17166", "series-rule"),
    ("dirtest-CT2-17196", "series-rule"),
    ("dirtest-CT2N-6293", "localizer"),
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
fn every_sample_file_ends_with_the_reason_in_the_table() {
    let Some(folder) = data("dicom-files") else {
        return;
    };
    let mut found = Vec::new();
    for name in inventory(&folder) {
        let ran = analyze(&["--json"], &[&folder.join(&name)]);
        assert_eq!(ran.code, Some(3), "{name}: {}", ran.errors);
        let data = ran.json();
        let code = if let Some(code) = data["reason"]["code"].as_str() {
            valid("outcome", "not_triaged", &data);
            code.to_owned()
        } else {
            assert_eq!(data, Value::Array(Vec::new()), "{name}");
            bracketed(&ran.errors)
        };
        found.push((name, code));
    }
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(name, code)| (name.as_str(), code.as_str()))
        .collect();
    assert_eq!(found, EXPECTED, "{}", as_table(&found));
}

#[test]
fn all_sample_files_together_give_each_series_one_ending_and_name_the_rest() {
    let Some(folder) = data("dicom-files") else {
        return;
    };
    let ran = analyze(&["--json"], &[&folder]);
    assert_eq!(ran.code, Some(3), "{}", ran.errors);
    let endings = ran.json();
    let instances: u64 = endings
        .as_array()
        .expect("an array")
        .iter()
        .map(|data| data["series"]["instances"].as_u64().expect("a count"))
        .sum();
    let left_out = ran.errors.lines().count();
    let files = fs::read_dir(&folder).expect("the sample folder").count();
    assert!(instances > 0 && left_out > 0);
    // The CT without pixels is cut off: it names its series, and is no instance of it.
    let damaged = files - left_out - usize::try_from(instances).expect("a small number");
    assert_eq!(damaged, 1, "{}", ran.errors);
    assert!(
        ran.errors
            .contains("crayons.icc: not a DICOM file [not-dicom]")
    );
    assert!(ran.errors.contains("DICOMDIR: left out by its name"));
}

#[test]
fn the_slices_of_a_head_are_one_series_left_out_by_rule() {
    let Some(folder) = data("dicom-files") else {
        return;
    };
    let names = ["17106", "17136", "17166", "17196"];
    let files = names.map(|name| folder.join(format!("dirtest-CT2-{name}")));
    let ran = analyze(&["--json"], &files.each_ref().map(PathBuf::as_path));
    let data = ran.json();
    assert_eq!(ran.code, Some(3));
    assert_eq!(data["series"]["instances"], 4);
    assert_eq!(data["reason"]["code"], "series-rule");
    assert_eq!(
        data["reason"]["text"],
        "left out by the rule body_part_deny: HEAD"
    );
}

#[test]
fn the_real_series_are_triaged_and_the_covid_one_comes_first() {
    let Some(folder) = data("dicom") else { return };
    let ran = analyze(
        &["--json"],
        &[&folder.join("normal001"), &folder.join("P002")],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    let both = ran.json();
    let both = both.as_array().expect("an array for two series");
    assert_eq!(both.len(), 2);
    let of = |instances: u64| {
        let mut wanted = both
            .iter()
            .filter(|data| data["series"]["instances"] == instances);
        wanted.next().expect("the series")
    };
    let (covid, normal) = (of(133), of(154));
    for data in [covid, normal] {
        valid("finding", "triaged", data);
        assert_eq!(data["identity"]["patient"]["name"], "");
    }
    assert!(rank(covid) < rank(normal), "{covid}\n{normal}");
    assert!(burden(normal) < 1.0, "{normal}");
    assert!(burden(covid) > burden(normal) + 1.0, "{covid}");
}

#[test]
fn phantoms_from_folders_and_archives_alone_and_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    // The third scan shows the first one's lungs again, a month later.
    let spec = PhantomSpec::of(100, 22.0, 7).with_matrix(256, 256);
    let ill = slices(&spec);
    let better = slices(&spec.prior(6.0));
    let first = Scan::new(1, 3, &better);
    let second = Scan::new(2, 15, &ill);
    first.write(&place("both/a"));
    second.write(&place("both/b"));
    Scan::new(3, 30, &better).write(&place("third"));
    second.zip(&place("second.zip"));

    let both = analyze(&["--json"], &[&place("both")]);
    assert_eq!(both.code, Some(0), "{}", both.errors);
    let both = both.json();
    assert_eq!(both.as_array().map(Vec::len), Some(2), "{both}");
    let of = |accession: &str| {
        let mut series = both.as_array().into_iter().flatten();
        let wanted = series.find(|data| data["identity"]["accession"] == accession);
        wanted.expect("the series").clone()
    };
    for (accession, truth) in [("A1", 6.0), ("A2", 22.0)] {
        valid("finding", "triaged", &of(accession));
        let found = burden(&of(accession));
        assert!((found - truth).abs() < 6.0, "{accession}: {found}");
    }

    let prior = place("both/a").display().to_string();
    let compared = analyze(
        &["--json", "--prior", &prior],
        &[&place("second.zip"), &place("third")],
    );
    assert_eq!(compared.code, Some(0), "{}", compared.errors);
    let compared = compared.json();
    let [worse, same] = compared.as_array().expect("an array").as_slice() else {
        panic!("{compared}");
    };
    assert_eq!(worse["comparison"]["direction"], "worsening", "{worse}");
    assert_eq!(worse["comparison"]["days"], 12);
    assert_eq!(same["comparison"]["direction"], "stable", "{same}");
    assert_eq!(same["comparison"]["days"], 27);
    assert_eq!(same["comparison"]["burden_change_points"], 0.0);
    let mut alone = worse.clone();
    alone
        .as_object_mut()
        .expect("an object")
        .remove("comparison");
    assert_eq!(lasting(&alone), lasting(&of("A2")), "archive and folder");

    let prior = place("second.zip").display().to_string();
    let (mask, picture) = (place("mask.nii.gz"), place("picture.png"));
    let written = [&mask, &picture].map(|path| path.display().to_string());
    let [to_mask, to_picture] = &written;
    let improved = analyze(
        &[
            "--prior",
            &prior,
            "--mask",
            to_mask,
            "--preview",
            to_picture,
        ],
        &[&place("third")],
    );
    assert_eq!(improved.code, Some(0), "{}", improved.errors);
    for words in [
        "improving",
        "in 15 days",
        "accession     A3",
        "not a diagnosis",
    ] {
        assert!(improved.output.contains(words), "{}", improved.output);
    }
    assert!(
        fs::read(&picture)
            .expect("the picture")
            .starts_with(b"\x89PNG")
    );
    let said = same["lesion"]["volume_ml"].as_f64().expect("a volume");
    let drawn = mask_ml(&mask);
    assert!(
        (drawn / said - 1.0).abs() < 0.05,
        "{drawn} ml drawn, {said} ml said"
    );
}

/// The volume of a packed NIfTI-1 mask, by its own header.
fn mask_ml(file: &Path) -> f64 {
    use std::io::Read;
    let mut bytes = Vec::new();
    let packed = fs::File::open(file).expect("the mask");
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .expect("packed by gzip");
    assert_eq!(bytes[..4], 348_u32.to_le_bytes(), "a NIfTI-1 header");
    let edge = |index: usize| {
        let at = 76 + 4 * index;
        f64::from(f32::from_le_bytes([
            bytes[at],
            bytes[at + 1],
            bytes[at + 2],
            bytes[at + 3],
        ]))
    };
    let marked = bytes[352..].iter().filter(|voxel| **voxel == 1).count();
    marked as f64 * edge(1) * edge(2) * edge(3) / 1000.0
}

#[test]
fn a_missing_slice_is_said_in_words_with_its_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = PhantomSpec::of(60, 0.0, 7).with_matrix(192, 192);
    Scan::new(1, 3, &slices(&spec)).write(folder.path());
    fs::remove_file(folder.path().join("IM030.dcm")).expect("the slice is there");
    let ran = analyze(&[], &[folder.path()]);
    assert_eq!(ran.code, Some(3), "{}", ran.errors);
    for words in [
        "NOT TRIAGED [geometry-gap]",
        "slice missing between z = 145.0 mm and z = 155.0 mm",
        "export the series again",
    ] {
        assert!(ran.output.contains(words), "{}", ran.output);
    }
    // A slice that was cut off while it was copied counts as missing, not as absent.
    let bytes = fs::read(folder.path().join("IM031.dcm")).expect("the slice is there");
    fs::write(folder.path().join("IM030.dcm"), &bytes[..bytes.len() / 2]).expect("written");
    let ran = analyze(&["--json"], &[folder.path()]);
    assert_eq!(ran.code, Some(3), "{}", ran.errors);
    assert_eq!(ran.json()["reason"]["code"], "unreadable");
}

#[test]
fn wrong_paths_are_told_apart_from_paths_without_a_series() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("nowhere");
    let ran = analyze(&[], &[&missing]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.errors.contains("nowhere does not exist"),
        "{}",
        ran.errors
    );

    let ran = analyze(&["--json"], &[folder.path()]);
    assert_eq!((ran.code, ran.json()), (Some(3), Value::Array(Vec::new())));
    assert!(ran.errors.contains("there are no files"), "{}", ran.errors);

    let ran = analyze(&["--mask", "mask.png"], &[folder.path()]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.errors.contains(".nii.gz"), "{}", ran.errors);
}

#[test]
fn a_file_given_by_its_name_is_read_whatever_the_name_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    fs::write(place(".hidden"), "text").expect("written");
    fs::write(place("empty"), "").expect("written");
    fs::write(place("broken"), b"PK\x03\x04 and no more").expect("written");
    let ran = analyze(
        &["--json"],
        &[&place(".hidden"), &place("empty"), &place("broken")],
    );
    assert_eq!(ran.code, Some(3));
    for words in [
        ".hidden: not a DICOM file [not-dicom]",
        "empty: the file is empty",
        "broken: the zip archive does not open",
    ] {
        assert!(ran.errors.contains(words), "{}", ran.errors);
    }
    let ran = analyze(&["--json"], &[folder.path()]);
    assert!(
        ran.errors.contains(".hidden: left out by its name"),
        "{}",
        ran.errors
    );
}

// ---- helpers -----------------------------------------------------------------------------------------------------

struct Ran {
    code: Option<i32>,
    output: String,
    errors: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.output)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.output, self.errors))
    }
}

/// Runs the built program with the repository's model.
fn analyze(options: &[&str], paths: &[&Path]) -> Ran {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let ran = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(["analyze", "--model"])
        .arg(model)
        .args(options)
        .args(paths)
        .output()
        .expect("the program runs");
    Ran {
        code: ran.status.code(),
        output: String::from_utf8(ran.stdout).expect("UTF-8"),
        errors: String::from_utf8(ran.stderr).expect("UTF-8"),
    }
}

/// Checks `data` against the part `name` of a schema in docs/.
fn valid(schema: &str, name: &str, data: &Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join(format!("docs/schemas/{schema}.schema.json"));
    let text = fs::read_to_string(file).expect("the schema");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let part = serde_json::json!({
        "$schema": whole["$schema"],
        "$ref": format!("#/$defs/{name}"),
        "$defs": whole["$defs"],
    });
    let validator = jsonschema::validator_for(&part).expect("a schema");
    let complaints: Vec<String> = validator
        .iter_errors(data)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}\n{data}");
}

/// The code in brackets that ends the first line.
fn bracketed(errors: &str) -> String {
    let line = errors.lines().next().unwrap_or_default();
    let code = line.rsplit_once('[').map_or("", |(_, rest)| rest);
    code.trim_end_matches(']').to_owned()
}

fn burden(data: &Value) -> f64 {
    data["lesion"]["burden_percent"].as_f64().expect("a burden")
}

/// 0 for the highest priority.
fn rank(data: &Value) -> Option<usize> {
    let order = ["critical", "urgent", "routine"];
    order.iter().position(|word| data["priority"] == *word)
}

/// What does not differ from run to run: pseudonyms have a key of the run, times are those of the run.
fn lasting(data: &Value) -> Value {
    let mut data = data.clone();
    data["identity"]["pseudonym"] = Value::Null;
    data["timing"] = Value::Null;
    data
}

/// All slices of a phantom, feet first.
fn slices(spec: &PhantomSpec) -> Vec<Vec<i16>> {
    let phantom = Phantom::new(spec).expect("a spec in range");
    let slice = |z| {
        let mut hu = Vec::new();
        phantom.slice_hu(z, &mut hu);
        hu
    };
    (0..spec.slices).map(slice).collect()
}

/// One scan of the one patient of these tests.
struct Scan<'a> {
    number: u32,
    day: i64,
    slices: &'a [Vec<i16>],
}

impl Scan<'_> {
    fn new(number: u32, day: i64, slices: &[Vec<i16>]) -> Scan<'_> {
        Scan {
            number,
            day,
            slices,
        }
    }

    /// Each slice's file name and bytes.
    fn files(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let count = self.slices.len();
        let pixels = self.slices.first().map_or(0, Vec::len);
        let edge = pixels.isqrt();
        let uid = |part: &str| format!("2.25.7001.{}.{part}", self.number);
        let (study, series, frame) = (uid("1"), uid("2"), uid("3"));
        self.slices.iter().enumerate().map(move |(z, hu)| {
            let step = 300.0 / count as f64;
            let spacing = 360.0 / edge as f64;
            let edge = u16::try_from(edge).expect("a small image");
            let number = u32::try_from(z).expect("few slices");
            let bytes = write_ct(&CtImage {
                study: &study,
                series: &series,
                instance: &format!("{series}.{z}"),
                frame_of_reference: &frame,
                patient_id: "PHANTOM-7",
                patient_name: "Phantom^Seven",
                accession: &format!("A{}", self.number),
                series_number: 1,
                instance_number: number + 1,
                position: [-180.0, -180.0, f64::from(number) * step],
                orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                pixel_spacing: [spacing, spacing],
                slice_thickness: step,
                spacing_between_slices: step,
                rows: edge,
                columns: edge,
                series_description: "Chest",
                kernel: "B40",
                acquired: WallTime::from_civil(2026, 3, self.day, 0).expect("a day of March"),
                hu,
            });
            (format!("IM{z:03}.dcm"), bytes)
        })
    }

    fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        for (name, bytes) in self.files() {
            fs::write(folder.join(name), bytes).expect("written");
        }
    }

    fn zip(&self, file: &Path) {
        let mut archive = zip::ZipWriter::new(fs::File::create(file).expect("a file"));
        let options = zip::write::SimpleFileOptions::default();
        archive.add_directory("scan/", options).expect("a folder");
        for (name, bytes) in self.files() {
            let name = format!("scan/{name}");
            archive.start_file(name, options).expect("a member");
            archive.write_all(&bytes).expect("written");
        }
        archive.finish().expect("finished");
    }
}

/// The names that the sample's own inventory lists, sorted.
fn inventory(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("inventory.tsv")).expect("the inventory");
    let rows = text.lines().skip(1);
    let mut names: Vec<String> = rows
        .filter_map(|row| row.split('\t').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

fn as_table(found: &[(&str, &str)]) -> String {
    let rows = found
        .iter()
        .map(|(name, code)| format!("    ({name:?}, {code:?}),\n"));
    rows.collect()
}

/// A folder of test data; without it the test fails in CI and skips elsewhere.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find their data by the environment"
)]
fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var("SCANWARD_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    if std::env::var("CI").as_deref() == Ok("true") {
        panic!("{} is missing", folder.display());
    }
    eprintln!("skipped: {} is missing", folder.display());
    None
}

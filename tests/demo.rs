//! `scanward demo --once`: a phantom goes the whole way, and the finding is close to what was drawn.
#![cfg(feature = "demo")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that does not find the line it looks for stops there"
)]

use std::fs;
use std::process::{Command, Output};

/// How far the finding may lie from the truth, percentage points.
const POINTS_MAX: f64 = 3.0;

#[test]
fn the_finding_of_a_phantom_is_close_to_its_truth() {
    let output = demo(&["--slices", "80"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let (burden, truth) = (number(&said, "burden"), number(&said, "truth"));
    assert!((truth - 12.0).abs() < 0.01, "{said}");
    assert!((burden - truth).abs() <= POINTS_MAX, "{said}");
    for expected in [
        "scanward/v1/demo/ct-1/finding/",
        "Assists a physician; not a diagnosis.",
        "right lung",
        "from the last slice to the ward",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
}

#[test]
fn a_folder_of_ones_own_goes_the_same_way() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("series");
    let written = scanward(&[
        "phantom",
        "--slices",
        "60",
        "--burden",
        "0",
        "--out",
        folder.to_str().unwrap(),
    ]);
    assert!(written.status.success(), "{written:?}");
    let files = fs::read_dir(&folder).unwrap().count();
    let output = demo(&["--folder", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        number(&said, "burden") < POINTS_MAX && !said.contains("truth"),
        "{said}"
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), files);
}

#[test]
fn a_series_that_cannot_be_triaged_says_why_and_ends_with_3() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("series");
    let written = scanward(&[
        "phantom",
        "--slices",
        "60",
        "--out",
        folder.to_str().unwrap(),
    ]);
    assert!(written.status.success(), "{written:?}");
    // A gap in the middle.
    fs::remove_file(folder.join("IM0030.dcm")).unwrap();
    let output = demo(&["--folder", folder.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    for expected in [
        "NOT TRIAGED",
        "geometry-gap",
        "remedy",
        "scanward/v1/demo/ct-1/outcome",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
}

#[test]
fn a_folder_without_a_series_is_a_clear_failure() {
    let home = tempfile::tempdir().unwrap();
    let empty = demo(&["--folder", home.path().to_str().unwrap()]);
    assert_eq!(empty.status.code(), Some(2), "{empty:?}");
    fs::write(home.path().join("notes.txt"), "no image").unwrap();
    let foreign = demo(&["--folder", home.path().to_str().unwrap()]);
    assert_eq!(foreign.status.code(), Some(1), "{foreign:?}");
    let said = String::from_utf8(foreign.stderr).unwrap();
    assert!(said.contains("no file names a DICOM series"), "{said}");
}

/// Runs `demo --once` with a folder for temporary files of its own, which must be empty afterwards.
fn demo(arguments: &[&str]) -> Output {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(["demo", "--once"])
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    output
}

fn scanward(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(arguments)
        .output()
        .unwrap()
}

/// The number after `word` at the beginning of a line.
fn number(said: &str, word: &str) -> f64 {
    let line = said.lines().find(|line| line.starts_with(word));
    let Some(found) = line.and_then(|line| line.split_whitespace().nth(1)) else {
        panic!("no line `{word}` in\n{said}");
    };
    found.parse().unwrap()
}

//! `scanward phantom`: the same order gives the same files, other programs read them, an earlier scan is the same patient.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that does not find what it wrote stops there"
)]

use scanward::dicom::{Header, ReadLimits, read, read_header};
use scanward::phantom::{Phantom, PhantomSpec};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn the_same_order_gives_the_same_bytes_and_another_seed_others() {
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| home.path().join(name);
    for (name, seed) in [("one", "7"), ("again", "7"), ("other", "8")] {
        phantom(&folder(name), &["--seed", seed]);
    }
    let (one, again, other) = (
        images(&folder("one")),
        images(&folder("again")),
        images(&folder("other")),
    );
    assert_eq!(one.len(), 40);
    for (index, file) in one.iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        assert_eq!(bytes, fs::read(&again[index]).unwrap(), "slice {index}");
        assert_ne!(bytes, fs::read(&other[index]).unwrap(), "slice {index}");
    }
}

#[test]
fn the_truth_that_is_printed_is_that_of_the_phantom_drawn() {
    let home = tempfile::tempdir().unwrap();
    let said = phantom(home.path(), &["--seed", "3", "--burden", "9"]);
    let truth = Phantom::new(&PhantomSpec::of(40, 9.0, 3)).unwrap().truth();
    for (line, value) in [
        ("burden", format!("{:.2}", truth.burden_percent.get())),
        (
            "right lung",
            format!("{:.2}", truth.burden_right_percent.get()),
        ),
        (
            "left lung",
            format!("{:.2}", truth.burden_left_percent.get()),
        ),
        ("lung ", format!("{:.0}", truth.lung_ml)),
        ("lesions", format!("{:.0}", truth.lesion_ml)),
    ] {
        let found = said.lines().find_map(|text| {
            text.trim_start()
                .strip_prefix(line)?
                .split_whitespace()
                .next()
        });
        assert_eq!(found, Some(value.as_str()), "`{line}` in\n{said}");
    }
}

#[test]
fn the_files_hold_the_pixels_that_the_phantom_draws() {
    let home = tempfile::tempdir().unwrap();
    phantom(home.path(), &["--seed", "2"]);
    let drawn = Phantom::new(&PhantomSpec::of(40, 12.0, 2)).unwrap();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    for index in [0, 20, 39] {
        drawn.slice_hu(index, &mut expected);
        let bytes = fs::read(&images(home.path())[index]).unwrap();
        let instance = read(&bytes, &ReadLimits::default()).unwrap();
        instance.frame_hu(0, &mut found).unwrap();
        assert!(found == expected, "slice {index}");
    }
}

#[test]
fn an_earlier_scan_is_the_same_patient_a_week_before_in_a_study_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let (later, earlier) = (home.path().join("later"), home.path().join("earlier"));
    phantom(&later, &["--seed", "5", "--burden", "10"]);
    let prior_of = later.to_str().unwrap().to_owned();
    let output = run(&[
        "phantom",
        "--out",
        earlier.to_str().unwrap(),
        "--prior-of",
        &prior_of,
        "--burden",
        "4",
    ]);
    assert!(output.status.success(), "{output:?}");

    let (now, before) = (header(&images(&later)[0]), header(&images(&earlier)[0]));
    assert_eq!(now.patient.reveal(), before.patient.reveal());
    let days = now
        .acquired
        .unwrap()
        .since(before.acquired.unwrap())
        .as_secs_f64()
        / 86_400.0;
    assert!((days - 7.0).abs() < 1e-9, "{days} days");
    assert_ne!(now.study, before.study);
    assert_ne!(now.series, before.series);
    assert_ne!(now.frame_of_reference, before.frame_of_reference);
    assert_ne!(now.instance, before.instance);
    assert_eq!(images(&later).len(), images(&earlier).len());
    let burden = String::from_utf8(output.stdout).unwrap();
    assert!(burden.contains("4.00 %"), "{burden}");
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    phantom(home.path(), &["--seed", "1"]);
    let before = fs::read(&images(home.path())[0]).unwrap();
    let out = home.path().to_str().unwrap();
    let output = run(&["phantom", "--out", out, "--seed", "2", "--slices", "40"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("holds other files") && said.contains("hint:"),
        "{said}"
    );
    assert_eq!(fs::read(&images(home.path())[0]).unwrap(), before);
    // The same order again is no something else.
    phantom(home.path(), &["--seed", "1"]);
}

#[test]
fn numbers_that_no_phantom_can_have_are_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    for bad in [
        ["--burden", "61"],
        ["--burden", "NaN"],
        ["--slices", "39"],
        ["--prior-of", "/"],
    ] {
        let output = run(&["phantom", "--out", out.to_str().unwrap(), bad[0], bad[1]]);
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {output:?}");
        assert!(!out.exists(), "{bad:?}");
    }
}

#[test]
fn other_programs_read_the_files() {
    if Command::new("dcmftest").arg("--version").output().is_err() {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "dcmftest is missing: install dcmtk");
        eprintln!("SKIPPED: install dcmtk to run it");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    phantom(home.path(), &["--seed", "4"]);
    let image = images(home.path()).swap_remove(17);
    let tested = Command::new("dcmftest").arg(&image).output().unwrap();
    assert!(tested.status.success(), "{tested:?}");
    let dumped = Command::new("dcmdump")
        .arg("-Un")
        .arg(&image)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&dumped.stdout).into_owned();
    assert!(
        dumped.status.success() && dumped.stderr.is_empty(),
        "{dumped:?}"
    );
    for value in [
        "1.2.840.10008.5.1.4.1.1.2]",
        "[PHANTOM^4]",
        "[PH4]",
        "[CT]",
        "ORIGINAL\\PRIMARY\\AXIAL",
        "US 512",
        "IS [18]",
    ] {
        assert!(text.contains(value), "{value} is not in\n{text}");
    }
}

/// Writes a phantom of 40 slices into `out`; returns what was said.
fn phantom(out: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["phantom", "--slices", "40", "--out", out.to_str().unwrap()];
    arguments.extend(more);
    let output = run(&arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(arguments)
        .output()
        .unwrap()
}

fn images(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut images: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "dcm"))
        .collect();
    images.sort();
    images
}

fn header(file: &Path) -> Header {
    read_header(&fs::read(file).unwrap(), &ReadLimits::default()).unwrap()
}

//! The unit that hospitals install is one that systemd accepts.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot write its folder stops there"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn systemd_accepts_the_unit() {
    if !has_systemd_analyze() {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(
            !ci,
            "systemd-analyze is missing: install the package systemd"
        );
        eprintln!("skipped: systemd-analyze is not on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The program that was just built, so that ExecStart exists here.
    let text =
        shipped("scanward.service").replace("/usr/bin/scanward", env!("CARGO_BIN_EXE_scanward"));
    let unit = folder.path().join("scanward.service");
    fs::write(&unit, text).unwrap();

    let verdict = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
    assert!(verdict.status.success(), "{said}");
    assert!(!said.contains("scanward.service"), "{said}");
}

#[test]
fn the_unit_is_watched_bounded_and_reads_the_export_only() {
    let unit = shipped("scanward.service");
    for line in [
        "Type=notify",
        "TimeoutStopSec=5",
        "User=scanward",
        "ProtectSystem=strict",
        "NoNewPrivileges=true",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "ReadOnlyPaths=-/srv/export",
        "KillMode=mixed",
        "OOMPolicy=continue",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} is missing");
    }
    for key in ["WatchdogSec=", "MemoryMax=", "StateDirectory="] {
        assert!(
            unit.lines().any(|found| found.starts_with(key)),
            "{key} is missing"
        );
    }
}

#[test]
fn unit_and_example_settings_name_the_same_places() {
    let unit = shipped("scanward.service");
    let example: toml::Table = shipped("scanward.toml.example").parse().unwrap();
    let folder = |section: &str| example[section]["folder"].as_str().unwrap().to_owned();
    assert!(unit.contains(&format!("ReadOnlyPaths=-{}", folder("intake"))));
    assert_eq!(folder("state"), "/var/lib/scanward");
    assert!(unit.contains("StateDirectory=scanward"));
}

fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn has_systemd_analyze() -> bool {
    Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok_and(|found| found.status.success())
}

#[test]
fn the_service_that_is_measured_has_the_allocator_of_the_unit() {
    let unit = shipped("scanward.service");
    for (name, value) in scanward::edge::bench::ALLOCATOR {
        let line = format!("Environment={name}={value}");
        assert!(unit.lines().any(|found| found == line), "{line} is missing");
    }
}

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
    systemd_accepts("scanward.service");
}

#[test]
fn systemd_accepts_the_unit_of_the_ward() {
    systemd_accepts("scanward-ward.service");
}

fn systemd_accepts(name: &str) {
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
    let text = shipped(name).replace("/usr/bin/scanward", env!("CARGO_BIN_EXE_scanward"));
    let unit = folder.path().join(name);
    fs::write(&unit, text).unwrap();

    let verdict = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verdict.stderr).into_owned();
    assert!(verdict.status.success(), "{said}");
    assert!(!said.contains(name), "{said}");
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
        "ReadOnlyPaths=-/srv/annotations",
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

#[test]
fn the_ward_is_shut_in_as_the_box_is() {
    let (unit, ward) = (
        shipped("scanward.service"),
        shipped("scanward-ward.service"),
    );
    let shut = |line: &&str| {
        let words = [
            "Protect",
            "Private",
            "Restrict",
            "NoNew",
            "Capability",
            "Ambient",
            "Lock",
            "MemoryDeny",
            "SystemCall",
            "UMask",
        ];
        // What the box may do besides opens, and shuts nothing.
        let opens = *line == "SystemCallFilter=setpriority";
        !opens && words.iter().any(|word| line.starts_with(word))
    };
    for line in unit.lines().filter(shut) {
        assert!(ward.lines().any(|found| found == line), "{line} is missing");
    }
    for key in [
        "WatchdogSec=",
        "MemoryMax=",
        "StateDirectory=scanward-ward",
        "User=scanward-ward",
    ] {
        assert!(
            ward.lines().any(|found| found.starts_with(key)),
            "{key} is missing"
        );
    }
}

#[cfg(feature = "ward")]
#[test]
fn the_ward_takes_its_example_settings_and_every_default_that_they_show() {
    let text = shipped("ward.toml.example");
    let settings = scanward::ward::Settings::parse(&text).unwrap();
    assert_eq!(settings.state.folder, Path::new("/var/lib/scanward-ward"));
    let shown = |line: &str| match line.strip_prefix('#') {
        // Two of them have no default, or contradict what stands beside them.
        Some(rest)
            if !rest.starts_with(' ')
                && !rest.starts_with("plain")
                && !rest.starts_with("keys") =>
        {
            rest.to_owned()
        }
        Some(_) | None => line.to_owned(),
    };
    let all: Vec<String> = text.lines().map(shown).collect();
    let all = scanward::ward::Settings::parse(&all.join("\n")).unwrap();
    assert_eq!((all.session, all.boxes), (settings.session, settings.boxes));
    // What the example shows of the sign-in service: the defaults are those of a section without them.
    let oidc = all.oidc.unwrap();
    let keys = [
        "user_claim",
        "display_claim",
        "groups_claim",
        "scopes",
        "ask_anew",
    ];
    let bare = text.lines().map(shown).filter(|line| {
        let key = line.split(" = ").next().unwrap_or_default();
        !keys.contains(&key)
    });
    let bare: Vec<String> = bare.collect();
    let bare = scanward::ward::Settings::parse(&bare.join("\n")).unwrap();
    assert_eq!((bare.oidc, settings.oidc), (Some(oidc), None));
    assert_eq!(
        (all.state, all.broker.keep),
        (settings.state, settings.broker.keep)
    );
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

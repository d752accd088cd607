//! What the program says of itself: help, version, completions, manual page.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers outside #[test] functions; the environment asks for a rewrite of the golden files"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn the_help_of_each_command_says_what_a_technician_asks() {
    for (command, words) in [
        (
            "run",
            &[
                "--config",
                "/etc/scanward/scanward.toml",
                "SIGHUP",
                "journal",
            ][..],
        ),
        (
            "analyze",
            &[
                "PATH",
                "--prior",
                "--json",
                "--mask",
                ".nii.gz",
                "--preview",
                "--report",
                ".html",
                "--model",
                "Ends with 3",
            ],
        ),
        (
            "phantom",
            &["--out", "--slices", "--burden", "--seed", "--prior-of"],
        ),
        (
            "doctor",
            &["--config", "ok, warn or FAIL", "hint", "sudo -u scanward"],
        ),
        ("bench", &["DIR", "--repeats", "--model"]),
        ("completions", &["SHELL", "bash", "zsh", "fish"]),
        ("man", &["manual page"]),
    ] {
        let help = said(&[command, "--help"]);
        for word in words {
            assert!(
                help.contains(word),
                "`{command} --help` does not say {word}:\n{help}"
            );
        }
        assert!(
            said(&["--help"]).contains(&format!("\n  {command} ")),
            "{command} is missing in `--help`"
        );
    }
    assert!(said(&["--help"]).contains("not a diagnosis"));
}

#[cfg(feature = "demo")]
#[test]
fn the_help_of_the_demo_says_what_it_takes() {
    let help = said(&["demo", "--help"]);
    assert!(
        help.contains("--folder") && help.contains("--once"),
        "{help}"
    );
}

#[test]
fn nothing_asked_shows_the_help_and_a_wrong_word_is_a_usage_error() {
    let bare = scanward(&[]);
    assert_eq!(bare.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bare.stdout).contains("Usage: scanward"));
    for wrong in [
        &["diagnose"][..],
        &["run", "--quiet"],
        &["analyze"],
        &["completions", "sh"],
    ] {
        assert_eq!(scanward(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_environment_says_what_the_network_runs_on() {
    let version = |name: &str, value: &str| {
        let mut program = program();
        program.args(["--version", "-v"]).env(name, value);
        program.output().unwrap()
    };
    let scalar = version("SCANWARD_ISA", "scalar");
    let told = String::from_utf8(scalar.stdout).unwrap();
    assert!(
        told.contains("engine             cpu-int8-scalar\n"),
        "{told}"
    );
    let usual = said(&["--version", "-v"]);
    let empty = version("SCANWARD_ISA", "");
    assert_eq!(String::from_utf8(empty.stdout).unwrap(), usual);

    for (name, value, what) in [
        (
            "SCANWARD_ISA",
            "mmx",
            "error: SCANWARD_ISA in the environment: `mmx` is no instruction set that the engine knows; this machine has ",
        ),
        (
            "SCANWARD_THREADS",
            "9",
            "error: SCANWARD_THREADS in the environment: `9` is no number of threads: write 1 to 8,",
        ),
    ] {
        let refused = version(name, value);
        assert_eq!(refused.status.code(), Some(2));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with(what), "{told}");
        assert!(told.contains("\nhint: "), "{told}");
    }
}

#[test]
fn the_version_is_one_line_and_with_v_tells_model_licence_and_decoders() {
    let version = format!("scanward {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(said(&["--version"]), version);
    assert_eq!(said(&["-V"]), version);
    let more = said(&["--version", "-v"]);
    assert!(more.starts_with(&version), "{more}");
    let manifest = manifest();
    let word = |key: &str| manifest.get(key).unwrap().as_str().unwrap();
    for (line, fact) in [
        ("licence ", "Apache-2.0"),
        ("model ", word("name")),
        ("model ", word("version")),
        ("model digest ", word("digest")),
        ("model licence ", word("licence")),
        ("model data ", word("data")),
        ("engine ", "cpu-int8-"),
        ("transfer syntax ", "1.2.840.10008.1.2.1 "),
        ("transfer syntax ", "JPEG 2000 Lossless Only"),
    ] {
        let told = more
            .lines()
            .any(|found| found.starts_with(line) && found.contains(fact));
        assert!(told, "no line `{line}` with `{fact}` in\n{more}");
    }
    assert!(word("licence").contains("research and tests only"));
}

#[test]
fn completions_know_every_command_and_bash_accepts_its_own() {
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        for word in ["doctor", "analyze", "config", "prior"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    let checking = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checking) = checking else {
        eprintln!("skipped: bash is not on this machine");
        return;
    };
    let script = said(&["completions", "bash"]);
    checking
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let verdict = checking.wait_with_output().unwrap();
    assert!(
        verdict.status.success(),
        "{}",
        String::from_utf8_lossy(&verdict.stderr)
    );
}

/// The page of the program with all its features; the appliance's lacks the demo.
#[cfg(feature = "demo")]
#[test]
fn the_manual_page_is_the_golden_one() {
    let page = said(&["man"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scanward.1");
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept, page, "run with UPDATE_GOLDEN=1 and read the change");
}

#[test]
fn the_manual_page_has_every_section_and_every_option() {
    let page = said(&["man"]);
    for heading in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "COMMANDS",
        "\"EXIT STATUS\"",
        "FILES",
        "SIGNALS",
        "EXAMPLES",
    ] {
        assert!(
            page.lines().any(|line| line == format!(".SH {heading}")),
            "{heading} is missing"
        );
    }
    for command in [
        "run",
        "analyze",
        "phantom",
        "doctor",
        "bench",
        "completions",
        "man",
        #[cfg(feature = "ward")]
        "ward",
        #[cfg(feature = "ward")]
        "ward-user add",
        #[cfg(feature = "ward")]
        "audit verify",
    ] {
        let heading = format!(".SS scanward {command}\n");
        assert!(page.contains(&heading), "{command} is missing");
        let mut words: Vec<&str> = command.split(' ').collect();
        words.push("--help");
        let options: Vec<String> = said(&words)
            .split_whitespace()
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .map(|word| word.trim_end_matches([',', '.', ')']).replace('-', "\\-"))
            .collect();
        for option in options {
            assert!(page.contains(&option), "{option} of {command} is missing");
        }
    }
}

#[test]
fn a_reader_who_leaves_early_causes_no_panic() {
    let mut child = program()
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(ended.status.code(), Some(0), "{said}");
}

// Helpers.

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_scanward"))
}

fn scanward(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn said(arguments: &[&str]) -> String {
    let output = scanward(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The manifest that lies in `models/`.
fn manifest() -> toml::Table {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = files
        .find(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .unwrap();
    std::fs::read_to_string(file).unwrap().parse().unwrap()
}

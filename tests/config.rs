//! `scanward.toml`: the shipped example, the complaints, the refusals.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers outside #[test] functions"
)]

use scanward::config::{Broker, Config};
use scanward::infer::{EngineOptions, Isa};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Keys that are left out by default: the example shows how one may look.
const WITHOUT_DEFAULT: [&str; 7] = [
    "accelerator_library",
    "folder",
    "client_cert_file",
    "client_key_file",
    "it_keys",
    "username",
    "password_file",
];

#[test]
fn what_the_example_shows_as_default_is_the_default() {
    let example = read("systemd/scanward.toml.example");
    let shipped = Config::parse(&example).unwrap();
    let defaults: Vec<&str> = commented(&example)
        .filter(|line| !WITHOUT_DEFAULT.contains(&key(line)))
        .collect();
    assert!(defaults.len() > 10, "only {defaults:?}");
    for line in defaults {
        let text = example.replace(&format!("\n#{line}\n"), &format!("\n{line}\n"));
        assert_ne!(text, example, "{line}");
        assert_eq!(Config::parse(&text).expect(line), shipped, "{line}");
    }
}

#[test]
fn the_example_with_every_key_in_force_parses() {
    let example = read("systemd/scanward.toml.example");
    let all = commented(&example).fold(example.clone(), |text, line| {
        text.replace(&format!("\n#{line}\n"), &format!("\n{line}\n"))
    });
    let config = Config::parse(&all).unwrap();
    assert_eq!(config.publish.account.username.as_deref(), Some("ct-1"));
    assert!(config.publish.account.client_key_file.is_some());
    assert_eq!(config.ward.it_keys.len(), 1);
    let annotations = config.annotations.unwrap();
    assert_eq!(annotations.folder, Path::new("/srv/annotations"));
}

#[test]
fn the_example_names_every_key_that_is_read_and_no_other() {
    let example = read("systemd/scanward.toml.example");
    let shown: BTreeSet<String> = example
        .lines()
        .filter(|line| !line.starts_with("# ") && line.contains(" = "))
        .map(|line| key(line.trim_start_matches('#')).to_owned())
        .collect();
    let read_keys: BTreeSet<String> = ["account", "annotations", "settings", "ward"]
        .iter()
        .flat_map(|file| keys_read(&read(&format!("src/config/{file}.rs"))))
        .collect();
    assert_eq!(shown, read_keys);
}

#[cfg(feature = "ward")]
#[test]
fn the_wards_example_names_every_key_that_is_read_and_no_other() {
    let example = read("systemd/ward.toml.example");
    let shown: BTreeSet<String> = example
        .lines()
        .filter(|line| !line.starts_with("# ") && line.contains(" = "))
        .map(|line| key(line.trim_start_matches('#')).to_owned())
        .collect();
    let files = ["config/account", "ward/settings", "ward/oidc/settings"];
    let read_keys: BTreeSet<String> = files
        .iter()
        .flat_map(|file| keys_read(&read(&format!("src/{file}.rs"))))
        .collect();
    assert_eq!(shown, read_keys);
}

#[test]
fn a_misspelt_name_is_told_with_its_line_and_the_right_one() {
    complains(
        "[intake]\nfolder = \"/e\"\nquiet_secconds = 3",
        Some(6),
        "unknown key in [intake]: `quiet_secconds`; did you mean `quiet_seconds`?",
    );
    complains(
        "[publihs]\nbroker = \"mqtt://localhost\"",
        Some(4),
        "unknown section: `publihs`; did you mean `publish`?",
    );
    complains(
        "[series]\nkernel_denny = []",
        Some(5),
        "did you mean `kernel_deny`?",
    );
    complains("[service]\nhealth_second = 3", Some(5), "`health_seconds`?");
    complains("[engine]\nthread = 3", Some(5), "`threads`?");
    complains("[prior]\nkeep_day = 3", Some(5), "`keep_days`?");
    complains(
        "[state]\nfoldr = \"/s\"",
        None,
        "`folder` is missing in [state]",
    );
}

#[test]
fn a_wrong_value_is_told_with_its_line_and_what_would_be_right() {
    for (text, line, what) in [
        (
            "[intake]\nfolder = \"/e\"\nquiet_seconds = \"30\"",
            6,
            "must be a number from 0.5 to 3600",
        ),
        (
            "[intake]\nfolder = \"/e\"\nquiet_seconds = 0",
            6,
            "must be a number from 0.5 to 3600",
        ),
        (
            "[intake]\nfolder = \"/e\"\npoll_seconds = nan",
            6,
            "must be a number",
        ),
        ("[intake]\nfolder = 3", 5, "must be a text in quotes"),
        (
            "[series]\nkernel_deny = \"B70\"",
            5,
            "must be a list of texts",
        ),
        ("[series]\nkernel_deny = [70]", 5, "must be a list of texts"),
        (
            "[series]\nrequire_original_primary_axial = \"no\"",
            5,
            "must be true or false",
        ),
        (
            "[publish]\nbroker = \"localhost:1883\"",
            5,
            "`broker` in [publish]: write mqtt://host:port or mqtts://host:port",
        ),
        (
            "[publish]\nbroker = \"mqtt://localhost\"\nidentity = \"name\"",
            6,
            "must be \"pseudonym\", \"accession\" or \"full\"",
        ),
        (
            "[publish]\nbroker = \"mqtt://localhost\"\nintended_use = \"x\"",
            6,
            "must be \"triage\" or \"detection\"",
        ),
        (
            "[engine]\naccelerator = \"gpu\"",
            5,
            "must be \"off\", \"auto\" or \"always\"",
        ),
        (
            "[engine]\nisa = \"mmx\"",
            5,
            "`isa` in [engine]: `mmx` is no instruction set that the engine knows; this machine has",
        ),
        (
            "[engine]\nthreads = 9",
            5,
            "must be a whole number from 0 to 8",
        ),
        (
            "[engine]\nthreads = 1.5",
            5,
            "must be a whole number from 0 to 8",
        ),
        ("[intake\nfolder = 3", 4, ""),
    ] {
        complains(text, Some(line), what);
    }
    let error = Config::parse("[site]\nname = \"Ward 7\"\ndevice = \"d\"").unwrap_err();
    assert_eq!(error.line, 2, "{error}");
}

#[test]
fn an_accelerator_without_the_whole_path_of_its_library_is_refused() {
    for library in ["", "accelerator_library = \"libonnxruntime.so\""] {
        let section = |how| format!("[engine]\naccelerator = \"{how}\"\n{library}");
        complains(
            &section("auto"),
            None,
            "needs the whole path of ONNX Runtime's library",
        );
        Config::parse(&whole(&section("off"))).unwrap();
    }
}

#[test]
fn the_engine_runs_as_the_settings_say() {
    let engine = |lines: &str| {
        Config::parse(&whole(&format!("[engine]\n{lines}")))
            .unwrap()
            .engine
            .options
    };
    assert_eq!(engine(""), EngineOptions::default());
    assert_eq!(
        engine("isa = \"auto\"\nthreads = 0"),
        EngineOptions::default()
    );
    for isa in Isa::available() {
        let wanted = EngineOptions {
            isa: Some(isa),
            threads: 3,
        };
        let lines = format!("isa = \"{}\"\nthreads = 3", isa.name());
        assert_eq!(engine(&lines), wanted);
    }
    // What another kind of processor has is named with what this one has.
    let foreign = if cfg!(target_arch = "x86_64") {
        "neon-dotprod"
    } else {
        "avx2"
    };
    complains(
        &format!("[engine]\nisa = \"{foreign}\""),
        Some(5),
        &format!("`{foreign}` is not an instruction set of this machine, which has"),
    );
}

#[test]
fn what_would_show_patients_or_passwords_to_the_network_is_refused() {
    for (publish, what) in [
        (
            "broker = \"mqtt://broker.example\"",
            "plain MQTT is for loopback only",
        ),
        (
            "broker = \"mqtt://10.0.0.1\"",
            "plain MQTT is for loopback only",
        ),
        (
            "broker = \"mqtt://localhost.example\"",
            "plain MQTT is for loopback only",
        ),
        (
            "broker = \"mqtt://localhost\"\nidentity = \"full\"",
            "identity = \"full\" needs `mqtts://`",
        ),
        (
            "broker = \"mqtts://b\"\nclient_cert_file = \"/c\"",
            "go together",
        ),
        (
            "broker = \"mqtts://b\"\nclient_key_file = \"/k\"",
            "go together",
        ),
        (
            "broker = \"mqtts://b\"\npassword_file = \"/p\"",
            "needs a `username`",
        ),
    ] {
        complains(&format!("[publish]\n{publish}"), None, what);
    }
    for publish in [
        "broker = \"mqtt://localhost\"",
        "broker = \"mqtt://127.0.0.1\"\nusername = \"box\"",
        "broker = \"mqtt://[::1]\"",
        "broker = \"mqtts://b\"\nidentity = \"full\"",
        "broker = \"mqtts://b\"\nclient_cert_file = \"/c\"\nclient_key_file = \"/k\"",
        "broker = \"mqtts://b\"\nusername = \"u\"\npassword_file = \"/p\"",
    ] {
        let text = whole(&format!("[publish]\n{publish}"));
        assert!(Config::parse(&text).is_ok(), "{publish}");
    }
}

#[test]
fn annotations_that_could_not_count_or_would_be_mixed_up_are_refused() {
    let key = "it_keys = [\"ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\"]";
    let section =
        |ward: &str, folder: &str| format!("[ward]\n{ward}\n[annotations]\nfolder = \"{folder}\"");
    for (ward, folder, what) in [
        ("", "/a", "[ward] needs `it_keys`"),
        (key, "a", "must be a whole path"),
        (
            key,
            "/e",
            "must lie apart from those of [intake] and [state]",
        ),
        (key, "/e/a", "must lie apart"),
        (key, "/s/a", "must lie apart"),
        (key, "/", "must lie apart"),
        (
            &format!("{key}\nlabels_keep_days = 0"),
            "/a",
            "`labels_keep_days` in [ward] is 0",
        ),
    ] {
        complains(&section(ward, folder), None, what);
    }
    let read = Config::parse(&whole(&section(key, "/a"))).unwrap();
    assert!(read.annotations.is_some());
    assert_eq!(Config::parse(&whole("")).unwrap().annotations, None);
    complains(
        "[annotations]\nfoldr = \"/a\"",
        Some(5),
        "did you mean `folder`?",
    );
}

#[test]
fn broker_addresses() {
    for (text, tls, host, port) in [
        ("mqtt://localhost", false, "localhost", 1883),
        ("mqtts://broker.example", true, "broker.example", 8883),
        ("mqtts://broker.example/", true, "broker.example", 8883),
        ("mqtt://127.0.0.1:4000", false, "127.0.0.1", 4000),
        ("mqtts://[2001:db8::1]", true, "2001:db8::1", 8883),
        ("mqtts://[2001:db8::1]:4000", true, "2001:db8::1", 4000),
    ] {
        let broker = Broker::parse(text).expect(text);
        assert_eq!(
            (broker.tls, broker.host.as_str(), broker.port),
            (tls, host, port),
            "{text}"
        );
    }
    for text in [
        "",
        "broker",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://host:",
        "mqtt://host:0x1",
        "mqtt://host:70000",
        "mqtt://user:secret@host",
        "mqtt://host/topic",
        "mqtt://a b",
        "mqtt://[::1",
        "mqtt://[::1]x",
        "mqtt://::1",
        "MQTT://host",
    ] {
        assert!(Broker::parse(text).is_err(), "{text} passed");
    }
    let secret = Broker::parse("mqtt://user:secret@host").unwrap_err();
    assert!(!secret.contains("secret"), "{secret}");
}

#[test]
fn what_is_printed_of_an_address_leads_there_again() {
    for text in ["mqtt://localhost:1883", "mqtts://[2001:db8::1]:8883"] {
        assert_eq!(Broker::parse(text).unwrap().to_string(), text);
    }
}

// Helpers.

/// `section` beside the other sections that must be there; it begins at line 4.
fn whole(section: &str) -> String {
    let mut text = format!("[site]\nname = \"h\"\ndevice = \"d\"\n{section}\n");
    for (name, rest) in [
        ("[intake]", "folder = \"/e\""),
        ("[state]", "folder = \"/s\""),
        ("[model]", "folder = \"/m\""),
        ("[publish]", "broker = \"mqtt://localhost\""),
    ] {
        if !section.contains(name) {
            text.push_str(&format!("{name}\n{rest}\n"));
        }
    }
    text
}

fn complains(section: &str, line: Option<usize>, what: &str) {
    let error = Config::parse(&whole(section)).expect_err(section);
    assert!(error.what.contains(what), "{section}\n{error}");
    if let Some(line) = line {
        assert_eq!(error.line, line, "{section}\n{error}");
    }
}

/// The lines `#key = value`, without their sign.
fn commented(example: &str) -> impl Iterator<Item = &str> {
    example
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' ') && line.contains(" = "))
}

fn key(line: &str) -> &str {
    line.split_once(" = ").unwrap().0
}

/// The names that the source asks its sections for.
fn keys_read(source: &str) -> BTreeSet<String> {
    let readers = [
        "text",
        "path",
        "number",
        "whole",
        "duration",
        "switch",
        "texts",
        "required",
        "parsed",
        "required_parsed",
        "name",
    ];
    let mut keys = BTreeSet::new();
    for reader in readers {
        for (at, opening) in source.match_indices(&format!("{reader}(")) {
            let rest = source[at + opening.len()..].trim_start();
            let literal = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            if let Some((key, _)) = literal {
                keys.insert(key.to_owned());
            }
        }
    }
    keys
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

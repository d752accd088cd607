//! Patient data stays in: unique words planted in every tag and name that could tell the patient are searched for in all
//! that leaves the program: log lines, topics, payloads, and every byte of the state folder.
//!
//! UIDs are no such words: the ledger needs the Series Instance UID to know a series again after a restart.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files; a test needs a real clock to bound its waits"
)]

mod common;

use common::mosquitto::{Mosquitto, free_port, is_missing};
use common::phantoms::Scan;
use common::site::{Settings, Site, in_ci, pause};
use common::ward::Ward;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tags and what is planted there. `{}` is replaced by the word.
const PLANTED: [(&str, &str); 40] = [
    ("0008,0050", "{}"),                // Accession Number
    ("0008,0080", "{}"),                // Institution Name
    ("0008,0081", "{}"),                // Institution Address
    ("0008,0090", "{}^Ref"),            // Referring Physician's Name
    ("0008,0094", "{}"),                // Referring Physician's Telephone Numbers
    ("0008,1010", "{}"),                // Station Name
    ("0008,1030", "{}"),                // Study Description
    ("0008,103e", "Thorax {}"),         // Series Description
    ("0008,1040", "{}"),                // Institutional Department Name
    ("0008,1048", "{}^Phys"),           // Physician(s) of Record
    ("0008,1050", "{}^Perf"),           // Performing Physician's Name
    ("0008,1060", "{}^Read"),           // Name of Physician(s) Reading Study
    ("0008,1070", "{}^Oper"),           // Operators' Name
    ("0008,1080", "{}"),                // Admitting Diagnoses Description
    ("0008,2111", "{}"),                // Derivation Description
    ("0010,0010", "{}^Vor=漢字{}"),     // Patient's Name
    ("0010,0020", "{}"),                // Patient ID
    ("0010,0021", "{}"),                // Issuer of Patient ID
    ("0010,0030", "19{}"),              // Patient's Birth Date
    ("0010,1000", "{}"),                // Other Patient IDs
    ("0010,1001", "{}^Other"),          // Other Patient Names
    ("0010,1005", "{}^Birth"),          // Patient's Birth Name
    ("0010,1040", "{} Street 1"),       // Patient's Address
    ("0010,1060", "{}^Mother"),         // Patient's Mother's Birth Name
    ("0010,1090", "{}"),                // Medical Record Locator
    ("0010,2154", "{}"),                // Patient's Telephone Numbers
    ("0010,2180", "{}"),                // Occupation
    ("0010,21b0", "{}"),                // Additional Patient History
    ("0010,4000", "{}"),                // Patient Comments
    ("0018,1000", "{}"),                // Device Serial Number
    ("0018,1030", "{}"),                // Protocol Name
    ("0020,0010", "{}"),                // Study ID
    ("0020,4000", "{}"),                // Image Comments
    ("0032,1032", "{}^Req"),            // Requesting Physician
    ("0032,1060", "{}"),                // Requested Procedure Description
    ("0038,0010", "{}"),                // Admission ID
    ("0038,0300", "{}"),                // Current Patient Location
    ("0040,0275[0].(0040,0007)", "{}"), // Scheduled Procedure Step Description, in a sequence
    ("0040,1400", "{}"),                // Requested Procedure Comments
    ("0011,0010", "{}"),                // a private creator
];

/// The accession number's place in [`PLANTED`].
const ACCESSION: usize = 0;
/// The birth date's: its word is digits, as the attribute demands.
const BIRTH_DATE: usize = 18;

#[test]
fn at_pseudonym_no_planted_word_leaves_the_program() {
    let Some(scene) = play("pseudonym") else {
        return;
    };
    for (index, word) in words().iter().enumerate() {
        assert_eq!(
            scene.places_of(word),
            [""; 0],
            "{:?} {word}",
            PLANTED.get(index)
        );
    }
}

#[test]
fn at_accession_the_accession_number_stands_in_payloads_and_queued_messages_alone() {
    let Some(scene) = play("accession") else {
        return;
    };
    let words = words();
    let mut found = scene.places_of(&words[ACCESSION]);
    // The database may keep the bytes of a deleted message until it uses their page again.
    found.retain(|place| *place != "state");
    assert_eq!(found, ["payload", "state while queued"]);
    for word in words.iter().skip(1) {
        assert_eq!(scene.places_of(word), [""; 0], "{word}");
    }
}

// Helpers.

/// One word for each place of [`PLANTED`], then those in folder and file names, then one in a private element.
fn words() -> Vec<String> {
    let mut words: Vec<String> = (0..PLANTED.len() + 3)
        .map(|n| format!("Zq{n:02}xyWv"))
        .collect();
    words[BIRTH_DATE] = "770307".to_owned();
    words
}

/// All that left the program, by kind of place.
struct Leaks {
    log: Vec<u8>,
    topics: Vec<u8>,
    payloads: Vec<u8>,
    queued: Vec<u8>,
    state: Vec<u8>,
}

impl Leaks {
    /// Where `word` stands, as UTF-8 or UTF-16, in any case of letters.
    fn places_of(&self, word: &str) -> Vec<&'static str> {
        let wide = |bytes: [fn(u16) -> [u8; 2]; 1]| -> Vec<u8> {
            word.to_ascii_lowercase()
                .encode_utf16()
                .flat_map(bytes[0])
                .collect()
        };
        let forms = [
            word.to_ascii_lowercase().into_bytes(),
            wide([u16::to_le_bytes]),
            wide([u16::to_be_bytes]),
        ];
        let holds = |bytes: &[u8]| {
            let lower = bytes.to_ascii_lowercase();
            forms
                .iter()
                .any(|form| lower.windows(form.len()).any(|window| window == form))
        };
        let places = [
            ("log", &self.log),
            ("topic", &self.topics),
            ("payload", &self.payloads),
            ("state while queued", &self.queued),
            ("state", &self.state),
        ];
        places
            .into_iter()
            .filter(|(_, bytes)| holds(bytes))
            .map(|(name, _)| name)
            .collect()
    }
}

/// A good series, one with a gap, one with a file cut off: all planted, run at `identity` with debug logging, first
/// without a broker, then killed and started again with one.
fn play(identity: &'static str) -> Option<Leaks> {
    if is_missing("phi") || dcmodify_is_missing() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let broker = Mosquitto::start(folder.path(), port, "");
    // The ward's session stays at the broker.
    drop(Ward::start(port));
    broker.stop();
    let publish = match identity {
        "pseudonym" => "identity = \"pseudonym\"",
        _ => "identity = \"accession\"",
    };
    let site = Site::new(&Settings {
        publish,
        intake: "overdue_minutes = 0.05",
        ..Settings::new(port)
    });
    export(&site);
    let daemon = site.start();
    until_logged(&site, "series ended", 3);
    daemon.kill();
    let queued = every_byte(&site.state());
    let daemon = site.start();
    let _broker = Mosquitto::start(folder.path(), port, "");
    let mut ward = Ward::start(port);
    ward.until_outcomes(3);
    ward.until("an empty outbox", |ward| {
        ward.health()
            .is_some_and(|health| health["outbox"]["count"] == 0)
    });
    assert!(daemon.stop().success());
    ward.drain();
    assert_eq!(ward.codes(), ["geometry-gap", "triaged", "unreadable"]);
    let leaks = Leaks {
        log: site.log().into_bytes(),
        topics: ward
            .seen
            .iter()
            .flat_map(|it| it.topic.clone().into_bytes())
            .collect(),
        payloads: ward.seen.iter().flat_map(|it| it.payload.clone()).collect(),
        queued,
        state: every_byte(&site.state()),
    };
    // What must be found is found: the search works, and the places are the right ones.
    assert_eq!(leaks.places_of("series ended"), ["log"]);
    assert!(leaks.places_of("geometry-gap").contains(&"payload"));
    assert!(
        leaks.places_of("2.25.60.2").contains(&"state"),
        "the ledger's key"
    );
    Some(leaks)
}

/// Writes the three series, planted, under names that hold planted words.
fn export(site: &Site) {
    let words = words();
    let names = &words[PLANTED.len()..];
    for (seed, missing, cut) in [(60, None, None), (61, Some(17), None), (62, None, Some(17))] {
        let staged = site.root().join(format!("staged {seed}"));
        std::fs::create_dir(&staged).unwrap();
        for (z, bytes) in Scan::small(seed).files().iter().enumerate() {
            if missing != Some(z) {
                std::fs::write(staged.join(format!("{}^{z}.dcm", names[0])), bytes).unwrap();
            }
        }
        plant(&staged, &words);
        if let Some(z) = cut {
            let path = staged.join(format!("{}^{z}.dcm", names[0]));
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
        std::fs::rename(&staged, site.export().join(format!("{} {seed}", names[1]))).unwrap();
    }
}

fn plant(folder: &Path, words: &[String]) {
    let mut command = Command::new("dcmodify");
    command.arg("--no-backup");
    for ((tag, form), word) in PLANTED.iter().zip(words) {
        let path = match tag.split_once('[') {
            None => format!("({tag})"),
            Some((sequence, rest)) => format!("({sequence})[{rest}"),
        };
        command.args(["-i", &format!("{path}={}", form.replace("{}", word))]);
    }
    let private = &words[PLANTED.len() + 2];
    // A private element has no known type: dcmodify takes its bytes as hexadecimal numbers.
    let private: Vec<String> = private.bytes().map(|byte| format!("{byte:02x}")).collect();
    command.args(["-i", &format!("(0011,1001)={}", private.join("\\"))]);
    let files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let output = command.args(&files).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let bytes = std::fs::read(&files[0]).unwrap();
    for word in words
        .iter()
        .enumerate()
        .filter(|(index, _)| !(PLANTED.len()..PLANTED.len() + 2).contains(index))
    {
        let is_there = bytes
            .windows(word.1.len())
            .any(|window| window == word.1.as_bytes());
        assert!(is_there, "{} was not planted: {complaints}", word.1);
    }
}

/// Whether dcmtk is missing. Fails where CI expects it, else tells that the test skips.
fn dcmodify_is_missing() -> bool {
    let missing = Command::new("dcmodify").arg("--version").output().is_err();
    assert!(!(missing && in_ci()), "phi: dcmodify is not installed");
    if missing {
        eprintln!("SKIPPED phi: install dcmtk to run it");
    }
    missing
}

/// The names and contents of all files below `folder`.
fn every_byte(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
        match path.is_dir() {
            true => bytes.extend(every_byte(&path)),
            false => bytes.extend(std::fs::read(&path).unwrap()),
        }
    }
    bytes
}

/// Waits until the log holds `text` at least `count` times.
fn until_logged(site: &Site, text: &str, count: usize) {
    for _ in 0..3000 {
        if site.log().matches(text).count() >= count {
            return;
        }
        pause(100);
    }
    panic!("not logged {count} times: {text}");
}

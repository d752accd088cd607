//! The manual keeps up with the sources: every code that can reach a ward has its heading.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot find its text stops there"
)]

use scanward::wire::RefusedCode;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_refusal_and_fault_code_has_its_heading_and_no_heading_is_left_over() {
    let manual = read("docs/operating.md");
    let headings: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    let codes: BTreeSet<String> = ["src/refusal/mod.rs", "src/fault/mod.rs"]
        .iter()
        .flat_map(|path| codes(&read(path)))
        .collect();
    assert!(codes.len() > 30, "only {codes:?} found in the sources");
    let missing: Vec<_> = codes.difference(&headings).collect();
    let left_over: Vec<_> = headings.difference(&codes).collect();
    assert!(
        missing.is_empty(),
        "no heading in docs/operating.md: {missing:?}"
    );
    assert!(
        left_over.is_empty(),
        "headings without a code: {left_over:?}"
    );
    // So that nurses read them in their own language. The other language is held to this one's words by a browser's test.
    let words = read("src/ward/page/en.js");
    let remedies = read("src/ward/page/not-triaged.js");
    for code in &codes {
        assert!(words.contains(&format!("\"reason.{code}\":")), "{code}");
        let named = [format!("\"{code}\""), format!(" {code}: ")];
        assert!(named.iter().any(|it| remedies.contains(it)), "{code}");
    }
}

#[test]
fn every_degraded_state_has_its_row() {
    let manual = read("docs/operating.md");
    let codes = codes(&read("src/health/reason.rs"));
    assert!(codes.len() > 10, "only {codes:?} found in the sources");
    for code in codes {
        let rows = manual.matches(&format!("\n| `{code}` |")).count();
        assert_eq!(rows, 1, "`{code}` in the table of docs/operating.md");
        let words = read("src/ward/page/en.js");
        assert!(words.contains(&format!("\"degraded.{code}\":")), "{code}");
    }
}

#[test]
fn every_reason_to_refuse_a_word_of_the_ward_has_its_row() {
    let manual = read("docs/operating.md");
    for code in RefusedCode::ALL {
        let rows = manual.matches(&format!("\n| `{}` |", code.code())).count();
        assert_eq!(
            rows,
            1,
            "`{}` in the table of docs/operating.md",
            code.code()
        );
    }
}

/// The string literals of `fn code`: the closed list of the contract.
fn codes(source: &str) -> Vec<String> {
    let begin = source.find("pub fn code(").unwrap();
    let body = &source[begin..];
    let end = body.find("\n    }\n").unwrap();
    let literals = body[..end].split('"').skip(1).step_by(2);
    literals.map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

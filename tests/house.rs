//! The shape of the house, checked from the sources: the order of rooms, one door to each outside crate, the small habits.
//!
//! The order of truth is the list of `pub mod` in `src/lib.rs`. Each complaint reads `path:line: what: what to do instead`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a checker outside #[test] functions stops at the first file it cannot read"
)]

use std::fs;
use std::path::Path;

/// `#[expect]`s in `src/`. May only go down: lower it whenever one is gone.
const EXPECTS_MAX: usize = 120;

/// Every room may open this door.
const ANYWHERE: &[&str] = &["*"];

/// Which rooms may name what lies outside. Each crate of [dependencies] needs a row; `::` marks parts of std.
/// Test modules inside rooms may open any door: they have to read files.
const DOORS: &[(&str, &[&str])] = &[
    ("anyhow", &["infer"]),
    ("argon2", &["ward"]),
    ("axum", &["ward"]),
    ("base64", &["trust", "report"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("csv", &["ward"]),
    ("encoding_rs", &["dicom"]),
    ("flate2", &["dicom", "nifti"]),
    ("getrandom", &["edge", "ward"]),
    ("hmac", &["daemon"]),
    ("hyper", &["ward"]),
    ("hyper_util", &["ward"]),
    ("jpeg2k", &["dicom"]),
    ("jpeg_decoder", &["dicom"]),
    ("ort", &["infer"]),
    ("png", &["preview"]),
    ("redb", &["store"]),
    ("ring", &["trust"]),
    ("rumqttc", &["edge"]),
    ("rumqttd", &["edge"]),
    ("rusqlite", &["ward"]),
    ("rustix", &["edge"]),
    ("rustls_native_certs", &["ward"]),
    ("sd_notify", &["edge", "ward"]),
    (
        "serde",
        &[
            "ids", "trust", "store", "model", "outcome", "wire", "config", "ward",
        ],
    ),
    ("serde_json", &["store", "wire", "ward", "cli"]),
    (
        "sha2",
        &[
            "ids", "trust", "store", "model", "dicom", "infer", "intake", "daemon", "edge", "ward",
        ],
    ),
    ("sysinfo", &["edge"]),
    ("thiserror", ANYWHERE),
    ("tokio", &["edge", "ward"]),
    ("tokio_rustls", &["ward"]),
    ("toml", &["model", "config", "ward"]),
    ("tracing", &["edge", "ward", "cli"]),
    ("tracing_journald", &["edge"]),
    ("tracing_subscriber", &["edge"]),
    ("tract_onnx", &["infer"]),
    ("rayon", &["infer"]),
    ("uuid", &["ids", "wire"]),
    ("zip", &["edge"]),
    ("std::env", &["edge"]),
    ("std::fs", &["edge", "ward"]),
    // config parses addresses, cli returns ExitCode: types without a world behind them.
    ("std::net", &["config", "edge", "ward"]),
    ("std::process", &["edge", "cli"]),
    ("std::thread", &["infer", "edge", "ward"]),
    ("Instant::now", &["edge"]),
    ("SystemTime::now", &["edge"]),
];

#[test]
fn the_house_is_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let rooms = rooms_of(&read("src/lib.rs"));
    let mut complaints = doors_missing(&read("Cargo.toml"));
    let mut expects = 0;
    for path in sources(root, "src") {
        let file = Source::new(&path, &read(&path));
        complaints.extend(check(&file, &rooms));
        expects += file.expects().len();
    }
    for path in sources(root, "tests") {
        complaints.extend(Source::new(&path, &read(&path)).habits());
    }
    if expects > EXPECTS_MAX {
        complaints.push(format!(
            "src: {expects} #[expect]s, {EXPECTS_MAX} are allowed: write the code the lint asks for"
        ));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn a_later_room_may_not_be_named() {
    complains(
        "src/ids/uid.rs",
        "use crate::edge::Clock;",
        "names a later room `edge`",
    );
    complains(
        "src/ids/uid.rs",
        "mod t {}\n#[cfg(test)]\nmod tests { use crate::edge::Clock; }",
        "names a later room `edge`",
    );
    complains(
        "src/ids/uid.rs",
        "fn a() { crate::attic::b() }",
        "names `attic`, which is no room",
    );
    content("src/edge/mod.rs", "use crate::ids::SeriesUid;");
    content("src/ids/mod.rs", "use crate::ids::SeriesUid;");
}

#[test]
fn a_door_opens_in_its_own_room_only() {
    complains(
        "src/ids/uid.rs",
        "use std::fs;",
        "names `std::fs`, whose door is in edge",
    );
    complains(
        "src/ids/uid.rs",
        "fn a() { let b = Instant::now(); }",
        "names `Instant::now`",
    );
    complains(
        "src/ids/uid.rs",
        "use redb::Database;",
        "names `redb`, whose door is in store",
    );
    complains("src/ids/uid.rs", "use redb;", "names `redb`");
    content("src/edge/disk.rs", "use std::fs::File;");
    content("src/ids/uid.rs", "use std::time::Duration;");
    content("src/ids/uid.rs", "fn a(time: u8) -> u8 { time }");
    content("src/ids/mod.rs", "mod redb;\npub use redb::Name;");
    content(
        "src/ids/uid.rs",
        "#[cfg(test)]\nmod tests { use std::fs; fn a() { '{' } }",
    );
    content("src/ids/uid.rs", "// std::fs\nconst A: &str = \"std::fs\";");
}

#[test]
fn code_after_a_test_module_is_read_again() {
    complains(
        "src/ids/uid.rs",
        "#[cfg(test)]\nmod tests { fn a() { \"}\" } }\nuse std::fs;",
        "x.rs:4: names",
    );
}

#[test]
fn paths_that_a_line_scan_cannot_follow_are_refused() {
    complains("src/ids/uid.rs", "use crate::{ids, edge};", "`crate::{`");
    complains("src/ids/uid.rs", "use std::{fs, io};", "`std::{`");
    complains(
        "src/ids/uid.rs",
        "use super::super::edge;",
        "`super::super::`",
    );
    complains(
        "src/ids/mod.rs",
        "use super::edge::Clock;",
        "`super::` in a room's mod.rs",
    );
    content("src/ids/uid.rs", "use super::Redacted;");
    content(
        "src/ids/mod.rs",
        "#[cfg(test)]\nmod tests { use super::Redacted; }",
    );
}

#[test]
fn the_small_habits_are_kept() {
    let bare = Source::new("x.rs", "fn a() {}\n");
    assert_eq!(bare.habits().len(), 1, "{:?}", bare.habits());
    complains("src/ids/uid.rs", "#[expect(dead_code)]", "without a reason");
    content(
        "src/ids/uid.rs",
        "#[expect(\n    dead_code,\n    reason = \"why\"\n)]",
    );
    let two = Source::new(
        "x.rs",
        "//! x\n#[expect(a, reason = \"b\")]\n#![expect(c, reason = \"d\")]\nfn e() { f.expect(\"g\") }",
    );
    assert_eq!(two.expects().len(), 2);
}

#[test]
fn a_crate_without_a_row_fails() {
    let text =
        "[dependencies]\nredb = \"4\"\nleft-pad = \"1\"\n[dev-dependencies]\ntempfile = \"3\"\n";
    let complaints = doors_missing(text);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(
        complaints[0].starts_with("Cargo.toml:3: left_pad has no row"),
        "{complaints:?}"
    );
}

#[test]
fn comments_and_literals_are_blanked() {
    let blanked = |text| blank(text);
    assert_eq!(blanked("a // b\nc"), "a     \nc");
    assert_eq!(blanked("a /* b /* c */ d */ e"), "a                   e");
    assert_eq!(blanked(r#"a "b\"c" d"#), r#"a "    " d"#);
    assert_eq!(blanked("r#\"a\"b\"# c"), "r#\"   \"# c");
    assert_eq!(blanked("br#\"\\\"a\"# c"), "br#\"   \"# c");
    assert_eq!(blanked("'a' 'b: c '\\'' d"), "' ' 'b: c '  ' d");
    assert_eq!(blanked("b\"x\" \"é\n\""), "b\" \" \" \n\"");
}

fn complains(path: &str, text: &str, expected: &str) {
    let complaints = check_snippet(path, text);
    let found = complaints
        .iter()
        .any(|line| line.replace("src/ids/uid.rs", "x.rs").contains(expected));
    assert!(found, "{text}\nexpected: {expected}\nfound: {complaints:?}");
}

fn content(path: &str, text: &str) {
    let complaints = check_snippet(path, text);
    assert!(complaints.is_empty(), "{text}\nfound: {complaints:?}");
}

fn check_snippet(path: &str, text: &str) -> Vec<String> {
    let rooms: Vec<String> = ["ids", "store", "edge"].map(String::from).into();
    check(&Source::new(path, &format!("//! x\n{text}")), &rooms)
}

/// One source file: its text with comments and literals blanked, and the same without its test modules.
struct Source {
    path: String,
    first_line: String,
    code: String,
    shipped: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = blank(text);
        let shipped = without_tests(&code);
        Source {
            path: path.to_owned(),
            first_line: text.lines().next().unwrap_or_default().to_owned(),
            code,
            shipped,
        }
    }

    /// The room this file lies in; `None` for lib.rs and main.rs, which stand above the rooms.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        match inside.split_once('/') {
            Some((room, _)) => Some(room),
            None => inside
                .strip_suffix(".rs")
                .filter(|name| !["lib", "main"].contains(name)),
        }
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    fn complain(&self, offset: usize, what: &str, instead: &str) -> String {
        let before = self.code.get(..offset).unwrap_or(&self.code);
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: {what}: {instead}", self.path)
    }

    /// Where `#[expect(` attributes begin, and their text.
    fn expects(&self) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("expect(") {
            let before = self.code[..at].trim_end();
            let attribute = before.ends_with("#[")
                || before.ends_with("#![")
                || (before.ends_with(',') && before.contains("cfg_attr("));
            if attribute {
                let rest = &self.code[at..];
                let end = rest.find(")]").unwrap_or(rest.len());
                found.push((at, &rest[..end]));
            }
        }
        found
    }

    /// What holds for every file, of `src/` and of `tests/`.
    fn habits(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if !self.first_line.starts_with("//!") {
            complaints.push(self.complain(
                0,
                "does not say what it is",
                "begin with a line of `//!`",
            ));
        }
        for (at, text) in self.expects() {
            if !text.contains("reason") {
                complaints.push(self.complain(
                    at,
                    "#[expect] without a reason",
                    "add `reason = \"…\"`",
                ));
            }
        }
        complaints
    }
}

/// Every complaint about one file of `src/`.
fn check(file: &Source, rooms: &[String]) -> Vec<String> {
    let mut complaints = file.habits();
    let Some(room) = file.room() else {
        return complaints;
    };
    let rank = |name: &str| rooms.iter().position(|room| room == name);
    let Some(own) = rank(room) else {
        complaints.push(file.complain(
            0,
            &format!("`{room}` is no room"),
            "list it as `pub mod` in src/lib.rs, in its place",
        ));
        return complaints;
    };
    complaints.extend(paths_refused(file));
    for at in words(&file.code, "crate::") {
        let named = identifier(&file.code[at + "crate::".len()..]);
        match rank(named) {
            None if named.is_empty() => {} // `crate::{` has its own complaint
            None => complaints.push(file.complain(
                at,
                &format!("names `{named}`, which is no room"),
                "name the room it lies in",
            )),
            Some(other) if other > own => complaints.push(file.complain(
                at,
                &format!("names a later room `{named}`"),
                "move the type down, or pass the value in",
            )),
            Some(_) => {}
        }
    }
    if !file.is_test() {
        complaints.extend(doors_opened(file, room));
    }
    complaints
}

fn paths_refused(file: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, instead) in [
        ("crate::{", "one `use` line for each room"),
        ("std::{", "one `use` line for each module of std"),
        ("super::super::", "name the path from `crate::`"),
    ] {
        for at in words(&file.code, path) {
            complaints.push(file.complain(at, &format!("`{path}` hides what is named"), instead));
        }
    }
    let top = file.path.ends_with("/mod.rs") && file.path.matches('/').count() == 2;
    if top {
        for at in words(&file.shipped, "super::") {
            complaints.push(file.complain(
                at,
                "`super::` in a room's mod.rs names the crate's root",
                "name the path from `crate::`",
            ));
        }
    }
    complaints
}

fn doors_opened(file: &Source, room: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (word, allowed) in DOORS {
        // A module of the file's own may bear a crate's name: `units` has its `time`.
        let shadowed = !words(&file.code, &format!("mod {word}")).is_empty();
        if *allowed == ANYWHERE || allowed.contains(&room) || shadowed {
            continue;
        }
        for at in words(&file.shipped, word) {
            let after = &file.shipped[at + word.len()..];
            let used = file.shipped[..at].trim_end().ends_with("use");
            // A bare word is a crate only as the head of a path or in `use NAME;`.
            if word.contains("::") || after.starts_with("::") || used {
                complaints.push(file.complain(
                    at,
                    &format!("names `{word}`, whose door is in {}", allowed.join(", ")),
                    "pass the value in, or move the code to that room",
                ));
            }
        }
    }
    complaints
}

/// The rooms in their order: each `pub mod` of `src/lib.rs`.
fn rooms_of(lib: &str) -> Vec<String> {
    let code = blank(lib);
    let names = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod "));
    names
        .map(|rest| identifier(rest).to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn doors_missing(cargo: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(cargo.lines()) {
        if text.starts_with('[') {
            inside = text.trim() == "[dependencies]";
            continue;
        }
        let Some((name, _)) = text.split_once('=').filter(|_| inside) else {
            continue;
        };
        let name = name.trim().replace('-', "_");
        if name.starts_with('#') || name.contains(' ') {
            continue;
        }
        if !DOORS.iter().any(|(word, _)| *word == name) {
            complaints.push(format!(
                "Cargo.toml:{line}: {name} has no row in DOORS: say in tests/house.rs which room may name it"
            ));
        }
    }
    complaints
}

/// Paths of the Rust files under `folder`, relative to the root, sorted.
fn sources(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        panic!("{folder} cannot be read")
    };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(sources(root, &path));
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn identifier(text: &str) -> &str {
    let end = text
        .find(|letter: char| !is_identifier(letter))
        .unwrap_or(text.len());
    &text[..end]
}

fn is_identifier(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Where `word` stands by itself: no identifier or path runs into it from either side.
fn words(code: &str, word: &str) -> Vec<usize> {
    let stands_alone = |at: &usize| {
        let before = &code[..*at];
        let after = &code[at + word.len()..];
        let open_end = word.ends_with(is_identifier) && after.starts_with(is_identifier);
        let tail_of_path = before.ends_with("::")
            && before
                .trim_end_matches("::")
                .ends_with(|letter| is_identifier(letter) || letter == '>');
        // `std::time::Instant::now` is still `Instant::now`; `std::time::` is not the crate `time`.
        let middle = tail_of_path && !word.ends_with("::now");
        !before.ends_with(is_identifier) && !open_end && !middle && !before.ends_with('.')
    };
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(stands_alone)
        .collect()
}

/// The code with every `#[cfg(test)] mod … { … }` blanked, its line breaks kept.
fn without_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let rest = &code[at + mark.len()..];
        if !rest.trim_start().starts_with("mod ") {
            continue;
        }
        let end = at + mark.len() + block_end(rest);
        shipped.replace_range(at..end, &spaces(&code[at..end]));
    }
    shipped
}

/// Length up to the brace that closes the first one opened, or up to a `;` before any.
fn block_end(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn spaces(text: &str) -> String {
    let blanked = |letter| if letter == '\n' { '\n' } else { ' ' };
    text.chars().map(blanked).collect()
}

/// The text with comments and the insides of literals as spaces; line breaks stay.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (kept, hidden, closing) = token(rest, letter, out.ends_with(is_identifier));
        out.push_str(&rest[..kept]);
        out.push_str(&spaces(&rest[kept..kept + hidden]));
        out.push_str(&rest[kept + hidden..kept + hidden + closing]);
        rest = &rest[kept + hidden + closing..];
    }
    out
}

/// Bytes to keep, to hide, and to keep again, of the token at the head of `rest`.
fn token(rest: &str, letter: char, in_word: bool) -> (usize, usize, usize) {
    if rest.starts_with("//") {
        return (0, rest.find('\n').unwrap_or(rest.len()), 0);
    }
    if rest.starts_with("/*") {
        return (0, comment_end(rest), 0);
    }
    if !in_word {
        // `r"…"` and `br"…"`, with as many `#` as the writer liked.
        let prefix = usize::from(letter == 'b');
        let raw = rest[prefix..].strip_prefix('r');
        let hashes = raw.map_or("", |raw| {
            &raw[..raw.len() - raw.trim_start_matches('#').len()]
        });
        if raw.is_some_and(|raw| raw[hashes.len()..].starts_with('"')) {
            return raw_string(rest, prefix + 1, hashes);
        }
    }
    if letter == '"' {
        let inside = unescaped(&rest[1..], '"');
        return (1, inside, usize::from(1 + inside < rest.len()));
    }
    if letter == '\'' {
        return quote(rest);
    }
    (letter.len_utf8(), 0, 0)
}

fn raw_string(rest: &str, prefix: usize, hashes: &str) -> (usize, usize, usize) {
    let opening = prefix + hashes.len() + 1;
    let closing = format!("\"{hashes}");
    match rest[opening..].find(&closing) {
        Some(inside) => (opening, inside, closing.len()),
        None => (opening, rest.len() - opening, 0),
    }
}

/// A character literal, or the tick of a lifetime.
fn quote(rest: &str) -> (usize, usize, usize) {
    let inside = &rest[1..];
    if inside.starts_with('\\') {
        let hidden = unescaped(inside, '\'');
        return (1, hidden, usize::from(1 + hidden < rest.len()));
    }
    match inside.chars().next() {
        Some(one) if inside[one.len_utf8()..].starts_with('\'') => (1, one.len_utf8(), 1),
        _ => (1, 0, 0),
    }
}

/// Bytes before the first `end` that no backslash escapes.
fn unescaped(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == end {
            return at;
        }
    }
    text.len()
}

fn comment_end(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

//! Who did what: an append-only list whose entries are chained by their hashes.
//!
//! Each line is the canonical JSON (RFC 8785) of an entry with its number, the hash of the line before it and its own:
//! SHA-256 over the canonical JSON of all but `hash`. One changed, added or missing byte breaks the chain there.

use crate::ids::hex;
use crate::units::WallTime;
use crate::wire::canonical;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::io::BufRead;

/// The hash before the first line.
pub(super) const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// One thing that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The user, or `-` for the server itself.
    pub(super) who: String,
    /// What was done: a stable code.
    pub(super) what: &'static str,
    /// What it was done to: a finding, a key, a user. Never a patient.
    pub(super) to: Option<String>,
    /// The address that it was asked from.
    pub(super) from: Option<String>,
    /// The nursing station.
    pub(super) station: Option<String>,
    /// How it ended, where that is not plain: a stable code or number.
    pub(super) ended: Option<String>,
}

/// The last line of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Its number; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Tail {
    fn default() -> Tail {
        Tail {
            number: 0,
            hash: START.to_owned(),
        }
    }
}

/// Why a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A line that no chain has.
    #[error("line {line} is no entry of an audit list")]
    Shape {
        /// Its place, from 1.
        line: u64,
    },
    /// The line's content is not what its hash says.
    #[error("line {line} was changed: its content is not what its hash was made of")]
    Hash {
        /// Its place, from 1.
        line: u64,
    },
    /// The line does not follow the one before it.
    #[error("line {line} does not follow the one before it: lines were taken out, added or moved")]
    Order {
        /// Its place, from 1.
        line: u64,
    },
    /// The lines cannot be read.
    #[error("line {line} cannot be read: {what}")]
    Read {
        /// Its place, from 1.
        line: u64,
        /// What the system said.
        what: String,
    },
}

/// The line of `entry` after `tail`, and the tail that it makes. `None` cannot happen: texts and small numbers are
/// canonical.
pub(super) fn line(entry: &Entry, at: WallTime, tail: &Tail) -> Option<(String, Tail)> {
    let number = tail.number.checked_add(1)?;
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    put("number", Value::from(number));
    put("at", Value::from(at.to_string()));
    put("who", Value::from(entry.who.clone()));
    put("what", Value::from(entry.what));
    put("before", Value::from(tail.hash.clone()));
    for (key, text) in [
        ("to", &entry.to),
        ("from", &entry.from),
        ("station", &entry.station),
        ("ended", &entry.ended),
    ] {
        if let Some(text) = text {
            put(key, Value::from(text.clone()));
        }
    }
    let hash = hash(&Value::Object(members.clone()))?;
    members.insert("hash".to_owned(), Value::from(hash.clone()));
    let line = canonical(&Value::Object(members)).ok()?;
    Some((line, Tail { number, hash }))
}

fn hash(value: &Value) -> Option<String> {
    Some(hex(&Sha256::digest(canonical(value).ok()?)))
}

/// Follows a chain line by line.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    tail: Option<Tail>,
    lines: u64,
}

impl Chain {
    /// A chain whose first line may have any number: a part of a list that was written out.
    pub fn new() -> Chain {
        Chain::default()
    }

    /// The last line that holds.
    pub fn tail(&self) -> Tail {
        self.tail.clone().unwrap_or_default()
    }

    /// How many lines hold.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes the next line. Errors: it breaks the chain.
    pub fn follow(&mut self, text: &str) -> Result<(), ChainError> {
        let line = self.lines.saturating_add(1);
        let shape = ChainError::Shape { line };
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(text) else {
            return Err(shape);
        };
        let spelling = canonical(&Value::Object(members.clone())).map_err(|_| shape.clone())?;
        let Some(Value::String(said)) = members.remove("hash") else {
            return Err(shape);
        };
        let number = members.get("number").and_then(Value::as_u64);
        let before = members.get("before").and_then(Value::as_str);
        let (Some(number), Some(before)) = (number, before.map(str::to_owned)) else {
            return Err(shape);
        };
        // Two spellings of one value would be two lines of one hash.
        if hash(&Value::Object(members)).as_ref() != Some(&said) || spelling != text {
            return Err(ChainError::Hash { line });
        }
        let follows = match &self.tail {
            Some(tail) => Some(number) == tail.number.checked_add(1) && before == tail.hash,
            None => number != 1 || before == START,
        };
        if !follows {
            return Err(ChainError::Order { line });
        }
        self.lines = line;
        self.tail = Some(Tail { number, hash: said });
        Ok(())
    }
}

/// Follows all lines of `from`. Errors: the first line that breaks the chain.
pub(super) fn verify(mut from: impl BufRead) -> Result<Chain, ChainError> {
    let mut chain = Chain::new();
    loop {
        let line = chain.lines().saturating_add(1);
        let mut bytes = Vec::new();
        let bounded = &mut std::io::Read::take(&mut from, LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut bytes);
        read.map_err(|error| ChainError::Read {
            line,
            what: error.to_string(),
        })?;
        if bytes.is_empty() {
            return Ok(chain);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| ChainError::Shape { line })?;
        chain.follow(text.strip_suffix('\n').unwrap_or(text))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        let mut tail = Tail::default();
        let mut lines = Vec::new();
        for index in 0..count {
            let entry = Entry {
                who: "lee".to_owned(),
                what: "acknowledged",
                to: Some(format!("finding-{index}")),
                station: Some("Ward 7B".to_owned()),
                ..Entry::default()
            };
            let (text, next) = line(&entry, WallTime::default(), &tail).unwrap();
            lines.push(text);
            tail = next;
        }
        lines
    }

    fn check(lines: &[String]) -> Result<Tail, ChainError> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        verify(text.as_bytes()).map(|chain| chain.tail())
    }

    #[test]
    fn a_list_as_it_was_written_holds_and_so_does_its_end() {
        let lines = lines(5);
        assert_eq!(check(&lines).unwrap().number, 5);
        assert_eq!(check(&lines[2..]).unwrap().number, 5);
        assert_eq!(check(&[]).unwrap(), Tail::default());
    }

    #[test]
    fn each_changed_byte_is_found() {
        let lines = lines(3);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            // The end of the last line may be missing.
            if at + 1 == bytes.len() {
                continue;
            }
            bytes[at] ^= 1;
            assert!(verify(&bytes[..]).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_line_that_is_missing_moved_or_doubled_is_found() {
        let lines = lines(4);
        let broken = |order: &[usize]| {
            let picked: Vec<String> = order.iter().map(|at| lines[*at].clone()).collect();
            check(&picked).unwrap_err()
        };
        assert_eq!(broken(&[0, 2, 3]), ChainError::Order { line: 2 });
        assert_eq!(broken(&[0, 2, 1, 3]), ChainError::Order { line: 2 });
        assert_eq!(broken(&[0, 0]), ChainError::Order { line: 2 });
    }

    #[test]
    fn another_spelling_of_the_same_values_is_found() {
        let mut lines = lines(2);
        lines[0] = lines[0].replacen(":", ": ", 1);
        assert_eq!(check(&lines), Err(ChainError::Hash { line: 1 }));
        lines[0] = "x".repeat(1 << 20);
        assert_eq!(check(&lines), Err(ChainError::Shape { line: 1 }));
    }
}

//! The two doors to the terminal: results to stdout, the rest to stderr.
//!
//! A reader who has gone, as in `scanward man | head`, is no reason to panic: what is written for nobody is dropped.

use crate::edge::Failure;
use std::io::{self, Write};

/// A line of a result.
pub(super) fn out(line: &str) {
    bytes(format!("{line}\n").as_bytes());
}

/// A result as it is: a generated file.
pub(super) fn bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _reader_gone = out.write_all(bytes).and_then(|()| out.flush());
}

/// A line beside the result: progress, notes.
pub(super) fn note(line: &str) {
    let _reader_gone = writeln!(io::stderr(), "{line}");
}

/// A line that the next one takes the place of; for terminals.
pub(super) fn progress(line: &str) {
    let _reader_gone = write!(io::stderr(), "\r{line}\x1b[K");
}

/// What happened and what to do next.
pub(super) fn failure(failure: &Failure) {
    note(&format!("error: {failure}\nhint: {}", failure.advice));
}

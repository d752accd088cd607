//! The two doors to the terminal: results to stdout, the rest to stderr.
#![expect(
    clippy::print_stderr,
    reason = "the one place of the program that prints"
)]

use crate::edge::Failure;
use std::io::Write;

/// A line of a result. A reader that has gone, as in `scanward analyze … | head`, is no fault of ours.
pub(super) fn out(line: &str) {
    let _reader_gone = writeln!(std::io::stdout(), "{line}");
}

/// A line beside the result: progress, notes.
pub(super) fn note(line: &str) {
    eprintln!("{line}");
}

/// A line that the next one takes the place of; for terminals.
pub(super) fn progress(line: &str) {
    eprint!("\r{line}\x1b[K");
}

/// What happened and what to do next.
pub(super) fn failure(failure: &Failure) {
    eprintln!("error: {failure}");
    eprintln!("hint: {}", failure.advice);
}

//! The two doors to the terminal: results to stdout, the rest to stderr.
//!
//! A reader who has gone, as in `scanward man | head`, is no reason to panic: what is written for nobody is dropped.

use crate::edge::Failure;
use std::io::{self, IsTerminal, Write};

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
    // Carriage return and "erase to the end of the line" (ECMA-48 EL).
    let _reader_gone = write!(io::stderr(), "\r{line}\x1b[K");
}

/// What happened and what to do next.
pub(super) fn failure(failure: &Failure) {
    note(&format!("error: {failure}\nhint: {}", failure.advice));
}

/// A line that grows old: on a terminal each replaces the one before it.
pub(super) struct Progress {
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Nothing shown so far.
    pub(super) fn new() -> Progress {
        Progress {
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// Shows `line`; elsewhere than on a terminal only when it is a `milestone`.
    pub(super) fn show(&mut self, line: &str, milestone: bool) {
        if self.terminal {
            progress(line);
            self.shown = true;
        } else if milestone {
            note(line);
        }
    }

    /// Ends the line, so that what follows starts on its own.
    pub(super) fn end(&mut self) {
        if self.shown {
            note("");
            self.shown = false;
        }
    }
}

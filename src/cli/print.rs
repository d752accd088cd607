//! The two doors to the terminal: results to stdout, the rest to stderr.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one place of the program that prints"
)]

use crate::edge::Failure;
use std::io::IsTerminal;

/// A line of a result.
pub(super) fn out(line: &str) {
    println!("{line}");
}

/// A line beside the result: progress, notes.
pub(super) fn note(line: &str) {
    eprintln!("{line}");
}

/// What happened and what to do next.
pub(super) fn failure(failure: &Failure) {
    eprintln!("error: {failure}");
    eprintln!("hint: {}", failure.advice);
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
            terminal: std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// Shows `line`; elsewhere than on a terminal only when it is a `milestone`.
    pub(super) fn show(&mut self, line: &str, milestone: bool) {
        if self.terminal {
            // Carriage return and "erase to the end of the line" (ECMA-48 EL).
            eprint!("\r{line}\x1b[K");
            self.shown = true;
        } else if milestone {
            eprintln!("{line}");
        }
    }

    /// Ends the line, so that what follows starts on its own.
    pub(super) fn end(&mut self) {
        if self.shown {
            eprintln!();
            self.shown = false;
        }
    }
}

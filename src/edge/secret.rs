//! What is typed and not shown.

use super::failure::Failure;
use crate::ids::Redacted;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 4096;

/// A line of stdin, less its end; on a terminal it is asked for with `prompt` and not shown.
pub fn read_secret(prompt: &str) -> Result<Redacted<String>, Failure> {
    let failed = |error: io::Error| {
        let what = format!("the password cannot be read: {error}");
        Failure::new(what, "type it, or give it on stdin: one line")
    };
    let stdin = io::stdin();
    let hidden = stdin
        .is_terminal()
        .then(|| Hidden::begin(prompt))
        .transpose()
        .map_err(failed)?;
    let mut line = String::new();
    let read = stdin.lock().take(LINE_BYTES_MAX).read_line(&mut line);
    drop(hidden);
    read.map_err(failed)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(Redacted::new(line))
}

/// A terminal that shows nothing of what is typed; as before once dropped.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin(prompt: &str) -> io::Result<Hidden> {
        let mut error = io::stderr();
        write!(error, "{prompt}")?;
        error.flush()?;
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone needs no echo.
        let _terminal_gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        let _terminal_gone = writeln!(io::stderr());
    }
}

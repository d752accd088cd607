//! What keeps a command from working at all: what happened, to which thing, and what to do next.

use std::fmt;

/// A failure with its remedy. Printed as two lines, `error:` and `hint:`.
#[derive(Debug)]
pub struct Failure {
    /// What happened, to which thing.
    pub what: String,
    /// What to do next.
    pub advice: String,
}

impl Failure {
    /// A failure.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

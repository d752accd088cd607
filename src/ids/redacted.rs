//! The wrapper that keeps patient data out of logs, topics and error texts.

use std::fmt;

/// Patient data: printing it prints `***`; it is not serialisable. Only `wire` calls [`Redacted::reveal`],
/// and only at the identity level that allows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides `value`.
    pub fn new(value: T) -> Redacted<T> {
        Redacted(value)
    }

    /// The hidden value. Every call is a place where a privacy review looks.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_reach_a_log_line() {
        let name = Redacted::new("CHAN^TAI MAN".to_owned());
        assert_eq!(format!("{name} {name:?}"), "*** ***");
        assert_eq!(name.reveal(), "CHAN^TAI MAN");
    }
}

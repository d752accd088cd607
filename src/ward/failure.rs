//! What is wrong with a file that IT wrote.

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", place(*line))]
pub struct Wrong {
    /// The line, from 1, where it can be told.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub what: String,
}

impl Wrong {
    /// Wrong somewhere.
    pub fn new(what: &str) -> Wrong {
        Wrong::at(None, what)
    }

    /// Wrong at a line.
    pub fn at(line: Option<usize>, what: &str) -> Wrong {
        Wrong {
            line,
            what: what.to_owned(),
        }
    }
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

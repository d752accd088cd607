//! Every way *we* failed: the box, not the patient's images. Each says what to do next and whether trying again can help.

/// A failure of the box.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A broken invariant of our own.
    #[error("internal fault in {room}: {what}")]
    Internal {
        /// The room it happened in.
        room: &'static str,
        /// What was found.
        what: String,
    },
    /// The network could not be loaded or run.
    #[error("the model {model} did not run: {what}")]
    Inference {
        /// Name and version.
        model: String,
        /// What the engine said.
        what: String,
    },
    /// The state store could not be read or written.
    #[error("the state store failed: {what}")]
    Store {
        /// What the database said.
        what: String,
    },
    /// A stage took longer than a series may take.
    #[error("{stage} took longer than {limit_s} s")]
    Overdue {
        /// The stage.
        stage: &'static str,
        /// The limit in seconds.
        limit_s: u64,
    },
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same input may succeed later.
    Later,
    /// It will fail again until somebody acts.
    Never,
}

impl Fault {
    /// The stable code of the contract.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Internal { .. } => "internal",
            Fault::Inference { .. } => "inference",
            Fault::Store { .. } => "store",
            Fault::Overdue { .. } => "overdue",
        }
    }

    /// What the technician can do.
    pub fn advice(&self) -> &'static str {
        match self {
            Fault::Internal { .. } => "send the journal of this boot to scanward's support",
            Fault::Inference { .. } => {
                "run `scanward doctor`; install the model again if its check fails"
            }
            Fault::Store { .. } => {
                "free space in the state folder and check its disk: `scanward doctor`"
            }
            Fault::Overdue { .. } => {
                "look at the box's load and temperature, then export the series again"
            }
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Fault::Store { .. } => Retry::Later,
            Fault::Internal { .. } | Fault::Inference { .. } | Fault::Overdue { .. } => {
                Retry::Never
            }
        }
    }
}

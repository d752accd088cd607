//! The one ending of a series: triaged, or not triaged and why. Both are published.

mod compare;
mod triaged;

pub use compare::{Change, ComparedScan, change, dead_band};
pub use triaged::{
    Comparison, ComparisonNote, Direction, LesionFacts, ModelFacts, Priority, RegistrationFacts,
    SeriesFacts, TimingFacts, TriagedSeries, ZoneBurden, ZoneChange,
};

use crate::fault::Fault;
use crate::refusal::Refusal;

/// How a series ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The network ran on the whole volume and the finding stands.
    Triaged(Box<TriagedSeries>),
    /// No finding, for this reason. Never silent: it is published like a finding.
    NotTriaged {
        /// The reason.
        why: Why,
    },
}

/// Why there is no finding: the input's fault or the box's.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// The input cannot be triaged.
    Refused(Refusal),
    /// The box failed.
    Failed(Fault),
}

impl Why {
    /// The stable code of the contract.
    pub fn code(&self) -> &'static str {
        match self {
            Why::Refused(refusal) => refusal.code(),
            Why::Failed(fault) => fault.code(),
        }
    }

    /// The reason in words; holds no patient data.
    pub fn text(&self) -> String {
        match self {
            Why::Refused(refusal) => refusal.to_string(),
            Why::Failed(fault) => fault.to_string(),
        }
    }

    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Why::Refused(refusal) => refusal.remedy(),
            Why::Failed(fault) => fault.advice(),
        }
    }
}

impl Outcome {
    /// `triaged`, or the code of the reason: what the ledger keeps.
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Triaged(_) => "triaged",
            Outcome::NotTriaged { why } => why.code(),
        }
    }

    /// The priority; a series without a finding has none.
    pub fn priority(&self) -> Option<Priority> {
        match self {
            Outcome::Triaged(triaged) => Some(triaged.priority),
            Outcome::NotTriaged { .. } => None,
        }
    }
}

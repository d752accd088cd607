//! The ticket of an open series: it cannot be copied, so a series cannot end twice.

use super::Outcome;
use crate::ids::SeriesKey;

/// The right to end one series, once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a series must be closed with an Outcome"]
pub struct OpenSeries {
    key: SeriesKey,
}

/// A series with its one outcome, on the way to the ledger and the outbox.
#[derive(Debug, PartialEq)]
#[must_use = "a closed series must reach the ledger"]
pub struct Closed {
    /// The Series Instance UID.
    pub key: SeriesKey,
    /// How it ended.
    pub outcome: Outcome,
}

impl OpenSeries {
    /// The ticket of `key`. Only the ledger's owner asks for one, when it writes the series as open.
    pub fn new(key: SeriesKey) -> OpenSeries {
        OpenSeries { key }
    }

    /// The Series Instance UID.
    pub fn key(&self) -> &SeriesKey {
        &self.key
    }

    /// Ends the series; the ticket is gone.
    pub fn close(self, outcome: Outcome) -> Closed {
        Closed {
            key: self.key,
            outcome,
        }
    }
}

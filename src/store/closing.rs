//! The ending of a series: one transaction with all that must not be there without it.

use super::database::{PACES, Store};
use super::error::StoreError;
use super::priors::{self, PriorRow};
use super::records::{FindingRecord, PaceRecord, QueuedRow, SeriesRecord};
use super::reviews::{self, Opening};
use super::tables::{LEDGER, META};

/// A series' ending with all that is written with it. What costs no sync of its own goes the same way.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// The ledger's row.
    pub record: &'a SeriesRecord,
    /// The finding, where there is one.
    pub finding: Option<&'a FindingRecord>,
    /// The messages.
    pub queued: &'a [QueuedRow],
    /// How instances came from each device, where that is new.
    pub paces: Option<&'a PaceRecord>,
    /// What is kept for the patient's next scan.
    pub prior: Option<&'a PriorRow>,
    /// What the finding's review begins with.
    pub opening: Option<&'a Opening>,
}

impl<'a> Closing<'a> {
    /// The ending `record`, with nothing beside it.
    pub fn of(record: &'a SeriesRecord) -> Closing<'a> {
        Closing {
            record,
            finding: None,
            queued: &[],
            paces: None,
            prior: None,
            opening: None,
        }
    }
}

impl Store {
    /// Closes a series and queues its messages: both or neither. What it supersedes is a prior no longer; where it is a
    /// finding itself, the one it supersedes is watched no longer.
    pub fn close_series(&mut self, closing: &Closing<'_>) -> Result<(), StoreError> {
        self.write("closing a series", |writing| {
            let record = closing.record;
            writing.put_record(LEDGER, record.key.0.as_str(), record)?;
            if let Some(paces) = closing.paces {
                writing.put_record(META, PACES, paces)?;
            }
            if let Some(superseded) = record.supersedes() {
                priors::forget(writing, superseded.as_str())?;
                if let Some(finding) = closing.finding {
                    reviews::supersede(writing, superseded, &finding.id)?;
                }
            }
            if let Some(finding) = closing.finding {
                reviews::open(writing, finding, closing.opening)?;
            }
            if let Some(prior) = closing.prior {
                priors::keep(writing, prior)?;
            }
            closing.queued.iter().try_for_each(|row| writing.queue(row))
        })
    }
}

//! A decision made ready for the store: the record, the messages that tell of it, the label.

use super::decide;
use super::event::{Change, Claim};
use crate::outbox::Ticket;
use crate::store::{FindingRecord, LabelLimits, LabelRow, QueuedRow};
use crate::units::{Lived, WallTime};
use crate::wire::{
    FindingState, MessageId, Parcel, RefusedCode, Root, WireError, escalated, receipt,
};

/// What goes with a change besides the record.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// Why the claim was refused.
    pub(super) refused: Option<RefusedCode>,
    /// How many labels are kept, where the claim's verdict becomes one.
    pub(super) label: Option<LabelLimits>,
    /// The finding's message, to be published once more.
    pub(super) message: Option<QueuedRow>,
}

impl Change {
    /// The change that leaves `record`, with its receipt.
    pub(super) fn new(
        claim: Claim,
        record: FindingRecord,
        words: Words,
        root: &Root,
        wall: WallTime,
    ) -> Result<Change, WireError> {
        let mut record = record;
        let void = MessageId::receipt(record.id.as_str(), record.review.sequence);
        let refused = claim.what().zip(words.refused);
        let told = decide::receipt(&mut record, refused, wall);
        let mut parcels = vec![receipt(root, &told, wall)?];
        if let Some(row) = words.message {
            parcels.extend(escalated(root, Parcel::from_row(row)?));
        }
        let rows: Result<Vec<QueuedRow>, WireError> = parcels.iter().map(Parcel::to_row).collect();
        Ok(Change {
            label: words.label.and_then(|limits| label(&claim, limits, wall)),
            unwatch: decide::state(&record.review) != FindingState::Open,
            rows: rows?,
            tickets: parcels.iter().map(Ticket::from).collect(),
            claim,
            record,
            void,
        })
    }
}

/// Begins the review of a finding made at `lived`: `record` stands open, and this is its first receipt.
pub fn opened(
    record: &mut FindingRecord,
    root: &Root,
    lived: Lived,
    wall: WallTime,
) -> Result<Parcel, WireError> {
    decide::open(&mut record.review, lived, wall);
    receipt(root, &decide::receipt(record, None, wall), wall)
}

fn label(claim: &Claim, limits: LabelLimits, wall: WallTime) -> Option<LabelRow> {
    let Claim::Verdict(signed) = claim else {
        return None;
    };
    Some(LabelRow {
        finding: signed.payload.finding_id.clone(),
        verdict: signed.bytes.clone(),
        kept: wall,
        limits,
    })
}

//! What the machine is told and what it asks for.

use super::keys::ListRefused;
use crate::ids::FindingId;
use crate::outbox::Ticket;
use crate::outcome::Priority;
use crate::store::{ClockRecord, FindingRecord, LabelLimits, LabelRow, QueuedRow};
use crate::trust::PublicKey;
use crate::units::Lived;
use crate::wire::{AckPayload, KeyListPayload, MessageId, RefusedWhat, VerdictPayload};
use std::time::Duration;

/// The rules of the ward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// A critical finding that nobody acknowledges escalates after this; `None` never.
    pub escalate_critical: Option<Duration>,
    /// The same of an urgent one.
    pub escalate_urgent: Option<Duration>,
    /// The keys of the hospital's IT, which sign the list of physicians' keys.
    pub it_keys: Vec<PublicKey>,
    /// How many signed verdicts are kept for learning.
    pub labels: LabelLimits,
}

impl Limits {
    pub(super) fn escalate_after(&self, priority: Priority) -> Option<Duration> {
        match priority {
            Priority::Critical => self.escalate_critical,
            Priority::Urgent => self.escalate_urgent,
            Priority::Routine => None,
        }
    }
}

/// On which topic the ward spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// `ack`.
    Ack,
    /// `verdict`.
    Verdict,
    /// `keys`.
    Keys,
}

/// A finding that escalates unless somebody acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The finding.
    pub finding: FindingId,
    /// Its priority.
    pub priority: Priority,
    /// When it was made, in the box's life.
    pub opened: Lived,
}

/// A verdict with the bytes it came in: its signature can be checked again.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedVerdict {
    /// What it says.
    pub payload: VerdictPayload,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What is to be decided about one finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// A nurse has seen it.
    Ack(AckPayload),
    /// A physician signed.
    Verdict(Box<SignedVerdict>),
    /// A message about it breaks the contract.
    Broken(FindingId, RefusedWhat),
    /// Nobody has seen it for too long.
    Overdue(FindingId),
}

impl Claim {
    /// The finding.
    pub fn finding(&self) -> &FindingId {
        match self {
            Claim::Ack(ack) => &ack.finding_id,
            Claim::Verdict(verdict) => &verdict.payload.finding_id,
            Claim::Broken(finding, _) | Claim::Overdue(finding) => finding,
        }
    }

    /// What the ward said; `None` for what time brought.
    pub(super) fn what(&self) -> Option<RefusedWhat> {
        match self {
            Claim::Ack(_) => Some(RefusedWhat::Ack),
            Claim::Verdict(_) => Some(RefusedWhat::Verdict),
            Claim::Broken(_, what) => Some(*what),
            Claim::Overdue(_) => None,
        }
    }

    /// Where the ward said it.
    pub(super) fn said(&self) -> Option<Said> {
        self.what().map(|what| match what {
            RefusedWhat::Ack => Said::Ack,
            RefusedWhat::Verdict => Said::Verdict,
        })
    }
}

/// A finding as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The record.
    pub record: FindingRecord,
    /// Its message, where it is still watched.
    pub message: Option<QueuedRow>,
}

/// A change to be written whole or not at all.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it was decided from, to decide anew when it could not be written.
    pub claim: Claim,
    /// The record as it is after.
    pub record: FindingRecord,
    /// The messages that tell of it.
    pub rows: Vec<QueuedRow>,
    /// The messages' tickets, for the outbox machine.
    pub tickets: Vec<Ticket>,
    /// The receipt before, which these make void.
    pub void: MessageId,
    /// Whether the finding is watched no longer.
    pub unwatch: bool,
    /// What is kept of a signed verdict.
    pub label: Option<LabelRow>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The box starts, with the clock that the store kept.
    Resumed(Option<ClockRecord>),
    /// The list of keys that the store kept.
    KeysRecalled(Vec<u8>),
    /// A finding stands in the store: just made, or found there at the start.
    Opened(Watched),
    /// A newer finding replaced it.
    Superseded(FindingId),
    /// The ward spoke.
    Heard(Said, Vec<u8>),
    /// What the store has of the finding; `None` when it knows none.
    Looked(Claim, Option<Box<Found>>),
    /// The store could not be read.
    LookFailed(Claim),
    /// The store holds the change.
    Saved(Box<Change>),
    /// The store did not take it; nothing of it is durable.
    SaveFailed(Box<Change>),
    /// The store holds the list of keys.
    KeysSaved(Box<KeyListPayload>),
    /// Time has passed.
    Tick,
}

/// What the edge shall do.
#[derive(Debug)]
pub enum Action {
    /// Read the finding; answer with [`Event::Looked`] or [`Event::LookFailed`].
    Look(Claim),
    /// Write the change; answer with [`Event::Saved`] or [`Event::SaveFailed`].
    Save(Box<Change>),
    /// Keep the list of keys, whose bytes these are; answer with [`Event::KeysSaved`].
    SaveKeys(Box<KeyListPayload>, Vec<u8>),
    /// Write the clock.
    SaveClock(ClockRecord),
    /// For the log: a word of the ward was refused, with its code.
    Refused(Said, &'static str),
    /// For the log: a list of keys was refused.
    ListRefused(ListRefused),
}

/// Figures for the health document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Words of the ward that were refused since the start.
    pub refused: u64,
    /// The counter of the list of keys that stands.
    pub keys_counter: u64,
}

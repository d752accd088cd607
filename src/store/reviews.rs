//! How findings stand at the ward, kept with the findings: who has seen them, who signed, what still has to escalate.
//!
//! ```text
//!   findings        finding            -> record with its review (JSON)
//!   review-watched  finding            -> the finding's message: it goes out once more when nobody acknowledges it
//!   meta            review-clock       -> how long this box has lived (JSON)
//!   meta            ward-keys          -> the list of keys, as it came
//! ```

use super::database::Store;
use super::error::StoreError;
use super::labels::{self, LabelRow};
use super::records::{FindingRecord, QueuedRow, wall_millis};
use super::tables::{FINDINGS, META, WATCHED, Writing, parse};
use crate::ids::FindingId;
use crate::trust::{KeyId, Signature};
use crate::units::{Lived, WallTime};
use serde::{Deserialize, Serialize};

const CLOCK: &str = "review-clock";
const KEYS: &str = "ward-keys";
/// Between head and payload of a watched message; the head is JSON on one line.
const SEAM: u8 = b'\n';

/// What a finding's message showed: a signed verdict says what its page showed, and both are held together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownRecord {
    /// The score, rounded as it was sent.
    pub score: f64,
    /// The burden, rounded as it was sent; none where the profile hides it.
    pub burden_percent: Option<f64>,
    /// The digest of the model.
    pub model: String,
}

/// How a finding stands at the ward. The default is that of a finding of which nobody has said anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReviewRecord {
    /// The contract's word for the state; empty in records of programs that kept none.
    pub state: String,
    /// Since when, by the box's wall clock.
    #[serde(with = "wall_millis")]
    pub at: WallTime,
    /// Who acknowledged or signed.
    pub by: Option<String>,
    /// Where it was acknowledged.
    pub station: Option<String>,
    /// The burden that a physician signed.
    pub burden_percent: Option<f64>,
    /// When the finding was made, in the box's life: escalation counts from here.
    pub opened_ms: u64,
    /// Whether it was published once more.
    pub escalated: bool,
    /// The sequence of the last receipt.
    pub sequence: u64,
    /// The finding that replaced this one.
    pub superseded_by: Option<FindingId>,
    /// The verdicts, the one that stands last.
    pub verdicts: Vec<VerdictRecord>,
}

/// A signed verdict that was taken. The physician's words stand with the label, not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The contract's word.
    pub decision: String,
    /// The corrected burden.
    pub burden_percent: Option<f64>,
    /// Whose key it is.
    pub by: String,
    /// The key.
    pub key_id: KeyId,
    /// When the physician decided.
    #[serde(with = "wall_millis")]
    pub at: WallTime,
    /// The signature.
    pub signature: Signature,
}

/// How long the box had lived, and what its wall clock said then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    lived_ms: u64,
    #[serde(with = "wall_millis")]
    wall: WallTime,
}

impl ClockRecord {
    /// That it had lived so long when the wall clock said `wall`.
    pub fn new(lived: Lived, wall: WallTime) -> ClockRecord {
        ClockRecord {
            lived_ms: lived.millis(),
            wall,
        }
    }

    /// How long it had lived.
    pub fn lived(&self) -> Lived {
        Lived::from_millis(self.lived_ms)
    }

    /// The wall clock then.
    pub fn wall(&self) -> WallTime {
        self.wall
    }
}

/// What a new finding's review begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first receipt.
    pub receipt: QueuedRow,
    /// The finding's message, where it escalates unless somebody acknowledges it.
    pub watched: Option<QueuedRow>,
    /// The clock that `opened_ms` was read from.
    pub clock: ClockRecord,
}

/// A change of one finding's review: written whole or not at all.
#[derive(Clone, Debug)]
pub struct ReviewChange<'a> {
    /// The record as it is after.
    pub finding: &'a FindingRecord,
    /// The messages that tell of it.
    pub queued: &'a [QueuedRow],
    /// A queued message that these make void.
    pub void: &'a str,
    /// Whether the finding is watched no longer.
    pub unwatch: bool,
    /// What is kept of a signed verdict.
    pub label: Option<&'a LabelRow>,
}

impl Store {
    /// Writes a change of a finding's review, and queues the messages that tell of it.
    pub fn save_review(&mut self, change: &ReviewChange<'_>) -> Result<(), StoreError> {
        self.write("saving a review", |writing| {
            let id = change.finding.id.as_str();
            writing.put_record(FINDINGS, id, change.finding)?;
            if change.unwatch {
                writing.remove(WATCHED, id)?;
            }
            writing.dequeue(change.void)?;
            if let Some(label) = change.label {
                labels::keep(writing, label)?;
            }
            change.queued.iter().try_for_each(|row| writing.queue(row))
        })
    }

    /// The findings that escalate unless somebody acknowledges them.
    pub fn watched(&mut self) -> Result<Vec<FindingRecord>, StoreError> {
        let doing = "reading what is watched";
        let mut found = Vec::new();
        for key in self.keys(doing, WATCHED, "", usize::MAX)? {
            if let Some(bytes) = self.get(doing, FINDINGS, &key)? {
                found.push(parse(doing, &bytes)?);
            }
        }
        Ok(found)
    }

    /// The message of a watched finding.
    pub fn watched_message(&mut self, id: &FindingId) -> Result<Option<QueuedRow>, StoreError> {
        let bytes = self.get("reading a watched finding", WATCHED, id.as_str())?;
        Ok(bytes.and_then(|bytes| {
            let seam = bytes.iter().position(|byte| *byte == SEAM)?;
            let (head, rest) = bytes.split_at_checked(seam)?;
            Some(QueuedRow {
                key: id.as_str().to_owned(),
                head: head.to_vec(),
                payload: rest.get(1..)?.to_vec(),
            })
        }))
    }

    /// How long the box had lived when that was last written; `None` in a state that never held it.
    pub fn clock(&mut self) -> Result<Option<ClockRecord>, StoreError> {
        let doing = "reading the clock";
        self.get(doing, META, CLOCK)?
            .map(|bytes| parse(doing, &bytes))
            .transpose()
    }

    /// Writes how long the box has lived.
    pub fn put_clock(&mut self, clock: &ClockRecord) -> Result<(), StoreError> {
        self.write("writing the clock", |writing| {
            writing.put_record(META, CLOCK, clock)
        })
    }

    /// The list of keys that was taken last, as it came.
    pub fn ward_keys(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        self.get("reading the ward's keys", META, KEYS)
    }

    /// Keeps the list of keys `payload`.
    pub fn put_ward_keys(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        self.write("keeping the ward's keys", |writing| {
            writing.put(META, KEYS, payload)
        })
    }
}

/// Writes a new finding's record. One that is there already keeps its review: the same result made once more says
/// nothing of who has seen it.
pub(super) fn open(
    writing: &Writing<'_>,
    finding: &FindingRecord,
    opening: Option<&Opening>,
) -> Result<(), StoreError> {
    let id = finding.id.as_str();
    let known = writing.get(FINDINGS, id)?;
    let known: Option<FindingRecord> = known
        .map(|bytes| parse(writing.doing, &bytes))
        .transpose()?;
    if let Some(known) = known.filter(|known| !known.review.state.is_empty()) {
        let mut finding = finding.clone();
        finding.review = known.review;
        return writing.put_record(FINDINGS, id, &finding);
    }
    writing.put_record(FINDINGS, id, finding)?;
    let Some(opening) = opening else {
        return Ok(());
    };
    writing.put_record(META, CLOCK, &opening.clock)?;
    if let Some(message) = &opening.watched {
        let bytes = [&message.head[..], &[SEAM], &message.payload[..]].concat();
        writing.put(WATCHED, id, &bytes)?;
    }
    writing.queue(&opening.receipt)
}

/// Notes that `newer` replaced the finding `id`: it escalates no longer. Nothing where it is not known.
pub(super) fn supersede(
    writing: &Writing<'_>,
    id: &FindingId,
    newer: &FindingId,
) -> Result<(), StoreError> {
    writing.remove(WATCHED, id.as_str())?;
    let Some(bytes) = writing.get(FINDINGS, id.as_str())? else {
        return Ok(());
    };
    let mut record: FindingRecord = parse(writing.doing, &bytes)?;
    record.review.superseded_by = Some(newer.clone());
    writing.put_record(FINDINGS, id.as_str(), &record)
}

//! What a word of the ward changes of a finding. Pure: record and word in, record out.

use super::keys::KeyRing;
use crate::outcome::Priority;
use crate::store::{FindingRecord, ReviewRecord, ShownRecord, VerdictRecord};
use crate::units::{Lived, WallTime};
use crate::wire::{
    AckPayload, Decision, FindingState, ReceiptPayload, RefusedCode, RefusedPayload, RefusedWhat,
    Seen, VerdictPayload,
};

/// Verdicts remembered of one finding; the oldest of more are with the labels only.
const VERDICTS_MAX: usize = 16;

/// What becomes of a word of the ward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decided {
    /// The record was changed.
    Changed,
    /// It says what stands already: the ward is told once more.
    Again,
    /// It was refused.
    Refused(RefusedCode),
}

/// The state of a record; one of an earlier program, which kept none, is open.
pub(super) fn state(review: &ReviewRecord) -> FindingState {
    FindingState::parse(&review.state).unwrap_or(FindingState::Open)
}

fn stand(review: &mut ReviewRecord, state: FindingState, wall: WallTime) {
    state.as_str().clone_into(&mut review.state);
    review.at = wall;
}

/// Nobody has said anything yet.
pub(super) fn open(review: &mut ReviewRecord, lived: Lived, wall: WallTime) {
    stand(review, FindingState::Open, wall);
    review.opened_ms = lived.millis();
}

/// A nurse has seen the finding. The first counts.
pub(super) fn acknowledge(review: &mut ReviewRecord, ack: &AckPayload, wall: WallTime) -> Decided {
    if review.superseded_by.is_some() {
        return Decided::Refused(RefusedCode::Superseded);
    }
    match state(review) {
        FindingState::Open | FindingState::Escalated => {
            stand(review, FindingState::Acknowledged, wall);
            review.by = Some(ack.by.clone());
            review.station = Some(ack.station.clone());
            Decided::Changed
        }
        FindingState::Acknowledged
        | FindingState::Confirmed
        | FindingState::Corrected
        | FindingState::Rejected => Decided::Again,
    }
}

/// Nobody has seen the finding for too long; returns whether that changes anything.
pub(super) fn escalate(review: &mut ReviewRecord, wall: WallTime) -> bool {
    let due =
        state(review) == FindingState::Open && !review.escalated && review.superseded_by.is_none();
    if due {
        stand(review, FindingState::Escalated, wall);
        review.escalated = true;
    }
    due
}

/// A physician has signed.
pub(super) fn judge(
    record: &mut FindingRecord,
    verdict: &VerdictPayload,
    keys: &KeyRing,
    wall: WallTime,
) -> Decided {
    match believed(record, verdict, keys) {
        Ok(Some(by)) => {
            take(&mut record.review, verdict, by, wall);
            Decided::Changed
        }
        Ok(None) => Decided::Again,
        Err(code) => Decided::Refused(code),
    }
}

/// Whose verdict it is; `None` for the one that stands already.
fn believed<'a>(
    record: &FindingRecord,
    verdict: &VerdictPayload,
    keys: &'a KeyRing,
) -> Result<Option<&'a str>, RefusedCode> {
    let review = &record.review;
    if review.superseded_by.is_some() {
        return Err(RefusedCode::Superseded);
    }
    let (key, by) = keys.find(&verdict.key_id)?;
    verdict.verify(key).map_err(|_| RefusedCode::BadSignature)?;
    let shown = record.shown.as_ref().zip(Priority::parse(&record.priority));
    let same = shown.is_some_and(|(shown, priority)| seen(shown, priority).is_same(&verdict.seen));
    if !same {
        return Err(RefusedCode::SeenDiffers);
    }
    match review.verdicts.last() {
        Some(last) if last.signature == verdict.signature => Ok(None),
        Some(last) if verdict.decided_at() <= last.at => Err(RefusedCode::AlreadySigned),
        Some(_) | None => Ok(Some(by)),
    }
}

fn seen(shown: &ShownRecord, priority: Priority) -> Seen {
    Seen {
        priority,
        score: shown.score,
        burden_percent: shown.burden_percent,
        model_digest: shown.model.clone(),
    }
}

fn take(review: &mut ReviewRecord, verdict: &VerdictPayload, by: &str, wall: WallTime) {
    let (state, burden_percent) = match verdict.decision {
        Decision::Confirm => (FindingState::Confirmed, verdict.seen.burden_percent),
        Decision::Correct => (FindingState::Corrected, verdict.burden_percent),
        Decision::Reject => (FindingState::Rejected, None),
    };
    stand(review, state, wall);
    // The name that IT gave the key, not the one that the message claims.
    review.by = Some(by.to_owned());
    review.station = None;
    review.burden_percent = burden_percent;
    review.verdicts.push(VerdictRecord {
        decision: verdict.decision.as_str().to_owned(),
        burden_percent: verdict.burden_percent,
        by: by.to_owned(),
        key_id: verdict.key_id.clone(),
        at: verdict.decided_at(),
        signature: verdict.signature,
    });
    let surplus = review.verdicts.len().saturating_sub(VERDICTS_MAX);
    review.verdicts.drain(..surplus);
}

/// The receipt of a record as it stands, with its next sequence; the record takes the sequence over.
pub(super) fn receipt(
    record: &mut FindingRecord,
    refused: Option<(RefusedWhat, RefusedCode)>,
    wall: WallTime,
) -> ReceiptPayload {
    let review = &mut record.review;
    review.sequence = review.sequence.saturating_add(1);
    ReceiptPayload {
        finding_id: record.id.clone(),
        state: state(review),
        priority: Priority::parse(&record.priority).unwrap_or(Priority::Urgent),
        by: review.by.clone(),
        station: review.station.clone(),
        at: review.at.to_string(),
        burden_percent: review.burden_percent,
        sequence: review.sequence,
        refused: refused.map(|(what, code)| RefusedPayload {
            what,
            code,
            text: code.text().to_owned(),
            at: wall.to_string(),
        }),
    }
}

//! Masks that radiologists corrected: what became of each file, and the masks themselves.
//!
//! ```text
//!   annotations        <digest of the file, hex>  -> record (JSON): exactly one outcome of each file
//!   annotation-masks   <finding>                  -> digest, head (JSON), packed mask: waits for a verdict
//!   label-corrections  <finding>                  -> the same, of a finding whose correction was signed
//!
//!   taken ──> waits ──verdict `correct`──> kept ──a newer one──> replaced
//!     │         ├── a newer one ──> replaced
//!     │         └── too long ──> refused
//!     └──> refused
//! ```
//!
//! A finding has one mask at most in each table, the one drawn last. It waits where no verdict `correct` stands, and moves to the labels
//! in the very transaction that keeps that verdict: whichever of the two comes first.

use super::database::Store;
use super::error::StoreError;
use super::priors::{opened, sealed};
use super::prune::beyond;
use super::records::{FileMark, FindingRecord, RECORD_VERSION, SeriesRecord, SeriesState};
use super::records::{wall_millis, wall_millis_or_none};
use super::tables::{
    ANNOTATION_MASKS, ANNOTATIONS, FINDINGS, LABEL_CORRECTIONS, LABELS, Rows, Writing, parse,
};
use crate::ids::{FindingId, SeriesKey, Uid};
use crate::refusal::AnnotationRefusal;
use crate::units::WallTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Between head and mask; the head is JSON on one line.
const SEAM: u8 = b'\n';

/// How much is remembered, and for how long a mask waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnotationLimits {
    /// A mask waits at most so long for its verdict.
    pub wait_max: Duration,
    /// Masks that wait at most; the oldest are refused first.
    pub waiting_max: usize,
    /// Outcomes remembered at most, but for those that wait; the oldest are forgotten first.
    pub records_max: usize,
}

impl Default for AnnotationLimits {
    fn default() -> AnnotationLimits {
        AnnotationLimits {
            wait_max: Duration::from_secs(30 * 86_400),
            waiting_max: 200,
            records_max: 5_000,
        }
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum AnnotationState {
    /// Its mask waits for a verdict `correct`.
    Waits,
    /// Its mask is the correction of a label.
    Kept,
    /// A newer one took its place.
    Replaced,
    /// It was refused.
    Refused {
        /// The code of [`AnnotationRefusal`].
        code: String,
    },
}

/// What became of one file. Holds no patient data, and nothing of its name but a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotationRecord {
    version: u16,
    /// What became of it.
    pub state: AnnotationState,
    /// Which finding it corrects, where that is known.
    pub finding: Option<FindingId>,
    /// When it was taken, by the box's wall clock.
    #[serde(with = "wall_millis")]
    pub at: WallTime,
    /// The file: unchanged, it need not be read again.
    pub file: FileMark,
}

/// A mask to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The finding that it corrects.
    pub finding: FindingId,
    /// When it was drawn, by the clock of the program that wrote the file.
    pub drawn: Option<WallTime>,
    /// The packed mask.
    pub mask: Vec<u8>,
}

/// What a file came to, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationRow {
    /// SHA-256 of the file, hex; of a file too large to be read, of its mark.
    pub digest: String,
    /// The file.
    pub file: FileMark,
    /// When it was taken.
    pub at: WallTime,
    /// Its mask, or why it has none.
    pub found: Result<Correction, AnnotationRefusal>,
    /// How much is remembered.
    pub limits: AnnotationLimits,
}

/// The line before a mask.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    digest: String,
    #[serde(with = "wall_millis_or_none")]
    drawn: Option<WallTime>,
}

impl Store {
    /// Records what a file came to, and keeps its mask: with the label where a verdict `correct` stands, waiting where none
    /// does. Returns what became of it; of content that was recorded before, what became of that.
    pub fn take_annotation(&mut self, row: &AnnotationRow) -> Result<AnnotationState, StoreError> {
        self.write("keeping an annotation", |writing| take(writing, row))
    }

    /// What became of the file with this digest.
    pub fn annotation(&mut self, digest: &str) -> Result<Option<AnnotationRecord>, StoreError> {
        let doing = "reading the annotations";
        self.get(doing, ANNOTATIONS, digest)?
            .map(|bytes| parse(doing, &bytes))
            .transpose()
    }

    /// The files whose outcome is recorded.
    pub fn annotated_files(&mut self) -> Result<Vec<FileMark>, StoreError> {
        let doing = "reading the annotations";
        let mut files = Vec::new();
        for (_, record) in self.annotations(doing)? {
            files.push(record.file);
        }
        Ok(files)
    }

    /// The findings that stand on `series`; with none named, those in the frame of reference, two at most: more than one
    /// cannot be told apart.
    pub fn annotated_findings(
        &mut self,
        series: &[SeriesKey],
        frame_of_reference: Option<&Uid>,
    ) -> Result<Vec<FindingRecord>, StoreError> {
        let doing = "looking for an annotated finding";
        let mut found: Vec<FindingRecord> = Vec::new();
        for key in series {
            let id = self.series(key)?.as_ref().and_then(standing).cloned();
            if let Some(id) = id {
                found.extend(self.finding(&id)?);
            }
        }
        let (true, Some(frame)) = (series.is_empty(), frame_of_reference) else {
            return Ok(found);
        };
        for id in self.keys(doing, FINDINGS, "", usize::MAX)? {
            let Some(bytes) = self.get(doing, FINDINGS, &id)? else {
                continue;
            };
            let record: FindingRecord = parse(doing, &bytes)?;
            let stands = record.review.superseded_by.is_none();
            if stands && record.frame_of_reference.as_ref() == Some(frame) && found.len() < 2 {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// Refuses masks that have waited too long, and forgets outcomes beyond the limits, oldest first; returns how many.
    /// `now` is the wall clock where it can be believed: without it none has waited too long.
    pub fn prune_annotations(
        &mut self,
        limits: &AnnotationLimits,
        now: Option<WallTime>,
    ) -> Result<usize, StoreError> {
        let doing = "pruning the annotations";
        let (waiting, done): (Vec<_>, Vec<_>) = self
            .annotations(doing)?
            .into_iter()
            .partition(|(_, record)| record.state == AnnotationState::Waits);
        let dated = |rows: Vec<(String, AnnotationRecord)>| {
            let rows = rows.into_iter();
            rows.map(|(digest, record)| (Some(record.at), digest))
                .collect()
        };
        let overdue = beyond(dated(waiting), limits.waiting_max, limits.wait_max, now);
        let surplus = beyond(dated(done), limits.records_max, Duration::MAX, None);
        if overdue.is_empty() && surplus.is_empty() {
            return Ok(0);
        }
        self.write(doing, |writing| {
            for digest in &overdue {
                give_up(writing, digest)?;
            }
            let mut surplus = surplus.iter();
            surplus.try_for_each(|digest| writing.remove(ANNOTATIONS, digest))
        })?;
        Ok(overdue.len() + surplus.len())
    }

    fn annotations(
        &mut self,
        doing: &'static str,
    ) -> Result<Vec<(String, AnnotationRecord)>, StoreError> {
        let mut records = Vec::new();
        for digest in self.keys(doing, ANNOTATIONS, "", usize::MAX)? {
            if let Some(bytes) = self.get(doing, ANNOTATIONS, &digest)? {
                records.push((digest, parse(doing, &bytes)?));
            }
        }
        Ok(records)
    }

    /// Whether a signed correction of `finding` holds a mask.
    pub fn has_correction(&mut self, finding: &FindingId) -> Result<bool, StoreError> {
        let doing = "reading the annotations";
        let found = self.get(doing, LABEL_CORRECTIONS, finding.as_str())?;
        Ok(found.is_some())
    }

    /// The packed mask of a signed correction of `finding`.
    pub(super) fn correction(
        &mut self,
        doing: &'static str,
        finding: &FindingId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.get(doing, LABEL_CORRECTIONS, finding.as_str())? else {
            return Ok(None);
        };
        split(doing, &bytes).map(|(_, mask)| Some(mask))
    }
}

/// The finding that stands on a series: that of its last closing, also while late instances reopened it.
fn standing(record: &SeriesRecord) -> Option<&FindingId> {
    match &record.state {
        SeriesState::Open { supersedes } => supersedes.as_ref(),
        SeriesState::Closed { finding_id, .. } => Some(finding_id),
    }
}

/// A verdict `correct` of `finding` is kept: the mask that waits becomes its label's.
pub(super) fn settle(writing: &Writing<'_>, finding: &str) -> Result<(), StoreError> {
    let Some((head, bytes)) = held(writing, ANNOTATION_MASKS, finding)? else {
        return Ok(());
    };
    replace(writing, LABEL_CORRECTIONS, finding)?;
    writing.put(LABEL_CORRECTIONS, finding, &bytes)?;
    writing.remove(ANNOTATION_MASKS, finding)?;
    change(writing, &head.digest, AnnotationState::Kept)
}

/// The mask of `finding` in `rows`, as it is kept. One that is damaged is let go: it must not stop a verdict, and the
/// radiologist's file is where it was.
fn held(
    writing: &Writing<'_>,
    rows: Rows,
    finding: &str,
) -> Result<Option<(Head, Vec<u8>)>, StoreError> {
    let Some(bytes) = writing.get(rows, finding)? else {
        return Ok(None);
    };
    match split(writing.doing, &bytes) {
        Ok((head, _)) => Ok(Some((head, bytes))),
        Err(_) => writing.remove(rows, finding).map(|()| None),
    }
}

/// Lets the mask of `finding` in `rows` go: a newer one takes its place.
fn replace(writing: &Writing<'_>, rows: Rows, finding: &str) -> Result<(), StoreError> {
    let Some((before, _)) = held(writing, rows, finding)? else {
        return Ok(());
    };
    writing.remove(rows, finding)?;
    change(writing, &before.digest, AnnotationState::Replaced)
}

fn take(writing: &Writing<'_>, row: &AnnotationRow) -> Result<AnnotationState, StoreError> {
    if let Some(bytes) = writing.get(ANNOTATIONS, &row.digest)? {
        let known: AnnotationRecord = parse(writing.doing, &bytes)?;
        return Ok(known.state);
    }
    let state = match &row.found {
        Ok(correction) => keep(writing, row, correction)?,
        Err(refusal) => refused(refusal),
    };
    let finding = row.found.as_ref().ok();
    let record = AnnotationRecord {
        version: RECORD_VERSION,
        state: state.clone(),
        finding: finding.map(|correction| correction.finding.clone()),
        at: row.at,
        file: row.file,
    };
    writing.put_record(ANNOTATIONS, &row.digest, &record)?;
    if state == AnnotationState::Waits {
        give_up_surplus(writing, row.limits.waiting_max)?;
    }
    Ok(state)
}

fn keep(
    writing: &Writing<'_>,
    row: &AnnotationRow,
    correction: &Correction,
) -> Result<AnnotationState, StoreError> {
    let id = correction.finding.as_str();
    // Of two the one drawn last counts. Without a time in both of them that is the one that came last.
    for rows in [ANNOTATION_MASKS, LABEL_CORRECTIONS] {
        let before = held(writing, rows, id)?.and_then(|(head, _)| head.drawn);
        if before
            .zip(correction.drawn)
            .is_some_and(|(before, drawn)| before > drawn)
        {
            return Ok(refused(&AnnotationRefusal::Older));
        }
    }
    replace(writing, ANNOTATION_MASKS, id)?;
    let corrected = is_corrected(writing, id)?;
    if corrected {
        // While one waits, the one before stays with its label: the verdict may never come.
        replace(writing, LABEL_CORRECTIONS, id)?;
    }
    let head = Head {
        digest: row.digest.clone(),
        drawn: correction.drawn,
    };
    let mut bytes =
        serde_json::to_vec(&head).map_err(|error| StoreError::record(writing.doing, &error))?;
    bytes.push(SEAM);
    bytes.extend(&correction.mask);
    let (rows, state) = if corrected {
        (LABEL_CORRECTIONS, AnnotationState::Kept)
    } else {
        (ANNOTATION_MASKS, AnnotationState::Waits)
    };
    writing.put(rows, id, &sealed(&bytes))?;
    Ok(state)
}

/// Whether the verdict that stands is `correct`, and is kept as a label.
fn is_corrected(writing: &Writing<'_>, id: &str) -> Result<bool, StoreError> {
    let Some(bytes) = writing.get(FINDINGS, id)? else {
        return Ok(false);
    };
    let record: FindingRecord = parse(writing.doing, &bytes)?;
    let last = record.review.verdicts.last();
    let corrects = last.is_some_and(|verdict| verdict.decision == CORRECT);
    Ok(corrects && !writing.keys_from(LABELS, &format!("{id}/"), 1)?.is_empty())
}

/// The contract's word for a verdict that corrects.
pub(super) const CORRECT: &str = "correct";

fn refused(refusal: &AnnotationRefusal) -> AnnotationState {
    AnnotationState::Refused {
        code: refusal.code().to_owned(),
    }
}

/// Notes that something else became of a file; nothing where it was forgotten.
fn change(writing: &Writing<'_>, digest: &str, state: AnnotationState) -> Result<(), StoreError> {
    let Some(bytes) = writing.get(ANNOTATIONS, digest)? else {
        return Ok(());
    };
    let mut record: AnnotationRecord = parse(writing.doing, &bytes)?;
    record.state = state;
    writing.put_record(ANNOTATIONS, digest, &record)
}

fn give_up_surplus(writing: &Writing<'_>, waiting_max: usize) -> Result<(), StoreError> {
    if writing.count(ANNOTATION_MASKS)? <= waiting_max {
        return Ok(());
    }
    let mut dated = Vec::new();
    for id in writing.keys_from(ANNOTATION_MASKS, "", usize::MAX)? {
        let Some((head, _)) = held(writing, ANNOTATION_MASKS, &id)? else {
            continue;
        };
        if let Some(bytes) = writing.get(ANNOTATIONS, &head.digest)? {
            let record: AnnotationRecord = parse(writing.doing, &bytes)?;
            dated.push((Some(record.at), head.digest));
        }
    }
    let surplus = beyond(dated, waiting_max, Duration::MAX, None);
    surplus
        .iter()
        .try_for_each(|digest| give_up(writing, digest))
}

/// A mask has waited too long.
fn give_up(writing: &Writing<'_>, digest: &str) -> Result<(), StoreError> {
    let Some(bytes) = writing.get(ANNOTATIONS, digest)? else {
        return Ok(());
    };
    let record: AnnotationRecord = parse(writing.doing, &bytes)?;
    if let Some(finding) = &record.finding {
        let id = finding.as_str();
        let held = held(writing, ANNOTATION_MASKS, id)?;
        if held.is_some_and(|(head, _)| head.digest == digest) {
            writing.remove(ANNOTATION_MASKS, id)?;
        }
    }
    change(writing, digest, refused(&AnnotationRefusal::NoVerdict))
}

/// The signed correction of a finding goes with its last label.
pub(super) fn forget(writing: &Writing<'_>, id: &str) -> Result<(), StoreError> {
    writing.remove(LABEL_CORRECTIONS, id)
}

fn split(doing: &'static str, bytes: &[u8]) -> Result<(Head, Vec<u8>), StoreError> {
    let whole = opened(doing, bytes)?;
    let seam = whole.iter().position(|byte| *byte == SEAM);
    let parts = seam.and_then(|seam| Some((whole.get(..seam)?, whole.get(seam + 1..)?)));
    let (head, mask) = parts.ok_or_else(|| StoreError::Damaged {
        doing,
        what: "an annotation is not as it was written".to_owned(),
    })?;
    Ok((parse(doing, head)?, mask.to_vec()))
}

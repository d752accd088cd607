//! Signed verdicts, kept for learning: what the physician signed, byte for byte, and the finding's reduced masks.
//!
//! ```text
//!   labels       <finding>/<kept, hex>  -> digest, verdict as it came
//!   label-masks  <finding>              -> digest, packed masks, as they are kept for the patient's next scan
//! ```
//!
//! A mask that a radiologist corrected stands in `label-corrections` (see the annotations) and goes with the last label.

use super::annotations::{self, CORRECT};
use super::database::Store;
use super::error::StoreError;
use super::priors::{opened, sealed};
use super::prune::beyond;
use super::tables::{LABEL_MASKS, LABELS, PRIOR_MASKS, Writing};
use crate::ids::FindingId;
use crate::units::WallTime;
use serde::Deserialize;
use std::time::Duration;

/// How many are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelLimits {
    /// Kept at most for this long; nothing is kept when it is zero.
    pub age_max: Duration,
    /// Kept at most in all; the oldest go first.
    pub count_max: usize,
}

impl Default for LabelLimits {
    fn default() -> LabelLimits {
        LabelLimits {
            age_max: Duration::from_secs(730 * 86_400),
            count_max: 2_000,
        }
    }
}

/// A signed verdict to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRow {
    /// The finding.
    pub finding: FindingId,
    /// The message, byte for byte: its signature can be checked again.
    pub verdict: Vec<u8>,
    /// When it was taken, by the box's wall clock.
    pub kept: WallTime,
    /// How many are kept.
    pub limits: LabelLimits,
}

/// A label as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The finding.
    pub finding: FindingId,
    /// The verdict's message, byte for byte.
    pub verdict: Vec<u8>,
    /// The finding's packed masks; none where none were kept.
    pub masks: Option<Vec<u8>>,
    /// The packed mask that a radiologist corrected; of a verdict `correct` only, where a segmentation came back.
    pub corrected: Option<Vec<u8>>,
}

/// Of a verdict only what it decides.
#[derive(Deserialize)]
struct Decided {
    decision: String,
}

/// Whether the message is a verdict that corrects its finding.
fn corrects(verdict: &[u8]) -> bool {
    let decided: Result<Decided, _> = serde_json::from_slice(verdict);
    decided.is_ok_and(|verdict| verdict.decision == CORRECT)
}

impl Store {
    /// The labels of `finding`, the oldest first.
    pub fn labels_of(&mut self, finding: &FindingId) -> Result<Vec<Label>, StoreError> {
        let doing = "reading the labels";
        let masks = self.get(doing, LABEL_MASKS, finding.as_str())?;
        let masks = masks.map(|bytes| opened(doing, &bytes)).transpose()?;
        let corrected = self.correction(doing, finding)?;
        let mut labels = Vec::new();
        for key in self.keys(doing, LABELS, &format!("{finding}/"), usize::MAX)? {
            if let Some(bytes) = self.get(doing, LABELS, &key)? {
                let verdict = opened(doing, &bytes)?;
                labels.push(Label {
                    finding: finding.clone(),
                    masks: masks.clone(),
                    corrected: corrected.clone().filter(|_| corrects(&verdict)),
                    verdict,
                });
            }
        }
        Ok(labels)
    }

    /// Forgets labels beyond `limits`, oldest first; returns how many. `now` is the wall clock where it can be believed:
    /// without it none is too old.
    pub fn prune_labels(
        &mut self,
        limits: &LabelLimits,
        now: Option<WallTime>,
    ) -> Result<usize, StoreError> {
        let doing = "pruning the labels";
        let surplus = surplus(self.keys(doing, LABELS, "", usize::MAX)?, limits, now);
        if !surplus.is_empty() {
            self.write(doing, |writing| forget(writing, &surplus))?;
        }
        Ok(surplus.len())
    }
}

/// Keeps a signed verdict with the masks that its finding has now, and lets go what it makes too many.
pub(super) fn keep(writing: &Writing<'_>, label: &LabelRow) -> Result<(), StoreError> {
    if label.limits.age_max.is_zero() {
        return Ok(());
    }
    let id = label.finding.as_str();
    let kept = label.kept.unix_millis().cast_unsigned();
    writing.put(
        LABELS,
        &format!("{id}/{kept:016x}"),
        &sealed(&label.verdict),
    )?;
    // The prior's masks go when the patient's next scans come; the label's stay.
    if let Some(masks) = writing.get(PRIOR_MASKS, id)? {
        writing.put(LABEL_MASKS, id, &masks)?;
    }
    if corrects(&label.verdict) {
        annotations::settle(writing, id)?;
    }
    let keys = writing.keys_from(LABELS, "", usize::MAX)?;
    forget(writing, &surplus(keys, &label.limits, None))
}

fn forget(writing: &Writing<'_>, keys: &[String]) -> Result<(), StoreError> {
    for key in keys {
        writing.remove(LABELS, key)?;
        let id = key.split('/').next().unwrap_or_default();
        if writing.keys_from(LABELS, &format!("{id}/"), 1)?.is_empty() {
            writing.remove(LABEL_MASKS, id)?;
            annotations::forget(writing, id)?;
        }
    }
    Ok(())
}

/// The keys too old, and the oldest of those too many.
fn surplus(keys: Vec<String>, limits: &LabelLimits, now: Option<WallTime>) -> Vec<String> {
    let kept = |key: &String| {
        let hex = key.rsplit('/').next()?;
        let millis = u64::from_str_radix(hex, 16).ok()?;
        Some(WallTime::from_unix_millis(millis.cast_signed()))
    };
    let dated = keys.into_iter().map(|key| (kept(&key), key)).collect();
    beyond(dated, limits.count_max, limits.age_max, now)
}

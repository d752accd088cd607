//! What is kept of a triaged series for the next scan of its patient: numbers and reduced masks, no pixels, no names.
//!
//! ```text
//!   priors        finding                     -> digest, record (JSON)
//!   prior-masks   finding                     -> digest, packed masks
//!   prior-index   p/<patient>/<finding>       -> nothing: a patient's priors
//!                 t/<created, hex>/<finding>  -> nothing: the oldest first
//! ```
//!
//! Each value begins with a digest of the rest: what was changed on the disk is told from what was written.

use super::database::Store;
use super::error::StoreError;
use super::records::{RECORD_VERSION, wall_millis};
use super::tables::{PRIOR_INDEX, PRIOR_MASKS, PRIORS, Writing, keys_from, parse};
use crate::ids::{FindingId, ModelDigest, Pseudonym};
use crate::units::WallTime;
use redb::{ReadableDatabase, ReadableTableMetadata};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How many are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorLimits {
    /// Kept at most for this long after the finding was made; nothing is kept or compared when it is zero.
    pub age_max: Duration,
    /// Kept of one patient at most; the oldest scans go first.
    pub per_patient_max: usize,
    /// Kept at most in all; the oldest findings go first.
    pub count_max: usize,
}

impl PriorLimits {
    /// Whether findings are compared with earlier ones at all.
    pub fn is_on(&self) -> bool {
        !self.age_max.is_zero()
    }
}

/// Priors removed for their age in one transaction: the closing of a series must not wait for a long clean-up.
const REMOVED_MAX: usize = 16;
/// Priors of one patient that are looked at; more than any setting keeps.
const LOOKED_AT_MAX: usize = 64;
/// Bytes of the digest before each value.
const DIGEST_BYTES: usize = 8;

/// A triaged series, as a later one is compared with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriorRecord {
    version: u16,
    /// Its finding.
    pub finding: FindingId,
    /// The patient; only one with a Patient ID has priors.
    pub patient: Pseudonym,
    /// The study: two scans of one study are not compared.
    pub study: Pseudonym,
    /// The model that ran; the burdens of two models are not compared.
    pub model: ModelDigest,
    /// When the scan was made.
    #[serde(with = "wall_millis")]
    pub acquired: WallTime,
    /// When the finding was made.
    #[serde(with = "wall_millis")]
    pub created: WallTime,
    /// Lesion share of the lung, percent.
    pub burden_percent: f64,
}

impl PriorRecord {
    /// The record of `finding`; the other numbers are set by the caller.
    pub fn new(
        finding: FindingId,
        [patient, study]: [Pseudonym; 2],
        model: ModelDigest,
        [acquired, created]: [WallTime; 2],
        burden_percent: f64,
    ) -> PriorRecord {
        PriorRecord {
            version: RECORD_VERSION,
            finding,
            patient,
            study,
            model,
            acquired,
            created,
            burden_percent,
        }
    }
}

/// A prior to be kept with the closing of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorRow {
    /// The numbers.
    pub record: PriorRecord,
    /// The packed masks; empty where there are none.
    pub masks: Vec<u8>,
    /// How many are kept.
    pub limits: PriorLimits,
}

impl Store {
    /// The priors of `patient`, in no order.
    pub fn priors_of(&mut self, patient: &Pseudonym) -> Result<Vec<PriorRecord>, StoreError> {
        let doing = "looking for priors";
        let begin = format!("p/{patient}/");
        let keys = self.keys(doing, PRIOR_INDEX, &begin, LOOKED_AT_MAX)?;
        let mut found = Vec::new();
        for key in keys {
            let finding = key.strip_prefix(&begin).unwrap_or_default();
            let bytes = self.get(doing, PRIORS, finding)?;
            let bytes = bytes.ok_or_else(|| damaged(doing))?;
            found.push(parse(doing, &opened(doing, &bytes)?)?);
        }
        Ok(found)
    }

    /// The packed masks of the prior `finding`; `None` where it has none.
    ///
    /// Errors: [`StoreError::Damaged`] when they are not what was written.
    pub fn prior_masks(&mut self, finding: &FindingId) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "reading a prior's masks";
        self.get(doing, PRIOR_MASKS, finding.as_str())?
            .map(|bytes| opened(doing, &bytes))
            .transpose()
    }

    /// Forgets priors beyond `limits`, oldest first, a few in one transaction; returns whether there may be more.
    pub fn prune_priors(
        &mut self,
        limits: &PriorLimits,
        now: WallTime,
    ) -> Result<bool, StoreError> {
        let doing = "pruning the priors";
        // A transaction is a write to the disk: none where nothing is due.
        let due = self.read(doing, |database| {
            let reading = database.begin_read()?;
            match reading.open_table(PRIOR_INDEX) {
                Ok(table) => {
                    let count = usize::try_from(table.len()? / 2).unwrap_or(usize::MAX);
                    let oldest = keys_from(&table, "t/", 1)?;
                    let is_old = |key: &String| old(key, limits, now);
                    Ok(count > limits.count_max || oldest.first().is_some_and(is_old))
                }
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })?;
        if due {
            self.write(doing, |writing| prune(writing, limits, now))?;
        }
        Ok(due)
    }
}

/// Keeps `row`, and lets go what it makes too many.
pub(super) fn keep(writing: &Writing<'_>, row: &PriorRow) -> Result<(), StoreError> {
    let record = &row.record;
    // Made again: under another patient, perhaps, or at another time.
    forget(writing, record.finding.as_str())?;
    let bytes =
        serde_json::to_vec(record).map_err(|error| StoreError::record(writing.doing, &error))?;
    writing.put(PRIORS, record.finding.as_str(), &sealed(&bytes))?;
    if !row.masks.is_empty() {
        writing.put(PRIOR_MASKS, record.finding.as_str(), &sealed(&row.masks))?;
    }
    for key in index(record) {
        writing.put(PRIOR_INDEX, &key, &[])?;
    }
    keep_newest(writing, record, row.limits.per_patient_max)?;
    prune(writing, &row.limits, record.created)
}

/// Forgets the prior `finding`; nothing where it is none.
pub(super) fn forget(writing: &Writing<'_>, id: &str) -> Result<(), StoreError> {
    let Some(bytes) = writing.get(PRIORS, id)? else {
        return Ok(());
    };
    writing.remove(PRIORS, id)?;
    writing.remove(PRIOR_MASKS, id)?;
    let record =
        opened(writing.doing, &bytes).and_then(|text| parse::<PriorRecord>(writing.doing, &text));
    if let Ok(record) = record {
        for key in index(&record) {
            writing.remove(PRIOR_INDEX, &key)?;
        }
        return Ok(());
    }
    // What names it cannot be told from a damaged record: it is looked for.
    for begin in ["p/", "t/"] {
        for key in writing.keys_from(PRIOR_INDEX, begin, usize::MAX)? {
            if key.ends_with(id) {
                writing.remove(PRIOR_INDEX, &key)?;
            }
        }
    }
    Ok(())
}

/// Lets go the oldest scans of a patient beyond `count_max`.
fn keep_newest(
    writing: &Writing<'_>,
    record: &PriorRecord,
    count_max: usize,
) -> Result<(), StoreError> {
    let begin = format!("p/{}/", record.patient);
    let keys = writing.keys_from(PRIOR_INDEX, &begin, LOOKED_AT_MAX)?;
    let mut dated = Vec::new();
    for key in keys {
        let id = key.strip_prefix(&begin).unwrap_or_default();
        let bytes = writing.get(PRIORS, id)?;
        let read = bytes.map(|bytes| opened(writing.doing, &bytes));
        let read =
            read.map(|text| text.and_then(|text| parse::<PriorRecord>(writing.doing, &text)));
        match read {
            Some(Ok(prior)) => dated.push((prior.acquired, prior.finding)),
            // A name without a record, or with one that cannot be read, is of no use to anybody.
            Some(Err(_)) | None => {
                writing.remove(PRIORS, id)?;
                writing.remove(PRIOR_MASKS, id)?;
                writing.remove(PRIOR_INDEX, &key)?;
            }
        }
    }
    dated.sort();
    let surplus = dated.len().saturating_sub(count_max);
    dated
        .iter()
        .take(surplus)
        .try_for_each(|(_, finding)| forget(writing, finding.as_str()))
}

/// Lets go what is too old, and the oldest of what is too many; a bounded number of them.
fn prune(writing: &Writing<'_>, limits: &PriorLimits, now: WallTime) -> Result<(), StoreError> {
    let mut surplus = writing.count(PRIORS)?.saturating_sub(limits.count_max);
    for key in writing.keys_from(PRIOR_INDEX, "t/", REMOVED_MAX)? {
        if surplus == 0 && !old(&key, limits, now) {
            return Ok(());
        }
        surplus = surplus.saturating_sub(1);
        let finding = key.rsplit('/').next().unwrap_or_default();
        forget(writing, finding)?;
        // Also where no record stood behind it.
        writing.remove(PRIOR_INDEX, &key)?;
    }
    Ok(())
}

/// Whether what `key` of the index names was made too long ago.
fn old(key: &str, limits: &PriorLimits, now: WallTime) -> bool {
    let created = key
        .strip_prefix("t/")
        .and_then(|rest| rest.split('/').next())
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .map(|ordered| WallTime::from_unix_millis((ordered ^ SIGN).cast_signed()));
    created.is_none_or(|created| now.since(created) >= limits.age_max)
}

/// The keys under which `record` is found.
fn index(record: &PriorRecord) -> [String; 2] {
    // With the sign turned, times before 1970 sort before those after.
    let created = record.created.unix_millis().cast_unsigned() ^ SIGN;
    [
        format!("p/{}/{}", record.patient, record.finding),
        format!("t/{created:016x}/{}", record.finding),
    ]
}

const SIGN: u64 = 1 << 63;

pub(super) fn sealed(bytes: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(DIGEST_BYTES)
        .chain(bytes)
        .copied()
        .collect()
}

pub(super) fn opened(doing: &'static str, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let (digest, rest) = bytes
        .split_at_checked(DIGEST_BYTES)
        .ok_or_else(|| damaged(doing))?;
    let own = Sha256::digest(rest);
    own.starts_with(digest)
        .then(|| rest.to_vec())
        .ok_or_else(|| damaged(doing))
}

fn damaged(doing: &'static str) -> StoreError {
    StoreError::Damaged {
        doing,
        what: "a prior or label is not as it was written".to_owned(),
    }
}

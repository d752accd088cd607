//! What is forgotten: the ledger and the findings have an end.

use super::database::Store;
use super::error::StoreError;
use super::records::{FindingRecord, SeriesRecord};
use super::tables::{FINDINGS, LEDGER, WATCHED, parse};
use crate::units::WallTime;
use std::time::Duration;

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Closed series and findings kept at most, each.
    pub records_max: usize,
    /// Closed series and findings are forgotten after this.
    pub age_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            records_max: 5_000,
            age_max: Duration::from_secs(180 * 86_400),
        }
    }
}

impl Store {
    /// Forgets closed series and findings beyond `limits`, oldest first; returns how many. Open series stay.
    pub fn prune(&mut self, limits: &Limits, now: WallTime) -> Result<usize, StoreError> {
        let doing = "pruning the ledger";
        let mut series = Vec::new();
        self.each(doing, LEDGER, |key, bytes| {
            let record: SeriesRecord = parse(doing, bytes)?;
            series.extend(record.closed_at().map(|at| (at, key.to_owned())));
            Ok(())
        })?;
        let mut findings = Vec::new();
        self.each(doing, FINDINGS, |key, bytes| {
            let record: FindingRecord = parse(doing, bytes)?;
            findings.push((record.created, key.to_owned()));
            Ok(())
        })?;
        let series = beyond(series, limits, now);
        let findings = beyond(findings, limits, now);
        if series.is_empty() && findings.is_empty() {
            return Ok(0);
        }
        self.write(doing, |writing| {
            series
                .iter()
                .try_for_each(|key| writing.remove(LEDGER, key))?;
            findings.iter().try_for_each(|key| {
                writing.remove(WATCHED, key)?;
                writing.remove(FINDINGS, key)
            })
        })?;
        Ok(series.len() + findings.len())
    }
}

/// The keys too old, and the oldest of those too many.
fn beyond(mut dated: Vec<(WallTime, String)>, limits: &Limits, now: WallTime) -> Vec<String> {
    dated.sort();
    let too_many = dated.len().saturating_sub(limits.records_max);
    dated
        .into_iter()
        .enumerate()
        .filter(|(place, (at, _))| *place < too_many || now.since(*at) > limits.age_max)
        .map(|(_, (_, key))| key)
        .collect()
}

//! What is forgotten: the ledger and the findings have an end.

use super::database::Store;
use super::error::StoreError;
use super::tables::{FINDINGS, LEDGER, parse};
use crate::units::WallTime;
use serde::Deserialize;
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

/// Of a record only what tells its age: a ledger of years is looked through, and its lists of files need not be read.
#[derive(Deserialize)]
struct Dated {
    state: DatedState,
}

#[derive(Deserialize)]
struct DatedState {
    #[serde(default)]
    closed_at: Option<i64>,
}

#[derive(Deserialize)]
struct DatedFinding {
    created: i64,
}

impl Store {
    /// Forgets closed series and findings beyond `limits`, oldest first; returns how many. Open series stay, and those of
    /// which `keep` says so; findings that still may escalate stay too. `now` is the wall clock where it can be believed:
    /// without it none is too old.
    pub fn prune(
        &mut self,
        limits: &Limits,
        now: Option<WallTime>,
        keep: impl Fn(&str) -> bool,
    ) -> Result<usize, StoreError> {
        let doing = "pruning the ledger";
        let dated = |millis, key: &str| (Some(WallTime::from_unix_millis(millis)), key.to_owned());
        let mut series = Vec::new();
        self.each(doing, LEDGER, |key, bytes| {
            let closed_at = parse::<Dated>(doing, bytes)?.state.closed_at;
            series.extend(closed_at.map(|at| dated(at, key)));
            Ok(())
        })?;
        let mut findings = Vec::new();
        self.each(doing, FINDINGS, |key, bytes| {
            let created = parse::<DatedFinding>(doing, bytes)?.created;
            findings.push(dated(created, key));
            Ok(())
        })?;
        let beyond = |dated| beyond(dated, limits.records_max, limits.age_max, now);
        let mut series = beyond(series);
        series.retain(|key| !keep(key));
        let watched = self.watched()?;
        let mut findings = beyond(findings);
        findings.retain(|key| watched.iter().all(|record| record.id.as_str() != key));
        if series.is_empty() && findings.is_empty() {
            return Ok(0);
        }
        self.write(doing, |writing| {
            let gone = series.iter().map(|key| (LEDGER, key));
            let mut gone = gone.chain(findings.iter().map(|key| (FINDINGS, key)));
            gone.try_for_each(|(rows, key)| writing.remove(rows, key))
        })?;
        Ok(series.len() + findings.len())
    }
}

/// The keys too old, and the oldest of those too many. What has no date is too old.
pub(super) fn beyond(
    mut dated: Vec<(Option<WallTime>, String)>,
    count_max: usize,
    age_max: Duration,
    now: Option<WallTime>,
) -> Vec<String> {
    dated.sort();
    let too_many = dated.len().saturating_sub(count_max);
    let too_old = |at: Option<WallTime>| match (now, at) {
        (Some(now), Some(at)) => now.since(at) > age_max,
        (_, None) => true,
        (None, Some(_)) => false,
    };
    dated
        .into_iter()
        .enumerate()
        .filter(|(place, (at, _))| *place < too_many || too_old(*at))
        .map(|(_, (_, key))| key)
        .collect()
}

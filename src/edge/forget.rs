//! What the service lets go: old priors, labels, closed series and findings.

use super::priors;
use super::sensors::clock_synchronised;
use crate::config::Config;
use crate::ids::SeriesKey;
use crate::store::{AnnotationLimits, Limits, Store};
use crate::units::{Moment, WallTime};
use std::collections::BTreeSet;
use std::time::Duration;
use tracing::{info, warn};

/// Old priors are looked for this often.
const PRIORS_EVERY: Duration = Duration::from_secs(3600);
/// The whole ledger is looked through this often.
const LEDGER_EVERY: Duration = Duration::from_secs(24 * 3600);

/// When what was looked through last.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    priors: Moment,
    ledger: Option<Moment>,
}

impl Forgetting {
    /// Whether old priors are to be looked for.
    pub(super) fn priors_due(&mut self, now: Moment) -> bool {
        let due = now.since(self.priors) >= PRIORS_EVERY;
        if due {
            self.priors = now;
        }
        due
    }

    /// Whether the ledger is to be looked through, on a box that has nothing else to do.
    pub(super) fn ledger_due(&mut self, now: Moment, idle: bool) -> bool {
        let due = self
            .ledger
            .is_none_or(|then| now.since(then) >= LEDGER_EVERY);
        if due && idle {
            self.ledger = Some(now);
        }
        due && idle
    }
}

/// Lets go old priors, labels and annotations: also on a box that closes no series.
pub(super) fn old_priors(store: &mut Store, config: &Config, now: WallTime) {
    priors::prune(store, &config.prior, now);
    if let Err(error) = store.prune_labels(&config.ward.labels, believed(now)) {
        warn!(%error, advice = error.advice(), "old labels could not be let go; tried again");
    }
    old_annotations(store, config, now);
}

/// Gives up annotations that have waited too long for their verdict, and lets go what was recorded of old ones.
fn old_annotations(store: &mut Store, config: &Config, now: WallTime) {
    let settings = config.annotations.as_ref();
    let limits = settings.map_or_else(AnnotationLimits::default, |wanted| wanted.limits);
    match store.prune_annotations(&limits, believed(now)) {
        Ok(0) => {}
        Ok(count) => info!(
            count,
            "annotations waited too long for the verdict `correct`, or are old and forgotten"
        ),
        Err(error) => {
            warn!(%error, advice = error.advice(), "old annotations could not be let go; tried again");
        }
    }
}

/// Lets go closed series and findings beyond the bounds, but for the series whose files are in the export folder still:
/// forgotten, they would be new to the box and triaged once more.
pub(super) fn old_series(store: &mut Store, present: &BTreeSet<&SeriesKey>, now: WallTime) {
    let keys: BTreeSet<&str> = present.iter().map(|key| key.0.as_str()).collect();
    match store.prune(&Limits::default(), believed(now), |key| keys.contains(key)) {
        Ok(0) => {}
        Ok(count) => info!(count, "old series and findings are forgotten"),
        Err(error) => {
            warn!(%error, advice = error.advice(), "old series could not be forgotten; tried again tomorrow");
        }
    }
}

/// The wall clock where it can be believed: one that jumped ahead would make everything old.
fn believed(now: WallTime) -> Option<WallTime> {
    clock_synchronised().then_some(now)
}

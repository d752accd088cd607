//! The service's priors: found in its own store, compared with, kept, and let go.

use crate::daemon::{Judgement, Saving};
use crate::outcome::ComparisonNote;
use crate::store::{PriorLimits, PriorRow, Store, StoreError};
use crate::units::WallTime;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::{error, warn};

/// Transactions of one clean-up: with the 16 priors of each, more than a box keeps.
const PRUNINGS_MAX: usize = 1000;

/// The judgement with the change since the patient's newest earlier finding, where there is one.
///
/// Nothing that goes wrong here costs the finding: without a comparison it is what it would be without a prior.
pub(super) fn compared(
    store: &mut Store,
    judgement: Box<Judgement>,
    limits: &PriorLimits,
) -> Box<Judgement> {
    if !limits.is_on() {
        return judgement;
    }
    let mut with_change = judgement.clone();
    // A panic, ours or a dependency's, must not end the daemon.
    match catch_unwind(AssertUnwindSafe(|| compare(store, &mut with_change))) {
        Ok(Ok(())) => with_change,
        Ok(Err(error)) => {
            warn!(study = %judgement.ready.facts.study, %error, "no prior was looked for");
            judgement
        }
        Err(_) => {
            error!(study = %judgement.ready.facts.study, "the comparison with the prior panicked");
            judgement
        }
    }
}

fn compare(store: &mut Store, judgement: &mut Judgement) -> Result<(), StoreError> {
    let Some(patient) = judgement.compared_patient() else {
        return Ok(());
    };
    let priors = store.priors_of(patient)?;
    let Some(prior) = judgement.prior_among(priors) else {
        return Ok(());
    };
    let masks = match store.prior_masks(&prior.finding) {
        Ok(Some(masks)) => Ok(masks),
        Ok(None) => Err(ComparisonNote::MasksMissing),
        Err(error) => {
            warn!(prior = %prior.finding, %error, "the prior's masks are of no use");
            Err(ComparisonNote::MasksDamaged)
        }
    };
    judgement.compare_with(&prior, masks.as_deref().map_err(|note| *note));
    Ok(())
}

/// What is written with the ending in `saving`; nothing where the settings keep no priors.
pub(super) fn row(saving: &Saving, limits: &PriorLimits) -> Option<PriorRow> {
    let (record, masks) = saving.prior.clone().filter(|_| limits.is_on())?;
    Some(PriorRow {
        record,
        masks,
        limits: *limits,
    })
}

/// Lets go what the settings do not keep. What cannot be done is tried again later.
pub(super) fn prune(store: &mut Store, limits: &PriorLimits, now: WallTime) {
    for _ in 0..PRUNINGS_MAX {
        match store.prune_priors(limits, now) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                warn!(%error, advice = error.advice(), "old priors could not be let go; tried again");
                return;
            }
        }
    }
}

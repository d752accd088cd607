//! The service's side of the ward: what the review machine asks of the store, and what the log says of it.

use crate::review::{Action, Change, Claim, Event, Found, Said, Watched};
use crate::store::{ReviewChange, Store, StoreError};
use crate::units::Lived;
use crate::wire::FindingState;
use tracing::{error, info, warn};

/// Does what the machine asks; what the store answers comes back as an event.
pub fn carry_out(store: &mut Store, action: Action) -> Option<Event> {
    match action {
        Action::Look(claim) => Some(look(store, claim)),
        Action::Save(change) => Some(save(store, change)),
        Action::SaveKeys(list, payload) => match store.put_ward_keys(&payload) {
            Ok(()) => {
                info!(
                    counter = list.counter,
                    keys = list.keys.len(),
                    "the list of keys is taken"
                );
                Some(Event::KeysSaved(list))
            }
            Err(error) => {
                error!(%error, advice = error.advice(), "the list of keys could not be kept; it is asked for again with the next connection");
                None
            }
        },
        Action::SaveClock(clock) => {
            if let Err(error) = store.put_clock(&clock) {
                warn!(%error, advice = error.advice(), "the box's own clock could not be written; tried again");
            }
            None
        }
        Action::Refused(said, code) => {
            warn!(
                message = word(said),
                code, "a message from the ward was refused"
            );
            None
        }
        Action::ListRefused(why) => {
            warn!(%why, "a list of keys was refused");
            None
        }
    }
}

/// What the machine is told at the start: the clock, the keys, and the findings that nobody has acknowledged.
pub fn recall(store: &mut Store) -> Result<Vec<Event>, StoreError> {
    let mut events = vec![Event::Resumed(store.clock()?)];
    events.extend(store.ward_keys()?.map(Event::KeysRecalled));
    for record in store.watched()? {
        let priority = crate::outcome::Priority::parse(&record.priority);
        events.extend(priority.map(|priority| {
            Event::Opened(Watched {
                finding: record.id,
                priority,
                opened: Lived::from_millis(record.review.opened_ms),
            })
        }));
    }
    Ok(events)
}

fn look(store: &mut Store, claim: Claim) -> Event {
    match found(store, &claim) {
        Ok(found) => Event::Looked(claim, found.map(Box::new)),
        Err(error) => {
            error!(finding = %claim.finding(), %error, advice = error.advice(), "a finding could not be read; tried again");
            Event::LookFailed(claim)
        }
    }
}

fn found(store: &mut Store, claim: &Claim) -> Result<Option<Found>, StoreError> {
    let Some(record) = store.finding(claim.finding())? else {
        return Ok(None);
    };
    let message = match claim {
        Claim::Overdue(finding) => store.watched_message(finding)?,
        Claim::Ack(_) | Claim::Verdict(_) | Claim::Broken(..) => None,
    };
    Ok(Some(Found { record, message }))
}

fn save(store: &mut Store, change: Box<Change>) -> Event {
    let written = store.save_review(&ReviewChange {
        finding: &change.record,
        queued: &change.rows,
        void: change.void.as_str(),
        unwatch: change.unwatch,
        label: change.label.as_ref(),
    });
    let finding = &change.record.id;
    match written {
        Ok(()) => {
            // Who it was stands in the receipt and not in the log.
            info!(%finding, state = change.record.review.state, receipt = change.record.review.sequence, "the ward is told how a finding stands");
            let corrected = change.record.review.state == FindingState::Corrected.as_str();
            // It waited for this verdict. What cannot be read now was told when it was written.
            if corrected && store.has_correction(finding).unwrap_or(false) {
                info!(%finding, "a corrected mask is kept with the signed label");
            }
            Event::Saved(change)
        }
        Err(error) => {
            error!(%finding, %error, advice = error.advice(), "how a finding stands could not be written; tried again");
            Event::SaveFailed(change)
        }
    }
}

fn word(said: Said) -> &'static str {
    match said {
        Said::Ack => "ack",
        Said::Verdict => "verdict",
        Said::Keys => "keys",
    }
}

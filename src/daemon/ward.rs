//! The core's side of the ward: what is said of findings, and what follows.

use super::core::{Action, Daemon};
use super::job::Saving;
use super::messages::degraded;
use crate::health::{self, Degraded};
use crate::outbox::{self, At};
use crate::review::{self, Said, Watched};
use crate::units::Lived;
use crate::wire::{Root, Topic, WireError};

impl Daemon {
    /// A message of the ward goes to the machine that its topic names; what is on another topic is nothing to us.
    pub(super) fn heard(
        &mut self,
        topic: &str,
        payload: Vec<u8>,
        at: At,
        actions: &mut Vec<Action>,
    ) {
        let Some((root, topic)) = Root::parse(topic) else {
            return;
        };
        let said = match topic {
            Topic::Ack => Said::Ack,
            Topic::Verdict => Said::Verdict,
            Topic::Keys => Said::Keys,
            Topic::Health
            | Topic::Finding(_)
            | Topic::Outcome
            | Topic::Preview(_)
            | Topic::Receipt(_)
            | Topic::Update
            | Topic::Learning => return,
        };
        if root == self.settings.sender.root {
            self.tell_review(review::Event::Heard(said, payload), at, actions);
        }
    }

    pub(super) fn tell_review(&mut self, event: review::Event, at: At, actions: &mut Vec<Action>) {
        match &event {
            review::Event::Saved(change) => {
                self.tell_health(degraded(Degraded::StoreFailing, false), at, actions);
                let void = outbox::Event::Withdrawn(change.void.clone());
                self.tell_outbox(void, at, actions);
                for ticket in &change.tickets {
                    self.tell_outbox(outbox::Event::Queued(ticket.clone()), at, actions);
                }
            }
            review::Event::SaveFailed(_) | review::Event::LookFailed(_) => {
                self.tell_health(degraded(Degraded::StoreFailing, true), at, actions);
            }
            review::Event::Resumed(_)
            | review::Event::KeysRecalled(_)
            | review::Event::Opened(_)
            | review::Event::Superseded(_)
            | review::Event::Heard(..)
            | review::Event::Looked(..)
            | review::Event::KeysSaved(_)
            | review::Event::Tick => {}
        }
        let asked = self.review.handle(event, at);
        actions.extend(asked.into_iter().map(Action::Review));
    }

    pub(super) fn ward_figures(&mut self, at: At, actions: &mut Vec<Action>) {
        let tally = self.review.tally();
        let event = health::Event::Ward {
            refused: tally.refused,
            keys_counter: tally.keys_counter,
        };
        self.tell_health(event, at, actions);
    }

    /// What a new finding's review begins with goes into the transaction of its ending.
    pub(super) fn open_review(&self, saving: &mut Saving, at: At) -> Result<(), WireError> {
        let watches = |priority| self.review.watches(priority);
        let watches = saving.priority.is_some_and(watches);
        let root = &self.settings.sender.root;
        saving.open_review(root, watches, self.review.clock(at))
    }

    /// A finding stands in the store, with its review.
    pub(super) fn opened(&mut self, saving: &Saving, at: At, actions: &mut Vec<Action>) {
        let (Some(finding), Some(priority)) = (&saving.finding, saving.priority) else {
            return;
        };
        if let Some(superseded) = &saving.supersedes {
            let event = review::Event::Superseded(superseded.clone());
            self.tell_review(event, at, actions);
        }
        let message = saving.opening.as_ref().map(|opening| &opening.watched);
        if message.is_some_and(Option::is_some) {
            let opened = Watched {
                finding: finding.id.clone(),
                priority,
                opened: Lived::from_millis(finding.review.opened_ms),
            };
            self.tell_review(review::Event::Opened(opened), at, actions);
        }
    }
}

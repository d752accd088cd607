//! The core's messages: the outbox, the health document, the figures in it.

use super::core::{Action, Daemon};
use crate::health::{self, Degraded};
use crate::outbox::{self, At};

impl Daemon {
    pub(super) fn tell_outbox(&mut self, event: outbox::Event, at: At, actions: &mut Vec<Action>) {
        match &event {
            outbox::Event::Online => self.tell_health(health::Event::Connected, at, actions),
            outbox::Event::Offline => self.tell_health(health::Event::Disconnected, at, actions),
            outbox::Event::Queued(_)
            | outbox::Event::Acked(_)
            | outbox::Event::Nacked(_)
            | outbox::Event::Deleted(_)
            | outbox::Event::Withdrawn(_)
            | outbox::Event::DeleteFailed(_)
            | outbox::Event::Tick => {}
        }
        for action in self.outbox.handle(event, at) {
            actions.push(match action {
                outbox::Action::Send { id, late } => Action::Send { id, late },
                outbox::Action::Delete(id) => Action::Delete(id),
                outbox::Action::Reconnect => Action::Reconnect,
                outbox::Action::GaveUp(id) => Action::GaveUp(id),
            });
        }
    }

    pub(super) fn tell_health(&mut self, event: health::Event, at: At, actions: &mut Vec<Action>) {
        if let Some(document) = self.health.handle(event, at.now, at.wall) {
            actions.push(Action::PublishHealth(Box::new(document)));
        }
    }

    /// The figures that follow from the machines' own state.
    pub(super) fn figures(&mut self, at: At, actions: &mut Vec<Action>) {
        let tally = self.outbox.tally(at.wall);
        let count = u64::try_from(tally.count).unwrap_or(u64::MAX);
        self.tell_health(
            health::Event::Outbox {
                count,
                oldest_s: tally.oldest.as_secs(),
            },
            at,
            actions,
        );
        self.tell_health(
            degraded(Degraded::OutboxFull, !self.outbox.has_room()),
            at,
            actions,
        );
        self.tell_health(
            degraded(Degraded::PublishRefused, tally.refused > 0),
            at,
            actions,
        );
        self.ward_figures(at, actions);
        if self.in_flight != self.intake.open_series() {
            self.in_flight = self.intake.open_series();
            let open = u64::try_from(self.in_flight).unwrap_or(u64::MAX);
            self.tell_health(health::Event::SeriesInFlight(open), at, actions);
        }
    }
}

pub(super) fn degraded(reason: Degraded, holds: bool) -> health::Event {
    health::Event::Degraded { reason, holds }
}

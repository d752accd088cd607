//! The machine: one message in flight, so that the order of sending is the order of arrival.

use super::ticket::{At, Ticket};
use crate::units::{Moment, WallTime};
use crate::wire::{Kind, MessageId};
use std::collections::BTreeMap;
use std::time::Duration;

/// The bounds of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Beyond so many queued messages the box takes no further series ([`Outbox::has_room`]).
    pub tickets_max: usize,
    /// An acknowledgement later than this counts as lost: the connection is made anew, the message sent again.
    pub ack_wait_max: Duration,
    /// The first wait after a refusal; doubles with each.
    pub retry_wait_min: Duration,
    /// The longest wait after a refusal.
    pub retry_wait_max: Duration,
    /// A preview refused so often is dropped: its finding must not wait for it.
    pub preview_tries_max: u32,
    /// A message sent so long after it was made carries `late: true`.
    pub late_after: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            tickets_max: 10_000,
            ack_wait_max: Duration::from_secs(20),
            retry_wait_min: Duration::from_secs(1),
            retry_wait_max: Duration::from_secs(300),
            preview_tries_max: 2,
            late_after: Duration::from_secs(30 * 60),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message stands in the store: just closed with its series, or found there at the start.
    Queued(Ticket),
    /// The broker took the connection.
    Online,
    /// The connection is gone, whatever was in flight with it.
    Offline,
    /// The broker acknowledged the message with a success reason.
    Acked(MessageId),
    /// The broker, or the client on its behalf, refused the message.
    Nacked(MessageId),
    /// The store has forgotten the message.
    Deleted(MessageId),
    /// A later message made this one void, and the store has forgotten it. One that is in flight is let go on.
    Withdrawn(MessageId),
    /// The store could not forget the message; it is asked again later.
    DeleteFailed(MessageId),
    /// Time has passed.
    Tick,
}

/// What the edge shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the message from the store, mark it late if told so, publish it.
    Send {
        /// The message.
        id: MessageId,
        /// Whether it carries `late: true`.
        late: bool,
    },
    /// Forget the message in the store.
    Delete(MessageId),
    /// Drop the connection and make it anew: an acknowledgement is overdue. MQTT allows a resend only then
    /// (MQTT 5, section 4.4).
    Reconnect,
    /// A preview was given up; a [`Action::Delete`] follows.
    GaveUp(MessageId),
}

/// What waits, for the health document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages not yet acknowledged.
    pub count: usize,
    /// Those that the broker refused at their last try.
    pub refused: usize,
    /// The age of the oldest.
    pub oldest: Duration,
}

/// One message's state.
///
/// ```text
///                    ┌────────── refused: wait ──────────┐
///   Queued ──> Waiting { not before } ──send──> InFlight ─┴─acknowledged──> Done ──deleted──> (gone)
///                    └── offline, overdue <──────┘                          └─ failed: again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { not_before: Moment },
    InFlight { since: Moment },
    Done { delete_again: Option<Moment> },
}

#[derive(Clone, Debug)]
struct Slot {
    ticket: Ticket,
    refusals: u32,
    state: State,
}

/// The outbox.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    online: bool,
    slots: BTreeMap<MessageId, Slot>,
}

impl Outbox {
    /// An empty outbox, offline.
    pub fn new(limits: Limits) -> Outbox {
        Outbox {
            limits,
            online: false,
            slots: BTreeMap::new(),
        }
    }

    /// Takes an event; returns what to do, in order.
    pub fn handle(&mut self, event: Event, at: At) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Queued(ticket) => self.keep(ticket),
            Event::Online => {
                self.hold();
                self.online = true;
            }
            Event::Offline => {
                self.hold();
                self.online = false;
            }
            Event::Acked(id) => actions.extend(self.finish(&id)),
            Event::Nacked(id) => actions.extend(self.refuse(&id, at)),
            Event::Deleted(id) => {
                self.slots.remove(&id);
            }
            Event::Withdrawn(id) => self.withdraw(&id),
            Event::DeleteFailed(id) => self.delete_later(&id, at.now),
            Event::Tick => {}
        }
        actions.extend(self.delete_again(at.now));
        if self.is_overdue(at.now) {
            // Online comes again when the new connection stands.
            self.hold();
            self.online = false;
            actions.push(Action::Reconnect);
        }
        actions.extend(self.send_next(at));
        actions
    }

    /// When to call with [`Event::Tick`] at the latest; `None` while only an event can change anything.
    pub fn wake_at(&self) -> Option<Moment> {
        // While one is in flight, or its preview waits, a message waits for an event and not for a time.
        let may_send = self.online && !self.is_busy();
        self.slots
            .values()
            .filter_map(|slot| match slot.state {
                State::Waiting { not_before } => {
                    (may_send && !self.waits_for_preview(&slot.ticket)).then_some(not_before)
                }
                State::InFlight { since } => Some(since.after(self.limits.ack_wait_max)),
                State::Done { delete_again } => delete_again,
            })
            .min()
    }

    /// Whether the box may take another series. Nothing that must arrive is ever dropped, so intake has to stop.
    pub fn has_room(&self) -> bool {
        self.slots.len() < self.limits.tickets_max
    }

    /// Whether the broker is connected.
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// What waits.
    pub fn tally(&self, wall: WallTime) -> Tally {
        let waiting = || {
            self.slots
                .values()
                .filter(|slot| !matches!(slot.state, State::Done { .. }))
        };
        Tally {
            count: waiting().count(),
            refused: waiting().filter(|slot| slot.refusals > 0).count(),
            oldest: waiting()
                .map(|slot| wall.since(slot.ticket.created))
                .max()
                .unwrap_or_default(),
        }
    }

    fn keep(&mut self, ticket: Ticket) {
        // Queued twice, as after a rerun of the same series: the first one's state stands.
        self.slots.entry(ticket.id.clone()).or_insert(Slot {
            ticket,
            refusals: 0,
            state: State::Waiting {
                not_before: Moment::default(),
            },
        });
    }

    /// Whatever was in flight went down with the connection: it waits again, in its old place.
    fn hold(&mut self) {
        for slot in self.slots.values_mut() {
            if matches!(slot.state, State::InFlight { .. }) {
                slot.state = State::Waiting {
                    not_before: Moment::default(),
                };
            }
        }
    }

    fn finish(&mut self, id: &MessageId) -> Option<Action> {
        // Also an acknowledgement that comes after its connection was given up: it did arrive.
        let slot = self.slots.get_mut(id)?;
        if matches!(slot.state, State::Done { .. }) {
            return None;
        }
        slot.state = State::Done { delete_again: None };
        Some(Action::Delete(id.clone()))
    }

    fn refuse(&mut self, id: &MessageId, at: At) -> Vec<Action> {
        let limits = self.limits;
        let Some(slot) = self.slots.get_mut(id) else {
            return Vec::new();
        };
        if matches!(slot.state, State::Done { .. }) {
            return Vec::new();
        }
        slot.refusals = slot.refusals.saturating_add(1);
        if !slot.ticket.kind.must_arrive() && slot.refusals >= limits.preview_tries_max {
            slot.state = State::Done { delete_again: None };
            return vec![Action::GaveUp(id.clone()), Action::Delete(id.clone())];
        }
        let wait = backoff(&limits, slot.refusals, at.dice);
        slot.state = State::Waiting {
            not_before: at.now.after(wait),
        };
        Vec::new()
    }

    fn withdraw(&mut self, id: &MessageId) {
        let waits = |slot: &Slot| matches!(slot.state, State::Waiting { .. });
        if self.slots.get(id).is_some_and(waits) {
            self.slots.remove(id);
        }
    }

    fn delete_later(&mut self, id: &MessageId, now: Moment) {
        let wait = self.limits.retry_wait_min;
        if let Some(slot) = self.slots.get_mut(id) {
            slot.state = State::Done {
                delete_again: Some(now.after(wait)),
            };
        }
    }

    fn delete_again(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        for (id, slot) in &mut self.slots {
            if matches!(slot.state, State::Done { delete_again: Some(at) } if at <= now) {
                slot.state = State::Done { delete_again: None };
                actions.push(Action::Delete(id.clone()));
            }
        }
        actions
    }

    fn is_overdue(&self, now: Moment) -> bool {
        let wait = self.limits.ack_wait_max;
        self.slots
            .values()
            .any(|slot| matches!(slot.state, State::InFlight { since } if since.after(wait) <= now))
    }

    fn is_busy(&self) -> bool {
        let mut slots = self.slots.values();
        slots.any(|slot| matches!(slot.state, State::InFlight { .. }))
    }

    fn send_next(&mut self, at: At) -> Option<Action> {
        if !self.online || self.is_busy() {
            return None;
        }
        let id = self
            .slots
            .values()
            .filter(
                |slot| matches!(slot.state, State::Waiting { not_before } if not_before <= at.now),
            )
            .filter(|slot| !self.waits_for_preview(&slot.ticket))
            .min_by(|a, b| a.ticket.place().cmp(&b.ticket.place()))
            .map(|slot| slot.ticket.id.clone())?;
        let slot = self.slots.get_mut(&id)?;
        slot.state = State::InFlight { since: at.now };
        let late = at.wall.since(slot.ticket.created) > self.limits.late_after;
        Some(Action::Send { id, late })
    }

    /// A finding goes after its preview, which may be waiting out a refusal.
    fn waits_for_preview(&self, ticket: &Ticket) -> bool {
        let preview = MessageId::new(ticket.id.group(), Kind::Preview);
        ticket.kind == Kind::Finding
            && self
                .slots
                .get(&preview)
                .is_some_and(|slot| !matches!(slot.state, State::Done { .. }))
    }
}

/// The wait after the `refusals`th refusal: doubles up to the limit; the upper half of it is drawn by the dice.
fn backoff(limits: &Limits, refusals: u32, dice: u32) -> Duration {
    let doublings = refusals.saturating_sub(1).min(20);
    let full = limits
        .retry_wait_min
        .saturating_mul(1 << doublings)
        .min(limits.retry_wait_max);
    full / 2 + (full / 2).mul_f64(f64::from(dice) / f64::from(u32::MAX))
}

//! Machine: what the server says to boxes waits in its store and is sent one by one, oldest first.
//!
//! ```text
//!   waiting --Online, its turn--> in flight --Acked--> gone
//!      ^                             | Nacked, Offline
//!      +-----------------------------+   (after a refusal it waits a minute; others go first)
//! ```

use crate::units::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// A refused message is tried again after this.
const REFUSED_WAIT: Duration = Duration::from_secs(60);
/// A message in flight for so long is taken as lost: the client tells each end, but must not be able to stop all.
const FLIGHT_MAX: Duration = Duration::from_secs(120);

/// What happens to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The store holds this message.
    Queued(u64),
    /// The broker is there.
    Online,
    /// It is not.
    Offline,
    /// The broker took the message.
    Acked(u64),
    /// It refused the message.
    Nacked(u64),
    /// The message could not be handed on.
    Busy(u64),
    /// Time has passed.
    Tick,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending {
    /// Each message with the moment that it may go out.
    waiting: BTreeMap<u64, Moment>,
    flying: Option<(u64, Moment)>,
    online: bool,
}

impl Sending {
    /// A machine with the messages that the store holds.
    pub(super) fn new(waiting: impl IntoIterator<Item = u64>) -> Sending {
        Sending {
            waiting: waiting
                .into_iter()
                .map(|number| (number, Moment::default()))
                .collect(),
            flying: None,
            online: false,
        }
    }

    /// Takes an event; returns the message to send.
    pub(super) fn handle(&mut self, event: Event, now: Moment) -> Option<u64> {
        match event {
            Event::Queued(number) => drop(self.waiting.insert(number, now)),
            Event::Online => self.online = true,
            Event::Offline => {
                self.online = false;
                self.land(now);
            }
            Event::Acked(number) => {
                self.waiting.remove(&number);
                self.flying = self.flying.filter(|(flying, _)| *flying != number);
            }
            Event::Nacked(number) => self.put_off(number, now.after(REFUSED_WAIT)),
            Event::Busy(number) => {
                // What could not be handed on now says the same of the next.
                self.put_off(number, now.after(Duration::from_secs(1)));
                return None;
            }
            Event::Tick => {
                if self
                    .flying
                    .is_some_and(|(_, since)| now.since(since) >= FLIGHT_MAX)
                {
                    self.land(now);
                }
            }
        }
        self.next(now)
    }

    fn land(&mut self, now: Moment) {
        if let Some((number, _)) = self.flying.take() {
            self.waiting.insert(number, now);
        }
    }

    fn put_off(&mut self, number: u64, until: Moment) {
        self.flying = self.flying.filter(|(flying, _)| *flying != number);
        self.waiting.insert(number, until);
    }

    fn next(&mut self, now: Moment) -> Option<u64> {
        if !self.online || self.flying.is_some() {
            return None;
        }
        let due = |(_, from): &(&u64, &Moment)| **from <= now;
        let number = self.waiting.iter().find(due).map(|(number, _)| *number)?;
        self.waiting.remove(&number);
        self.flying = Some((number, now));
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn messages_go_one_by_one_in_their_order() {
        let mut it = Sending::new([3, 1]);
        assert_eq!(it.handle(Event::Queued(4), at(0)), None);
        assert_eq!(it.handle(Event::Online, at(0)), Some(1));
        assert_eq!(it.handle(Event::Tick, at(1)), None);
        assert_eq!(it.handle(Event::Acked(1), at(1)), Some(3));
        assert_eq!(it.handle(Event::Acked(3), at(1)), Some(4));
        assert_eq!(it.handle(Event::Acked(4), at(1)), None);
        assert!(it.waiting.is_empty() && it.flying.is_none());
    }

    #[test]
    fn what_was_in_flight_when_the_connection_broke_goes_again() {
        let mut it = Sending::new([1]);
        assert_eq!(it.handle(Event::Online, at(0)), Some(1));
        assert_eq!(it.handle(Event::Offline, at(1)), None);
        assert_eq!(it.handle(Event::Online, at(2)), Some(1));
    }

    #[test]
    fn a_refused_message_lets_others_go_first_and_is_tried_again() {
        let mut it = Sending::new([1, 2]);
        assert_eq!(it.handle(Event::Online, at(0)), Some(1));
        assert_eq!(it.handle(Event::Nacked(1), at(0)), Some(2));
        assert_eq!(it.handle(Event::Acked(2), at(1)), None);
        assert_eq!(it.handle(Event::Tick, at(59)), None);
        assert_eq!(it.handle(Event::Tick, at(60)), Some(1));
        assert_eq!(it.handle(Event::Tick, at(179)), None);
        assert_eq!(
            it.handle(Event::Tick, at(180)),
            Some(1),
            "no answer for two minutes"
        );
    }
}

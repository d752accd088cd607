//! What the machine knows of one queued message, and the order of sending.

use crate::outcome::Priority;
use crate::units::{Moment, WallTime};
use crate::wire::{Kind, MessageId, Parcel};

/// The time of an event, and one throw of dice for the backoff: all that the machine takes from the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The monotonic clock: every timer uses it.
    pub now: Moment,
    /// The wall clock: only tells whether a message is late.
    pub wall: WallTime,
    /// Any number; spreads the resends of many boxes.
    pub dice: u32,
}

/// One queued message, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The message.
    pub id: MessageId,
    /// What it is.
    pub kind: Kind,
    /// How soon it goes out.
    pub priority: Priority,
    /// When it was made.
    pub created: WallTime,
}

impl From<&Parcel> for Ticket {
    fn from(parcel: &Parcel) -> Ticket {
        Ticket {
            id: parcel.id.clone(),
            kind: parcel.kind,
            priority: parcel.priority,
            created: parcel.created(),
        }
    }
}

impl Ticket {
    /// The place in the order of sending: critical first, then oldest, then preview before finding before outcome.
    pub(super) fn place(&self) -> (Priority, WallTime, &str, Kind) {
        (self.priority, self.created, self.id.group(), self.kind)
    }
}

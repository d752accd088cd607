//! The outbox machine: keep, send, resend, acknowledge.
//!
//! It knows each queued message by a short ticket; the messages themselves stay in the store. A message leaves the
//! store only after its receiver acknowledged it, so a crash anywhere sends it again, under the same id.

mod machine;
mod ticket;

pub use machine::{Action, Event, Limits, Outbox, Tally};
pub use ticket::{At, Ticket};

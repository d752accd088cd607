//! The review machine: who has seen a finding, who signed, and what happens when nobody does.
//!
//! It knows only what it must act on by itself: the findings that escalate unless somebody acknowledges them, and the
//! keys. Every other finding is looked up in the store when the ward speaks of it. Whatever changes is written together
//! with the receipt that tells of it, so a crash leaves both or neither.

mod answers;
mod change;
mod clock;
mod decide;
mod event;
mod keys;
mod machine;

pub use change::opened;
pub use clock::LifeClock;
pub use event::{Action, Change, Claim, Event, Found, Limits, Said, SignedVerdict, Tally, Watched};
pub use keys::{KeyRing, ListRefused};
pub use machine::Review;

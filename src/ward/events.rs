//! Who is told of changes: each open page has a place of its own in a bounded ring, and catches up from the store when
//! it fell behind.

use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Changes that a page may lag behind before it has to look into the store.
const LAG_MAX: usize = 1024;

/// A change, written for those who see patients and for those who do not.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A finding, a series without one, or a box changed.
    Told(Arc<Told>),
    /// What was sent before may be out of date: names were read again.
    Reload,
    /// The sessions of these tickets may be over: look.
    Sessions,
}

/// A change of a finding, a series without one, or a box, as JSON.
pub(super) struct Told {
    /// Its number.
    pub(super) sequence: u64,
    /// `finding`, `not-triaged`, `box`.
    pub(super) what: &'static str,
    /// For nurses and physicians.
    pub(super) clinical: String,
    /// For IT.
    pub(super) technical: String,
}

/// It may name patients.
impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Told({} {})", self.what, self.sequence)
    }
}

/// The ring.
#[derive(Debug)]
pub(super) struct Events {
    sender: Sender<Change>,
}

impl Default for Events {
    fn default() -> Events {
        Events {
            sender: channel(LAG_MAX).0,
        }
    }
}

impl Events {
    /// Tells all open pages.
    pub(super) fn tell(&self, change: Change) {
        // Nobody may be listening.
        let _pages = self.sender.send(change);
    }

    /// A place from here on.
    pub(super) fn listen(&self) -> Receiver<Change> {
        self.sender.subscribe()
    }

    /// How many pages are open.
    pub(super) fn count(&self) -> usize {
        self.sender.receiver_count()
    }
}

/// An event as server-sent events write it. `what` and `data` are ours: no line breaks.
pub(super) fn written(what: &str, sequence: Option<u64>, data: &str) -> String {
    match sequence {
        Some(sequence) => format!("id: {sequence}\nevent: {what}\ndata: {data}\n\n"),
        None => format!("event: {what}\ndata: {data}\n\n"),
    }
}

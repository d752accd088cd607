//! The MQTT 5 link to the ward's broker.
//!
//! The link sends what it is asked to and tells what became of it; it decides nothing and keeps nothing. The `outbox`
//! machine owns order, resends and the durable queue, so each connection here starts empty: whatever was in flight
//! when one broke is reported by [`Notice::Disconnected`], never sent again behind the outbox's back.
//! docs/decisions/0002-mqtt-client.md tells what was measured.

mod connection;
mod link;
mod reason;
mod session;
mod settings;

pub use link::{Answer, Link, Publisher};
pub use reason::{LinkDown, LinkError, Rejected};
pub use settings::{Credentials, Settings, Tls};

use crate::wire::{MessageId, Parcel};

/// What the link shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Publish a message; answered by one [`Notice::Acked`] or [`Notice::Nacked`], or by [`Notice::Disconnected`].
    Send(Box<Parcel>),
    /// Publish the health document, retained. Not kept while offline: the next one is due soon.
    PublishHealth(Vec<u8>),
    /// Drop the connection and make it anew at once.
    Reconnect,
    /// Publish this last health document, say goodbye, end the thread.
    Stop(Vec<u8>),
}

/// What the link tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The broker took the connection.
    Connected,
    /// There is no connection, or not any longer. Said once per try.
    Disconnected(LinkDown),
    /// The broker took the message.
    Acked {
        /// The message.
        id: MessageId,
        /// Whether anybody was subscribed to it; brokers that do not tell count as heard.
        heard: bool,
    },
    /// The broker, or the link for it, refused the message.
    Nacked {
        /// The message.
        id: MessageId,
        /// Why.
        why: Rejected,
    },
    /// The broker answered the subscriptions.
    Subscribed {
        /// How many it refused.
        refused: usize,
    },
    /// A message from the ward.
    Message {
        /// Its topic.
        topic: String,
        /// Its bytes, at most 512 KiB.
        payload: Vec<u8>,
    },
    /// The thread has ended, as asked.
    Stopped,
}

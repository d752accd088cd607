//! The session memory of the MQTT client: always empty.
//!
//! The broker may keep the ward's messages for us while we are away (session expiry). Our own half of the session
//! holds nothing worth keeping: the outbox sends unacknowledged messages again as new ones. Without this the client
//! refuses to publish in a session that the broker kept and it does not remember.

use super::settings::IN_FLIGHT_MAX;
use rumqttc::{
    PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey,
};
use std::future::{Ready, ready};
use std::pin::Pin;

/// The shape's version in the pinned client.
const FORMAT_VERSION: u16 = 1;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// A session store that forgets everything.
#[derive(Debug)]
pub(super) struct EmptySession {
    /// As in the CONNECT.
    pub(super) expiry_s: u32,
    /// As in the options.
    pub(super) ack_mode: PersistedAckMode,
}

impl SessionStore for EmptySession {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        done(Some(PersistedSession {
            format_version: FORMAT_VERSION,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(self.expiry_s),
            outgoing_inflight_upper_limit: Some(IN_FLIGHT_MAX),
            ack_mode: self.ack_mode,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        }))
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        done(())
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        done(())
    }
}

fn done<T: Send + 'static>(value: T) -> Answer<'static, T> {
    let ready: Ready<Result<T, SessionStoreError>> = ready(Ok(value));
    Box::pin(ready)
}

//! The server of the nursing stations: hears all boxes of a site, keeps what they say, shows it to those who may see it.
//!
//! ```text
//!   broker --message--> hear (pure) --> take (rules of record, one transaction) --> store --> events --> open pages
//!     ^    <--PUBACK, once it is on disk--'                                          ^
//!     '---- sending <-- outgoing (in the store) <-- acknowledge, verdict, keys <-- http <-- pages
//! ```
//!
//! A message is acknowledged to the broker only when the store holds it, and a word of a person is answered only when the
//! store holds it: whichever of the three ends is lost, nothing is.

mod audit;
mod broker;
mod desk;
mod events;
mod failure;
mod files;
mod hear;
mod http;
mod keys;
mod limiter;
mod names;
mod oidc;
mod record;
mod sending;
mod serve;
mod server;
mod session;
mod settings;
mod store;
mod take;
mod tls;
#[cfg(feature = "demo")]
mod trial;
mod users;
mod view;

pub use audit::{Chain, ChainError, Tail};
pub use failure::Wrong;
pub use oidc::OidcSettings;
pub use server::{Server, Stopper, read_settings, verify_audit};
pub use settings::{
    BoxLimits, BrokerSettings, HttpSettings, SessionSettings, Settings, StateSettings,
};
#[cfg(feature = "demo")]
pub use trial::{Trial, TrialKey};
pub use users::{Role, entry as user_entry, hash as hash_password, is_name};

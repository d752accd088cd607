//! The world: files, clock, network, threads. The only room that names them; it decides nothing.

/// The MQTT 5 link to the ward's broker.
pub mod mqtt;

/// The embedded broker of `scanward demo`.
#[cfg(feature = "demo")]
pub mod broker;

/// The state folder's file.
pub mod state;

//! What several test files share.

#[cfg(feature = "ward")]
pub mod chromium;
pub mod http;
pub mod instances;
pub mod mosquitto;
pub mod phantoms;
#[cfg(feature = "ward")]
pub mod provider;
pub mod proxy;
pub mod site;
pub mod ward;
#[cfg(feature = "ward")]
pub mod wardroom;

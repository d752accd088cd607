//! `scanward.toml` to settings, with file and line in every complaint.
//!
//! Unknown keys are errors that name the nearest right one: a misspelt `quiet_secconds` must not silently mean 30.

mod account;
mod annotations;
mod reader;
mod settings;
mod ward;

pub use account::Account;
pub use reader::ConfigError;
#[cfg(feature = "ward")]
pub(crate) use reader::{Section, Source, sections};
pub use settings::{
    AcceleratorUse, Broker, Config, EngineSettings, IdentityLevel, IntakeSettings, IntendedUse,
    PublishSettings, ServiceSettings,
};

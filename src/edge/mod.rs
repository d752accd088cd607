//! The world: files, clock, network, threads. The only room that names them; it decides nothing.

/// The MQTT 5 link to the ward's broker.
pub mod mqtt;

/// The accelerator, in a process of its own.
pub mod accelerator;

/// The embedded broker of `scanward demo`.
#[cfg(feature = "demo")]
pub mod broker;

/// The checks of `scanward doctor`.
pub mod doctor;

/// The state folder's file.
pub mod state;

/// What the ward says of findings, read and written.
pub mod ward;

/// Measuring the stages, the way to the broker, memory and size.
pub mod bench;

mod analyze;
mod annotations;
mod clock;
#[cfg(feature = "demo")]
mod demo;
mod export;
mod failure;
mod folder;
mod forget;
mod gather;
mod hints;
mod judge;
mod logging;
mod memory;
mod model_folder;
mod output;
mod page;
mod prior;
mod priors;
mod random;
mod reader;
mod scratch;
#[cfg(feature = "ward")]
mod secret;
mod sensors;
mod service;
mod settings;
mod signals;
mod start;

pub use analyze::{Analysis, Found, LeftOut, Tell, write_mask};
pub use clock::{Clock, dice};
#[cfg(feature = "demo")]
pub use demo::{Demo, DemoResult, DemoSource, DemoStep, QUIET as DEMO_QUIET};
pub use export::{PhantomScan, ScanOrder};
pub use failure::Failure;
pub use folder::files_below;
pub use gather::Gathered;
pub use judge::Judge;
pub use logging::{LogTo, start as start_logging, started_by_systemd};
pub use model_folder::{default_folder as default_model_folder, load as load_model};
pub use output::save;
pub use page::Page;
pub use prior::Prior;
pub use random::random;
pub use reader::Reader;
pub use scratch::Scratch;
#[cfg(feature = "ward")]
pub use secret::read_secret;
pub use sensors::{Sensors, clock_synchronised, free_percent};
pub use service::{Message, Service, Told, notify};
pub use settings::{
    account_link, engine_options, read as read_settings, read_as as read_settings_as, small_file,
};
pub use signals::watch as watch_signals;

//! `scanward run`: the service.

use super::args::RunArguments;
use super::{Ending, Stopped};
use crate::edge::{Service, read_settings, start_logging, watch_signals};

/// Runs until stopped.
pub(super) fn run(arguments: &RunArguments, verbose: bool) -> Result<Ending, Stopped> {
    start_logging(arguments.log.target(), verbose);
    let config = read_settings(&arguments.config).map_err(Stopped::usage)?;
    let service = Service::start(config, Some(arguments.config.clone()))?;
    watch_signals(service.sender.clone())?;
    service.run(|_| true)?;
    Ok(Ending::Done)
}

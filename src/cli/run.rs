//! `scanward run`: the service.

use super::args::{LogForm, RunArguments};
use super::{Ending, Stopped};
use crate::edge::{
    LogTo, Service, read_settings, start_logging, started_by_systemd, watch_signals,
};

/// Runs until stopped.
pub(super) fn run(arguments: &RunArguments, verbose: bool) -> Result<Ending, Stopped> {
    let to = match arguments.log {
        LogForm::Auto if started_by_systemd() => LogTo::Journal,
        LogForm::Journal => LogTo::Journal,
        LogForm::Auto | LogForm::Text => LogTo::Text,
    };
    start_logging(to, verbose);
    let config = read_settings(&arguments.config).map_err(Stopped::usage)?;
    let service = Service::start(config, Some(arguments.config.clone()))?;
    watch_signals(service.sender.clone())?;
    service.run(|_| true)?;
    Ok(Ending::Done)
}

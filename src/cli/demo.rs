//! `scanward demo`: the whole way from the scanner to the ward on this machine.

use super::args::DemoArguments;
use super::{Ending, Stopped};

/// Runs the command.
pub(super) fn run(_arguments: &DemoArguments, _verbose: bool) -> Result<Ending, Stopped> {
    Ok(Ending::Done)
}

//! `scanward doctor`: every check with its remedy.

use super::args::DoctorArguments;
use super::{Ending, Stopped};

/// Runs the command.
pub(super) fn run(_arguments: &DoctorArguments) -> Result<Ending, Stopped> {
    Ok(Ending::Done)
}

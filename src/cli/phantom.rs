//! `scanward phantom`: a synthetic chest CT as DICOM files.

use super::args::PhantomArguments;
use super::{Ending, Stopped};

/// Runs the command.
pub(super) fn run(_arguments: &PhantomArguments) -> Result<Ending, Stopped> {
    Ok(Ending::Done)
}

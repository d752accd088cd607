//! `scanward analyze`: series given by hand.

use super::args::AnalyzeArguments;
use super::{Ending, Stopped};

/// Runs the command.
pub(super) fn run(_arguments: &AnalyzeArguments) -> Result<Ending, Stopped> {
    Ok(Ending::Done)
}

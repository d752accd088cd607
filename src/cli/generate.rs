//! Help, version, completions and the manual page: all from the one definition of the arguments.

use super::args::Arguments;
use super::{Ending, Stopped, print};
use clap::CommandFactory;

/// Prints the help.
pub(super) fn help() -> Result<Ending, Stopped> {
    print::out(&Arguments::command().render_long_help().to_string());
    Ok(Ending::Usage)
}

/// Prints the version; `verbose` adds the model, its licence and the decoders.
pub(super) fn version(_verbose: bool) -> Result<Ending, Stopped> {
    print::out(&format!("scanward {}", env!("CARGO_PKG_VERSION")));
    Ok(Ending::Done)
}

/// Prints completions for a shell.
pub(super) fn completions(_shell: clap_complete::Shell) -> Result<Ending, Stopped> {
    Ok(Ending::Done)
}

/// Prints the manual page.
pub(super) fn man() -> Result<Ending, Stopped> {
    Ok(Ending::Done)
}

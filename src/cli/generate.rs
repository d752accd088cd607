//! Help, version and completions: all from the one definition of the arguments.

use super::args::Arguments;
use super::{Ending, Stopped, manual, print};
use crate::dicom::transfer_syntaxes;
use crate::edge::{Failure, default_model_folder, engine_options, load_model};
use crate::infer::{EngineOptions, engine};
use clap::CommandFactory;

/// Prints the help.
pub(super) fn help() -> Result<Ending, Stopped> {
    print::out(&Arguments::command().render_long_help().to_string());
    Ok(Ending::Usage)
}

/// Prints the version; `verbose` adds the model, its licence and what is decoded.
pub(super) fn version(verbose: bool) -> Result<Ending, Stopped> {
    print::out(&format!("scanward {}", env!("CARGO_PKG_VERSION")));
    if verbose {
        print::out(&format!("licence            {}", env!("CARGO_PKG_LICENSE")));
        // A box without a model still has a version.
        match model() {
            Ok(lines) => print::out(&lines),
            Err(failure) => print::out(&format!("model              none: {failure}")),
        }
        for (uid, name) in transfer_syntaxes() {
            print::out(&format!("transfer syntax    {uid:<24}{name}"));
        }
    }
    Ok(Ending::Done)
}

/// The model in the default folder, a fact a line.
fn model() -> Result<String, Failure> {
    let folder = default_model_folder();
    let package = load_model(&folder)?;
    let engine = engine(&package, engine_options(EngineOptions::default())?)
        .map_err(|fault| Failure::new(fault.to_string(), fault.advice()))?;
    let manifest = package.manifest();
    let lines = [
        ("model", manifest.title()),
        ("model folder", folder.display().to_string()),
        ("model digest", package.digest().as_str().to_owned()),
        ("model epoch", manifest.epoch.to_string()),
        ("model licence", manifest.licence.clone()),
        ("model data", manifest.data.clone()),
        ("model use", manifest.intended_use.clone()),
        ("engine", engine.backend.name().to_owned()),
    ];
    Ok(lines
        .map(|(what, fact)| format!("{what:<19}{fact}"))
        .join("\n"))
}

/// Prints completions for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<Ending, Stopped> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "scanward", &mut script);
    print::bytes(&script);
    Ok(Ending::Done)
}

/// Prints the manual page.
pub(super) fn man() -> Result<Ending, Stopped> {
    let page = manual::page(&Arguments::command()).map_err(|error| {
        Failure::new(
            format!("the manual page cannot be written: {error}"),
            "free memory, then try again",
        )
    })?;
    print::bytes(&page);
    Ok(Ending::Done)
}

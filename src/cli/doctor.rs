//! `scanward doctor`: every check with its remedy.

use super::args::DoctorArguments;
use super::{Ending, Stopped, print};
use crate::edge::doctor::{Check, Grade, Verdict, examine};

/// Runs the command.
pub(super) fn run(arguments: &DoctorArguments) -> Result<Ending, Stopped> {
    let verdict = examine(&arguments.config, |check| print::out(&lines(check)));
    Ok(match verdict {
        Verdict::Healthy => Ending::Done,
        Verdict::Unhealthy => Ending::BoxFault,
        Verdict::SettingsWrong => Ending::Usage,
    })
}

/// `ok    clock  …`, and below it the remedy.
fn lines(check: &Check) -> String {
    let grade = match check.grade {
        Grade::Ok => "ok",
        Grade::Warn => "warn",
        Grade::Fail => "FAIL",
    };
    let line = format!("{grade:<4}  {:<16}  {}", check.about, check.found);
    match &check.hint {
        Some(hint) => format!("{line}\n      hint: {hint}"),
        None => line,
    }
}

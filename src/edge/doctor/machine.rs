//! The clock, systemd's view of the service, the model.

use super::Check;
use crate::config::{AcceleratorUse, Config};
use crate::edge::accelerator::Accelerator;
use crate::edge::clock::Clock;
use crate::edge::judge::Judge;
use crate::edge::model_folder;
use crate::edge::sensors::clock_synchronised;
use crate::units::WallTime;
use std::path::Path;
use std::process::Command;

/// No clock that is right shows an earlier year: scanward was first released in it.
const YEAR_MIN: i64 = 2026;

/// Whether the clock can be right, and whether it follows a time source.
pub(super) fn check_clock(tell: &mut dyn FnMut(Check)) {
    let about = "clock";
    let now = Clock::start().wall();
    let earliest = WallTime::from_civil(YEAR_MIN, 1, 1, 0).unwrap_or_default();
    let follow = "let the clock follow a time source: `timedatectl set-ntp true`, or chrony with the hospital's server";
    tell(if now < earliest {
        Check::fail(
            about,
            format!("{now} cannot be: it is before {YEAR_MIN}"),
            follow,
        )
    } else if clock_synchronised() {
        Check::ok(about, format!("{now}, follows a time source"))
    } else {
        Check::warn(
            about,
            format!("{now}, follows no time source that is known here"),
            follow,
        )
    });
}

/// What systemd says of the unit, where there is systemd; never a complaint, for scanward runs without it too.
pub(super) fn check_service(tell: &mut dyn FnMut(Check)) {
    if !Path::new("/run/systemd/system").is_dir() {
        return tell(Check::ok(
            "service",
            "this machine was not started by systemd",
        ));
    }
    let (Some(enabled), Some(active)) = (systemctl("is-enabled"), systemctl("is-active")) else {
        return;
    };
    tell(Check::ok(
        "service",
        format!("scanward.service is {enabled}, {active}"),
    ));
}

/// systemd's answer in its own word; `None` where there is no systemctl.
fn systemctl(question: &str) -> Option<String> {
    let answer = Command::new("systemctl")
        .args([question, "scanward.service"])
        .output()
        .ok()?;
    let word = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    // `is-enabled` has no word for a unit that is not there, only a complaint.
    Some(if word.is_empty() {
        "not installed".to_owned()
    } else {
        word
    })
}

/// Loads the model and has it answer its golden volume.
pub(super) fn check_model(config: &Config, tell: &mut dyn FnMut(Check)) {
    let about = "model";
    let publish = &config.publish;
    let loaded = model_folder::load(&config.model_folder).and_then(|package| {
        Judge::new(
            &package,
            &config.series,
            publish.preview,
            publish.intended_use,
            config.engine.options,
        )
    });
    match loaded {
        Ok(judge) => {
            let facts = judge.model();
            let (name, version, digest) = (&facts.name, &facts.version, facts.digest.as_str());
            tell(Check::ok(
                about,
                format!(
                    "{name} {version}, {digest}, self check passed on {}",
                    facts.backend
                ),
            ));
            tell(Check::ok("model licence", judge.manifest().licence.clone()));
        }
        Err(failure) => tell(Check::fail(about, failure.what, failure.advice)),
    }
}

/// Tries the accelerator as the service does at its start, where it is turned on. Without it the service works, on the CPU.
pub(super) fn check_accelerator(config: &Config, tell: &mut dyn FnMut(Check)) {
    let about = "accelerator";
    if config.engine.accelerator == AcceleratorUse::Off {
        return tell(Check::ok(about, "off: series run on the CPU"));
    }
    // A model that does not load has been told.
    let Ok(package) = model_folder::load(&config.model_folder) else {
        return;
    };
    let options =
        crate::edge::engine_options(config.engine.options).unwrap_or(config.engine.options);
    let tried = Accelerator::examine(&config.engine, &package, options);
    tell(match tried {
        Ok(found) => Check::ok(about, found),
        Err(trouble) => {
            let found = format!("{}: {trouble}", trouble.degraded().code());
            Check::warn(about, found, trouble.advice())
        }
    });
}

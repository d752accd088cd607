//! The checks of `scanward doctor`: settings, folders, disk, clock, broker, model. Each ends in one line, and a remedy
//! where something is to be done. Nothing that the service uses is made or changed.

mod annotations;
mod broker;
mod export;
mod files;
mod machine;
mod mounts;
mod state;
mod user;

use super::settings;
use std::path::Path;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// The service works, but not as well as it could, or not for long.
    Warn,
    /// The service does not work, or shows what it should not.
    Fail,
}

/// One check, done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it ended.
    pub grade: Grade,
    /// What was looked at.
    pub about: &'static str,
    /// What was found.
    pub found: String,
    /// What to do; there unless the check is [`Grade::Ok`].
    pub hint: Option<String>,
}

impl Check {
    fn ok(about: &'static str, found: impl Into<String>) -> Check {
        Check {
            grade: Grade::Ok,
            about,
            found: found.into(),
            hint: None,
        }
    }

    fn warn(about: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Check {
        Check {
            grade: Grade::Warn,
            about,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }

    fn fail(about: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Check {
        Check {
            grade: Grade::Fail,
            about,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }
}

/// How an examination ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No check failed.
    Healthy,
    /// At least one check failed.
    Unhealthy,
    /// The settings do not read, so nothing else was looked at.
    SettingsWrong,
}

/// Looks at everything that `settings_file` names; `tell` hears each check as it ends, the slow ones last.
pub fn examine(settings_file: &Path, mut tell: impl FnMut(&Check)) -> Verdict {
    let config = match settings::read(settings_file) {
        Ok(config) => config,
        Err(failure) => {
            tell(&Check::fail("settings", failure.what, failure.advice));
            return Verdict::SettingsWrong;
        }
    };
    let mut worst = Grade::Ok;
    let mut hear = |check: Check| {
        worst = worst.max(check.grade);
        tell(&check);
    };
    let place = format!(
        "{}: site {}, device {}",
        settings_file.display(),
        config.site,
        config.device
    );
    hear(Check::ok("settings", place));
    user::check(&config, &mut hear);
    export::check(&config, &mut hear);
    annotations::check(&config, &mut hear);
    state::check(&config, &mut hear);
    machine::check_clock(&mut hear);
    machine::check_service(&mut hear);
    machine::check_model(&config, &mut hear);
    machine::check_accelerator(&config, &mut hear);
    files::check(&config.publish.account, &mut hear);
    broker::check(&config, &mut hear);
    match worst {
        Grade::Ok | Grade::Warn => Verdict::Healthy,
        Grade::Fail => Verdict::Unhealthy,
    }
}

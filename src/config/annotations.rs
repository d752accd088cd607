//! `[annotations]`: the folder in which radiologists' corrected masks come back.

use super::reader::{ConfigError, Section};
use super::settings::{Config, megabytes};
use crate::annotation::AnnotationSettings;
use crate::store::AnnotationLimits;
use std::path::Path;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// `None` without a folder: nothing is looked at then.
pub(super) fn annotations(
    mut section: Section<'_>,
) -> Result<Option<AnnotationSettings>, ConfigError> {
    let folder = section.path("folder")?;
    let settings = AnnotationSettings {
        folder: folder.clone().unwrap_or_default(),
        poll: section.duration("poll_seconds", 5.0, 0.05..=600.0, SECOND)?,
        file_bytes_max: megabytes(section.number("file_megabytes_max", 64.0, 1.0..=1024.0)?),
        lesion_words: section.texts("lesion_words", AnnotationSettings::usual_words())?,
        limits: AnnotationLimits {
            wait_max: section.duration("wait_days", 30.0, 1.0..=365.0, DAY)?,
            ..AnnotationLimits::default()
        },
    };
    section.finish()?;
    Ok(folder.map(|_| settings))
}

/// What would make the folder useless, or mix it up with another one.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let Some(wanted) = &config.annotations else {
        return Ok(());
    };
    let refuse = |what: &str| Err(ConfigError::in_section("annotations", what));
    if !wanted.folder.is_absolute() {
        return refuse("`folder` must be a whole path, as \"/srv/annotations\"");
    }
    let lie_in_one_another = |other: &Path| {
        let own = &wanted.folder;
        own.starts_with(other) || other.starts_with(own)
    };
    if lie_in_one_another(&config.intake.folder) || lie_in_one_another(&config.state_folder) {
        return refuse("`folder` must lie apart from those of [intake] and [state]");
    }
    if config.ward.it_keys.is_empty() {
        return refuse("corrections count with a signed verdict: [ward] needs `it_keys`");
    }
    if config.ward.labels.age_max.is_zero() {
        return refuse("corrections are kept with labels: `labels_keep_days` in [ward] is 0");
    }
    Ok(())
}

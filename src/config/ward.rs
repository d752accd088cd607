//! `[ward]`: what happens when nobody has seen a finding, and whose signatures count.

use super::reader::{ConfigError, Section};
use crate::review::Limits;
use crate::store::LabelLimits;
use crate::trust::PublicKey;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Keys of IT at a time: one that stands, one that takes over, a few to spare.
const IT_KEYS_MAX: usize = 8;

pub(super) fn ward(mut section: Section<'_>) -> Result<Limits, ConfigError> {
    let usual = LabelLimits::default();
    let critical = section.duration("escalate_critical_minutes", 5.0, 0.0..=1440.0, MINUTE)?;
    let urgent = section.duration("escalate_urgent_minutes", 30.0, 0.0..=1440.0, MINUTE)?;
    let unless_zero = |wait: Duration| (!wait.is_zero()).then_some(wait);
    let limits = Limits {
        escalate_critical: unless_zero(critical),
        escalate_urgent: unless_zero(urgent),
        it_keys: section.parsed_texts("it_keys", IT_KEYS_MAX, PublicKey::parse)?,
        labels: LabelLimits {
            age_max: section.duration("labels_keep_days", 730.0, 0.0..=7300.0, DAY)?,
            count_max: section.whole("labels_max", usual.count_max, 1..=50_000)?,
        },
    };
    section.finish()?;
    Ok(limits)
}

//! A finding as a nursing station shows it, in text.

use crate::phantom::Truth;
use crate::wire::{FindingPayload, LesionPayload, ReasonPayload};

/// Characters of a full bar.
const BAR: usize = 20;
/// A bar is full at this burden, percent, or at the largest one where that is more.
const BAR_PERCENT: f64 = 25.0;

/// The lines of a finding, or of the reason why there is none; `truth` is what is known of a phantom.
pub(super) fn finding(payload: &FindingPayload, truth: Option<&Truth>) -> Vec<String> {
    if let Some(reason) = &payload.reason {
        return not_triaged(reason);
    }
    let priority = payload.priority.map_or("", |priority| priority.as_str());
    let score = payload.score.unwrap_or(0.0);
    let mut lines = vec![format!(
        "{}  (score {score:.3})",
        priority.to_ascii_uppercase()
    )];
    if let Some(lesion) = &payload.lesion {
        lines.extend(figures(lesion));
        lines.extend(truth.map(|truth| against(lesion, truth)));
        lines.push(String::new());
        lines.extend(zones(lesion));
        lines.push(String::new());
    }
    lines.push(format!(
        "series        {} slices, {}",
        payload.series.instances, payload.series.modality
    ));
    if let Some(flags) = payload.quality.as_ref().filter(|flags| !flags.is_empty()) {
        lines.push(format!("quality       {}", flags.join(", ")));
    }
    if let Some(model) = &payload.model {
        lines.push(format!(
            "model         {} {} on {}",
            model.name, model.version, model.backend
        ));
    }
    lines
}

fn not_triaged(reason: &ReasonPayload) -> Vec<String> {
    vec![
        format!("NOT TRIAGED  ({})", reason.code),
        format!("reason        {}", reason.text),
        format!("remedy        {}", reason.remedy),
    ]
}

fn figures(lesion: &LesionPayload) -> [String; 2] {
    let [low, high] = lesion.burden_interval_percent;
    [
        format!(
            "burden        {:.2} % of the lung (90 % interval {low:.1} to {high:.1})",
            lesion.burden_percent
        ),
        format!(
            "lesions       {}, {:.0} ml of {:.0} ml",
            lesion.count, lesion.volume_ml, lesion.lung_volume_ml
        ),
    ]
}

fn against(lesion: &LesionPayload, truth: &Truth) -> String {
    let drawn = truth.burden_percent.get();
    format!(
        "truth         {drawn:.2} % drawn into the phantom, difference {:+.2} points",
        lesion.burden_percent - drawn
    )
}

/// The zones as a physician faces the patient: the right lung on the left.
fn zones(lesion: &LesionPayload) -> Vec<String> {
    let burden = |name: &str| {
        let zone = lesion.zones.iter().find(|zone| zone.zone == name);
        zone.map_or(0.0, |zone| zone.burden_percent)
    };
    let most = lesion
        .zones
        .iter()
        .map(|zone| zone.burden_percent)
        .fold(BAR_PERCENT, f64::max);
    let mut lines = vec![format!("        {:<31}left lung", "right lung")];
    for third in ["upper", "middle", "lower"] {
        let (right, left) = (
            burden(&format!("right-{third}")),
            burden(&format!("left-{third}")),
        );
        lines.push(format!(
            "{third:<8}{} {right:>5.1} %  {} {left:>5.1} %",
            bar(right / most),
            bar(left / most)
        ));
    }
    lines
}

fn bar(share: f64) -> String {
    let full = (0_u8..)
        .take(BAR)
        .filter(|cell| f64::from(*cell) + 0.5 <= share * BAR as f64)
        .count();
    format!("{}{}", "█".repeat(full), "·".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        for (share, full) in [
            (0.0, 0),
            (0.02, 0),
            (0.03, 1),
            (0.5, 10),
            (1.0, 20),
            (9.0, 20),
        ] {
            assert_eq!(bar(share).matches('█').count(), full, "{share}");
            assert_eq!(bar(share).chars().count(), BAR);
        }
    }
}

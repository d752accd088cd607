//! The finding of one series as text for a radiographer. All from the contract's `data`, so text and JSON agree.

use crate::outcome::Direction;
use crate::wire::{
    ComparisonPayload, FindingPayload, LesionPayload, ModelPayload, ReasonPayload, SeriesPayload,
};
use std::path::Path;

/// Width of the column of names.
const NAMES: usize = 14;

/// The lines that tell of `payload`, whose files lie in `place`.
pub(super) fn lines(payload: &FindingPayload, place: &Path) -> Vec<String> {
    let mut lines = vec![plain(&place.display().to_string())];
    series(&payload.series, &mut lines);
    if let Some(accession) = &payload.identity.accession {
        row("accession", accession, &mut lines);
    }
    match (&payload.reason, payload.priority) {
        (Some(reason), _) => refused(reason, &mut lines),
        (None, priority) => {
            let word = priority.map_or("none", |priority| priority.as_str());
            let score = payload.score.unwrap_or_default();
            row("outcome", "triaged", &mut lines);
            row(
                "priority",
                &format!("{word} (score {score:.3})"),
                &mut lines,
            );
        }
    }
    if let Some(lesion) = &payload.lesion {
        figures(lesion, &mut lines);
    }
    if let Some(comparison) = &payload.comparison {
        row("change", &changed(comparison), &mut lines);
        changed_zones(comparison, &mut lines);
    }
    match payload.quality.as_deref() {
        Some([]) => row("quality", "nothing to note", &mut lines),
        Some(flags) => row("quality", &flags.join(", "), &mut lines),
        None => {}
    }
    if let Some(model) = &payload.model {
        row("model", &named(model), &mut lines);
    }
    row("", &payload.notice, &mut lines);
    lines
}

/// A named line of the report.
pub(super) fn row(name: &str, value: &str, lines: &mut Vec<String>) {
    lines.push(
        format!("  {name:NAMES$}{}", plain(value))
            .trim_end()
            .to_owned(),
    );
}

fn series(series: &SeriesPayload, lines: &mut Vec<String>) {
    let code = series.description_code.as_deref().unwrap_or("not chosen");
    row("series", &format!("{} ({code})", series.modality), lines);
    row("instances", &series.instances.to_string(), lines);
    if let Some([z, y, x]) = series.spacing_mm {
        let spacing = format!("{z:.2} mm from slice to slice, pixels of {y:.3} x {x:.3} mm");
        row("spacing", &spacing, lines);
    }
    let acquired = series.acquired.as_deref().unwrap_or("not in the files");
    row("acquired", acquired, lines);
}

fn refused(reason: &ReasonPayload, lines: &mut Vec<String>) {
    row("outcome", &format!("NOT TRIAGED [{}]", reason.code), lines);
    row("reason", &reason.text, lines);
    row("remedy", &reason.remedy, lines);
    row("", "Read this series in the usual order.", lines);
}

fn figures(lesion: &LesionPayload, lines: &mut Vec<String>) {
    let [low, high] = lesion.burden_interval_percent;
    let burden = format!(
        "{:.1} % of the lung ({low:.1} to {high:.1} %)",
        lesion.burden_percent
    );
    row("burden", &burden, lines);
    let volume = format!(
        "{:.1} ml of {:.0} ml lung",
        lesion.volume_ml, lesion.lung_volume_ml
    );
    row("volume", &volume, lines);
    row("lesions", &lesion.count.to_string(), lines);
    row(
        "zones",
        &format!("{:8}{:>9}{:>9}", "", "right", "left"),
        lines,
    );
    for third in ["upper", "middle", "lower"] {
        let [right, left] = ["right", "left"].map(|side| zone(lesion, side, third));
        row("", &format!("{third:8}{right:>9}{left:>9}"), lines);
    }
}

fn zone(lesion: &LesionPayload, side: &str, third: &str) -> String {
    let name = format!("{side}-{third}");
    let found = lesion.zones.iter().find(|zone| zone.zone == name);
    found.map_or_else(
        || "-".to_owned(),
        |zone| format!("{:.1} %", zone.burden_percent),
    )
}

fn changed(comparison: &ComparisonPayload) -> String {
    let direction = match comparison.direction {
        Direction::Improving => "improving",
        Direction::Stable => "stable within the measuring error",
        Direction::Worsening => "worsening",
    };
    format!(
        "{:+.1} points in {} days: {direction} (prior {})",
        comparison.burden_change_points, comparison.days, comparison.prior_finding_id
    )
}

/// The change in each zone, and how well the lungs lie over each other; or why there is none.
fn changed_zones(comparison: &ComparisonPayload, lines: &mut Vec<String>) {
    let zones = &comparison.zones;
    if let Some(note) = &comparison.note {
        let text = format!("not compared [{note}]");
        row("  by zone", &text, lines);
    }
    let Some(found) = &comparison.registration else {
        return;
    };
    let change = |side: &str, third: &str| {
        let name = format!("{side}-{third}");
        let found = zones.iter().find(|zone| zone.zone == name);
        found.map_or_else(
            || "-".to_owned(),
            |zone| format!("{:+.1}", zone.burden_change_points),
        )
    };
    row(
        "  by zone",
        &format!("{:8}{:>9}{:>9}", "", "right", "left"),
        lines,
    );
    for third in ["upper", "middle", "lower"] {
        let [right, left] = ["right", "left"].map(|side| change(side, third));
        row("", &format!("{third:8}{right:>9}{left:>9}"), lines);
    }
    let text = format!(
        "lungs overlap by {:.3}, surfaces {:.1} mm apart on the average",
        found.dice, found.error_mm
    );
    row("  laid over", &text, lines);
}

fn named(model: &ModelPayload) -> String {
    format!(
        "{} {} on {}, {}",
        model.name, model.version, model.backend, model.digest
    )
}

/// `text` without control characters: what files say must not steer the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

//! One series.

use super::drawing;
use super::html::Html;
use super::words::{comparison_note, date, millilitres, minute, name, signed};
use crate::dicom::Header;
use crate::findings::{Lesion, Quality, Report, Zone};
use crate::model::ModelManifest;
use crate::outcome::{Direction, Priority};
use crate::units::Millilitre;
use crate::volume::{Region, Volume};
use crate::wire::{
    ComparisonPayload, FindingPayload, IdentityPayload, LesionPayload, ModelPayload, ReasonPayload,
};
use std::time::Duration;

/// Lesions that are listed one by one.
const LESIONS_MAX: usize = 8;

/// What a section tells of.
#[derive(Clone, Copy, Debug)]
pub struct ReportedSeries<'a> {
    /// The contract's data, nothing hidden.
    pub payload: &'a FindingPayload,
    /// The header of one of its instances.
    pub header: &'a Header,
    /// The folder, archive or file that it lies in.
    pub place: &'a str,
    /// The lesions, when it was triaged.
    pub found: Option<FoundLesions<'a>>,
    /// The preview, PNG.
    pub picture: Option<&'a [u8]>,
    /// What a reader should know besides.
    pub notes: &'a [String],
    /// What each stage took.
    pub stages: &'a [(&'static str, Duration)],
    /// The model's limits for priorities.
    pub model: &'a ModelManifest,
}

/// A triaged series' lesions and where they are.
#[derive(Clone, Copy, Debug)]
pub struct FoundLesions<'a> {
    /// The numbers.
    pub report: &'a Report,
    /// The grid they were counted on.
    pub volume: &'a Volume,
    /// The box of both lungs on it.
    pub lungs: Region,
    /// What to know before trusting the numbers.
    pub quality: &'a [Quality],
}

/// A series, written.
#[derive(Clone, Debug)]
pub struct Section {
    pub(super) html: Html,
    /// Its priority, or that it has none.
    pub(super) outcome: &'static str,
}

impl Section {
    /// Its size, bytes.
    pub fn bytes(&self) -> usize {
        self.html.len()
    }
}

/// Writes the section of `series`.
pub fn section(series: &ReportedSeries<'_>) -> Section {
    let payload = series.payload;
    let outcome = outcome(payload);
    let mut html = Html::default();
    html.raw("<section class=\"series\">");
    head(series, outcome, &mut html);
    if let Some(reason) = &payload.reason {
        refused(reason, &mut html);
    }
    if let Some(lesion) = &payload.lesion {
        figures(lesion, &mut html);
        let limits = &series.model.priority;
        let (urgent, critical) = (limits.urgent_percent, limits.critical_percent);
        drawing::scale(lesion, urgent, critical, &mut html);
    }
    picture(series, &mut html);
    if let Some(comparison) = &payload.comparison {
        changed(comparison, payload.lesion.as_ref(), &mut html);
    }
    places(series, &mut html);
    notes(series, &mut html);
    facts(series, &mut html);
    html.raw("</section>");
    Section { html, outcome }
}

fn outcome(payload: &FindingPayload) -> &'static str {
    match (&payload.reason, payload.priority) {
        (Some(_), _) | (None, None) => "not triaged",
        (None, Some(priority)) => priority.as_str(),
    }
}

/// Who, when, and how soon.
fn head(series: &ReportedSeries<'_>, outcome: &'static str, html: &mut Html) {
    let payload = series.payload;
    html.raw("<header><div class=\"who\"><h2>");
    let IdentityPayload {
        accession, patient, ..
    } = &payload.identity;
    let named = patient.as_ref().map(|patient| name(&patient.name));
    match named.filter(|named| !named.trim().is_empty()) {
        Some(named) => html.said(&named),
        None => html.text("No name in the files"),
    }
    html.raw("</h2><dl>");
    let of_patient = |get: fn(&crate::wire::PatientPayload) -> String| {
        patient.as_ref().map(get).unwrap_or_default()
    };
    html.fact("Patient ID", &of_patient(|patient| patient.id.clone()));
    html.fact("Born", &of_patient(|patient| date(&patient.birth_date)));
    html.fact("Accession", accession.as_deref().unwrap_or_default());
    let acquired = payload.series.acquired.as_deref();
    html.fact(
        "Scanned (scanner's clock)",
        &acquired.map(minute).unwrap_or_default(),
    );
    html.raw("</dl></div>");
    let class = match payload.priority.filter(|_| payload.reason.is_none()) {
        Some(Priority::Critical) => "badge critical",
        Some(Priority::Urgent) => "badge urgent",
        Some(Priority::Routine) => "badge routine",
        None => "badge refused",
    };
    html.open("p", &[("class", class)]);
    html.element("strong", "", outcome);
    if let Some(score) = payload.score {
        html.element("span", "", &format!("score {score:.3}"));
    }
    html.raw("</p></header>");
}

fn refused(reason: &ReasonPayload, html: &mut Html) {
    html.raw("<div class=\"refusal\"><p><b>Reason</b> ");
    html.said(&reason.text);
    html.raw(" ");
    html.element("code", "", &reason.code);
    html.raw("</p><p><b>Remedy</b> ");
    html.text(&reason.remedy);
    html.raw("</p><p><strong>Read this series in the usual order.</strong></p></div>");
}

fn figures(lesion: &LesionPayload, html: &mut Html) {
    let [low, high] = lesion.burden_interval_percent;
    let burden = format!("{:.1} %", lesion.burden_percent);
    let interval = format!("90 % interval {low:.1} to {high:.1} %");
    html.raw("<ul class=\"figures\">");
    for (value, name, more) in [
        (burden, "Burden, share of the lung", interval),
        (
            millilitres(lesion.volume_ml),
            "Lesion volume",
            String::new(),
        ),
        (
            millilitres(lesion.lung_volume_ml),
            "Lung volume",
            "lesions included".to_owned(),
        ),
        (lesion.count.to_string(), "Lesions", String::new()),
    ] {
        html.raw("<li>");
        html.element("b", "", &value);
        html.element("span", "", name);
        html.element("small", "", &more);
        html.raw("</li>");
    }
    html.raw("</ul>");
}

fn picture(series: &ReportedSeries<'_>, html: &mut Html) {
    if let Some(png) = series.picture {
        html.raw("<figure class=\"picture\">");
        html.png(
            png,
            "Axial and coronal plane through the chest, lesions outlined",
        );
        html.raw("</figure>");
    } else if series.found.is_some() {
        html.element("p", "quiet", "No picture could be drawn of this series.");
    }
}

fn changed(comparison: &ComparisonPayload, lesion: Option<&LesionPayload>, html: &mut Html) {
    let (word, class) = match comparison.direction {
        Direction::Improving => ("improving", "better"),
        Direction::Stable => ("stable within the measuring error", "same"),
        Direction::Worsening => ("worsening", "worse"),
    };
    let points = comparison.burden_change_points;
    html.open("div", &[("class", "change"), ("data-direction", class)]);
    html.raw("<p><b>Since the prior</b> ");
    let days = match comparison.days {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    html.text(&format!("{days} earlier: {} points", signed(points)));
    if let Some(lesion) = lesion {
        let now = lesion.burden_percent;
        html.text(&format!(" ({:.1} % to {now:.1} %)", now - points));
    }
    html.raw(", ");
    html.element("strong", "", word);
    html.text(&format!(
        ". Changes up to {:.1} points are within the measuring error.",
        comparison.dead_band_points
    ));
    html.raw("</p><p class=\"quiet\">");
    if let Some(found) = &comparison.registration {
        html.text(&format!(
            "The prior's lungs were laid over these: overlap {:.3}, surfaces {:.1} mm apart on the average. ",
            found.dice, found.error_mm
        ));
    }
    if let Some(note) = &comparison.note {
        html.text(&format!(
            "Not compared by zone: {}. ",
            comparison_note(note)
        ));
    }
    html.text(&format!("Prior finding {}", comparison.prior_finding_id));
    html.raw("</p></div>");
}

/// Zones and lesions side by side.
fn places(series: &ReportedSeries<'_>, html: &mut Html) {
    let (Some(lesion), Some(found)) = (&series.payload.lesion, &series.found) else {
        return;
    };
    html.raw("<div class=\"places\">");
    drawing::burdens(lesion, html);
    let comparison = series.payload.comparison.as_ref();
    if let Some(comparison) = comparison.filter(|comparison| !comparison.zones.is_empty()) {
        drawing::changes(&comparison.zones, html);
    }
    lesions(found, html);
    html.raw("</div>");
}

/// The largest lesions, one a row.
fn lesions(found: &FoundLesions<'_>, html: &mut Html) {
    let all = &found.report.lesions;
    html.raw("<div class=\"lesions\">");
    if all.is_empty() {
        html.raw("<p class=\"quiet\">No lesion was marked.</p></div>");
        return;
    }
    html.raw(
        "<table><caption>Lesions, largest first</caption><thead><tr><th scope=\"col\">Where</th><th scope=\"col\">ml</th>\
         <th scope=\"col\">Mean HU</th><th scope=\"col\">Centre x, y, z, mm</th></tr></thead><tbody>",
    );
    for lesion in all.iter().take(LESIONS_MAX) {
        let [x, y, z] = found.volume.place(lesion.centre);
        html.raw("<tr>");
        html.element("td", "", &zone(lesion, found.lungs).replace('-', " "));
        html.element("td", "number", &format!("{:.1}", lesion.volume.get()));
        html.element("td", "number", &whole(lesion.mean_hu));
        let centre = [x, y, z].map(whole).join(", ");
        html.element("td", "number", &centre);
        html.raw("</tr>");
    }
    html.raw("</tbody></table>");
    let rest = all.get(LESIONS_MAX..).unwrap_or_default();
    if !rest.is_empty() {
        let volumes = rest.iter().map(|lesion| lesion.volume);
        let volume: f64 = volumes.map(Millilitre::get).sum();
        let more = format!("and {} more, {volume:.1} ml together", rest.len());
        html.element("p", "quiet", &more);
    }
    html.raw("</div>");
}

/// The zone that the middle of `lesion` lies in.
fn zone(lesion: &Lesion, lungs: Region) -> String {
    let [z, _, _] = lesion.centre;
    let zone = Zone {
        side: lesion.side,
        third: Zone::third_of(z, lungs),
    };
    zone.name()
}

/// Rounded, with a true minus.
fn whole(value: f64) -> String {
    format!("{:.0}", value.round() + 0.0).replace('-', "−")
}

fn notes(series: &ReportedSeries<'_>, html: &mut Html) {
    let flags = series.found.map(|found| found.quality).unwrap_or_default();
    if flags.is_empty() && series.notes.is_empty() {
        if series.found.is_some() {
            html.element("p", "quiet", "Quality: nothing to note about this series.");
        }
        return;
    }
    html.raw("<div class=\"notes\"><h3>To know before trusting the numbers</h3><ul>");
    for flag in flags {
        html.raw("<li>");
        html.text(flag.text());
        html.raw(" ");
        html.element("code", "", flag.code());
        html.raw("</li>");
    }
    for note in series.notes {
        html.raw("<li>");
        html.said(note);
        html.raw("</li>");
    }
    html.raw("</ul></div>");
}

/// The series and the computation, small.
fn facts(series: &ReportedSeries<'_>, html: &mut Html) {
    let (payload, header) = (&series.payload.series, series.header);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    html.raw("<dl class=\"facts\">");
    html.fact("Series description", &text(&header.series_description));
    html.fact("Kernel", &text(&header.kernel));
    let device = text(&header.device).replace('\\', " ");
    html.fact("Scanner", device.trim());
    html.fact(
        "Instances",
        &instances(payload.instances, &payload.modality),
    );
    if let Some([z, y, x]) = payload.spacing_mm {
        let spacing = format!("{z:.2} mm slice to slice, pixels {y:.3} × {x:.3} mm");
        html.fact("Spacing", &spacing);
    }
    html.fact("Files", series.place);
    html.fact("Series UID", header.series.0.as_str());
    if let Some(model) = &series.payload.model {
        html.fact("Model", &named(model));
        html.fact("Digest", &model.digest);
    }
    if let Some(timing) = &series.payload.timing {
        let stages = series.stages.iter();
        let stages: Vec<String> = stages
            .map(|(name, took)| format!("{name} {:.1}", took.as_secs_f64() * 1000.0))
            .collect();
        let took = format!("{} ms: {} ms", timing.compute_ms, stages.join(", "));
        html.fact("Computing", took.trim_end_matches(":  ms"));
    }
    html.raw("</dl>");
}

fn instances(count: u32, modality: &str) -> String {
    format!("{count}, {modality}")
}

fn named(model: &ModelPayload) -> String {
    format!(
        "{} {}, epoch {}, on {}",
        model.name, model.version, model.epoch, model.backend
    )
}

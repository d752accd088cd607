//! The page around the sections.

use super::html::Html;
use super::section::Section;
use super::words::minute;
use crate::model::ModelManifest;
use crate::units::WallTime;
use crate::wire::NOTICE;

/// Files of no series that are named; of the rest the number is told.
pub const FILES_MAX: usize = 20;

/// The order of sections. A series that was not triaged may be as bad as any.
const ORDER: [&str; 4] = ["critical", "urgent", "not triaged", "routine"];

/// Before the title. The policy lets in nothing but the page's own style and pictures that lie in it.
const TOP: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    base-uri 'none'; form-action 'none'\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
    <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"robots\" content=\"noindex\">\
    <meta name=\"referrer\" content=\"no-referrer\"><title>Chest CT triage</title><style>";

/// What a page says of the computation.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The program's version.
    pub version: &'a str,
    /// When the page was written.
    pub made_at: WallTime,
    /// The model.
    pub model: &'a ModelManifest,
    /// Its limits, as its card states them; none when there is no card.
    pub limits: &'a [String],
    /// The first [`FILES_MAX`] of the files that belong to no series.
    pub left_out: &'a [LeftOutFile],
    /// How many such files there are.
    pub left_out_count: usize,
    /// Series for which the page had no room.
    pub series_left_out: usize,
}

/// A file that belongs to no series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutFile {
    /// Which.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Returns the page: HTML that stands alone.
pub fn page(sections: &[Section], about: &About<'_>) -> String {
    let mut html = Html::default();
    html.raw(TOP);
    html.raw(include_str!("page.css"));
    html.raw("</style></head><body><main><header class=\"top\"><h1>Chest CT triage</h1><p>");
    let made = minute(&about.made_at.to_string());
    let series = match sections.len() + about.series_left_out {
        1 => "1 series".to_owned(),
        series => format!("{series} series"),
    };
    html.text(&format!(
        "scanward {} · {made} UTC · {series}{}",
        about.version,
        outcomes(sections)
    ));
    html.raw("</p></header><p class=\"notice\"><strong>");
    html.text(NOTICE);
    html.raw("</strong> ");
    html.text(&format!("Licence: {}.", about.model.licence));
    html.raw("</p>");
    if sections.is_empty() {
        html.raw("<section class=\"series\"><p><strong>No series was found in the files.</strong></p></section>");
    }
    sections
        .iter()
        .for_each(|section| html.piece(&section.html));
    if about.series_left_out > 0 {
        let text = format!(
            "{} more series have no room on this page: give fewer folders at once.",
            about.series_left_out
        );
        html.element("p", "notice", &text);
    }
    model(about, &mut html);
    left_out(about, &mut html);
    html.raw("</main></body></html>\n");
    html.into_text()
}

/// `: 1 critical, 2 not triaged`, where there are several.
fn outcomes(sections: &[Section]) -> String {
    if sections.len() < 2 {
        return String::new();
    }
    let counts = ORDER.iter().filter_map(|word| {
        let count = sections.iter().filter(|section| section.outcome == *word);
        let count = count.count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    format!(": {}", counts.collect::<Vec<_>>().join(", "))
}

fn left_out(about: &About<'_>, html: &mut Html) {
    let named = || about.left_out.iter().take(FILES_MAX);
    if about.left_out_count == 0 {
        return;
    }
    html.raw("<section class=\"about\"><h2>Files of no series</h2><ul>");
    for left_out in named() {
        html.raw("<li>");
        html.said(&left_out.file);
        html.raw(": ");
        html.said(&left_out.reason);
        html.raw("</li>");
    }
    html.raw("</ul>");
    let more = about.left_out_count.saturating_sub(named().count());
    if more > 0 {
        html.element("p", "", &format!("and {more} more"));
    }
    html.raw("</section>");
}

/// What to know of the model, and how to read the numbers.
fn model(about: &About<'_>, html: &mut Html) {
    let model = about.model;
    html.raw("<section class=\"about\"><div><h2>How to read it</h2><ul>\
        <li>Burden: voxels marked as lesion in percent of lung or lesion. Its 90 % interval comes from the errors on scans that \
        the model had not seen.</li>\
        <li>Zones: thirds of the height of both lungs. The patient's right is on the left.</li>\
        <li>x, y, z: DICOM patient coordinates, to the patient's left, back, head. Volumes are counted on a grid of ");
    html.text(&format!("{} mm.", model.input.spacing_mm));
    html.raw(
        "</li><li>The score orders series; it is no probability.</li></ul></div><div><h2>Model ",
    );
    html.said(&model.title());
    html.raw("</h2><ul>");
    let smallest = format!(
        "A voxel is lesion from a probability of {} on; lesions below {} ml are left out.",
        model.output.threshold, model.output.component_min_ml
    );
    for text in [
        format!("Intended use: {}.", model.intended_use),
        format!("Trained on: {}", model.data),
        smallest,
    ] {
        html.element("li", "", &text);
    }
    html.raw("</ul></div><div><h2>Its limits</h2><ul>");
    if about.limits.is_empty() {
        html.raw(
            "<li>No model card lies beside the model: ask for it before trusting a number.</li>",
        );
    }
    about
        .limits
        .iter()
        .for_each(|limit| html.element("li", "", limit));
    html.raw("</ul></div></section>");
}

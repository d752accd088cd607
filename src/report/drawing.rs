//! Drawings inside the page: six zones of the lungs, the burden on its scale.

use super::html::Html;
use super::words::signed;
use crate::wire::{LesionPayload, ZoneChangePayload};

/// A zone's shade is full at this burden, percent.
const FULL_PERCENT: f64 = 50.0;
/// A change's shade is full at so many points.
const FULL_POINTS: f64 = 25.0;

/// A zone: the contract's name, its outline, where its number stands.
struct Shape {
    zone: &'static str,
    path: &'static str,
    place: [&'static str; 2],
}

/// As one faces the patient: the right lung on the left. The thirds have one height, as the zones have.
const SHAPES: [Shape; 6] = [
    Shape {
        zone: "right-upper",
        path: "M66 12C46 14 28 40 22 71L106 71C106 52 100 26 88 16C81 11 73 11 66 12Z",
        place: ["68", "54"],
    },
    Shape {
        zone: "right-middle",
        path: "M22 71C16 92 13 112 12 131L104 131C100 112 102 90 106 71Z",
        place: ["60", "107"],
    },
    Shape {
        zone: "right-lower",
        path: "M12 131C10 152 9 172 10 190C26 170 76 164 110 184C112 166 108 148 104 131Z",
        place: ["58", "157"],
    },
    Shape {
        zone: "left-upper",
        path: "M174 12C194 14 212 40 218 71L134 71C134 52 140 26 152 16C159 11 167 11 174 12Z",
        place: ["172", "54"],
    },
    Shape {
        zone: "left-middle",
        path: "M218 71C224 92 227 112 228 131L150 131C146 110 138 92 134 71Z",
        place: ["184", "107"],
    },
    Shape {
        zone: "left-lower",
        path: "M228 131C230 152 231 172 230 190C214 172 180 166 146 182C146 164 152 148 150 131Z",
        place: ["188", "157"],
    },
];

/// The burden of each zone.
pub(super) fn burdens(lesion: &LesionPayload, html: &mut Html) {
    html.raw("<figure><figcaption>Burden by zone, percent</figcaption>");
    lungs("Burden of the six zones of the lungs", html, |zone| {
        let found = lesion.zones.iter().find(|found| found.zone == zone)?;
        let share = found.burden_percent / FULL_PERCENT;
        Some((format!("{:.1}", found.burden_percent), share, "worse"))
    });
    html.raw("</figure>");
}

/// The change of each zone.
pub(super) fn changes(zones: &[ZoneChangePayload], html: &mut Html) {
    html.raw("<figure><figcaption>Change by zone, points</figcaption>");
    lungs("Change of the six zones of the lungs", html, |zone| {
        let found = zones.iter().find(|found| found.zone == zone)?;
        let change = found.burden_change_points;
        let class = if change < 0.0 { "better" } else { "worse" };
        Some((signed(change), change.abs() / FULL_POINTS, class))
    });
    html.raw("</figure>");
}

/// Both lungs; `zone` gives each one's number, its share of the full shade, and which shade.
fn lungs(
    title: &'static str,
    html: &mut Html,
    zone: impl Fn(&str) -> Option<(String, f64, &'static str)>,
) {
    html.raw("<svg class=\"lungs\" viewBox=\"0 0 240 196\" role=\"img\">");
    html.element("title", "", title);
    for shape in &SHAPES {
        let found = zone(shape.zone);
        html.open("path", &[("class", "lung"), ("d", shape.path)]);
        html.close("path");
        let (number, share, class) = found.unwrap_or_else(|| ("–".to_owned(), 0.0, "worse"));
        let opacity = format!("{:.2}", share.clamp(0.0, 1.0) * 0.9);
        html.open(
            "path",
            &[
                ("class", class),
                ("fill-opacity", &opacity),
                ("d", shape.path),
            ],
        );
        html.close("path");
        let [x, y] = shape.place;
        html.open("text", &[("x", x), ("y", y)]);
        html.text(&number);
        html.close("text");
    }
    html.raw("<text class=\"side\" x=\"12\" y=\"20\">R</text><text class=\"side\" x=\"228\" y=\"20\">L</text></svg>");
}

/// Width of the scale's drawing.
const SCALE_WIDTH: f64 = 600.0;
/// The scale ends here at least, percent.
const SCALE_PERCENT_MIN: f64 = 30.0;

/// The burden and its interval on a scale with the limits of the priorities, percent.
pub(super) fn scale(lesion: &LesionPayload, urgent: f64, critical: f64, html: &mut Html) {
    let [low, high] = lesion.burden_interval_percent;
    let most = high.max(critical).max(SCALE_PERCENT_MIN);
    let end = ((most / 10.0).ceil() * 10.0).min(100.0);
    let at = |percent: f64| percent / end * SCALE_WIDTH;
    let number = |value: f64| format!("{value:.1}");
    html.raw("<svg class=\"scale\" viewBox=\"-4 4 608 28\" role=\"img\">");
    html.element("title", "", "The burden on its scale, percent of the lung");
    let mut bar = |class, from: f64, to: f64, y, height| {
        let attributes: [(&str, &str); 5] = [
            ("class", class),
            ("x", &number(at(from))),
            ("width", &number(at(to) - at(from))),
            ("y", y),
            ("height", height),
        ];
        html.open("rect", &attributes);
        html.close("rect");
    };
    bar("calm", 0.0, urgent, "14", "4");
    bar("soon", urgent, critical, "14", "4");
    bar("now", critical, end, "14", "4");
    bar("interval", low, high, "10", "12");
    let burden = number(at(lesion.burden_percent));
    html.open(
        "circle",
        &[
            ("class", "burden"),
            ("cx", &burden),
            ("cy", "16"),
            ("r", "5"),
        ],
    );
    html.close("circle");
    let mut label = |percent: f64, anchor, text: &str| {
        let x = number(at(percent));
        html.open("text", &[("x", &x), ("y", "31"), ("text-anchor", anchor)]);
        html.text(text);
        html.close("text");
    };
    label(urgent, "start", &format!("urgent from {urgent} %"));
    label(critical, "middle", &format!("critical from {critical} %"));
    if at(critical) < SCALE_WIDTH * 0.8 {
        label(end, "end", &format!("{end:.0} %"));
    }
    html.raw("</svg>");
}

//! The page of `scanward analyze --report`: what it says, that it stands alone, that nothing in a file becomes markup.
//!
//! `SCANWARD_REPORT_FOLDER=DIR cargo test --test report` leaves the pages there to be looked at.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files"
)]

mod common;

use base64::Engine as _;
use common::phantoms::Scan;
use proptest::prelude::*;
use scanward::dicom::{Header, Patient};
use scanward::findings::{Lesion, Quality, Report};
use scanward::ids::{FindingId, Pseudonym, Redacted, SeriesKey, Uid};
use scanward::lung::Side;
use scanward::model::ModelManifest;
use scanward::outcome::{Direction, Priority};
use scanward::report::{About, FoundLesions, LeftOutFile, ReportedSeries, page, section};
use scanward::units::{Millilitre, Percent, Spacing, WallTime};
use scanward::volume::{Grid3, HISTOGRAM_BINS, Region, Volume};
use scanward::wire::{
    ComparisonPayload, FindingPayload, IdentityPayload, IntendedUse, LesionPayload, ModelPayload,
    NOTICE, PatientPayload, ReasonPayload, SeriesPayload, TimingPayload, ZonePayload,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Every element that a page may hold.
const ELEMENTS: [&str; 40] = [
    "b",
    "bdi",
    "body",
    "caption",
    "circle",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "img",
    "li",
    "main",
    "meta",
    "p",
    "path",
    "rect",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror='x'>&amp;<!--";

#[test]
fn a_finding_with_its_prior_is_one_page_that_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let mut scan = Scan::new(7, 60, 192, 22.0);
    scan.patient_name = format!("Chan^Tai {HOSTILE}");
    scan.description = format!("Thorax {}", &HOSTILE[..40]);
    write(&scan, &place("now"));
    let mut prior = Scan::new(7, 60, 192, 6.0);
    prior.study = "2.25.8.1".to_owned();
    prior.series = "2.25.8.2".to_owned();
    prior.acquired = WallTime::from_civil(2026, 11, 9, 0).unwrap();
    write(&prior, &place("prior"));

    let file = place("report.html").display().to_string();
    let before = place("prior").display().to_string();
    let options = ["--json", "--prior", &before, "--report", &file];
    let ran = analyze(&options, &[&place("now")]);
    assert_eq!(ran.status.code(), Some(0), "{}", errors(&ran));
    assert!(errors(&ran).contains("report in "), "{}", errors(&ran));
    let data: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let html = fs::read_to_string(&file).unwrap();
    keep("prior.html", &html);
    stands_alone(&html);

    let lesion = &data["lesion"];
    let number = |value: &Value| value.as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| number(&lesion["burden_interval_percent"][end]));
    let change = &data["comparison"];
    let mut wanted = vec![
        NOTICE.to_owned(),
        data["priority"].as_str().unwrap().to_owned(),
        format!("{:.1} %", number(&lesion["burden_percent"])),
        format!("90 % interval {low:.1} to {high:.1} %"),
        format!("{:.0} ml", number(&lesion["lung_volume_ml"])),
        format!(
            "14 days earlier: +{:.1} points",
            number(&change["burden_change_points"])
        ),
        "worsening".to_owned(),
        "Accession".to_owned(),
        "A7".to_owned(),
        "2026-11-23 08:00".to_owned(),
        "covid-ct 1.1.0, epoch 0, on cpu-int8".to_owned(),
        data["model"]["digest"].as_str().unwrap().to_owned(),
        format!("{} ms", data["timing"]["compute_ms"]),
        format!("scanward {}", env!("CARGO_PKG_VERSION")),
        "5.00 mm slice to slice".to_owned(),
        "CC BY-NC-SA 4.0".to_owned(),
        // From the model card beside the manifest.
        "Fourteen cases, two sources, one disease.".to_owned(),
        "Chan, Tai &quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;".to_owned(),
    ];
    for zone in lesion["zones"].as_array().unwrap() {
        wanted.push(format!(">{:.1}</text>", number(&zone["burden_percent"])));
    }
    for zone in change["zones"].as_array().unwrap() {
        let points = number(&zone["burden_change_points"]);
        wanted.push(format!("{:.1}</text>", points.abs()));
    }
    for words in wanted {
        assert!(html.contains(&words), "`{words}` is missing");
    }
    let png = picture(&html).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
}

#[test]
fn several_series_have_a_section_each_and_a_refused_one_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write(&Scan::new(1, 60, 192, 12.0), &place("a"));
    write(&Scan::new(2, 60, 192, 12.0), &place("b"));
    fs::remove_file(place("b/030.dcm")).unwrap();
    fs::write(place("b/readme <b>.txt"), "no image").unwrap();
    let file = place("report.html");
    let option = file.display().to_string();
    let ran = analyze(&["--report", &option], &[&place("a"), &place("b")]);
    assert_eq!(ran.status.code(), Some(3), "{}", errors(&ran));
    let html = fs::read_to_string(&file).unwrap();
    keep("several.html", &html);
    stands_alone(&html);
    assert_eq!(html.matches("<section class=\"series\">").count(), 2);
    assert_eq!(html.matches("<img ").count(), 1);
    let at = |words| html.find(words).unwrap();
    assert!(
        at("badge urgent") < at("badge refused"),
        "the urgent one comes first"
    );
    for words in [
        "2 series: 1 urgent, 1 not triaged",
        "slice missing between z = 145.0 mm and z = 155.0 mm",
        "geometry-gap",
        "export the series again",
        "Read this series in the usual order.",
        "readme &lt;b&gt;.txt",
        "not-dicom",
    ] {
        assert!(html.contains(words), "`{words}` is missing");
    }
}

#[test]
fn a_page_about_nothing_takes_the_place_of_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    fs::write(&file, "another patient's").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let option = file.display().to_string();
    let ran = analyze(&["--report", &option], &[&folder.path().join("empty")]);
    assert_eq!(ran.status.code(), Some(3), "{}", errors(&ran));
    let html = fs::read_to_string(&file).unwrap();
    stands_alone(&html);
    assert!(html.contains("No series was found"));
    assert!(!html.contains("another patient"));
}

#[test]
fn a_page_that_cannot_be_written_is_told_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::create_dir(place("folder.html")).unwrap();
    write(&Scan::new(1, 60, 192, 12.0), &place("a"));
    for (file, what) in [
        (place("report.pdf"), "is not the name of an HTML page"),
        (place("nowhere/report.html"), "cannot be written"),
        (place("folder.html"), "cannot be written"),
    ] {
        let option = file.display().to_string();
        let ran = analyze(&["--report", &option], &[&place("a")]);
        assert_eq!(ran.status.code(), Some(2), "{}", errors(&ran));
        assert!(errors(&ran).contains(what), "{}", errors(&ran));
        assert!(ran.stdout.is_empty(), "the series was triaged all the same");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn of_many_lesions_and_files_the_first_are_named_and_the_rest_counted() {
    let lesions = (0..30_u8)
        .map(|index| f64::from(40 - index))
        .collect::<Vec<_>>();
    let told = Told::new("quiet", &lesions);
    let html = told.page();
    stands_alone(&html);
    assert_eq!(html.matches("<td>").count(), 8);
    assert!(html.contains("<td>right lower</td><td class=\"number\">40.0</td>"));
    // 32 + 31 + … + 11.
    assert!(html.contains("and 22 more, 473.0 ml together"));
    assert!(html.contains("and 99 more"));
    let none = Told::new("quiet", &[]);
    assert!(none.page().contains("No lesion was marked."));
}

#[test]
fn the_same_finding_gives_the_same_page() {
    let told = Told::new("a <b> & 'c'", &[3.0, 2.0]);
    assert_eq!(told.page(), told.page());
}

proptest! {
    /// Whatever stands in the files: the elements and attributes are those of a harmless page.
    #[test]
    fn no_text_of_a_file_becomes_markup(text in r#"[a-z<>"'&;/=!\-\[\]() \x00-\x1f\u{80}-\u{2fff}]{1,60}"#) {
        let hostile = Told::new(&format!("x{text}"), &[3.0]).page();
        stands_alone(&hostile);
        prop_assert_eq!(skeleton(&hostile), skeleton(&Told::new("x", &[3.0]).page()));
    }
}

#[test]
fn known_attacks_leave_no_markup() {
    let harmless = skeleton(&Told::new("x", &[3.0]).page());
    for attack in [
        HOSTILE,
        "</title></style></bdi></section><svg onload=alert(1)>",
        "javascript:alert(1)",
        "<a href=\"http://example.org/\">x</a>",
        "]]><![CDATA[<x>",
        "<\0script>",
        "\u{202e}gnp.<b>",
        "&lt;b&gt;",
    ] {
        let html = Told::new(attack, &[3.0]).page();
        assert_eq!(skeleton(&html), harmless, "{attack}");
        stands_alone(&html);
        assert!(!html.contains(['\0', '\u{202e}']));
    }
}

// ---- helpers -----------------------------------------------------------------------------------------------------

/// A series whose every text is `text`.
struct Told {
    text: String,
    payload: FindingPayload,
    header: Header,
    report: Report,
    volume: Volume,
    model: ModelManifest,
}

impl Told {
    fn new(text: &str, lesions_ml: &[f64]) -> Told {
        let own = || text.to_owned();
        let key = SeriesKey(Uid::parse("1.2.3").unwrap());
        let percent = |value| Percent::new(value).unwrap();
        let ml = |value| Millilitre::new(value).unwrap();
        let mut model =
            ModelManifest::parse(include_str!("../models/covid-ct-1.1.0.toml")).unwrap();
        for field in [
            &mut model.name,
            &mut model.version,
            &mut model.licence,
            &mut model.data,
            &mut model.intended_use,
        ] {
            *field = own();
        }
        let zones = ["right-upper", "left-lower"].map(|zone| ZonePayload {
            zone: zone.to_owned(),
            burden_percent: 4.0,
        });
        Told {
            text: own(),
            payload: FindingPayload {
                outcome: own(),
                // A series has a reason or a lesion; here both, so that both are written.
                reason: Some(ReasonPayload {
                    code: own(),
                    text: own(),
                    remedy: own(),
                }),
                priority: Some(Priority::Urgent),
                score: Some(0.5),
                intended_use: IntendedUse::Detection,
                identity: IdentityPayload {
                    pseudonym: Pseudonym::from_mac(&[1; 32]),
                    accession: Some(own()),
                    patient: Some(PatientPayload {
                        name: own(),
                        id: own(),
                        birth_date: own(),
                    }),
                },
                series: SeriesPayload {
                    modality: own(),
                    instances: 3,
                    spacing_mm: Some([1.0, 0.5, 0.5]),
                    acquired: Some(own()),
                    description_code: Some(own()),
                },
                lesion: Some(LesionPayload {
                    burden_percent: 5.0,
                    burden_interval_percent: [1.0, 9.0],
                    volume_ml: 200.0,
                    lung_volume_ml: 4000.0,
                    count: 1,
                    zones: zones.to_vec(),
                }),
                comparison: Some(ComparisonPayload {
                    prior_finding_id: FindingId::derive(&key, "model", &[0; 32]),
                    days: 1,
                    burden_change_points: -2.0,
                    direction: Direction::Improving,
                    dead_band_points: 1.0,
                    zones: Vec::new(),
                    registration: None,
                    note: Some(own()),
                }),
                quality: Some(vec![own()]),
                late: false,
                supersedes: None,
                timing: Some(TimingPayload {
                    last_instance_at: own(),
                    complete_at: own(),
                    compute_ms: 100,
                    queued_ms: 0,
                }),
                model: Some(ModelPayload {
                    name: own(),
                    version: own(),
                    digest: own(),
                    epoch: 0,
                    backend: own(),
                }),
                notice: own(),
            },
            header: header(text, key),
            report: Report {
                burden: percent(5.0),
                burden_interval: [percent(1.0), percent(9.0)],
                burden_of_side: [percent(5.0); 2],
                lesion_volume: ml(200.0),
                lung_volume: ml(4000.0),
                lesions: lesions_ml
                    .iter()
                    .map(|volume| Lesion {
                        volume: ml(*volume),
                        centre: [1, 2, 3],
                        side: Side::Right,
                        mean_hu: -600.0,
                    })
                    .collect(),
                zones: Vec::new(),
                score: 0.5,
            },
            volume: Volume {
                hu: Grid3::filled([12, 8, 8], 0),
                spacing: Spacing::isotropic(2.8).unwrap(),
                origin: [0.0; 3],
                axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
                histogram: [0; HISTOGRAM_BINS],
            },
            model,
        }
    }

    fn page(&self) -> String {
        let texts = [self.text.clone()];
        let section = section(&ReportedSeries {
            payload: &self.payload,
            header: &self.header,
            place: &self.text,
            found: Some(FoundLesions {
                report: &self.report,
                volume: &self.volume,
                lungs: Region {
                    start: [0; 3],
                    size: [12, 8, 8],
                },
                quality: &[Quality::LungsCutOff],
            }),
            picture: Some(b"\x89PNG"),
            notes: &texts,
            stages: &[],
            model: &self.model,
        });
        let left_out = LeftOutFile {
            file: self.text.clone(),
            reason: self.text.clone(),
        };
        page(
            &[section],
            &About {
                version: "0.1.0",
                made_at: WallTime::from_unix_millis(0),
                model: &self.model,
                limits: &texts,
                left_out: &[left_out],
                left_out_count: 100,
                series_left_out: 0,
            },
        )
    }
}

fn header(text: &str, series: SeriesKey) -> Header {
    let own = || Some(text.to_owned());
    Header {
        series,
        study: None,
        instance: None,
        frame_of_reference: None,
        sop_class: None,
        transfer_syntax: text.to_owned(),
        modality: text.to_owned(),
        image_type: Vec::new(),
        rows: 8,
        columns: 8,
        pixel_spacing: [0.5; 2],
        slice_thickness: None,
        instance_number: None,
        acquisition_number: None,
        series_number: None,
        body_part: own(),
        kernel: own(),
        series_description: own(),
        device: own(),
        acquired: None,
        accession: own().map(Redacted::new),
        patient: Redacted::new(Patient::default()),
    }
}

/// The page has no script, asks for nothing, and holds only elements and attributes that it should.
fn stands_alone(html: &str) {
    let policy = "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\"";
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "));
    assert!(html.contains(policy));
    let style = &html[html.find("<style>").unwrap()..html.find("</style>").unwrap()];
    for word in ["url(", "@import", "http", "//", "<!--"] {
        assert!(!style.contains(word), "{word} in the style");
    }
    for tag in tags(html) {
        let name = tag.trim_start_matches('/');
        let end = name.find(|letter: char| !letter.is_ascii_alphanumeric());
        let name = &name[..end.unwrap_or(name.len())];
        assert!(
            ELEMENTS.contains(&name) || tag == "!DOCTYPE html",
            "<{tag}>"
        );
        let attributes = tag.split('"').step_by(2).skip_while(|part| part.is_empty());
        for part in attributes {
            let key = part.rsplit([' ', '=']).find(|word| !word.is_empty());
            let key = key.unwrap_or_default();
            assert!(
                !key.starts_with("on") && key != "href" && key != "style",
                "<{tag}>"
            );
        }
        for (at, _) in tag.match_indices("src=") {
            assert!(
                tag[at..].starts_with("src=\"data:image/png;base64,"),
                "<{tag}>"
            );
        }
    }
}

/// What stands between `<` and `>`, the style's own text apart.
fn tags(html: &str) -> Vec<&str> {
    let (before, rest) = html.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let pieces = before.split('<').skip(1).chain(after.split('<').skip(1));
    pieces
        .map(|piece| piece.split_once('>').unwrap().0)
        .collect()
}

/// The tags in their order; texts are left out.
fn skeleton(html: &str) -> Vec<String> {
    tags(html).into_iter().map(str::to_owned).collect()
}

/// The picture in the page.
fn picture(html: &str) -> Option<Vec<u8>> {
    let (_, rest) = html.split_once("data:image/png;base64,")?;
    let (code, _) = rest.split_once('"')?;
    base64::engine::general_purpose::STANDARD.decode(code).ok()
}

fn write(scan: &Scan, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (index, bytes) in scan.files().iter().enumerate() {
        fs::write(folder.join(format!("{index:03}.dcm")), bytes).unwrap();
    }
}

/// Runs the built program with the repository's model.
fn analyze(options: &[&str], paths: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(["analyze", "--model"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))
        .args(options)
        .args(paths)
        .output()
        .unwrap()
}

fn errors(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

/// Leaves a page where somebody asked for it.
fn keep(name: &str, html: &str) {
    if let Some(folder) = std::env::var_os("SCANWARD_REPORT_FOLDER") {
        fs::write(Path::new(&folder).join(name), html).unwrap();
    }
}

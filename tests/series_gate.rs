//! Which series pass the rules and the geometry gate, and why the others do not.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of this test stop at the first thing that is not as it should be"
)]

#[path = "common/ct.rs"]
mod ct;

use ct::{header_of, image};
use std::path::PathBuf;

use scanward::dicom::{Header, ReadLimits, read};
use scanward::refusal::Refusal;
use scanward::series::{
    SeriesLimits, SeriesRules, SliceGeometry, choose, gate, is_complete_geometry, left_out_for,
    rank, same_scan,
};

#[test]
fn the_real_series_pass_with_two_millimetres_and_the_feet_first() {
    for (case, slices, bottom) in [("P002", 133, -437.7), ("normal001", 154, -330.5)] {
        let Some((headers, places)) = real_series(case) else {
            return;
        };
        assert_eq!(headers.len(), slices);
        for header in &headers {
            assert_eq!(choose(header, &SeriesRules::default()), Ok(()), "{case}");
        }
        let geometry = gate(&places, &SeriesLimits::default()).unwrap();
        assert!((geometry.step_mm - 2.0).abs() < 1e-6, "{case}");
        assert!((geometry.origin[2] - bottom).abs() < 1e-6, "{case}");
        assert!(!geometry.flip_x && !geometry.flip_y);
        // Descending z is ascending Instance Number, so feet first is descending Instance Number.
        let numbers: Vec<_> = geometry
            .order
            .iter()
            .map(|i| headers[*i].instance_number.unwrap())
            .collect();
        assert!(numbers.is_sorted_by(|a, b| a > b), "{case}: {numbers:?}");
    }
}

#[test]
fn each_broken_geometry_is_refused_with_its_own_reason() {
    check("whole", |_| {}, Ok(()));
    check("order of arrival", |slices| slices.reverse(), Ok(()));
    check(
        "jitter of 0.04 mm",
        |slices| slices[9].position[2] += 0.04,
        Ok(()),
    );
    check("no slices", Vec::clear, Err("too-short"));
    check("one slice", |slices| slices.truncate(1), Err("too-short"));
    check(
        "half a chest",
        |slices| slices.truncate(50),
        Err("too-short"),
    );
    check(
        "slice missing",
        |slices| {
            slices.remove(40);
        },
        Err("geometry-gap"),
    );
    check(
        "slice twice",
        |slices| slices.push(slices[7]),
        Err("geometry-duplicate"),
    );
    check(
        "step uneven",
        |slices| slices[9].position[2] += 0.3,
        Err("spacing-uneven"),
    );
    check(
        "other rows",
        |slices| slices[3].rows = 256,
        Err("size-mixed"),
    );
    check(
        "other zoom",
        |slices| slices[3].row_spacing = 0.71,
        Err("size-mixed"),
    );
    check(
        "other centre",
        |slices| slices[3].position[0] += 20.0,
        Err("size-mixed"),
    );
    check(
        "other orientation",
        |slices| slices[3].orientation = turned_x(3.0),
        Err("orientation-mixed"),
    );
    check(
        "coronal",
        |slices| each(slices, |s| s.orientation = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]),
        Err("not-axial"),
    );
    check(
        "head turned by 30 degrees",
        |slices| {
            each(slices, |s| {
                let (sin, cos) = 30f64.to_radians().sin_cos();
                s.orientation = [cos, sin, 0.0, -sin, cos, 0.0];
            })
        },
        Err("not-axial"),
    );
    check(
        "gantry tilted by 5 degrees",
        |slices| each(slices, |s| s.orientation = turned_x(5.0)),
        Err("gantry-tilt"),
    );
    check(
        "steps of 12 mm",
        |slices| each(slices, |s| s.position[2] *= 6.0),
        Err("slices-too-thick"),
    );
    check(
        "tiny pixels",
        |slices| each(slices, |s| (s.row_spacing, s.column_spacing) = (0.1, 0.1)),
        Err("spacing-implausible"),
    );
    check(
        "narrow view",
        |slices| each(slices, |s| s.columns = 128),
        Err("spacing-implausible"),
    );
    check(
        "too many",
        |slices| *slices = vec![slices[0]; 2001],
        Err("series-too-large"),
    );
}

#[test]
fn a_gap_names_both_of_its_edges() {
    let mut slices = chest();
    slices.remove(40);
    let expected = Refusal::GeometryGap {
        from_mm: 78.0,
        to_mm: 82.0,
    };
    assert_eq!(gate(&slices, &SeriesLimits::default()), Err(expected));
}

#[test]
fn an_oblique_stack_without_shear_is_not_axial() {
    let mut slices = chest();
    let (sin, cos) = 20f64.to_radians().sin_cos();
    for (index, slice) in slices.iter_mut().enumerate() {
        let height = 2.0 * index as f64;
        slice.orientation = turned_x(20.0);
        slice.position = [-180.0, -180.0 - height * sin, height * cos];
    }
    assert_eq!(
        gate(&slices, &SeriesLimits::default()),
        Err(Refusal::NotAxial)
    );
}

#[test]
fn a_patient_lying_prone_or_feet_first_is_turned_to_canonical_axes() {
    let mut slices = chest();
    for slice in &mut slices {
        slice.orientation = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0];
        slice.position = [180.0, 180.0, slice.position[2]];
    }
    let geometry = gate(&slices, &SeriesLimits::default()).unwrap();
    assert!(geometry.flip_x && geometry.flip_y);
    let reach = 511.0 * 0.7;
    let axes = geometry
        .axes
        .map(|axis| axis.map(|part| part.round().abs()));
    let upright = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
    let apart = axes.iter().flatten().zip(upright.iter().flatten());
    assert!(apart.into_iter().all(|(a, b)| (a - b).abs() < 1e-9));
    assert!(
        geometry
            .axes
            .iter()
            .all(|axis| axis.iter().all(|part| *part > -1e-9))
    );
    for (found, expected) in geometry
        .origin
        .iter()
        .zip([180.0 - reach, 180.0 - reach, 0.0])
    {
        assert!((found - expected).abs() < 1e-9, "{:?}", geometry.origin);
    }
}

#[test]
fn a_series_is_complete_once_its_gap_has_closed() {
    let mut slices = chest();
    let late = slices.remove(40);
    let limits = SeriesLimits::default();
    assert!(!is_complete_geometry(&slices, &limits));
    slices.push(late);
    assert!(is_complete_geometry(&slices, &limits));
}

#[test]
fn each_rule_leaves_out_what_it_names() {
    for (change, expected) in [
        ((|_| {}) as fn(&mut Header), Ok(())),
        (|h| h.image_type = Vec::new(), Ok(())),
        (
            |h| h.image_type = types("ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
            Ok(()),
        ),
        (
            |h| h.image_type = types("ORIGINAL\\PRIMARY\\LOCALIZER"),
            Err("localizer"),
        ),
        (
            |h| h.image_type = types("DERIVED\\SECONDARY\\REFORMATTED"),
            Err("require_original_primary_axial"),
        ),
        (
            |h| h.image_type = types("ORIGINAL\\PRIMARY\\CORONAL"),
            Err("require_original_primary_axial"),
        ),
        (
            |h| h.slice_thickness = Some(8.0),
            Err("slice_thickness_max_mm"),
        ),
        (|h| h.slice_thickness = None, Ok(())),
        (|h| h.body_part = Some("head".into()), Err("body_part_deny")),
        (|h| h.body_part = Some("ABDOMEN".into()), Ok(())),
        (
            |h| h.series_description = Some("Thorax MIP 8.0".into()),
            Err("description_deny"),
        ),
        (
            |h| h.series_description = Some("Chest 1.0 emipenem".into()),
            Ok(()),
        ),
        (|h| h.modality = "PT".into(), Err("not-ct")),
    ] {
        let mut header = header("1.2.3.5");
        change(&mut header);
        let found = choose(&header, &SeriesRules::default());
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(Refusal::SeriesRule { rule, .. }), Err(name)) => assert_eq!(rule, name),
            (Err(refusal), Err(code)) => assert_eq!(refusal.code(), code),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }
}

#[test]
fn a_kernel_that_the_settings_deny_is_left_out() {
    let rules = SeriesRules {
        kernel_deny: vec!["b40".to_owned()],
        ..SeriesRules::default()
    };
    let refusal = choose(&header("1.2.3.5"), &rules).unwrap_err();
    assert_eq!(refusal.code(), "series-rule");
}

#[test]
fn the_thin_soft_reconstruction_of_a_scan_is_taken_whatever_came_first() {
    let recon = |series, thickness, kernel: &str| Header {
        slice_thickness: Some(thickness),
        kernel: Some(kernel.to_owned()),
        ..header(series)
    };
    let thick = recon("1.1", 5.0, "B31f");
    let sharp = recon("1.2", 1.0, "B70f");
    let soft = recon("1.3", 1.5, "B31f");
    let softer_thick = recon("1.4", 3.0, "B31f");
    assert_eq!(rank(&[&thick, &sharp, &soft, &softer_thick]), [2, 3, 1, 0]);
    assert_eq!(rank(&[&softer_thick, &soft, &sharp, &thick]), [1, 0, 2, 3]);
    assert!(same_scan(&thick, &soft));
    let unknown = Header {
        frame_of_reference: None,
        ..soft.clone()
    };
    assert!(!same_scan(&unknown, &unknown));
    assert!(
        matches!(left_out_for(&soft), Refusal::SeriesRule { rule, .. } if rule == "best-reconstruction")
    );
}

fn check(what: &str, change: impl FnOnce(&mut Vec<SliceGeometry>), expected: Result<(), &str>) {
    let mut slices = chest();
    change(&mut slices);
    let found = gate(&slices, &SeriesLimits::default());
    let found = found.map(drop).map_err(|refusal| refusal.code());
    assert_eq!(found, expected, "{what}");
}

/// 150 slices of 512² pixels of 0.7 mm, 2 mm apart.
fn chest() -> Vec<SliceGeometry> {
    let slice = |index: u32| SliceGeometry {
        position: [-180.0, -180.0, 2.0 * f64::from(index)],
        orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        rows: 512,
        columns: 512,
        row_spacing: 0.7,
        column_spacing: 0.7,
    };
    (0..150).map(slice).collect()
}

fn each(slices: &mut [SliceGeometry], change: impl Fn(&mut SliceGeometry)) {
    slices.iter_mut().for_each(change);
}

fn turned_x(degrees: f64) -> [f64; 6] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [1.0, 0.0, 0.0, 0.0, cos, sin]
}

fn types(text: &str) -> Vec<String> {
    text.split('\\').map(str::to_owned).collect()
}

fn header(series: &str) -> Header {
    header_of(&image(series, &[0; 4]))
}

/// Headers and places of a real series in the order of file names; without it the test fails in CI and skips elsewhere.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find their data by the environment"
)]
fn real_series(case: &str) -> Option<(Vec<Header>, Vec<SliceGeometry>)> {
    let root = std::env::var("SCANWARD_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = root.join("dicom").join(case);
    if !folder.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no {case}");
        eprintln!("skipped: {} is missing", folder.display());
        return None;
    }
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let series = paths.iter().map(|path| {
        let bytes = std::fs::read(path).unwrap();
        let instance = read(&bytes, &ReadLimits::default());
        let instance = instance.unwrap_or_else(|refusal| panic!("{refusal}"));
        (
            instance.header().clone(),
            instance.frame_geometry(0).unwrap(),
        )
    });
    Some(series.collect())
}

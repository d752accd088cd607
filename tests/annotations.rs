//! Segmentations that come back: what is read of them, how they land on a finding's grid, why they are refused, and what the
//! store makes of them before and after the verdict, across power cuts.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files"
)]

#[path = "common/segs.rs"]
mod segs;
#[path = "common/sweep_disk.rs"]
mod sweep_disk;

use scanward::annotation::{
    AnnotationSettings, CorrectedMask, corrected, lesion_segments, read_limits, resampled, target,
};
use scanward::dicom::{Segmentation, read_segmentation};
use scanward::ids::{FindingId, Pseudonym, SeriesKey, Uid};
use scanward::refusal::AnnotationRefusal;
use scanward::store::{
    AnnotationLimits, AnnotationRow, AnnotationState, Closing, Correction, FileMark, FindingRecord,
    GridRecord, LabelLimits, LabelRow, PathDigest, ReviewChange, SeriesRecord, SeriesState, Store,
    StoreError, VerdictRecord,
};
use scanward::trust::{KeyId, Signature};
use scanward::units::WallTime;
use scanward::volume::Grid3;
use segs::{Named, Pixels, Seg};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use sweep_disk::SweepDisk;

// Reading.

#[test]
fn every_way_of_writing_the_same_marks_reads_the_same() {
    // Frames of 15 pixels: none but the first begins with a byte.
    let marks = marks(4, 3, 5, |z, y, x| (z + 2 * y + x) % 3 == 0);
    let binary = Seg::binary("1.2.3", [3, 5], &marks);
    let implicit = Seg {
        explicit: false,
        transfer_syntax: "1.2.840.10008.1.2",
        ..binary.clone()
    };
    let fractional = binary.clone().fractional(&marks);
    let runs = marks.iter().map(|frame| run_lengths(frame)).collect();
    let rle = Seg {
        transfer_syntax: "1.2.840.10008.1.2.5",
        pixels: Some(Pixels::Fragments(runs)),
        ..fractional.clone()
    };
    for seg in [binary, implicit, fractional, rle] {
        let file = seg.file();
        let read = parse(&file).unwrap();
        assert_eq!(read.series, [key("1.2.3")]);
        assert_eq!(read.frame_of_reference, Some(Uid::parse("1.9.9").unwrap()));
        assert_eq!((read.size(), read.frames.len()), ([3, 5], 4));
        let drawn = WallTime::from_civil(2026, 11, 23, (10 * 60 + 15) * 60_000);
        assert_eq!(read.drawn, drawn);
        for (index, expected) in marks.iter().enumerate() {
            let mut found = vec![false; 15];
            read.mark(index, &mut found).unwrap();
            assert_eq!(&found, expected, "frame {index} of {seg:?}");
        }
    }
}

#[test]
fn each_reason_to_refuse_has_a_file_that_meets_it() {
    let mut met = BTreeSet::new();
    let mut meets = |code: &'static str, bytes: &[u8]| {
        let found = outcome(bytes, &[record(Some(grid()))]);
        assert_eq!(found.unwrap_err().code(), code);
        met.insert(code);
    };
    let good = good();
    let with = |change: &dyn Fn(&mut Seg)| {
        let mut seg = good.clone();
        change(&mut seg);
        seg.file()
    };
    let file = good.file();
    assert!(outcome(&file, &[record(Some(grid()))]).is_ok());
    for garbage in [&b""[..], b"hello", b"NRRD0004", &[0; 200]] {
        meets("not-dicom", garbage);
    }
    meets("truncated", &file[..file.len() - 3]);
    meets("truncated", &with(&|seg| seg.pixels = None));
    let short = Some(Pixels::Native(vec![0; 4]));
    meets("truncated", &with(&|seg| seg.pixels = short.clone()));
    meets(
        "not-segmentation",
        &with(&|seg| seg.class = "1.2.840.10008.5.1.4.1.1.2"),
    );
    meets(
        "not-segmentation",
        &with(&|seg| seg.class = "1.2.840.10008.5.1.4.1.1.66.7"),
    );
    meets("not-segmentation", &with(&|seg| seg.kind = "LABELMAP"));
    for syntax in [
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.2",
        "9.9",
    ] {
        let changed = with(&|seg| {
            seg.transfer_syntax = syntax;
            seg.pixels = Some(Pixels::Fragments(vec![vec![0, 0]; 2]));
        });
        // Explicit big endian is told from the bytes, which are little endian here.
        if syntax != "1.2.840.10008.1.2.2" {
            meets("transfer-syntax", &changed);
        }
    }
    meets("pixel-format", &with(&|seg| seg.bits = 8));
    meets("pixel-format", &with(&|seg| seg.kind = "FRACTIONAL"));
    for number in ["0", "-1", "", "x"] {
        meets(
            "malformed",
            &with(&|seg| seg.number_of_frames = number.to_owned()),
        );
    }
    meets("malformed", &with(&|seg| seg.rows = 0));
    meets("malformed", &with(&|seg| seg.segments.clear()));
    meets("malformed", &with(&|seg| seg.frames[1].0 = 7));
    meets("malformed", &with(&|seg| seg.pixel_spacing = [0.0, 1.0]));
    meets(
        "malformed",
        &with(&|seg| seg.orientation = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
    );
    meets(
        "too-large",
        &with(&|seg| seg.number_of_frames = "99999999".to_owned()),
    );
    meets("too-large", &with(&|seg| seg.rows = 60_000));
    let (sine, cosine) = 3.0_f64.to_radians().sin_cos();
    let oblique = [cosine, 0.0, sine, 0.0, 1.0, 0.0];
    meets("geometry", &with(&|seg| seg.orientation = oblique));
    meets(
        "geometry",
        &with(&|seg| {
            seg.step = Some(500.0);
            seg.frames
                .iter_mut()
                .for_each(|(_, place)| place[2] *= 500.0);
        }),
    );
    meets(
        "segment-unclear",
        &with(&|seg| {
            seg.segments
                .push(Named(2, "Segment_2", ["SCT", "85756007"]));
        }),
    );
    meets("segment-unclear", &with(&|seg| seg.segments[0].1 = "Lungs"));
    let nothing = Some(Pixels::Native(vec![0; 64]));
    meets("empty", &with(&|seg| seg.pixels = nothing.clone()));
    meets(
        "outside",
        &with(&|seg| {
            seg.frames
                .iter_mut()
                .for_each(|(_, place)| place[0] += 900.0)
        }),
    );
    meets(
        "frame-of-reference",
        &with(&|seg| seg.frame_of_reference = "1.8".to_owned()),
    );
    for (code, found) in [
        ("no-finding", vec![]),
        (
            "several-findings",
            vec![record(Some(grid())), record(Some(grid()))],
        ),
        ("no-grid", vec![record(None)]),
    ] {
        assert_eq!(outcome(&file, &found).unwrap_err().code(), code);
        met.insert(code);
    }
    // The store's own two, below.
    met.extend(["older", "no-verdict"]);
    let all: BTreeSet<&str> = AnnotationRefusal::all()
        .iter()
        .map(AnnotationRefusal::code)
        .collect();
    assert_eq!(met, all);
}

#[test]
fn a_segmentation_cut_at_any_length_or_with_changed_bytes_never_panics() {
    let marks = marks(3, 4, 4, |z, _, x| z == x);
    let binary = Seg::binary("1.2.3", [4, 4], &marks);
    let fractional = binary.clone().fractional(&marks);
    let rle = Seg {
        transfer_syntax: "1.2.840.10008.1.2.5",
        pixels: Some(Pixels::Fragments(
            marks.iter().map(|frame| run_lengths(frame)).collect(),
        )),
        ..fractional.clone()
    };
    let found = [record(Some(grid()))];
    for file in [binary.file(), fractional.file(), rle.file()] {
        for length in 0..file.len() {
            assert!(outcome(&file[..length], &found).is_err(), "cut at {length}");
        }
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
        };
        for _ in 0..10_000 {
            let mut damaged = file.clone();
            for _ in 0..=next(8) {
                let at = next(damaged.len());
                damaged[at] = u8::try_from(next(256)).unwrap();
            }
            let _ = outcome(&damaged, &found);
        }
    }
}

#[test]
fn a_segmentation_of_dcmqi_reads_as_pydicom_reads_it_and_one_deflated_by_frame_is_refused() {
    let Some(folder) = samples() else { return };
    let bytes = fs::read(folder.join("dcmqi-24x38x3-label.seg")).unwrap();
    let read = parse(&bytes).unwrap();
    assert_eq!(read.size(), [38, 24]);
    assert_eq!((read.series.len(), read.segments.len()), (1, 1));
    let kind = read.segments[0].kind.clone().unwrap();
    assert_eq!(
        (kind.scheme.as_str(), kind.value.as_str()),
        ("SRT", "T-62000")
    );
    assert!((read.step_mm.unwrap() - 2.5).abs() < 1e-9);
    assert!((read.frames[2].geometry.position[2] + 172.75).abs() < 1e-9);
    let mut sum = Sha256::new();
    for index in 0..3 {
        let mut marked = vec![false; 38 * 24];
        read.mark(index, &mut marked).unwrap();
        marked.iter().for_each(|on| sum.update([u8::from(*on)]));
    }
    let hex: String = sum
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let pydicom = "824be3baed056f543d5084e9101f6f16ddf19b1f310b5e18c202c08fba871f19";
    assert_eq!(hex, pydicom);
    // It is a liver.
    let lesions = lesion_segments(&read.segments, &AnnotationSettings::usual_words());
    assert_eq!(lesions, Err(AnnotationRefusal::SegmentUnclear));
    let deflated = fs::read(folder.join("liver_deflate.dcm")).unwrap();
    assert_eq!(
        parse(&deflated).unwrap_err(),
        AnnotationRefusal::TransferSyntax
    );
}

// Landing on the grid.

#[test]
fn a_voxel_is_lesion_when_half_of_it_is_marked() {
    // Voxels of 2 mm; the pixels of 1 mm fill the first along x to a half, the second to none, the third whole.
    let grid = GridRecord {
        shape: [1, 1, 3],
        spacing_mm: [2.0, 2.0, 2.0],
        ..grid()
    };
    let row = [true, false, false, false, true, true];
    let marks = vec![row.repeat(2), row.repeat(2)];
    let seg = |marks: &[Vec<bool>]| {
        let mut seg = Seg::binary("1.2.3", [2, 6], marks);
        // Voxel 0, 0, 0 has its centre in the corner of eight pixels.
        let place = |z: f64| [-0.5, -0.5, z - 0.5];
        seg.frames = vec![(1, place(0.0)), (1, place(1.0))];
        seg
    };
    let found = land(&seg(&marks), &[1], &grid).unwrap();
    assert_eq!(found.values(), [1, 0, 1]);
    // One pixel less in one plane: less than half.
    let mut fewer = marks;
    fewer[0][0] = false;
    assert_eq!(land(&seg(&fewer), &[1], &grid).unwrap().values(), [0, 0, 1]);
}

#[test]
fn any_spacing_order_of_slices_and_turn_lands_where_it_lies() {
    let target = GridRecord {
        shape: [9, 10, 11],
        spacing_mm: [2.8, 2.8, 2.8],
        origin_mm: [-14.3, -12.1, 3.7],
        ..grid()
    };
    let blob = |[x, y, z]: [f64; 3]| {
        ((x + 1.0) / 9.0).powi(2) + (y / 7.0).powi(2) + ((z - 15.0) / 8.0).powi(2) <= 1.0
    };
    let axial = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    for (orientation, spacing, step) in [
        (axial, [0.7, 0.7], 1.0),
        (axial, [0.9, 0.6], 5.0),
        // Rows from back to front, columns from left to right: as a patient on the belly is written.
        ([-1.0, 0.0, 0.0, 0.0, -1.0, 0.0], [0.7, 0.8], 1.3),
        // Feet up.
        ([1.0, 0.0, 0.0, 0.0, -1.0, 0.0], [0.7, 0.8], 1.3),
        // Coronal and sagittal reformats of the same series.
        ([1.0, 0.0, 0.0, 0.0, 0.0, -1.0], [0.7, 0.8], 1.3),
        ([0.0, 1.0, 0.0, 0.0, 0.0, -1.0], [0.7, 0.8], 1.3),
    ] {
        let drawn = drawn(orientation, spacing, step, [60, 50, 60], &blob);
        let found = land(&drawn.seg, &[1], &target).unwrap();
        let expected = expected(&drawn, &target);
        assert_eq!(found, expected, "{orientation:?}");
        let volume = found.values().iter().filter(|value| **value != 0).count();
        // A ball of 9 x 7 x 8 mm has 2.1 ml: 96 voxels of 2.8 mm.
        assert!((86..=106).contains(&volume), "{volume} voxels");
    }
}

#[test]
fn slices_that_were_left_out_because_they_are_empty_change_nothing() {
    let marks = marks(9, 6, 6, |z, y, x| (3..5).contains(&z) && y > 1 && x > 2);
    let whole = Seg::binary("1.2.3", [6, 6], &marks);
    let sparse = Seg {
        frames: whole.frames[3..5].to_vec(),
        number_of_frames: "2".to_owned(),
        step: None,
        pixels: Some(Pixels::Native(segs::packed(&marks[3..5]))),
        ..whole.clone()
    };
    let target = GridRecord {
        shape: [9, 6, 6],
        spacing_mm: [1.0; 3],
        ..grid()
    };
    let one = land(&whole, &[1], &target).unwrap();
    assert_eq!(land(&sparse, &[1], &target).unwrap(), one);
    // A single plane takes the series' own step.
    let single = Seg {
        frames: whole.frames[3..4].to_vec(),
        number_of_frames: "1".to_owned(),
        pixels: Some(Pixels::Native(segs::packed(&marks[3..4]))),
        ..sparse
    };
    let found = land(&single, &[1], &target).unwrap();
    assert_eq!(found.plane(3), one.plane(3));
    assert!(found.plane(4).iter().all(|value| *value == 0));
}

#[test]
fn several_lesion_segments_are_one_mask_and_the_organ_beside_them_is_not() {
    let planes = [
        vec![true, false, false],
        vec![true, true, false],
        vec![false, false, true],
    ];
    let mut seg = Seg::binary("1.2.3", [1, 3], &planes);
    let here = [0.0; 3];
    seg.frames = vec![(1, here), (2, here), (3, here)];
    seg.segments = vec![
        Named(1, "GGO 1", ["SCT", "85756007"]),
        Named(2, "x", ["SCT", "52988006"]),
        Named(3, "Left lung", ["SCT", "44029006"]),
    ];
    let record = record(Some(GridRecord {
        shape: [1, 1, 3],
        spacing_mm: [1.0; 3],
        ..grid()
    }));
    let packed = outcome(&seg.file(), &[record]).unwrap();
    let mask = CorrectedMask::unpack(&packed).unwrap();
    assert_eq!(mask.mask.values(), [1, 1, 0]);
}

// The store.

#[test]
fn a_mask_waits_for_its_verdict_or_finds_it_there() {
    for verdict_first in [false, true] {
        let mut store = SweepDisk::default().open().unwrap();
        begin(&mut store).unwrap();
        if verdict_first {
            sign(&mut store, 1, "correct").unwrap();
            assert_eq!(take(&mut store, "a", None).unwrap(), AnnotationState::Kept);
        } else {
            assert_eq!(take(&mut store, "a", None).unwrap(), AnnotationState::Waits);
            sign(&mut store, 1, "confirm").unwrap();
            assert_eq!(state(&mut store, "a"), AnnotationState::Waits);
            assert_eq!(corrections(&mut store), [None]);
            sign(&mut store, 2, "correct").unwrap();
        }
        assert_eq!(state(&mut store, "a"), AnnotationState::Kept);
        let last = corrections(&mut store).pop().unwrap();
        assert_eq!(last.as_deref(), Some(&b"mask a"[..]));
        // The same content under another name changes nothing.
        assert_eq!(take(&mut store, "a", None).unwrap(), AnnotationState::Kept);
        // A rejection carries no mask; the correction before it still does.
        sign(&mut store, 3, "reject").unwrap();
        let all = corrections(&mut store);
        assert_eq!(all.last(), Some(&None));
        assert_eq!(all.iter().flatten().count(), 1);
    }
}

#[test]
fn of_two_masks_the_one_drawn_last_is_kept_whichever_came_first() {
    for signed in [false, true] {
        let mut store = SweepDisk::default().open().unwrap();
        begin(&mut store).unwrap();
        if signed {
            sign(&mut store, 1, "correct").unwrap();
        }
        take(&mut store, "second", Some(20)).unwrap();
        let older = take(&mut store, "first", Some(10)).unwrap();
        assert_eq!(older, refused("older"));
        take(&mut store, "third", Some(30)).unwrap();
        assert_eq!(state(&mut store, "second"), AnnotationState::Replaced);
        // Without a time the one that came last counts.
        take(&mut store, "fourth", None).unwrap();
        assert_eq!(state(&mut store, "third"), AnnotationState::Replaced);
        if !signed {
            sign(&mut store, 1, "correct").unwrap();
        }
        assert_eq!(state(&mut store, "fourth"), AnnotationState::Kept);
        let kept = corrections(&mut store).pop().unwrap();
        assert_eq!(kept.as_deref(), Some(&b"mask fourth"[..]));
    }
}

#[test]
fn a_newer_mask_that_waits_leaves_the_older_one_with_its_label_until_it_is_signed() {
    let mut store = SweepDisk::default().open().unwrap();
    begin(&mut store).unwrap();
    sign(&mut store, 1, "correct").unwrap();
    take(&mut store, "a", None).unwrap();
    sign(&mut store, 2, "confirm").unwrap();
    assert_eq!(take(&mut store, "b", None).unwrap(), AnnotationState::Waits);
    assert_eq!(corrections(&mut store)[0].as_deref(), Some(&b"mask a"[..]));
    sign(&mut store, 3, "correct").unwrap();
    assert_eq!(state(&mut store, "a"), AnnotationState::Replaced);
    assert_eq!(state(&mut store, "b"), AnnotationState::Kept);
    assert_eq!(corrections(&mut store)[2].as_deref(), Some(&b"mask b"[..]));
}

#[test]
fn a_mask_does_not_wait_for_ever_and_not_in_any_number() {
    let mut store = SweepDisk::default().open().unwrap();
    begin(&mut store).unwrap();
    take(&mut store, "a", None).unwrap();
    let limits = AnnotationLimits::default();
    let after = |days: u64| Some(at(0).after(Duration::from_secs(days * 86_400)));
    assert_eq!(store.prune_annotations(&limits, after(29)).unwrap(), 0);
    assert_eq!(store.prune_annotations(&limits, None).unwrap(), 0);
    assert_eq!(store.prune_annotations(&limits, after(31)).unwrap(), 1);
    assert_eq!(state(&mut store, "a"), refused("no-verdict"));
    sign(&mut store, 1, "correct").unwrap();
    assert_eq!(corrections(&mut store), [None]);
    // One more than may wait: the oldest goes.
    let few = AnnotationLimits {
        waiting_max: 2,
        ..limits
    };
    for number in 0..3_u8 {
        let finding = FindingId::derive(&key("1.5"), "m", &[number; 32]);
        let mut row = row(&format!("w{number}"), None);
        row.limits = few;
        row.at = at(i64::from(number));
        row.found.as_mut().unwrap().finding = finding;
        assert_eq!(store.take_annotation(&row).unwrap(), AnnotationState::Waits);
    }
    assert_eq!(state(&mut store, "w0"), refused("no-verdict"));
    assert_eq!(state(&mut store, "w2"), AnnotationState::Waits);
    // Outcomes have an end too.
    let none = AnnotationLimits {
        records_max: 0,
        ..limits
    };
    assert_eq!(store.prune_annotations(&none, None).unwrap(), 2);
    assert_eq!(store.annotation("w0").unwrap(), None);
    assert_eq!(store.annotated_files().unwrap().len(), 2);
}

#[test]
fn the_correction_goes_with_its_last_label() {
    let mut store = SweepDisk::default().open().unwrap();
    begin(&mut store).unwrap();
    sign(&mut store, 1, "correct").unwrap();
    take(&mut store, "a", None).unwrap();
    let none = LabelLimits {
        count_max: 0,
        ..LabelLimits::default()
    };
    assert_eq!(store.prune_labels(&none, None).unwrap(), 1);
    sign(&mut store, 2, "correct").unwrap();
    assert_eq!(corrections(&mut store), [None]);
}

#[test]
fn a_finding_is_found_by_its_series_or_by_the_frame_of_reference_where_none_is_named() {
    let mut store = SweepDisk::default().open().unwrap();
    begin(&mut store).unwrap();
    let frame = Uid::parse("1.9.9").unwrap();
    let mut found = |series: &[&str], frame: Option<&Uid>| {
        let keys: Vec<SeriesKey> = series.iter().map(|uid| key(uid)).collect();
        store.annotated_findings(&keys, frame).unwrap().len()
    };
    assert_eq!(found(&["1.2.3"], None), 1);
    assert_eq!(found(&["1.7", "1.2.3"], None), 1);
    assert_eq!(found(&["1.7"], Some(&frame)), 0, "it names another series");
    assert_eq!(found(&[], Some(&frame)), 1);
    assert_eq!(found(&[], None), 0);
}

#[test]
fn a_finding_that_an_earlier_program_kept_reads_and_has_no_grid() {
    let mut text = serde_json::to_value(record(Some(grid()))).unwrap();
    assert!(text["grid"].is_object() && text["frame_of_reference"].is_string());
    let own: FindingRecord = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(own, record(Some(grid())));
    for key in ["grid", "frame_of_reference"] {
        text.as_object_mut().unwrap().remove(key);
    }
    let earlier: FindingRecord = serde_json::from_value(text).unwrap();
    let refused = outcome(&good().file(), &[earlier]);
    assert_eq!(refused, Err(AnnotationRefusal::NoGrid));
}

#[test]
fn a_power_cut_or_a_full_disk_at_any_operation_leaves_an_annotation_taken_whole_or_not_at_all() {
    for torn in [false, true] {
        for verdict_first in [false, true] {
            sweep(torn, verdict_first);
        }
    }
    for operation in 0..500 {
        let disk = SweepDisk::default();
        let mut store = disk.open().unwrap();
        begin(&mut store).unwrap();
        sign(&mut store, 1, "correct").unwrap();
        disk.fill_at(operation);
        let taken = take(&mut store, "a", None);
        let never_full = disk.free();
        let there = store.annotation("a").unwrap().is_some();
        assert_eq!(corrections(&mut store)[0].is_some(), there);
        assert!(there || taken.is_err(), "full at {operation}");
        // The file is where it was: once there is room it is taken.
        assert_eq!(take(&mut store, "a", None).unwrap(), AnnotationState::Kept);
        if never_full {
            return;
        }
    }
    unreachable!("the disk was full at each of 500 operations");
}

/// Cuts the power at each operation of taking a mask and of the verdict after or before it.
fn sweep(torn: bool, verdict_first: bool) {
    for cut in 0..1_000 {
        let disk = SweepDisk::default();
        let mut store = disk.open().unwrap();
        begin(&mut store).unwrap();
        disk.cut_power_at(cut, torn);
        let steps = |store: &mut Store| -> Result<(), StoreError> {
            if verdict_first {
                sign(store, 1, "correct")?;
            }
            take(store, "a", None)?;
            if !verdict_first {
                sign(store, 1, "correct")?;
            }
            Ok(())
        };
        let done = steps(&mut store).is_ok();
        let powered = disk.has_power();
        drop(store);
        let mut store = disk.after_reboot().open().unwrap();
        let outcome = store.annotation("a").unwrap().map(|record| record.state);
        let kept = corrections(&mut store).into_iter().flatten().count();
        let signed = !store.labels_of(&finding()).unwrap().is_empty();
        match outcome {
            None => assert!(!done && kept == 0, "cut at {cut}"),
            Some(AnnotationState::Waits) => assert!(!signed && kept == 0, "cut at {cut}"),
            Some(AnnotationState::Kept) => assert!(signed && kept == 1, "cut at {cut}"),
            Some(other) => panic!("cut at {cut}: {other:?}"),
        }
        // Whatever was lost comes again: the file is there still, and so is the verdict at the broker.
        steps(&mut store).unwrap();
        assert_eq!(
            state(&mut store, "a"),
            AnnotationState::Kept,
            "cut at {cut}"
        );
        if done && powered {
            return;
        }
    }
    panic!("more than 1000 operations");
}

// The documents.

#[test]
fn every_code_has_its_row_in_the_manual_with_its_remedy() {
    let manual =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/annotations.md"))
            .unwrap();
    for refusal in AnnotationRefusal::all() {
        let row = format!("\n| `{}` |", refusal.code());
        assert_eq!(manual.matches(&row).count(), 1, "{row}");
        assert!(manual.contains(refusal.remedy()), "{}", refusal.remedy());
    }
}

// Helpers.

/// The folder of sample files; `None`, told on stderr, where it is missing. CI must have it.
fn samples() -> Option<PathBuf> {
    let root = std::env::var("SCANWARD_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
    let folder = Path::new(&root).join("dicom-files");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no samples");
    eprintln!("SKIPPED: {} is missing", folder.display());
    None
}

fn parse(bytes: &[u8]) -> Result<Segmentation<'_>, AnnotationRefusal> {
    read_segmentation(bytes, &read_limits(64 << 20))
}

/// The whole way of a file on a box that knows the findings `found`.
fn outcome(bytes: &[u8], found: &[FindingRecord]) -> Result<Vec<u8>, AnnotationRefusal> {
    let segmentation = parse(bytes)?;
    let target = target(&segmentation, found)?;
    corrected(&segmentation, &target, &AnnotationSettings::usual_words())
}

fn land(seg: &Seg, segments: &[u16], grid: &GridRecord) -> Result<Grid3<u8>, AnnotationRefusal> {
    resampled(&parse(&seg.file())?, segments, grid)
}

fn marks(
    depth: usize,
    rows: usize,
    columns: usize,
    on: impl Fn(usize, usize, usize) -> bool,
) -> Vec<Vec<bool>> {
    let plane = |z: usize| {
        (0..rows * columns)
            .map(|at| on(z, at / columns, at % columns))
            .collect()
    };
    (0..depth).map(plane).collect()
}

/// One frame of bytes by RLE: one segment of literals.
fn run_lengths(frame: &[bool]) -> Vec<u8> {
    let mut bytes: Vec<u8> = [1_u32, 64]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.resize(64, 0);
    for chunk in frame.chunks(128) {
        bytes.push(u8::try_from(chunk.len() - 1).unwrap());
        bytes.extend(chunk.iter().map(|on| if *on { 100 } else { 99 }));
    }
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// A segmentation, and the lesion's share of each of its pixels once more, as test code sees it.
struct Drawn {
    seg: Seg,
    /// Centre, half edges and mark of each pixel, x, y, z.
    boxes: Vec<([f64; 3], [f64; 3])>,
}

/// `shape` planes, rows, columns around the origin, in the directions given, marked where `on` says so.
fn drawn(
    orientation: [f64; 6],
    spacing: [f64; 2],
    step: f64,
    [depth, rows, columns]: [u16; 3],
    on: &dyn Fn([f64; 3]) -> bool,
) -> Drawn {
    let [a, b, c, d, e, f] = orientation;
    let (along_x, along_y) = ([a, b, c], [d, e, f]);
    let along_z = [b * f - c * e, c * d - a * f, a * e - b * d];
    let place = |z: f64, y: f64, x: f64| {
        let mut place = [0.0, 0.0, 15.0];
        for axis in 0..3 {
            place[axis] += (z - f64::from(depth) / 2.0) * step * along_z[axis];
            place[axis] += (y - f64::from(rows) / 2.0) * spacing[0] * along_y[axis];
            place[axis] += (x - f64::from(columns) / 2.0) * spacing[1] * along_x[axis];
        }
        place
    };
    let mut half = [0.0; 3];
    for axis in 0..3 {
        half[axis] = ((step * along_z[axis]).abs()
            + (spacing[0] * along_y[axis]).abs()
            + (spacing[1] * along_x[axis]).abs())
            / 2.0;
    }
    let (mut boxes, mut marks, mut frames) = (Vec::new(), Vec::new(), Vec::new());
    for z in (0..depth).map(f64::from) {
        frames.push((1, place(z, 0.0, 0.0)));
        let mut plane = Vec::new();
        for y in (0..rows).map(f64::from) {
            for x in (0..columns).map(f64::from) {
                let centre = place(z, y, x);
                plane.push(on(centre));
                if on(centre) {
                    boxes.push((centre, half));
                }
            }
        }
        marks.push(plane);
    }
    let seg = Seg {
        frames,
        orientation,
        pixel_spacing: spacing,
        step: Some(step),
        ..Seg::binary("1.2.3", [rows, columns], &marks)
    };
    Drawn { seg, boxes }
}

/// The rule in the plainest way: for each voxel the volume that it shares with each marked pixel.
fn expected(drawn: &Drawn, grid: &GridRecord) -> Grid3<u8> {
    let [depth, rows, columns] = grid.shape;
    let mut mask = Grid3::filled(grid.shape, 0);
    for (z, y, x) in (0..depth * rows * columns)
        .map(|at| (at / columns / rows, at / columns % rows, at % columns))
    {
        let index = [x as f64, y as f64, z as f64];
        let edge = [grid.spacing_mm[2], grid.spacing_mm[1], grid.spacing_mm[0]];
        let mut share = 0.0;
        for (centre, half) in &drawn.boxes {
            let mut volume = 1.0;
            for axis in 0..3 {
                let middle = grid.origin_mm[axis] + index[axis] * edge[axis];
                let low = (middle - edge[axis] / 2.0).max(centre[axis] - half[axis]);
                let high = (middle + edge[axis] / 2.0).min(centre[axis] + half[axis]);
                volume *= (high - low).max(0.0) / edge[axis];
            }
            share += volume;
        }
        mask.set(z, y, x, u8::from(share >= 0.5));
    }
    mask
}

/// A segmentation of one lesion that is kept.
fn good() -> Seg {
    Seg::binary("1.2.3", [8, 8], &marks(8, 8, 8, |_, _, _| true))
}

fn grid() -> GridRecord {
    GridRecord {
        shape: [8, 8, 8],
        spacing_mm: [1.0; 3],
        origin_mm: [0.0; 3],
        axes: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        step_mm: 1.0,
        cells_start: [0; 3],
    }
}

fn record(grid: Option<GridRecord>) -> FindingRecord {
    let patient = Pseudonym::from_mac(&[1; 32]);
    let mut record = FindingRecord::new(finding(), key("1.2.3"), patient, at(0));
    record.grid = grid;
    record.frame_of_reference = Some(Uid::parse("1.9.9").unwrap());
    record
}

fn finding() -> FindingId {
    FindingId::derive(&key("1.2.3"), "model", &[7; 32])
}

fn key(uid: &str) -> SeriesKey {
    SeriesKey(Uid::parse(uid).unwrap())
}

fn at(millis: i64) -> WallTime {
    WallTime::from_unix_millis(1_790_000_000_000 + millis)
}

/// A box whose one finding stands open.
fn begin(store: &mut Store) -> Result<(), StoreError> {
    let closed = SeriesState::Closed {
        outcome: "triaged".to_owned(),
        finding_id: finding(),
        content_digest: String::new(),
        model_digest: None,
        closed_at: at(0),
        supersedes: None,
        files: Vec::new(),
    };
    let series = SeriesRecord::new(key("1.2.3"), at(0), closed);
    store.close_series(&Closing {
        finding: Some(&record(Some(grid()))),
        ..Closing::of(&series)
    })
}

/// A verdict is taken, as the review machine has it written.
fn sign(store: &mut Store, number: i64, decision: &str) -> Result<(), StoreError> {
    let mut record = store.finding(&finding())?.unwrap();
    record.review.state = "signed".to_owned();
    record.review.verdicts.push(VerdictRecord {
        decision: decision.to_owned(),
        burden_percent: None,
        by: String::new(),
        key_id: KeyId::parse("0000000000000000").unwrap(),
        at: at(number),
        signature: Signature::NONE,
    });
    store.save_review(&ReviewChange {
        finding: &record,
        queued: &[],
        void: "",
        unwatch: false,
        label: Some(&LabelRow {
            finding: finding(),
            verdict: format!("{{\"decision\":\"{decision}\",\"more\":1}}").into_bytes(),
            kept: at(number),
            limits: LabelLimits::default(),
        }),
    })
}

fn row(digest: &str, drawn: Option<i64>) -> AnnotationRow {
    AnnotationRow {
        digest: digest.to_owned(),
        file: FileMark {
            path: PathDigest::of(Path::new(digest)),
            bytes: 1,
            modified: at(0),
        },
        at: at(0),
        found: Ok(Correction {
            finding: finding(),
            drawn: drawn.map(at),
            mask: format!("mask {digest}").into_bytes(),
        }),
        limits: AnnotationLimits::default(),
    }
}

fn take(
    store: &mut Store,
    digest: &str,
    drawn: Option<i64>,
) -> Result<AnnotationState, StoreError> {
    store.take_annotation(&row(digest, drawn))
}

fn state(store: &mut Store, digest: &str) -> AnnotationState {
    store.annotation(digest).unwrap().unwrap().state
}

fn refused(code: &str) -> AnnotationState {
    AnnotationState::Refused {
        code: code.to_owned(),
    }
}

/// The corrected mask of each label, the oldest first.
fn corrections(store: &mut Store) -> Vec<Option<Vec<u8>>> {
    let labels = store.labels_of(&finding()).unwrap();
    labels.into_iter().map(|label| label.corrected).collect()
}

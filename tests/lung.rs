//! The lung mask against masks drawn by others, on the volumes of the shared data.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot read its data stops there, and says what it measured"
)]

#[path = "common/npz.rs"]
mod npz;

use scanward::lung::{LungLimits, segment};
use scanward::series::{SeriesLimits, SliceGeometry, gate};
use scanward::units::Spacing;
use scanward::volume::{Grid3, ReducedSlice, Volume, VolumeLimits, reduce, stack};
use std::path::Path;

const GRID_MM: f64 = 2.8;

/// Name, least Dice. In `imlab-id002` a gas-filled bowel under a thin, high diaphragm counts as lung: the threshold
/// cannot part them on this grid.
const VOLUMES: [(&str, f64); 6] = [
    ("imlab-id001", 0.96),
    ("imlab-id002", 0.92),
    ("imlab-id003", 0.96),
    ("imlab-id004", 0.96),
    ("cip-ct64", 0.96),
    ("slicerio-ctchest4", 0.96),
];

#[test]
fn the_lungs_are_those_that_others_drew() {
    let Some(folder) = npz::shared("lung masks", "lung") else {
        return;
    };
    let mut poor = Vec::new();
    for (name, least) in VOLUMES {
        let path = folder.join(format!("{name}.npz"));
        let found = segment(&on_the_grid(&path, "hu", 1.0), &LungLimits::default())
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let drawn = on_the_grid(&path, "lung", 1000.0).hu;
        let dice = dice(&found.sides, &drawn);
        let litres = found.volume.get() / 1000.0;
        println!("{name}: Dice {dice:.3}, {litres:.2} l");
        if dice < least {
            poor.push(format!("{name}: Dice {dice:.3} is below {least}"));
        }
    }
    assert!(poor.is_empty(), "{poor:?}");
}

#[test]
fn the_halves_of_the_mask_are_the_patients_right_and_left() {
    let Some(folder) = npz::shared("lung sides", "lung") else {
        return;
    };
    let volume = on_the_grid(&folder.join("imlab-id003.npz"), "hu", 1.0);
    let lung = segment(&volume, &LungLimits::default()).unwrap();
    let [_, _, width] = lung.sides.shape();
    let count = |side: u8, half: std::ops::Range<usize>| {
        let rows = lung.sides.values().chunks_exact(width);
        rows.flat_map(|row| &row[half.clone()])
            .filter(|value| **value == side)
            .count()
    };
    // x runs from the patient's right to the left; the mediastinum lies near the middle.
    let (right, left) = (count(1, 0..width / 2), count(2, width / 2..width));
    let wrong = count(2, 0..width * 2 / 5) + count(1, width * 3 / 5..width);
    assert!(right > 20_000 && left > 20_000, "{right} and {left} voxels");
    assert!(
        wrong * 100 < right + left,
        "{wrong} voxels on the wrong side"
    );
}

/// An array of an archive as slices at the grid's spacing, by the very stages that CT slices go through.
fn on_the_grid(path: &Path, name: &str, gain: f64) -> Volume {
    let array = npz::array(path, name);
    let spacing = npz::array(path, "spacing_mm").values;
    let [depth, rows, columns] = array.shape[..] else {
        panic!("{name} is no volume")
    };
    let places: Vec<SliceGeometry> = (0..depth)
        .map(|z| SliceGeometry {
            position: [0.0, 0.0, z as f64 * spacing[0]],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            rows,
            columns,
            row_spacing: spacing[1],
            column_spacing: spacing[2],
        })
        .collect();
    let slices: Vec<ReducedSlice> = array
        .values
        .chunks_exact(rows * columns)
        .map(|plane| {
            let hu: Vec<i16> = plane.iter().map(|value| (value * gain) as i16).collect();
            reduce(&hu, rows, columns, spacing[1], spacing[2], GRID_MM).unwrap()
        })
        .collect();
    let limits = SeriesLimits {
        // These volumes were made coarser by those who published them.
        pixel_spacing: [0.2, 5.0],
        ..SeriesLimits::default()
    };
    let geometry = gate(&places, &limits).unwrap();
    let planes: Vec<&ReducedSlice> = slices.iter().collect();
    let target = Spacing::isotropic(GRID_MM).unwrap();
    stack(&planes, &geometry, target, &VolumeLimits::default()).unwrap()
}

fn dice(found: &Grid3<u8>, drawn: &Grid3<i16>) -> f64 {
    let pairs = || found.values().iter().zip(drawn.values());
    let both = pairs().filter(|(a, b)| **a != 0 && **b >= 500).count();
    let one = pairs().filter(|(a, _)| **a != 0).count();
    let other = pairs().filter(|(_, b)| **b >= 500).count();
    2.0 * both as f64 / (one + other) as f64
}

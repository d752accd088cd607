//! Two chests drawn from one formula: the map between them is found, the zones follow it, damage is told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside #[test] functions"
)]

#[path = "common/turn.rs"]
mod turn;

use scanward::lung::LungMask;
use scanward::registration::{ReducedChest, Unregistered, register, zone_changes};
use scanward::units::{Millilitre, Spacing};
use scanward::volume::{Grid3, Region};

#[test]
fn a_known_pose_is_found_and_its_error_is_said() {
    let present = drawn(&Pose::default(), &[]);
    for (pose, name) in [
        (Pose::default(), "as it was"),
        (pose([6.3, -11.0, 4.9], [0.0; 3], [1.0; 3]), "shifted"),
        (pose([0.0; 3], [4.0, -3.0, 5.0], [1.0; 3]), "turned"),
        (pose([0.0; 3], [0.0; 3], [0.88, 1.05, 0.97]), "breathed out"),
        (pose([-9.0, 5.0, 12.0], [-6.0, 5.0, 4.0], [1.05; 3]), "all"),
    ] {
        let found = register(&present, &drawn(&pose, &[])).unwrap();
        // Lungs are long: 0.5 degrees are one millimetre at their ends.
        assert!(
            (found.map.turn_degrees() - pose.degrees()).abs() < 0.8,
            "{name}: {found:?}"
        );
        for (grown, drawn) in found.map.scale().iter().zip(pose.scale) {
            assert!((grown * drawn - 1.0).abs() < 0.015, "{name}: {found:?}");
        }
        assert!(found.dice > 0.95 && found.gap_mm < 1.5, "{name}: {found:?}");
        assert_eq!(
            register(&present, &drawn(&pose, &[])),
            Ok(found),
            "{name}: once more"
        );
    }
}

#[test]
fn a_lesion_that_came_is_a_change_of_its_own_zone_whatever_the_pose() {
    let before = [
        Lesion::new([60.0, 20.0, -75.0], 22.0),
        Lesion::new([150.0, 0.0, 80.0], 15.0),
    ];
    let after = [
        before[0],
        before[1],
        Lesion::new([215.0, -10.0, -70.0], 18.0),
    ];
    let present = drawn(&Pose::default(), &after);
    for pose in [
        Pose::default(),
        pose([8.0, -6.0, 9.0], [5.0, -4.0, 3.0], [0.92, 1.03, 0.98]),
    ] {
        let prior = drawn(&pose, &before);
        let found = register(&present, &prior).unwrap();
        let changes = zone_changes(&present, &prior, &found.map);
        assert_eq!(changes.len(), 6);
        for change in changes {
            let name = change.zone.name();
            if name == "right-upper" {
                assert!(
                    change.change_points > 2.5,
                    "{name}: {}",
                    change.change_points
                );
            } else {
                assert!(
                    change.change_points.abs() < 0.4,
                    "{name}: {}",
                    change.change_points
                );
            }
        }
    }
}

#[test]
fn the_same_scan_changed_in_no_zone() {
    let chest = drawn(&Pose::default(), &[Lesion::new([100.0, 10.0, -70.0], 30.0)]);
    let found = register(&chest, &chest).unwrap();
    for change in zone_changes(&chest, &chest, &found.map) {
        assert!(change.change_points.abs() < 0.01, "{change:?}");
    }
    assert!(found.dice > 0.995 && found.gap_mm < 0.1, "{found:?}");
}

#[test]
fn lungs_of_which_half_is_missing_are_not_laid_over_whole_ones() {
    let whole = drawn(&Pose::default(), &[]);
    let cut = ChestDrawing {
        from_mm: 130.0,
        ..ChestDrawing::default()
    };
    let refused = register(&whole, &cut.draw());
    assert!(refused.is_err(), "{refused:?}");
    let one_lung = ChestDrawing {
        left: false,
        ..ChestDrawing::default()
    };
    let refused = register(&whole, &one_lung.draw());
    assert!(
        matches!(refused, Err(Unregistered::Overlap { .. })),
        "{refused:?}"
    );
    let none = ChestDrawing {
        from_mm: 1000.0,
        ..ChestDrawing::default()
    };
    assert_eq!(register(&whole, &none.draw()), Err(Unregistered::Empty));
}

#[test]
fn a_chest_comes_back_from_its_bytes() {
    let chest = drawn(&Pose::default(), &[Lesion::new([100.0, 10.0, -70.0], 30.0)]);
    let bytes = chest.pack().unwrap();
    assert_eq!(ReducedChest::unpack(&bytes), Ok(chest));
    assert!(bytes.len() < 40_000, "{} bytes", bytes.len());
}

#[test]
fn damaged_bytes_are_refused_or_still_hold_only_what_a_chest_can() {
    let chest = drawn(&Pose::default(), &[Lesion::new([100.0, 10.0, -70.0], 30.0)]);
    let bytes = chest.pack().unwrap();
    for length in 0..bytes.len() {
        assert!(
            ReducedChest::unpack(&bytes[..length]).is_err(),
            "cut at {length}"
        );
    }
    let mut longer = bytes.clone();
    longer.push(1);
    assert!(ReducedChest::unpack(&longer).is_err());
    for at in 0..bytes.len().min(400) {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            // The store's digest refuses these; what gets by it must not end the program.
            if let Ok(other) = ReducedChest::unpack(&damaged)
                && let Ok(found) = register(&chest, &other)
            {
                assert!(found.dice.is_finite() && found.gap_mm.is_finite());
                assert!(zone_changes(&chest, &other, &found.map).len() <= 6);
            }
        }
    }
    // A few bytes that claim a chest larger than any.
    let mut huge = bytes[..35].to_vec();
    huge[1..7].copy_from_slice(&[0xff; 6]);
    assert!(ReducedChest::unpack(&huge).is_err());
}

// Helpers.

/// A sphere in patient mm, `z, y, x`: z from the lungs' base, x from the midline, right negative.
#[derive(Clone, Copy, Debug)]
struct Lesion {
    centre: [f64; 3],
    radius: f64,
}

impl Lesion {
    fn new(centre: [f64; 3], radius: f64) -> Lesion {
        Lesion { centre, radius }
    }
}

/// How the patient lies: scaled, turned about `z, y, x` by degrees, shifted by mm.
#[derive(Clone, Copy, Debug)]
struct Pose {
    shift: [f64; 3],
    turn: [f64; 3],
    scale: [f64; 3],
}

impl Default for Pose {
    fn default() -> Pose {
        pose([0.0; 3], [0.0; 3], [1.0; 3])
    }
}

fn pose(shift: [f64; 3], turn: [f64; 3], scale: [f64; 3]) -> Pose {
    Pose { shift, turn, scale }
}

impl Pose {
    /// The angle of the whole turn.
    fn degrees(&self) -> f64 {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let images = axes.map(|axis| turn::turned(self.turn, axis));
        let trace = images[0][0] + images[1][1] + images[2][2];
        ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees()
    }

    /// From the scanner's mm to the patient's, about the middle of the chest.
    fn to_patient(self, place: [f64; 3]) -> [f64; 3] {
        let middle = [130.0, 0.0, 0.0];
        let mut arm = [0.0; 3];
        for axis in 0..3 {
            arm[axis] = place[axis] - middle[axis] - self.shift[axis];
        }
        let mut found = turn::turned(self.turn, arm);
        for axis in 0..3 {
            found[axis] = found[axis] / self.scale[axis] + middle[axis];
        }
        found
    }
}

/// What is drawn.
struct ChestDrawing {
    pose: Pose,
    lesions: Vec<Lesion>,
    /// The lungs below this height are not there.
    from_mm: f64,
    left: bool,
}

impl Default for ChestDrawing {
    fn default() -> ChestDrawing {
        ChestDrawing {
            pose: Pose::default(),
            lesions: Vec::new(),
            from_mm: -1000.0,
            left: true,
        }
    }
}

fn drawn(pose: &Pose, lesions: &[Lesion]) -> ReducedChest {
    let drawing = ChestDrawing {
        pose: *pose,
        lesions: lesions.to_vec(),
        ..ChestDrawing::default()
    };
    drawing.draw()
}

const VOXEL_MM: f64 = 2.8;
const SHAPE: [usize; 3] = [120, 96, 128];

impl ChestDrawing {
    /// 1 in the right lung, 2 in the left: two half-eggs, flat at their base, the left one smaller and cut by the heart.
    fn side(&self, [z, y, x]: [f64; 3]) -> u8 {
        let side = if x < 0.0 { 1 } else { 2 };
        let (half_width, height) = if side == 1 {
            (58.0, 260.0)
        } else {
            (52.0, 250.0)
        };
        let dome = 0.004 * ((x.abs() - 70.0).powi(2) + y.powi(2));
        let up = (z + dome) / height;
        let wide = (1.0 - up.clamp(0.0, 1.0).powi(3)).sqrt();
        let across = (x.abs() - 72.0) / (half_width * wide).max(1.0);
        let along = (y - 5.0) / (85.0 * wide).max(1.0);
        let heart = side == 2
            && ((z - 60.0) / 55.0).powi(2)
                + ((y + 45.0) / 45.0).powi(2)
                + ((x - 25.0) / 50.0).powi(2)
                < 1.0;
        let inside = (0.0..1.0).contains(&up) && across.powi(2) + along.powi(2) < 1.0 && !heart;
        let shown = z >= self.from_mm && (self.left || side == 1);
        if inside && shown { side } else { 0 }
    }

    fn draw(&self) -> ReducedChest {
        let mut sides = Grid3::filled(SHAPE, 0_u8);
        let mut lesion = Grid3::filled(SHAPE, 0_u8);
        let (mut low, mut high) = (SHAPE, [0; 3]);
        for z in 0..SHAPE[0] {
            for y in 0..SHAPE[1] {
                for x in 0..SHAPE[2] {
                    let place = [
                        (z as f64 + 0.5) * VOXEL_MM - 40.0,
                        (y as f64 + 0.5 - SHAPE[1] as f64 / 2.0) * VOXEL_MM,
                        (x as f64 + 0.5 - SHAPE[2] as f64 / 2.0) * VOXEL_MM,
                    ];
                    let place = self.pose.to_patient(place);
                    let side = self.side(place);
                    if side == 0 {
                        continue;
                    }
                    sides.set(z, y, x, side);
                    let ill = self.lesions.iter().any(|lesion| {
                        let arms = lesion.centre.iter().zip(place);
                        let square: f64 = arms.map(|(centre, at)| (at - centre).powi(2)).sum();
                        square < lesion.radius.powi(2)
                    });
                    lesion.set(z, y, x, u8::from(ill));
                    for ((low, high), at) in low.iter_mut().zip(&mut high).zip([z, y, x]) {
                        *low = (*low).min(at);
                        *high = (*high).max(at + 1);
                    }
                }
            }
        }
        if high[0] == 0 {
            (low, high) = ([0; 3], [2; 3]);
        }
        let bounds = Region {
            start: low,
            size: [high[0] - low[0], high[1] - low[1], high[2] - low[2]],
        };
        let lung = LungMask {
            sides,
            bounds,
            volume: Millilitre::new(4000.0).unwrap(),
        };
        ReducedChest::of(&lung, &lesion, Spacing::isotropic(VOXEL_MM).unwrap()).unwrap()
    }
}

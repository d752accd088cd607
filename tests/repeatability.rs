//! The whole chain on one chest scanned "twice": what changes though nothing changed, and whether a true change is found.
//!
//! Prints what docs/decisions/0010-priors.md and the dead band of `outcome` are made of:
//! `cargo test --all-features --test repeatability -- --nocapture`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot read its data stops there, and says what it measured"
)]

#[path = "common/ct.rs"]
mod ct;
#[path = "common/npz.rs"]
mod npz;
#[path = "common/turn.rs"]
mod turn;

use scanward::dicom::{CtImage, Header, ReadLimits, read};
use scanward::edge::load_model;
use scanward::infer::{EngineOptions, Int8Network};
use scanward::model::ModelManifest;
use scanward::outcome::{Change, ComparedScan, Direction, change};
use scanward::phantom::{Phantom, PhantomSpec};
use scanward::pipeline::{PipelineLimits, PipelineSlice, triage};
use scanward::registration::ReducedChest;
use scanward::series::{SeriesLimits, SliceGeometry};
use scanward::volume::{ReducedSlice, reduce};
use std::path::Path;

/// A chest as its scanner stored it: slices from the feet up, each rows × columns.
#[derive(Clone)]
struct Scan {
    slices: Vec<Vec<i16>>,
    rows: usize,
    columns: usize,
    step_mm: f64,
    pixel_mm: f64,
}

/// What the chain made of it.
struct Found {
    burden: f64,
    masks: Vec<u8>,
}

impl Found {
    fn scan(&self) -> ComparedScan<'_> {
        ComparedScan {
            burden_percent: self.burden,
            masks: Ok(&self.masks),
        }
    }
}

/// What a copy of the same lungs may change by in one zone, points; a zone is a sixth of the lungs.
const ZONE_POINTS_MAX: f64 = 1.0;

#[test]
fn own_copies_of_real_series_change_by_less_than_a_point() {
    let Some(folder) = npz::shared("repeatability", "dicom") else {
        return;
    };
    let mut bench = Bench::new();
    for name in ["P002", "normal001"] {
        for (what, change) in bench.own_copies(name, &real(&folder.join(name))) {
            assert!(change.points.abs() <= 1.0, "{name}, {what}: {change:?}");
            assert_eq!(change.direction, Direction::Stable, "{name}, {what}");
            assert_eq!(
                (change.zones.len(), change.note),
                (6, None),
                "{name}, {what}"
            );
            for zone in &change.zones {
                let points = zone.burden_change_points.abs();
                assert!(points <= ZONE_POINTS_MAX, "{name}, {what}: {zone:?}");
            }
            let found = change.registration.unwrap();
            assert!(
                found.dice > 0.95 && found.error_mm < 1.5,
                "{name}, {what}: {found:?}"
            );
        }
    }
}

/// 128 pixels across, spacing estimated, grey levels mapped back: copies of these lose more than those of a real series.
#[test]
fn own_copies_of_coarse_lesion_volumes_stay_within_the_dead_band() {
    let Some(folder) = npz::shared("repeatability", "lesion/train") else {
        return;
    };
    let mut bench = Bench::new();
    for (name, step_mm) in LESIONS {
        let scan = volume(&folder.join(format!("{name}.npz")), step_mm);
        for (what, change) in bench.own_copies(name, &scan) {
            assert_eq!(
                change.direction,
                Direction::Stable,
                "{name}, {what}: {change:?}"
            );
        }
    }
}

/// Slice steps are the estimates that came with the volumes.
const LESIONS: [(&str, f64); 5] = [
    ("coronacases-001", 1.2),
    ("coronacases-009", 1.2),
    ("coronacases-010", 1.2),
    ("radiopaedia-016", 4.9),
    ("radiopaedia-020", 3.5),
];

#[test]
fn a_phantoms_known_change_is_found_within_one_and_a_half_points() {
    let mut bench = Bench::new();
    for (seed, then, now, wanted) in [
        (4, 12.0, 6.0, Direction::Improving),
        (5, 3.0, 8.0, Direction::Worsening),
        (6, 10.0, 10.0, Direction::Stable),
        (7, 6.0, 12.0, Direction::Worsening),
        (9, 1.0, 4.0, Direction::Worsening),
        (11, 8.0, 3.0, Direction::Improving),
    ] {
        let spec = PhantomSpec::of(120, now, seed).with_matrix(256, 256);
        let earlier = phantom(&spec.prior(then));
        for (pose, earlier) in [
            ("as it lay", earlier.clone()),
            ("turned", earlier.turned([6.0, 0.0, 0.0])),
        ] {
            let prior = bench.run(&earlier).unwrap();
            let present = bench.run(&phantom(&spec)).unwrap();
            let found = change(&present.scan(), &prior.scan());
            let off = found.points - (now - then);
            println!(
                "phantom {seed}, {pose}: {then} to {now} %, found {:.2} to {:.2} %, off {off:.2}",
                prior.burden, present.burden
            );
            said(pose, &found);
            assert!(off.abs() <= 1.5, "phantom {seed}, {pose}: {found:?}");
            assert_eq!(found.direction, wanted, "phantom {seed}, {pose}: {found:?}");
            assert_eq!(found.zones.len(), 6, "phantom {seed}, {pose}");
        }
    }
}

/// A loaded network.
struct Bench {
    network: Int8Network,
    manifest: ModelManifest,
    limits: PipelineLimits,
    header: Header,
}

impl Bench {
    fn new() -> Bench {
        let package = load_model(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap();
        Bench {
            network: Int8Network::load(&package, EngineOptions::default()).unwrap(),
            manifest: package.manifest().clone(),
            limits: PipelineLimits {
                // Some of the volumes were made coarser by those who published them.
                series: SeriesLimits {
                    pixel_spacing: [0.2, 5.0],
                    ..SeriesLimits::default()
                },
                ..PipelineLimits::default()
            },
            // One that the rules of series selection let through.
            header: ct::header_of(&CtImage {
                series_description: "Thorax",
                kernel: "Br40",
                ..ct::image("1.2.3.5", &[0; 4])
            }),
        }
    }

    fn run(&mut self, scan: &Scan) -> Result<Found, String> {
        let places: Vec<SliceGeometry> = (0..scan.slices.len())
            .map(|z| SliceGeometry {
                position: [0.0, 0.0, z as f64 * scan.step_mm],
                orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                rows: scan.rows,
                columns: scan.columns,
                row_spacing: scan.pixel_mm,
                column_spacing: scan.pixel_mm,
            })
            .collect();
        let grid_mm = self.manifest.input.spacing_mm;
        let planes: Vec<ReducedSlice> = scan
            .slices
            .iter()
            .map(|hu| {
                reduce(
                    hu,
                    scan.rows,
                    scan.columns,
                    scan.pixel_mm,
                    scan.pixel_mm,
                    grid_mm,
                )
                .unwrap()
            })
            .collect();
        let slices: Vec<PipelineSlice<'_>> = places
            .iter()
            .zip(&planes)
            .map(|(geometry, plane)| PipelineSlice {
                geometry,
                plane,
                has_uid: true,
            })
            .collect();
        let found = triage(
            &self.header,
            &slices,
            &mut self.network,
            &self.manifest,
            &self.limits,
        );
        let found = found.map_err(|why| why.text())?;
        Ok(Found {
            burden: found.report.burden.get(),
            masks: ReducedChest::of(&found.lung, &found.lesion, found.volume.spacing)
                .unwrap()
                .pack()
                .unwrap(),
        })
    }

    /// The change from `scan` to copies of it; a copy that is refused is told and left out.
    fn own_copies(&mut self, name: &str, scan: &Scan) -> Vec<(&'static str, Change)> {
        let before = self.run(scan).unwrap();
        println!(
            "{name}: {:.2} %, {} bytes kept",
            before.burden,
            before.masks.len()
        );
        let turned = scan.turned([4.0, 3.0, -5.0]);
        let copies = [
            ("noise of 25 HU", scan.noisy(25.0)),
            ("step x 1.5", scan.resampled(1.5)),
            ("step 5 mm", scan.resampled((5.0 / scan.step_mm).max(1.0))),
            ("turned by 7 degrees", turned.clone()),
            (
                "turned, step x 1.5, noise",
                turned.resampled(1.5).noisy(25.0),
            ),
        ];
        let mut changes = Vec::new();
        for (what, copy) in copies {
            match self.run(&copy) {
                Ok(after) => {
                    let found = change(&after.scan(), &before.scan());
                    said(what, &found);
                    changes.push((what, found));
                }
                Err(why) => println!("  {what}: refused, {why}"),
            }
        }
        changes
    }
}

fn said(what: &str, found: &Change) {
    let zones = found.zones.iter().map(|zone| zone.burden_change_points);
    let worst = zones.fold(0.0, |worst: f64, points| worst.max(points.abs()));
    let [dice, error_mm] = found
        .registration
        .map_or([0.0; 2], |found| [found.dice, found.error_mm]);
    println!(
        "  {what}: change {:.2}, in a zone up to {worst:.2}; Dice {dice:.3}, gap {error_mm:.2} mm",
        found.points
    );
}

impl Scan {
    /// The value at `place` (`z, y, x` in voxels), interpolated trilinearly; air more than half a voxel outside.
    fn at(&self, place: [f64; 3]) -> f64 {
        let mut inside = [0.0; 3];
        let sizes = [self.slices.len(), self.rows, self.columns];
        for ((inside, at), size) in inside.iter_mut().zip(place).zip(sizes) {
            let last = (size - 1) as f64;
            if !(-0.5..=last + 0.5).contains(&at) {
                return -1024.0;
            }
            *inside = at.clamp(0.0, last - 1e-9);
        }
        let [z, y, x] = inside;
        let (low_z, low_y, low_x) = (z.floor(), y.floor(), x.floor());
        let (iz, iy, ix) = (low_z as usize, low_y as usize, low_x as usize);
        let line = |z: usize, y: usize| {
            let row = &self.slices[z][y * self.columns + ix..];
            let (low, high) = (f64::from(row[0]), f64::from(row[1]));
            low + (high - low) * (x - low_x)
        };
        let plane = |z: usize| {
            let (low, high) = (line(z, iy), line(z, iy + 1));
            low + (high - low) * (y - low_y)
        };
        let (low, high) = (plane(iz), plane(iz + 1));
        low + (high - low) * (z - low_z)
    }

    /// Turned about the middle by degrees about its `z, y, x` axes.
    fn turned(&self, degrees: [f64; 3]) -> Scan {
        let middle = [self.slices.len(), self.rows, self.columns].map(|size| size as f64 / 2.0);
        let mut turned = self.clone();
        for (iz, slice) in turned.slices.iter_mut().enumerate() {
            for (index, value) in slice.iter_mut().enumerate() {
                let z = (iz as f64 - middle[0]) * self.step_mm;
                let y = ((index / self.columns) as f64 - middle[1]) * self.pixel_mm;
                let x = ((index % self.columns) as f64 - middle[2]) * self.pixel_mm;
                let [z, y, x] = turn::turned(degrees, [z, y, x]);
                *value = self
                    .at([
                        z / self.step_mm + middle[0],
                        y / self.pixel_mm + middle[1],
                        x / self.pixel_mm + middle[2],
                    ])
                    .round() as i16;
            }
        }
        turned
    }

    /// Slices `factor` times as far apart, each the mean over its own thickness.
    fn resampled(&self, factor: f64) -> Scan {
        let count = (self.slices.len() as f64 / factor).floor() as usize;
        let mut resampled = self.clone();
        resampled.step_mm *= factor;
        resampled.slices = (0..count)
            .map(|index| {
                let mut sums = vec![0.0; self.rows * self.columns];
                for part in 0..4 {
                    let place = (index as f64 + (f64::from(part) + 0.5) / 4.0) * factor - 0.5;
                    let place = place.clamp(0.0, (self.slices.len() - 1) as f64);
                    let low = place.floor();
                    let next = (low as usize + 1).min(self.slices.len() - 1);
                    let pairs = self.slices[low as usize].iter().zip(&self.slices[next]);
                    for (sum, (low_hu, high_hu)) in sums.iter_mut().zip(pairs) {
                        let (low_hu, high_hu) = (f64::from(*low_hu), f64::from(*high_hu));
                        *sum += (low_hu + (high_hu - low_hu) * (place - low)) / 4.0;
                    }
                }
                sums.iter().map(|sum| sum.round() as i16).collect()
            })
            .collect();
        resampled
    }

    /// With noise of `deviation` HU on each pixel: the sum of twelve numbers that look random, less six.
    fn noisy(&self, deviation: f64) -> Scan {
        let mut state = 1_u64;
        let mut noisy = self.clone();
        for value in noisy.slices.iter_mut().flatten() {
            let mut sum = -6.0;
            for _ in 0..3 {
                // Knuth's MMIX generator; four numbers of its upper bits.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                for shift in [20, 31, 42, 53] {
                    sum += ((state >> shift) & 0x7ff) as f64 / 2048.0;
                }
            }
            *value = (f64::from(*value) + sum * deviation)
                .round()
                .clamp(-1024.0, 3071.0) as i16;
        }
        noisy
    }
}

fn phantom(spec: &PhantomSpec) -> Scan {
    let phantom = Phantom::new(spec).unwrap();
    let mut slices = vec![Vec::new(); spec.slices];
    for (z, hu) in slices.iter_mut().enumerate() {
        phantom.slice_hu(z, hu);
    }
    Scan {
        slices,
        rows: spec.rows,
        columns: spec.columns,
        step_mm: spec.step_mm,
        pixel_mm: spec.pixel_mm,
    }
}

fn volume(path: &Path, step_mm: f64) -> Scan {
    let array = npz::array(path, "hu");
    let [_, rows, columns] = array.shape[..] else {
        panic!("no volume")
    };
    let slices = array.values.chunks_exact(rows * columns);
    Scan {
        slices: slices
            .map(|plane| plane.iter().map(|value| *value as i16).collect())
            .collect(),
        rows,
        columns,
        step_mm,
        pixel_mm: 2.8,
    }
}

fn real(folder: &Path) -> Scan {
    let mut slices = Vec::new();
    let mut facts = None;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let instance =
            read(&bytes, &ReadLimits::default()).unwrap_or_else(|refusal| panic!("{refusal}"));
        let place = instance.frame_geometry(0).unwrap();
        let mut hu = Vec::new();
        instance.frame_hu(0, &mut hu).unwrap();
        slices.push((place.position[2], hu));
        facts = Some(place);
    }
    slices.sort_by(|one, other| one.0.total_cmp(&other.0));
    let place = facts.unwrap();
    Scan {
        step_mm: (slices[1].0 - slices[0].0).abs(),
        slices: slices.into_iter().map(|(_, hu)| hu).collect(),
        rows: place.rows,
        columns: place.columns,
        pixel_mm: place.row_spacing,
    }
}

//! The mask file, read back byte by byte after the standard (nifti1.h) and compared with what it was made of.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside #[test] functions stop at the first thing that fails"
)]

use scanward::nifti::{NativeMask, Packing};
use scanward::phantom::{Phantom, PhantomSpec, VoxelTruth};
use scanward::series::{Geometry, SeriesLimits, SliceGeometry, gate};
use scanward::units::Spacing;
use scanward::volume::{Grid3, Volume, VolumeLimits, reduce, stack};
use std::io::{self, Read, Write};
use std::sync::OnceLock;

type Point = [f64; 3];

/// The pixels are not square, so that swapped axes show.
const COLUMN_MM: f64 = 1.875;
const ROW_MM: f64 = 1.75;

#[test]
fn the_header_says_what_the_standard_asks() {
    let scan = Scan::of(&Exported::default());
    let bytes = scan.file(Packing::Plain);
    let text = |at: usize, length: usize| &bytes[at..at + length];
    assert_eq!(i32::from_le_bytes(bytes[..4].try_into().unwrap()), 348);
    assert_eq!(text(344, 4), b"n+1\0");
    assert_eq!(wholes(&bytes, 40, 8), [3, 184, 160, 110, 1, 1, 1, 1]);
    assert_eq!(wholes(&bytes, 70, 2), [2, 8]);
    assert_eq!(reals(&bytes, 76, 4), [1.0, COLUMN_MM, ROW_MM, 2.5]);
    assert_eq!(reals(&bytes, 108, 3), [352.0, 1.0, 0.0]);
    assert_eq!(bytes[123], 2);
    assert_eq!(text(148, 21), b"scanward lesion mask\0");
    assert_eq!(wholes(&bytes, 252, 2), [1, 1]);
    assert_eq!(text(348, 4), [0; 4]);
    assert_eq!(bytes.len(), 352 + 184 * 160 * 110);
    assert!(bytes[352..].iter().all(|value| *value <= 1));
}

#[test]
fn a_lesion_lies_where_the_network_saw_it_and_where_it_is() {
    for exported in EXPORTS {
        let scan = Scan::of(&exported);
        let file = File::read(&scan.file(Packing::Plain));
        let centre = file.centre_lps();
        let network = scan.centre_network();
        let truth = scan.centre_truth();
        for (axis, half) in [COLUMN_MM / 2.0, ROW_MM / 2.0, 1.25]
            .into_iter()
            .enumerate()
        {
            let (off_network, off_truth) =
                (centre[axis] - network[axis], centre[axis] - truth[axis]);
            assert!(
                off_network.abs() < half,
                "{exported:?}: {off_network} mm on axis {axis}"
            );
            assert!(
                off_truth.abs() < half,
                "{exported:?}: {off_truth} mm on axis {axis}"
            );
        }
        let share = file.ml() / scan.network_ml();
        assert!((share - 1.0).abs() < 0.03, "{exported:?}: {share}");
    }
}

#[test]
fn a_ball_keeps_its_centre_to_a_tenth_of_a_voxel() {
    let (spec, [x, y, z]) = (truth().spec, [92.4, 200.6, 141.7]);
    let square = |index: usize, mm: f64, centre: f64| (index as f64 * mm - centre).powi(2);
    let plane = |slice: usize| {
        let pixels = (0..spec.rows * spec.columns).map(|pixel| {
            let across = square(pixel % spec.columns, COLUMN_MM, x);
            let down = square(pixel / spec.columns, ROW_MM, y);
            let inside = across + down + square(slice, spec.step_mm, z) < 40.0_f64.powi(2);
            i16::from(inside) * 1000
        });
        pixels.collect()
    };
    let planes = (0..spec.slices).map(plane).collect();
    let ball = Truth { spec, planes };
    for exported in EXPORTS {
        let scan = Scan::of_truth(&ball, &exported);
        let found = File::read(&scan.file(Packing::Plain)).centre_lps();
        let expected = exported.lps([x, y, z]);
        for (axis, edge) in [COLUMN_MM, ROW_MM, spec.step_mm].into_iter().enumerate() {
            let off = found[axis] - expected[axis];
            assert!(
                off.abs() < edge / 10.0,
                "{exported:?}: {off} mm on axis {axis}"
            );
        }
    }
}

#[test]
fn flips_and_order_of_the_export_do_not_change_the_file() {
    let plain = Scan::of(&Exported::default()).file(Packing::Plain);
    for exported in EXPORTS.iter().filter(|exported| exported.degrees == 0.0) {
        let file = Scan::of(exported).file(Packing::Plain);
        assert_eq!(file[352..], plain[352..], "{exported:?}");
        let (one, other) = (reals(&file, 256, 18), reals(&plain, 256, 18));
        let mut pairs = one.iter().zip(&other);
        assert!(
            pairs.all(|(one, other)| (one - other).abs() < 1e-3),
            "{exported:?}"
        );
    }
}

#[test]
fn both_affines_agree() {
    for exported in EXPORTS {
        let bytes = Scan::of(&exported).file(Packing::Plain);
        let (quaternion, sform) = (reals(&bytes, 256, 6), reals(&bytes, 280, 12));
        let pixdim = reals(&bytes, 76, 4);
        let (b, c, d) = (quaternion[0], quaternion[1], quaternion[2]);
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        // nifti1.h, METHOD 2.
        let rotation = [
            [
                a * a + b * b - c * c - d * d,
                2.0 * (b * c - a * d),
                2.0 * (b * d + a * c),
            ],
            [
                2.0 * (b * c + a * d),
                a * a + c * c - b * b - d * d,
                2.0 * (c * d - a * b),
            ],
            [
                2.0 * (b * d - a * c),
                2.0 * (c * d + a * b),
                a * a + d * d - c * c - b * b,
            ],
        ];
        for row in 0..3 {
            for column in 0..3 {
                let found = rotation[row][column]
                    * pixdim[1 + column]
                    * if column == 2 { pixdim[0] } else { 1.0 };
                let expected = sform[4 * row + column];
                assert!(
                    (found - expected).abs() < 2e-3,
                    "{exported:?}: {found} for {expected}"
                );
            }
            assert!((quaternion[3 + row] - sform[4 * row + 3]).abs() < 1e-6);
        }
    }
}

#[test]
fn native_voxels_agree_with_the_truth_they_came_from() {
    let scan = Scan::of(&Exported::default());
    let file = File::read(&scan.file(Packing::Plain));
    let truth = truth().planes.concat();
    let both = file
        .voxels
        .iter()
        .zip(&truth)
        .filter(|(found, sick)| **found == 1 && **sick > 0)
        .count();
    let found = file.voxels.iter().filter(|value| **value == 1).count();
    let sick = truth.iter().filter(|value| **value > 0).count();
    let dice = 2.0 * both as f64 / (found + sick) as f64;
    assert!(dice > 0.85, "{dice}");
}

#[test]
fn the_packed_file_unpacks_to_the_plain_one_and_is_the_same_each_time() {
    let scan = Scan::of(&Exported::default());
    let packed = scan.file(Packing::Gzip);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == scan.file(Packing::Plain));
    assert!(packed == scan.file(Packing::Gzip));
    assert!(packed.len() < unpacked.len() / 20);
}

#[test]
fn it_is_written_plane_by_plane() {
    let scan = Scan::of(&Exported::default());
    let mut to = Pieces::default();
    scan.mask().write(Packing::Plain, &mut to).unwrap();
    assert_eq!(to.largest, 184 * 160);
}

#[test]
fn a_full_disk_is_reported() {
    let scan = Scan::of(&Exported::default());
    for packing in [Packing::Plain, Packing::Gzip] {
        for room in [0, 100, 352, 500] {
            let mut to = Pieces {
                room: Some(room),
                ..Pieces::default()
            };
            let error = scan.mask().write(packing, &mut to).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}

#[test]
fn grids_that_do_not_belong_together_are_refused() {
    let scan = Scan::of(&Exported::default());
    let other = Grid3::filled([2, 3, 4], 0);
    assert!(NativeMask::new(&scan.geometry, &scan.volume, &other).is_err());
    let mut turned = scan.geometry.clone();
    turned.axes.reverse();
    assert!(NativeMask::new(&turned, &scan.volume, &scan.lesion).is_err());
    let mut huge = scan.geometry.clone();
    huge.rows = 40_000;
    assert!(NativeMask::new(&huge, &scan.volume, &scan.lesion).is_err());
}

/// How a scanner may write the same chest.
#[derive(Clone, Copy, Debug, Default)]
struct Exported {
    columns_leftwards: bool,
    rows_upwards: bool,
    head_first: bool,
    /// The patient lies turned about the long axis.
    degrees: f64,
}

const EXPORTS: [Exported; 5] = [
    Exported {
        columns_leftwards: false,
        rows_upwards: false,
        head_first: false,
        degrees: 0.0,
    },
    Exported {
        columns_leftwards: true,
        rows_upwards: false,
        head_first: true,
        degrees: 0.0,
    },
    Exported {
        columns_leftwards: false,
        rows_upwards: true,
        head_first: false,
        degrees: 0.0,
    },
    Exported {
        columns_leftwards: true,
        rows_upwards: true,
        head_first: true,
        degrees: 0.0,
    },
    Exported {
        columns_leftwards: true,
        rows_upwards: false,
        head_first: false,
        degrees: 7.0,
    },
];

/// Lesions of a phantom on its native grid, 1000 where sick, canonical orientation.
struct Truth {
    spec: PhantomSpec,
    planes: Vec<Vec<i16>>,
}

fn truth() -> &'static Truth {
    static TRUTH: OnceLock<Truth> = OnceLock::new();
    TRUTH.get_or_init(|| {
        let spec = PhantomSpec {
            rows: 160,
            columns: 184,
            pixel_mm: COLUMN_MM,
            slices: 110,
            step_mm: 2.5,
            ..PhantomSpec::of(120, 12.0, 1)
        };
        let phantom = Phantom::new(&spec).unwrap();
        let mut voxels = Vec::new();
        let plane = |z| {
            phantom.slice_truth(z, &mut voxels);
            voxels
                .iter()
                .map(|voxel| i16::from(*voxel == VoxelTruth::Lesion) * 1000)
                .collect()
        };
        Truth {
            spec,
            planes: (0..spec.slices).map(plane).collect(),
        }
    })
}

/// The first canonical voxel, LPS mm.
const ORIGIN: Point = [-161.3, -120.7, -412.5];

struct Scan {
    exported: Exported,
    geometry: Geometry,
    volume: Volume,
    lesion: Grid3<u8>,
}

impl Exported {
    /// LPS of a point given along the canonical axes, mm from the first voxel.
    fn lps(&self, [x, y, z]: Point) -> Point {
        let (sine, cosine) = self.degrees.to_radians().sin_cos();
        [
            ORIGIN[0] + x * cosine - y * sine,
            ORIGIN[1] + x * sine + y * cosine,
            ORIGIN[2] + z,
        ]
    }

    fn slice(&self, truth: &Truth, z: usize) -> (SliceGeometry, Vec<i16>) {
        let spec = &truth.spec;
        let mut pixels = truth.planes[z].clone();
        let far = |count: usize, mm: f64| (count - 1) as f64 * mm;
        let (mut corner, mut along_x, mut along_y) =
            ([0.0, 0.0, z as f64 * spec.step_mm], 1.0, 1.0);
        if self.columns_leftwards {
            pixels
                .chunks_exact_mut(spec.columns)
                .for_each(<[i16]>::reverse);
            (corner[0], along_x) = (far(spec.columns, COLUMN_MM), -1.0);
        }
        if self.rows_upwards {
            pixels = pixels
                .chunks_exact(spec.columns)
                .rev()
                .flatten()
                .copied()
                .collect();
            (corner[1], along_y) = (far(spec.rows, ROW_MM), -1.0);
        }
        let (sine, cosine) = self.degrees.to_radians().sin_cos();
        let geometry = SliceGeometry {
            position: self.lps(corner),
            orientation: [
                cosine * along_x,
                sine * along_x,
                0.0,
                -sine * along_y,
                cosine * along_y,
                0.0,
            ],
            rows: spec.rows,
            columns: spec.columns,
            row_spacing: ROW_MM,
            column_spacing: COLUMN_MM,
        };
        (geometry, pixels)
    }
}

impl Scan {
    fn of(exported: &Exported) -> Scan {
        Scan::of_truth(truth(), exported)
    }

    fn of_truth(truth: &Truth, exported: &Exported) -> Scan {
        let spec = &truth.spec;
        let mut slices: Vec<_> = (0..spec.slices).map(|z| exported.slice(truth, z)).collect();
        if exported.head_first {
            slices.reverse();
        }
        let places: Vec<_> = slices.iter().map(|(place, _)| *place).collect();
        let geometry = gate(&places, &SeriesLimits::default()).unwrap();
        let reduced = slices.iter().map(|(_, pixels)| {
            reduce(pixels, spec.rows, spec.columns, ROW_MM, COLUMN_MM, 2.8).unwrap()
        });
        let reduced: Vec<_> = reduced.collect();
        let target = Spacing::isotropic(2.8).unwrap();
        let volume = stack(
            &Vec::from_iter(&reduced),
            &geometry,
            target,
            &VolumeLimits::default(),
        )
        .unwrap();
        let lesion = volume.hu.map(|share| u8::from(*share >= 500));
        Scan {
            exported: *exported,
            geometry,
            volume,
            lesion,
        }
    }

    fn mask(&self) -> NativeMask<'_> {
        NativeMask::new(&self.geometry, &self.volume, &self.lesion).unwrap()
    }

    fn file(&self, packing: Packing) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.mask().write(packing, &mut bytes).unwrap();
        bytes
    }

    fn network_ml(&self) -> f64 {
        let sick = self
            .lesion
            .values()
            .iter()
            .filter(|value| **value != 0)
            .count();
        sick as f64 * self.volume.spacing.voxel_mm3() / 1000.0
    }

    /// The centre of mass of the network's mask, LPS.
    fn centre_network(&self) -> Point {
        let (shape, axes, spacing) = (self.lesion.shape(), self.volume.axes, self.volume.spacing);
        let [x, y, z] = mean_index(
            self.lesion.values(),
            [shape[2], shape[1], shape[0]],
            |value| *value != 0,
        );
        let (x, y, z) = (x * spacing.x(), y * spacing.y(), z * spacing.z());
        [0, 1, 2].map(|i| self.volume.origin[i] + z * axes[0][i] + y * axes[1][i] + x * axes[2][i])
    }

    /// The centre of mass of the phantom's lesions, LPS.
    fn centre_truth(&self) -> Point {
        let spec = &truth().spec;
        let sides = [spec.columns, spec.rows, spec.slices];
        let [x, y, z] = mean_index(&truth().planes.concat(), sides, |value| *value > 0);
        self.exported
            .lps([x * COLUMN_MM, y * ROW_MM, z * spec.step_mm])
    }
}

/// A mask file as a foreign program reads it.
struct File {
    sides: [usize; 3],
    sform: Vec<f64>,
    voxels: Vec<u8>,
}

impl File {
    fn read(bytes: &[u8]) -> File {
        let dim = wholes(bytes, 40, 4);
        File {
            sides: [dim[1], dim[2], dim[3]].map(|side| usize::try_from(side).unwrap()),
            sform: reals(bytes, 280, 12),
            voxels: bytes[352..].to_vec(),
        }
    }

    fn centre_lps(&self) -> Point {
        let [x, y, z] = mean_index(&self.voxels, self.sides, |value| *value == 1);
        let row = |row: &[f64]| row[0] * x + row[1] * y + row[2] * z + row[3];
        let ras: Vec<f64> = self.sform.chunks_exact(4).map(row).collect();
        [-ras[0], -ras[1], ras[2]]
    }

    fn ml(&self) -> f64 {
        let column = |i: usize| [self.sform[i], self.sform[4 + i], self.sform[8 + i]];
        let ([a, b, c], [d, e, f], [g, h, i]) = (column(0), column(1), column(2));
        let mm3 = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
        let sick = self.voxels.iter().filter(|value| **value == 1).count();
        sick as f64 * mm3.abs() / 1000.0
    }
}

/// The mean index `x, y, z` of the voxels that `holds`; x runs fastest.
fn mean_index<T>(
    voxels: &[T],
    [columns, rows, _]: [usize; 3],
    holds: impl Fn(&T) -> bool,
) -> Point {
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for (index, _) in voxels.iter().enumerate().filter(|(_, voxel)| holds(voxel)) {
        let place = [
            index % columns,
            index / columns % rows,
            index / columns / rows,
        ];
        sum.iter_mut()
            .zip(place)
            .for_each(|(sum, place)| *sum += place as f64);
        count += 1.0;
    }
    sum.map(|sum| sum / count)
}

fn wholes(bytes: &[u8], at: usize, count: usize) -> Vec<i16> {
    let fields = bytes[at..at + 2 * count].chunks_exact(2);
    fields
        .map(|field| i16::from_le_bytes(field.try_into().unwrap()))
        .collect()
}

fn reals(bytes: &[u8], at: usize, count: usize) -> Vec<f64> {
    let fields = bytes[at..at + 4 * count].chunks_exact(4);
    fields
        .map(|field| f64::from(f32::from_le_bytes(field.try_into().unwrap())))
        .collect()
}

/// Notes the largest piece written; full after `room` bytes.
#[derive(Default)]
struct Pieces {
    largest: usize,
    room: Option<usize>,
}

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.largest = self.largest.max(piece.len());
        if let Some(room) = &mut self.room {
            if *room < piece.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= piece.len();
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

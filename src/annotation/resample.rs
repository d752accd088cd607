//! A segmentation's marked pixels, brought onto the network's grid.
//!
//! Both lie in one frame of reference, with parallel axes: each axis stands for itself. Every marked pixel is a box of its
//! pixel spacing and of the step between planes; each voxel of the grid sums up which share of it such boxes fill. A voxel
//! is lesion from a half on: the mask keeps its volume, where "any overlap" would grow every lesion by up to a voxel on each
//! side, and it is how the network's own mask is drawn on the native grid (the NIfTI mask) and back.

use crate::dicom::{FrameGeometry, Segmentation};
use crate::refusal::AnnotationRefusal;
use crate::store::GridRecord;
use crate::volume::Grid3;

type Vector = [f64; 3];

/// Unit vectors whose product is at least this are one axis: 0.26 degrees, 1 mm at the border of a chest.
const PARALLEL: f64 = 0.99999;
/// Planes nearer to one another than this are one plane, mm.
const SAME_PLANE_MM: f64 = 0.01;
/// Steps between planes that a chest CT can have, mm.
const STEP_MM: std::ops::RangeInclusive<f64> = 0.05..=50.0;
/// Share of the marked volume that may lie outside the grid, whose ends need not be those of the series.
const OUTSIDE_MAX: f64 = 0.1;
/// A voxel is lesion from a half on; a thousandth less, for the sums are rounded.
const HALF: f32 = 0.4995;

/// The lesion mask of the `segments` together on `grid`: index order `z, y, x`, 1 in a lesion.
///
/// Memory: four bytes a voxel of the grid while it works. Errors: [`AnnotationRefusal::Geometry`] when the planes are
/// not parallel to the grid or do not belong together; [`AnnotationRefusal::Empty`] when no voxel is filled by a half;
/// [`AnnotationRefusal::Outside`] when more than a tenth of the marks lies outside the grid; those of the pixels.
pub fn resampled(
    segmentation: &Segmentation<'_>,
    segments: &[u16],
    grid: &GridRecord,
) -> Result<Grid3<u8>, AnnotationRefusal> {
    let planes = planes(segmentation, segments)?;
    let first = planes.first().ok_or(AnnotationRefusal::Empty)?;
    let axes = Axes::of(&first.geometry, grid)?;
    let step_mm = step(segmentation, grid)?;
    let [rows, columns] = segmentation.size();
    let pixel_mm3 = step_mm * first.geometry.row_spacing * first.geometry.column_spacing;
    let mut filling = Filling {
        shares: Grid3::filled(grid.shape, 0.0),
        pixel: pixel_mm3 / grid.spacing_mm.iter().product::<f64>(),
        marked: 0.0,
        inside: 0.0,
    };
    let mut marked = vec![false; rows * columns];
    for plane in &planes {
        marked.fill(false);
        for frame in &plane.frames {
            segmentation.mark(*frame, &mut marked)?;
        }
        if marked.iter().any(|marked| *marked) {
            let place = &plane.geometry;
            let spread = |axis, pixels, mm| axes.spread(axis, place, pixels, mm, grid);
            filling.add(
                &marked,
                &spread(Along::Normal, 1, step_mm),
                &spread(Along::Rows, rows, place.row_spacing),
                &spread(Along::Columns, columns, place.column_spacing),
            );
        }
    }
    filling.mask()
}

/// One plane with the frames of the segments that lie on it.
struct Plane {
    geometry: FrameGeometry,
    frames: Vec<usize>,
}

/// The planes of the `segments`: segments that share a plane are united on it.
fn planes(
    segmentation: &Segmentation<'_>,
    segments: &[u16],
) -> Result<Vec<Plane>, AnnotationRefusal> {
    let refuse = |what| Err(AnnotationRefusal::Geometry { what });
    let mut frames: Vec<(f64, usize, FrameGeometry)> = Vec::new();
    for (index, frame) in segmentation.frames.iter().enumerate() {
        if let Some((_, _, first)) = frames.first()
            && !is_same_grid(first, &frame.geometry)
        {
            return refuse("the frames have different orientations or spacings");
        }
        if segments.contains(&frame.segment) {
            frames.push((height(&frame.geometry), index, frame.geometry));
        }
    }
    frames.sort_by(|(one, _, _), (other, _, _)| one.total_cmp(other));
    let mut planes: Vec<Plane> = Vec::new();
    let mut at = f64::NEG_INFINITY;
    for (height, index, geometry) in frames {
        match planes.last_mut() {
            Some(plane) if height - at < SAME_PLANE_MM => {
                if distance(plane.geometry.position, geometry.position) > SAME_PLANE_MM * 2.0 {
                    return refuse("frames of one plane do not lie on one another");
                }
                plane.frames.push(index);
            }
            _ => {
                at = height;
                planes.push(Plane {
                    geometry,
                    frames: vec![index],
                });
            }
        }
    }
    Ok(planes)
}

/// mm from plane to plane. What the file says, or else the series' own step; less where its planes lie closer together.
fn step(segmentation: &Segmentation<'_>, grid: &GridRecord) -> Result<f64, AnnotationRefusal> {
    let mut heights: Vec<f64> = segmentation
        .frames
        .iter()
        .map(|frame| height(&frame.geometry))
        .collect();
    heights.sort_by(f64::total_cmp);
    let pairs = heights.iter().zip(heights.iter().skip(1));
    let gaps = pairs.map(|(low, high)| high - low);
    let least = gaps
        .filter(|gap| *gap >= SAME_PLANE_MM)
        .fold(f64::INFINITY, f64::min);
    let step = segmentation.step_mm.unwrap_or(grid.step_mm).min(least);
    STEP_MM
        .contains(&step)
        .then_some(step)
        .ok_or(AnnotationRefusal::Geometry {
            what: "the step between its planes cannot be a chest CT's",
        })
}

/// The three directions of a segmentation.
#[derive(Clone, Copy)]
enum Along {
    Normal,
    Rows,
    Columns,
}

/// Which axis of the grid (0 z, 1 y, 2 x) each direction runs along, and which way.
struct Axes {
    normal: (usize, f64),
    rows: (usize, f64),
    columns: (usize, f64),
}

/// For each pixel along a direction the voxels that it reaches into: distance of their values in memory, share of them.
type Spread = Vec<Vec<(usize, f64)>>;

impl Axes {
    fn of(place: &FrameGeometry, grid: &GridRecord) -> Result<Axes, AnnotationRefusal> {
        let (columns, rows) = directions(place);
        let along = |direction: Vector| {
            let mut products = grid
                .axes
                .iter()
                .map(|axis| dot(*axis, direction))
                .enumerate();
            products.find(|(_, product)| product.abs() >= PARALLEL)
        };
        let found = along(cross(columns, rows))
            .zip(along(rows))
            .zip(along(columns));
        let Some(((normal, rows), columns)) = found else {
            return Err(AnnotationRefusal::Geometry {
                what: "its planes are not parallel to the slices",
            });
        };
        Ok(Axes {
            normal: (normal.0, normal.1.signum()),
            rows: (rows.0, rows.1.signum()),
            columns: (columns.0, columns.1.signum()),
        })
    }

    /// How `pixels` of `mm` along a direction, from the first pixel of `place` on, spread over the grid.
    fn spread(
        &self,
        along: Along,
        place: &FrameGeometry,
        pixels: usize,
        mm: f64,
        grid: &GridRecord,
    ) -> Spread {
        let (axis, sign) = match along {
            Along::Normal => self.normal,
            Along::Rows => self.rows,
            Along::Columns => self.columns,
        };
        let [_, height, width] = grid.shape;
        let stride = [height * width, width, 1].get(axis).copied().unwrap_or(1);
        let count = grid.shape.get(axis).copied().unwrap_or(0);
        let edge = grid.spacing_mm.get(axis).copied().unwrap_or(1.0);
        let direction = grid.axes.get(axis).copied().unwrap_or_default();
        let start = dot(minus(place.position, grid.origin_mm), direction) / edge;
        let half = mm / edge / 2.0;
        (0..pixels)
            .map(|pixel| {
                let centre = start + sign * pixel as f64 * mm / edge;
                shares(centre - half, centre + half, count)
                    .map(|(voxel, share)| (voxel * stride, share))
                    .collect()
            })
            .collect()
    }
}

/// The voxels of `0..count`, each one wide with its centre at its index, that `low..high` reaches into, and how far.
fn shares(low: f64, high: f64, count: usize) -> impl Iterator<Item = (usize, f64)> {
    let bound = count as f64;
    let first = crate::volume::whole((low + 0.5).floor().clamp(0.0, bound));
    let past = crate::volume::whole((high + 0.5).ceil().clamp(0.0, bound));
    (first..past).filter_map(move |voxel| {
        let centre = voxel as f64;
        let share = (centre + 0.5).min(high) - (centre - 0.5).max(low);
        (share > 0.0).then_some((voxel, share))
    })
}

/// What is filled of each voxel.
struct Filling {
    shares: Grid3<f32>,
    /// Volume of one pixel, voxels.
    pixel: f64,
    /// Volume of the marked pixels, voxels.
    marked: f64,
    /// Of it inside the grid.
    inside: f64,
}

impl Filling {
    /// Adds one plane of marked pixels, rows × columns in index order `y, x`.
    fn add(&mut self, marked: &[bool], normal: &Spread, rows: &Spread, columns: &Spread) {
        let values = self.shares.values_mut();
        let depth = normal.first().map_or(&[][..], Vec::as_slice);
        for (row, line) in rows.iter().zip(marked.chunks_exact(columns.len().max(1))) {
            for (column, _) in columns.iter().zip(line).filter(|(_, marked)| **marked) {
                self.marked += self.pixel;
                for (along_z, part_z) in depth {
                    for (along_y, part_y) in row {
                        for (along_x, part_x) in column {
                            let part = part_z * part_y * part_x;
                            self.inside += part;
                            if let Some(sum) = values.get_mut(along_z + along_y + along_x) {
                                *sum += crate::volume::single(part);
                            }
                        }
                    }
                }
            }
        }
    }

    fn mask(self) -> Result<Grid3<u8>, AnnotationRefusal> {
        let mask = self.shares.map(|share| u8::from(*share >= HALF));
        let any = mask.values().iter().any(|found| *found != 0);
        if self.marked > 0.0 && self.inside < (1.0 - OUTSIDE_MAX) * self.marked {
            return Err(AnnotationRefusal::Outside);
        }
        any.then_some(mask).ok_or(AnnotationRefusal::Empty)
    }
}

/// Unit vectors of growing column index and of growing row index; decimal strings of few digits are not quite of length 1.
fn directions(place: &FrameGeometry) -> (Vector, Vector) {
    let [a, b, c, d, e, f] = place.orientation;
    let unit = |vector: Vector| vector.map(|part| part / dot(vector, vector).sqrt());
    (unit([a, b, c]), unit([d, e, f]))
}

/// mm along the normal.
fn height(place: &FrameGeometry) -> f64 {
    let (columns, rows) = directions(place);
    dot(place.position, cross(columns, rows))
}

fn is_same_grid(one: &FrameGeometry, other: &FrameGeometry) -> bool {
    let spacings = [
        (one.row_spacing, other.row_spacing),
        (one.column_spacing, other.column_spacing),
    ];
    let directions = one.orientation.iter().zip(&other.orientation);
    let mut near = spacings
        .into_iter()
        .chain(directions.map(|(one, other)| (*one, *other)));
    near.all(|(one, other)| (one - other).abs() < 1e-4)
}

fn dot([a, b, c]: Vector, [d, e, f]: Vector) -> f64 {
    a * d + b * e + c * f
}

fn cross([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [b * f - c * e, c * d - a * f, a * e - b * d]
}

fn minus([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [a - d, b - e, c - f]
}

fn distance(one: Vector, other: Vector) -> f64 {
    let apart = minus(one, other);
    dot(apart, apart).sqrt()
}

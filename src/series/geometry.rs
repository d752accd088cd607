//! The gate every series passes: slices that make one regular, axial volume, or the reason why they do not.

use crate::dicom::FrameGeometry;
use crate::refusal::Refusal;

/// The place of one slice in the patient.
pub type SliceGeometry = FrameGeometry;

type Vector = [f64; 3];

/// What a series may look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesLimits {
    /// Largest step between slices, mm.
    pub slice_step_max: f64,
    /// Least height of the body covered, mm.
    pub height_min: f64,
    /// Most slices.
    pub slices_max: usize,
    /// Least and largest pixel spacing, mm.
    pub pixel_spacing: [f64; 2],
    /// Least and largest field of view, mm.
    pub field_of_view: [f64; 2],
    /// Largest angle between an image axis and the patient's, degrees.
    pub oblique_degrees_max: f64,
    /// Largest shear of the slices against their normal, degrees.
    pub tilt_degrees_max: f64,
}

impl Default for SeriesLimits {
    fn default() -> SeriesLimits {
        SeriesLimits {
            slice_step_max: 10.0,
            height_min: 120.0,
            slices_max: 2000,
            pixel_spacing: [0.2, 2.0],
            field_of_view: [150.0, 700.0],
            oblique_degrees_max: 10.0,
            // One degree moves the top of a 300 mm chest by 5 mm against its bottom.
            tilt_degrees_max: 1.0,
        }
    }
}

/// One regular volume in canonical orientation: z feet to head, y front to back, x patient right to left.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Indices into the slices given, lowest (feet) first.
    pub order: Vec<usize>,
    /// mm from slice to slice along the normal.
    pub step_mm: f64,
    /// mm from row to row.
    pub row_spacing: f64,
    /// mm from column to column.
    pub column_spacing: f64,
    /// Rows of a slice.
    pub rows: usize,
    /// Columns of a slice.
    pub columns: usize,
    /// Whether columns run from patient left to right, so that each row must be reversed.
    pub flip_x: bool,
    /// Whether rows run from back to front, so that the rows must be reversed.
    pub flip_y: bool,
    /// Centre of the canonical voxel `0, 0, 0` (lowest slice, both flips done), LPS mm.
    pub origin: [f64; 3],
    /// Unit vectors in LPS of the canonical axes, in the order `z, y, x`.
    pub axes: [[f64; 3]; 3],
}

/// Checks `slices`, in any order, and returns the volume they make.
///
/// Errors, in this order: [`Refusal::TooShort`] without slices, [`Refusal::SeriesTooLarge`], [`Refusal::SizeMixed`],
/// [`Refusal::SpacingImplausible`], [`Refusal::OrientationMixed`], [`Refusal::NotAxial`],
/// [`Refusal::GeometryDuplicate`], [`Refusal::GantryTilt`], [`Refusal::GeometryGap`], [`Refusal::SpacingUneven`],
/// [`Refusal::SlicesTooThick`], [`Refusal::TooShort`].
pub fn gate(slices: &[SliceGeometry], limits: &SeriesLimits) -> Result<Geometry, Refusal> {
    let too_short = |height_mm| Refusal::TooShort {
        height_mm,
        least_mm: limits.height_min,
    };
    let first = slices.first().ok_or(too_short(0.0))?;
    if slices.len() > limits.slices_max {
        return Err(Refusal::SeriesTooLarge {
            what: format!("{} slices, {} are allowed", slices.len(), limits.slices_max),
        });
    }
    one_size(slices, first)?;
    plausible(first, limits)?;
    one_orientation(slices, first)?;
    let frame = Frame::of(first);
    // Gantries tilt by up to 30 degrees: what leans further is another plane, not a tilt.
    frame.axial(35.0)?;
    let stack = Stack::of(slices, &frame)?;
    stack.upright(slices, &frame, limits)?;
    frame.axial(limits.oblique_degrees_max)?;
    let step_mm = stack.step(limits)?;
    let height_mm = step_mm * slices.len() as f64;
    if slices.len() < 2 || height_mm < limits.height_min {
        return Err(too_short(height_mm));
    }
    let lowest = stack.order.first().and_then(|index| slices.get(*index));
    Ok(frame.geometry(lowest.unwrap_or(first), stack.order, step_mm))
}

/// Whether the slices that have arrived make a regular volume already, so that work may start before the folder is quiet.
pub fn is_complete_geometry(slices: &[SliceGeometry], limits: &SeriesLimits) -> bool {
    gate(slices, limits).is_ok()
}

fn one_size(slices: &[SliceGeometry], first: &SliceGeometry) -> Result<(), Refusal> {
    // Pixel Spacing is a decimal string of up to 16 digits; 1e-4 of it is 0.05 mm over a whole row.
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-4 * a.abs();
    let same = slices.iter().all(|slice| {
        (slice.rows, slice.columns) == (first.rows, first.columns)
            && near(slice.row_spacing, first.row_spacing)
            && near(slice.column_spacing, first.column_spacing)
    });
    if same {
        Ok(())
    } else {
        Err(Refusal::SizeMixed)
    }
}

fn plausible(first: &SliceGeometry, limits: &SeriesLimits) -> Result<(), Refusal> {
    let within = |value: f64, [least, most]: [f64; 2]| (least..=most).contains(&value);
    for (pixels, spacing) in [
        (first.rows, first.row_spacing),
        (first.columns, first.column_spacing),
    ] {
        let view = pixels as f64 * spacing;
        if !within(spacing, limits.pixel_spacing) || !within(view, limits.field_of_view) {
            return Err(Refusal::SpacingImplausible {
                what: format!("{pixels} pixels of {spacing:.3} mm, {view:.0} mm in all"),
            });
        }
    }
    Ok(())
}

fn one_orientation(slices: &[SliceGeometry], first: &SliceGeometry) -> Result<(), Refusal> {
    const TOLERANCE: f64 = 1e-3;
    let same = |slice: &SliceGeometry| {
        let mut pairs = slice.orientation.iter().zip(&first.orientation);
        pairs.all(|(a, b)| (a - b).abs() <= TOLERANCE)
    };
    if slices.iter().all(same) {
        Ok(())
    } else {
        Err(Refusal::OrientationMixed)
    }
}

/// The directions of one slice.
struct Frame {
    slice: SliceGeometry,
    /// Along a row (growing column index).
    along_row: Vector,
    /// Along a column (growing row index).
    along_column: Vector,
    /// The normal, pointing to the head as far as an axial slice's can.
    normal: Vector,
}

impl Frame {
    fn of(slice: &SliceGeometry) -> Frame {
        let [a, b, c, d, e, f] = slice.orientation;
        let cross = [b * f - c * e, c * d - a * f, a * e - b * d];
        let upwards = if cross[2] < 0.0 { -1.0 } else { 1.0 };
        Frame {
            slice: *slice,
            along_row: unit([a, b, c]),
            along_column: unit([d, e, f]),
            normal: unit(scaled(cross, upwards)),
        }
    }

    fn axial(&self, degrees_max: f64) -> Result<(), Refusal> {
        let least = degrees_max.to_radians().cos();
        let ([x, _, _], [_, y, _], [_, _, z]) = (self.along_row, self.along_column, self.normal);
        if x.abs() >= least && y.abs() >= least && z >= least {
            Ok(())
        } else {
            Err(Refusal::NotAxial)
        }
    }

    fn geometry(&self, lowest: &SliceGeometry, order: Vec<usize>, step_mm: f64) -> Geometry {
        let slice = &self.slice;
        let (flip_x, flip_y) = (self.along_row[0] < 0.0, self.along_column[1] < 0.0);
        let far = |pixels: usize, spacing: f64| pixels.saturating_sub(1) as f64 * spacing;
        let (mut origin, mut x_axis, mut y_axis) =
            (lowest.position, self.along_row, self.along_column);
        if flip_x {
            origin = sum(
                origin,
                scaled(x_axis, far(slice.columns, slice.column_spacing)),
            );
            x_axis = scaled(x_axis, -1.0);
        }
        if flip_y {
            origin = sum(origin, scaled(y_axis, far(slice.rows, slice.row_spacing)));
            y_axis = scaled(y_axis, -1.0);
        }
        Geometry {
            order,
            step_mm,
            row_spacing: slice.row_spacing,
            column_spacing: slice.column_spacing,
            rows: slice.rows,
            columns: slice.columns,
            flip_x,
            flip_y,
            origin,
            axes: [self.normal, y_axis, x_axis],
        }
    }
}

/// The slices sorted along their normal.
struct Stack {
    order: Vec<usize>,
    /// Ascending positions along the normal, mm.
    heights: Vec<f64>,
}

impl Stack {
    fn of(slices: &[SliceGeometry], frame: &Frame) -> Result<Stack, Refusal> {
        /// Two slices nearer than this are one position; the thinnest step in use is 0.25 mm.
        const SAME_MM: f64 = 0.02;
        let height = |slice: &SliceGeometry| dot(slice.position, frame.normal);
        let mut placed: Vec<(f64, usize)> = slices.iter().map(height).zip(0..).collect();
        placed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let (heights, order): (Vec<f64>, Vec<usize>) = placed.into_iter().unzip();
        let mut pairs = heights.array_windows::<2>();
        match pairs.find(|[low, high]| high - low < SAME_MM) {
            Some([at_mm, _]) => Err(Refusal::GeometryDuplicate { at_mm: *at_mm }),
            None => Ok(Stack { order, heights }),
        }
    }

    /// The line through the slices' corners must be the normal: a tilted gantry shears the stack.
    fn upright(
        &self,
        slices: &[SliceGeometry],
        frame: &Frame,
        limits: &SeriesLimits,
    ) -> Result<(), Refusal> {
        /// How far one slice may stand out of line, mm: more is another field of view.
        const ASIDE_MM: f64 = 1.0;
        let at = |index: Option<&usize>| index.and_then(|index| slices.get(*index));
        let (Some(low), Some(high)) = (at(self.order.first()), at(self.order.last())) else {
            return Ok(());
        };
        let run = sum(high.position, scaled(low.position, -1.0));
        let rise = dot(run, frame.normal);
        if rise <= 0.0 {
            return Ok(());
        }
        let shear = sum(run, scaled(frame.normal, -rise));
        let degrees = length(shear).atan2(rise).to_degrees();
        if degrees > limits.tilt_degrees_max {
            return Err(Refusal::GantryTilt { degrees });
        }
        let aside = |slice: &SliceGeometry| {
            let offset = sum(slice.position, scaled(low.position, -1.0));
            let share = dot(offset, frame.normal) / rise;
            length(sum(
                sum(offset, scaled(shear, -share)),
                scaled(frame.normal, -share * rise),
            ))
        };
        if slices.iter().any(|slice| aside(slice) > ASIDE_MM) {
            return Err(Refusal::SizeMixed);
        }
        Ok(())
    }

    /// The step, when it is the same everywhere within 1 % or 0.05 mm; zero for a single slice.
    fn step(&self, limits: &SeriesLimits) -> Result<f64, Refusal> {
        let mut steps: Vec<f64> = self.heights.array_windows().map(|[a, b]| b - a).collect();
        steps.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (steps.first(), steps.last()) else {
            return Ok(0.0);
        };
        let usual = steps.get(steps.len() / 2).copied().unwrap_or(*least);
        let tolerance = (0.01 * usual).max(0.05);
        let wide = |[low, high]: &&[f64; 2]| high - low > 1.5 * usual;
        if let Some([from, to]) = self.heights.array_windows().find(wide) {
            return Err(Refusal::GeometryGap {
                from_mm: *from,
                to_mm: *to,
            });
        }
        if usual - least > tolerance || most - usual > tolerance {
            return Err(Refusal::SpacingUneven {
                least_mm: *least,
                most_mm: *most,
            });
        }
        if usual > limits.slice_step_max {
            return Err(Refusal::SlicesTooThick {
                step_mm: usual,
                allowed_mm: limits.slice_step_max,
            });
        }
        // The mean carries no rounding of single positions into the volume's height.
        Ok(steps.iter().sum::<f64>() / steps.len() as f64)
    }
}

fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sum([a, b, c]: Vector, [d, e, f]: Vector) -> Vector {
    [a + d, b + e, c + f]
}

fn scaled(vector: Vector, factor: f64) -> Vector {
    vector.map(|part| part * factor)
}

fn length(vector: Vector) -> f64 {
    dot(vector, vector).sqrt()
}

fn unit(vector: Vector) -> Vector {
    scaled(vector, 1.0 / length(vector).max(f64::MIN_POSITIVE))
}

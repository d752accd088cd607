//! One native slice to the network's in-plane spacing, when it arrives.

use super::histogram::{HISTOGRAM_BINS, histogram};
use super::rounding::{rounded, single, whole};
use crate::refusal::Refusal;

/// The largest image, mm²: a topogram of the whole body. What a slice keeps is bounded by it, whatever its file says of its
/// pixels; which slices are triaged is for the gate to say.
const AREA_MM2_MAX: f64 = 2.0e6;

/// A slice on the target grid, index order `y, x`, HU.
#[derive(Clone, Debug, PartialEq)]
pub struct ReducedSlice {
    rows: usize,
    columns: usize,
    hu: Vec<i16>,
    /// mm from the outer edge of the native image to the outer edge of this grid, `y, x`; may be negative.
    inset_mm: [f64; 2],
    histogram: [u32; HISTOGRAM_BINS],
}

impl ReducedSlice {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Hounsfield units, index order `y, x`.
    pub fn hu(&self) -> &[i16] {
        &self.hu
    }

    /// mm from the outer edge of the native image to the outer edge of this grid, `y, x`.
    pub fn inset_mm(&self) -> [f64; 2] {
        self.inset_mm
    }

    /// How many native pixels fall into each 64 HU from -1024 up; for the check of plausibility.
    pub fn histogram(&self) -> &[u32; HISTOGRAM_BINS] {
        &self.histogram
    }
}

/// Reduces a native slice to pixels of `target_mm` by area, as [`Reducer::reduce`] does.
///
/// Units: mm, HU. Errors: as there.
pub fn reduce(
    hu: &[i16],
    rows: usize,
    columns: usize,
    row_spacing_mm: f64,
    column_spacing_mm: f64,
    target_mm: f64,
) -> Result<ReducedSlice, Refusal> {
    Reducer::new(target_mm).reduce(hu, rows, columns, [row_spacing_mm, column_spacing_mm])
}

/// Reduces slices, one after the other; what slices of one shape have in common is worked out once.
#[derive(Debug)]
pub struct Reducer {
    target_mm: f64,
    axes: Option<Axes>,
    /// One native line, with zeros behind it.
    line: Vec<f32>,
    /// The same reduced across.
    narrowed: Vec<f32>,
    /// One line of the result.
    sums: Vec<f32>,
}

/// How the lines and the columns of slices of one shape are reduced.
#[derive(Debug)]
struct Axes {
    shape: (usize, usize, [f64; 2]),
    down: Axis,
    across: Axis,
}

impl Reducer {
    /// Reduces to pixels of `target_mm`.
    pub fn new(target_mm: f64) -> Reducer {
        Reducer {
            target_mm,
            axes: None,
            line: Vec::new(),
            narrowed: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Reduces a native slice by area: each output pixel is the mean of what it covers.
    ///
    /// Shape: `hu` is `rows × columns`, row-major `y, x`; out `round(extent / target_mm)` each way, the centre kept.
    /// Where the native pixels are larger than the target the same overlap weights interpolate between none, so pixels
    /// are repeated in part. Units: HU; `spacing_mm` from row to row and from column to column.
    /// Errors: [`Refusal::SpacingImplausible`] when there is nothing to reduce, or more than two square metres.
    pub fn reduce(
        &mut self,
        hu: &[i16],
        rows: usize,
        columns: usize,
        spacing_mm: [f64; 2],
    ) -> Result<ReducedSlice, Refusal> {
        let shape = (rows, columns, spacing_mm);
        let whole = rows.checked_mul(columns) == Some(hu.len());
        let held = self.axes.take().filter(|axes| axes.shape == shape);
        let axes = held.or_else(|| Axes::new(shape, self.target_mm));
        let Some(axes) = axes.filter(|_| whole) else {
            let [row_mm, column_mm] = spacing_mm;
            let what = format!("{rows} x {columns} pixels of {row_mm} x {column_mm} mm");
            return Err(Refusal::SpacingImplausible { what });
        };
        let reduced = ReducedSlice {
            rows: axes.down.firsts.len(),
            columns: axes.across.firsts.len(),
            hu: self.lines(hu, &axes),
            inset_mm: [axes.down.inset_mm, axes.across.inset_mm],
            histogram: histogram(hu),
        };
        self.axes = Some(axes);
        Ok(reduced)
    }

    /// Line by line, so that what is worked on stays near the processor.
    fn lines(&mut self, hu: &[i16], axes: &Axes) -> Vec<i16> {
        let (_, columns, _) = axes.shape;
        let width = axes.across.firsts.len();
        let mut reduced = Vec::with_capacity(axes.down.firsts.len() * width);
        self.line.clear();
        self.line.resize(columns + axes.across.taps, 0.0);
        self.narrowed.resize(width, 0.0);
        self.sums.resize(width, 0.0);
        // Spans follow each other, and share at most the line on their border.
        let mut narrowed = None;
        for (first, weights) in axes.down.spans() {
            self.sums.fill(0.0);
            let native = hu.chunks_exact(columns).enumerate().skip(first);
            for ((index, line), weight) in native.zip(weights) {
                if *weight <= 0.0 {
                    continue;
                }
                if narrowed != Some(index) {
                    let values = self.line.iter_mut().zip(line);
                    values.for_each(|(to, value)| *to = f32::from(*value));
                    axes.across.narrow(&self.line, &mut self.narrowed);
                    narrowed = Some(index);
                }
                for (sum, value) in self.sums.iter_mut().zip(&self.narrowed) {
                    *sum += weight * value;
                }
            }
            reduced.extend(self.sums.iter().map(|sum| rounded(*sum)));
        }
        reduced
    }
}

impl Axes {
    fn new(shape: (usize, usize, [f64; 2]), target_mm: f64) -> Option<Axes> {
        let (rows, columns, [row_mm, column_mm]) = shape;
        let area_mm2 = rows as f64 * row_mm * columns as f64 * column_mm;
        if area_mm2 > AREA_MM2_MAX {
            return None;
        }
        Some(Axes {
            shape,
            down: Axis::new(rows, row_mm, target_mm)?,
            across: Axis::new(columns, column_mm, target_mm)?,
        })
    }
}

/// Which native pixels each output pixel covers, and with what weight; weights of one span add up to 1.
#[derive(Debug)]
struct Axis {
    /// The first native pixel of each span.
    firsts: Vec<usize>,
    /// Weights for each span, 4, 6, 8 or more than 8; shorter spans end in zeros.
    taps: usize,
    weights: Vec<f32>,
    inset_mm: f64,
}

impl Axis {
    fn new(count: usize, spacing_mm: f64, target_mm: f64) -> Option<Axis> {
        let good = |edge: f64| edge.is_finite() && edge > 0.0;
        if count == 0 || !good(spacing_mm) || !good(target_mm) {
            return None;
        }
        let extent = count as f64 * spacing_mm;
        let wanted = (extent / target_mm).round().max(1.0);
        if wanted > 4096.0 {
            return None;
        }
        let inset_mm = (extent - wanted * target_mm) / 2.0;
        let ratio = target_mm / spacing_mm;
        let start = inset_mm / spacing_mm;
        let spans: Vec<(usize, Vec<f32>)> = (0..whole(wanted))
            .map(|index| covering(start + index as f64 * ratio, ratio, count))
            .collect();
        let taps = spans.iter().map(|(_, weights)| weights.len()).max()?;
        let taps = [4, 6, 8]
            .into_iter()
            .find(|usual| taps <= *usual)
            .unwrap_or(taps);
        let padded = |(_, weights): &(usize, Vec<f32>)| {
            let zeros = std::iter::repeat_n(0.0, taps - weights.len());
            weights.iter().copied().chain(zeros).collect::<Vec<f32>>()
        };
        Some(Axis {
            firsts: spans.iter().map(|(first, _)| *first).collect(),
            taps,
            weights: spans.iter().flat_map(padded).collect(),
            inset_mm,
        })
    }

    fn spans(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let weights = self.weights.chunks_exact(self.taps);
        self.firsts.iter().copied().zip(weights)
    }

    /// Fills `narrowed` with the spans' means of `line`, which has zeros for the last spans' padding.
    fn narrow(&self, line: &[f32], narrowed: &mut [f32]) {
        // Counts that are known when this is compiled make it twice as fast; CT of usual spacing has them.
        match self.taps {
            4 => self.narrow_by::<4>(line, narrowed),
            6 => self.narrow_by::<6>(line, narrowed),
            8 => self.narrow_by::<8>(line, narrowed),
            _ => {
                for ((first, weights), mean) in self.spans().zip(narrowed) {
                    let covered = line.get(first..).unwrap_or(&[]);
                    *mean = weighted(covered, weights);
                }
            }
        }
    }

    fn narrow_by<const TAPS: usize>(&self, line: &[f32], narrowed: &mut [f32]) {
        let (weights, _) = self.weights.as_chunks::<TAPS>();
        for ((first, weights), mean) in self.firsts.iter().zip(weights).zip(narrowed) {
            let covered = line.get(*first..).and_then(<[f32]>::first_chunk::<TAPS>);
            *mean = covered.map_or(0.0, |covered| weighted(covered, weights));
        }
    }
}

/// The sum of products, from the first on.
#[inline(always)]
fn weighted(values: &[f32], weights: &[f32]) -> f32 {
    let products = values.iter().zip(weights);
    products.fold(0.0, |sum, (value, weight)| sum + value * weight)
}

/// The overlap of `[start, start + length)` with the native pixels 0 to `count`, in native pixels: the first one and the
/// weights from it on. What reaches past the edge is left out, and the rest weighs more.
fn covering(start: f64, length: f64, count: usize) -> (usize, Vec<f32>) {
    let last = (count - 1) as f64;
    let low = start.clamp(0.0, last);
    let high = (start + length).clamp(low, count as f64);
    let first = low.floor();
    let end = high.ceil().max(first + 1.0);
    let mut weights: Vec<f32> = (whole(first)..whole(end))
        .map(|pixel| {
            let (from, to) = (pixel as f64, pixel as f64 + 1.0);
            single((to.min(high) - from.max(low)).max(0.0))
        })
        .collect();
    let sum: f32 = weights.iter().sum();
    if sum > f32::EPSILON {
        weights.iter_mut().for_each(|weight| *weight /= sum);
    } else if let Some(only) = weights.first_mut() {
        *only = 1.0;
    }
    (whole(first), weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The sums are those of the definition, in its order, to the last bit: weights across, then down.
        #[test]
        fn each_pixel_is_the_weighted_mean_of_what_it_covers(
            (rows, columns) in (1..60_usize, 1..60_usize),
            spacing in prop::array::uniform2(0.2..4.0_f64),
            target in prop::sample::select(vec![2.8, 1.0, 9.0, 40.0]),
            seed in any::<u32>(),
        ) {
            let native = noise(rows * columns, seed);
            let mut reducer = Reducer::new(target);
            // Another shape before, the same shape twice.
            reducer.reduce(&[5; 6], 2, 3, [1.0, 1.0]).unwrap();
            let first = reducer.reduce(&native, rows, columns, spacing).unwrap();
            let again = reducer.reduce(&native, rows, columns, spacing).unwrap();
            prop_assert_eq!(&first, &again);
            prop_assert_eq!(first.hu(), defined(&native, rows, columns, spacing, target));
            let mut bins = [0_u32; HISTOGRAM_BINS];
            for hu in native {
                bins[usize::try_from((i32::from(hu) + 1024).max(0) / 64).unwrap().min(63)] += 1;
            }
            prop_assert_eq!(first.histogram(), &bins);
        }
    }

    fn noise(pixels: usize, seed: u32) -> Vec<i16> {
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let states = std::iter::successors(Some(seed), next).skip(1).take(pixels);
        states.map(|state| (state >> 16) as u16 as i16).collect()
    }

    fn defined(
        native: &[i16],
        rows: usize,
        columns: usize,
        [row_mm, column_mm]: [f64; 2],
        target_mm: f64,
    ) -> Vec<i16> {
        let spans = |count: usize, mm: f64| {
            let extent = count as f64 * mm;
            let wanted = (extent / target_mm).round().max(1.0);
            let start = (extent - wanted * target_mm) / 2.0 / mm;
            let ratio = target_mm / mm;
            let each = (0..whole(wanted)).map(|i| covering(start + i as f64 * ratio, ratio, count));
            each.collect::<Vec<_>>()
        };
        let across = spans(columns, column_mm);
        let mut reduced = Vec::new();
        for (top, heights) in spans(rows, row_mm) {
            for (left, widths) in &across {
                let mut sum = 0.0;
                for (line, height) in heights.iter().enumerate() {
                    let line = &native[(top + line) * columns + left..];
                    let products = line.iter().zip(widths);
                    let mean = products.fold(0.0, |sum, (hu, width)| sum + f32::from(*hu) * width);
                    sum += height * mean;
                }
                reduced.push(rounded(sum));
            }
        }
        reduced
    }

    #[test]
    fn a_flat_slice_stays_flat_and_keeps_its_extent() {
        let slice = reduce(&[-700; 512 * 512], 512, 512, 0.6, 0.7, 2.8).unwrap();
        assert_eq!((slice.rows(), slice.columns()), (110, 128));
        assert!(slice.hu().iter().all(|hu| *hu == -700));
    }

    #[test]
    fn four_by_four_blocks_become_their_mean() {
        let native: Vec<i16> = (0..64)
            .map(|index| if index % 8 < 4 { -1000 } else { 40 })
            .collect();
        let slice = reduce(&native, 8, 8, 0.7, 0.7, 2.8).unwrap();
        assert_eq!(slice.hu(), [-1000, 40, -1000, 40]);
    }

    #[test]
    fn the_mean_is_kept_when_the_target_does_not_divide_the_extent() {
        let native: Vec<i16> = (0..100 * 100)
            .map(|index| (index % 100) as i16 * 10)
            .collect();
        let slice = reduce(&native, 100, 100, 0.63, 0.63, 2.8).unwrap();
        let mean =
            slice.hu().iter().map(|hu| f64::from(*hu)).sum::<f64>() / slice.hu().len() as f64;
        assert!((mean - 495.0).abs() < 3.0, "{mean}");
    }

    #[test]
    fn pixels_larger_than_the_target_are_taken_too() {
        let slice = reduce(&[0, 100, 0, 100], 2, 2, 5.6, 5.6, 2.8).unwrap();
        assert_eq!((slice.rows(), slice.columns()), (4, 4));
        assert_eq!(slice.hu().get(..4), Some(&[0, 0, 100, 100][..]));
    }

    #[test]
    fn a_slice_that_does_not_fill_its_shape_or_is_larger_than_a_body_is_refused() {
        assert!(reduce(&[0; 10], 4, 4, 0.7, 0.7, 2.8).is_err());
        assert!(reduce(&[], 0, 0, 0.7, 0.7, 2.8).is_err());
        assert!(reduce(&[0; 16], 4, 4, f64::NAN, 0.7, 2.8).is_err());
        assert!(reduce(&[0; 16], 4, 4, 400.0, 400.0, 2.8).is_err());
    }
}

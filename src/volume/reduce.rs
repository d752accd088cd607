//! One native slice to the network's in-plane spacing, when it arrives.

use super::rounding::{rounded, single, whole};
use crate::refusal::Refusal;

/// Bins of the coarse histogram, 64 HU each from -1024 up.
pub const HISTOGRAM_BINS: usize = 64;
const HISTOGRAM_STEP: i32 = 64;

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

/// Reduces a native slice to pixels of `target_mm` by area: each output pixel is the mean of what it covers.
///
/// Shape: `hu` is `rows × columns`, row-major `y, x`; out `round(extent / target_mm)` each way, the centre kept.
/// Where the native pixels are larger than the target the same overlap weights interpolate between none, so pixels are
/// repeated in part. Units: mm, HU. Errors: [`Refusal::SpacingImplausible`] when there is nothing to reduce.
pub fn reduce(
    hu: &[i16],
    rows: usize,
    columns: usize,
    row_spacing_mm: f64,
    column_spacing_mm: f64,
    target_mm: f64,
) -> Result<ReducedSlice, Refusal> {
    let whole = rows > 0 && columns > 0 && rows.checked_mul(columns) == Some(hu.len());
    let down = Axis::new(rows, row_spacing_mm, target_mm).filter(|_| whole);
    let across = Axis::new(columns, column_spacing_mm, target_mm).filter(|_| whole);
    let (Some(down), Some(across)) = (down, across) else {
        let what =
            format!("{rows} x {columns} pixels of {row_spacing_mm} x {column_spacing_mm} mm");
        return Err(Refusal::SpacingImplausible { what });
    };
    let narrowed: Vec<f32> = hu
        .chunks_exact(columns)
        .flat_map(|line| across.narrow(line))
        .collect();
    let width = across.spans.len();
    let mut reduced = Vec::with_capacity(down.spans.len() * width);
    let mut sums = vec![0.0_f32; width];
    for span in &down.spans {
        sums.fill(0.0);
        let lines = narrowed.chunks_exact(width).skip(span.first);
        for (line, weight) in lines.zip(&span.weights) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += weight * value;
            }
        }
        reduced.extend(sums.iter().map(|sum| rounded(*sum)));
    }
    Ok(ReducedSlice {
        rows: down.spans.len(),
        columns: width,
        hu: reduced,
        inset_mm: [down.inset_mm, across.inset_mm],
        histogram: histogram(hu),
    })
}

/// Which native pixels each output pixel covers, and with what weight; weights of one span add up to 1.
struct Axis {
    spans: Vec<Span>,
    inset_mm: f64,
}

struct Span {
    first: usize,
    weights: Vec<f32>,
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
        let spans = (0..whole(wanted))
            .map(|index| Span::covering(start + index as f64 * ratio, ratio, count));
        Some(Axis {
            spans: spans.collect(),
            inset_mm,
        })
    }

    fn narrow<'a>(&'a self, line: &'a [i16]) -> impl Iterator<Item = f32> + 'a {
        self.spans.iter().map(|span| {
            let covered = line.get(span.first..).unwrap_or(&[]);
            covered
                .iter()
                .zip(&span.weights)
                .map(|(value, weight)| f32::from(*value) * weight)
                .sum()
        })
    }
}

impl Span {
    /// The overlap of `[start, start + length)` with the native pixels 0 to `count`, in native pixels. What reaches past
    /// the edge is left out, and the rest weighs more.
    fn covering(start: f64, length: f64, count: usize) -> Span {
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
        Span {
            first: whole(first),
            weights,
        }
    }
}

fn histogram(hu: &[i16]) -> [u32; HISTOGRAM_BINS] {
    let mut bins = [0_u32; HISTOGRAM_BINS];
    for value in hu {
        let bin = usize::try_from((i32::from(*value) + 1024) / HISTOGRAM_STEP).unwrap_or(0);
        if let Some(count) = bins.get_mut(bin.min(HISTOGRAM_BINS - 1)) {
            *count += 1;
        }
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_slice_that_does_not_fill_its_shape_is_refused() {
        assert!(reduce(&[0; 10], 4, 4, 0.7, 0.7, 2.8).is_err());
        assert!(reduce(&[], 0, 0, 0.7, 0.7, 2.8).is_err());
        assert!(reduce(&[0; 16], 4, 4, f64::NAN, 0.7, 2.8).is_err());
    }
}

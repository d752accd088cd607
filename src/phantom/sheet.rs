//! The pixels of one slice in patient mm, and what is painted on them.

use crate::phantom::anatomy::Point;
use crate::phantom::noise::{Random, mix, smooth_step};
use crate::phantom::spec::PhantomSpec;
use crate::phantom::tree::Tube;

/// mm between points of the coarse grid on which smooth fields are evaluated.
const COARSE_MM: f32 = 2.4;

/// The pixel grid of a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sheet {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pixel: f32,
}

impl Sheet {
    #[expect(clippy::cast_possible_truncation, reason = "mm need no f64")]
    pub(super) fn of(spec: &PhantomSpec) -> Sheet {
        Sheet {
            rows: spec.rows,
            columns: spec.columns,
            pixel: spec.pixel_mm as f32,
        }
    }

    /// y of the middle of `row`, mm.
    pub(super) fn y(&self, row: usize) -> f32 {
        (row as f32 + 0.5 - self.rows as f32 / 2.0) * self.pixel
    }

    /// x of the middle of `column`, mm.
    pub(super) fn x(&self, column: usize) -> f32 {
        (column as f32 + 0.5 - self.columns as f32 / 2.0) * self.pixel
    }

    /// The pixels from `low` to `high` mm along an axis of `count` pixels.
    fn span(&self, low: f32, high: f32, count: usize) -> std::ops::Range<usize> {
        let middle = count as f32 / 2.0;
        let start = whole((low / self.pixel + middle - 0.5).floor());
        let end = whole((high / self.pixel + middle + 1.5).ceil());
        start.min(count)..end.min(count)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative values saturate to zero, as wanted; large ones are cut by the caller"
)]
fn whole(value: f32) -> usize {
    value as usize
}

/// Values on a coarse grid over a sheet.
#[derive(Clone, Debug)]
pub(super) struct Coarse<T> {
    values: Vec<T>,
    width: usize,
    /// Coarse steps a pixel.
    scale: f32,
}

/// Values that can be interpolated.
pub(super) trait Blend: Copy + Default {
    /// `self` at 0, `other` at 1.
    fn blend(&self, other: &Self, share: f32) -> Self;
}

impl<T: Blend> Coarse<T> {
    /// Evaluates `field(x, y)` (mm) on the coarse grid over `sheet`.
    pub(super) fn of(sheet: &Sheet, mut field: impl FnMut(f32, f32) -> T) -> Coarse<T> {
        let scale = (sheet.pixel / COARSE_MM).min(1.0);
        let width = whole(sheet.columns as f32 * scale) + 3;
        let height = whole(sheet.rows as f32 * scale) + 3;
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            let y = (row as f32 / scale + 0.5 - sheet.rows as f32 / 2.0) * sheet.pixel;
            for column in 0..width {
                let x = (column as f32 / scale + 0.5 - sheet.columns as f32 / 2.0) * sheet.pixel;
                values.push(field(x, y));
            }
        }
        Coarse {
            values,
            width,
            scale,
        }
    }

    /// The coarse row through pixel row `row`, interpolated along y into `line`.
    pub(super) fn line(&self, row: usize, line: &mut Vec<T>) {
        let place = row as f32 * self.scale;
        let first = whole(place);
        let share = place - first as f32;
        let from = |index: usize| {
            self.values
                .get(index * self.width..(index + 1) * self.width)
                .unwrap_or(&[])
        };
        line.clear();
        line.extend(
            from(first)
                .iter()
                .zip(from(first + 1))
                .map(|(a, b)| a.blend(b, share)),
        );
    }

    /// The value at pixel `column` of a `line`.
    pub(super) fn along(&self, line: &[T], column: usize) -> T {
        let place = column as f32 * self.scale;
        let first = whole(place);
        let here = line.get(first).copied().unwrap_or_default();
        line.get(first + 1)
            .map_or(here, |next| here.blend(next, place - first as f32))
    }
}

/// How much of each pixel tubes cover.
#[derive(Clone, Debug)]
pub(super) struct Cover {
    columns: usize,
    values: Vec<f32>,
}

impl Cover {
    /// The share of each pixel that lies within `radius(tube)` mm of a tube's axis at `height` mm.
    pub(super) fn of(
        sheet: &Sheet,
        tubes: &[Tube],
        height: f32,
        radius: impl Fn(&Tube) -> f32,
    ) -> Cover {
        let mut cover = Cover {
            columns: sheet.columns,
            values: vec![0.0; sheet.rows * sheet.columns],
        };
        for tube in tubes {
            let reach = radius(tube) + 0.6;
            let low = tube.start.z.min(tube.end.z) - reach;
            let high = tube.start.z.max(tube.end.z) + reach;
            if (low..high).contains(&height) {
                cover.paint(sheet, tube, height, radius(tube));
            }
        }
        cover
    }

    /// The shares of `row`.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        self.values
            .get(row * self.columns..(row + 1) * self.columns)
            .unwrap_or(&[])
    }

    fn paint(&mut self, sheet: &Sheet, tube: &Tube, height: f32, radius: f32) {
        let near = section(tube, height, radius + 0.6);
        // A pixel is as wide as its blur; thinner vessels than that show as a share.
        let soft = 0.5_f32.max(sheet.pixel * 0.5);
        let span_x = (
            near.0.min(near.2) - radius - soft,
            near.0.max(near.2) + radius + soft,
        );
        let span_y = (
            near.1.min(near.3) - radius - soft,
            near.1.max(near.3) + radius + soft,
        );
        let columns = sheet.span(span_x.0, span_x.1, sheet.columns);
        for row in sheet.span(span_y.0, span_y.1, sheet.rows) {
            let y = sheet.y(row);
            let start = row * self.columns;
            let Some(pixels) = self
                .values
                .get_mut(start + columns.start..start + columns.end)
            else {
                continue;
            };
            for (pixel, column) in pixels.iter_mut().zip(columns.clone()) {
                let gap = away(
                    tube,
                    Point {
                        x: sheet.x(column),
                        y,
                        z: height,
                    },
                );
                let share = smooth_step(-soft, soft, radius - gap) * (radius / soft).min(1.0);
                *pixel = pixel.max(share);
            }
        }
    }
}

/// The part of a tube's axis within `reach` of `height`: `x, y` of its two ends.
fn section(tube: &Tube, height: f32, reach: f32) -> (f32, f32, f32, f32) {
    let (start, end) = (tube.start, tube.end);
    let rise = end.z - start.z;
    let at = |z: f32| {
        if rise.abs() < 1e-3 {
            0.0
        } else {
            ((z - start.z) / rise).clamp(0.0, 1.0)
        }
    };
    let (a, b) = if rise.abs() < 1e-3 {
        (0.0, 1.0)
    } else {
        (at(height - reach), at(height + reach))
    };
    (
        mix(start.x, end.x, a),
        mix(start.y, end.y, a),
        mix(start.x, end.x, b),
        mix(start.y, end.y, b),
    )
}

/// Distance from `point` to the tube's axis, mm.
fn away(tube: &Tube, point: Point) -> f32 {
    let (ax, ay, az) = (
        tube.end.x - tube.start.x,
        tube.end.y - tube.start.y,
        tube.end.z - tube.start.z,
    );
    let (px, py, pz) = (
        point.x - tube.start.x,
        point.y - tube.start.y,
        point.z - tube.start.z,
    );
    let length = ax * ax + ay * ay + az * az;
    let along = if length > 0.0 {
        ((px * ax + py * ay + pz * az) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (x, y, z) = (px - along * ax, py - along * ay, pz - along * az);
    (x * x + y * y + z * z).sqrt()
}

/// The scanner's noise: white, then smoothed in the plane by the kernel; deviation about 1.
#[derive(Clone, Debug)]
pub(super) struct ScannerNoise {
    random: Random,
    above: Vec<f32>,
    here: Vec<f32>,
    below: Vec<f32>,
}

impl ScannerNoise {
    /// The noise of slice `z`.
    pub(super) fn new(columns: usize, seed: u64, z: usize) -> ScannerNoise {
        let mut random = Random::new(seed, 1000 + z as u64);
        let above = smooth_row(columns, &mut random);
        let here = smooth_row(columns, &mut random);
        ScannerNoise {
            random,
            above,
            here,
            below: Vec::new(),
        }
    }

    /// The noise of the next row, into `row`.
    pub(super) fn next_row(&mut self, row: &mut Vec<f32>) {
        self.below = smooth_row(self.here.len(), &mut self.random);
        row.clear();
        let lines = self.above.iter().zip(&self.here).zip(&self.below);
        // Weights 1 2 1 in both directions leave 3/8 of the deviation.
        row.extend(lines.map(|((a, b), c)| (a + 2.0 * b + c) / 4.0 * 2.667));
        std::mem::swap(&mut self.above, &mut self.here);
        std::mem::swap(&mut self.here, &mut self.below);
    }
}

fn smooth_row(columns: usize, random: &mut Random) -> Vec<f32> {
    let raw: Vec<f32> = (0..columns + 2).map(|_| random.normal()).collect();
    raw.windows(3)
        .filter_map(|three| match three {
            [a, b, c] => Some((a + 2.0 * b + c) / 4.0),
            _ => None,
        })
        .collect()
}

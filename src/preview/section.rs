//! One plane through the chest: which one, how much of it, and its pixels.

use super::Outlines;
use super::canvas::{Canvas, Shade};
use crate::lung::LungMask;
use crate::volume::{BitMask, Grid3, Volume};
use std::ops::Range;

/// The lung window, HU. Source: the usual setting for reading lung parenchyma.
pub(super) const WINDOW_CENTRE: f64 = -600.0;
/// Its width, HU.
pub(super) const WINDOW_WIDTH: f64 = 1500.0;

/// Chest wall shown around lungs and lesions, mm.
const MARGIN_MM: f64 = 35.0;

/// One plane of the volume, top row first, patient's right on the left: as radiologists look at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    /// What it is called.
    pub(super) title: &'static str,
    /// Where it lies in the patient, such as `z -312 mm`.
    pub(super) place: String,
    /// Columns of a row.
    columns: usize,
    /// HU.
    hu: Vec<f32>,
    /// 1 in a lesion, 0 elsewhere.
    lesion: Vec<f32>,
    /// mm from row to row, from column to column.
    spacing: [f64; 2],
    /// Rows and columns shown.
    shown: [Range<usize>; 2],
}

/// The axial and the coronal plane with the most lesion; without lesion, with the most lung.
///
/// `None` when the grids differ in shape or hold nothing.
pub(super) fn sections(
    volume: &Volume,
    lung: &LungMask,
    lesion: &Grid3<u8>,
) -> Option<[Section; 2]> {
    let [depth, height, width] = volume.hu.shape();
    let alike = [lesion.shape(), lung.sides.shape()]
        .iter()
        .all(|shape| *shape == volume.hu.shape());
    if !alike || volume.hu.is_empty() {
        return None;
    }
    let inside = |cell: u8| cell != 0;
    let (sick, airy) = (
        Census::of(&BitMask::of(lesion, inside)),
        Census::of(&BitMask::of(&lung.sides, inside)),
    );
    let axis = |sick: &[usize], airy: &[usize], mm| (plane(sick, airy), shown(sick, airy, mm));
    let (z, shown_z) = axis(&sick.planes, &airy.planes, volume.spacing.z());
    let (y, shown_y) = axis(&sick.rows, &airy.rows, volume.spacing.y());
    let (_, shown_x) = axis(&sick.columns, &airy.columns, volume.spacing.x());
    let tall = |shown: &Range<usize>, mm: f64| shown.len() as f64 * mm;
    let tallest = tall(&shown_z, volume.spacing.z()).max(tall(&shown_y, volume.spacing.y()));
    let shown_z = grown(shown_z, tallest / volume.spacing.z(), depth);
    let shown_y = grown(shown_y, tallest / volume.spacing.y(), height);
    let axial: Vec<[usize; 2]> = (0..height).map(|row| [z, row]).collect();
    let coronal: Vec<[usize; 2]> = (0..depth).rev().map(|plane| [plane, y]).collect();
    let head_first = depth - shown_z.end..depth - shown_z.start;
    // A slice that lies aslant is named by the millimetre of its middle.
    let [_, _, height_mm] = volume.place([z, height / 2, width / 2]);
    let [_, depth_mm, _] = volume.place([depth / 2, y, width / 2]);
    let section = |title, place, rows: &[[usize; 2]], row_mm, shown_rows| Section {
        title,
        place,
        columns: width,
        hu: lines(&volume.hu, rows, f32::from),
        lesion: lines(lesion, rows, |cell| f32::from(u8::from(inside(cell)))),
        spacing: [row_mm, volume.spacing.x()],
        shown: [shown_rows, shown_x.clone()],
    };
    Some([
        section(
            "Axial",
            format!("z {} mm", rounded(height_mm)),
            &axial,
            volume.spacing.y(),
            shown_y,
        ),
        section(
            "Coronal",
            format!("y {} mm", rounded(depth_mm)),
            &coronal,
            volume.spacing.z(),
            head_first,
        ),
    ])
}

impl Section {
    /// Whether it cuts a lesion.
    pub(super) fn is_sick(&self) -> bool {
        self.lesion.iter().any(|share| *share > 0.0)
    }

    /// Width and height in pixels at `mm` per pixel; at least one each.
    pub(super) fn size(&self, mm: f64) -> [usize; 2] {
        let [rows, columns] = &self.shown;
        let [row_mm, column_mm] = self.spacing;
        let pixels = |shown: &Range<usize>, edge: f64| shown.len() as f64 * edge / mm;
        [pixels(columns, column_mm), pixels(rows, row_mm)].map(|side| super::whole(side).max(1))
    }

    /// The picture at `mm` per pixel, in the lung window; outlines are `thick` pixels wide, 1 or 2.
    pub(super) fn draw(&self, mm: f64, outlines: Outlines, thick: usize) -> Canvas {
        let [width, height] = self.size(mm);
        let mut canvas = Canvas::new(width, height, Shade::BLACK);
        let mut rows = canvas.rows_mut();
        self.enlarge(&self.hu, mm, |line| {
            let window = |hu: f32| (hu - single(WINDOW_CENTRE)) / single(WINDOW_WIDTH) + 0.5;
            let pixels = rows.next().unwrap_or(&mut []).iter_mut();
            for (pixel, hu) in pixels.zip(line.values()) {
                *pixel = Shade::grey(window(hu)).index();
            }
        });
        drop(rows);
        if outlines == Outlines::Shown && self.is_sick() {
            let mut inside = Vec::with_capacity(width * height);
            self.enlarge(&self.lesion, mm, |line| {
                if line.is_zero() {
                    inside.resize(inside.len() + width, false);
                } else {
                    inside.extend(line.values().map(|share| share >= 0.5));
                }
            });
            for place in outline(&inside, width, thick) {
                canvas.set(place, Shade::LESION);
            }
        }
        canvas
    }

    /// What is shown of `values`, interpolated bilinearly to pixels of `mm`; `take` gets row after row.
    fn enlarge(&self, values: &[f32], mm: f64, mut take: impl FnMut(Line<'_>)) {
        let [width, height] = self.size(mm);
        let [rows, columns] = &self.shown;
        let [row_mm, column_mm] = self.spacing;
        let count = values.len() / self.columns.max(1);
        let down = taps(height, rows.start, mm / row_mm, count);
        let across = taps(width, columns.start, mm / column_mm, self.columns);
        // Across first: each row of the section serves several of the picture's, which are then sums of two whole rows.
        let mut wide = vec![Vec::new(); count];
        for tap in down.iter().flatten() {
            let (Some(to), Some(from)) = (wide.get_mut(tap.at), self.row(values, tap.at)) else {
                continue;
            };
            if to.is_empty() {
                let value = |tap: &Tap| from.get(tap.at).map_or(0.0, |value| value * tap.weight);
                to.extend(across.iter().map(|[low, high]| value(low) + value(high)));
            }
        }
        let row = |tap: Tap| (wide.get(tap.at).map_or(&[][..], Vec::as_slice), tap.weight);
        for [low, high] in down {
            take(Line([row(low), row(high)]));
        }
    }

    fn row<'a>(&self, values: &'a [f32], at: usize) -> Option<&'a [f32]> {
        values.get(at * self.columns..(at + 1) * self.columns)
    }
}

/// A row of a picture: two rows of a section and their shares.
struct Line<'a>([(&'a [f32], f32); 2]);

impl Line<'_> {
    fn is_zero(&self) -> bool {
        let mut values = self.0.iter().flat_map(|(row, _)| *row);
        values.all(|value| *value == 0.0)
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        let [(low, below), (high, above)] = self.0;
        let pairs = low.iter().zip(high);
        pairs.map(move |(low, high)| low * below + high * above)
    }
}

/// A neighbour of a pixel and its share.
#[derive(Clone, Copy, Debug)]
struct Tap {
    at: usize,
    weight: f32,
}

/// The two neighbours of each of `pixels` pixels of `ratio` voxels, from voxel `start` on, among `count` voxels.
fn taps(pixels: usize, start: usize, ratio: f64, count: usize) -> Vec<[Tap; 2]> {
    let last = count.saturating_sub(1);
    let tap = |pixel: usize| {
        let centre = start as f64 + (pixel as f64 + 0.5) * ratio - 0.5;
        let centre = centre.clamp(0.0, last as f64);
        let (low, share) = (super::whole(centre.floor()), centre.fract());
        let tap = |at: usize, weight: f64| Tap {
            at: at.min(last),
            weight: single(weight),
        };
        [tap(low, 1.0 - share), tap(low + 1, share)]
    };
    (0..pixels).map(tap).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "shares and HU: far within the range of an f32"
)]
fn single(value: f64) -> f32 {
    value as f32
}

/// The rim of `inside`: its outermost pixels and, when `thick`, the pixels that touch them from outside.
fn outline(inside: &[bool], width: usize, thick: usize) -> Vec<[usize; 2]> {
    let rows: Vec<&[bool]> = inside.chunks_exact(width.max(1)).collect();
    let mut rim = Vec::new();
    for (y, row) in rows.iter().enumerate() {
        let above = y.checked_sub(1).and_then(|above| rows.get(above));
        let near = [above, rows.get(y + 1)].map(|near| *near.unwrap_or(row));
        // Most rows of a picture hold no lesion, nor do their neighbours.
        if ![row, near[0], near[1]]
            .iter()
            .any(|row| row.contains(&true))
        {
            continue;
        }
        for (x, own) in row.iter().enumerate() {
            let beside = [x.checked_sub(1), Some(x + 1)].map(|at| row.get(at?));
            let around = beside.into_iter().chain(near.map(|row| row.get(x)));
            let differs = around.flatten().any(|other| other != own);
            if differs && (*own || thick > 1) {
                rim.push([x, y]);
            }
        }
    }
    rim
}

/// How many voxels of a mask lie in each plane, row and column.
#[derive(Clone, Debug)]
struct Census {
    planes: Vec<usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Census {
    fn of(mask: &BitMask) -> Census {
        let [depth, height, width] = mask.shape();
        let mut census = Census {
            planes: vec![0; depth],
            rows: vec![0; height],
            columns: vec![0; width],
        };
        mask.runs(|z, y, columns| {
            let count = columns.len();
            for (counts, at) in [(&mut census.planes, z), (&mut census.rows, y)] {
                counts
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|sum| *sum += count);
            }
            let columns = census.columns.get_mut(columns).unwrap_or(&mut []);
            columns.iter_mut().for_each(|sum| *sum += 1);
        });
        census
    }
}

/// The first index with the most lesion; without lesion, with the most lung; without either, the middle.
fn plane(sick: &[usize], airy: &[usize]) -> usize {
    let fullest = |counts: &[usize]| {
        let most = counts.iter().max().filter(|most| **most > 0)?;
        counts.iter().position(|count| count == most)
    };
    fullest(sick)
        .or_else(|| fullest(airy))
        .unwrap_or(sick.len() / 2)
}

/// The indices that hold lesion or lung, and the margin around them; all when none does.
fn shown(sick: &[usize], airy: &[usize], mm: f64) -> Range<usize> {
    let holds = |(sick, airy): (&usize, &usize)| sick + airy > 0;
    let pairs = || sick.iter().zip(airy);
    let (Some(first), Some(last)) = (pairs().position(holds), pairs().rposition(holds)) else {
        return 0..sick.len();
    };
    let margin = super::whole(MARGIN_MM / mm);
    first.saturating_sub(margin)..(last + 1 + margin).min(sick.len())
}

/// The nearest whole number, never -0.
fn rounded(value: f64) -> f64 {
    value.round() + 0.0
}

/// `shown` made `wanted` long around its middle, as far as `count` allows: both pictures get one height.
fn grown(shown: Range<usize>, wanted: f64, count: usize) -> Range<usize> {
    let wanted = super::whole(wanted).clamp(shown.len(), count);
    let before = (wanted - shown.len()) / 2;
    let start = shown.start.saturating_sub(before).min(count - wanted);
    start..start + wanted
}

/// The rows `z, y` of `grid`, one after another, each cell as `value` gives it.
fn lines<T: Copy>(grid: &Grid3<T>, rows: &[[usize; 2]], value: impl Fn(T) -> f32) -> Vec<f32> {
    let cells = rows.iter().flat_map(|[z, y]| grid.row(*z, *y));
    cells.map(|cell| value(*cell)).collect()
}

//! A lesion mask, brought from the network's grid to the native one.

use super::header::header;
use crate::fault::Fault;
use crate::series::Geometry;
use crate::volume::{Grid3, Volume};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io;

/// Whether the file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `.nii`
    Plain,
    /// `.nii.gz`
    Gzip,
}

/// A lesion mask on the native grid in canonical orientation: z feet → head, y front → back, x patient right → left.
#[derive(Debug)]
pub struct NativeMask<'a> {
    geometry: &'a Geometry,
    lesion: &'a Grid3<u8>,
    header: Vec<u8>,
    /// For each native plane, row, column: its neighbours in the network's grid.
    taps: [Vec<[Tap; 2]>; 3],
}

/// A neighbour and its share.
#[derive(Clone, Copy, Debug)]
struct Tap {
    at: usize,
    weight: f64,
}

/// Components of unit vectors that differ less than this are the same axis.
const SAME_AXIS: f64 = 1e-6;

impl<'a> NativeMask<'a> {
    /// The mask `lesion` (0 outside, on the grid of `volume`) for the native grid of `geometry`, of which `volume` was made.
    ///
    /// Errors: [`Fault::Internal`] when the three do not belong together, or a native side is empty or above 32767.
    pub fn new(
        geometry: &'a Geometry,
        volume: &Volume,
        lesion: &'a Grid3<u8>,
    ) -> Result<NativeMask<'a>, Fault> {
        let header = header(geometry).ok_or_else(|| internal("the native grid has no header"))?;
        let mut axes = geometry.axes.iter().zip(&volume.axes);
        let same = |(one, other): (&[f64; 3], &[f64; 3])| {
            let mut parts = one.iter().zip(other);
            parts.all(|(one, other)| (one - other).abs() < SAME_AXIS)
        };
        if lesion.shape() != volume.hu.shape() || lesion.is_empty() || !axes.all(same) {
            return Err(internal("mask, volume and geometry differ"));
        }
        Ok(NativeMask {
            geometry,
            lesion,
            header,
            taps: taps(geometry, volume),
        })
    }

    /// Planes, rows, columns of the native grid.
    pub fn shape(&self) -> [usize; 3] {
        let geometry = self.geometry;
        [geometry.order.len(), geometry.rows, geometry.columns]
    }

    /// Puts native plane `z` (0 at the feet) into `plane`: rows × columns in index order `y, x`, 1 in a lesion.
    ///
    /// A native voxel lies in a lesion when the mask, interpolated trilinearly at its centre, is at least one half; edge
    /// voxels clamp. `plane` is cleared first and stays empty past the last plane.
    pub fn plane(&self, z: usize, plane: &mut Vec<u8>) {
        plane.clear();
        let [along_z, along_y, along_x] = &self.taps;
        let Some(planes) = along_z.get(z) else { return };
        let [_, _, width] = self.lesion.shape();
        let mut line = vec![0.0; width];
        for rows in along_y {
            line.fill(0.0);
            let mut any = false;
            for (plane, row) in planes.iter().flat_map(|plane| rows.map(|row| (plane, row))) {
                let weight = plane.weight * row.weight;
                for (sum, value) in line.iter_mut().zip(self.lesion.row(plane.at, row.at)) {
                    if *value != 0 {
                        *sum += weight;
                        any = true;
                    }
                }
            }
            if !any {
                plane.resize(plane.len() + along_x.len(), 0);
                continue;
            }
            let share = |tap: &Tap| line.get(tap.at).map_or(0.0, |sum| sum * tap.weight);
            let values = along_x.iter().map(|[low, high]| share(low) + share(high));
            plane.extend(values.map(|share| u8::from(share >= 0.5)));
        }
    }

    /// Writes the file to `to`, one plane at a time. The same mask gives the same bytes.
    ///
    /// Errors: those of `to`.
    pub fn write(&self, packing: Packing, mut to: impl io::Write) -> io::Result<()> {
        match packing {
            Packing::Plain => self.write_plain(&mut to)?,
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(&mut to, Compression::default());
                self.write_plain(&mut encoder)?;
                encoder.finish()?;
            }
        }
        to.flush()
    }

    fn write_plain(&self, to: &mut impl io::Write) -> io::Result<()> {
        to.write_all(&self.header)?;
        let [slices, _, _] = self.shape();
        let mut plane = Vec::new();
        for z in 0..slices {
            self.plane(z, &mut plane);
            to.write_all(&plane)?;
        }
        Ok(())
    }
}

/// The neighbours of each native plane, row and column. The axes are shared, so each axis stands for itself.
fn taps(geometry: &Geometry, volume: &Volume) -> [Vec<[Tap; 2]>; 3] {
    let [z_axis, y_axis, x_axis] = volume.axes;
    let spacing = volume.spacing;
    let [depth, height, width] = volume.hu.shape();
    let along = |axis: [f64; 3], pixels: usize, from_mm: f64, to_mm: f64, count: usize| {
        let offset = geometry.origin.iter().zip(&volume.origin).zip(axis);
        let start: f64 = offset.map(|((to, from), part)| (to - from) * part).sum();
        let centre = |pixel: usize| (start + pixel as f64 * from_mm) / to_mm;
        (0..pixels)
            .map(|pixel| pair(centre(pixel), count))
            .collect()
    };
    let slices = geometry.order.len();
    [
        along(z_axis, slices, geometry.step_mm, spacing.z(), depth),
        along(
            y_axis,
            geometry.rows,
            geometry.row_spacing,
            spacing.y(),
            height,
        ),
        along(
            x_axis,
            geometry.columns,
            geometry.column_spacing,
            spacing.x(),
            width,
        ),
    ]
}

/// The two of `count` voxels around `centre`.
fn pair(centre: f64, count: usize) -> [Tap; 2] {
    let last = count.saturating_sub(1);
    let centre = centre.clamp(0.0, last as f64);
    let (low, share) = (whole(centre), centre.fract());
    let tap = |at: usize, weight| Tap {
        at: at.min(last),
        weight,
    };
    [tap(low, 1.0 - share), tap(low + 1, share)]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass an index from 0 up; its floor is meant"
)]
fn whole(value: f64) -> usize {
    value as usize
}

fn internal(what: &str) -> Fault {
    Fault::Internal {
        room: "nifti",
        what: what.to_owned(),
    }
}

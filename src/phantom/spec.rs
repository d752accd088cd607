//! What a phantom is asked to be.

/// The height of body that a phantom shows, in mm; slices share it.
pub(super) const HEIGHT_MM: f64 = 300.0;
/// The width of the square field of view, in mm; columns share it.
pub(super) const FIELD_MM: f64 = 360.0;

/// What a phantom is asked to be. Two specs that are equal give the same voxels on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhantomSpec {
    /// Number of native slices, 40 to 2000.
    pub slices: usize,
    /// Rows a slice, 64 to 1024.
    pub rows: usize,
    /// Columns a slice, 64 to 1024.
    pub columns: usize,
    /// mm from slice to slice, 0.1 to 12.
    pub step_mm: f64,
    /// mm from pixel to pixel in both directions, 0.2 to 6.
    pub pixel_mm: f64,
    /// Lesion voxels in percent of the lung (lung OR lesion), 0 to 60.
    pub burden_percent: f64,
    /// Shapes the body: the same patient has the same seed.
    pub anatomy_seed: u64,
    /// Shapes the disease; level sets of one field, so a larger burden contains the smaller one.
    pub lesion_seed: u64,
    /// Shapes the scanner's noise: each scan of a patient has its own.
    pub noise_seed: u64,
}

/// A spec that no phantom can follow.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the phantom's {what} is {found}; give {allowed}")]
pub struct SpecError {
    /// The field.
    pub what: &'static str,
    /// What it was.
    pub found: String,
    /// The allowed range.
    pub allowed: &'static str,
}

impl Default for PhantomSpec {
    fn default() -> PhantomSpec {
        PhantomSpec::of(120, 12.0, 1)
    }
}

impl PhantomSpec {
    /// A phantom of `slices` slices of 512 × 512 over 300 mm with `burden_percent` of the lung diseased.
    pub fn of(slices: usize, burden_percent: f64, seed: u64) -> PhantomSpec {
        PhantomSpec {
            slices,
            rows: 512,
            columns: 512,
            step_mm: HEIGHT_MM / (slices.max(1) as f64),
            pixel_mm: FIELD_MM / 512.0,
            burden_percent,
            anatomy_seed: seed,
            lesion_seed: seed ^ 0x5851_f42d_4c95_7f2d,
            noise_seed: seed ^ 0x1405_7b7e_f767_814f,
        }
    }

    /// The same field of view on `rows` × `columns` pixels (square pixels: the columns share 360 mm).
    pub fn with_matrix(mut self, rows: usize, columns: usize) -> PhantomSpec {
        self.rows = rows;
        self.columns = columns;
        self.pixel_mm = FIELD_MM / (columns.max(1) as f64);
        self
    }

    /// An earlier scan of the same patient: same body, same disease at `burden_percent`, other noise.
    pub fn prior(&self, burden_percent: f64) -> PhantomSpec {
        PhantomSpec {
            burden_percent,
            noise_seed: self.noise_seed.wrapping_add(0x9e37_79b9_7f4a_7c15),
            ..*self
        }
    }

    /// Whether every field lies in its range. Errors: the first field that does not.
    pub fn check(&self) -> Result<(), SpecError> {
        let count = |what, value: usize, low, high, allowed| {
            let good = (low..=high).contains(&value);
            good.then_some(()).ok_or_else(|| SpecError {
                what,
                found: value.to_string(),
                allowed,
            })
        };
        let length = |what, value: f64, low, high, allowed| {
            let good = (low..=high).contains(&value);
            good.then_some(()).ok_or_else(|| SpecError {
                what,
                found: value.to_string(),
                allowed,
            })
        };
        count("number of slices", self.slices, 40, 2000, "40 to 2000")?;
        count("number of rows", self.rows, 64, 1024, "64 to 1024")?;
        count("number of columns", self.columns, 64, 1024, "64 to 1024")?;
        length("slice step", self.step_mm, 0.1, 12.0, "0.1 to 12 mm")?;
        length("pixel size", self.pixel_mm, 0.2, 6.0, "0.2 to 6 mm")?;
        length("burden", self.burden_percent, 0.0, 60.0, "0 to 60 percent")
    }
}

//! Lengths, volumes, grey values.

use std::fmt;

/// A length in patient space, in millimetres; always finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Millimetre(f64);

impl Millimetre {
    /// `None` when `value` is not finite.
    pub fn new(value: f64) -> Option<Millimetre> {
        value.is_finite().then_some(Millimetre(value))
    }

    /// The length in mm.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Millimetre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} mm", self.0)
    }
}

/// A volume in millilitres; always finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Millilitre(f64);

impl Millilitre {
    /// `None` when `value` is negative or not finite.
    pub fn new(value: f64) -> Option<Millilitre> {
        (value.is_finite() && value >= 0.0).then_some(Millilitre(value))
    }

    /// The volume of `voxels` voxels of `spacing`.
    pub fn of_voxels(voxels: usize, spacing: Spacing) -> Millilitre {
        // 1 ml = 1000 mm³. usize → f64 is exact below 2^53 voxels.
        Millilitre(voxels as f64 * spacing.voxel_mm3() / 1000.0)
    }

    /// The volume in ml.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A share in percent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// `None` outside 0 to 100.
    pub fn new(value: f64) -> Option<Percent> {
        (0.0..=100.0).contains(&value).then_some(Percent(value))
    }

    /// The share of `part` in `whole`; zero when `whole` is empty, 100 when `part` exceeds it.
    pub fn of(part: usize, whole: usize) -> Percent {
        if whole == 0 {
            return Percent(0.0);
        }
        Percent((100.0 * part as f64 / whole as f64).min(100.0))
    }

    /// The share, 0 to 100.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// The edge lengths of one voxel, in index order `z, y, x`; each finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    z: f64,
    y: f64,
    x: f64,
}

impl Spacing {
    /// `None` unless every edge is finite and above zero, in mm.
    pub fn new(z: f64, y: f64, x: f64) -> Option<Spacing> {
        let good = |edge: f64| edge.is_finite() && edge > 0.0;
        (good(z) && good(y) && good(x)).then_some(Spacing { z, y, x })
    }

    /// A cube of edge `edge` mm.
    pub fn isotropic(edge: f64) -> Option<Spacing> {
        Spacing::new(edge, edge, edge)
    }

    /// mm from slice to slice.
    pub fn z(self) -> f64 {
        self.z
    }

    /// mm from row to row.
    pub fn y(self) -> f64 {
        self.y
    }

    /// mm from column to column.
    pub fn x(self) -> f64 {
        self.x
    }

    /// Volume of one voxel in mm³.
    pub fn voxel_mm3(self) -> f64 {
        self.z * self.y * self.x
    }
}

/// Rescale Slope and Rescale Intercept. Source: DICOM PS3.3 C.11.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescale {
    slope: f64,
    intercept: f64,
}

impl Rescale {
    /// `None` when a value is not finite or the slope is zero.
    pub fn new(slope: f64, intercept: f64) -> Option<Rescale> {
        let good = slope.is_finite() && intercept.is_finite() && slope.abs() > f64::EPSILON;
        good.then_some(Rescale { slope, intercept })
    }

    /// The Hounsfield value of a stored value, rounded, clamped to what CT can mean (-1024 to 3071).
    ///
    /// Values below -1024 stand for "outside the field of view" on real scanners and become air.
    pub fn apply(self, stored: i32) -> Hu {
        let value = f64::from(stored) * self.slope + self.intercept;
        Hu::clamped(value)
    }

    /// What is added to every stored value where nothing else is done: slope one, an intercept that is a whole number.
    ///
    /// From -29696 up, so that a stored value above the range of `i16` is above that of [`Hu`] too.
    pub fn offset(self) -> Option<i16> {
        let offset = nearest(self.intercept);
        let is_whole = f64::from(offset).to_bits() == self.intercept.to_bits();
        let is_one = self.slope.to_bits() == 1.0_f64.to_bits();
        (is_whole && is_one && offset >= -29_696).then_some(offset)
    }
}

/// The nearest `i16`; not-a-number becomes zero.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, which is what is meant"
)]
fn nearest(value: f64) -> i16 {
    value.round() as i16
}

/// Hounsfield units. Air is near -1000, water 0. Source: DICOM PS3.3 C.11.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hu(i16);

impl Hu {
    /// The value outside the scanner's field of view.
    pub const AIR: Hu = Hu(-1024);
    /// The largest value a 12-bit CT stores.
    pub const MAX: Hu = Hu(3071);

    /// The nearest value within -1024 to 3071; not-a-number becomes air.
    pub fn clamped(value: f64) -> Hu {
        if value.is_nan() {
            return Hu::AIR;
        }
        Hu(nearest(value).clamp(Hu::AIR.0, Hu::MAX.0))
    }

    /// The raw value.
    pub fn get(self) -> i16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_below_air_becomes_air() {
        let rescale = Rescale::new(1.0, -1024.0).unwrap();
        assert_eq!(rescale.apply(-976), Hu::AIR);
        assert_eq!(rescale.apply(1024).get(), 0);
    }

    #[test]
    fn a_spacing_of_zero_or_nan_is_refused() {
        assert!(Spacing::new(0.0, 1.0, 1.0).is_none());
        assert!(Spacing::new(1.0, f64::NAN, 1.0).is_none());
    }
}

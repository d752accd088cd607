//! What a finding says.

use crate::lung::Side;
use crate::units::{Millilitre, Percent};
use crate::volume::Region;

/// The model's rules for turning a mask into numbers; all come from its manifest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FindingRules {
    /// Lesions below this volume are dropped, ml.
    pub component_min_ml: f64,
    /// Half-width of the burden's 90 % interval: at least this many points.
    pub interval_points: f64,
    /// Half-width of the burden's 90 % interval: at least this share of the burden.
    pub interval_relative: f64,
    /// The score is `1 / (1 + exp(-(slope · ln(1 + burden) + offset)))`, burden in percent.
    pub score_slope: f64,
    /// See [`FindingRules::score_slope`].
    pub score_offset: f64,
}

/// A third of a lung's height, right or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zone {
    /// Which lung.
    pub side: Side,
    /// 0 lower, 1 middle, 2 upper third of the height of both lungs.
    pub third: u8,
}

impl Zone {
    /// All zones, from the right upper to the left lower.
    pub fn all() -> impl Iterator<Item = Zone> {
        let thirds = |side| [2, 1, 0].map(|third| Zone { side, third });
        thirds(Side::Right).into_iter().chain(thirds(Side::Left))
    }

    /// The third of the height of both `lungs` that plane `z` lies in: 0 lower, 1 middle, 2 upper.
    pub fn third_of(z: usize, lungs: Region) -> u8 {
        let ([bottom, _, _], [height, _, _]) = (lungs.start, lungs.size);
        let third = z.saturating_sub(bottom) * 3 / height.max(1);
        u8::try_from(third).map_or(2, |third| third.min(2))
    }

    /// The contract's name, such as `right-upper`.
    pub fn name(self) -> String {
        let third = match self.third {
            0 => "lower",
            1 => "middle",
            _ => "upper",
        };
        format!("{}-{third}", self.side.as_str())
    }
}

/// The share of one zone taken by lesions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZoneBurden {
    /// Which zone.
    pub zone: Zone,
    /// Lesion voxels in percent of lung OR lesion voxels there.
    pub burden: Percent,
}

/// One connected lesion.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesion {
    /// Its volume.
    pub volume: Millilitre,
    /// The middle of its box, voxels `z, y, x`.
    pub centre: [usize; 3],
    /// The lung that holds most of it.
    pub side: Side,
    /// Mean Hounsfield value.
    pub mean_hu: f64,
}

/// The numbers of a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Lesion voxels in percent of lung OR lesion voxels.
    pub burden: Percent,
    /// The burden's 90 % interval, percent.
    pub burden_interval: [Percent; 2],
    /// Burden of the right and of the left lung.
    pub burden_of_side: [Percent; 2],
    /// Volume of all lesions.
    pub lesion_volume: Millilitre,
    /// Volume of lung OR lesion.
    pub lung_volume: Millilitre,
    /// The lesions, largest first.
    pub lesions: Vec<Lesion>,
    /// The six zones.
    pub zones: Vec<ZoneBurden>,
    /// 0 to 1; orders findings, and is no probability.
    pub score: f64,
}

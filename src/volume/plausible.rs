//! Whether the grey values can be Hounsfield units of a body in air.

use super::stack::Volume;
use crate::refusal::Refusal;

/// The least share of pixels near soft tissue, and near air, that a chest in its field of view has.
const SHARE_MIN: f64 = 0.02;

/// Checks that air and soft tissue lie where Hounsfield units put them.
///
/// Counts native pixels: air below -832 HU, soft tissue from -192 to 192 HU (fat to blood, with room for a coarse
/// calibration). A wrong rescale moves one of the two away. Errors: [`Refusal::GreyValuesImplausible`].
pub fn plausible(volume: &Volume) -> Result<(), Refusal> {
    let total: u64 = volume.histogram.iter().sum();
    let share = |bins: std::ops::Range<usize>| {
        let count: u64 = volume
            .histogram
            .iter()
            .take(bins.end)
            .skip(bins.start)
            .sum();
        if total == 0 {
            0.0
        } else {
            count as f64 / total as f64
        }
    };
    // Bins of 64 HU from -1024: 0..3 ends at -832, 13..19 spans -192 to 192.
    for (name, bins) in [("air", 0..3), ("soft tissue", 13..19)] {
        let found = share(bins);
        if found < SHARE_MIN {
            let what = format!("{:.1} % of the pixels look like {name}", 100.0 * found);
            return Err(Refusal::GreyValuesImplausible { what });
        }
    }
    Ok(())
}

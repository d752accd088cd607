//! From the wide numbers that resampling computes with to the narrow ones that it keeps.

/// The whole part of `value`; 0 for what lies below and for not-a-number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is meant"
)]
pub fn whole(value: f64) -> usize {
    value as usize
}

/// The nearest f32 of a weight.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a weight: the nearest f32 is meant"
)]
pub fn single(value: f64) -> f32 {
    value as f32
}

/// As the network's training rounds (numpy's rint). Added to an f32 of at most ±2²², leaves its nearest whole number (ties to even) in the last bits of the sum: one
/// addition, where a machine without a rounding instruction would call a function for each voxel.
const ROUNDER: f32 = 12_582_912.0;

#[expect(
    clippy::cast_possible_truncation,
    reason = "a mean of i16 values lies in their range: the last 16 bits hold it"
)]
pub(super) fn rounded(value: f32) -> i16 {
    (value + ROUNDER).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mean_of_hounsfield_units_goes_to_the_nearest_whole_number() {
        for whole in i16::MIN..=i16::MAX {
            for part in [-0.5, -0.25, 0.0, 0.4375, 0.5] {
                let value = f32::from(whole) + part;
                let wanted = value.round_ties_even();
                if (-32_768.0..=32_767.0).contains(&wanted) {
                    assert!((f32::from(rounded(value)) - wanted).abs() < 0.1, "{value}");
                }
            }
        }
    }
}

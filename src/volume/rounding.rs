//! From the wide numbers that resampling computes with to the narrow ones that it keeps.

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass whole numbers from 0 up"
)]
pub(super) fn whole(value: f64) -> usize {
    value as usize
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a weight: the nearest f32 is meant"
)]
pub(super) fn single(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a mean of i16 values lies in their range; `as` saturates"
)]
pub(super) fn rounded(value: f32) -> i16 {
    value.round() as i16
}

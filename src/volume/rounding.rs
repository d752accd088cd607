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
    // As `round`, which is a call without SSE 4.1: the largest number below a half is added, and the fraction dropped.
    (value + 0.499_999_97_f32.copysign(value)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_their_neighbours_round_as_they_should() {
        let check = |value: f32| {
            let expected = value.round().clamp(-32_768.0, 32_767.0) + 0.0;
            let found = f32::from(rounded(value));
            assert_eq!(found.to_bits(), expected.to_bits(), "{value}");
        };
        for whole in -32_770..32_770_i32 {
            let half = whole as f32 + 0.5;
            [whole as f32, half.next_down(), half, half.next_up()]
                .iter()
                .for_each(|value| check(*value));
        }
        [0.499_999_97, -0.499_999_97, f32::INFINITY, f32::MIN]
            .iter()
            .for_each(|value| check(*value));
        assert_eq!(rounded(f32::NAN), 0);
    }
}

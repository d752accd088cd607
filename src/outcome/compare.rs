//! The change of the burden since a prior, and whether it is more than the measuring error.

use super::{Direction, LesionFacts};

/// Burden less the prior's burden in percentage points, and its direction.
///
/// A change no larger than the two half-widths of the burdens' intervals, combined as the root of the sum of their
/// squares, is `stable`: the two errors are independent, the scans being days apart.
pub fn change(current: &LesionFacts, prior: &LesionFacts) -> (f64, Direction) {
    let points = current.burden_percent - prior.burden_percent;
    let error = half_width(current).hypot(half_width(prior));
    let direction = if points.abs() <= error {
        Direction::Stable
    } else if points < 0.0 {
        Direction::Improving
    } else {
        Direction::Worsening
    };
    (points, direction)
}

/// Half the width of the burden's interval; the longer side, for the interval ends at 0 and at 100.
fn half_width(lesion: &LesionFacts) -> f64 {
    let [low, high] = lesion.burden_interval_percent;
    (lesion.burden_percent - low).max(high - lesion.burden_percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesion(burden: f64, interval: [f64; 2]) -> LesionFacts {
        LesionFacts {
            burden_percent: burden,
            burden_interval_percent: interval,
            volume_ml: 0.0,
            lung_volume_ml: 4000.0,
            count: 0,
            zones: Vec::new(),
        }
    }

    #[test]
    fn a_change_within_the_combined_error_is_stable() {
        // Half-widths 3 and 4 combine to 5.
        let prior = lesion(20.0, [17.0, 23.0]);
        for (burden, direction) in [
            (25.0, Direction::Stable),
            (15.0, Direction::Stable),
            (25.5, Direction::Worsening),
            (14.5, Direction::Improving),
        ] {
            let current = lesion(burden, [burden - 4.0, burden + 4.0]);
            assert_eq!(change(&current, &prior), (burden - 20.0, direction));
        }
    }

    #[test]
    fn an_interval_cut_at_zero_keeps_its_error() {
        let prior = lesion(1.0, [0.0, 4.0]);
        let current = lesion(0.5, [0.0, 3.5]);
        assert_eq!(change(&current, &prior).1, Direction::Stable);
        let current = lesion(5.0, [2.0, 8.0]);
        assert_eq!(change(&current, &prior).1, Direction::Stable);
        let current = lesion(5.5, [2.5, 8.5]);
        assert_eq!(change(&current, &prior).1, Direction::Worsening);
    }
}

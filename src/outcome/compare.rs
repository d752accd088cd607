//! The change of the burden since a prior, and whether it is more than the measuring error.

use super::{Direction, LesionFacts};

/// Burden less the prior's burden in percentage points, and its direction.
///
/// A change is `stable` within √2 times `error_points`: the error of two small burdens, combined as the root of the sum of
/// squares. The wider, relative part of a burden's interval is left out: it is the network's habit of marking more or less
/// than a reader would, which two scans of one patient share.
pub fn change(current: &LesionFacts, prior: &LesionFacts, error_points: f64) -> (f64, Direction) {
    let points = current.burden_percent - prior.burden_percent;
    let direction = if points.abs() <= error_points * std::f64::consts::SQRT_2 {
        Direction::Stable
    } else if points < 0.0 {
        Direction::Improving
    } else {
        Direction::Worsening
    };
    (points, direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesion(burden: f64) -> LesionFacts {
        LesionFacts {
            burden_percent: burden,
            burden_interval_percent: [0.0, 100.0],
            volume_ml: 0.0,
            lung_volume_ml: 4000.0,
            count: 0,
            zones: Vec::new(),
        }
    }

    #[test]
    fn a_change_within_the_combined_error_is_stable() {
        for (burden, direction) in [
            (21.4, Direction::Stable),
            (18.6, Direction::Stable),
            (21.5, Direction::Worsening),
            (18.5, Direction::Improving),
        ] {
            let (points, found) = change(&lesion(burden), &lesion(20.0), 1.0);
            assert_eq!(found, direction, "{burden}");
            assert!((points - (burden - 20.0)).abs() < 1e-9);
        }
    }
}

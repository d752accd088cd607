//! The change since a prior, whole and by zone, and whether it is more than the measuring error.

use super::{Comparison, ComparisonNote, Direction, RegistrationFacts, ZoneChange};
use crate::ids::FindingId;
use crate::registration::{ReducedChest, register, zone_changes};

/// A change of the whole burden up to this is no change, percentage points.
///
/// Measured with the shipped network on own resampled, turned and noisy copies of real scans: 0.1 on two whole series, 0.9 on
/// coarse volumes with burdens up to 11 %. `tests/repeatability.rs` prints the figures, and fails when a network repeats
/// worse (docs/decisions/0010-priors.md).
const DEAD_BAND_POINTS: f64 = 1.0;
/// The same for large burdens, whose borders are longer: a share of the larger one. Measured likewise: 0.09 on a coarse
/// volume of 18 %, 0.04 on one of 61 %.
const DEAD_BAND_SHARE: f64 = 0.1;

/// The largest change that unchanged lungs of these burdens (percent) show, percentage points.
pub fn dead_band(burdens: [f64; 2]) -> f64 {
    let [one, other] = burdens;
    (DEAD_BAND_SHARE * one.max(other)).max(DEAD_BAND_POINTS)
}

/// One of the two scans.
#[derive(Clone, Copy, Debug)]
pub struct ComparedScan<'a> {
    /// Lesion share of the lung, percent.
    pub burden_percent: f64,
    /// The packed masks, or why there are none.
    pub masks: Result<&'a [u8], ComparisonNote>,
}

/// What changed from one scan to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Burden less the prior's burden, percentage points.
    pub points: f64,
    /// The direction, beyond the measuring error.
    pub direction: Direction,
    /// Changes up to this are none, percentage points.
    pub dead_band_points: f64,
    /// The zones of the present scan; empty where the lungs do not lie over each other.
    pub zones: Vec<ZoneChange>,
    /// How well they do.
    pub registration: Option<RegistrationFacts>,
    /// Why there are no zones.
    pub note: Option<ComparisonNote>,
}

impl Change {
    /// The change as that since the finding `prior`, `days` ago.
    pub fn since(self, prior: FindingId, days: u32) -> Comparison {
        Comparison {
            prior_finding_id: prior,
            days,
            burden_change_points: self.points,
            direction: self.direction,
            dead_band_points: self.dead_band_points,
            zones: self.zones,
            registration: self.registration,
            note: self.note,
        }
    }
}

/// The change from `prior` to `present`.
///
/// Never fails: where the masks are of no use, the whole burdens are compared, and a note says why there are no zones.
pub fn change(present: &ComparedScan<'_>, prior: &ComparedScan<'_>) -> Change {
    let points = present.burden_percent - prior.burden_percent;
    let dead_band_points = dead_band([present.burden_percent, prior.burden_percent]);
    let whole = Change {
        points,
        direction: direction(points, dead_band_points),
        dead_band_points,
        zones: Vec::new(),
        registration: None,
        note: None,
    };
    match by_zone(present, prior) {
        Ok((registration, zones)) => Change {
            registration: Some(registration),
            zones,
            ..whole
        },
        Err(note) => Change {
            note: Some(note),
            ..whole
        },
    }
}

fn by_zone(
    present: &ComparedScan<'_>,
    prior: &ComparedScan<'_>,
) -> Result<(RegistrationFacts, Vec<ZoneChange>), ComparisonNote> {
    let unpack = |scan: &ComparedScan<'_>| {
        ReducedChest::unpack(scan.masks?).map_err(|_| ComparisonNote::MasksDamaged)
    };
    let (prior, present) = (unpack(prior)?, unpack(present)?);
    let found = register(&present, &prior).map_err(|_| ComparisonNote::NotRegistered)?;
    let zones = zone_changes(&present, &prior, &found.map);
    let zones = zones.iter().map(|change| ZoneChange {
        zone: change.zone.name(),
        burden_change_points: change.change_points,
    });
    let registration = RegistrationFacts {
        dice: found.dice,
        error_mm: found.gap_mm,
    };
    Ok((registration, zones.collect()))
}

fn direction(points: f64, dead_band_points: f64) -> Direction {
    if points.abs() <= dead_band_points {
        Direction::Stable
    } else if points < 0.0 {
        Direction::Improving
    } else {
        Direction::Worsening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_within_the_dead_band_is_stable_and_the_band_grows_with_the_burden() {
        let masks = Err(ComparisonNote::MasksMissing);
        let scan = |burden_percent| ComparedScan {
            burden_percent,
            masks,
        };
        for (then, now, wanted) in [
            (0.0, 0.9, Direction::Stable),
            (0.0, 1.1, Direction::Worsening),
            (5.0, 4.1, Direction::Stable),
            (5.0, 3.9, Direction::Improving),
            (30.0, 27.1, Direction::Stable),
            (30.0, 26.9, Direction::Improving),
            (27.1, 30.0, Direction::Stable),
            (26.9, 30.0, Direction::Worsening),
        ] {
            let found = change(&scan(now), &scan(then));
            assert_eq!(found.direction, wanted, "{then} to {now}");
            assert!((found.points - (now - then)).abs() < 1e-9);
        }
    }

    #[test]
    fn masks_that_are_of_no_use_leave_the_whole_burden_and_a_note() {
        for (masks, note) in [
            (
                Err(ComparisonNote::MasksMissing),
                ComparisonNote::MasksMissing,
            ),
            (Ok(&[][..]), ComparisonNote::MasksDamaged),
            (Ok(&[1, 2, 3][..]), ComparisonNote::MasksDamaged),
        ] {
            let scan = |burden_percent| ComparedScan {
                burden_percent,
                masks,
            };
            let found = change(&scan(12.0), &scan(20.0));
            assert!((found.points + 8.0).abs() < 1e-9);
            assert_eq!(found.direction, Direction::Improving);
            assert_eq!((found.zones.len(), found.registration), (0, None));
            assert_eq!(found.note, Some(note));
        }
    }
}

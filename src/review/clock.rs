//! How long the box has lived: a clock that goes on over restarts and that no setting of the wall clock disturbs.
//!
//! While the program runs, the monotonic clock counts. Over a restart the wall clock tells how long the box was away,
//! within bounds: one that was set back, or woke in 1970, adds a second; one that jumped ahead adds a day at most. So
//! what waits for an hour may come early or late by what a wrong clock hides, but it comes.

use crate::store::ClockRecord;
use crate::units::{Lived, Moment, WallTime};
use std::time::Duration;

/// The least that a restart adds: a box that restarts again and again with a clock that stands still gets on, too.
const AWAY_MIN: Duration = Duration::from_secs(1);
/// The most that a restart adds. No wait is longer than a day, so a longer absence need not be told from a day.
const AWAY_MAX: Duration = Duration::from_secs(24 * 3600);
/// So often it is written while something waits.
const WRITTEN_EVERY: Duration = Duration::from_secs(15);

/// The clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct LifeClock {
    base: Lived,
    start: Moment,
    written: Moment,
}

impl LifeClock {
    /// The clock of a box that starts at `now`, with what it wrote last.
    pub fn resume(written: Option<ClockRecord>, now: Moment, wall: WallTime) -> LifeClock {
        let base = written.map_or(Lived::default(), |written| {
            let away = wall.since(written.wall()).clamp(AWAY_MIN, AWAY_MAX);
            written.lived().after(away)
        });
        LifeClock {
            base,
            start: now,
            written: now,
        }
    }

    /// How long the box has lived at `now`.
    pub fn lived(&self, now: Moment) -> Lived {
        self.base.after(now.since(self.start))
    }

    /// When it will have lived for `lived`; the start when it has.
    pub fn moment(&self, lived: Lived) -> Moment {
        self.start.after(lived.since(self.base))
    }

    /// Sets it forward where it is behind `lived`: it had lived so long before the restart.
    pub fn at_least(&mut self, lived: Lived, now: Moment) {
        self.base = self.base.after(lived.since(self.lived(now)));
    }

    /// What is written of it.
    pub fn record(&self, now: Moment, wall: WallTime) -> ClockRecord {
        ClockRecord::new(self.lived(now), wall)
    }

    /// When it is due to be written.
    pub fn due_at(&self) -> Moment {
        self.written.after(WRITTEN_EVERY)
    }

    /// Notes that it is being written.
    pub fn written(&mut self, now: Moment) {
        self.written = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_wall_clock_adds_a_second_or_a_day_and_a_right_one_the_time_away() {
        let hour = 3_600_000;
        let written = ClockRecord::new(
            Lived::from_millis(5_000),
            WallTime::from_unix_millis(100 * hour),
        );
        for (wall, lived) in [
            (101 * hour, 3_605_000),
            (0, 6_000),
            (100 * hour, 6_000),
            (1_000_000 * hour, 24 * 3_600_000 + 5_000),
        ] {
            let wall = WallTime::from_unix_millis(wall);
            let now = Moment::from_millis(70);
            let clock = LifeClock::resume(Some(written), now, wall);
            assert_eq!(clock.lived(now), Lived::from_millis(lived), "{wall}");
        }
        let fresh = LifeClock::resume(None, Moment::default(), WallTime::default());
        assert_eq!(fresh.lived(Moment::from_millis(9)), Lived::from_millis(9));
    }

    #[test]
    fn it_is_never_behind_what_was_opened_before() {
        let now = Moment::from_millis(1000);
        let mut clock = LifeClock::resume(None, Moment::default(), WallTime::default());
        clock.at_least(Lived::from_millis(400), now);
        assert_eq!(clock.lived(now), Lived::from_millis(1000));
        clock.at_least(Lived::from_millis(9000), now);
        assert_eq!(clock.lived(now), Lived::from_millis(9000));
        assert_eq!(
            clock.moment(Lived::from_millis(9500)),
            Moment::from_millis(1500)
        );
    }
}

//! Points in time, handed in by the edge.

use std::fmt;
use std::time::Duration;

/// A point on the box's monotonic clock, in milliseconds since the daemon started.
///
/// Never goes back and is not disturbed by a wrong wall clock: every timer uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// `milliseconds` after the start.
    pub const fn from_millis(milliseconds: u64) -> Moment {
        Moment(milliseconds)
    }

    /// Milliseconds since the start.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This moment put off by `wait`; saturates.
    pub fn after(self, wait: Duration) -> Moment {
        Moment(
            self.0
                .saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// The time from `earlier` until this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A point in the life of a box, in milliseconds that it has lived through as far as it can tell.
///
/// Goes on over restarts and is not disturbed by a wall clock that was set: what must come after so long, however often
/// the box restarts meanwhile, is counted by it. `review` says how it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lived(u64);

impl Lived {
    /// `milliseconds` of life.
    pub const fn from_millis(milliseconds: u64) -> Lived {
        Lived(milliseconds)
    }

    /// The milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This point put off by `wait`; saturates.
    pub fn after(self, wait: Duration) -> Lived {
        Lived(
            self.0
                .saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// The time from `earlier` until this point; zero when `earlier` is later.
    pub fn since(self, earlier: Lived) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A point on the wall clock, in milliseconds since 1970-01-01 UTC. May be wrong on an offline box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(i64);

impl WallTime {
    /// `milliseconds` after 1970-01-01 00:00 UTC.
    pub const fn from_unix_millis(milliseconds: i64) -> WallTime {
        WallTime(milliseconds)
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// This time put off by `wait`; saturates.
    pub fn after(self, wait: Duration) -> WallTime {
        WallTime(
            self.0
                .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The time from `earlier` until this; zero when `earlier` is later, as after a clock was set back.
    pub fn since(self, earlier: WallTime) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339, UTC, milliseconds: `2026-11-23T08:00:12.000Z` (docs/contract).
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000);
        let in_day = self.0.rem_euclid(86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (seconds, millis) = (in_day / 1000 % 60, in_day % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z"
        )
    }
}

impl WallTime {
    /// The time of a civil date and time of day taken as UTC; `None` when a part is out of range.
    pub fn from_civil(year: i64, month: i64, day: i64, millis_of_day: i64) -> Option<WallTime> {
        let real = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..86_400_000).contains(&millis_of_day);
        if !real {
            return None;
        }
        let days = days_from_civil(year, month, day);
        // A day that the month does not have (30 February) lands in the next month: refuse it.
        (civil_from_days(days) == (year, month, day))
            .then(|| WallTime(days * 86_400_000 + millis_of_day))
    }
}

impl WallTime {
    /// Parses RFC 3339 in UTC, `2026-11-23T08:00:12.000Z`; the fraction has 0 to 9 digits, of which three are taken.
    /// `None` for any other text, other offsets included.
    pub fn parse(text: &str) -> Option<WallTime> {
        let (date, rest) = text.split_once('T')?;
        let time = rest.strip_suffix('Z')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [year, month, day] = three(date, '-', [4, 2, 2])?;
        let [hours, minutes, seconds] = three(time, ':', [2, 2, 2])?;
        let taken = fraction.get(..fraction.len().min(3))?;
        let millis = digits(taken, taken.len())? * [1, 100, 10, 1].get(taken.len())?;
        if hours > 23 || minutes > 59 || seconds > 59 || fraction.len() > 9 {
            return None;
        }
        digits(fraction, fraction.len())?;
        let in_day = ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis;
        WallTime::from_civil(year, month, day, in_day)
    }
}

/// Three numbers of so many digits, with `between` between them.
fn three(text: &str, between: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between).zip(lengths);
    let mut next = || parts.next().and_then(|(part, length)| digits(part, length));
    let found = [next()?, next()?, next()?];
    (text.len() == lengths.iter().sum::<usize>() + 2).then_some(found)
}

/// The number that exactly `length` digits write.
fn digits(text: &str, length: usize) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (all && text.len() == length).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 of a proleptic Gregorian date. Source: Howard Hinnant, chrono-compatible date algorithms.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`]: `(year, month, day)`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_rfc_3339_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_421_045_007, "2026-11-23T08:04:05.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(WallTime::from_unix_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn a_time_is_read_as_it_is_printed_and_others_are_refused() {
        for millis in [0, 951_782_400_000, 1_795_421_045_007, -1] {
            let time = WallTime::from_unix_millis(millis);
            assert_eq!(WallTime::parse(&time.to_string()), Some(time));
        }
        for (text, millis) in [
            ("1970-01-01T00:00:01Z", 1000),
            ("1970-01-01T00:00:01.5Z", 1500),
            ("1970-01-01T00:00:01.123456789Z", 1123),
        ] {
            assert_eq!(
                WallTime::parse(text),
                Some(WallTime::from_unix_millis(millis))
            );
        }
        for bad in [
            "",
            "T",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00+00:00",
            "1970-01-01t00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-02-30T00:00:00Z",
            "1970-1-01T00:00:00Z",
            "1970-01-01-01T00:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00.12xZ",
            "1970-01-01T00:00:-1Z",
            "1970-01-01T00:00:00.\u{660}Z",
        ] {
            assert_eq!(WallTime::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_civil_date_survives_the_round_trip_and_a_false_one_is_refused() {
        let noon = WallTime::from_civil(2024, 2, 29, 43_200_000).unwrap();
        assert_eq!(noon.to_string(), "2024-02-29T12:00:00.000Z");
        assert!(WallTime::from_civil(2023, 2, 29, 0).is_none());
        assert!(WallTime::from_civil(2023, 13, 1, 0).is_none());
    }

    #[test]
    fn time_never_runs_backwards() {
        assert_eq!(
            Moment::from_millis(5).since(Moment::from_millis(9)),
            Duration::ZERO
        );
        assert_eq!(
            WallTime::from_unix_millis(5).since(WallTime::from_unix_millis(9)),
            Duration::ZERO
        );
    }
}

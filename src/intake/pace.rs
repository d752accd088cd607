//! How a scanner's instances come: the silences inside its series, and what silence is long enough to trust.
//!
//! What costs is a slice that comes after the finding. That needs a silence as long as the wait while everything looks
//! complete: regular slices, and the lungs end inside them. So for each device the share of such series is estimated
//! for every wait that could be chosen, and the shortest one is taken that keeps it below [`RISK_MAX`].

use crate::dicom::Header;
use crate::ids::hex;
use crate::store::{DevicePace, PaceRecord};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bins of a histogram of silences: 1/16 s, then each half power of two more, up to 256 s.
const BINS: usize = 25;
const FIRST_EDGE_S: f64 = 0.0625;
/// The share of complete series whose last slices may come after the wait. Below the one in a hundred that is allowed: it
/// is an estimate.
const RISK_MAX: f64 = 0.007;
/// What a series leaves behind halves over so many further ones of its device: about two days of a busy scanner.
const HALF_LIFE_SERIES: f64 = 100.0;
/// Of all long silences, those that come when the lungs are through already, before any was seen: slices below the
/// lungs are about a tenth of a chest, of a chest with abdomen more.
const LATE_SHARE: f64 = 0.25;
/// That belief counts as much as so many series.
const BELIEF_SERIES: f64 = 20.0;
/// Before any silence of a device was seen, one of `s` seconds is believed to be there in this many / `s` series.
const TAIL_S: f64 = 1.5;
/// A slice that came after its finding counts as so many: the wait must grow at once.
const SUPERSEDED_WEIGHT: f64 = 2.0;
/// Devices kept; beyond, the one not seen for longest is forgotten.
const DEVICES_MAX: usize = 32;

/// Counts of silences by length.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Silences([f64; BINS]);

impl Silences {
    pub(super) fn add(&mut self, silence: Duration, weight: f64) {
        let bin = (0..BINS).position(|bin| silence.as_secs_f64() <= upper_edge(bin));
        if let Some(count) = self.0.get_mut(bin.unwrap_or(BINS - 1)) {
            *count += weight;
        }
    }

    /// How many lasted longer than `wait`; one of the same bin counts as longer.
    fn longer_than(&self, wait: f64) -> f64 {
        let bins = self.0.iter().enumerate();
        let longer = bins.filter(|(bin, _)| upper_edge(*bin) > wait);
        longer.map(|(_, count)| count).sum()
    }

    /// What `share` of them do not exceed; zero without any.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let all: f64 = self.0.iter().sum();
        let mut below = 0.0;
        for (bin, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            below += count;
            if below >= share * all {
                return Duration::from_secs_f64(upper_edge(bin));
            }
        }
        Duration::ZERO
    }

    fn fade(&mut self, factor: f64) {
        self.0.iter_mut().for_each(|count| *count *= factor);
    }
}

/// The end of a bin, s.
fn upper_edge(bin: usize) -> f64 {
    FIRST_EDGE_S * 2.0_f64.powf(bin as f64 / 2.0)
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pace {
    /// Complete series seen, older ones faded.
    series: f64,
    /// The longest silence of each.
    longest: Silences,
    /// The longest silence of each after which something came although all looked complete.
    late: Silences,
}

impl Pace {
    /// Takes in a series that ended complete. `late`: the longest silence while it looked complete; `superseded`: a
    /// finding had been made in it.
    fn record(&mut self, longest: Duration, late: Option<Duration>, superseded: bool) {
        let factor = 0.5_f64.powf(1.0 / HALF_LIFE_SERIES);
        self.series = self.series * factor + 1.0;
        self.longest.fade(factor);
        self.late.fade(factor);
        self.longest.add(longest, 1.0);
        if let Some(late) = late {
            let weight = if superseded { SUPERSEDED_WEIGHT } else { 1.0 };
            self.late.add(late, weight);
        }
    }

    /// The estimated share of complete series whose last slices come after `wait`, s. Silences of `believed` s and more
    /// count only once they were seen.
    fn risk(&self, wait: f64, believed: f64) -> f64 {
        let tail = if wait < believed { TAIL_S / wait } else { 0.0 };
        let paused = (self.longest.longer_than(wait) + tail) / (self.series + 1.0);
        let late = self.late.longer_than(wait) + BELIEF_SERIES * LATE_SHARE * paused.min(1.0);
        late / (self.series + BELIEF_SERIES)
    }

    /// The shortest wait that is long enough, `least` to `most`.
    fn wait(&self, least: Duration, most: Duration) -> Duration {
        let believed = most.as_secs_f64() / 2.0;
        let edges = (0..BINS).map(|bin| Duration::from_secs_f64(upper_edge(bin)));
        let halfway = most / 2;
        let mut candidates: Vec<Duration> = edges.chain([least, halfway]).collect();
        candidates.sort();
        candidates
            .into_iter()
            .filter(|wait| (least..most).contains(wait))
            .find(|wait| self.risk(wait.as_secs_f64(), believed) <= RISK_MAX)
            .unwrap_or(most)
    }
}

/// A scanner, told by a digest of what its images say of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeviceKey(String);

impl DeviceKey {
    /// Scanners that say nothing of themselves share one key.
    pub(super) fn of(header: &Header) -> DeviceKey {
        let text = header.device.as_deref().unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        DeviceKey(hex(digest.iter().take(8)))
    }
}

/// All devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Paces {
    devices: BTreeMap<DeviceKey, (Pace, u64)>,
    clock: u64,
}

impl Paces {
    /// As a store kept them; a record that does not read is as none.
    pub(super) fn recalled(record: &PaceRecord) -> Paces {
        let mut paces = Paces::default();
        for device in record.devices.iter().take(DEVICES_MAX) {
            let pace = Pace {
                series: sound(device.series),
                longest: silences(&device.longest),
                late: silences(&device.late),
            };
            paces.clock += 1;
            let key = DeviceKey(device.key.clone());
            paces.devices.insert(key, (pace, paces.clock));
        }
        paces
    }

    /// For the store, the one seen last at the end.
    pub(super) fn to_record(&self) -> PaceRecord {
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_by_key(|(_, (_, used))| *used);
        let written = devices.into_iter().map(|(key, (pace, _))| DevicePace {
            key: key.0.clone(),
            series: rounded(pace.series),
            longest: pace.longest.0.map(rounded).to_vec(),
            late: pace.late.0.map(rounded).to_vec(),
        });
        PaceRecord::new(written.collect())
    }

    pub(super) fn record(
        &mut self,
        key: DeviceKey,
        longest: Duration,
        late: Option<Duration>,
        superseded: bool,
    ) {
        self.clock += 1;
        let (pace, used) = self.devices.entry(key).or_default();
        *used = self.clock;
        pace.record(longest, late, superseded);
        if self.devices.len() > DEVICES_MAX {
            let oldest = self.devices.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.devices.remove(&key);
            }
        }
    }

    /// The wait for a complete series of `key`.
    pub(super) fn wait(&self, key: &DeviceKey, least: Duration, most: Duration) -> Duration {
        let pace = self.devices.get(key).map(|(pace, _)| pace);
        pace.unwrap_or(&Pace::default()).wait(least, most)
    }
}

fn silences(counts: &[f64]) -> Silences {
    let mut silences = Silences::default();
    for (bin, count) in silences.0.iter_mut().zip(counts) {
        *bin = sound(*count);
    }
    silences
}

/// A faded count has many digits that mean nothing.
fn rounded(count: f64) -> f64 {
    (count * 1e4).round() / 1e4
}

/// A count that a store may have damaged.
fn sound(count: f64) -> f64 {
    if count.is_finite() {
        count.clamp(0.0, 1e6)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_secs(2);
    const MOST: Duration = Duration::from_secs(30);

    fn after(series: usize, longest_s: f64, late_s: Option<f64>) -> Pace {
        let mut pace = Pace::default();
        for _ in 0..series {
            let late = late_s.map(Duration::from_secs_f64);
            pace.record(Duration::from_secs_f64(longest_s), late, false);
        }
        pace
    }

    #[test]
    fn a_device_not_known_yet_waits_half_the_longest_time_and_a_steady_one_less_and_less() {
        let waits: Vec<Duration> = [0, 5, 10, 20, 40]
            .map(|series| after(series, 0.3, None).wait(LEAST, MOST))
            .into();
        assert_eq!(waits[0], MOST / 2);
        assert!(waits.is_sorted_by(|one, next| one >= next), "{waits:?}");
        assert_eq!(waits[4], LEAST);
    }

    #[test]
    fn a_device_that_pauses_when_all_looks_complete_is_waited_for_longer_than_its_pauses() {
        let wait = after(40, 7.0, Some(7.0)).wait(LEAST, MOST);
        assert!(wait > Duration::from_secs(7) && wait < MOST, "{wait:?}");
        assert_eq!(after(40, 40.0, Some(40.0)).wait(LEAST, MOST), MOST);
    }

    #[test]
    fn one_superseded_finding_makes_the_wait_longer_at_once_and_for_a_while() {
        let mut pace = after(300, 0.3, None);
        assert_eq!(pace.wait(LEAST, MOST), LEAST);
        let late = Duration::from_millis(5500);
        pace.record(late, Some(late), true);
        assert!(pace.wait(LEAST, MOST) > late);
        for _ in 0..60 {
            pace.record(Duration::from_millis(300), None, false);
        }
        assert!(pace.wait(LEAST, MOST) > late);
        for _ in 0..300 {
            pace.record(Duration::from_millis(300), None, false);
        }
        assert_eq!(pace.wait(LEAST, MOST), LEAST);
    }

    #[test]
    fn the_wait_keeps_its_bounds_whatever_they_are() {
        for (least, most) in [(2000, 2000), (500, 500), (2000, 2500), (4000, 3_600_000)] {
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            for pace in [
                Pace::default(),
                after(50, 0.1, None),
                after(50, 90.0, Some(90.0)),
            ] {
                let wait = pace.wait(least, most);
                assert!(
                    (least..=most).contains(&wait),
                    "{wait:?} in {least:?}..{most:?}"
                );
            }
        }
    }

    #[test]
    fn what_a_store_keeps_comes_back_and_the_number_of_devices_is_bounded() {
        let mut paces = Paces::default();
        for device in 0..DEVICES_MAX + 5 {
            let key = DeviceKey(format!("{device:02}"));
            paces.record(key, LEAST, Some(MOST), true);
        }
        let record = paces.to_record();
        assert_eq!(record.devices.len(), DEVICES_MAX);
        assert_eq!(Paces::recalled(&record).to_record(), record);
        assert!(record.devices.iter().all(|device| device.key != "00"));
        let mut damaged = record.clone();
        for device in &mut damaged.devices {
            device.series = f64::NAN;
            device.late = vec![-1.0, f64::INFINITY];
        }
        let wait = Paces::recalled(&damaged).wait(&DeviceKey("10".to_owned()), LEAST, MOST);
        assert!((LEAST..=MOST).contains(&wait));
    }
}

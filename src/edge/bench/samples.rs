//! Repeated measurements of one thing.

use std::time::Duration;

/// Durations of the same work, as they were measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: &Samples) {
        self.0.extend(&others.0);
    }

    /// Each, in the order of measuring.
    pub fn each(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest; zero without any.
    pub fn min(&self) -> Duration {
        self.rank(0, 100)
    }

    /// The middle one; of an even number, the shorter of the two in the middle.
    pub fn median(&self) -> Duration {
        self.rank(50, 100)
    }

    /// The one that 95 of 100 do not exceed.
    pub fn p95(&self) -> Duration {
        self.rank(95, 100)
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.rank(100, 100)
    }

    fn rank(&self, share: usize, whole: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        // The nearest rank, rounded up.
        let index = (sorted.len() * share).div_ceil(whole).saturating_sub(1);
        sorted.get(index.min(last)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest_ones() {
        let samples = |count: u64| Samples((1..=count).rev().map(Duration::from_millis).collect());
        let millis = |count| {
            let of = samples(count);
            [of.min(), of.median(), of.p95(), of.max()].map(|rank| rank.as_millis())
        };
        assert_eq!(millis(0), [0, 0, 0, 0]);
        assert_eq!(millis(1), [1, 1, 1, 1]);
        assert_eq!(millis(4), [1, 2, 4, 4]);
        assert_eq!(millis(5), [1, 3, 5, 5]);
        assert_eq!(millis(100), [1, 50, 95, 100]);
    }
}

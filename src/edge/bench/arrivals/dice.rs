//! Chance that is the same for the same seed, and the distributions that gaps are drawn from.

/// A sequence of numbers that look random. Source: SplitMix64, Steele, Lea and Flood 2014.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// One sequence for each pair of numbers.
    pub(super) fn new(seed: u64, stream: u64) -> Dice {
        let mut dice = Dice(seed ^ stream.wrapping_mul(0xA24B_AED4_963E_E407));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to 1, 1 left out.
    pub(super) fn share(&mut self) -> f64 {
        // 53 bits are what a float holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// A number between two, all alike.
    pub(super) fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.share()
    }

    /// A whole number from `least` to `most`.
    pub(super) fn whole(&mut self, least: u32, most: u32) -> u32 {
        let span = u64::from(most.saturating_sub(least)) + 1;
        least + u32::try_from(self.next() % span).unwrap_or(0)
    }

    /// Log-normal: the usual shape of a time that many small delays multiply into.
    pub(super) fn around(&mut self, median: f64, sigma: f64) -> f64 {
        // Box and Muller 1958.
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.share()).cos();
        median * (sigma * normal).exp()
    }

    /// Pareto: a time without a usual length, whose next power of ten is never out of reach.
    pub(super) fn heavy(&mut self, least: f64, alpha: f64, most: f64) -> f64 {
        (least / (1.0 - self.share()).powf(1.0 / alpha)).min(most)
    }

    /// Exponential: the time to the next of events that do not know of each other.
    pub(super) fn until_next(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }
}

//! Random numbers and smooth random fields, from seeds only.

/// SplitMix64: small, fast, the same on every machine. Source: Steele, Lea, Flood, OOPSLA 2014.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each `seed` and `stream`.
    pub(super) fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        random.bits();
        random
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in 0 to 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// Uniform in `low` to `high`.
    pub(super) fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Nearly normal, mean 0, deviation 1: the sum of four 16-bit uniforms (Irwin–Hall).
    pub(super) fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        // Four uniforms: mean 2, variance 4/12.
        (sum as f32 / 65_536.0 - 2.0) * 1.732_050_8
    }
}

/// Lattice points a side; a power of two, so the field repeats without a seam.
const SIDE: usize = 32;

/// Value noise: random values on a periodic lattice, smoothly interpolated; about -1 to 1.
#[derive(Clone, Debug)]
pub(super) struct Lattice {
    values: Vec<f32>,
}

impl Lattice {
    /// The lattice of `random`.
    pub(super) fn new(random: &mut Random) -> Lattice {
        let values = (0..SIDE * SIDE * SIDE)
            .map(|_| random.within(-1.0, 1.0))
            .collect();
        Lattice { values }
    }

    /// The field at `x, y, z` lattice units.
    pub(super) fn at(&self, x: f32, y: f32, z: f32) -> f32 {
        let (x0, fx) = cell(x);
        let (y0, fy) = cell(y);
        let (z0, fz) = cell(z);
        let (x1, y1, z1) = ((x0 + 1) % SIDE, (y0 + 1) % SIDE, (z0 + 1) % SIDE);
        let row = |y: usize, z: usize| {
            let start = (z * SIDE + y) * SIDE;
            let low = self.values.get(start + x0).copied().unwrap_or(0.0);
            let high = self.values.get(start + x1).copied().unwrap_or(0.0);
            low + (high - low) * fx
        };
        let front = mix(row(y0, z0), row(y1, z0), fy);
        let back = mix(row(y0, z1), row(y1, z1), fy);
        mix(front, back, fz)
    }

    /// Two octaves of the field with details of about `size` mm at the point `x, y, z` in mm.
    pub(super) fn cloud(&self, size: f32, x: f32, y: f32, z: f32) -> f32 {
        let scale = 1.0 / size;
        let (u, v, w) = (x * scale, y * scale, z * scale);
        self.at(u, v, w) + 0.5 * self.at(u * 2.03 + 7.7, v * 2.03 + 3.1, w * 2.03 + 11.3)
    }
}

/// The lattice cell of a coordinate, and the smoothed place inside it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "coordinates are below a few thousand and rem_euclid is never negative"
)]
fn cell(coordinate: f32) -> (usize, f32) {
    let floor = coordinate.floor();
    let place = coordinate - floor;
    let index = (floor as i32).rem_euclid(SIDE as i32) as usize;
    (index, place * place * (3.0 - 2.0 * place))
}

/// `a` at 0, `b` at 1.
pub(super) fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smooth_step(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

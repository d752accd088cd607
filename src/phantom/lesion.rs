//! The disease: one smooth field over the lungs, cut at the level that gives the asked burden.

use crate::phantom::anatomy::{Anatomy, Point};
use crate::phantom::noise::{Lattice, Random, mix, smooth_step};

/// A focus: the field falls from `weight` at its centre by one for each squared radius.
#[derive(Clone, Copy, Debug)]
struct Focus {
    centre: Point,
    /// One over the squared half axes.
    sharpness: Point,
    weight: f32,
}

/// The disease of one patient; nested level sets, so a larger burden contains each smaller one.
#[derive(Clone, Debug)]
pub(super) struct LesionField {
    foci: Vec<Focus>,
    rough: Lattice,
    /// How ripe a patch is when it turns from ground glass to consolidation.
    solid_from: f32,
    /// How dense its ground glass is, 0 to 1.
    density: f32,
}

/// Number of foci: enough for diffuse disease, few enough to evaluate everywhere.
const FOCI: usize = 34;
/// Half the width of a lesion's soft edge, in strength: a few mm where the strength falls from a focus.
const EDGE: f32 = 0.22;

impl LesionField {
    /// Draws the disease of `seed` into the lungs of `anatomy`.
    pub(super) fn new(anatomy: &Anatomy, seed: u64) -> LesionField {
        let mut random = Random::new(seed, 2);
        let rough = Lattice::new(&mut random);
        let mut foci = Vec::with_capacity(FOCI);
        // Bounded: a draw in ten or so is taken.
        for _ in 0..FOCI * 300 {
            if foci.len() >= FOCI {
                break;
            }
            foci.extend(draw(anatomy, &mut random));
        }
        LesionField {
            foci,
            rough,
            solid_from: random.within(0.42, 0.8),
            density: random.within(0.32, 0.42),
        }
    }

    /// The strength of the disease at `at`; high in a focus, falling without bound away from all.
    pub(super) fn strength(&self, at: Point) -> f32 {
        let mut most = -1000.0_f32;
        for focus in &self.foci {
            let (x, y, z) = (
                at.x - focus.centre.x,
                at.y - focus.centre.y,
                at.z - focus.centre.z,
            );
            let fall =
                x * x * focus.sharpness.x + y * y * focus.sharpness.y + z * z * focus.sharpness.z;
            most = most.max(focus.weight - fall);
        }
        most + 0.42 * self.rough.cloud(21.0, at.x, at.y, at.z)
            + 0.20 * self.rough.at(at.x / 6.5, at.y / 6.5, at.z / 6.5 + 8.0)
    }

    /// How much of the air is replaced, 0 to 1, where the strength lies `over` the patient's level.
    pub(super) fn opacity(&self, over: f32, grain: f32, at: Point) -> f32 {
        if over < -EDGE {
            return 0.0;
        }
        let patch = self.rough.at(at.x / 9.0 + 4.0, at.y / 9.0, at.z / 9.0);
        let glass = self.density * (1.0 + 0.2 * patch + 0.2 * grain) + 0.06 * over.clamp(0.0, 1.0);
        // Solid only in patches of a core: most of even a widespread pneumonia stays ground glass.
        let ripe = 0.6 * over.min(0.9) + 0.62 * patch;
        let solid = smooth_step(self.solid_from, self.solid_from + 0.3, ripe);
        mix(glass, 0.98 + 0.03 * grain, solid) * smooth_step(-EDGE, EDGE, over)
    }
}

/// A focus, when the point drawn lies where this disease settles: mostly below the pleura, at the back and low.
fn draw(anatomy: &Anatomy, random: &mut Random) -> Option<Focus> {
    let side = if random.unit() < 0.5 { -1.0 } else { 1.0 };
    let centre = Point {
        x: side * random.within(20.0, 132.0),
        y: random.within(-85.0, 96.0),
        z: random.within(18.0, 270.0),
    };
    let chance = random.unit();
    let depth = anatomy.lung(centre);
    let settles =
        0.25 + 0.4 * smooth_step(-30.0, 60.0, centre.y) + 0.35 * smooth_step(220.0, 70.0, centre.z);
    let pleural = smooth_step(30.0, 12.0, depth) * 0.85 + 0.15;
    let (half, flat) = (random.within(14.0, 38.0), random.within(0.5, 0.95));
    let tall = random.within(0.7, 1.25);
    // Squared: few foci lead, many follow only when the disease is widespread.
    let weight = 2.0 * random.unit() * random.unit();
    if depth < 2.0 || chance > settles * pleural {
        return None;
    }
    let over = |length: f32| 1.0 / (length * length);
    Some(Focus {
        centre,
        sharpness: Point {
            x: over(half * flat),
            y: over(half),
            z: over(half * tall),
        },
        weight,
    })
}

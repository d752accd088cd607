//! The body as distances in mm: positive inside, negative outside, good near each surface.

use crate::phantom::noise::{Lattice, Random, mix};
use crate::phantom::organs::{Ellipsoid, Organs};

/// A point in patient space, mm: x from the midline to the left, y from the middle to the back, z from the lowest slice up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

/// Distances in mm at one point; positive inside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distances {
    /// The skin.
    pub(super) body: f32,
    /// The inner chest wall.
    pub(super) cavity: f32,
    /// The lung.
    pub(super) lung: f32,
    /// Above the diaphragm.
    pub(super) diaphragm: f32,
    /// The heart with its sac.
    pub(super) heart: f32,
}

/// One patient's shapes.
#[derive(Clone, Debug)]
pub(super) struct Anatomy {
    width: f32,
    depth: f32,
    fat: f32,
    domes: [f32; 2],
    apex: f32,
    rib_phase: f32,
    pub(super) organs: Organs,
    pub(super) shape: Lattice,
}

/// Height in mm against half width, half depth and centre (front to back) of the chest cavity, in mm.
///
/// An average adult in inspiration with raised arms, drawn from textbook sections, not from one patient.
const PROFILE: [(f32, f32, f32, f32); 9] = [
    (0.0, 126.0, 90.0, 0.0),
    (50.0, 134.0, 95.0, 0.0),
    (100.0, 137.0, 96.0, 0.0),
    (150.0, 135.0, 93.0, 1.0),
    (190.0, 129.0, 87.0, 3.0),
    (225.0, 117.0, 78.0, 8.0),
    (255.0, 97.0, 66.0, 14.0),
    (280.0, 72.0, 52.0, 20.0),
    (300.0, 56.0, 42.0, 24.0),
];

/// The shapes that depend on the height only, at one height.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level<'a> {
    anatomy: &'a Anatomy,
    z: f32,
    half_width: f32,
    half_depth: f32,
    centre: f32,
}

impl Anatomy {
    /// The patient of `seed`.
    pub(super) fn new(seed: u64) -> Anatomy {
        let mut random = Random::new(seed, 1);
        let right = random.within(84.0, 100.0);
        Anatomy {
            width: random.within(0.93, 1.03),
            depth: random.within(0.94, 1.06),
            fat: random.within(8.0, 17.0),
            domes: [right, right - random.within(8.0, 18.0)],
            apex: random.within(276.0, 287.0),
            rib_phase: random.within(0.0, 24.0),
            organs: Organs::new(&mut random),
            shape: Lattice::new(&mut random),
        }
    }

    /// The shapes at height `z` mm.
    pub(super) fn level(&self, z: f32) -> Level<'_> {
        let mut lower = PROFILE[0];
        let mut upper = PROFILE[0];
        for knot in PROFILE {
            lower = upper;
            upper = knot;
            if knot.0 >= z {
                break;
            }
        }
        let run = upper.0 - lower.0;
        let share = if run > 0.0 {
            ((z - lower.0) / run).clamp(0.0, 1.0)
        } else {
            0.0
        };
        Level {
            anatomy: self,
            z,
            half_width: mix(lower.1, upper.1, share) * self.width,
            half_depth: mix(lower.2, upper.2, share) * self.depth,
            centre: mix(lower.3, upper.3, share),
        }
    }

    /// Distance to the lung's surface at `point`, mm.
    pub(super) fn lung(&self, point: Point) -> f32 {
        self.level(point.z).distances(point.x, point.y).lung
    }
}

impl Level<'_> {
    /// All distances at `x, y` mm.
    pub(super) fn distances(&self, x: f32, y: f32) -> Distances {
        let anatomy = self.anatomy;
        let wobble = 3.5 * anatomy.shape.at(x / 41.0 + 5.0, y / 41.0, self.z / 47.0);
        let body_depth = 96.0 * anatomy.depth + 14.0 + anatomy.fat;
        let body_width = (137.0 * anatomy.width + 18.0 + anatomy.fat).min(171.0);
        let body = squircle(x, y - 2.0, body_width, body_depth) + 0.4 * wobble;
        if body < -6.0 {
            return Distances {
                body,
                cavity: -99.0,
                lung: -99.0,
                diaphragm: 0.0,
                heart: -99.0,
            };
        }
        let cavity = squircle(x, y - self.centre, self.half_width, self.half_depth) + wobble;
        let diaphragm = self.above_diaphragm(x, y) + 0.6 * wobble;
        if cavity < -14.0 {
            return Distances {
                body,
                cavity,
                lung: cavity,
                diaphragm,
                heart: -99.0,
            };
        }
        let heart = anatomy.organs.heart(Point { x, y, z: self.z }) + 0.5 * wobble;
        let lung = self
            .below_apex(x, y)
            .min(cavity - 1.0)
            .min(diaphragm)
            .min(self.beside_mediastinum(x, y) + 0.7 * wobble)
            .min(-heart - 2.0)
            .min(-anatomy.organs.spine_wall(x, y));
        Distances {
            body,
            cavity,
            lung,
            diaphragm,
            heart,
        }
    }

    /// Height above the diaphragm, scaled to a distance: two domes that fall off to the ribs.
    fn above_diaphragm(&self, x: f32, y: f32) -> f32 {
        let [right, left] = self.anatomy.domes;
        let (top, centre) = if x < 0.0 {
            (right, -62.0)
        } else {
            (left, 62.0)
        };
        let (across, along) = ((x - centre) / 72.0, (y + 14.0) / 84.0);
        let fall = 36.0 * across * across + 40.0 * along * along;
        (self.z - (top - fall).max(14.0)) * 0.72
    }

    /// Distance below the two blunt domes of the apex, which lean outwards on their way down.
    fn below_apex(&self, x: f32, y: f32) -> f32 {
        let below = self.anatomy.apex - self.z;
        let (across, along) = (
            (x.abs() - 38.0 - 0.25 * below.clamp(0.0, 70.0)) / 42.0,
            (y - self.centre - 2.0) / 58.0,
        );
        let off = across * across + along * along;
        (below - 20.0 * off * off) * 0.5
    }

    /// Distance from the mediastinum: thin behind the sternum, broad at the great vessels.
    fn beside_mediastinum(&self, x: f32, y: f32) -> f32 {
        let front = ((y + 75.0) / 55.0).clamp(0.0, 1.0);
        let high = ((self.z - 130.0) / 60.0).clamp(0.0, 1.0);
        let broad = mix(22.0, 27.0, high)
            + 9.0
                * self
                    .anatomy
                    .shape
                    .at(x.signum() * 3.3, y / 31.0, self.z / 34.0 + 2.0);
        x.abs() - mix(7.0, broad, front)
    }

    /// How far a rib's centre is from `y` and `shell` (mm outside the chest cavity), 1 at its edge; below 1 is bone.
    pub(super) fn rib(&self, x: f32, y: f32, shell: f32) -> f32 {
        // Ribs run forward and down: 24 mm apart, falling about half a mm for each mm to the front.
        let height = self.z + 0.5 * (60.0 - y) + self.anatomy.rib_phase + 0.03 * x;
        let off = (height.rem_euclid(24.0) - 12.0) / 5.8;
        let out = (shell - 6.5) / 4.2;
        off * off + out * out
    }

    /// Thickness of the fat below the skin, mm.
    pub(super) fn fat(&self) -> f32 {
        self.anatomy.fat
    }

    /// The half depth of the cavity in front, where the sternum lies: `y` of its inner surface, mm.
    pub(super) fn front(&self) -> f32 {
        self.centre - self.half_depth
    }
}

/// Distance to a rounded rectangle between ellipse and box (Fernández-Guasti's squircle), mm; positive inside.
fn squircle(x: f32, y: f32, half_width: f32, half_depth: f32) -> f32 {
    const SQUARENESS: f32 = 0.42;
    let (u, v) = (x / half_width, y / half_depth);
    let (uu, vv) = (u * u, v * v);
    let field = uu + vv - SQUARENESS * uu * vv;
    let (du, dv) = (
        2.0 * u * (1.0 - SQUARENESS * vv) / half_width,
        2.0 * v * (1.0 - SQUARENESS * uu) / half_depth,
    );
    let slope = (du * du + dv * dv).sqrt();
    (1.0 - field) / (slope + 0.25 / half_depth)
}

/// Distance to an ellipsoid's surface, mm; positive inside.
pub(super) fn ellipsoid(shape: &Ellipsoid, point: Point) -> f32 {
    let (dx, dy) = (point.x - shape.centre.x, point.y - shape.centre.y);
    let u = (dx * shape.turn.0 + dy * shape.turn.1) / shape.half.x;
    let v = (dy * shape.turn.0 - dx * shape.turn.1) / shape.half.y;
    let w = (point.z - shape.centre.z) / shape.half.z;
    let radius = (u * u + v * v + w * w).sqrt();
    (1.0 - radius) * shape.half.y.min(shape.half.z)
}

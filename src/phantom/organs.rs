//! What lies between and below the lungs: heart, great vessels, spine, sternum, liver and spleen.

use crate::phantom::anatomy::{Distances, Level, Point, ellipsoid};
use crate::phantom::noise::{Random, mix, smooth_step};

/// An ellipsoid turned about the long axis of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ellipsoid {
    pub(super) centre: Point,
    pub(super) half: Point,
    /// Cosine and sine of the turn.
    pub(super) turn: (f32, f32),
}

/// Organs of one patient.
#[derive(Clone, Debug)]
pub(super) struct Organs {
    chambers: [Ellipsoid; 2],
    aorta: f32,
    disc_phase: f32,
    liver: f32,
}

/// HU of unenhanced tissue. Source: textbook ranges (Hofer, CT Teaching Manual).
const FAT: f32 = -98.0;
const MUSCLE: f32 = 52.0;
const BLOOD: f32 = 42.0;

impl Organs {
    /// Draws the organs.
    pub(super) fn new(random: &mut Random) -> Organs {
        let size = random.within(0.9, 1.08);
        let point = |x, y, z| Point { x, y, z };
        let left = Ellipsoid {
            centre: point(26.0, -30.0, random.within(92.0, 102.0)),
            half: point(58.0 * size, 43.0 * size, 56.0 * size),
            turn: (0.88, 0.47),
        };
        let right = Ellipsoid {
            centre: point(-10.0, -26.0, random.within(105.0, 118.0)),
            half: point(34.0 * size, 38.0 * size, 48.0 * size),
            turn: (1.0, 0.0),
        };
        Organs {
            chambers: [left, right],
            aorta: random.within(11.0, 14.0),
            disc_phase: random.within(0.0, 25.0),
            liver: random.within(50.0, 66.0),
        }
    }

    /// Distance to the heart's surface, mm; positive inside.
    pub(super) fn heart(&self, point: Point) -> f32 {
        let [left, right] = &self.chambers;
        ellipsoid(left, point).max(ellipsoid(right, point))
    }

    /// How far `x, y` lies inside the column of spine and pleura beside it, mm.
    pub(super) fn spine_wall(&self, x: f32, y: f32) -> f32 {
        let (u, v) = (x / 24.0, (y - 66.0) / 23.0);
        let body = (1.0 - (u * u + v * v).sqrt()) * 23.0;
        // Behind the body the wall widens to the transverse processes.
        let arch = (y - 72.0).min(27.0 - x.abs());
        body.max(arch)
    }

    /// HU of everything that is neither lung nor bone inside the body.
    pub(super) fn soft(
        &self,
        level: &Level<'_>,
        at: Point,
        distance: &Distances,
        grain: f32,
    ) -> f32 {
        if distance.cavity < 0.0 {
            return wall(distance, level.fat(), grain);
        }
        let below = smooth_step(1.0, -2.0, distance.diaphragm);
        let middle = self.mediastinum(level, at, distance, grain);
        mix(middle, self.abdomen(at, distance, grain), below)
    }

    fn mediastinum(&self, _: &Level<'_>, at: Point, distance: &Distances, grain: f32) -> f32 {
        let tube = |x: f32, y: f32, radius: f32| {
            let (dx, dy) = (at.x - x, at.y - y);
            smooth_step(-1.2, 1.2, radius - (dx * dx + dy * dy).sqrt())
        };
        let descending = tube(20.0, 42.0, if at.z < 205.0 { self.aorta } else { 0.0 });
        let high = smooth_step(135.0, 150.0, at.z);
        let arch_end = smooth_step(222.0, 214.0, at.z);
        let ascending = tube(-12.0, -22.0, self.aorta + 4.0) * high * arch_end;
        let cava = tube(-27.0, -12.0, 8.5) * high;
        let trunk = tube(14.0, -16.0, 13.0) * high * smooth_step(185.0, 175.0, at.z);
        let carotids = tube(-14.0, 2.0, 6.0)
            .max(tube(16.0, 2.0, 5.5))
            .max(tube(3.0, -8.0, 5.0))
            * smooth_step(210.0, 218.0, at.z);
        // The arch runs from the ascending to the descending aorta, to the left of the trachea.
        let arch = ellipsoid(&ARCH, at);
        let gullet = tube(4.0, 38.0, 6.5);
        let heart = smooth_step(-0.5, 2.0, distance.heart - 2.0);
        let blood = descending.max(ascending).max(cava).max(trunk).max(carotids);
        let blood = blood
            .max(smooth_step(-1.2, 1.2, arch))
            .max(gullet * 0.95)
            .max(heart);
        mix(FAT + 28.0 + 30.0 * grain, BLOOD + 4.0 * grain, blood)
    }

    fn abdomen(&self, at: Point, distance: &Distances, grain: f32) -> f32 {
        let border = smooth_step(18.0, 34.0, at.x + 0.4 * at.y + 12.0 * grain);
        let fat =
            smooth_step(7.0, 3.0, distance.cavity) * smooth_step(-6.0, -11.0, distance.diaphragm);
        let left = if at.y > 5.0 { 48.0 } else { 30.0 };
        let organ = mix(self.liver, left, border);
        let seam = border * (1.0 - border) * 4.0;
        mix(organ + 5.0 * grain, FAT, (0.8 * seam).max(fat))
    }

    /// HU and share of bone of the spine and its canal at `x, y, z`; share 0 outside.
    pub(super) fn spine(&self, at: Point) -> (f32, f32) {
        if at.x.abs() > 42.0 || at.y < 44.0 {
            return (0.0, 0.0);
        }
        let (u, v) = (at.x / 18.0, (at.y - 65.0) / 15.0);
        let body = (1.0 - (u * u + v * v).sqrt()) * 15.0;
        let (cx, cy) = (at.x / 10.0, (at.y - 86.5) / 8.5);
        let canal = (1.0 - (cx * cx + cy * cy).sqrt()) * 8.5;
        let level = (at.z + self.disc_phase).rem_euclid(25.0);
        let disc = smooth_step(3.0, 2.0, (level - 12.5).abs());
        let ring = 4.5 - (canal + 4.5).abs();
        let process = (3.8 - at.x.abs()).min(at.y - 95.0).min(118.0 - at.y);
        let wings = (4.5 - (at.y - 84.0 - 0.25 * at.x.abs()).abs())
            .min(38.0 - at.x.abs())
            .min(at.x.abs() - 10.0);
        let vertebra = smooth_step(3.0, 4.5, (level - 12.5).abs());
        let behind = ring
            .max(process)
            .max(wings * vertebra - 2.0 * (1.0 - vertebra));
        let cord = smooth_step(-0.5, 0.8, canal);
        let bone = body.max(if canal > 0.0 { -1.0 } else { behind });
        let share = smooth_step(-0.8, 0.8, bone).max(cord);
        let marrow = mix(560.0, 175.0, smooth_step(0.8, 3.0, bone));
        (
            mix(
                mix(marrow, 85.0, disc * smooth_step(0.0, 1.5, body)),
                25.0,
                cord,
            ),
            share,
        )
    }

    /// HU and share of bone of sternum, ribs and shoulder blades.
    pub(super) fn cage(&self, level: &Level<'_>, at: Point, distance: &Distances) -> (f32, f32) {
        let shell = -distance.cavity;
        if !(0.5..32.0).contains(&shell) || distance.body < 2.0 {
            return (0.0, 0.0);
        }
        let plate = (at.y - level.front() + 7.5) / 5.0;
        let across = at.x / if at.z > 205.0 { 26.0 } else { 15.0 };
        let sternum = if (95.0..250.0).contains(&at.z) {
            plate * plate + across * across
        } else {
            9.0
        };
        let rib = if at.x.abs() > 20.0 {
            level.rib(at.x, at.y, shell)
        } else {
            9.0
        };
        let blade = if at.z > 150.0 && at.y > 22.0 && at.x.abs() > 48.0 {
            let thick = (shell - 19.5) / 2.8;
            let reach = (at.y - 62.0) / 36.0;
            thick * thick + reach * reach * reach * reach
        } else {
            9.0
        };
        let edge = sternum.min(rib).min(blade);
        let cortex = smooth_step(0.35, 0.7, edge);
        (mix(160.0, 760.0, cortex), smooth_step(1.2, 0.8, edge))
    }
}

/// The aortic arch.
const ARCH: Ellipsoid = Ellipsoid {
    centre: Point {
        x: 6.0,
        y: 10.0,
        z: 208.0,
    },
    half: Point {
        x: 13.0,
        y: 42.0,
        z: 12.0,
    },
    turn: (0.85, -0.53),
};

/// Skin, fat, then the muscles of the chest wall with seams of fat between them.
fn wall(distance: &Distances, fat: f32, grain: f32) -> f32 {
    let shell = -distance.cavity;
    let muscle = smooth_step(-1.0, 1.0, distance.body - fat - 7.0 * grain)
        .max(smooth_step(10.0, 7.0, shell));
    let seam = smooth_step(0.12, 0.05, (grain - 0.15).abs()) * smooth_step(11.0, 14.0, shell);
    let inside = mix(FAT, mix(MUSCLE, FAT, 0.4 * seam), muscle);
    mix(15.0, inside, smooth_step(1.2, 2.4, distance.body))
}

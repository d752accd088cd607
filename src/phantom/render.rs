//! One native slice at a time: smooth fields on a coarse grid, thin things pixel by pixel.

use crate::phantom::anatomy::{Anatomy, Distances, Level, Point};
use crate::phantom::lesion::LesionField;
use crate::phantom::noise::{Lattice, Random, mix, smooth_step};
use crate::phantom::sheet::{Blend, Coarse, Cover, ScannerNoise, Sheet};
use crate::phantom::spec::{PhantomSpec, SpecError};
use crate::phantom::tree::{Growth, Tube, grow};
use crate::phantom::truth::{Truth, VoxelTruth, settle};

/// A synthetic patient on a synthetic scanner.
#[derive(Clone, Debug)]
pub struct Phantom {
    spec: PhantomSpec,
    anatomy: Anatomy,
    lesions: LesionField,
    level: f32,
    truth: Truth,
    vessels: Vec<Tube>,
    airways: Vec<Tube>,
    grain: Lattice,
}

/// Deviation of the scanner's noise after its kernel, HU; a standard-dose chest CT at 1 to 2.5 mm.
const NOISE_HU: f32 = 16.0;

/// The smooth fields at one point.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    distance: Distances,
    soft: f32,
    lung: f32,
    opacity: f32,
}

/// Shares of one pixel taken by things thinner than the coarse grid.
#[derive(Clone, Copy, Debug)]
struct Thin {
    vessel: f32,
    lumen: f32,
    wall: f32,
}

impl Phantom {
    /// The phantom of `spec`. Errors: a field of `spec` out of its range.
    pub fn new(spec: &PhantomSpec) -> Result<Phantom, SpecError> {
        spec.check()?;
        let anatomy = Anatomy::new(spec.anatomy_seed);
        let lesions = LesionField::new(&anatomy, spec.lesion_seed);
        let (level, truth) = settle(&anatomy, &lesions, spec);
        let mut random = Random::new(spec.anatomy_seed, 3);
        let vessels = vessels(&anatomy, &mut random);
        let airways = airways(&anatomy, &mut random);
        let grain = Lattice::new(&mut random);
        Ok(Phantom {
            spec: *spec,
            anatomy,
            lesions,
            level,
            truth,
            vessels,
            airways,
            grain,
        })
    }

    /// What it was made from.
    pub fn spec(&self) -> &PhantomSpec {
        &self.spec
    }

    /// What is true about it.
    pub fn truth(&self) -> Truth {
        self.truth
    }

    /// Renders slice `z` (feet → head) into `hu`, rows × columns in index order `y, x`, HU.
    ///
    /// `hu` is cleared first; a `z` past the last slice shows what lies above it.
    pub fn slice_hu(&self, z: usize, hu: &mut Vec<i16>) {
        let height = self.height(z);
        let level = self.anatomy.level(height);
        let sheet = Sheet::of(&self.spec);
        let coarse = Coarse::of(&sheet, |x, y| {
            self.fields(&level, Point { x, y, z: height })
        });
        let vessels = Cover::of(&sheet, &self.vessels, height, |tube| tube.radius);
        let lumens = Cover::of(&sheet, &self.airways, height, |tube| tube.radius);
        let walls = Cover::of(&sheet, &self.airways, height, |tube| {
            0.5 + 1.16 * tube.radius
        });
        let mut noise = ScannerNoise::new(sheet.columns, self.spec.noise_seed, z);
        let (mut line, mut grains) = (Vec::new(), Vec::new());
        hu.clear();
        hu.reserve(sheet.rows * sheet.columns);
        for row in 0..sheet.rows {
            let y = sheet.y(row);
            coarse.line(row, &mut line);
            noise.next_row(&mut grains);
            let tubes = vessels
                .row(row)
                .iter()
                .zip(lumens.row(row))
                .zip(walls.row(row));
            for ((column, ((vessel, lumen), wall)), grain) in tubes.enumerate().zip(&grains) {
                let at = Point {
                    x: sheet.x(column),
                    y,
                    z: height,
                };
                let thin = Thin {
                    vessel: *vessel,
                    lumen: *lumen,
                    wall: *wall,
                };
                let value = self.pixel(&level, at, &coarse.along(&line, column), thin);
                hu.push(stored(value + grain * NOISE_HU));
            }
        }
    }

    /// The truth of slice `z`, rows × columns in index order `y, x`.
    pub fn slice_truth(&self, z: usize, truth: &mut Vec<VoxelTruth>) {
        let height = self.height(z);
        let level = self.anatomy.level(height);
        truth.clear();
        truth.reserve(self.spec.rows * self.spec.columns);
        let sheet = Sheet::of(&self.spec);
        for row in 0..sheet.rows {
            let y = sheet.y(row);
            for column in 0..sheet.columns {
                let at = Point {
                    x: sheet.x(column),
                    y,
                    z: height,
                };
                truth.push(if level.distances(at.x, at.y).lung <= 0.0 {
                    VoxelTruth::Outside
                } else if self.lesions.strength(at) > self.level {
                    VoxelTruth::Lesion
                } else {
                    VoxelTruth::Lung
                });
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few hundred mm need no f64"
    )]
    fn height(&self, z: usize) -> f32 {
        ((z as f64 + 0.5) * self.spec.step_mm) as f32
    }

    fn fields(&self, level: &Level<'_>, at: Point) -> Fields {
        let distance = level.distances(at.x, at.y);
        if distance.body < -6.0 {
            return Fields {
                distance,
                ..Fields::default()
            };
        }
        let grain = self
            .anatomy
            .shape
            .at(at.x / 13.0, at.y / 13.0 + 9.0, at.z / 15.0);
        let soft = self.anatomy.organs.soft(level, at, &distance, grain);
        if distance.lung < -4.0 {
            return Fields {
                distance,
                soft,
                ..Fields::default()
            };
        }
        let cloud = self.grain.cloud(9.0, at.x, at.y, at.z);
        // Blood sinks: lung is denser at the back of a patient lying on it.
        let lung = -868.0 + 0.3 * at.y + 30.0 * cloud;
        let over = self.lesions.strength(at) - self.level;
        let opacity = self.lesions.opacity(over, cloud, at);
        Fields {
            distance,
            soft,
            lung,
            opacity,
        }
    }

    /// HU of one pixel without noise.
    fn pixel(&self, level: &Level<'_>, at: Point, fields: &Fields, thin: Thin) -> f32 {
        let distance = &fields.distance;
        if distance.body < 1.0 {
            let skin = smooth_step(-0.5, 0.5, distance.body);
            return mix(table(at), 10.0, skin);
        }
        let lung_share = smooth_step(-0.7, 0.7, distance.lung);
        let mut value = fields.soft;
        if lung_share < 1.0 {
            let bone = if distance.cavity < 0.0 {
                self.anatomy.organs.cage(level, at, distance)
            } else {
                (0.0, 0.0)
            };
            value = mix(value, bone.0, bone.1);
            let spine = self.anatomy.organs.spine(at);
            value = mix(value, spine.0, spine.1);
        }
        if lung_share > 0.0 {
            let fine = self.grain.at(at.x / 2.1, at.y / 2.1 + 5.0, at.z / 2.3);
            let air = fields.lung + 26.0 * fine;
            let sick = mix(air, 32.0 + 8.0 * fine, fields.opacity);
            let filled = mix(sick, sick.max(38.0), thin.vessel);
            value = mix(value, filled, lung_share);
        }
        // A lumen holds room air, a wall is thinner than a pixel but for the largest; both show in the mediastinum too.
        value = mix(value, value.max(-330.0), thin.wall);
        mix(value, -985.0, thin.lumen)
    }
}

/// Arteries and veins of both lungs: two trees a side, a little apart at the hilum.
fn vessels(anatomy: &Anatomy, random: &mut Random) -> Vec<Tube> {
    let mut tubes = Vec::new();
    for side in [-1.0_f32, 1.0] {
        for (y, z, tips) in [(0.0, 152.0, 900), (8.0, 136.0, 700)] {
            let hilum = Point {
                x: side * 34.0,
                y,
                z,
            };
            let growth = Growth {
                hilum,
                tips,
                tip_radius: 0.55,
                exponent: 2.9,
            };
            tubes.extend(grow(anatomy, &growth, random));
        }
    }
    tubes
}

/// Trachea, main bronchi, and a tree in each lung.
fn airways(anatomy: &Anatomy, random: &mut Random) -> Vec<Tube> {
    let carina = Point {
        x: 1.0,
        y: 18.0,
        z: 178.0,
    };
    let top = Point {
        x: 0.0,
        y: 6.0,
        z: 320.0,
    };
    let mut tubes = vec![Tube {
        start: top,
        end: carina,
        radius: 8.2,
    }];
    for side in [-1.0_f32, 1.0] {
        let hilum = Point {
            x: side * 33.0,
            y: 14.0,
            z: 152.0,
        };
        tubes.push(Tube {
            start: carina,
            end: hilum,
            radius: 6.0,
        });
        let growth = Growth {
            hilum,
            tips: 60,
            tip_radius: 0.6,
            exponent: 2.6,
        };
        tubes.extend(grow(anatomy, &growth, random));
    }
    tubes
}

/// Air outside the body, and the couch below it: two thin curved shells with foam between.
fn table(at: Point) -> f32 {
    let top = 138.0 - 0.0011 * at.x * at.x;
    let depth = at.y - top;
    if at.x.abs() > 172.0 || !(-1.0..24.0).contains(&depth) {
        return -1000.0;
    }
    let shell = smooth_step(2.2, 1.2, depth.min(23.0 - depth).abs());
    mix(-955.0, -260.0, shell)
}

/// The stored value: rounded, within what a 12-bit scanner stores.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the i16 range first"
)]
fn stored(hu: f32) -> i16 {
    hu.round().clamp(-1024.0, 3071.0) as i16
}

impl Blend for Fields {
    fn blend(&self, other: &Fields, share: f32) -> Fields {
        let (a, b) = (&self.distance, &other.distance);
        Fields {
            distance: Distances {
                body: mix(a.body, b.body, share),
                cavity: mix(a.cavity, b.cavity, share),
                lung: mix(a.lung, b.lung, share),
                diaphragm: mix(a.diaphragm, b.diaphragm, share),
                heart: mix(a.heart, b.heart, share),
            },
            soft: mix(self.soft, other.soft, share),
            lung: mix(self.lung, other.lung, share),
            opacity: mix(self.opacity, other.opacity, share),
        }
    }
}

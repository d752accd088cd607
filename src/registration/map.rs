//! The map from a prior's millimetres to the present scan's: turn, shift, a scale along each axis.

use super::equations::Step;

/// Three numbers in the order `z, y, x`.
type Triple = [f64; 3];

/// Takes a place of the prior to the same place of the present chest; both `z, y, x` in mm from the corner of their
/// first cell. Along its own axes the prior is scaled, then turned, then shifted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChestMap {
    /// The middle of the prior's lungs.
    pivot: Triple,
    /// Where the middle lands.
    target: Triple,
    /// Where the unit vectors of the prior's axes `z, y, x` point.
    axes: [Triple; 3],
    /// Growth along the prior's axes `z, y, x`.
    scale: Triple,
}

impl ChestMap {
    /// The map that only shifts `pivot` to `target` and scales.
    pub(super) fn new(pivot: Triple, target: Triple, scale: Triple) -> ChestMap {
        ChestMap {
            pivot,
            target,
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            scale,
        }
    }

    /// The map that leaves everything where it is.
    pub fn identity() -> ChestMap {
        ChestMap::new([0.0; 3], [0.0; 3], [1.0; 3])
    }

    /// Where `place` lies in the present chest, mm.
    pub fn apply(&self, place: Triple) -> Triple {
        plus(self.target, self.turned(self.arm(place)))
    }

    /// Growth along the prior's axes `z, y, x`.
    pub fn scale(&self) -> Triple {
        self.scale
    }

    /// The angle of the turn, degrees, 0 to 180.
    pub fn turn_degrees(&self) -> f64 {
        let [[zz, _, _], [_, yy, _], [_, _, xx]] = self.axes;
        ((zz + yy + xx - 1.0) / 2.0)
            .clamp(-1.0, 1.0)
            .acos()
            .to_degrees()
    }

    /// How far a step along the prior's z axis leads along the present one's.
    pub(super) fn along_z(&self) -> f64 {
        let ([[along, _, _], _, _], [growth, _, _]) = (self.axes, self.scale);
        along * growth
    }

    /// How the height `slope` (a mm, at the image of `place`) changes with each unknown: the shift in mm, the turn in
    /// radians, the scale as its logarithm.
    pub(super) fn slope(&self, place: Triple, slope: Triple) -> Step {
        let arm = self.arm(place);
        let [turn_z, turn_y, turn_x] = cross(self.turned(arm), slope);
        let [axis_z, axis_y, axis_x] = self.axes;
        let [arm_z, arm_y, arm_x] = arm;
        let [z, y, x] = slope;
        [
            z,
            y,
            x,
            turn_z,
            turn_y,
            turn_x,
            arm_z * dot(axis_z, slope),
            arm_y * dot(axis_y, slope),
            arm_x * dot(axis_x, slope),
        ]
    }

    /// The map after `step`, in the unknowns of [`ChestMap::slope`].
    pub(super) fn moved(&self, step: &Step) -> ChestMap {
        let [z, y, x, turn_z, turn_y, turn_x, scale @ ..] = *step;
        let mut grown = self.scale;
        for (grown, step) in grown.iter_mut().zip(scale) {
            // A step beyond a tenth would leave the range in which the hill is known.
            *grown *= step.clamp(-0.1, 0.1).exp();
        }
        ChestMap {
            pivot: self.pivot,
            target: plus(self.target, [z, y, x]),
            axes: self
                .axes
                .map(|axis| turned_by(axis, [turn_z, turn_y, turn_x])),
            scale: grown,
        }
    }

    /// From the pivot to `place`, scaled.
    fn arm(&self, place: Triple) -> Triple {
        let mut arm = place;
        for ((arm, pivot), scale) in arm.iter_mut().zip(self.pivot).zip(self.scale) {
            *arm = (*arm - pivot) * scale;
        }
        arm
    }

    fn turned(&self, [z, y, x]: Triple) -> Triple {
        let [axis_z, axis_y, axis_x] = self.axes;
        plus(times(axis_z, z), plus(times(axis_y, y), times(axis_x, x)))
    }
}

/// `vector` turned about `turn` by its length in radians. Source: Rodrigues' formula.
fn turned_by(vector: Triple, turn: Triple) -> Triple {
    let angle = dot(turn, turn).sqrt();
    if angle < 1e-12 {
        return vector;
    }
    let axis = times(turn, angle.recip());
    let once = cross(axis, vector);
    let twice = cross(axis, once);
    plus(
        vector,
        plus(times(once, angle.sin()), times(twice, 1.0 - angle.cos())),
    )
}

fn plus([a, b, c]: Triple, [d, e, f]: Triple) -> Triple {
    [a + d, b + e, c + f]
}

fn times(vector: Triple, by: f64) -> Triple {
    vector.map(|part| part * by)
}

fn dot([a, b, c]: Triple, [d, e, f]: Triple) -> f64 {
    a * d + b * e + c * f
}

fn cross([a, b, c]: Triple, [d, e, f]: Triple) -> Triple {
    [b * f - c * e, c * d - a * f, a * e - b * d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_tells_how_each_unknown_moves_a_place() {
        let map = ChestMap::new([10.0, 20.0, 30.0], [12.0, 18.0, 33.0], [1.1, 0.9, 1.0])
            .moved(&[1.0, 2.0, 3.0, 0.1, -0.2, 0.15, 0.02, 0.0, -0.03]);
        let (place, slope) = ([70.0, -40.0, 90.0], [0.3, -0.2, 0.5]);
        let before = dot(map.apply(place), slope);
        for (index, wanted) in map.slope(place, slope).iter().enumerate() {
            let mut step = [0.0; 9];
            step[index] = 1e-6;
            let found = (dot(map.moved(&step).apply(place), slope) - before) / 1e-6;
            assert!((found - wanted).abs() < 1e-3, "{index}: {found} {wanted}");
        }
    }

    #[test]
    fn a_turn_is_read_back() {
        let turn = [0.0, 0.0, 0.0, 0.0, 0.07, 0.0, 0.0, 0.0, 0.0];
        let map = ChestMap::identity().moved(&turn);
        assert!((map.turn_degrees() - 0.07_f64.to_degrees()).abs() < 1e-9);
        assert!(ChestMap::identity().turn_degrees() < 1e-9);
    }
}

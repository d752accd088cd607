//! The normal equations of one step of the fit, and their answer.

/// What a step moves: three shifts, three turns, three scales.
pub(super) const UNKNOWNS: usize = 9;
/// One number for each unknown.
pub(super) type Step = [f64; UNKNOWNS];

/// Sums of products over all spots: `matrix · step = right`.
#[derive(Debug)]
pub(super) struct Equations {
    matrix: [Step; UNKNOWNS],
    right: Step,
}

impl Equations {
    pub(super) fn new() -> Equations {
        Equations {
            matrix: [[0.0; UNKNOWNS]; UNKNOWNS],
            right: [0.0; UNKNOWNS],
        }
    }

    /// Takes in one spot: moving by a step changes its height by `slope · step`, and should by `missing`.
    pub(super) fn add(&mut self, slope: &Step, missing: f64) {
        let rows = self.matrix.iter_mut().zip(&mut self.right).zip(slope);
        for ((row, right), own) in rows {
            *right += own * missing;
            for (sum, other) in row.iter_mut().zip(slope) {
                *sum += own * other;
            }
        }
    }

    /// The step, each unknown held back by a small share of its own weight (Levenberg-Marquardt).
    ///
    /// Conjugate gradients, which reach the answer of nine equations in nine turns. Source: Hestenes and Stiefel, 1952.
    pub(super) fn answer(mut self) -> Step {
        const HELD_BACK: f64 = 1e-3;
        // Each unknown in units of its own weight, so that millimetres and turns are alike.
        let mut units = [0.0; UNKNOWNS];
        for (index, (row, unit)) in self.matrix.iter().zip(&mut units).enumerate() {
            let weight = row.get(index).copied().unwrap_or(0.0);
            *unit = if weight > 0.0 {
                weight.sqrt().recip()
            } else {
                0.0
            };
        }
        for (index, (row, unit)) in self.matrix.iter_mut().zip(units).enumerate() {
            for (value, other) in row.iter_mut().zip(units) {
                *value *= unit * other;
            }
            if let Some(own) = row.get_mut(index) {
                *own += HELD_BACK;
            }
        }
        for (right, unit) in self.right.iter_mut().zip(units) {
            *right *= unit;
        }
        let mut step = self.solve();
        for (step, unit) in step.iter_mut().zip(units) {
            *step *= unit;
        }
        step
    }

    fn solve(&self) -> Step {
        let mut step = [0.0; UNKNOWNS];
        let mut missing = self.right;
        let mut course = missing;
        let mut left = dot(&missing, &missing);
        for _ in 0..2 * UNKNOWNS {
            let mut image = [0.0; UNKNOWNS];
            for (image, row) in image.iter_mut().zip(&self.matrix) {
                *image = dot(row, &course);
            }
            let curve = dot(&course, &image);
            if left <= f64::MIN_POSITIVE || curve <= f64::MIN_POSITIVE {
                break;
            }
            let length = left / curve;
            add_times(&mut step, length, &course);
            add_times(&mut missing, -length, &image);
            let before = left;
            left = dot(&missing, &missing);
            let turned = course;
            course = missing;
            add_times(&mut course, left / before, &turned);
        }
        step
    }
}

fn dot(one: &Step, other: &Step) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn add_times(to: &mut Step, times: f64, what: &Step) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += times * what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_solves_the_equations() {
        let wanted = [3.0, -1.0, 0.5, 0.02, 0.0, -0.01, 0.1, 0.2, -0.3];
        let mut equations = Equations::new();
        let mut state = 1_u32;
        for _ in 0..300 {
            let slope = [1.0, 1.0, 1.0, 90.0, 90.0, 90.0, 60.0, 60.0, 60.0].map(|size| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                size * (f64::from(state >> 8) / f64::from(1 << 23) - 1.0)
            });
            equations.add(&slope, dot(&slope, &wanted));
        }
        for (found, wanted) in equations.answer().iter().zip(wanted) {
            assert!(
                (found - wanted).abs() < 0.01 * wanted.abs().max(0.1),
                "{found} {wanted}"
            );
        }
    }

    #[test]
    fn nothing_to_go_by_moves_nothing() {
        assert!(
            Equations::new()
                .answer()
                .iter()
                .all(|step| step.abs() < 1e-12)
        );
    }
}

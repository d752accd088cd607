//! Dilation and closing with an octahedron: so many steps to a neighbour that shares a face.

use super::bits::BitMask;

/// Steps at most: the rim of a row lies in one word.
const STEPS_MAX: usize = 62;

/// `mask` grown by `steps` voxels along the axes, at most 62; does not grow past the grid.
pub fn dilate(mask: &BitMask, steps: usize) -> BitMask {
    let mut wide = Wide::around(mask, steps);
    wide.step(|one, other| one | other);
    wide.inside()
}

/// `mask` closed: grown by `steps`, at most 62, then shrunk by as much. Gaps narrower than twice the steps are filled.
pub fn close(mask: &BitMask, steps: usize) -> BitMask {
    let mut wide = Wide::around(mask, steps);
    wide.step(|one, other| one | other);
    wide.step(|one, other| one & other);
    wide.inside()
}

/// A mask with so wide a rim that neighbours can be taken at fixed distances in one flat run, without a case for the
/// edge: what wraps around from one row to the next is wrong in the rim only, one voxel further in with each step.
struct Wide {
    words: Vec<u64>,
    spare: Vec<u64>,
    steps: usize,
    rim: usize,
    /// Words a row, words a plane.
    row: usize,
    plane: usize,
    /// Without the rim.
    shape: [usize; 3],
}

impl Wide {
    fn around(mask: &BitMask, steps: usize) -> Wide {
        let steps = steps.min(STEPS_MAX);
        let rim = steps + 1;
        let wide = BitMask::empty(mask.shape().map(|edge| edge + 2 * rim));
        let (row, words) = wide.words();
        let [_, height, _] = wide.shape();
        let mut wide = Wide {
            spare: words.to_vec(),
            words: words.to_vec(),
            steps,
            rim,
            row,
            plane: height * row,
            shape: mask.shape(),
        };
        wide.lay(mask);
        wide
    }

    /// Where row `z, y` of the mask lies.
    fn start(&self, z: usize, y: usize) -> usize {
        (z + self.rim) * self.plane + (y + self.rim) * self.row
    }

    fn lay(&mut self, mask: &BitMask) {
        let [depth, height, _] = self.shape;
        for z in 0..depth {
            for y in 0..height {
                let start = self.start(z, y);
                let own = self
                    .words
                    .get_mut(start..start + self.row)
                    .unwrap_or(&mut []);
                let mut carried = 0;
                let words = mask.row(z, y).iter().copied().chain([0]);
                for (to, word) in own.iter_mut().zip(words) {
                    *to = word << self.rim | carried;
                    carried = word >> (64 - self.rim);
                }
            }
        }
    }

    /// Each voxel combined with its six neighbours, `steps` times over.
    fn step(&mut self, combine: impl Fn(u64, u64) -> u64 + Copy) {
        let (row, plane) = (self.row, self.plane);
        let count = self.words.len().saturating_sub(2 * plane);
        for _ in 0..self.steps {
            let from = |start: usize| self.words.get(start..start + count).unwrap_or(&[]);
            let middle = from(plane).iter().zip(from(plane - 1)).zip(from(plane + 1));
            let beside = from(plane - row).iter().zip(from(plane + row));
            let planes = from(0).iter().zip(from(2 * plane));
            // Slices of one length throughout: only those are taken many words at a time.
            let to = self.spare.get_mut(plane..plane + count).unwrap_or(&mut []);
            for (((to, ((here, before), after)), (front, back)), (below, above)) in
                to.iter_mut().zip(middle).zip(beside).zip(planes)
            {
                let (left, right) = (here << 1 | before >> 63, here >> 1 | after << 63);
                let along = combine(*here, combine(left, right));
                let across = combine(combine(*front, *back), combine(*below, *above));
                *to = combine(along, across);
            }
            std::mem::swap(&mut self.words, &mut self.spare);
        }
    }

    /// What lies within the rim.
    fn inside(&self) -> BitMask {
        let mut mask = BitMask::empty(self.shape);
        let [depth, height, width] = self.shape;
        let last = match width % 64 {
            0 => u64::MAX,
            bits => (1 << bits) - 1,
        };
        for z in 0..depth {
            for y in 0..height {
                let start = self.start(z, y);
                let own = self.words.get(start..start + self.row).unwrap_or(&[]);
                let next = own.iter().skip(1).copied().chain([0]);
                let to = mask.row_mut(z, y);
                for (to, (word, next)) in to.iter_mut().zip(own.iter().zip(next)) {
                    *to = word >> self.rim | next << (64 - self.rim);
                }
                if let Some(word) = to.last_mut() {
                    *word &= last;
                }
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Grid3, Region};

    fn bits(grid: &Grid3<u8>) -> BitMask {
        BitMask::of(grid, |cell| cell != 0)
    }

    #[test]
    fn one_voxel_grows_to_an_octahedron() {
        let mut mask = Grid3::filled([7, 7, 7], 0_u8);
        mask.set(3, 3, 3, 1);
        let mask = bits(&mask);
        assert_eq!(dilate(&mask, 1).count(), 7);
        assert_eq!(dilate(&mask, 2).count(), 25);
    }

    proptest::proptest! {
        #[test]
        fn growing_and_closing_are_what_their_definition_says(
            cells in proptest::collection::vec(0_u8..2, 4 * 5 * 6), steps in 0_usize..4,
        ) {
            let mask = Grid3::from_values([4, 5, 6], cells).unwrap();
            let within = |grid: &Grid3<u8>, at: [usize; 3], all: bool, outside: u8| {
                let [z, y, x] = at.map(|place| i64::try_from(place).unwrap());
                let reach = i64::try_from(steps).unwrap();
                let mut found = all;
                for dz in -reach..=reach {
                    for dy in -reach..=reach {
                        for dx in -reach..=reach {
                            if dz.abs() + dy.abs() + dx.abs() > reach {
                                continue;
                            }
                            let place = [z + dz, y + dy, x + dx].map(usize::try_from);
                            let [Ok(z), Ok(y), Ok(x)] = place else {
                                found = if all { found && outside == 1 } else { found };
                                continue;
                            };
                            let value = grid.get(z, y, x).unwrap_or(outside);
                            found = if all { found && value == 1 } else { found || value == 1 };
                        }
                    }
                }
                u8::from(found)
            };
            let each = |grid: &Grid3<u8>, all: bool, outside: u8| {
                let [depth, height, width] = grid.shape();
                let mut result = grid.clone();
                for z in 0..depth {
                    for y in 0..height {
                        for x in 0..width {
                            result.set(z, y, x, within(grid, [z, y, x], all, outside));
                        }
                    }
                }
                result
            };
            assert_eq!(dilate(&bits(&mask), steps).grid(), each(&mask, false, 0));
            // On a grid wide enough that the edge does not matter.
            let mut wide = Grid3::filled([4 + 8, 5 + 8, 6 + 8], 0_u8);
            for z in 0..4 {
                for y in 0..5 {
                    for x in 0..6 {
                        wide.set(z + 4, y + 4, x + 4, mask.get(z, y, x).unwrap());
                    }
                }
            }
            let closed = each(&each(&wide, false, 0), true, 1);
            let region = Region { start: [4; 3], size: [4, 5, 6] };
            assert_eq!(close(&bits(&mask), steps).grid(), closed.crop(region, 0));
        }
    }

    #[test]
    fn closing_fills_a_vessel_and_keeps_the_outline() {
        let mut mask = Grid3::filled([9, 9, 9], 1_u8);
        for z in 0..9 {
            mask.set(z, 4, 4, 0);
        }
        // All but its two ends: there the octahedron reaches out of the cube.
        assert_eq!(close(&bits(&mask), 2).count(), 727);
        let mut corner = Grid3::filled([9, 9, 9], 0_u8);
        corner.set(0, 0, 0, 1);
        assert_eq!(close(&bits(&corner), 3).grid(), corner);
    }
}

//! Dilation and closing with an octahedron: so many steps to a neighbour that shares a face.

use super::grid::{Grid3, Region};

/// `mask` (0 and 1) grown by `steps` voxels along the axes; does not grow past the grid.
pub fn dilate(mask: &Grid3<u8>, steps: usize) -> Grid3<u8> {
    let mut wide = Wide::around(mask, steps);
    wide.step(steps, u8::max);
    wide.inside()
}

/// `mask` (0 and 1) closed: grown by `steps`, then shrunk by as much. Gaps narrower than twice the steps are filled.
pub fn close(mask: &Grid3<u8>, steps: usize) -> Grid3<u8> {
    let mut wide = Wide::around(mask, steps);
    wide.step(steps, u8::max);
    wide.step(steps, u8::min);
    wide.inside()
}

/// A mask with so wide a rim that neighbours can be taken at fixed distances in one flat run, without a case for the
/// edge: what wraps around from one row to the next is wrong in the rim only, one voxel further in with each step.
struct Wide {
    cells: Vec<u8>,
    spare: Vec<u8>,
    rim: usize,
    /// With the rim.
    shape: [usize; 3],
}

impl Wide {
    fn around(mask: &Grid3<u8>, steps: usize) -> Wide {
        let rim = steps + 1;
        let shape = mask.shape().map(|edge| edge + 2 * rim);
        let mut wide = Grid3::filled(shape, 0_u8);
        let [depth, height, width] = mask.shape();
        let [_, _, row] = shape;
        for (z, plane) in wide.planes_mut().enumerate().skip(rim).take(depth) {
            let rows = plane.chunks_exact_mut(row).skip(rim).take(height);
            for (y, row) in rows.enumerate() {
                if let Some(inside) = row.get_mut(rim..rim + width) {
                    inside.copy_from_slice(mask.row(z - rim, y));
                }
            }
        }
        let cells = wide.values().to_vec();
        Wide {
            spare: cells.clone(),
            cells,
            rim,
            shape,
        }
    }

    /// Each voxel combined with its six neighbours, `steps` times over.
    fn step(&mut self, steps: usize, combine: impl Fn(u8, u8) -> u8 + Copy) {
        let [_, height, row] = self.shape;
        let plane = height * row;
        let count = self.cells.len().saturating_sub(2 * plane);
        for _ in 0..steps {
            let from = |start: usize| self.cells.get(start..start + count).unwrap_or(&[]);
            let middle = from(plane).iter().zip(from(plane - 1)).zip(from(plane + 1));
            let beside = from(plane - row).iter().zip(from(plane + row));
            let planes = from(0).iter().zip(from(2 * plane));
            // Slices of one length throughout: only those are taken many cells at a time.
            let to = self.spare.get_mut(plane..plane + count).unwrap_or(&mut []);
            for (((to, ((here, left), right)), (front, back)), (below, above)) in
                to.iter_mut().zip(middle).zip(beside).zip(planes)
            {
                let along = combine(*here, combine(*left, *right));
                *to = combine(
                    along,
                    combine(combine(*front, *back), combine(*below, *above)),
                );
            }
            std::mem::swap(&mut self.cells, &mut self.spare);
        }
    }

    /// What lies within the rim.
    fn inside(self) -> Grid3<u8> {
        let size = self.shape.map(|edge| edge - 2 * self.rim);
        let region = Region {
            start: [self.rim; 3],
            size,
        };
        let whole = Grid3::from_values(self.shape, self.cells);
        whole.map_or_else(|_| Grid3::filled(size, 0), |whole| whole.crop(region, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voxels(mask: &Grid3<u8>) -> usize {
        mask.values().iter().filter(|value| **value == 1).count()
    }

    #[test]
    fn one_voxel_grows_to_an_octahedron() {
        let mut mask = Grid3::filled([7, 7, 7], 0_u8);
        mask.set(3, 3, 3, 1);
        assert_eq!(voxels(&dilate(&mask, 1)), 7);
        assert_eq!(voxels(&dilate(&mask, 2)), 25);
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
            assert_eq!(dilate(&mask, steps), each(&mask, false, 0));
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
            assert_eq!(close(&mask, steps), closed.crop(region, 0));
        }
    }

    #[test]
    fn closing_fills_a_vessel_and_keeps_the_outline() {
        let mut mask = Grid3::filled([9, 9, 9], 1_u8);
        for z in 0..9 {
            mask.set(z, 4, 4, 0);
        }
        // All but its two ends: there the octahedron reaches out of the cube.
        assert_eq!(voxels(&close(&mask, 2)), 727);
        let mut corner = Grid3::filled([9, 9, 9], 0_u8);
        corner.set(0, 0, 0, 1);
        assert_eq!(close(&corner, 3), corner);
    }
}

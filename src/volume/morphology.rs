//! Dilation and closing with an octahedron: so many steps to a neighbour that shares a face.

use super::grid::{Grid3, Region};

/// `mask` (0 and 1) grown by `steps` voxels along the axes; does not grow past the grid.
pub fn dilate(mask: &Grid3<u8>, steps: usize) -> Grid3<u8> {
    (0..steps).fold(mask.clone(), |mask, _| step(&mask, u8::max, 0))
}

/// `mask` (0 and 1) closed: grown by `steps`, then shrunk by as much. Gaps narrower than twice the steps are filled.
pub fn close(mask: &Grid3<u8>, steps: usize) -> Grid3<u8> {
    let [depth, height, width] = mask.shape();
    let grown = [depth + 2 * steps, height + 2 * steps, width + 2 * steps];
    // Room on all sides, so that the border is closed like the middle.
    let mut wide = Grid3::filled(grown, 0_u8);
    for (z, plane) in wide.planes_mut().enumerate().skip(steps).take(depth) {
        let rows = plane.chunks_exact_mut(grown[2]).skip(steps).take(height);
        for (y, row) in rows.enumerate() {
            for (to, from) in row.iter_mut().skip(steps).zip(mask.row(z - steps, y)) {
                *to = *from;
            }
        }
    }
    let wide = dilate(&wide, steps);
    let wide = (0..steps).fold(wide, |mask, _| step(&mask, u8::min, 1));
    wide.crop(
        Region {
            start: [steps; 3],
            size: [depth, height, width],
        },
        0,
    )
}

/// Each voxel combined with its six neighbours; `outside` stands for those past the border.
fn step(mask: &Grid3<u8>, combine: fn(u8, u8) -> u8, outside: u8) -> Grid3<u8> {
    let [depth, height, width] = mask.shape();
    let mut result = mask.clone();
    let border = vec![outside; width];
    for (z, plane) in result.planes_mut().enumerate() {
        for (y, row) in plane.chunks_exact_mut(width.max(1)).enumerate() {
            let here = mask.row(z, y);
            let left = std::iter::once(&outside).chain(here);
            let right = here.iter().skip(1).chain(std::iter::once(&outside));
            let along = row.iter_mut().zip(left.zip(right));
            along.for_each(|(to, (left, right))| *to = combine(*to, combine(*left, *right)));
            let beside = [
                if y > 0 { mask.row(z, y - 1) } else { &border },
                if y + 1 < height {
                    mask.row(z, y + 1)
                } else {
                    &border
                },
                if z > 0 { mask.row(z - 1, y) } else { &border },
                if z + 1 < depth {
                    mask.row(z + 1, y)
                } else {
                    &border
                },
            ];
            for neighbour in beside {
                row.iter_mut()
                    .zip(neighbour)
                    .for_each(|(to, from)| *to = combine(*to, *from));
            }
        }
    }
    result
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

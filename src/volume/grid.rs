//! The 3-D array every stage works on.

/// A dense 3-D array in index order `z, y, x` (x runs fastest).
#[derive(Clone, Debug, PartialEq)]
pub struct Grid3<T> {
    depth: usize,
    height: usize,
    width: usize,
    values: Vec<T>,
}

/// The values do not fill the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a grid of {depth} x {height} x {width} cannot hold {values} values")]
pub struct GridError {
    /// Planes.
    pub depth: usize,
    /// Rows a plane.
    pub height: usize,
    /// Columns a row.
    pub width: usize,
    /// Values offered.
    pub values: usize,
}

/// A box inside a grid: start (inclusive) and size, in `z, y, x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First plane, row, column.
    pub start: [usize; 3],
    /// Planes, rows, columns.
    pub size: [usize; 3],
}

impl<T: Copy> Grid3<T> {
    /// A grid of `shape` (`z, y, x`) filled with `value`.
    pub fn filled(shape: [usize; 3], value: T) -> Grid3<T> {
        let [depth, height, width] = shape;
        Grid3 {
            depth,
            height,
            width,
            values: vec![value; depth * height * width],
        }
    }

    /// The value at `z, y, x`; `None` outside.
    pub fn get(&self, z: usize, y: usize, x: usize) -> Option<T> {
        let inside = z < self.depth && y < self.height && x < self.width;
        inside
            .then(|| {
                self.values
                    .get((z * self.height + y) * self.width + x)
                    .copied()
            })
            .flatten()
    }

    /// Sets the value at `z, y, x`; nothing outside.
    pub fn set(&mut self, z: usize, y: usize, x: usize, value: T) {
        if z < self.depth && y < self.height && x < self.width {
            let index = (z * self.height + y) * self.width + x;
            if let Some(slot) = self.values.get_mut(index) {
                *slot = value;
            }
        }
    }

    /// A copy of `region`, with `outside` where it reaches past this grid.
    pub fn crop(&self, region: Region, outside: T) -> Grid3<T> {
        let mut cropped = Grid3::filled(region.size, outside);
        let [start_z, start_y, start_x] = region.start;
        for (dz, plane) in cropped.planes_mut().enumerate() {
            for (dy, row) in plane.chunks_exact_mut(region.size[2].max(1)).enumerate() {
                let source = self
                    .row(start_z + dz, start_y + dy)
                    .get(start_x..)
                    .unwrap_or(&[]);
                for (to, from) in row.iter_mut().zip(source) {
                    *to = *from;
                }
            }
        }
        cropped
    }
}

impl<T> Grid3<T> {
    /// A grid over `values` in index order `z, y, x`.
    pub fn from_values(shape: [usize; 3], values: Vec<T>) -> Result<Grid3<T>, GridError> {
        let [depth, height, width] = shape;
        let wanted = depth
            .checked_mul(height)
            .and_then(|area| area.checked_mul(width));
        if wanted != Some(values.len()) {
            return Err(GridError {
                depth,
                height,
                width,
                values: values.len(),
            });
        }
        Ok(Grid3 {
            depth,
            height,
            width,
            values,
        })
    }

    /// Planes, rows, columns.
    pub fn shape(&self) -> [usize; 3] {
        [self.depth, self.height, self.width]
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no voxel.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All values in index order `z, y, x`.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All values in index order `z, y, x`.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The plane `z` in index order `y, x`; empty outside.
    pub fn plane(&self, z: usize) -> &[T] {
        let area = self.height * self.width;
        self.values.get(z * area..(z + 1) * area).unwrap_or(&[])
    }

    /// The row `z, y`; empty outside.
    pub fn row(&self, z: usize, y: usize) -> &[T] {
        if y >= self.height {
            return &[];
        }
        let start = (z * self.height + y) * self.width;
        self.values.get(start..start + self.width).unwrap_or(&[])
    }

    /// The row `z, y`; empty outside.
    pub fn row_mut(&mut self, z: usize, y: usize) -> &mut [T] {
        if y >= self.height {
            return &mut [];
        }
        let start = (z * self.height + y) * self.width;
        self.values
            .get_mut(start..start + self.width)
            .unwrap_or(&mut [])
    }

    /// The planes from z = 0 up.
    pub fn planes(&self) -> impl Iterator<Item = &[T]> {
        self.values.chunks_exact((self.height * self.width).max(1))
    }

    /// The planes from z = 0 up.
    pub fn planes_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        self.values
            .chunks_exact_mut((self.height * self.width).max(1))
    }

    /// The same shape with each value put through `change`.
    pub fn map<U>(&self, change: impl Fn(&T) -> U) -> Grid3<U> {
        Grid3 {
            depth: self.depth,
            height: self.height,
            width: self.width,
            values: self.values.iter().map(change).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_past_the_edge_is_filled() {
        let grid = Grid3::from_values([2, 2, 2], (0..8).collect()).unwrap();
        let crop = grid.crop(
            Region {
                start: [1, 1, 1],
                size: [2, 2, 2],
            },
            -1,
        );
        assert_eq!(crop.values(), [7, -1, -1, -1, -1, -1, -1, -1]);
    }

    #[test]
    fn values_that_do_not_fill_the_shape_are_refused() {
        assert!(Grid3::from_values([2, 2, 2], vec![0; 7]).is_err());
        assert!(Grid3::from_values([usize::MAX, 2, 2], vec![0; 7]).is_err());
    }
}

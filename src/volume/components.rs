//! Connected components by runs and union-find: one pass, no recursion, memory bounded by the number of runs.

use super::grid::Grid3;

/// Which voxels touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// Those that share a face.
    Six,
    /// Those that share a face, an edge or a corner.
    TwentySix,
}

/// One component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Number of voxels.
    pub voxels: usize,
    /// First and last index along z, y, x.
    pub bounds: [[usize; 2]; 3],
}

/// The components of a mask: a label per voxel (0 none, 1.. in order of first appearance), and what each label is.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    labels: Grid3<u32>,
    found: Vec<Component>,
}

#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
    label: usize,
}

impl Components {
    /// The components of the voxels of `mask` that are not 0.
    pub fn of(mask: &Grid3<u8>, neighbours: Neighbours) -> Components {
        let [depth, height, _] = mask.shape();
        let mut parents: Vec<usize> = Vec::new();
        let mut rows: Vec<Vec<Run>> = Vec::with_capacity(depth * height);
        for z in 0..depth {
            for y in 0..height {
                let mut runs = runs_of(mask.row(z, y));
                for run in &mut runs {
                    run.label = parents.len();
                    parents.push(run.label);
                }
                for near in earlier_rows(z, y, height, neighbours) {
                    let other = rows.get(near).map_or(&[][..], Vec::as_slice);
                    join(&runs, other, neighbours, &mut parents);
                }
                rows.push(runs);
            }
        }
        Components::number(mask.shape(), &rows, &mut parents)
    }

    /// The label of each voxel: 0 none, else an index into [`Components::found`] plus one.
    pub fn labels(&self) -> &Grid3<u32> {
        &self.labels
    }

    /// The components in order of their labels, from label 1.
    pub fn found(&self) -> &[Component] {
        &self.found
    }

    /// The mask of the components that `keep` takes, 1 and 0.
    pub fn select(&self, keep: impl Fn(&Component) -> bool) -> Grid3<u8> {
        let kept: Vec<bool> = std::iter::once(false)
            .chain(self.found.iter().map(keep))
            .collect();
        self.labels.map(|label| {
            let index = usize::try_from(*label).unwrap_or(usize::MAX);
            u8::from(kept.get(index).copied().unwrap_or(false))
        })
    }

    fn number(shape: [usize; 3], rows: &[Vec<Run>], parents: &mut [usize]) -> Components {
        let mut labels = Grid3::filled(shape, 0_u32);
        let mut numbers: Vec<u32> = vec![0; parents.len()];
        let mut found: Vec<Component> = Vec::new();
        let [_, height, width] = shape;
        let lines = labels.values_mut().chunks_exact_mut(width.max(1));
        for (index, (line, runs)) in lines.zip(rows).enumerate() {
            let (z, y) = (index / height.max(1), index % height.max(1));
            for run in runs {
                let root = root(parents, run.label);
                let Some(number) = numbers.get_mut(root) else {
                    continue;
                };
                if *number == 0 {
                    found.push(Component {
                        voxels: 0,
                        bounds: [[z, z], [y, y], [run.start, run.start]],
                    });
                    *number = u32::try_from(found.len()).unwrap_or(u32::MAX);
                }
                if let Some(cells) = line.get_mut(run.start..run.end) {
                    cells.fill(*number);
                }
                let place = usize::try_from(*number).unwrap_or(1) - 1;
                if let Some(component) = found.get_mut(place) {
                    component.grow(z, y, *run);
                }
            }
        }
        Components { labels, found }
    }
}

impl Component {
    fn grow(&mut self, z: usize, y: usize, run: Run) {
        self.voxels += run.end - run.start;
        let spans = [[z, z], [y, y], [run.start, run.end - 1]];
        for ([first, last], [low, high]) in self.bounds.iter_mut().zip(spans) {
            *first = (*first).min(low);
            *last = (*last).max(high);
        }
    }
}

fn runs_of(row: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = None;
    for (x, value) in row.iter().chain(std::iter::once(&0)).enumerate() {
        match (start, *value != 0) {
            (None, true) => start = Some(x),
            (Some(from), false) => {
                runs.push(Run {
                    start: from,
                    end: x,
                    label: 0,
                });
                start = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    runs
}

/// Indices of the rows before `z, y` that a voxel of it can touch.
fn earlier_rows(z: usize, y: usize, height: usize, neighbours: Neighbours) -> Vec<usize> {
    let mut near = Vec::with_capacity(4);
    if y > 0 {
        near.push(z * height + y - 1);
    }
    if z > 0 {
        let below = (z - 1) * height;
        near.push(below + y);
        if neighbours == Neighbours::TwentySix {
            if y > 0 {
                near.push(below + y - 1);
            }
            if y + 1 < height {
                near.push(below + y + 1);
            }
        }
    }
    near
}

/// Joins the runs of two rows that touch; both lists ascend.
fn join(runs: &[Run], others: &[Run], neighbours: Neighbours, parents: &mut [usize]) {
    let reach = usize::from(neighbours == Neighbours::TwentySix);
    let mut candidates = others.iter().peekable();
    for run in runs {
        while candidates
            .peek()
            .is_some_and(|other| other.end + reach <= run.start)
        {
            candidates.next();
        }
        let mut touching = candidates.clone();
        while let Some(other) = touching.next_if(|other| other.start < run.end + reach) {
            let (one, two) = (root(parents, run.label), root(parents, other.label));
            if let Some(parent) = parents.get_mut(one.max(two)) {
                *parent = one.min(two);
            }
        }
    }
}

/// The label that stands for `label`'s component; halves the path on the way.
fn root(parents: &mut [usize], label: usize) -> usize {
    let mut here = label;
    loop {
        let parent = parents.get(here).copied().unwrap_or(here);
        if parent == here {
            return here;
        }
        let above = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(here) {
            *slot = above;
        }
        here = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(planes: [&str; 2]) -> Grid3<u8> {
        let cells = planes
            .concat()
            .bytes()
            .filter(|byte| *byte != b'/')
            .map(|byte| u8::from(byte == b'#'))
            .collect();
        Grid3::from_values([2, 3, 4], cells).unwrap()
    }

    #[test]
    fn corners_join_only_where_they_count() {
        let mask = grid(["#.../.#../....", "..../..#./...#"]);
        assert_eq!(Components::of(&mask, Neighbours::Six).found().len(), 4);
        assert_eq!(
            Components::of(&mask, Neighbours::TwentySix).found().len(),
            1
        );
    }

    #[test]
    fn a_ring_that_closes_late_is_one_component() {
        let mask = grid(["####/#..#/#..#", "..../..../####"]);
        let components = Components::of(&mask, Neighbours::Six);
        assert_eq!(components.found().len(), 1);
        assert_eq!(components.found()[0].voxels, 12);
        assert_eq!(components.found()[0].bounds, [[0, 1], [0, 2], [0, 3]]);
    }

    #[test]
    fn selecting_by_size_drops_the_rest() {
        let mask = grid(["##../..../...#", "..../..../...."]);
        let kept = Components::of(&mask, Neighbours::Six).select(|component| component.voxels > 1);
        assert_eq!(kept.values().iter().filter(|value| **value == 1).count(), 2);
    }

    proptest::proptest! {
        #[test]
        fn every_voxel_has_its_components_label_and_sizes_add_up(cells in proptest::collection::vec(0_u8..2, 60)) {
            let mask = Grid3::from_values([3, 4, 5], cells).unwrap();
            let components = Components::of(&mask, Neighbours::TwentySix);
            let total: usize = components.found().iter().map(|component| component.voxels).sum();
            assert_eq!(total, mask.values().iter().filter(|value| **value == 1).count());
            for (value, label) in mask.values().iter().zip(components.labels().values()) {
                assert_eq!(*value == 1, *label != 0);
            }
        }
    }
}

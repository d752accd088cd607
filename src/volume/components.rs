//! Connected components by runs and union-find: one pass, no recursion, memory bounded by the number of runs.

use super::bits::{BitMask, runs_of};

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

/// The components of a mask: which runs of voxels belong together, and what each component is.
///
/// Numbers count from 0 in order of first appearance.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    shape: [usize; 3],
    spans: Vec<Span>,
    found: Vec<Component>,
}

/// A run of voxels along x that belongs to one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The number of its component.
    pub component: usize,
    /// Its plane.
    pub z: usize,
    /// Its row.
    pub y: usize,
    /// Its columns.
    pub columns: std::ops::Range<usize>,
}

impl Components {
    /// The components of `mask`.
    pub fn of(mask: &BitMask, neighbours: Neighbours) -> Components {
        let [depth, height, width] = mask.shape();
        let mut spans: Vec<Span> = Vec::new();
        // While runs are joined, `component` of a span is its own number, and `parents` leads to its component's.
        let mut parents: Vec<usize> = Vec::new();
        let mut rows: Vec<std::ops::Range<usize>> = Vec::with_capacity(depth * height);
        for z in 0..depth {
            for y in 0..height {
                let first = spans.len();
                runs_of(mask.row(z, y), width, |columns| {
                    spans.push(Span {
                        component: spans.len(),
                        z,
                        y,
                        columns,
                    });
                });
                parents.extend(first..spans.len());
                let row = first..spans.len();
                if !row.is_empty() {
                    let own = spans.get(row.clone()).unwrap_or(&[]);
                    for near in earlier_rows(z, y, height, neighbours).into_iter().flatten() {
                        let others = rows.get(near).cloned().unwrap_or(0..0);
                        let others = spans.get(others).unwrap_or(&[]);
                        join(own, others, neighbours, &mut parents);
                    }
                }
                rows.push(row);
            }
        }
        Components::numbered(mask.shape(), spans, &mut parents)
    }

    /// The components in order of their numbers.
    pub fn found(&self) -> &[Component] {
        &self.found
    }

    /// Every run of voxels, in index order `z, y, x`.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The components that `keep` takes, by number, numbered anew in the same order.
    pub fn only(&self, keep: impl Fn(usize, &Component) -> bool) -> Components {
        let mut found = Vec::new();
        let mut numbers = Vec::with_capacity(self.found.len());
        for (number, component) in self.found.iter().enumerate() {
            let kept = keep(number, component);
            numbers.push(kept.then_some(found.len()));
            if kept {
                found.push(*component);
            }
        }
        let spans = self.spans.iter().filter_map(|span| {
            let component = numbers.get(span.component).copied().flatten()?;
            Some(Span {
                component,
                ..span.clone()
            })
        });
        Components {
            shape: self.shape,
            spans: spans.collect(),
            found,
        }
    }

    /// The mask of all components.
    pub fn mask(&self) -> BitMask {
        let mut mask = BitMask::empty(self.shape);
        for span in &self.spans {
            mask.fill(span.z, span.y, span.columns.clone());
        }
        mask
    }

    fn numbered(shape: [usize; 3], mut spans: Vec<Span>, parents: &mut [usize]) -> Components {
        let mut numbers: Vec<Option<usize>> = vec![None; parents.len()];
        let mut found: Vec<Component> = Vec::new();
        for span in &mut spans {
            let root = root(parents, span.component);
            let Some(number) = numbers.get_mut(root) else {
                continue;
            };
            span.component = *number.get_or_insert_with(|| {
                found.push(Component::starting(span));
                found.len() - 1
            });
            if let Some(component) = found.get_mut(span.component) {
                component.grow(span);
            }
        }
        Components {
            shape,
            spans,
            found,
        }
    }
}

impl Component {
    fn starting(span: &Span) -> Component {
        let (z, y, x) = (span.z, span.y, span.columns.start);
        Component {
            voxels: 0,
            bounds: [[z, z], [y, y], [x, x]],
        }
    }

    fn grow(&mut self, span: &Span) {
        self.voxels += span.columns.len();
        let reach = [
            [span.z, span.z],
            [span.y, span.y],
            [span.columns.start, span.columns.end - 1],
        ];
        for ([first, last], [low, high]) in self.bounds.iter_mut().zip(reach) {
            *first = (*first).min(low);
            *last = (*last).max(high);
        }
    }
}

/// Indices of the rows before `z, y` that a voxel of it can touch.
fn earlier_rows(z: usize, y: usize, height: usize, neighbours: Neighbours) -> [Option<usize>; 4] {
    let corners = neighbours == Neighbours::TwentySix;
    let here = z * height + y;
    let below = here.checked_sub(height);
    [
        (y > 0).then(|| here.saturating_sub(1)),
        below,
        below.filter(|_| corners && y > 0).map(|row| row - 1),
        below
            .filter(|_| corners && y + 1 < height)
            .map(|row| row + 1),
    ]
}

/// Joins the runs of two rows that touch; both lists ascend.
fn join(runs: &[Span], others: &[Span], neighbours: Neighbours, parents: &mut [usize]) {
    let reach = usize::from(neighbours == Neighbours::TwentySix);
    let mut candidates = others.iter().peekable();
    for run in runs {
        let (start, end) = (run.columns.start, run.columns.end);
        while candidates
            .peek()
            .is_some_and(|other| other.columns.end + reach <= start)
        {
            candidates.next();
        }
        let mut touching = candidates.clone();
        while let Some(other) = touching.next_if(|other| other.columns.start < end + reach) {
            let (one, two) = (root(parents, run.component), root(parents, other.component));
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
    use crate::volume::Grid3;

    fn mask(planes: [&str; 2]) -> BitMask {
        let cells = planes
            .concat()
            .bytes()
            .filter(|byte| *byte != b'/')
            .map(|byte| u8::from(byte == b'#'))
            .collect();
        let grid = Grid3::from_values([2, 3, 4], cells).unwrap();
        BitMask::of(&grid, |cell: u8| cell != 0)
    }

    #[test]
    fn corners_join_only_where_they_count() {
        let mask = mask(["#.../.#../....", "..../..#./...#"]);
        assert_eq!(Components::of(&mask, Neighbours::Six).found().len(), 4);
        assert_eq!(
            Components::of(&mask, Neighbours::TwentySix).found().len(),
            1
        );
    }

    #[test]
    fn a_ring_that_closes_late_is_one_component() {
        let mask = mask(["####/#..#/#..#", "..../..../####"]);
        let components = Components::of(&mask, Neighbours::Six);
        assert_eq!(components.found().len(), 1);
        assert_eq!(components.found()[0].voxels, 12);
        assert_eq!(components.found()[0].bounds, [[0, 1], [0, 2], [0, 3]]);
    }

    #[test]
    fn selecting_by_size_drops_the_rest() {
        let mask = mask(["##../..../...#", "..../..../...."]);
        let kept = Components::of(&mask, Neighbours::Six).only(|_, component| component.voxels > 1);
        assert_eq!((kept.found().len(), kept.spans().len()), (1, 1));
        assert_eq!(kept.mask().count(), 2);
    }

    proptest::proptest! {
        #[test]
        fn spans_and_sizes_make_up_the_mask_and_neighbours_share_a_component(
            cells in proptest::collection::vec(0_u8..2, 60),
        ) {
            let mask = BitMask::of(&Grid3::from_values([3, 4, 5], cells).unwrap(), |cell| cell != 0);
            let components = Components::of(&mask, Neighbours::TwentySix);
            let total: usize = components.found().iter().map(|component| component.voxels).sum();
            assert_eq!(total, mask.count());
            assert_eq!(components.mask(), mask);
            let number = |at: [usize; 3]| {
                let [z, y, x] = at;
                let spans = components.spans().iter();
                spans.clone().find(|span| (span.z, span.y) == (z, y) && span.columns.contains(&x)).map(|span| span.component)
            };
            for one in components.spans() {
                for x in one.columns.clone() {
                    for (dz, dy, dx) in [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1), (0, 1, 1), (1, 0, 1)] {
                        if let Some(other) = number([one.z + dz, one.y + dy, x + dx]) {
                            assert_eq!(one.component, other);
                        }
                    }
                }
            }
        }
    }
}

//! The change of each zone: the present chest's zones, carried to the prior.

use super::chest::{CELL, ReducedChest};
use super::map::ChestMap;
use crate::findings::Zone;
use crate::lung::Side;

/// A zone with less lung than this on either scan says nothing, mm³ (15 ml).
const ZONE_MIN_MM3: f64 = 15_000.0;

/// The change of one zone of the present lungs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZoneChange {
    /// Which zone.
    pub zone: Zone,
    /// Burden less the prior's in the same part of the lung, percentage points.
    pub change_points: f64,
}

/// The change in each zone of `present`, whose thirds are laid over `prior` by `map`; zones without lung are left out.
///
/// Both burdens are counted by one rule on the reduced masks: a cell that a border cuts counts by its shares. A lung's side
/// is each scan's own.
pub fn zone_changes(
    present: &ReducedChest,
    prior: &ReducedChest,
    map: &ChestMap,
) -> Vec<ZoneChange> {
    let now = burdens(present, present, &ChestMap::identity());
    let then = burdens(prior, present, map);
    Zone::all()
        .filter_map(|zone| {
            let burden = |of: &[[Option<f64>; 3]; 2]| {
                let [right, left] = of;
                let thirds = match zone.side {
                    Side::Right => right,
                    Side::Left => left,
                };
                thirds.get(usize::from(zone.third)).copied().flatten()
            };
            Some(ZoneChange {
                zone,
                change_points: burden(&now)? - burden(&then)?,
            })
        })
        .collect()
}

/// Burden in percent of each third (lower, middle, upper) of the right and the left lung of `chest`; the thirds are those
/// of `zones`, to which `map` leads.
fn burdens(chest: &ReducedChest, zones: &ReducedChest, map: &ChestMap) -> [[Option<f64>; 3]; 2] {
    let thirds = Thirds::new(chest, zones, map);
    let sides = chest.whole.iter().zip(&chest.lesion);
    let mut found = [[None; 3]; 2];
    for ((whole, lesion), found) in sides.zip(&mut found) {
        let mut sums = [[0.0_f64; 2]; 3];
        let [_, rows, columns] = whole.shape();
        let lines = whole.values().chunks_exact(columns.max(1));
        let pairs = lines.zip(lesion.values().chunks_exact(columns.max(1)));
        for (row, (whole, lesion)) in pairs.enumerate() {
            if whole.iter().fold(0, |all, cell| all | cell) == 0 {
                continue;
            }
            let height = thirds.of_row(row / rows.max(1), row % rows.max(1));
            for (x, (whole, lesion)) in whole.iter().zip(lesion).enumerate() {
                if *whole == 0 {
                    continue;
                }
                let shares = thirds.shares(height, x);
                for ([all, sick], share) in sums.iter_mut().zip(shares) {
                    *all += share * f64::from(*whole);
                    *sick += share * f64::from(*lesion);
                }
            }
        }
        for ([all, sick], found) in sums.into_iter().zip(found) {
            *found = (all * chest.voxel_mm3() >= ZONE_MIN_MM3).then(|| 100.0 * sick / all);
        }
    }
    found
}

/// Where the cells of one chest lie in the thirds of another's height: an affine function of the cell.
struct Thirds {
    /// Of the first cell's centre, in thirds from the bottom.
    first: f64,
    /// From cell to cell along `z, y, x`.
    steps: [f64; 3],
    /// Half the height of a cell, in thirds.
    half: f64,
    /// Cells a third.
    cells_a_third: f64,
}

impl Thirds {
    fn new(chest: &ReducedChest, zones: &ReducedChest, map: &ChestMap) -> Thirds {
        let [plane_mm, _, _] = zones.cell_mm.map(|edge| edge / CELL as f64);
        let [bottom, planes] = zones.height.map(|count| count as f64 * plane_mm);
        let third = planes.max(plane_mm) / 3.0;
        let height = |place: [f64; 3]| {
            let [z, _, _] = map.apply(place);
            (z - bottom) / third
        };
        let [cell_z, cell_y, cell_x] = chest.cell_mm;
        let centre = chest.cell_mm.map(|edge| edge / 2.0);
        let [z, y, x] = centre;
        let first = height(centre);
        let half = (map.along_z() * cell_z / 2.0 / third).abs().max(1e-9);
        Thirds {
            first,
            steps: [
                height([z + cell_z, y, x]) - first,
                height([z, y + cell_y, x]) - first,
                height([z, y, x + cell_x]) - first,
            ],
            half,
            cells_a_third: 0.5 / half,
        }
    }

    /// Where the first cell of row `y` in plane `z` lies.
    fn of_row(&self, z: usize, y: usize) -> f64 {
        let [along_z, along_y, _] = self.steps;
        self.first + along_z * z as f64 + along_y * y as f64
    }

    /// The shares of cell `x`, in a row that begins at `height`, in the lower, middle and upper third.
    fn shares(&self, height: f64, x: usize) -> [f64; 3] {
        let [_, _, along_x] = self.steps;
        let height = height + along_x * x as f64;
        let below = |border: f64| {
            let share = (border - height + self.half) * self.cells_a_third;
            share.clamp(0.0, 1.0)
        };
        let [lower, two] = [below(1.0), below(2.0)];
        [lower, two - lower, 1.0 - two]
    }
}

//! Laying a prior's lungs over the present ones.

use super::chest::ReducedChest;
use super::equations::Equations;
use super::field::{Field, Lungs, Spot};
use super::map::ChestMap;

/// Cells of 11 mm that the lungs are smoothed over on each side: over two the lungs find each other, over one they settle.
const REACHES: [usize; 2] = [2, 1];
/// Spots a step looks at: first, then.
const SPOTS: [usize; 2] = [700, 1200];
/// Shifts below this end the steps, mm; turns and scales count as what they do [`ARM_MM`] away. First, then.
const SETTLED_MM: [f64; 2] = [1.0, 0.1];
/// Of so many cells one is asked how well the lungs lie.
const ASKED: usize = 7;
/// Steps of one pass.
const STEPS_MAX: usize = 8;
/// Half the height of a lung, mm.
const ARM_MM: f64 = 120.0;
/// Below this the lungs do not lie over each other. Measured: own copies 0.96 to 1, different people 0.79 to 0.89
/// (docs/decisions/0010-priors.md). It tells what cannot be compared by zone, not who it is.
const DICE_MIN: f64 = 0.85;
/// A breath changes the height of a lung by a fifth; what asks for more is a lung that was cut off, or no lung.
const SCALES: std::ops::RangeInclusive<f64> = 0.7..=1.4;
/// Nobody lies on the table more askew than this, degrees.
const TURN_DEGREES_MAX: f64 = 25.0;

/// A prior's lungs laid over the present ones, and how well they lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Registration {
    /// From the prior to the present chest.
    pub map: ChestMap,
    /// Overlap of the lungs, 0 to 1. Source: Dice, 1945.
    pub dice: f64,
    /// Mean distance of their surfaces, mm: the volume that only one of them fills, over the present lungs' surface.
    pub gap_mm: f64,
}

/// Why two chests do not lie over each other.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unregistered {
    /// One of them holds no lung.
    #[error("one of the scans holds no lung")]
    Empty,
    /// The lungs overlap too little.
    #[error("the lungs overlap by {dice:.2} only")]
    Overlap {
        /// Their Dice coefficient.
        dice: f64,
    },
    /// They overlap after a turn or growth that no patient makes.
    #[error("the lungs match only when turned or stretched as no patient is")]
    Implausible,
}

/// Lays the lungs of `prior` over those of `present`: shift, turn and a scale along each axis.
///
/// Starts from the first and second moments; Gauss-Newton steps then minimise the squared difference of the two smoothed
/// masks on the slope between inside and outside, which is what overlap loses. The same chests give the same answer.
/// Errors: [`Unregistered`].
pub fn register(
    present: &ReducedChest,
    prior: &ReducedChest,
) -> Result<Registration, Unregistered> {
    let (here, there) = (Lungs::of(present), Lungs::of(prior));
    let mut map = start(&here, &there)?;
    let halves = [here.halved(), there.halved()];
    for ((reach, spots), settled_mm) in REACHES.into_iter().zip(SPOTS).zip(SETTLED_MM) {
        let [here, there] = halves.each_ref().map(|lungs| Field::of(lungs, reach));
        map = settle(map, &there.slope(spots), &here, settled_mm);
    }
    let fields = [Field::of(&here, 0), Field::of(&there, 0)];
    let volumes = [present.volume_mm3(), prior.volume_mm3()];
    let [dice, gap_mm] = overlap(&map, &fields, volumes);
    let straight = map.turn_degrees() <= TURN_DEGREES_MAX;
    let grown = map.scale().iter().all(|scale| SCALES.contains(scale));
    if !dice.is_finite() || dice < DICE_MIN {
        return Err(Unregistered::Overlap { dice });
    }
    if !(straight && grown) {
        return Err(Unregistered::Implausible);
    }
    Ok(Registration { map, dice, gap_mm })
}

/// Steps until the map stays.
fn settle(mut map: ChestMap, spots: &[Spot], field: &Field, settled_mm: f64) -> ChestMap {
    for _ in 0..STEPS_MAX {
        let mut equations = Equations::new();
        for spot in spots {
            let (height, slope) = field.at(map.apply(spot.at));
            let flat = slope.iter().all(|along| along.abs() < f64::MIN_POSITIVE);
            if flat {
                // Far from the hill: no step would change anything.
                continue;
            }
            equations.add(&map.slope(spot.at, slope), spot.height - height);
        }
        let step = equations.answer();
        map = map.moved(&step);
        let arms = [
            1.0, 1.0, 1.0, ARM_MM, ARM_MM, ARM_MM, ARM_MM, ARM_MM, ARM_MM,
        ];
        let moved = step.iter().zip(arms).map(|(step, arm)| (step * arm).abs());
        if moved.fold(0.0, f64::max) < settled_mm {
            break;
        }
    }
    map
}

/// The map that brings middle and spread of the lungs together.
fn start(present: &Lungs, prior: &Lungs) -> Result<ChestMap, Unregistered> {
    let (here, there) = (moments(present)?, moments(prior)?);
    let mut growth = [1.0; 3];
    for ((growth, here), there) in growth.iter_mut().zip(here.spread).zip(there.spread) {
        *growth = (here / there).clamp(*SCALES.start(), *SCALES.end());
    }
    Ok(ChestMap::new(there.middle, here.middle, growth))
}

/// Middle and spread of the lungs, mm.
struct Moments {
    middle: [f64; 3],
    spread: [f64; 3],
}

fn moments(lungs: &Lungs) -> Result<Moments, Unregistered> {
    let along = lungs.along();
    let mut found = Moments {
        middle: [0.0; 3],
        spread: [0.0; 3],
    };
    let axes = along.iter().zip(lungs.cell_mm());
    for ((counts, cell), (middle, spread)) in
        axes.zip(found.middle.iter_mut().zip(&mut found.spread))
    {
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return Err(Unregistered::Empty);
        }
        let placed = || counts.iter().zip(0_u32..);
        let mean = |value: &dyn Fn(f64) -> f64| {
            let sum = placed().map(|(count, at)| *count as f64 * value(f64::from(at) + 0.5));
            sum.sum::<f64>() / all as f64
        };
        let centre = mean(&|at| at);
        *middle = centre * cell;
        *spread = mean(&|at| (at - centre).powi(2)).sqrt().max(0.5) * cell;
    }
    Ok(found)
}

/// Dice coefficient, and the mean gap between the surfaces in mm; of the present lungs and the prior's.
fn overlap(map: &ChestMap, fields: &[Field; 2], volumes_mm3: [f64; 2]) -> [f64; 2] {
    let ([here, there], [present, prior]) = (fields, volumes_mm3);
    let (mut all, mut shared) = (0.0, 0.0);
    for spot in there.lung(ASKED) {
        all += spot.height;
        shared += spot.height.min(here.at(map.apply(spot.at)).0);
    }
    let grown = prior * map.scale().iter().product::<f64>();
    let shared = grown * shared / all;
    let both = present + grown;
    let gap = (both - 2.0 * shared).max(0.0) / here.surface_mm2();
    [2.0 * shared / both, gap]
}

//! What scanners do: when which slice of which series lands in the export folder.
//!
//! No log of a hospital's exports was at hand, so the models below are meant to be harder than most sites: each says what
//! it stands for. A slice is whole when it lands; the box sees it when the kernel tells, or when a share lists it.

use super::dice::Dice;

/// A way in which slices come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// A scanner that sends while it reconstructs, some 25 slices a second; now and then a hiccup of half a second.
    Steady,
    /// A scanner that stops in the middle: the next patient is being scanned, the reconstruction has other work. Half of its
    /// series stall, once or several times, for 2.5 s as a rule; one stall in twenty has no usual length (Pareto, 5 s to
    /// 2 min, exponent 1.5).
    Pausing,
    /// A router in between that sends on what it has every second and a half, in one go.
    Bursts,
    /// A network share: nothing is told, listings lag behind by up to 3 s (the directory cache), files come in an order of
    /// their own.
    Share,
    /// A technician or a router that sends the series again, right away or within the minute, after the same scan's second
    /// reconstruction.
    SentTwice,
}

/// One simulated situation.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Its devices, each with a pace of its own.
    pub(super) devices: &'static [Pace],
    /// Mean time between two scans of a device, s.
    between_s: f64,
    /// Whether all series share one folder, or each has its own.
    pub(super) one_folder: bool,
}

/// All of them. A scan every five minutes is a busy scanner; the mixed hospital's five share one box
/// and one folder, as in a large department.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario::of("steady", &[Pace::Steady]),
    Scenario::of("pauses", &[Pace::Pausing]),
    Scenario::of("bursts", &[Pace::Bursts]),
    Scenario::of("network share", &[Pace::Share]),
    Scenario::of("sent twice", &[Pace::SentTwice]),
    Scenario {
        name: "mixed hospital",
        devices: &[
            Pace::Steady,
            Pace::Pausing,
            Pace::Bursts,
            Pace::Share,
            Pace::SentTwice,
        ],
        between_s: 120.0,
        one_folder: true,
    },
];

impl Scenario {
    const fn of(name: &'static str, devices: &'static [Pace]) -> Scenario {
        Scenario {
            name,
            devices,
            between_s: 300.0,
            one_folder: false,
        }
    }
}

/// One series as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Which device of the scenario.
    pub(super) device: usize,
    /// Which scan; two reconstructions share it.
    pub(super) scan: u32,
    /// Number of slices.
    pub(super) slices: u32,
    /// mm from slice to slice.
    pub(super) step_mm: f64,
    /// Where the lungs begin and end, mm above the lowest slice; may lie outside.
    pub(super) lungs_mm: [f64; 2],
    /// Each file: when it lands, when the box can see it (both ms), whether the kernel tells, which slice it holds.
    pub(super) files: Vec<Landing>,
}

/// One file of a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landing {
    pub(super) at: u64,
    pub(super) visible: u64,
    pub(super) told: bool,
    pub(super) slice: u32,
    /// A copy of a slice that was sent before.
    pub(super) again: bool,
}

/// The series that a scenario's devices send, `scans` scans in all, in no order.
pub(super) fn send(scenario: &Scenario, scans: u32, seed: u64) -> Vec<Sent> {
    let devices = u32::try_from(scenario.devices.len()).unwrap_or(1).max(1);
    let mut all = Vec::new();
    for (device, pace) in scenario.devices.iter().enumerate() {
        let mut dice = Dice::new(seed, device as u64 + 1);
        let mut now_s = dice.until_next(scenario.between_s);
        for scan in 0..scans.div_ceil(devices) {
            let number = scan * devices + u32::try_from(device).unwrap_or(0);
            let end_s = one_scan(*pace, device, number, now_s, &mut dice, &mut all);
            // A scanner sends one examination after the other.
            now_s = end_s + 60.0 + dice.until_next(scenario.between_s);
        }
    }
    all
}

/// One scan from `now_s` on; returns when its last file has landed, s.
fn one_scan(
    pace: Pace,
    device: usize,
    scan: u32,
    now_s: f64,
    dice: &mut Dice,
    all: &mut Vec<Sent>,
) -> f64 {
    let mut sent = body(device, scan, dice);
    let order = order(sent.slices, pace, dice);
    let mut end_s = land(&mut sent, &order, pace, now_s, false, dice);
    if pace == Pace::SentTwice {
        // The lung kernel's reconstruction follows: another series of the same scan.
        if dice.happens(0.4) {
            let mut second = sent.clone();
            second.files.clear();
            end_s = land(
                &mut second,
                &order,
                pace,
                end_s + dice.around(2.0, 0.8),
                false,
                dice,
            );
            all.push(second);
        }
        if dice.happens(0.5) {
            let pause = if dice.happens(0.5) {
                dice.between(0.2, 3.0)
            } else {
                dice.between(3.0, 60.0)
            };
            end_s = land(&mut sent, &order, pace, end_s + pause, true, dice);
        }
    }
    all.push(sent);
    end_s
}

/// What was scanned. Of 100 scans 80 are chests with some slices around the lungs, 12 go on through the abdomen, 5 cut the
/// lungs off, 3 show none.
fn body(device: usize, scan: u32, dice: &mut Dice) -> Sent {
    let step_mm = [1.25, 2.0, 2.5, 5.0]
        .get(dice.whole(0, 3) as usize)
        .copied()
        .unwrap_or(2.5);
    let lungs = dice.around(250.0, 0.1);
    let (below, above) = match dice.share() {
        x if x < 0.80 => (dice.between(15.0, 60.0), dice.between(10.0, 40.0)),
        x if x < 0.92 => (dice.between(250.0, 400.0), dice.between(10.0, 40.0)),
        x if x < 0.97 => (-dice.between(10.0, 60.0), dice.between(10.0, 40.0)),
        _ => (dice.between(400.0, 450.0), -lungs - 50.0),
    };
    let height = below + lungs + above;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some hundred millimetres by some millimetres"
    )]
    let slices = (height / step_mm).ceil() as u32 + 1;
    Sent {
        device,
        scan,
        slices,
        step_mm,
        lungs_mm: [below, below + lungs],
        files: Vec::new(),
    }
}

/// The order of sending: head first, feet first, or as parallel associations and shares have it, mixed within some dozen.
fn order(slices: u32, pace: Pace, dice: &mut Dice) -> Vec<u32> {
    let mut order: Vec<u32> = (0..slices).collect();
    if dice.happens(0.6) {
        order.reverse();
    }
    if pace == Pace::Share || dice.happens(0.15) {
        for window in order.chunks_mut(16) {
            for last in (1..window.len()).rev() {
                let other = dice.whole(0, u32::try_from(last).unwrap_or(0)) as usize;
                window.swap(last, other);
            }
        }
    }
    order
}

/// Lands a series' files from `now_s` on; returns when the last has landed, s.
fn land(
    sent: &mut Sent,
    order: &[u32],
    pace: Pace,
    now_s: f64,
    again: bool,
    dice: &mut Dice,
) -> f64 {
    let usual_s = dice.around(0.04, 0.5);
    let stalls = if pace == Pace::Pausing && dice.happens(0.5) {
        dice.whole(1, 3)
    } else {
        0
    };
    let stall = f64::from(stalls) / order.len().max(1) as f64;
    let cache_s = dice.between(1.0, 3.0);
    let mut burst = 0;
    let mut at_s = now_s;
    for slice in order {
        at_s += match pace {
            Pace::Bursts if burst == 0 => {
                burst = dice.whole(10, 60);
                dice.around(1.5, 0.4)
            }
            Pace::Bursts => 0.004,
            Pace::Pausing if dice.happens(stall) => stall_s(dice),
            Pace::Steady | Pace::SentTwice if dice.happens(0.002) => dice.around(0.5, 0.5),
            Pace::Steady | Pace::Pausing | Pace::Share | Pace::SentTwice => {
                dice.around(usual_s, 0.5)
            }
        };
        burst = burst.saturating_sub(1);
        let visible_s = match pace {
            // A listing is as old as the cache: what landed since shows at its next renewal.
            Pace::Share => (at_s / cache_s).ceil() * cache_s,
            Pace::Steady | Pace::Pausing | Pace::Bursts | Pace::SentTwice => at_s,
        };
        sent.files.push(Landing {
            at: millis(at_s),
            visible: millis(visible_s),
            told: pace != Pace::Share,
            slice: *slice,
            again,
        });
    }
    at_s
}

fn stall_s(dice: &mut Dice) -> f64 {
    if dice.happens(0.05) {
        dice.heavy(5.0, 1.5, 120.0)
    } else {
        dice.around(2.5, 0.7)
    }
}

fn millis(seconds: f64) -> u64 {
    u64::try_from(std::time::Duration::from_secs_f64(seconds).as_millis()).unwrap_or(u64::MAX)
}

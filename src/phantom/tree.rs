//! Vessels and airways: trees that fill the lungs from the hilum outwards, thick by Murray's law.

use crate::phantom::anatomy::{Anatomy, Point};
use crate::phantom::noise::Random;

/// A round tube from `start` to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tube {
    pub(super) start: Point,
    pub(super) end: Point,
    /// Radius in mm.
    pub(super) radius: f32,
}

/// What a tree is grown from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub(super) hilum: Point,
    pub(super) tips: usize,
    pub(super) tip_radius: f32,
    /// Murray's exponent: parent^e is the sum of child^e.
    pub(super) exponent: f32,
}

struct Node {
    place: Point,
    parent: usize,
    load: f32,
}

/// Grows one tree in the lung on the side of its hilum.
///
/// Tips are drawn evenly in the lung and joined, nearest to the hilum first, to the branch that costs the shortest way.
pub(super) fn grow(anatomy: &Anatomy, growth: &Growth, random: &mut Random) -> Vec<Tube> {
    let hilum = growth.hilum;
    let mut tips = draw_tips(anatomy, growth, random);
    tips.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut nodes = vec![Node {
        place: hilum,
        parent: 0,
        load: 0.0,
    }];
    for (reach, tip) in tips {
        let cost = |node: &Node| {
            // Paths that do not lead away from the hilum cost more, so branches fan out.
            distance(node.place, tip) + 0.7 * distance(node.place, hilum).max(reach * 0.2)
        };
        let nearest = nodes
            .iter()
            .enumerate()
            .min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)))
            .map_or(0, |(index, _)| index);
        nodes.push(Node {
            place: tip,
            parent: nearest,
            load: 0.0,
        });
    }
    let places = smoothed(&nodes);
    load(&mut nodes, growth);
    nodes
        .iter()
        .zip(&places)
        .skip(1)
        .filter_map(|(node, place)| {
            let start = *places.get(node.parent)?;
            let radius = node.load.powf(1.0 / growth.exponent);
            Some(Tube {
                start,
                end: *place,
                radius,
            })
        })
        .collect()
}

fn draw_tips(anatomy: &Anatomy, growth: &Growth, random: &mut Random) -> Vec<(f32, Point)> {
    let side = growth.hilum.x.signum();
    let mut tips = Vec::with_capacity(growth.tips);
    // Bounded: about a third of the draws land in the lung.
    for _ in 0..growth.tips * 12 {
        if tips.len() >= growth.tips {
            break;
        }
        let tip = Point {
            x: side * random.within(8.0, 140.0),
            y: random.within(-98.0, 100.0),
            z: random.within(14.0, 287.0),
        };
        if anatomy.lung(tip) > 2.5 {
            tips.push((distance(tip, growth.hilum), tip));
        }
    }
    tips
}

/// Adds up the thickness from the tips to the root; children always stand after their parent.
fn load(nodes: &mut [Node], growth: &Growth) {
    let tip = growth.tip_radius.powf(growth.exponent);
    for index in (1..nodes.len()).rev() {
        let Some((parent, load)) = nodes.get_mut(index).map(|node| {
            node.load = node.load.max(tip);
            (node.parent, node.load)
        }) else {
            continue;
        };
        if let Some(node) = nodes.get_mut(parent) {
            node.load += load;
        }
    }
}

/// Each place drawn to its parent's and children's, so branches bend gently.
fn smoothed(nodes: &[Node]) -> Vec<Point> {
    let mut sums: Vec<(Point, f32)> = nodes.iter().map(|node| (node.place, 1.0)).collect();
    for (index, node) in nodes.iter().enumerate().skip(1) {
        let parent = nodes
            .get(node.parent)
            .map_or(node.place, |parent| parent.place);
        if let Some(sum) = sums.get_mut(node.parent) {
            add(sum, node.place, 0.35);
        }
        if let Some(sum) = sums.get_mut(index) {
            add(sum, parent, 0.5);
        }
    }
    let mean = |(sum, weight): &(Point, f32)| Point {
        x: sum.x / weight,
        y: sum.y / weight,
        z: sum.z / weight,
    };
    sums.iter().map(mean).collect()
}

fn add((sum, total): &mut (Point, f32), place: Point, weight: f32) {
    // The own place weighs 1 and is stored as it is.
    sum.x += place.x * weight;
    sum.y += place.y * weight;
    sum.z += place.z * weight;
    *total += weight;
}

fn distance(a: Point, b: Point) -> f32 {
    let (x, y, z) = (a.x - b.x, a.y - b.y, a.z - b.z);
    (x * x + y * y + z * z).sqrt()
}

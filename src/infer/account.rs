//! What a run of the lowered network costs: multiply-adds and bytes, layer by layer.

use crate::infer::kernel::PackedWeights;
use crate::infer::lower::{Kind, Layer};

/// The cost of one layer on one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCost {
    /// What it is: `3x3x3`, `3x3x3 halved`, `raised` or `head`.
    pub kind: &'static str,
    /// Channels that it reads, of each tensor.
    pub inputs: Vec<usize>,
    /// Channels that it writes and the network asks for.
    pub outputs: usize,
    /// Its output's voxels, `z, y, x`.
    pub shape: [usize; 3],
    /// Multiply-adds that the network's shape asks for. Those with a zero of the padding count, as everywhere.
    pub macs: u64,
    /// Multiply-adds that are done: less the weights that are left out, with the channels that only fill a vector.
    pub macs_done: u64,
    /// Bytes read and written at least once: tensors with their rim, weights.
    pub bytes: u64,
}

/// A tensor as the count sees it.
#[derive(Clone, Copy, Default)]
struct Tensor {
    shape: [usize; 3],
    /// Channels in memory.
    channels: usize,
    /// Of these, channels that mean something.
    used: usize,
}

impl Tensor {
    fn bytes(&self) -> usize {
        self.shape.iter().map(|edge| edge + 2).product::<usize>() * self.channels
    }
}

/// The cost of each of `layers` for an input of `blocks` (`z, y, x`) with `channels`.
pub(super) fn costs(layers: &[&Layer], blocks: [usize; 3], channels: usize) -> Vec<LayerCost> {
    let mut tensors = vec![Tensor {
        shape: blocks,
        channels,
        used: channels,
    }];
    let mut all = Vec::new();
    for layer in layers {
        let sources: Vec<Tensor> = layer
            .sources
            .iter()
            .map(|number| tensors.get(*number).copied().unwrap_or_default())
            .collect();
        let shape = sources.first().map_or([0; 3], |source| source.shape);
        let output = Tensor {
            shape: shape.map(|edge| layer.kind.output_edge(edge)),
            channels: layer.channels,
            // A channel that only pads has no scale.
            used: {
                let scales = layer.scale.iter().take(layer.channels);
                scales.filter(|scale| **scale > 0.0).count()
            },
        };
        all.push(cost(layer, &sources, &output));
        tensors.push(output);
    }
    all
}

fn cost(layer: &Layer, sources: &[Tensor], output: &Tensor) -> LayerCost {
    let (kind, taps) = match layer.kind {
        Kind::Convolution { stride: 1 } => ("3x3x3", 27),
        Kind::Convolution { .. } => ("3x3x3 halved", 27),
        Kind::Raise => ("raised", 1),
        Kind::Head => ("head", 1),
    };
    let voxels = output.shape.iter().product::<usize>();
    let read = |channels: fn(&Tensor) -> usize| sources.iter().map(channels).sum::<usize>();
    let weights: usize = layer.weights.iter().map(PackedWeights::count).sum();
    LayerCost {
        kind,
        inputs: sources.iter().map(|source| source.used).collect(),
        outputs: output.used,
        shape: output.shape,
        macs: (voxels * taps * read(|source| source.used) * output.used) as u64,
        // The lists of a raised layer are those of eight voxels.
        macs_done: (voxels * weights / if layer.kind == Kind::Raise { 8 } else { 1 }) as u64,
        bytes: (read(Tensor::bytes) + output.bytes() + weights) as u64,
    }
}

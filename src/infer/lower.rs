//! From the QDQ graph to a list of int8 layers; what is not one of them is named, and tract runs the whole graph.
//!
//! Each layer is a convolution from bytes to bytes. Its scales are folded: `output = round(sum × scale)`, where the sum
//! of products and bias is an exact integer. Source of the arithmetic: ONNX QuantizeLinear and DequantizeLinear, opset 17.

use std::collections::BTreeMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use crate::infer::kernel::{LANES, PackedWeights};
use crate::infer::weights::{Weights, packed};

/// What keeps a graph from being lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node} is not lowered: {why}")]
pub struct NotLowered {
    /// The node's name.
    pub node: String,
    /// What it has that no layer has.
    pub why: &'static str,
}

/// How a layer's output voxels lie on its input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 3³, one voxel of padding.
    Convolution {
        /// 1, or 2 where the grid is halved.
        stride: usize,
    },
    /// Transposed 2³ with stride 2: each input voxel becomes eight.
    Raise,
    /// 1³; the last layer, whose sums are the logits.
    Head,
}

impl Kind {
    /// The edge of the output for an edge of the input, voxels.
    pub(super) fn output_edge(self, edge: usize) -> usize {
        match self {
            Kind::Convolution { stride } => edge.div_ceil(stride),
            Kind::Raise => 2 * edge,
            Kind::Head => edge,
        }
    }

    /// Voxels of the input from one output voxel's to the next one's.
    pub(super) fn stride(self) -> usize {
        match self {
            Kind::Convolution { stride } => stride,
            Kind::Raise | Kind::Head => 1,
        }
    }

    /// Rows of the output after which the same list of weights comes again.
    pub(super) fn phases(self) -> usize {
        match self {
            Kind::Raise => 2,
            Kind::Convolution { .. } | Kind::Head => 1,
        }
    }
}

/// One layer. Tensor 0 is the network's input, tensor `i + 1` the output of layer `i`.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) kind: Kind,
    /// One tensor, or two whose channels stand side by side.
    pub(super) sources: Vec<usize>,
    /// Channels of the output, a multiple of [`LANES`].
    pub(super) channels: usize,
    /// One list; for [`Kind::Raise`] one for each of the four places in z and y, to two neighbours along x at once.
    pub(super) weights: Vec<PackedWeights>,
    /// For each output of a list: for [`Kind::Raise`] twice the channels.
    pub(super) bias: Vec<i32>,
    /// Of the output's steps for each step of the sum, less than one; for the head, of the logit.
    pub(super) scale: Vec<f32>,
}

/// What a tensor of the graph stands for.
#[derive(Clone, Debug)]
enum Meaning {
    /// Bytes of one or two tensors side by side.
    Bytes { tensors: Vec<usize>, scale: f32 },
    /// Two tensors side by side, each with its scale.
    Joined { parts: Vec<(usize, f32)> },
    /// Integer weights or bias with their scales.
    Parameter { constant: String, scales: Vec<f32> },
    /// The sums of a layer that waits for its ReLU and its output's scale.
    Sums(Box<Layer>),
    /// The same after ReLU.
    Positive(Box<Layer>),
}

/// The scale of the network's input: 255 steps from 0 to 1.
const INPUT_SCALE: f32 = 1.0 / 255.0;

/// The layers of `model` in the order in which they run.
pub(super) fn lowered(model: &ModelProto) -> Result<Vec<Layer>, NotLowered> {
    let nothing = || NotLowered {
        node: "the graph".to_owned(),
        why: "it is empty",
    };
    let graph = model.graph.as_ref().ok_or_else(nothing)?;
    let mut lowering = Lowering::new(graph);
    for node in &graph.node {
        lowering.take(node)?;
    }
    lowering.finish(graph)
}

struct Lowering<'a> {
    constants: BTreeMap<&'a str, &'a TensorProto>,
    meanings: BTreeMap<&'a str, Meaning>,
    channels: Vec<usize>,
    layers: Vec<Layer>,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a GraphProto) -> Lowering<'a> {
        let constants = graph
            .initializer
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor));
        Lowering {
            constants: constants.collect(),
            meanings: BTreeMap::new(),
            channels: vec![INPUT_CHANNELS],
            layers: Vec::new(),
        }
    }

    fn take(&mut self, node: &'a NodeProto) -> Result<(), NotLowered> {
        let meaning = match node.op_type.as_str() {
            "QuantizeLinear" => self.quantise(node),
            "DequantizeLinear" => self.dequantise(node),
            "Concat" => self.join(node),
            "Relu" => self.relu(node),
            "Conv" => self.convolve(node),
            "ConvTranspose" => self.raise(node),
            _ => Err("no layer does this operation"),
        };
        let meaning = meaning.map_err(|why| NotLowered {
            node: node.name.clone(),
            why,
        })?;
        let output = node.output.first().map_or("", String::as_str);
        self.meanings.insert(output, meaning);
        Ok(())
    }

    fn finish(mut self, graph: &GraphProto) -> Result<Vec<Layer>, NotLowered> {
        let output = graph
            .output
            .first()
            .map_or("", |output| output.name.as_str());
        match self.meanings.remove(output) {
            Some(Meaning::Sums(head)) if head.kind == Kind::Head => {
                self.layers.push(*head);
                Ok(self.layers)
            }
            Some(_) | None => Err(NotLowered {
                node: output.to_owned(),
                why: "the last layer is not a 1³ convolution",
            }),
        }
    }

    fn meaning(&self, node: &NodeProto, input: usize) -> Result<&Meaning, &'static str> {
        let name = node.input.get(input).ok_or("an input is missing")?;
        self.meanings
            .get(name.as_str())
            .ok_or("an input comes from nowhere known")
    }

    fn constant(&self, node: &NodeProto, input: usize) -> Result<&'a TensorProto, &'static str> {
        let name = node.input.get(input).ok_or("an input is missing")?;
        self.constants
            .get(name.as_str())
            .copied()
            .ok_or("an input is not constant")
    }

    /// One scale and a zero point of 0.
    fn scale(&self, node: &NodeProto) -> Result<f32, &'static str> {
        let zero = self.constant(node, 2)?;
        let is_zero = zero.data_type == i32::from(DataType::Uint8)
            && zero.raw_data.iter().all(|byte| *byte == 0);
        match floats(self.constant(node, 1)?)?[..] {
            [scale] if is_zero && scale > 0.0 => Ok(scale),
            _ => Err("bytes with a zero point, or several scales"),
        }
    }

    fn quantise(&mut self, node: &'a NodeProto) -> Result<Meaning, &'static str> {
        let scale = self.scale(node)?;
        let name = node.input.first().map_or("", String::as_str);
        match self.meanings.remove(name) {
            None if self.layers.is_empty() && (scale - INPUT_SCALE).abs() < 1e-9 => {
                Ok(Meaning::Bytes {
                    tensors: vec![0],
                    scale,
                })
            }
            Some(Meaning::Positive(mut layer)) => {
                layer.scale.iter_mut().for_each(|each| *each /= scale);
                // A sum has 32 bits: times less than one it still fits them, and no operator has to see that it does.
                if !layer.scale.iter().all(|each| each.abs() < 1.0) {
                    return Err("its steps are finer than those of the products it is made of");
                }
                self.channels.push(layer.channels);
                self.layers.push(*layer);
                Ok(Meaning::Bytes {
                    tensors: vec![self.layers.len()],
                    scale,
                })
            }
            #[expect(
                clippy::float_cmp,
                reason = "bytes are joined without a change only where the scales are the same"
            )]
            Some(Meaning::Joined { parts }) if parts.iter().all(|(_, own)| *own == scale) => {
                Ok(Meaning::Bytes {
                    tensors: parts.iter().map(|(tensor, _)| *tensor).collect(),
                    scale,
                })
            }
            Some(_) | None => Err("it quantises what no layer gives"),
        }
    }

    fn dequantise(&mut self, node: &'a NodeProto) -> Result<Meaning, &'static str> {
        let name = node.input.first().map_or("", String::as_str);
        if self.constants.contains_key(name) {
            let zero = self.constant(node, 2)?;
            if zero.raw_data.iter().any(|byte| *byte != 0) {
                return Err("weights with a zero point");
            }
            let scales = floats(self.constant(node, 1)?)?;
            return Ok(Meaning::Parameter {
                constant: name.to_owned(),
                scales,
            });
        }
        let own = self.scale(node)?;
        match self.meaning(node, 0)? {
            #[expect(clippy::float_cmp, reason = "a pair of nodes shares one constant")]
            Meaning::Bytes { tensors, scale } if *scale == own => Ok(Meaning::Bytes {
                tensors: tensors.clone(),
                scale: own,
            }),
            Meaning::Bytes { .. }
            | Meaning::Joined { .. }
            | Meaning::Parameter { .. }
            | Meaning::Sums(_)
            | Meaning::Positive(_) => {
                Err("it dequantises with another scale than it was quantised with")
            }
        }
    }

    fn join(&mut self, node: &NodeProto) -> Result<Meaning, &'static str> {
        if integers(node, "axis") != [1] || node.input.len() != 2 {
            return Err("only two tensors are joined, along their channels");
        }
        let part = |input| match self.meaning(node, input)? {
            Meaning::Bytes { tensors, scale } if tensors.len() == 1 => {
                let tensor = tensors.first().copied().unwrap_or(0);
                Ok((tensor, *scale))
            }
            Meaning::Bytes { .. }
            | Meaning::Joined { .. }
            | Meaning::Parameter { .. }
            | Meaning::Sums(_)
            | Meaning::Positive(_) => Err("only bytes are joined"),
        };
        Ok(Meaning::Joined {
            parts: vec![part(0)?, part(1)?],
        })
    }

    fn relu(&mut self, node: &NodeProto) -> Result<Meaning, &'static str> {
        let name = node.input.first().map_or("", String::as_str);
        match self.meanings.remove(name) {
            Some(Meaning::Sums(layer)) => Ok(Meaning::Positive(layer)),
            Some(_) | None => Err("ReLU of something else than a convolution"),
        }
    }

    fn convolve(&mut self, node: &NodeProto) -> Result<Meaning, &'static str> {
        plain(node)?;
        let strides = integers(node, "strides");
        let all = |name: &str, value: i64| integers(node, name).iter().all(|each| *each == value);
        let kind = match integers(node, "kernel_shape")[..] {
            [3, 3, 3] if all("pads", 1) && strides == [1, 1, 1] => Kind::Convolution { stride: 1 },
            [3, 3, 3] if all("pads", 1) && strides == [2, 2, 2] => Kind::Convolution { stride: 2 },
            [1, 1, 1] if all("pads", 0) && strides == [1, 1, 1] => Kind::Head,
            _ => return Err("a kernel, stride or padding that no layer has"),
        };
        self.layer(node, kind).map(Box::new).map(Meaning::Sums)
    }

    fn raise(&mut self, node: &NodeProto) -> Result<Meaning, &'static str> {
        plain(node)?;
        let all = |name: &str, value: i64| integers(node, name).iter().all(|each| *each == value);
        let fits =
            integers(node, "kernel_shape") == [2, 2, 2] && all("strides", 2) && all("pads", 0);
        if !fits || !integers(node, "output_padding").is_empty() {
            return Err("a transposed kernel, stride or padding that no layer has");
        }
        self.layer(node, Kind::Raise)
            .map(Box::new)
            .map(Meaning::Sums)
    }

    fn layer(&self, node: &NodeProto, kind: Kind) -> Result<Layer, &'static str> {
        let Meaning::Bytes {
            tensors,
            scale: input_scale,
        } = self.meaning(node, 0)?
        else {
            return Err("its input is not bytes");
        };
        if tensors.len() > SOURCES_MAX {
            return Err("it reads more than two tensors");
        }
        let (weight, weight_scales) = self.parameter(node, 1)?;
        let (bias, bias_scales) = self.parameter(node, 2)?;
        let weights = Weights {
            values: bytes(weight)?,
            shape: weight
                .dims
                .iter()
                .map(|edge| usize::try_from(*edge).unwrap_or(0))
                .collect(),
            kind,
            sources: tensors
                .iter()
                .map(|tensor| self.channels.get(*tensor).copied().unwrap_or(0))
                .collect(),
        };
        let outputs = weights.outputs();
        let bias = words(bias)?;
        let scale: Vec<f32> = weight_scales.iter().map(|own| own * input_scale).collect();
        let same = |one: &f32, other: &f32| (one - other).abs() <= 1e-6 * one.abs();
        let agree = bias_scales
            .iter()
            .zip(&scale)
            .all(|(one, other)| same(one, other));
        if scale.len() != outputs || bias.len() != outputs || bias_scales.len() != outputs || !agree
        {
            return Err("weights and bias with scales that do not belong together");
        }
        let channels = outputs.next_multiple_of(LANES);
        // A raised layer computes two voxels at once.
        let voxels = if kind == Kind::Raise { 2 } else { 1 };
        Ok(Layer {
            kind,
            sources: tensors.clone(),
            channels,
            weights: packed(&weights)?,
            bias: widened(bias, channels, voxels),
            scale: widened(scale, channels, voxels),
        })
    }

    fn parameter(
        &self,
        node: &NodeProto,
        input: usize,
    ) -> Result<(&'a TensorProto, &[f32]), &'static str> {
        let Meaning::Parameter { constant, scales } = self.meaning(node, input)? else {
            return Err("its weights are not constant integers");
        };
        let tensor = self
            .constants
            .get(constant.as_str())
            .copied()
            .ok_or("its weights are missing")?;
        Ok((tensor, scales))
    }
}

/// `values` with padding up to `channels`, so many times.
fn widened<T: Copy + Default>(mut values: Vec<T>, channels: usize, times: usize) -> Vec<T> {
    values.resize(channels, T::default());
    values.repeat(times)
}

/// Tensors that a layer reads: what comes from below and, on the way up, the skip.
pub(super) const SOURCES_MAX: usize = 2;

/// Channels of the packed input.
const INPUT_CHANNELS: usize = 8;

/// One group, no dilation.
fn plain(node: &NodeProto) -> Result<(), &'static str> {
    let ones = integers(node, "dilations").iter().all(|each| *each == 1);
    match integers(node, "group")[..] {
        [] | [1] if ones => Ok(()),
        _ => Err("groups or dilations"),
    }
}

fn integers(node: &NodeProto, name: &str) -> Vec<i64> {
    let attribute = node
        .attribute
        .iter()
        .find(|attribute| attribute.name == name);
    let Some(attribute) = attribute else {
        return Vec::new();
    };
    if attribute.ints.is_empty() {
        vec![attribute.i]
    } else {
        attribute.ints.clone()
    }
}

fn floats(tensor: &TensorProto) -> Result<Vec<f32>, &'static str> {
    let (chunks, rest) = tensor.raw_data.as_chunks::<4>();
    let fits =
        tensor.data_type == i32::from(DataType::Float) && rest.is_empty() && !chunks.is_empty();
    let values: Vec<f32> = chunks
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect();
    let good = values.iter().all(|value| value.is_finite());
    if fits && good {
        Ok(values)
    } else {
        Err("scales are not stored as raw float32")
    }
}

fn bytes(tensor: &TensorProto) -> Result<Vec<i8>, &'static str> {
    if tensor.data_type != i32::from(DataType::Int8) {
        return Err("weights are not int8");
    }
    Ok(tensor
        .raw_data
        .iter()
        .map(|byte| byte.cast_signed())
        .collect())
}

fn words(tensor: &TensorProto) -> Result<Vec<i32>, &'static str> {
    let (chunks, rest) = tensor.raw_data.as_chunks::<4>();
    if tensor.data_type != i32::from(DataType::Int32) || !rest.is_empty() {
        return Err("the bias is not int32");
    }
    Ok(chunks
        .iter()
        .map(|chunk| i32::from_le_bytes(*chunk))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::prelude::Framework as _;

    fn shipped() -> ModelProto {
        let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let files = std::fs::read_dir(models)
            .unwrap()
            .map(|file| file.unwrap().path());
        let mut networks = files.filter(|path| path.extension().is_some_and(|own| own == "onnx"));
        let onnx = tract_onnx::onnx();
        onnx.proto_model_for_path(networks.next().unwrap()).unwrap()
    }

    /// The shipped network with something changed in the second node of a kind, and what lowering says of it.
    fn refused(kind: &str, change: impl Fn(&mut GraphProto, &NodeProto)) -> (String, NotLowered) {
        let mut model = shipped();
        let graph = model.graph.as_mut().unwrap();
        let mut nodes = graph.node.iter().filter(|node| node.op_type == kind);
        let node = nodes.nth(1).unwrap().clone();
        change(graph, &node);
        (node.name.clone(), lowered(&model).unwrap_err())
    }

    fn tensor<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut TensorProto {
        let mut tensors = graph.initializer.iter_mut();
        tensors.find(|tensor| tensor.name == name).unwrap()
    }

    #[test]
    fn what_no_layer_is_is_named() {
        let (node, said) = refused("QuantizeLinear", |graph, node| {
            tensor(graph, &node.input[1]).raw_data = 1e-12_f32.to_le_bytes().into();
        });
        assert_eq!((said.node, said.why.contains("finer")), (node, true));
        let (node, said) = refused("Conv", |graph, node| {
            let place = graph.node.iter().position(|each| each == node).unwrap();
            let attributes = graph.node[place].attribute.iter_mut();
            let dilations = attributes.filter(|each| each.name == "dilations");
            dilations.for_each(|each| each.ints = vec![2, 2, 2]);
        });
        assert_eq!((said.node, said.why), (node, "groups or dilations"));
        assert_eq!(lowered(&shipped()).unwrap().len(), 17);
    }
}

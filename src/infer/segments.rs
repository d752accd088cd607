//! Cuts the network's graph at its int8 tensors, so that it can run piece by piece.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto, type_proto};

/// The operations for which one plane of halo is known to be enough (kernels up to 3, dilation 1).
const KNOWN: [&str; 6] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "Conv",
    "ConvTranspose",
    "Relu",
    "Concat",
];

/// A piece of the graph from int8 tensors to the next int8 tensor or the end.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The piece as a model of its own; its inputs are `sources` in this order.
    pub(super) model: ModelProto,
    /// Names of the tensors it reads.
    pub(super) sources: Vec<String>,
    /// Name of the tensor it gives.
    pub(super) target: String,
}

/// The pieces of `model` in the order in which they run; `None` when it holds something whose reach is not known.
pub(super) fn segments(model: &ModelProto) -> Option<Vec<Segment>> {
    let graph = model.graph.as_ref()?;
    if !graph.node.iter().all(is_known) {
        return None;
    }
    let makers: BTreeMap<&str, &NodeProto> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let quantised = graph
        .node
        .iter()
        .filter(|node| node.op_type == "QuantizeLinear");
    let mut targets: Vec<&str> = quantised
        .filter_map(|node| node.output.first())
        .map(String::as_str)
        .collect();
    let inputs: BTreeSet<&str> = graph
        .input
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let cuts: BTreeSet<&str> = inputs.iter().chain(&targets).copied().collect();
    targets.extend(graph.output.iter().map(|output| output.name.as_str()));
    targets
        .iter()
        .map(|target| segment(model, graph, &makers, &cuts, target))
        .collect()
}

fn is_known(node: &NodeProto) -> bool {
    let edges = |name: &'static str| {
        node.attribute
            .iter()
            .filter(move |attribute| attribute.name == name)
            .flat_map(|attribute| attribute.ints.iter().copied())
    };
    KNOWN.contains(&node.op_type.as_str())
        && edges("kernel_shape").all(|edge| edge <= 3)
        && edges("dilations").all(|edge| edge == 1)
        && edges("strides").all(|edge| edge <= 2)
}

fn segment(
    model: &ModelProto,
    graph: &GraphProto,
    makers: &BTreeMap<&str, &NodeProto>,
    cuts: &BTreeSet<&str>,
    target: &str,
) -> Option<Segment> {
    let mut wanted = BTreeSet::new();
    let mut sources = Vec::new();
    let mut constants = BTreeSet::new();
    let mut open = vec![target];
    // Bounded: each tensor is opened once.
    while let Some(name) = open.pop() {
        if name != target && cuts.contains(name) {
            if !sources.iter().any(|source| source == name) {
                sources.push(name.to_owned());
            }
        } else if let Some(node) = makers.get(name) {
            if wanted.insert(name) {
                open.extend(node.input.iter().map(String::as_str));
            }
        } else {
            constants.insert(name);
        }
    }
    let mut piece = model.clone();
    let part = piece.graph.as_mut()?;
    part.node = graph
        .node
        .iter()
        .filter(|node| {
            node.output
                .iter()
                .any(|name| wanted.contains(name.as_str()))
        })
        .cloned()
        .collect();
    part.initializer = graph
        .initializer
        .iter()
        .filter(|tensor| constants.contains(tensor.name.as_str()))
        .cloned()
        .collect();
    part.input = sources.iter().map(|name| value(name)).collect();
    part.output = vec![value(target)];
    part.value_info.clear();
    Some(Segment {
        model: piece,
        sources,
        target: target.to_owned(),
    })
}

/// An input or output of a piece. Kind and shape are set when a shape is planned; the reader only wants some type.
fn value(name: &str) -> ValueInfoProto {
    let tensor = type_proto::Tensor {
        elem_type: DataType::Uint8.into(),
        shape: None,
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

"""Writes the network as ONNX: in float (for comparison) and in int8 as QuantizeLinear/DequantizeLinear pairs.

Written node by node instead of traced, so that the file depends on nothing but the weights: the same weights give the
same bytes, and names do not change with the version of an exporter.
"""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from shape import INPUT, LEVEL_CHANNELS, OUTPUT, PACKED_CHANNELS, Layer, layers

OPSET = 17
IR_VERSION = 8
INPUT_SCALE = np.float32(1 / 255)

Weights = dict[str, tuple[np.ndarray, np.ndarray]]
"""Per layer name: weight and bias as float32, batch normalisation already folded in."""


@dataclass(frozen=True)
class QuantisedLayer:
    """Integers of one layer: `weight` int8 in -63..=63, `scale` float32 per output channel, `bias` int32.

    The bias is in units of (scale of the input × scale of the weight), as integer engines add it to the accumulator.
    """

    weight: np.ndarray
    scale: np.ndarray
    bias: np.ndarray


def float_model(weights: Weights) -> ModelProto:
    """The network in float32, its initialisers stored as float16 (half the file); values must already be rounded."""
    nodes, initialisers = [], []
    for layer in layers():
        source = _joined(layer, nodes, layer.sources)
        for part, values in zip(("weight", "bias"), weights[layer.name], strict=True):
            initialisers.append(numpy_helper.from_array(values.astype(np.float16), f"{layer.name}.{part}.half"))
            nodes.append(_node("Cast", [f"{layer.name}.{part}.half"], f"{layer.name}.{part}", to=TensorProto.FLOAT))
        _weighted(layer, nodes, source)
    return _model("float", nodes, initialisers)


def int8_model(quantised: dict[str, QuantisedLayer], scales: dict[str, np.float32]) -> ModelProto:
    """The network in int8. `scales` holds the scale of each layer's uint8 output by name (zero points are 0).

    Both inputs of a concatenation must have one scale: then its output has it too and joining bytes is exact.
    """
    nodes, initialisers = [], [numpy_helper.from_array(np.array(0, np.uint8), "zero")]
    _quantise(INPUT, INPUT, INPUT_SCALE, nodes, initialisers)
    readable = {INPUT: f"{INPUT}.dequantised"}
    for layer in layers():
        source = _joined(layer, nodes, [readable[name] for name in layer.sources])
        if len(layer.sources) == 2:
            first, second = (scales[name] for name in layer.sources)
            if first != second:
                raise ValueError(f"{layer.name}: the inputs of its concatenation have scales {first} and {second}")
            _quantise(source, source, first, nodes, initialisers)
            source = f"{source}.dequantised"
        _dequantised_parameters(layer, quantised[layer.name], _input_scale(layer, scales), nodes, initialisers)
        _weighted(layer, nodes, source)
        if layer.kind != "head":
            _quantise(layer.name, layer.name, scales[layer.name], nodes, initialisers)
            readable[layer.name] = f"{layer.name}.dequantised"
    return _model("int8", nodes, initialisers)


def _input_scale(layer: Layer, scales: dict[str, np.float32]) -> np.float32:
    """Scale of what a layer reads."""
    return INPUT_SCALE if layer.sources == (INPUT,) else scales[layer.sources[0]]


def _joined(layer: Layer, nodes: list, tensors) -> str:
    """The one tensor that a layer reads; two sources are concatenated along the channels."""
    if len(tensors) == 1:
        return tensors[0]
    level = layer.name.split(".")[0]
    nodes.append(_node("Concat", list(tensors), f"{level}.concat", axis=1))
    return f"{level}.concat"


def _weighted(layer: Layer, nodes: list, source: str) -> None:
    """The convolution of one layer and its ReLU. Padding is explicit: `auto_pad` reads differently between engines."""
    kernel = layer.weight_shape[2:]
    pad = 1 if layer.kind == "conv" else 0
    nodes.append(
        _node(
            "ConvTranspose" if layer.kind == "up" else "Conv",
            [source, f"{layer.name}.weight", f"{layer.name}.bias"],
            OUTPUT if layer.kind == "head" else f"{layer.name}.sum",
            kernel_shape=list(kernel),
            strides=[layer.stride] * 3,
            pads=[pad] * 6,
            dilations=[1, 1, 1],
            group=1,
        )
    )
    if layer.kind != "head":
        nodes.append(_node("Relu", [f"{layer.name}.sum"], layer.name))


def _quantise(tensor: str, stem: str, scale: np.float32, nodes: list, initialisers: list) -> None:
    """A tensor to uint8 and back; what follows reads `<stem>.dequantised`."""
    initialisers.append(numpy_helper.from_array(np.array(scale, np.float32), f"{stem}.scale"))
    nodes.append(_node("QuantizeLinear", [tensor, f"{stem}.scale", "zero"], f"{stem}.quantised"))
    nodes.append(_node("DequantizeLinear", [f"{stem}.quantised", f"{stem}.scale", "zero"], f"{stem}.dequantised"))


def _dequantised_parameters(layer: Layer, values: QuantisedLayer, scale_in: np.float32, nodes: list, initialisers: list) -> None:
    """Weight (int8) and bias (int32) of a layer with the nodes that scale them, per output channel."""
    count = layer.channels_out
    name = layer.name
    initialisers += [
        numpy_helper.from_array(values.weight, f"{name}.weight.quantised"),
        numpy_helper.from_array(values.scale, f"{name}.weight.scale"),
        numpy_helper.from_array(np.zeros(count, np.int8), f"{name}.weight.zero"),
        numpy_helper.from_array(values.bias, f"{name}.bias.quantised"),
        numpy_helper.from_array((scale_in * values.scale).astype(np.float32), f"{name}.bias.scale"),
        numpy_helper.from_array(np.zeros(count, np.int32), f"{name}.bias.zero"),
    ]
    for part, axis in (("weight", layer.output_axis), ("bias", 0)):
        inputs = [f"{name}.{part}.quantised", f"{name}.{part}.scale", f"{name}.{part}.zero"]
        nodes.append(_node("DequantizeLinear", inputs, f"{name}.{part}", axis=axis))


def _node(operator: str, inputs: list[str], output: str, **attributes):
    """A node named after its only output."""
    return helper.make_node(operator, inputs, [output], name=f"{operator}:{output}", **attributes)


def _model(kind: str, nodes: list, initialisers: list) -> ModelProto:
    """A model around the nodes: batch 1, spatial sizes left open as z, y, x."""
    shape = [1, PACKED_CHANNELS, "z", "y", "x"]
    graph = helper.make_graph(
        nodes,
        f"scanward-{kind}-{'-'.join(map(str, LEVEL_CHANNELS))}",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)],
        initialisers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="scanward")

"""Float weights to int8: calibrates activation ranges and rounds weights.

Weights are kept within ±63 (7 bit): two products of an unsigned byte with such a weight fit into the 16-bit sums of
AVX2's `maddubs`, so every instruction set gives the same bits. Activations are uint8 with zero point 0, because every
one of them leaves a ReLU.
"""

from collections.abc import Iterable

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper

from graph import INPUT_SCALE, QuantisedLayer, Weights, float_model, int8_model
from shape import INPUT, Layer, layers

WEIGHT_LIMIT = 63
CLIPPING = np.linspace(0.6, 1.0, 17, dtype=np.float32)
"""Tried shares of a channel's largest weight; clipping a rare large weight can make all the others finer."""


def rounded_to_half(weights: Weights) -> Weights:
    """Weights as the float file stores them (float16), so that int8 and float files hold one and the same network."""
    return {name: tuple(part.astype(np.float16).astype(np.float32) for part in parts) for name, parts in weights.items()}


def quantised_model(weights: Weights, volumes: Iterable[np.ndarray], quantile: float = 1.0) -> ModelProto:
    """The int8 network of these weights. `volumes` are packed inputs (1, 8, z, y, x) to calibrate ranges on."""
    scales = shared_scales(activation_ranges(float_model(weights), volumes, quantile))
    quantised = {}
    for layer in layers():
        scale_in = INPUT_SCALE if layer.sources == (INPUT,) else scales[layer.sources[0]]
        quantised[layer.name] = quantised_layer(layer, *weights[layer.name], scale_in)
    return int8_model(quantised, scales)


def activation_ranges(model: ModelProto, volumes: Iterable[np.ndarray], quantile: float) -> dict[str, float]:
    """Largest output of each layer over the volumes; `quantile` below 1 leaves out that share of highest values."""
    names = [layer.name for layer in layers() if layer.kind != "head"]
    exposed = ModelProto()
    exposed.CopyFrom(model)
    exposed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges = dict.fromkeys(names, 0.0)
    for volume in volumes:
        for name, values in zip(names, session.run(names, {INPUT: volume}), strict=True):
            ranges[name] = max(ranges[name], float(np.quantile(values, quantile) if quantile < 1 else values.max()))
    return ranges


def shared_scales(ranges: dict[str, float]) -> dict[str, np.float32]:
    """Scale of each output: its range over 255, one for both sides of a concatenation (the larger)."""
    ranges = dict(ranges)
    for layer in layers():
        if len(layer.sources) == 2:
            widest = max(ranges[name] for name in layer.sources)
            ranges.update(dict.fromkeys(layer.sources, widest))
    return {name: np.float32(max(top, 1e-6) / 255) for name, top in ranges.items()}


def quantised_layer(layer: Layer, weight: np.ndarray, bias: np.ndarray, scale_in: np.float32) -> QuantisedLayer:
    """Rounds one layer; per output channel the clipping with the least squared error is taken."""
    rows = np.moveaxis(weight, layer.output_axis, 0).reshape(layer.channels_out, -1)
    largest = np.maximum(np.abs(rows).max(1), 1e-8)
    tried = largest[None, :] * CLIPPING[:, None] / WEIGHT_LIMIT
    errors = [((_rounded(rows, scale) * scale[:, None] - rows) ** 2).sum(1) for scale in tried]
    scale = tried[np.argmin(errors, 0), np.arange(layer.channels_out)].astype(np.float32)
    along = [1] * weight.ndim
    along[layer.output_axis] = -1
    integers = np.clip(np.rint(weight / scale.reshape(along)), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    limit = np.iinfo(np.int32).max
    return QuantisedLayer(integers, scale, np.clip(np.rint(bias / (scale_in * scale)), -limit, limit).astype(np.int32))


def _rounded(rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Rows (channel, weight) in integer steps of each channel's scale."""
    return np.clip(np.rint(rows / scale[:, None]), -WEIGHT_LIMIT, WEIGHT_LIMIT)


def random_weights(seed: int) -> Weights:
    """Weights of an untrained network (He's variance), for tests of engines that need the shape and no sense."""
    generator = np.random.default_rng(seed)
    result = {}
    for layer in layers():
        inputs = layer.channels_in * (1 if layer.kind == "up" else int(np.prod(layer.weight_shape[2:])))
        weight = generator.standard_normal(layer.weight_shape) * np.sqrt(2 / inputs)
        bias = generator.standard_normal(layer.channels_out) * 0.1
        result[layer.name] = (weight.astype(np.float32), bias.astype(np.float32))
    return result

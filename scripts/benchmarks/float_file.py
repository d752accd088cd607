"""The int8 file as the float network that it stands for: what a runtime without integers would be given."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def write_float(source: Path, target: Path) -> None:
    """Folds the weights' scales in and leaves out every rounding of activations."""
    model = onnx.load(source)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept, folded, same = [], [], {}
    for node in graph.node:
        first = same.get(node.input[0], node.input[0])
        if node.op_type == "DequantizeLinear" and first in constants:
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
            values = _dequantised(constants[first], constants[node.input[1]], axis)
            folded.append(numpy_helper.from_array(values, node.output[0]))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            same[node.output[0]] = first
        else:
            for index, name in enumerate(node.input):
                node.input[index] = same.get(name, name)
            kept.append(node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(folded)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _dequantised(values: np.ndarray, scale: np.ndarray, axis: int) -> np.ndarray:
    """`values` × `scale`, one scale for each index of `axis`."""
    if scale.size > 1:
        scale = scale.reshape([-1 if each == axis % values.ndim else 1 for each in range(values.ndim)])
    return values.astype(np.float32) * scale

"""A network to train on, from the weights of an ONNX file that ships: in float, or in int8 times its scales."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn

from graph import Weights
from network import Network, normalisation, weighted
from shape import layers


def weights_of(path: Path) -> Weights:
    """The weights (float32, normalisation folded in) of a float or an int8 file."""
    model: ModelProto = onnx.load(str(path))
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}

    def part(name: str, axis: int) -> np.ndarray:
        """One weight or bias; `axis` has the scales of an int8 file."""
        if f"{name}.half" in constants:
            return constants[f"{name}.half"].astype(np.float32)
        integers, scales = constants[f"{name}.quantised"], constants[f"{name}.scale"]
        along = [-1 if each == axis else 1 for each in range(integers.ndim)]
        return integers.astype(np.float32) * scales.reshape(along)

    return {each.name: (part(f"{each.name}.weight", each.output_axis), part(f"{each.name}.bias", 0)) for each in layers()}


def resumed(weights: Weights, volumes: list[Tensor]) -> Network:
    """A network that computes what these weights do, with normalisations that hold the statistics of `volumes`.

    `volumes` are packed inputs (n, 8, z/2, y/2, x/2); without their statistics the first batch in training would change
    what every layer gives.
    """
    network = Network().eval()
    sums: dict[nn.BatchNorm3d, list[tuple[Tensor, Tensor]]] = {}
    with torch.no_grad():
        for name, (weight, bias) in weights.items():
            module = weighted(network, name)
            module.weight.copy_(torch.from_numpy(weight))
            if module.bias is not None:
                module.bias.copy_(torch.from_numpy(bias))
                continue
            normalised = normalisation(network, name)
            normalised.running_mean.zero_()
            normalised.running_var.fill_(1 - normalised.eps)
            normalised.bias.copy_(torch.from_numpy(bias))
            sums[normalised] = []
            normalised.register_forward_pre_hook(lambda self, given: sums[self].append(_moments(given[0])))
        for volume in volumes:
            network(volume)
        for normalised, moments in sums.items():
            mean = torch.stack([mean for mean, _ in moments]).mean(0)
            variance = torch.stack([square for _, square in moments]).mean(0) - mean**2
            normalised.running_mean.copy_(mean)
            normalised.running_var.copy_(variance)
            normalised.weight.copy_(torch.sqrt(variance + normalised.eps))
            normalised.bias.add_(mean)
            normalised._forward_pre_hooks.clear()
    return network.train()


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean square of each channel."""
    return values.mean((0, 2, 3, 4)), (values**2).mean((0, 2, 3, 4))

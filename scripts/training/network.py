"""The network in torch, and its weights with batch normalisation folded in.

Shapes: input (n, 8, z/2, y/2, x/2), the volume packed space-to-depth; output the same, one lesion logit per voxel.
"""

import numpy as np
import torch
from torch import Tensor, nn

from shape import DECODER_CONVOLUTIONS, LEVEL_CHANNELS, PACKED_CHANNELS

LESION_PRIOR_LOGIT = -2.0
"""Start of the head's bias: lesions are rare, and a network that begins by saying so settles sooner."""


def convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """3³ convolution, batch normalisation, ReLU.

    The running statistics move slowly (momentum .02): batches hold two patches, each alone says little.
    """
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm3d(channels_out, momentum=0.02),
        nn.ReLU(),
    )


class Network(nn.Module):
    """Encoder and decoder of `shape.layers()`: `enc<level>`, `up<level>`, `dec<level>`, `head`."""

    def __init__(self) -> None:
        super().__init__()
        channels = PACKED_CHANNELS
        for level, width in enumerate(LEVEL_CHANNELS):
            stride = 1 if level == 0 else 2
            self.add_module(f"enc{level}", nn.Sequential(convolution(channels, width, stride), convolution(width, width)))
            channels = width
        for level in reversed(range(len(LEVEL_CHANNELS) - 1)):
            width = LEVEL_CHANNELS[level]
            self.add_module(f"up{level}", nn.ConvTranspose3d(channels, width, 2, 2))
            more = [convolution(width, width) for _ in range(DECODER_CONVOLUTIONS[level] - 1)]
            self.add_module(f"dec{level}", nn.Sequential(convolution(2 * width, width), *more))
            channels = width
        self.head = nn.Conv3d(channels, PACKED_CHANNELS, 1)
        nn.init.constant_(self.head.bias, LESION_PRIOR_LOGIT)

    def forward(self, volume: Tensor) -> Tensor:
        """Lesion logits of packed volumes."""
        skips, value = [], volume
        for level in range(len(LEVEL_CHANNELS)):
            value = self.get_submodule(f"enc{level}")(value)
            skips.append(value)
        for level in reversed(range(len(LEVEL_CHANNELS) - 1)):
            raised = torch.relu(self.get_submodule(f"up{level}")(value))
            value = self.get_submodule(f"dec{level}")(torch.cat([skips[level], raised], 1))
        return self.head(value)


def weighted(network: Network, name: str) -> nn.Module:
    """The convolution that the layer `name` of `shape.layers()` is."""
    return _parts(network, name)[0]


def normalisation(network: Network, name: str) -> nn.BatchNorm3d:
    """What follows the 3³ convolution `name`."""
    return _parts(network, name)[1]


def _parts(network: Network, name: str) -> list[nn.Module]:
    """What the layer `name` is made of: a convolution, and for a 3³ one its normalisation and ReLU."""
    part, _, index = name.partition(".conv")
    module = network.get_submodule(part)
    return list(module[int(index) - 1]) if index else [module]


def folded(network: Network) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weight and bias (float32) of each layer of `shape.layers()`, batch normalisation folded into the convolution."""
    result = {}
    for name, module in network.named_children():
        if isinstance(module, nn.Sequential):
            for index, block in enumerate(module, 1):
                result[f"{name}.conv{index}"] = _without_normalisation(block[0], block[1])
        else:
            result[name] = (_array(module.weight), _array(module.bias))
    return result


def _without_normalisation(convolved: nn.Conv3d, normalised: nn.BatchNorm3d) -> tuple[np.ndarray, np.ndarray]:
    """One convolution that does what a convolution and its normalisation do with running statistics."""
    gain = normalised.weight / torch.sqrt(normalised.running_var + normalised.eps)
    weight = convolved.weight * gain.reshape(-1, 1, 1, 1, 1)
    return _array(weight), _array(normalised.bias - normalised.running_mean * gain)


def _array(tensor: Tensor) -> np.ndarray:
    """A tensor's values as a contiguous float32 array."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), np.float32)

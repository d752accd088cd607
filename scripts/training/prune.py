"""Takes blocks of weights out of the convolutions while they are trained, so that the engine need not multiply by them.

A block is what one instruction of the engine reads: the weights of four input channels at one place of the kernel, to 16
or 32 output channels. Blocks go by importance, the squared sum of weight times gradient (Molchanov and others, "Importance
Estimation for Neural Network Pruning", CVPR 2019), more at first and fewer later (Zhu and Gupta, "To prune, or not to
prune", 2017): a network that loses them slowly moves their work to the others.
"""

import torch
from torch import Tensor, nn

from network import Network, weighted
from shape import BLOCK_INPUTS, Layer, layers

BEGIN, END = 0.05, 0.5
"""The part of all steps in which blocks are taken out; the rest of the training heals."""
ROUNDS = 40
FOLLOW = 0.95
"""Weight of the past in the average of importances."""


class Pruning:
    """Masks of the pruned layers. Call `observe` after each backward pass and `apply` after each step of the optimiser."""

    def __init__(self, network: Network, steps: int) -> None:
        self._steps = steps
        self._weights: list[tuple[Layer, nn.Parameter]] = [
            (layer, weighted(network, layer.name).weight) for layer in layers() if layer.density < 1
        ]
        self._importance = [torch.zeros(_blocks(layer, weight).shape[:4]) for layer, weight in self._weights]
        self._masks = [torch.ones_like(importance) for importance in self._importance]

    def observe(self) -> None:
        """Follows the importance of each block."""
        for (layer, weight), importance in zip(self._weights, self._importance, strict=True):
            change = _blocks(layer, weight.detach() * weight.grad).sum((4, 5)) ** 2
            importance.mul_(FOLLOW).add_(change, alpha=1 - FOLLOW)

    def apply(self, step: int) -> None:
        """Takes out what is due at `step`, and keeps out what was taken out before."""
        done = (step / self._steps - BEGIN) / (END - BEGIN)
        due = 0 <= done and step < self._steps and step % max(1, round((END - BEGIN) * self._steps / ROUNDS)) == 0
        with torch.no_grad():
            for index, (layer, weight) in enumerate(self._weights):
                if due:
                    share = layer.density + (1 - layer.density) * (1 - min(1, done)) ** 3
                    self._masks[index] = _largest(self._importance[index] * self._masks[index], share)
                _blocks(layer, weight).mul_(self._masks[index][..., None, None])

    def density(self) -> float:
        """The share of the blocks that is left in the pruned layers."""
        return float(sum(mask.sum() for mask in self._masks) / sum(mask.numel() for mask in self._masks))


def _blocks(layer: Layer, weight: Tensor) -> Tensor:
    """A view (output blocks, input blocks, z·y, x, outputs of a block, inputs of a block) of a 3³ convolution's weight."""
    outputs, inputs = weight.shape[:2]
    split = weight.view(outputs // layer.block_outputs, layer.block_outputs, inputs // BLOCK_INPUTS, BLOCK_INPUTS, 9, 3)
    return split.permute(0, 2, 4, 5, 1, 3)


def _largest(values: Tensor, share: float) -> Tensor:
    """One where a value is among the largest `share` of all, zero elsewhere."""
    kept = max(1, round(share * values.numel()))
    mask = torch.zeros(values.numel())
    mask[values.flatten().topk(kept).indices] = 1
    return mask.reshape(values.shape)

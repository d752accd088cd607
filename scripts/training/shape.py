"""The shape of the network: one list of layers that training, export and quantisation all read.

Axes are (z, y, x) everywhere. The network sees the volume packed space-to-depth 2×2×2, so level 0 works at half the
resolution of the 2.8 mm grid; each lower level halves it again. Names are stable: they name tensors in the ONNX files
and, later, in updates learned at other sites.
"""

from dataclasses import dataclass

PACKED_CHANNELS = 8
LEVEL_CHANNELS = (16, 32, 64, 96)
DECODER_CONVOLUTIONS = (2, 2, 1)
"""3³ convolutions after each concatenation, level 0 first. Level 2 has one: a second costs weights and pays nothing."""

LEVEL_DENSITY = (0.30, 0.35, 0.45, 1.0)
"""The share of blocks of weights that stays in a level's 3³ convolutions, level 0 first (`prune.py`). The engine skips the
others, so this is what a pass costs; the upper levels hold most of the work and the lower ones most of the knowledge."""

BLOCK_INPUTS = 4
BLOCK_OUTPUTS = 32
"""Channels of a block of weights, or as many as the layer has."""

INPUT = "volume"
OUTPUT = "logits"


@dataclass(frozen=True)
class Layer:
    """One weighted layer: `kind` is `conv` (3³ + ReLU), `up` (transposed 2³ stride 2 + ReLU) or `head` (1³, no ReLU).

    `sources` are the layers it reads; two of them are concatenated along the channels, in that order.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    channels_in: int
    channels_out: int
    stride: int = 1
    density: float = 1.0

    @property
    def block_outputs(self) -> int:
        """Output channels of a block of weights."""
        return min(self.channels_out, BLOCK_OUTPUTS)

    @property
    def output_axis(self) -> int:
        """Axis of the output channels in the weight: transposed convolutions store (in, out, 2, 2, 2)."""
        return 1 if self.kind == "up" else 0

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight as ONNX and torch store it."""
        kernel = {"conv": 3, "up": 2, "head": 1}[self.kind]
        channels = (self.channels_out, self.channels_in)
        return (channels[::-1] if self.kind == "up" else channels) + (kernel,) * 3


def layers() -> list[Layer]:
    """All layers in the order in which they run."""
    result = []
    source, channels = INPUT, PACKED_CHANNELS
    for level, width in enumerate(LEVEL_CHANNELS):
        for index in (1, 2):
            stride = 2 if index == 1 and level > 0 else 1
            result.append(Layer(f"enc{level}.conv{index}", "conv", (source,), channels, width, stride, LEVEL_DENSITY[level]))
            source, channels = result[-1].name, width
    for level in reversed(range(len(LEVEL_CHANNELS) - 1)):
        width = LEVEL_CHANNELS[level]
        result.append(Layer(f"up{level}", "up", (source,), channels, width, 2))
        sources, channels = (f"enc{level}.conv2", f"up{level}"), 2 * width
        for index in range(1, DECODER_CONVOLUTIONS[level] + 1):
            result.append(Layer(f"dec{level}.conv{index}", "conv", sources, channels, width, 1, LEVEL_DENSITY[level]))
            sources, channels = (result[-1].name,), width
        source = result[-1].name
    return [*result, Layer("head", "head", (source,), channels, PACKED_CHANNELS)]


def multiply_adds(voxels: int) -> int:
    """Multiply-adds of one pass over a volume of so many voxels on the 2.8 mm grid (before packing), less the skipped ones."""
    total, scale = 0.0, {INPUT: 1}
    for layer in layers():
        source = scale[layer.sources[0]]
        scale[layer.name] = source // 8 if layer.kind == "up" else source * layer.stride**3
        taps = 1 if layer.kind in ("up", "head") else 27
        total += voxels // 8 // scale[layer.name] * layer.channels_in * layer.channels_out * taps * layer.density
    return round(total)

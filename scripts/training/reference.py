"""Runs a packed raw input through ONNX Runtime: `reference.py ONNX INPUT.f32 Z Y X OUTPUT.f32`.

Both files are little-endian float32 of shape (1, 8, Z, Y, X), the sizes as packed (half of the volume's). For tests
that compare another engine with ONNX Runtime.
"""

import sys
from pathlib import Path

import numpy as np

from inference import session
from shape import INPUT, PACKED_CHANNELS


def main(model: str, source: str, z: str, y: str, x: str, output: str) -> None:
    """Reads the input, runs the model, writes the logits."""
    volume = np.fromfile(source, "<f4").reshape(1, PACKED_CHANNELS, int(z), int(y), int(x))
    (logits,) = session(Path(model)).run(None, {INPUT: volume.astype(np.float32)})
    logits.astype("<f4").tofile(output)


if __name__ == "__main__":
    main(*sys.argv[1:])

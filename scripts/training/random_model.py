"""Writes an int8 network of the exact shape with seeded random weights: `random_model.py SEED OUTPUT.onnx`.

For work on engines; it runs in ONNX Runtime at two sizes before it is written.
"""

import sys

import onnx
import onnxruntime
import numpy as np

from golden import golden_input
from quantise import quantised_model, random_weights, rounded_to_half
from shape import INPUT, multiply_adds


def main(seed: int, path: str) -> None:
    """Builds, checks and writes the model."""
    model = quantised_model(rounded_to_half(random_weights(seed)), [golden_input()])
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for shape in ((24, 32, 32), (32, 40, 48)):
        volume = np.random.default_rng(seed).random((1, 8, *shape), np.float32)
        (logits,) = session.run(None, {INPUT: volume})
        print(f"{shape}: logits {logits.shape}, mean {logits.mean():.4f}, deviation {logits.std():.4f}")
    onnx.save(model, path)
    print(f"{path}: {multiply_adds(1_100_000) / 1e9:.2f} GMAC for 1.1 M voxels")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

"""Runs a model file on a volume of the grid with ONNX Runtime, as the daemon does with its own engine."""

from pathlib import Path

import numpy as np
import onnxruntime

import grid
from shape import INPUT


def session(model: Path) -> onnxruntime.InferenceSession:
    """A CPU session of the model file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def lesion_logits(network: onnxruntime.InferenceSession, hu: np.ndarray) -> np.ndarray:
    """Logit per voxel (float32) of a lung box `hu` (z, y, x); padding is added for the run and cut off again."""
    (blocks,) = network.run(None, {INPUT: grid.packed(grid.windowed(grid.padded(hu)))})
    return grid.unpacked(blocks)[tuple(slice(0, size) for size in hu.shape)]


def lesion_mask(logits: np.ndarray, threshold: float, least_ml: float) -> np.ndarray:
    """Lesion voxels: probability at or above the threshold, small components dropped."""
    return grid.without_specks(logits >= np.log(threshold / (1 - threshold)), least_ml)


def dice(said: np.ndarray, true: np.ndarray) -> float:
    """Dice coefficient of two masks; 1 if both are empty."""
    total = np.count_nonzero(said) + np.count_nonzero(true)
    return 2 * np.count_nonzero(said & true) / total if total else 1.0

"""Trained weights to the files that ship: `export.py CASES.npz {0,1,2,3,final} WEIGHTS.pt`.

Ranges are calibrated on training cases only: a fold's held-out cases stay unseen by its int8 network too.
"""

import sys
from pathlib import Path

import onnx
import torch

import grid
import release
from data import FOLDS, loaded
from graph import float_model
from network import Network, folded
from quantise import quantised_model, rounded_to_half


def main(cases_path: str, run: str, weights_path: str) -> None:
    """Writes the int8 model, and for a fold the float model beside it."""
    network = Network()
    network.load_state_dict(torch.load(weights_path, map_location="cpu", weights_only=True))
    weights = rounded_to_half(folded(network.eval()))
    held_out = () if run == "final" else FOLDS[int(run)]
    cases = [case for case in loaded(Path(cases_path)) if case.name not in held_out]
    model = quantised_model(weights, (grid.packed(grid.windowed(grid.padded(case.hu))) for case in cases))
    if run == "final":
        _written(model, release.shipped())
    else:
        _written(model, release.fold(int(run)))
        _written(float_model(weights), release.fold_float(int(run)))


def _written(model: onnx.ModelProto, path: Path) -> None:
    """Checks a model and writes it."""
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])

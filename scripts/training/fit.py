"""Trains one network: `fit.py CASES.npz {0,1,2,3,final} STEPS WEIGHTS.pt [START]`.

Without START a network with all its weights is trained from nothing. With it, the weights of a network trained before
(`.pt`, or an ONNX file that ships), the training goes on and takes blocks of weights out (`prune.py`). A fold number holds that fold's cases out; `final` trains on all of them. Volumes with lung masks only serve as lungs
without lesions in every run. One thread: run two of these at once on a machine with two cores.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import grid
from augment import patch
from data import FOLDS, Case, loaded
from network import Network
from prune import Pruning
from shipped import resumed, weights_of

BATCH = 2
PEAK_RATE = 3e-3
PEAK_RATE_RESUMED = 1.5e-3
FINAL_RATE = 1e-5
WARM_UP_STEPS = 60
LUNG_ONLY_SHARE = 0.18
AVERAGE_DECAY = 0.995
REPORT_EVERY = 50
STATISTICS_BATCHES = 24


def fit(cases: list[Case], steps: int, seed: int, start: Path | None = None) -> Network:
    """Trains on the cases and returns the network with averaged weights, ready to run; see the module for `start`."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = started_from(start, cases, random).to(memory_format=torch.channels_last_3d)
    peak = PEAK_RATE if start is None else PEAK_RATE_RESUMED
    optimiser = torch.optim.AdamW(network.parameters(), peak, weight_decay=1e-2)
    pruning = None if start is None else Pruning(network, steps)
    average = {name: values.clone() for name, values in network.state_dict().items()}
    started, running = time.monotonic(), 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(peak, step, steps)
        volume, lesion = _batch(cases, random)
        # Half precision in the convolutions only; on processors with AVX-512 BF16 a step takes half the time.
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(volume)
        value = loss(logits.float(), lesion)
        optimiser.zero_grad()
        value.backward()
        if pruning:
            pruning.observe()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        if pruning:
            pruning.apply(step)
        _follow(average, network, min(AVERAGE_DECAY, (1 + step) / (10 + step)))
        running = value.item() if step == 0 else 0.95 * running + 0.05 * value.item()
        if step % REPORT_EVERY == 0:
            pace = (time.monotonic() - started) / (step + 1)
            kept = f", {pruning.density():.0%} of the blocks" if pruning else ""
            print(f"step {step} of {steps}: loss {running:.3f}, {pace:.2f} s a step{kept}", flush=True)
    network.load_state_dict(average)
    if pruning:
        # The average still remembers a little of what was taken out.
        pruning.apply(steps)
    return network.eval()


def started_from(start: Path | None, cases: list[Case], random: np.random.Generator) -> Network:
    """A new network, or the one whose weights `start` holds."""
    if start is None:
        return Network()
    if start.suffix == ".onnx":
        return resumed(weights_of(start), [_batch(cases, random)[0] for _ in range(STATISTICS_BATCHES)])
    network = Network()
    network.load_state_dict(torch.load(start, map_location="cpu", weights_only=True))
    return network


def learning_rate(peak: float, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to almost nothing."""
    return peak * min(1, (step + 1) / WARM_UP_STEPS) * (0.5 + 0.5 * np.cos(np.pi * step / steps)) + FINAL_RATE


def loss(logits: Tensor, lesion: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice, half over the batch (steady) and half per patch (small lesions count too)."""
    probability = torch.sigmoid(logits)
    whole, each = (0, 1, 2, 3, 4), (1, 2, 3, 4)
    dice = 0.5 * _dice_loss(probability, lesion, whole) + 0.5 * _dice_loss(probability, lesion, each)
    return functional.binary_cross_entropy_with_logits(logits, lesion) + dice


def _dice_loss(probability: Tensor, lesion: Tensor, axes: tuple[int, ...]) -> Tensor:
    """1 - soft Dice; the 20 voxels added above and below keep patches without lesions calm."""
    both = (probability * lesion).sum(axes)
    return (1 - (2 * both + 20) / (probability.sum(axes) + lesion.sum(axes) + 20)).mean()


def _batch(cases: list[Case], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Packed inputs and masks, each (BATCH, 8, z/2, y/2, x/2)."""
    diseased = [case for case in cases if case.has_lesion_mask]
    clear = [case for case in cases if not case.has_lesion_mask]
    drawn = []
    for _ in range(BATCH):
        pool = clear if clear and random.random() < LUNG_ONLY_SHARE else diseased
        drawn.append(patch(pool[random.integers(len(pool))], random))
    volume, lesion = (np.concatenate([grid.packed(array) for array in arrays]) for arrays in zip(*drawn, strict=True))
    return torch.from_numpy(volume).contiguous(memory_format=torch.channels_last_3d), torch.from_numpy(lesion)


def _follow(average: dict[str, Tensor], network: Network, decay: float) -> None:
    """Moves the averaged weights (and running statistics) a little towards the network's."""
    for name, values in network.state_dict().items():
        if values.dtype.is_floating_point:
            average[name].mul_(decay).add_(values, alpha=1 - decay)
        else:
            average[name].copy_(values)


def main(cases_path: str, run: str, steps: str, output: str, start: str | None = None) -> None:
    """Trains one fold or the final network and writes its weights."""
    torch.set_num_threads(1)
    held_out = () if run == "final" else FOLDS[int(run)]
    cases = [case for case in loaded(Path(cases_path)) if case.name not in held_out]
    network = fit(cases, int(steps), seed=100 if run == "final" else int(run), start=Path(start) if start else None)
    torch.save(network.state_dict(), output)


if __name__ == "__main__":
    main(*sys.argv[1:])

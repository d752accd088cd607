"""Chooses thresholds by cross-validation and writes the manifest beside the shipped network: `manifest.py DATA_FOLDER`.

Everything is chosen on held-out cases, each run through the int8 network of the fold that never saw it.
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import golden
import grid
import release
from data import NEARLY_EMPTY, Case, fold_of, lesion_cases, lung_cases
from inference import dice, lesion_logits, lesion_mask, session
from shape import INPUT

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6)
LEAST_COMPONENTS_ML = (0.0, 0.1, 0.3, 0.5, 1.0)
INDIFFERENT_DICE = 0.002
"""Differences below this are noise with 14 cases; among equals the larger component is dropped (fewer false alarms)."""

LARGE_BURDEN_PERCENT = 5.0
INTERVAL_SHARE = 0.9


@dataclass(frozen=True)
class Choice:
    """What the manifest says beyond the shape of the input."""

    threshold: float
    component_min_ml: float
    slope: float
    offset: float
    relative: float
    absolute: float


def chosen(cases: list[Case], logits: list[np.ndarray], clear: list[Case], clear_logits: list[np.ndarray]) -> Choice:
    """All choices from held-out logits of the cases and from those of volumes without lesions (`clear`)."""
    threshold, least_ml = best_cut(cases, logits)

    def burdens(volumes: list[Case], values: list[np.ndarray]) -> list[float]:
        """Burden said in each volume at the chosen cut."""
        masks = (lesion_mask(each, threshold, least_ml) for each in values)
        return [grid.burden_percent(mask, case.lung) for case, mask in zip(volumes, masks, strict=True)]

    said = burdens(cases, logits)
    true = [grid.burden_percent(case.lesion, case.lung) for case in cases]
    relative, absolute = interval(np.array(said), np.array(true))
    diseased = [burden for case, burden in zip(cases, said, strict=True) if case.name != NEARLY_EMPTY]
    slope, offset = score_curve(diseased, burdens(clear, clear_logits))
    return Choice(threshold, least_ml, slope, offset, relative, absolute)


def best_cut(cases: list[Case], logits: list[np.ndarray]) -> tuple[float, float]:
    """Threshold and least component with the best mean Dice, the nearly empty case apart."""
    pairs = [(case, values) for case, values in zip(cases, logits, strict=True) if case.name != NEARLY_EMPTY]
    means = {
        (threshold, least_ml): np.mean([dice(lesion_mask(values, threshold, least_ml), case.lesion) for case, values in pairs])
        for threshold in THRESHOLDS
        for least_ml in LEAST_COMPONENTS_ML
    }
    for (threshold, least_ml), mean in means.items():
        print(f"threshold {threshold}, components from {least_ml} ml: mean Dice {mean:.4f}")
    best = max(means.values())
    good = [cut for cut, mean in means.items() if mean >= best - INDIFFERENT_DICE]
    return max(good, key=lambda cut: (cut[1], means[cut]))


def interval(said: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Half-width of a 90 % interval: a share of large burdens, and points for small ones."""
    error = np.abs(said - true)
    large = said >= LARGE_BURDEN_PERCENT
    relative = np.quantile(error[large] / said[large], INTERVAL_SHARE, method="higher") if large.any() else 0.5
    absolute = np.quantile(error[~large], INTERVAL_SHARE, method="higher") if (~large).any() else LARGE_BURDEN_PERCENT
    return float(relative), float(absolute)


def score_curve(diseased: list[float], clear: list[float]) -> tuple[float, float]:
    """Slope and offset of a logistic curve on ln(1 + burden), with a ridge so that few, well-parted cases stay finite.

    It orders findings by burden; with so few cases it is no calibrated probability.
    """
    x = np.log1p(np.array(diseased + clear))
    y = np.r_[np.ones(len(diseased)), np.zeros(len(clear))]
    design = np.c_[x, np.ones_like(x)]
    ridge = np.diag([0.1, 0.01])
    parameters = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-design @ parameters))
        gradient = design.T @ (y - probability) - ridge @ parameters
        curvature = design.T @ (design * (probability * (1 - probability))[:, None]) + ridge
        parameters += np.linalg.solve(curvature, gradient)
    return float(parameters[0]), float(parameters[1])


def text(choice: Choice) -> str:
    """The manifest (TOML) for the shipped network as it lies on disk."""
    volume = golden.golden_input()
    (logits,) = session(release.shipped()).run(None, {INPUT: volume})
    z, y, x = (size // 2 for size in logits.shape[2:])
    return f'''schema = 1
name = "{release.NAME}"
version = "{release.VERSION}"
file = "{release.shipped().name}"
digest = "sha256:{hashlib.sha256(release.shipped().read_bytes()).hexdigest()}"
labels = ["lesion"]
licence = "weights: research and tests only (training masks CC BY-NC-SA 4.0)"
data = "COVID-19 CT Lung and Infection Segmentation Dataset 1.0 (Ma and others, 2020, doi 10.5281/zenodo.3757476): 14 of its 20 cases, 128 x 128 in the plane, approximate HU, spacing estimated; six volumes without lesion masks (imlab-uiip lung-segmentation-3d, Chest Imaging Platform, slicerio) as lungs taken to be free of lesions, with made-up lesions pasted in."
intended_use = "triage and detection aid for COVID-type pneumonia on non-contrast chest CT; research and tests only; not a diagnosis"
epoch = 0

[input]
spacing_mm = {grid.SPACING_MM}
window_hu = [{grid.WINDOW_HU[0]}, {grid.WINDOW_HU[1]}]
packing = "space-to-depth-2x2x2"
multiple = {grid.MULTIPLE}
margin_voxels = {grid.MARGIN_VOXELS}

[output]
threshold = {choice.threshold}            # lesion probability, chosen by cross-validation
component_min_ml = {choice.component_min_ml}     # smaller components are dropped, chosen by cross-validation

[priority]                 # burden in percent of lung OR lesion
urgent_percent = 1.0
critical_percent = 25.0

[score]                    # score = 1/(1+exp(-(slope*ln(1+burden_percent)+offset))); orders findings, no probability
slope = {choice.slope:.4f}
offset = {choice.offset:.4f}

[burden]                   # half-width of a 90 % interval = max(absolute, relative*burden), from held-out cases
interval_relative = {choice.relative:.3f}
interval_points_absolute = {choice.absolute:.3f}

# No digest of the logits: sums of floats differ in the last bits between engines. logits_centre: packed place (Z/4, Y/4, X/4).
[golden]                   # state = seed; per voxel (z, y, x): state = state*1664525 + 1013904223 mod 2^32, hu = -1024 + (state >> 16) % 1275
seed = {golden.SEED}
shape = {list(golden.SHAPE)}
input_digest = "{golden.digest(volume)}"
logits_mean = {float(logits.mean(dtype=np.float64)):.6f}
logits_centre = {json.dumps([round(float(value), 6) for value in logits[0, :, z, y, x]])}
'''


def main(folder: str) -> None:
    """Chooses, prints why, writes the manifest."""
    cases = lesion_cases(Path(folder))
    logits = [lesion_logits(session(release.fold(fold_of(case.name))), case.hu) for case in cases]
    network = session(release.shipped())
    clear = lung_cases(Path(folder))
    choice = chosen(cases, logits, clear, [lesion_logits(network, case.hu) for case in clear])
    release.manifest().write_text(text(choice), encoding="utf-8")
    print(f"{release.manifest().name}: {choice}")


if __name__ == "__main__":
    main(*sys.argv[1:])

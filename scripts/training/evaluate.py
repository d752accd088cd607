"""Measures the shipped networks and says whether they reach the bar: `evaluate.py DATA_FOLDER`.

Each case with a lesion mask is run through the networks of the fold that never saw it, in int8 and in float, with the
threshold and component size of the manifest. Exit status 1: a bar was missed.
"""

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import grid
import release
from data import NEARLY_EMPTY, Case, fold_of, lesion_cases, lung_cases
from inference import dice, lesion_logits, lesion_mask, session
from series import OUTSIDE_TEST, outside_case

LEAST_MEAN_DICE = 0.65
MOST_QUANTISATION_LOSS = 0.01
RESAMPLES = 10_000


@dataclass(frozen=True)
class Cut:
    """How logits become a mask: from the manifest."""

    threshold: float
    component_min_ml: float

    def mask(self, logits: np.ndarray) -> np.ndarray:
        """Lesion voxels."""
        return lesion_mask(logits, self.threshold, self.component_min_ml)


@dataclass(frozen=True)
class Result:
    """One held-out case. Burdens in percent of (lung OR lesion)."""

    name: str
    dice_int8: float
    dice_float: float
    burden_said: float
    burden_float: float
    burden_true: float


def held_out(case: Case, cut: Cut) -> Result:
    """Runs one case through the networks of its fold."""
    fold = fold_of(case.name)
    int8, full = (cut.mask(lesion_logits(session(path), case.hu)) for path in (release.fold(fold), release.fold_float(fold)))
    burden_said, burden_float, burden_true = (grid.burden_percent(mask, case.lung) for mask in (int8, full, case.lesion))
    return Result(case.name, dice(int8, case.lesion), dice(full, case.lesion), burden_said, burden_float, burden_true)


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean over resampled cases (seeded, so that it prints the same every time)."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (RESAMPLES, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def print_cases(results: list[Result]) -> None:
    """One row for each held-out case, as it stands in the model card."""
    print("| case | held-out fold | Dice int8 | Dice float | difference | burden said, % | burden true, % |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        loss = result.dice_int8 - result.dice_float
        print(
            f"| {result.name} | {fold_of(result.name)} | {result.dice_int8:.3f} | {result.dice_float:.3f} | {loss:+.4f}"
            f" | {result.burden_said:.2f} | {result.burden_true:.2f} |"
        )


def print_summary(results: list[Result]) -> tuple[float, float]:
    """Means, intervals and burden errors; returns mean Dice without the nearly empty case and the loss by int8."""
    counted = [result for result in results if result.name != NEARLY_EMPTY]
    scores = np.array([result.dice_int8 for result in counted])
    everything = np.array([[result.dice_int8, result.dice_float] for result in results])
    low, high = bootstrap_interval(scores)
    print(f"mean Dice, {NEARLY_EMPTY} apart: {scores.mean():.3f} (95 % bootstrap over cases {low:.3f} to {high:.3f})")
    print(f"mean Dice, all {len(results)}: {everything[:, 0].mean():.3f}")
    for source in ("coronacases", "radiopaedia"):
        of_source = [result.dice_int8 for result in counted if result.name.startswith(source)]
        print(f"mean Dice, {source} ({len(of_source)} held-out cases, other cases of the source were trained on): {np.mean(of_source):.3f}")
    loss = float(np.mean([result.dice_int8 - result.dice_float for result in counted]))
    worst = max(abs(result.dice_int8 - result.dice_float) for result in counted)
    print(f"int8 less float, {NEARLY_EMPTY} apart: mean Dice {loss:+.4f}, largest of one case {worst:.4f}")
    said, full, true = np.array([[r.burden_said, r.burden_float, r.burden_true] for r in results]).T
    print(f"burden: correlation {np.corrcoef(said, true)[0, 1]:.3f}, mean error {np.abs(said - true).mean():.2f} points")
    print(f"burden, int8 against float: mean difference {np.abs(said - full).mean():.2f}, largest {np.abs(said - full).max():.2f} points")
    return float(scores.mean()), loss


def print_final(folder: Path, cut: Cut) -> None:
    """Burden that the shipped network says where no lesion mask exists."""
    network = session(release.shipped())
    outside = [(outside_case(folder, name), "never trained on") for name in OUTSIDE_TEST]
    for case, note in [(case, "seen in training as free of lesions") for case in lung_cases(folder)] + outside:
        burden = grid.burden_percent(cut.mask(lesion_logits(network, case.hu)), case.lung)
        print(f"final network, {case.name} ({note}): burden {burden:.2f} %")


def main(folder: str) -> int:
    """Prints everything; the exit status says whether the bar was reached."""
    output = tomllib.loads(release.manifest().read_text(encoding="utf-8"))["output"]
    cut = Cut(output["threshold"], output["component_min_ml"])
    print(f"threshold {cut.threshold}, components from {cut.component_min_ml} ml, grid {grid.SPACING_MM} mm")
    results = [held_out(case, cut) for case in lesion_cases(Path(folder))]
    print_cases(results)
    mean, loss = print_summary(results)
    print_final(Path(folder), cut)
    missed = []
    if mean < LEAST_MEAN_DICE:
        missed.append(f"mean Dice {mean:.3f} is below {LEAST_MEAN_DICE}")
    if abs(loss) > MOST_QUANTISATION_LOSS:
        missed.append(f"int8 moves mean Dice by {loss:+.4f}, more than {MOST_QUANTISATION_LOSS}")
    print("bar missed: " + "; ".join(missed) if missed else "bar reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

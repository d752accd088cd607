"""The plot beside the page: how many times as long others take for the network."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as pyplot  # noqa: E402

from figures import Figures  # noqa: E402

OURS, OTHERS = "#1f6f8b", "#b8b8b8"


def draw(figures: Figures, file: Path) -> None:
    """One bar a setting, one panel for one thread and one for two."""
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "scanward", "font.size": 9, "font.family": "sans-serif"})
    nets = figures.network
    panels = [[each for each in nets.contestants if each.threads == threads] for threads in (1, 2)]
    heights = [len(panel) for panel in panels]
    picture, axes = pyplot.subplots(2, 1, figsize=(8, 0.32 * sum(heights) + 1.4), height_ratios=heights, layout="constrained")
    for axis, panel in zip(axes, panels, strict=True):
        ours = min(next(each for each in panel if each.runtime == "scanward").warm)
        rows = sorted(panel, key=lambda each: min(each.warm), reverse=True)
        ratios = [min(each.warm) / ours for each in rows]
        colours = [OURS if each.runtime == "scanward" else OTHERS for each in rows]
        bars = axis.barh([each.name for each in rows], ratios, color=colours)
        axis.bar_label(bars, [f"{min(each.warm):.1f} ms, {ratio:.1f} ×" for each, ratio in zip(rows, ratios, strict=True)], padding=3)
        axis.set_title(f"{panel[0].threads} thread{'s' if panel[0].threads > 1 else ''}: times of the fastest run to ours", loc="left")
        axis.set_xlim(0, 1.25 * max(ratios))
        axis.spines[["top", "right"]].set_visible(False)
    picture.savefig(file, metadata={"Date": None})
    pyplot.close(picture)

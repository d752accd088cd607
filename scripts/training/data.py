"""Cases, folds and their preparation: from the shared volumes to lung boxes on the 2.8 mm grid.

Sources, spacings and their uncertainty are told in the data folder's own README files. The data never enters this
repository: the lesion masks are CC BY-NC-SA 4.0, the lung volumes under several licences.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import grid

SLICE_STEP_MM = {
    "coronacases-001": 1.2,
    "coronacases-002": 1.5,
    "coronacases-004": 1.0,
    "coronacases-005": 1.0,
    "coronacases-006": 1.5,
    "coronacases-007": 1.2,
    "coronacases-009": 1.2,
    "coronacases-010": 1.2,
    "radiopaedia-011": 8.1,
    "radiopaedia-013": 8.3,
    "radiopaedia-016": 4.9,
    "radiopaedia-017": 8.9,
    "radiopaedia-018": 6.9,
    "radiopaedia-020": 3.5,
}
"""Estimated from the height of the lungs (the true steps are lost); in the plane 2.8 mm is taken for all."""

FOLDS = (
    ("coronacases-001", "coronacases-005", "radiopaedia-011"),
    ("coronacases-002", "coronacases-007", "radiopaedia-013", "radiopaedia-016"),
    ("coronacases-004", "coronacases-010", "radiopaedia-017", "radiopaedia-018"),
    ("coronacases-006", "coronacases-009", "radiopaedia-020"),
)
"""Cases held out together: both sources in each fold, and 017 with 018 because they are one patient."""

NEARLY_EMPTY = "radiopaedia-017"
"""Seven lesion voxels, three of them outside the lungs: its Dice says nothing, so means are also given without it."""


@dataclass(frozen=True)
class Case:
    """The lung box of one volume: `hu` int16, `lesion` and `lung` bool, all (z, y, x) at 2.8 mm."""

    name: str
    hu: np.ndarray
    lesion: np.ndarray
    lung: np.ndarray

    @property
    def has_lesion_mask(self) -> bool:
        """False for lung-only volumes, which serve as volumes without lesions."""
        return self.name in SLICE_STEP_MM


def prepared(name: str, hu: np.ndarray, lesion: np.ndarray, spacing_mm: tuple[float, float, float]) -> Case:
    """Resamples a volume and cuts its lung box. Lesion voxels outside of the box are lost, as they are in use."""
    hu = grid.resampled(hu, spacing_mm)
    lung = grid.lungs(hu)
    box = grid.lung_box(lung)
    inside = np.rint(hu[box]).astype(np.int16)
    return Case(name, inside, grid.resampled(lesion, spacing_mm)[box] > 0.5, lung[box])


def lesion_cases(folder: Path) -> list[Case]:
    """The 14 cases with lesion masks, in the order of their names."""
    cases = []
    for name, step in SLICE_STEP_MM.items():
        with np.load(folder / "lesion" / "train" / f"{name}.npz") as arrays:
            cases.append(prepared(name, arrays["hu"], arrays["infection"], (step, grid.SPACING_MM, grid.SPACING_MM)))
    return cases


def lung_cases(folder: Path) -> list[Case]:
    """The volumes with lung masks only: no COVID is known in them, so their lesion masks are empty."""
    cases = []
    for path in sorted((folder / "lung").glob("*.npz")):
        with np.load(path) as arrays:
            spacing = tuple(float(value) for value in arrays["spacing_mm"])
            cases.append(prepared(path.stem, arrays["hu"], np.zeros(arrays["hu"].shape, np.uint8), spacing))
    return cases


def fold_of(name: str) -> int:
    """The fold that holds a case out."""
    return next(index for index, names in enumerate(FOLDS) if name in names)


def saved(cases: list[Case], path: Path) -> None:
    """Writes prepared cases to one file, so that each training starts in a second."""
    arrays = {f"{case.name}/{part}": getattr(case, part) for case in cases for part in ("hu", "lesion", "lung")}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(path)


def loaded(path: Path) -> list[Case]:
    """Reads what `saved` wrote."""
    with np.load(path) as arrays:
        names = [key.removesuffix("/hu") for key in arrays.files if key.endswith("/hu")]
        return [Case(name, *(arrays[f"{name}/{part}"] for part in ("hu", "lesion", "lung"))) for name in names]

"""Prepares every volume that training uses: `prepare.py DATA_FOLDER CASES.npz`."""

import sys
from pathlib import Path

import grid
from data import lesion_cases, lung_cases, saved


def main(folder: str, output: str) -> None:
    """Prints what each case holds, so that a wrong spacing or a lost lung is seen before hours of training."""
    cases = lesion_cases(Path(folder)) + lung_cases(Path(folder))
    for case in cases:
        size = " x ".join(map(str, case.hu.shape))
        litres = case.lung.sum() * grid.VOXEL_ML / 1000
        burden = grid.burden_percent(case.lesion, case.lung)
        print(f"{case.name}: box {size}, aerated lung {litres:.2f} l, lesion {burden:.2f} % of lung")
    saved(cases, Path(output))


if __name__ == "__main__":
    main(*sys.argv[1:])

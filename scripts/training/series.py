"""The two DICOM series that no training ever sees: read for the outside test."""

from pathlib import Path

import numpy as np
import pydicom

from data import Case, prepared

OUTSIDE_TEST = ("normal001", "P002")


def outside_case(folder: Path, name: str) -> Case:
    """One series of `folder`/dicom on the grid, without a lesion mask. Axial, head first, supine, as both are.

    Slices are sorted by position: their file names are not in anatomical order.
    """
    slices = sorted(
        (pydicom.dcmread(path) for path in (folder / "dicom" / name).rglob("*.dcm")),
        key=lambda item: float(item.ImagePositionPatient[2]),
    )
    if not slices:
        raise FileNotFoundError(f"no DICOM files of {name} in {folder / 'dicom' / name}")
    positions = np.array([float(item.ImagePositionPatient[2]) for item in slices])
    hu = np.stack([item.pixel_array * np.float32(item.RescaleSlope) + np.float32(item.RescaleIntercept) for item in slices])
    rows, columns = (float(value) for value in slices[0].PixelSpacing)
    spacing_mm = (float(np.median(np.diff(positions))), rows, columns)
    return prepared(name, hu, np.zeros(hu.shape, np.uint8), spacing_mm)

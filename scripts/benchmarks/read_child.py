"""How long others need only to read a series: `read_child.py pydicom|simpleitk FOLDER`. Prints JSON; import is not timed."""

import json
import sys
import time
from pathlib import Path

import numpy as np


def with_pydicom(folder: str) -> np.ndarray:
    """HU of every slice, in anatomical order."""
    slices = [pydicom.dcmread(file) for file in Path(folder).glob("*.dcm")]
    slices.sort(key=lambda item: float(item.ImagePositionPatient[2]))
    return np.stack([item.pixel_array * np.float32(item.RescaleSlope) + np.float32(item.RescaleIntercept) for item in slices])


def with_simpleitk(folder: str) -> "SimpleITK.Image":
    """The same by GDCM's series reader."""
    reader = SimpleITK.ImageSeriesReader()
    (series,) = reader.GetGDCMSeriesIDs(folder)
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder, series))
    return reader.Execute()


def main(library: str, folder: str) -> None:
    """Reads once. What is done with the pixels afterwards is not timed."""
    began = time.perf_counter()
    volume = {"pydicom": with_pydicom, "simpleitk": with_simpleitk}[library](folder)
    took = 1000 * (time.perf_counter() - began)
    if library == "simpleitk":
        volume = SimpleITK.GetArrayFromImage(volume)
    print(json.dumps({"ms": took, "shape": volume.shape, "mean_hu": float(np.mean(volume[::16]))}))


if __name__ == "__main__":
    if sys.argv[1] == "pydicom":
        import pydicom
    else:
        import SimpleITK
    main(*sys.argv[1:])

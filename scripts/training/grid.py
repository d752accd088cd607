"""The grid that the network sees: resampling, window, box of the lungs, packing. numpy and scipy only.

Axes are (z, y, x): z from feet to head, y from front to back, x from the patient's right to the left.
"""

import numpy as np
from scipy import ndimage

SPACING_MM = 2.8
WINDOW_HU = (-1024, 250)
MULTIPLE = 16
MARGIN_VOXELS = 3
AIR_HU = -1024
VOXEL_ML = SPACING_MM**3 / 1000

SAME_SPACING = 0.02
"""Axes within 2 % of the grid's spacing are left as they are: resampling would only blur them."""


def resampled(volume: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """`volume` on the isotropic grid, float32: a Gaussian before reducing (no aliasing), linear in between."""
    result = volume.astype(np.float32)
    for axis, spacing in enumerate(spacing_mm):
        factor = spacing / SPACING_MM
        if abs(factor - 1) < SAME_SPACING:
            continue
        if factor < 1:
            result = ndimage.gaussian_filter1d(result, 0.42 / factor, axis=axis, mode="nearest")
        result = _linear(result, axis, max(1, round(result.shape[axis] * factor)), factor)
    return result


def _linear(volume: np.ndarray, axis: int, count: int, factor: float) -> np.ndarray:
    """`count` samples along one axis at voxel centres spaced 1/factor source voxels apart; edges are held."""
    last = volume.shape[axis] - 1
    position = np.clip((np.arange(count) + 0.5) / factor - 0.5, 0, last)
    low = np.floor(position).astype(int)
    weight = (position - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.take(volume, low, axis) * (1 - weight) + np.take(volume, np.minimum(low + 1, last), axis) * weight


def lungs(hu: np.ndarray) -> np.ndarray:
    """Aerated lung (bool) of a chest on the grid: air inside the body, its large components, closed.

    Air that reaches the sides of the picture lies outside the body. Dense lesions may be missing here: this mask gives
    the box and the denominator of the burden, it never hides a lesion.
    """
    labels, _ = ndimage.label(hu < -500)
    sides = np.concatenate([labels[:, face].ravel() for face in (0, -1)] + [labels[:, :, face].ravel() for face in (0, -1)])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    sizes[np.unique(sides)] = 0
    if sizes.max() == 0:
        return np.zeros(hu.shape, bool)
    # A twelfth of the larger lung keeps a small second lung and drops gas in stomach and bowel.
    kept = (sizes >= max(sizes.max() / 12, 1500))[labels]
    margin = 4
    return ndimage.binary_closing(np.pad(kept, margin), iterations=3)[(slice(margin, -margin),) * 3]


def lung_box(lung: np.ndarray) -> tuple[slice, slice, slice]:
    """Bounds of the lungs with the margin on each side, within the volume; all of it if there is no lung."""
    if not lung.any():
        return tuple(slice(0, size) for size in lung.shape)
    bounds = []
    for axis, size in enumerate(lung.shape):
        hit = np.flatnonzero(lung.any(tuple(other for other in range(3) if other != axis)))
        bounds.append(slice(max(0, int(hit[0]) - MARGIN_VOXELS), min(size, int(hit[-1]) + 1 + MARGIN_VOXELS)))
    return tuple(bounds)


def padded(hu: np.ndarray) -> np.ndarray:
    """`hu` with air added at each axis' end until every size is a multiple of 16."""
    return np.pad(hu, [(0, -size % MULTIPLE) for size in hu.shape], constant_values=AIR_HU)


def windowed(hu: np.ndarray) -> np.ndarray:
    """HU to 0..1 (float32); air is exactly 0, so padding is plain zeros."""
    low, high = (np.float32(bound) for bound in WINDOW_HU)
    return np.clip((hu.astype(np.float32) - low) / (high - low), 0, 1)


def packed(volume: np.ndarray) -> np.ndarray:
    """(z, y, x) to (1, 8, z/2, y/2, x/2), channel = 4·dz + 2·dy + dx. Sizes must be even."""
    z, y, x = (size // 2 for size in volume.shape)
    blocks = volume.reshape(z, 2, y, 2, x, 2).transpose(1, 3, 5, 0, 2, 4)
    return np.ascontiguousarray(blocks.reshape(1, 8, z, y, x))


def unpacked(blocks: np.ndarray) -> np.ndarray:
    """The inverse of `packed`."""
    _, _, z, y, x = blocks.shape
    return blocks.reshape(2, 2, 2, z, y, x).transpose(3, 0, 4, 1, 5, 2).reshape(2 * z, 2 * y, 2 * x)


def without_specks(mask: np.ndarray, least_ml: float) -> np.ndarray:
    """`mask` less its components (26 neighbours) smaller than `least_ml`."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count == 0:
        return mask
    large = np.bincount(labels.ravel()) * VOXEL_ML >= least_ml
    large[0] = False
    return large[labels]


def burden_percent(lesion: np.ndarray, lung: np.ndarray) -> float:
    """Lesion voxels in percent of (lung OR lesion) voxels; 0 if there is neither."""
    whole = np.count_nonzero(lesion | lung)
    return 100 * np.count_nonzero(lesion) / whole if whole else 0.0

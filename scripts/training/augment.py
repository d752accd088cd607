"""Patches for training: cutting, pasting made-up lesions, and everything that another scanner might do to a chest.

Arrays are (z, y, x) on the 2.8 mm grid, HU as float32. Each function takes the generator it draws from and returns new
arrays; the cases themselves are never changed.
"""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

import grid
from data import Case

Random = np.random.Generator

PATCH = (64, 80, 80)
NEAR_LESION = 0.6
JITTER_VOXELS = 12


def patch(case: Case, random: Random) -> tuple[np.ndarray, np.ndarray]:
    """One training patch of a case: network input (windowed, not yet packed) and lesion mask, both float32."""
    hu, lesion, lung = _cut(case, random)
    if random.random() < (0.2 if case.lesion.any() else 0.6):
        hu, lesion = with_pasted_lesions(hu, lesion, lung, random)
    if random.random() < 0.5:
        hu, lesion = hu[:, :, ::-1], lesion[:, :, ::-1]
    if random.random() < 0.2:
        hu, lesion = turned(hu, lesion, random)
    if random.random() < 0.25:
        hu = with_thick_slices(hu, random)
    return grid.windowed(_through_another_scanner(hu, random)), lesion.astype(np.float32)


def _cut(case: Case, random: Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A patch of HU, lesion and lung: near a lesion voxel in most draws, else anywhere. Missing parts are air."""
    if case.lesion.any() and random.random() < NEAR_LESION:
        voxels = np.argwhere(case.lesion)
        centre = voxels[random.integers(len(voxels))] + random.integers(-JITTER_VOXELS, JITTER_VOXELS + 1, 3)
    else:
        centre = random.integers(0, case.hu.shape)
    window, missing = [], []
    for size, wanted, middle in zip(case.hu.shape, PATCH, centre, strict=True):
        start = int(np.clip(middle - wanted // 2, 0, max(0, size - wanted)))
        stop = min(size, start + wanted)
        lacking = wanted - (stop - start)
        window.append(slice(start, stop))
        missing.append((lacking // 2, lacking - lacking // 2))
    window = tuple(window)
    hu = np.pad(case.hu[window].astype(np.float32), missing, constant_values=grid.AIR_HU)
    return hu, np.pad(case.lesion[window], missing), np.pad(case.lung[window], missing)


def with_pasted_lesions(hu: np.ndarray, lesion: np.ndarray, lung: np.ndarray, random: Random):
    """HU and mask with one to four soft-edged, textured blobs inside the lung, their mask exact.

    Seven in ten are ground glass (-720 to -350 HU, vessels stay visible through them), the rest consolidation
    (-150 to 40 HU). They teach the network shapes and places that 14 cases do not show.
    """
    inside = np.argwhere(lung)
    if len(inside) == 0:
        return hu, lesion
    axes = np.ogrid[tuple(slice(0, size) for size in hu.shape)]
    ragged = 0.25 * _smooth_noise(hu.shape, 6, random)
    texture = _smooth_noise(hu.shape, 3, random)
    for _ in range(random.integers(1, 5)):
        centre = inside[random.integers(len(inside))]
        radii = random.uniform(2.5, 11, 3)
        distance = ragged + np.sqrt(sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)))
        opacity = np.clip((1.1 - distance) / 0.25, 0, 1) * lung
        level = random.uniform(-720, -350) if random.random() < 0.7 else random.uniform(-150, 40)
        filled = np.maximum(hu, level + texture * random.uniform(15, 60))
        hu = hu * (1 - opacity) + filled * opacity
        lesion = lesion | (opacity > 0.5)
    return hu.astype(np.float32), lesion


def _smooth_noise(shape: tuple[int, ...], cell: int, random: Random) -> np.ndarray:
    """Noise of unit variance whose grains are about `cell` voxels wide."""
    coarse = random.standard_normal([size // cell + 2 for size in shape]).astype(np.float32)
    fine = functional.interpolate(torch.from_numpy(coarse)[None, None], shape, mode="trilinear")[0, 0].numpy()
    return fine / fine.std()


def turned(hu: np.ndarray, lesion: np.ndarray, random: Random) -> tuple[np.ndarray, np.ndarray]:
    """Turned by up to 12° about the long axis of the body and stretched by up to 15 % along each axis."""
    angle = random.uniform(-np.pi / 15, np.pi / 15)
    cosine, sine = np.cos(angle), np.sin(angle)
    stretch = random.uniform(0.85, 1.15, 3)
    # torch orders coordinates x, y, z.
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) / stretch[:, None]
    affine = torch.from_numpy(np.c_[matrix, np.zeros(3)].astype(np.float32))[None]
    where = functional.affine_grid(affine, (1, 1, *hu.shape), align_corners=False)

    def sampled(values: np.ndarray) -> np.ndarray:
        """Values at the turned positions; zero outside."""
        source = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
        return functional.grid_sample(source, where, align_corners=False)[0, 0].numpy()

    return sampled(hu - grid.AIR_HU) + grid.AIR_HU, sampled(lesion) > 0.5


def with_thick_slices(hu: np.ndarray, random: Random) -> np.ndarray:
    """As if scanned with slices two to four voxels thick and brought back to the grid linearly."""
    thickness = int(random.integers(2, 5))
    offset = int(random.integers(thickness))
    averaged = ndimage.uniform_filter1d(hu, thickness, axis=0, mode="nearest")
    last = hu.shape[0] - 1
    centres = np.clip(np.arange(-offset, hu.shape[0] + thickness, thickness) + thickness // 2, 0, last)
    position = np.clip((np.arange(hu.shape[0]) + offset - thickness // 2) / thickness, 0, len(centres) - 1)
    low = np.floor(position).astype(int)
    weight = (position - low).astype(np.float32)[:, None, None]
    return averaged[centres[low]] * (1 - weight) + averaged[centres[np.minimum(low + 1, len(centres) - 1)]] * weight


def _through_another_scanner(hu: np.ndarray, random: Random) -> np.ndarray:
    """Kernel, calibration, tone and noise: HU as another device could have given them."""
    hu = np.ascontiguousarray(hu, np.float32)
    kernel = random.random()
    if kernel < 0.2:
        hu = ndimage.gaussian_filter(hu, random.uniform(0.3, 0.8))
    elif kernel < 0.35:
        hu = hu + random.uniform(0.3, 1) * (hu - ndimage.gaussian_filter(hu, 1.0))
    if random.random() < 0.7:
        hu = (hu + 1000) * random.uniform(0.93, 1.07) - 1000
    if random.random() < 0.4:
        hu = hu + random.uniform(-60, 60)
    if random.random() < 0.2:
        low, high = grid.WINDOW_HU
        hu = grid.windowed(hu) ** random.uniform(0.85, 1.18) * (high - low) + low
    if random.random() < 0.4:
        hu = hu + random.standard_normal(hu.shape, np.float32) * random.uniform(5, 40)
    return hu

"""The golden volume: noise that every language can make from one number, to check an engine without patient data."""

import hashlib

import numpy as np

import grid

SEED = 7
SHAPE = (48, 64, 64)


def golden_hu(seed: int = SEED, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """HU (int16; z, y, x order) from a linear congruential generator on 32 bits.

    state ← state·1664525 + 1013904223 (mod 2³²), starting at the seed; hu = -1024 + (state >> 16) mod 1275.
    """
    state, values = seed, np.empty(int(np.prod(shape)), np.int16)
    for index in range(values.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values[index] = -1024 + (state >> 16) % 1275
    return values.reshape(shape)


def golden_input() -> np.ndarray:
    """The packed float32 input of the golden volume, (1, 8, 24, 32, 32)."""
    return grid.packed(grid.windowed(golden_hu()))


def digest(values: np.ndarray) -> str:
    """`sha256:` digest of the values as little-endian float32 in C order."""
    return "sha256:" + hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()

"""All surfaces and decals in one picture, so that one `cv2.remap` textures a whole view.

Each has a row, with its smaller copies (mip levels, Williams 1983) side by side. A copy S texels wide
has a margin of S/16 on all sides, so with PITCH = 1.125 it begins at

    x = 2 PITCH (SIZE - S),    y = PITCH S row,

margin included: both linear in S. Texels hold 255 times the square root of the linear albedo, which
is close to sRGB and decoded by one product.
"""

import functools
import zlib
from typing import NamedTuple

import cv2
import numpy as np

from posekit.scene.decals import DECALS
from posekit.scene.skies import SKIES
from posekit.scene.surfaces import SIZE, SURFACES

COARSEST = 16
"""Texels of a side at the coarsest level."""

PITCH = 1.125
"""From one tile to the next, in tiles."""


class Atlas(NamedTuple):
    """The picture, (rows, columns, 3) uint8; the row of each name; mean linear albedos, (rows, 3)."""

    texels: np.ndarray
    rows: dict[str, int]
    means: np.ndarray


@functools.cache
def atlas() -> Atlas:
    """All surfaces and decals, painted once, the same bytes every time."""
    painters = {**SURFACES, **SKIES, **DECALS}
    texels = np.zeros((int(SIZE * PITCH) * len(painters), int(2 * SIZE * PITCH), 3), np.uint8)
    means = np.empty((len(painters), 3), np.float32)
    for row, (name, paint) in enumerate(painters.items()):
        # Seeded by its name: a new surface leaves the others as they were.
        shown = paint(np.random.default_rng(zlib.crc32(name.encode())))
        linear = np.square(np.clip(shown, 0, 1, dtype=np.float32)) * np.clip(shown, 0, 1) ** 0.2
        linear = linear.astype(np.float32)
        means[row] = linear.mean((0, 1))
        across = cv2.BORDER_REPLICATE if name in DECALS else cv2.BORDER_WRAP
        down = cv2.BORDER_WRAP if name in SURFACES else cv2.BORDER_REPLICATE
        side, left = SIZE, 0
        while side >= COARSEST:
            margin, top = side // 16, int(row * side * PITCH)
            padded = cv2.copyMakeBorder(linear, 0, 0, margin, margin, across)
            padded = cv2.copyMakeBorder(padded, margin, margin, 0, 0, down)
            part = texels[top : top + padded.shape[0], left : left + padded.shape[1]]
            part[:] = np.sqrt(padded) * 255 + 0.5
            left += padded.shape[1]
            side //= 2
            if side >= COARSEST:
                linear = cv2.resize(linear, (side, side), interpolation=cv2.INTER_AREA)
    texels.setflags(write=False)
    return Atlas(texels, {name: row for row, name in enumerate(painters)}, means)

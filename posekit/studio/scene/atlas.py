"""All textures in one image, so that one `cv2.remap` textures a whole view; skies and facades.

A texture has a row, with its smaller copies (mip levels, Williams 1983) side by side. A copy S texels
wide has a margin of S/16 on all sides, so with PITCH = 1.125 it begins at

    x = 2 PITCH (SIZE - S),    y = PITCH S row,

margin included: both linear in S. Texels hold 255 times the square root of the linear albedo, which
is close to sRGB and decoded by one product.

A sky runs from high up (top) to the horizon (bottom), a facade is one storey, two windows wide; both
repeat sideways.
"""

import zlib
from functools import cache, partial
from typing import NamedTuple

import cv2
import numpy as np

from posekit.studio.scene.decals import DECALS, box
from posekit.studio.scene.light import rgb
from posekit.studio.scene.surfaces import SIZE, SURFACES, Painter, clouds, noise


def facade(rng, base="c4b8a4", glass="5c6874", frame="e6e2da", wide=0.5, tall=0.6, plinth=False):
    """One storey of a house, two windows wide."""
    picture = (rgb(base) * (1 + 0.06 * clouds(rng, 8, 5))).astype(np.float32)
    for k in range(2):
        left = 0.25 + 0.5 * k - wide / 4
        right, top, bottom = left + wide / 2, 0.5 - tall / 2, 0.5 + tall / 2
        box(picture, left - 0.02, top - 0.03, right + 0.02, bottom + 0.03, frame)
        tone = rgb(glass) * rng.uniform(0.5, 1.3)
        box(picture, left, top, right, bottom, tone)
        box(picture, left, top, right, top + 0.3 * tall * rng.random(), tone * 1.5 + 0.1)
        middle = (left + right) / 2
        box(picture, middle - 0.008, top, middle + 0.008, bottom, frame)
        box(picture, left - 0.03, bottom + 0.02, right + 0.03, bottom + 0.05, "8a867e")
    if plinth:
        box(picture, 0, 0.97, 1, 1, "9a948a")
    return picture


def sky(top: str, low: str, cover: float, cloud: str, line: str, rng) -> np.ndarray:
    """A quarter of the horizon: gradient, clouds, and a skyline of trees, hills, a town or the sea."""
    rows = np.linspace(0, 1, SIZE)[:, None, None]
    picture = (1 - rows) ** 1.5 * rgb(top) + (1 - (1 - rows) ** 1.5) * rgb(low)
    wide = noise(rng, 4, 8) * 0.5 + noise(rng, 8, 16) * 0.3 + noise(rng, 16, 64) * 0.2
    wide += 0.15 * (noise(rng, 32, 128) - 0.5)
    mix = np.clip((wide[..., None] - (0.75 - 0.5 * cover)) * 4, 0, 1) * (0.4 + 0.6 * (1 - rows))
    shade = 1 - 0.12 * np.roll(mix, -6, 0)
    picture = (1 - mix) * picture + mix * rgb(cloud) * shade
    if line == "trees":
        edge = 0.93 - 0.10 * noise(rng, 8, 1) - 0.03 * noise(rng, 64, 1)
        edge = edge - 0.015 * noise(rng, 128, 1)
        tone = (0.75 * rgb("4e6044") + 0.25 * rgb(low)) * (1 + 0.3 * clouds(rng, 32, 3))
    elif line == "hills":
        edge = 0.93 - 0.14 * noise(rng, 2, 1) - 0.02 * noise(rng, 8, 1)
        tone = 0.5 * rgb("5a6c5c") + 0.5 * rgb(low) + 0.0 * picture
    elif line == "town":
        steps = np.repeat(rng.random(32), SIZE // 32)[None]
        edge = 0.92 - 0.17 * steps * (noise(rng, 4, 1)[:1] + 0.2)
        tone = (0.5 * rgb("7c7a7a") + 0.5 * rgb(low)) * (1 + 0.03 * clouds(rng, 64, 2))
    else:
        edge, tone = np.full((1, SIZE), 0.985), rgb("5e7e96") + 0.0 * picture
    return np.where((rows[..., 0] > edge)[..., None], tone, picture)


SKIES: dict[str, Painter] = {
    "clear_trees": partial(sky, "4f7fbe", "c6d8e8", 0.35, "f6f6f4", "trees"),
    "clear_hills": partial(sky, "4f7fbe", "c6d8e8", 0.25, "f6f6f4", "hills"),
    "clear_town": partial(sky, "4f7fbe", "c6d8e8", 0.45, "f6f6f4", "town"),
    "clear_sea": partial(sky, "4f7fbe", "c6d8e8", 0.4, "f6f6f4", "sea"),
    "grey_trees": partial(sky, "aab2ba", "d4d8da", 0.9, "c8ccd0", "trees"),
    "grey_town": partial(sky, "a4acb4", "d2d4d6", 0.9, "bcc0c6", "town"),
    "evening_hills": partial(sky, "6c84ac", "f0cfa4", 0.5, "e8c8b0", "hills"),
    "evening_sea": partial(sky, "7c90b4", "f2d4b0", 0.4, "e4c4b4", "sea"),
    "pale_trees": partial(sky, "9cbcdc", "e4eaee", 0.6, "f6f6f4", "trees"),
    "facade_stone": facade,
    "facade_brick": partial(facade, base="94604c", wide=0.42, tall=0.5),
    "facade_render": partial(facade, base="d8d0bc", wide=0.4, tall=0.55, plinth=True),
    "facade_office": partial(facade, base="9a9ea2", wide=0.86, tall=0.66, frame="6c7074"),
}


COARSEST = 16  # texels of a side at the coarsest level
PITCH = 1.125  # from one tile to the next, in tiles


class Atlas(NamedTuple):
    """The image (H, W, 3) uint8, the rows of the names, and mean linear albedos (rows, 3)."""

    texels: np.ndarray
    rows: dict[str, int]
    means: np.ndarray


@cache
def atlas() -> Atlas:
    """All textures, painted once, the same bytes every time."""
    painters = {**SURFACES, **SKIES, **DECALS}
    texels = np.zeros((int(SIZE * PITCH) * len(painters), int(2 * SIZE * PITCH), 3), np.uint8)
    means = np.empty((len(painters), 3), np.float32)
    for row, (name, paint) in enumerate(painters.items()):
        # Seeded by its name: a new surface leaves the others as they were.
        display = paint(np.random.default_rng(zlib.crc32(name.encode())))
        linear = np.square(np.clip(display, 0, 1, dtype=np.float32)) * np.clip(display, 0, 1) ** 0.2
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

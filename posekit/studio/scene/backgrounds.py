"""The user's own pictures as backgrounds, in place of generated surroundings.

H x W pixels of the view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from posekit.data.pictures import dice
from posekit.geometry.crop import read_image
from posekit.studio.scene.light import SRGB_TO_LINEAR
from posekit.studio.scene.scenery import Backdrop

ENDINGS = (".jpg", ".jpeg", ".png")
KEPT_SIDE = 1024  # pixels of the longer side at which pictures are kept
KEPT = 64  # pictures held in memory at once, 3 MB each at most


def pictures_in(folder: Path | str) -> tuple[Path, ...]:
    """The .jpg and .png pictures directly in a folder, in the order of their names.

    Other files are passed over, and so are links that lead out of the folder. FileNotFoundError for
    a folder that is not there, ValueError for one without pictures.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"backgrounds: there is no folder {folder}; make it, with pictures")
    home = folder.resolve()
    paths = tuple(
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in ENDINGS and path.is_file() and path.resolve().is_relative_to(home)
    )
    if not paths:
        raise ValueError(f"backgrounds: {folder} has no {', '.join(ENDINGS)} pictures; add some")
    return paths


def background(
    paths: Sequence[Path], rng: np.random.Generator, height: int, width: int
) -> Backdrop:
    """A random part of a random picture, mirrored half of the time, infinitely far away.

    ValueError for a picture that can't be read; FileNotFoundError for one that is gone.
    """
    picture = _read(paths[int(rng.integers(len(paths)))])
    tall, wide = picture.shape[:2]
    # The largest part of the view's shape, and down to half of it.
    scale = min(tall / height, wide / width) * rng.uniform(0.5, 1.0)
    rows, columns = max(1, round(scale * height)), max(1, round(scale * width))
    rows, columns = min(rows, tall), min(columns, wide)
    top = int(rng.integers(tall - rows + 1))
    left = int(rng.integers(wide - columns + 1))
    part = picture[top : top + rows, left : left + columns]
    method = cv2.INTER_AREA if rows > height else cv2.INTER_LINEAR
    part = cv2.resize(part, (width, height), interpolation=method)
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return Backdrop(
        colour=torch.from_numpy(SRGB_TO_LINEAR[part]),
        depth=torch.full((height, width), torch.inf),
        floor=torch.zeros(height, width, dtype=torch.bool),
    )


@lru_cache(maxsize=KEPT)
def _read(path: Path) -> UInt8[np.ndarray, "_ _ 3"]:
    """A picture, its longer side at most KEPT_SIDE."""
    picture = read_image(path)
    shrink = KEPT_SIDE / max(picture.shape[:2])
    if shrink >= 1:
        return picture
    size = [max(1, round(shrink * side)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Background:
    """One background of these pictures, drawn with the seed `key`, in the place of a `Stage`."""

    paths: tuple[Path, ...]
    key: int

    def view(self, _K, _rotation, _centre, height: int, width: int) -> Backdrop:
        """The same part of the same picture for any camera."""
        return background(self.paths, dice(self.key), height, width)

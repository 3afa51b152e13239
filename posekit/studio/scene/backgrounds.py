"""The user's own pictures as backgrounds, in place of generated surroundings.

H x W pixels of the view.
"""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from posekit.data.pictures import dice
from posekit.geometry.crop import read_image
from posekit.studio.scene.light import SRGB_TO_LINEAR
from posekit.studio.scene.scenery import Backdrop

ENDINGS = (".jpg", ".jpeg", ".png")

KEPT_SIDE = 1024
"""Pixels of the longer side at which pictures are kept."""

KEPT = 64
"""Pictures held in memory at once, 3 MB each at most."""


@dataclass(frozen=True)
class BackgroundFolder:
    """The pictures of a folder, read when they are first needed."""

    paths: tuple[Path, ...]
    _read: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.paths)

    def view(self, rng: np.random.Generator, height: int, width: int) -> Backdrop:
        """A random part of a random picture, mirrored half of the time, infinitely far away.

        ValueError for a picture that can't be read; FileNotFoundError for one that is gone.
        """
        picture = self._picture(int(rng.integers(len(self.paths))))
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

    def _picture(self, index: int) -> np.ndarray:
        """A picture, its longer side at most KEPT_SIDE."""
        if index not in self._read:
            picture = read_image(self.paths[index])
            shrink = KEPT_SIDE / max(picture.shape[:2])
            if shrink < 1:
                size = [max(1, round(shrink * side)) for side in picture.shape[1::-1]]
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            if len(self._read) >= KEPT:
                del self._read[next(iter(self._read))]
            self._read[index] = picture
        return self._read[index]


def read_folder(folder: Path | str) -> BackgroundFolder:
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
    return BackgroundFolder(paths)


@dataclass(frozen=True)
class FixedBackground:
    """One background of the folder, drawn with the seed `key`, in the place of a `Stage`."""

    folder: BackgroundFolder
    key: int

    def view(self, _K, _rotation, _centre, height: int, width: int) -> Backdrop:
        """The same part of the same picture for any camera."""
        return self.folder.view(dice(self.key), height, width)

"""A user's own pictures as backgrounds, in place of generated rooms.

H x W pixels of the view.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch

from posekit.data.scenery import Backdrop

ENDINGS = (".jpg", ".jpeg", ".png")

LARGEST = 100_000_000
"""Pixels of a picture beyond which it is refused before it is unpacked."""

KEPT_SIDE = 1024
"""Pixels of the longer side at which pictures are kept."""

KEPT = 64
"""Pictures held in memory at once, 3 MB each at most."""


@dataclass(frozen=True)
class UserBackdrops:
    """The pictures of a folder, read when they are first seen."""

    paths: tuple[Path, ...]
    _read: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.paths)

    def view(self, rng: np.random.Generator, height: int, width: int) -> Backdrop:
        """A random part of a random picture, mirrored every other time; nothing in it has a depth.

        ValueError for a picture that cannot be read.
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
        way = cv2.INTER_AREA if rows > height else cv2.INTER_LINEAR
        part = cv2.resize(part, (width, height), interpolation=way)
        if rng.random() < 0.5:
            part = part[:, ::-1]
        # OpenCV reads blue first.
        linear = _LINEAR[part[..., ::-1]]
        return Backdrop(
            colour=torch.from_numpy(linear),
            depth=torch.full((height, width), torch.inf),
            floor=torch.zeros(height, width, dtype=torch.bool),
        )

    def _picture(self, index: int) -> np.ndarray:
        """A picture, blue first, its longer side at most KEPT_SIDE."""
        if index not in self._read:
            picture = _read(self.paths[index])
            shrink = KEPT_SIDE / max(picture.shape[:2])
            if shrink < 1:
                size = [max(1, round(shrink * side)) for side in picture.shape[1::-1]]
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            if len(self._read) >= KEPT:
                del self._read[next(iter(self._read))]
            self._read[index] = picture
        return self._read[index]


def user(folder: Path | str) -> UserBackdrops:
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
    return UserBackdrops(paths)


def _read(path: Path) -> np.ndarray:
    """The picture of a file, blue first, (rows, columns, 3) uint8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"backgrounds: {path} cannot be read ({error}); remove it") from error
    wide, tall = _size(data)
    if wide * tall > LARGEST:
        raise ValueError(
            f"backgrounds: {path} has {wide} x {tall} pixels, more than {LARGEST}; make it smaller"
        )
    picture = None
    if wide * tall:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            picture = None
    if picture is None:
        raise ValueError(f"backgrounds: {path} is not a whole JPEG or PNG; remove or replace it")
    return picture


def _size(data: bytes) -> tuple[int, int]:
    """Width and height from the header of a PNG or JPEG, (0, 0) if it has none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data[:2] == b"\xff\xd8":
        for marker, start in _segments(data):
            # A frame's header (SOF0 to SOF15, without the three that are not frames).
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                tall, wide = struct.unpack(">HH", data[start + 3 : start + 7])
                return wide, tall
    return 0, 0


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The segments of a JPEG: its marker, and where its length stands."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        yield marker, at + 2
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]


_DISPLAY = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_DISPLAY <= 0.04045, _DISPLAY / 12.92, ((_DISPLAY + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)
"""Linear light of sRGB's 256 values (IEC 61966-2-1)."""

"""Augmentation of whole pictures, before persons are cut out of them, as the published codes do it.

What lies beyond a crop's edge is then the picture, not black; things are pasted anywhere in the
picture, at its scale; and a rectangle that is erased turns with the person. Pictures are read anew
from their files whenever they are shown. A person whose whole picture is not at hand, such as the
studio's, has the crop in its place.

B persons, H x W pixels of a crop.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, UInt8
from torch import Tensor

from posekit.data.albums import Album
from posekit.data.people import PeoplePictures
from posekit.geometry.crop import Crop, take, take_labels


class Frame(NamedTuple):
    """A picture and where a person's crop lies in it."""

    image: UInt8[np.ndarray, "_ _ 3"]
    crop: Crop

    @property
    def edges(self) -> tuple[float, ...]:
        """Left, top, right and bottom of the picture, px of the crop."""
        height, width = self.image.shape[:2]
        corners = torch.tensor([[0, 0, 1], [width, height, 1]]).double()
        return tuple((corners @ self.crop.matrix[:2].mT).flatten().tolist())

    def inside(self, rectangle: Sequence[int]) -> tuple[slice, slice]:
        """Rows and columns of the picture under a rectangle (left, top, width, height) of the crop."""
        left, top, width, height = rectangle
        corners = torch.tensor([[left, top, 1], [left + width, top + height, 1]]).double()
        back = torch.linalg.inv(self.crop.matrix)[:2].mT
        (x, y), (right, bottom) = (corners @ back).round().int().clamp(min=0).tolist()
        return slice(y, bottom), slice(x, right)


def read_frames(album: Album, rows: Iterable[int], images: UInt8[Tensor, "B 3 H W"]) -> list[Frame]:
    """The frames of these rows of an album, whose crops are `images`; errors as of its pictures."""

    def frame(row: int, image: UInt8[Tensor, "3 H W"]) -> Frame:
        pictures, index = album.origin(row) or (None, 0)
        if not isinstance(pictures, PeoplePictures):
            height, width = image.shape[1:]
            whole = Crop(torch.eye(3, dtype=torch.float64), (0, 0, width, height))
            return Frame(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()), whole)
        picture = np.ascontiguousarray(pictures.picture(index))
        return Frame(picture, pictures.crop(index, picture.shape[:2])[0])

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(frame, rows, images))


def cut(
    frame: Frame,
    cover: Bool[Tensor, "_ _"],
    matrix: Float64[Tensor, "3 3"],
    size: tuple[int, int],
) -> tuple[UInt8[Tensor, "3 H W"], Bool[Tensor, "H W"]]:
    """The crop of a frame, moved by `matrix` (px of the crop), and what of it is covered."""
    together = matrix @ frame.crop.matrix
    covered = torch.zeros(size, dtype=torch.bool)
    if cover.any():
        covered = take_labels(cover.byte().numpy(), together, size, frame.crop.window).bool()
    return take(frame.image, together, size, frame.crop.window), covered

"""From a box in a picture to a person in space: crop, network, and the depth by the pinhole rule.

How far away somebody is, no crop tells; their box does, if one knows how large people are. RootNet
(Moon et al., "Camera Distance-aware Top-down Approach for 3D Multi-person Pose Estimation from a
Single RGB Image", ICCV 2019) takes k = sqrt(fx fy A_real / A_box): A_box the area of the box that
was made square and widened (`crop_affine`), A_real 2000 mm x 2000 mm. RootNet's network corrects k
by what the person looks like; there is none here, so whoever sits or bends counts as far away.

J joints, H x W pixels. Camera: mm, x right, y down, z forward; the pixel in the upper left has its
centre at (0, 0).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posekit.geometry.camera import Camera, Intrinsics
from posekit.geometry.crop import Box, crop_affine, take
from posekit.inference.detectors import Found
from posekit.inference.trained import Trained
from posekit.models.integral import from_cube

REAL = 2000.0  # mm: side of the square that a widened box is taken to show
FILM = math.hypot(36, 24)  # mm: diagonal of the film that EXIF's equivalent focal length is for


@dataclass(frozen=True)
class Person:
    """Somebody in a picture, and in space."""

    box: Box  # px
    score: float | None  # the detector's
    depth: float  # mm, by the pinhole rule
    joints2d: Float[Tensor, "J 2"]  # px
    joints3d: Float[Tensor, "J 3"]  # mm, camera

    def plain(self) -> dict:
        """As JSON has it: px to the hundredth, mm to the tenth."""
        return {
            "box": [round(value, 2) for value in self.box],
            "score": None if self.score is None else round(self.score, 4),
            "depth": round(self.depth, 1),
            "joints2d": np.round(self.joints2d.double().numpy(), 2).tolist(),
            "joints3d": np.round(self.joints3d.double().numpy(), 1).tolist(),
        }

    @classmethod
    def read(cls, row: Mapping) -> "Person":
        """What `plain` was made of, but for the digits."""
        joints = {key: torch.tensor(row[key]) for key in ("joints2d", "joints3d")}
        return cls(tuple(row["box"]), row["score"], row["depth"], **joints)


def camera_of(
    size: tuple[int, int], focal: float | None = None, film: float | None = None
) -> Camera:
    """The camera that took a picture of `size` (height, width), named after what is known of it.

    `focal` is given in px, `film` in mm on 35 mm film, as EXIF has it. Where neither is there, the
    focal length is the picture's diagonal: a normal lens, as CLIFF (Li et al., ECCV 2022) assumes.
    The axis goes through the middle of the picture. ValueError for one that is not positive.
    """
    height, width = size
    diagonal = math.hypot(height, width)
    if focal is not None:
        length, name = focal, f"given: {focal:g} px"
    elif film is not None:
        length = film / FILM * diagonal
        name = f"EXIF: {film:g} mm on 35 mm film, {length:.0f} px if the picture is not cut"
    else:
        length = diagonal
        name = f"assumed: {length:.0f} px, the picture's diagonal (a normal lens)"
    if not (math.isfinite(length) and length > 0):
        raise ValueError(f"a focal length of {length} px: it has to be above 0")
    lens = Intrinsics(
        name=name,
        focal=(length, length),
        principal=((width - 1) / 2, (height - 1) / 2),
        size=(width, height),
    )
    return lens.at(torch.eye(3), torch.zeros(3))


def root_depth(camera: Camera, area: float) -> float:
    """RootNet's k: how far away (mm) somebody is whose widened box has this area (px)."""
    fx, fy = camera.focal.tolist()
    return math.sqrt(fx * fy * REAL * REAL / area)


def locate(
    picture: UInt8[np.ndarray, "H W 3"],
    found: Sequence[Found],
    trained: Trained,
    camera: Camera,
    name: str,
) -> list[Person]:
    """Everybody who was found, in pixels and in space. ValueError for a box outside the picture."""
    if not found:
        return []
    size = (trained.side, trained.side)
    matrices = [
        crop_affine(each.box, size, picture=picture.shape[:2], name=f"{name}, person {number}")
        for number, each in enumerate(found, start=1)
    ]
    crops = torch.stack([take(picture, matrix, size) for matrix in matrices])
    places, relative = from_cube(trained.joints(crops).double(), size)
    people = []
    for each, matrix, place, deeper in zip(found, matrices, places, relative, strict=True):
        scale, shift = matrix[0, 0], matrix[:2, 2]
        pixels = (place - shift) / scale
        depth = root_depth(camera, (trained.side / scale.item()) ** 2)
        joints3d = camera.back_project_pinhole(pixels, deeper + depth)
        people.append(
            Person(tuple(map(float, each.box)), each.score, depth, pixels.float(), joints3d.float())
        )
    return people

"""From a box in a picture to a person in space: crop, network, and the depth by the pinhole rule.

How far away somebody is, no crop tells; their box does, if one knows how large people are. RootNet
(Moon et al., "Camera Distance-aware Top-down Approach for 3D Multi-person Pose Estimation from a
Single RGB Image", ICCV 2019) takes k = sqrt(fx fy A_real / A_box): A_box the area of the box that
was made square and widened (`crop_affine`), A_real 2000 mm x 2000 mm. RootNet's network corrects k
by what the person looks like; there is none here, so whoever sits or bends counts as far away.

J joints, H x W pixels of the picture, S x S pixels of a crop. Camera: mm, x right, y down, z
forward; the pixel in the upper left has its centre at (0, 0).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posekit.geometry.camera import Camera, Intrinsics
from posekit.geometry.crop import Box, crop_affine, take
from posekit.geometry.skeleton import H36M17, MOON18, MUCO21, Skeleton
from posekit.inference.detectors import Detection, Detector
from posekit.inference.runtimes import Predictor
from posekit.models.integral import from_cube

BOX_SIDE = 2000.0  # mm: side of the square that a widened box is taken to show
FILM_DIAGONAL = math.hypot(36, 24)  # mm: of the film of EXIF's equivalent focal length

SKELETONS = {len(skeleton): skeleton for skeleton in (H36M17, MOON18, MUCO21)}
"""By the number of joints that a network has: those that the papers' networks are trained on."""

Crops = UInt8[Tensor, "B 3 S S"]
CropJoints = tuple[
    Float[Tensor, "B J 2"], Float[Tensor, "B J"]
]  # px of the crop; mm behind the root


@dataclass(frozen=True)
class PoseNetwork:
    """A network of some kind as `posekit predict` uses it: joints of the people in crops."""

    name: str  # for people
    weights: Path  # the file that has them
    skeleton: Skeleton
    side: int  # of the crops, px
    joints: Callable[[Crops], CropJoints]


def integral_network(predictor: Predictor) -> PoseNetwork:
    """A network that gives joints in the cube. ValueError when its output is none of a pose."""
    side = predictor.shape[-1]
    joints = predictor(torch.zeros(1, *predictor.shape)).shape
    if predictor.shape != (3, side, side) or len(joints) != 3 or joints[1] not in SKELETONS:
        raise ValueError(
            f"{predictor.name} makes {tuple(joints)} numbers of a picture of {predictor.shape}; "
            f"square pictures and {', '.join(map(str, SKELETONS))} joints in space are known"
        )

    def in_crops(crops: Crops) -> CropJoints:
        cube = predictor.predict(crops).double()
        if not cube.isfinite().all():
            raise ValueError(
                f"{predictor.name} predicts numbers that are not finite: was it trained to the end?"
            )
        return from_cube(cube, (side, side))

    return PoseNetwork(predictor.name, predictor.weights, SKELETONS[joints[1]], side, in_crops)


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
        """A person from what `plain` made."""
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
        length = film / FILM_DIAGONAL * diagonal
        name = f"EXIF: {film:g} mm on 35 mm film, {length:.0f} px if the picture is not cut"
    else:
        length = diagonal
        name = f"assumed: {length:.0f} px, the picture's diagonal (a normal lens)"
    if not (math.isfinite(length) and length > 0):
        raise ValueError(f"a focal length of {length} px: it has to be above 0")
    middle = ((width - 1) / 2, (height - 1) / 2)
    lens = Intrinsics(name=name, focal=(length, length), principal=middle, size=(width, height))
    return lens.at(torch.eye(3), torch.zeros(3))


def root_depth(camera: Camera, area: float) -> float:
    """RootNet's k: how far away (mm) somebody is whose widened box has this area (px)."""
    fx, fy = camera.focal.tolist()
    return BOX_SIDE * math.sqrt(fx * fy / area)


@dataclass(frozen=True)
class Finder:
    """All that finds people in space in a picture."""

    network: PoseNetwork
    detector: Detector
    least: float = 0.5  # score from which on somebody counts
    focal: float | None = None  # px, where it is known

    def people(
        self, picture: UInt8[np.ndarray, "H W 3"], frame: int, camera: Camera, name: str
    ) -> list[Person]:
        """Everybody whom the detector is sure of. ValueError for a box outside the picture."""
        found = self.detector.find(picture, frame)
        found = [each for each in found if each.score is None or each.score >= self.least]
        return locate(picture, found, self.network, camera, name)


def locate(
    picture: UInt8[np.ndarray, "H W 3"],
    detections: Sequence[Detection],
    network: PoseNetwork,
    camera: Camera,
    name: str,
) -> list[Person]:
    """All detected people, in pixels and in space. ValueError for a box outside the picture."""
    if not detections:
        return []
    size = (network.side, network.side)
    matrices = [
        crop_affine(found.box, size, picture=picture.shape[:2], name=f"{name}, person {number}")
        for number, found in enumerate(detections, start=1)
    ]
    crops = torch.stack([take(picture, matrix, size) for matrix in matrices])
    people = []
    for found, matrix, place, behind in zip(
        detections, matrices, *network.joints(crops), strict=True
    ):
        scale, shift = matrix[0, 0], matrix[:2, 2]
        pixels = (place - shift) / scale
        depth = root_depth(camera, (network.side / scale.item()) ** 2)
        joints3d = camera.back_project_pinhole(pixels, behind + depth).float()
        box = tuple(map(float, found.box))
        people.append(Person(box, found.score, depth, pixels.float(), joints3d))
    return people

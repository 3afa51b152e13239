"""From a box in a picture to a person in space: crop, network, and the depth by the pinhole rule.

How far away somebody is, no crop tells; their box does, if one knows how large people are. RootNet
(Moon et al., "Camera Distance-aware Top-down Approach for 3D Multi-person Pose Estimation from a
Single RGB Image", ICCV 2019) takes k = sqrt(fx fy A_real / A_box): A_box the area of the box that
was made square and widened (`crop_affine`), A_real 2000 mm x 2000 mm. RootNet's network corrects k
by what the person looks like; there is none here, so whoever sits or bends counts as far away.

B people, J joints, V vertices, H x W pixels of the picture, S x S pixels of a crop. Camera: mm, x
right, y down, z forward; the pixel in the upper left has its centre at (0, 0).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import roma
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from posekit.data.people import clip
from posekit.geometry.body import Body
from posekit.geometry.camera import Camera, Intrinsics
from posekit.geometry.crop import Box, crop_affine, take
from posekit.geometry.skeleton import Skeleton
from posekit.inference.detectors import Detection, Detector

BOX_SIDE = 2000.0  # mm: side of the square that a widened box is taken to show
FILM_DIAGONAL = math.hypot(36, 24)  # mm: of the film of EXIF's equivalent focal length

Crops = UInt8[Tensor, "B 3 S S"]


@dataclass(frozen=True)
class BodyPose:
    """A body in a picture: what poses the body model, and its surface."""

    shape: Float[Tensor, " S"]
    rotations: Float[Tensor, "24 3 3"]  # to the parent joint, the root's to the camera
    vertices: Float[Tensor, "V 3"]  # mm, camera


@dataclass(frozen=True)
class Person:
    """Somebody in a picture, and in space. None: the network does not say it."""

    box: Box  # px, as it was found or given
    score: float | None  # the detector's
    depth: float | None  # mm, of the root
    joints2d: Float[Tensor, "J 2"]  # px
    joints3d: Float[Tensor, "J 3"] | None = None  # mm, camera
    scores: Float[Tensor, " J"] | None = None  # of the joints: the highest values of the heatmaps
    body: BodyPose | None = None

    def plain(self) -> dict:
        """As JSON has it: px to the hundredth, mm to the tenth; vertices are left out."""
        body = self.body and {
            "shape": _rounded(self.body.shape, 4),
            "pose": _rounded(roma.rotmat_to_rotvec(self.body.rotations), 4),
        }
        return {
            "box": [round(value, 2) for value in self.box],
            "score": None if self.score is None else round(self.score, 4),
            "depth": None if self.depth is None else round(self.depth, 1),
            "joints2d": _rounded(self.joints2d, 2),
            "scores": _rounded(self.scores, 4),
            "joints3d": _rounded(self.joints3d, 1),
            "body": body,
        }

    @classmethod
    def read(cls, row: Mapping) -> "Person":
        """A person from what `plain` made, without the body."""
        names = ("joints2d", "joints3d", "scores")
        joints = {key: torch.tensor(row[key]) for key in names if row[key] is not None}
        return cls(tuple(row["box"]), row["score"], row["depth"], **joints)


def _rounded(values: Tensor | None, digits: int) -> list | None:
    return None if values is None else np.round(values.double().numpy(), digits).tolist()


class Window(NamedTuple):
    """Where a crop of S x S px is in its picture, and who was found there."""

    found: Detection
    matrix: Float64[Tensor, "3 3"]  # px of the picture to px of the crop
    side: float  # px of the picture

    def in_picture(self, pixels: Float[Tensor, "J 2"]) -> Float[Tensor, "J 2"]:
        """Pixels of the picture of pixels of the crop."""
        return (pixels - self.matrix[:2, 2]) / self.matrix[0, 0]


@dataclass(frozen=True)
class PoseNetwork:
    """A network of some kind as `posekit predict` uses it: the people of crops.

    `posekit.inference.adapters` makes them; another kind needs another `people` alone.
    """

    name: str  # for people
    kind: str  # of posekit.models.checkpoint.NETWORKS
    weights: Path  # the file that has them
    skeleton: Skeleton
    side: int  # of the crops, px
    people: Callable[[Crops, Sequence[Window], Camera], list[Person]]
    assumptions: tuple[str, ...] = ()  # sentences, beside those of all networks
    note: str = ""  # what one should know before trusting it
    body: Body | None = None  # whose vertices are predicted


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
    windows = [
        window(found, network.side, picture.shape[:2], f"{name}, person {number}")
        for number, found in enumerate(detections, start=1)
    ]
    size = (network.side, network.side)
    crops = torch.stack([take(picture, each.matrix, size) for each in windows])
    return network.people(crops, windows, camera)


def window(found: Detection, side: int, picture: tuple[int, int], name: str) -> Window:
    """The square crop of `side` px for a box in a picture of this height and width.

    As the published data code does it, the box is cut at the picture's edges (`clip`) before it
    becomes a square. ValueError, naming the person, for a box that has no area in the picture.
    """
    size = (side, side)
    crop_affine(found.box, size, picture=picture, name=name)  # refuses what is no box here
    sizes = torch.tensor([picture[::-1]]).double()
    (box,) = clip(torch.tensor([found.box]).double(), sizes).tolist()
    if min(box[2:]) <= 0:
        raise ValueError(f"{name}: less than two pixels of the box {found.box} are in the picture")
    matrix = crop_affine(tuple(box), size, name=name)
    return Window(found, matrix, side / matrix[0, 0].item())

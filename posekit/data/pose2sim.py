"""Pictures of one person from four calibrated cameras, with triangulated 3D joints.

A folder in the form of Pose2Sim's demo as it is used here (perfanalytics/pose2sim, BSD-3-Clause):
gt.json has `joints`, the 21 names, and `images`, each with

    file         name in images/, such as cam1_000.jpg
    K, dist      camera matrix (3 x 3, px), OpenCV's distortion, which is near 0 and left out here
    kp2d         the joints in the picture, px, by a detector
    kp3d_cam_mm  the joints in the camera's space, mm, triangulated from the 2D joints of four views

so that the truth is good to 20 to 40 mm.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data.batch import SEEN
from posekit.data.people import Part, People, PeoplePictures, Row, check_parts, squares_round
from posekit.geometry.skeleton import Skeleton
from posekit.system import need_file

SOURCE = "name the folder that has it, with images/"
LARGEST = 50_000_000  # bytes
NEAREST, FARTHEST = 500.0, 50_000.0  # mm, that people are from a camera

NAMES = {
    "RHip": "right_hip", "RKnee": "right_knee", "RAnkle": "right_ankle",
    "RBigToe": "right_big_toe", "RSmallToe": "right_small_toe", "RHeel": "right_heel",
    "LHip": "left_hip", "LKnee": "left_knee", "LAnkle": "left_ankle",
    "LBigToe": "left_big_toe", "LSmallToe": "left_small_toe", "LHeel": "left_heel",
    "Neck": "halpe_neck", "Head": "halpe_head", "Nose": "nose",
    "RShoulder": "right_shoulder", "RElbow": "right_elbow", "RWrist": "right_wrist",
    "LShoulder": "left_shoulder", "LElbow": "left_elbow", "LWrist": "left_wrist",
}  # fmt: skip
"""Pose2Sim's names, in its order; neck and head are those of the data set Halpe (Fang et al.)."""

_PARENTS = (12, 0, 1, 2, 2, 2, 12, 6, 7, 8, 8, 8, -1, 12, 13, 12, 15, 16, 12, 18, 19)
POSE2SIM21 = Skeleton("Pose2Sim-21", tuple(NAMES.values()), _PARENTS)


def read(folder: Path | str) -> People:
    """Everybody in a folder's gt.json, in its order; boxes are 1.2 times what the joints span.

    FileNotFoundError; ValueError, naming the file, when it is damaged, of another form, or in other
    units than px and mm.
    """
    path = need_file(Path(folder) / "gt.json", source=SOURCE)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes; it is of another form")
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        if found["joints"] != list(NAMES):
            raise ValueError(f"its joints are not {', '.join(NAMES)}")
        images = found["images"]
        names = [str(image["file"]) for image in images]
        pixels = _numbers(images, "kp2d", (len(NAMES), 2))
        space = _numbers(images, "kp3d_cam_mm", (len(NAMES), 3))
        lenses = _numbers(images, "K", (3, 3))
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged or of another form ({error!r}): get it again"
        ) from error
    depths = space[..., 2]
    if not ((depths > NEAREST) & (depths < FARTHEST)).all():
        raise ValueError(
            f"{path}: depths from {depths.min():g} to {depths.max():g}; people are {NEAREST:g} to "
            f"{FARTHEST:g} mm away: is it in mm?"
        )
    if outside := [name for name in names if name != PurePosixPath(name).name]:
        raise ValueError(f"{path}: {outside[0]!r} is no name of a file in images/")
    known = torch.ones(pixels.shape[:2], dtype=torch.bool)
    rows = pd.DataFrame({"image": [f"images/{name}" for name in names]})
    rows["camera"] = [name.partition("_")[0] for name in names]
    rows = rows.assign(subject="", action="", take=1, frame=range(len(rows)))
    return People(
        "pose2sim",
        "1",
        POSE2SIM21,
        rows,
        squares_round(pixels, known),
        pixels,
        torch.full(pixels.shape[:2], SEEN, dtype=torch.uint8),
        intrinsics=lenses,
        joints3d=space,
    )


def check(folder: Path | str) -> Iterator[Row]:
    """Which pictures are in `folder`, as `posekit.data.check` reports it."""
    folder = Path(folder)
    parts = [Part("pictures", lambda: PeoplePictures(read(folder), folder))]
    return check_parts(parts, folder, SOURCE)


def _numbers(images: list, key: str, shape: tuple[int, ...]) -> Float64[Tensor, "N _ _"]:
    """One entry of all images, of this shape each, all finite."""
    values = torch.tensor([image[key] for image in images], dtype=torch.float64)
    if values.shape[1:] != shape or not len(values) or not values.isfinite().all():
        raise ValueError(f"{key} of an image are not {shape} finite numbers")
    return values

"""3DPW (von Marcard et al., ECCV 2018): people outdoors before a moving camera, with their bodies.

sequenceFiles/{train,validation,test}/NAME.pkl, one a sequence, pickles of Python 2, are read without
running them (`posekit.data.formats.pickles`); pictures imageFiles/NAME/image_00000.jpg. For each
person: poses (T, 72), rotation vectors, the root's to the world; betas (10 or more); genders, "m" or
"f"; jointPositions (T, 72), the 24 joints of SMPL's rig in the world, m; poses2d (T, 3, 18),
detections, px; campose_valid (T). For the sequence: cam_poses (T, 4, 4), world to camera, m;
cam_intrinsics.

Only frames whose camera is valid count, as for SPIN, whose test set they are. Joints are `SMPL24`,
in the picture where the camera sees those in space. Which are covered is not told: all in the
picture are SEEN. The crop is SPIN's, 1.2 times what the detections span; where there are none
(fewer than 6 joints were found), what the joints span.

T frames, N of all persons.
"""

import re
import reprlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import roma
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from posekit.data.batch import SEEN, UNKNOWN
from posekit.data.formats import pickles
from posekit.data.formats.pickles import AGAIN
from posekit.data.people import (
    Part,
    People,
    PeoplePictures,
    Row,
    check_parts,
    naming,
    spin_crops,
    squares_round,
    together,
)
from posekit.geometry.body import Body
from posekit.geometry.skeleton import H36M17, SMPL24
from posekit.system import need_file

SOURCE = (
    "get 3DPW at virtualhumans.mpi-inf.mpg.de/3DPW, licence to be accepted, not for commerce: "
    "sequenceFiles.zip and imageFiles.zip (4.6 GB)"
)
SPLITS = ("train", "validation", "test")
TEST_PERSONS = 35_515  # in the frames of its 24 sequences
MAX_BYTES = 2**30  # of a sequence's file
TOGETHER = 128  # bodies at a time
NEAR = 1e-3  # how far from a rotation a camera's may be
_EACH = ("poses", "betas", "genders", "poses2d", "campose_valid", "jointPositions")


def read(path: Path | str) -> People:
    """Everybody in a sequence's file, in the frames whose camera is valid.

    FileNotFoundError; pickles.Refused for a file that asks for more than plain data (nothing was
    run); ValueError, naming the file, when it is damaged or of another kind.
    """
    path = need_file(Path(path), source=SOURCE)
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size:,} bytes: no sequence of 3DPW is that large")
    with pickles.named(path):
        held = pickles.load(path.read_bytes())
    with naming(path):
        return _sequence(held)


def load(folder: Path | str, split: str = "test", *, size: int = 224) -> PeoplePictures:
    """SPIN's crops of all sequences of a split there; errors as `read`."""
    folder = Path(folder)
    if split not in SPLITS:
        raise ValueError(f"no split {split!r} of 3DPW: {', '.join(SPLITS)}")
    files = sorted((folder / "sequenceFiles" / split).glob("*.pkl"))
    parts: dict[str, People] = {}
    for file in files:
        people = read(file)
        if not len(people):
            continue
        if (name := people.rows["subject"].iloc[0]) in parts:
            raise ValueError(f"{file}: the sequence {name} is in another file of {split}, too")
        parts[name] = people
    if not parts:
        raise FileNotFoundError(f"nobody is in {folder}/sequenceFiles/{split}/*.pkl: {SOURCE}")
    return spin_crops(together(list(parts.values())), folder, folder, size=size)


def truth(people: People, bodies: Mapping[str, Body]) -> Float[Tensor, "N 17 3"]:
    """Human3.6M's joints of everybody's mesh, camera axes, mm from the root joint of the rig.

    `bodies` by gender: SMPL's male and female one for SPIN's rule, the neutral one twice for VIBE's.
    People of SPIN's own 3dpw_test.npz do as well. ValueError for somebody without a body, or of a
    gender that there is no body for.
    """
    if not people.has_body.all():
        raise ValueError(f"{people.name} ({people.version}) does not know everybody's body")
    genders = people.rows["gender"]
    if strange := sorted(set(genders) - set(bodies)):
        raise ValueError(f"no body for the genders {strange}: there are {sorted(bodies)}")
    joints = torch.empty(len(people), len(H36M17), 3)
    for gender, body in bodies.items():
        for rows in torch.from_numpy(np.flatnonzero(genders == gender)).split(TOGETHER):
            place = torch.zeros(len(rows), 3).to(body.weights)
            rotations, shape = people.rotations[rows].to(place), people.shape[rows].to(place)
            joints[rows] = body.joints(body(rotations, shape, place).vertices, H36M17).to(joints)
    return joints


def check(folder: Path | str) -> Iterator[Row]:
    """What of 3DPW is in `folder`, as `posekit.data.check` reports it.

    Nothing is evaluated on train and validation: they may be absent.
    """
    folder = Path(folder)
    persons = {"test": TEST_PERSONS}
    parts = [
        Part(split, partial(load, folder, split), split not in persons, persons.get(split))
        for split in reversed(SPLITS)
    ]
    return check_parts(parts, folder, SOURCE)


# ---- what is in a file
def _sequence(held: Any) -> People:
    if type(held) is not dict:
        raise ValueError(f"it holds a {type(held).__name__}, not a sequence of 3DPW")
    if lacking := {"sequence", "cam_poses", "cam_intrinsics", *_EACH} - held.keys():
        raise ValueError(f"it has no {', '.join(sorted(lacking))}: it is no sequence of 3DPW")
    name = held["sequence"]
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        raise ValueError(f"its sequence is called {reprlib.repr(name)}, which names no folder")
    counts = {key: len(held[key]) for key in _EACH if isinstance(held[key], list | np.ndarray)}
    if len(counts) < len(_EACH) or len(set(counts.values())) > 1 or 0 in counts.values():
        raise ValueError(f"it has not everything of each person: {counts}; {AGAIN}")
    views = _numbers("cam_poses", held["cam_poses"], (-1, 4, 4))
    lens = _numbers("cam_intrinsics", held["cam_intrinsics"], (3, 3))
    people = [{key: held[key][person] for key in _EACH} for person in range(counts["poses"])]
    parts = [_person(each, name, take, views, lens) for take, each in enumerate(people, start=1)]
    return together([part for part in parts if len(part)] or parts[:1])


def _numbers(key: str, value: Any, shape: tuple[int, ...]) -> Float64[Tensor, "..."]:
    """An array of that shape, -1 being any number; ValueError names the key."""
    array = np.asarray(value)
    wanted = tuple(there if size == -1 else size for there, size in zip(array.shape, shape))
    if array.shape != wanted or array.ndim != len(shape) or array.dtype.kind not in "biuf":
        found = f"{array.dtype} of shape {array.shape}"
        raise ValueError(f"{key} is {found}, not numbers of shape {shape} (-1: any); {AGAIN}")
    return torch.from_numpy(array.astype(float))


def _person(
    held: dict[str, Any],
    sequence: str,
    take: int,
    views: Float64[Tensor, "T 4 4"],
    lens: Float64[Tensor, "3 3"],
) -> People:
    """One person's frames; `take` counts the persons of the sequence."""
    count = len(views)
    valid = _numbers("campose_valid", held["campose_valid"], (count,)).bool()
    sizes = {"poses": (count, 72), "jointPositions": (count, 72), "poses2d": (count, 3, 18)}
    poses, places, detected = (_numbers(key, held[key], s)[valid] for key, s in sizes.items())
    shape, gender = _numbers("betas", np.ravel(held["betas"]), (-1,)), held["genders"]
    if gender not in ("m", "f") or len(shape) < 10:
        raise ValueError(
            f"person {take}: gender {reprlib.repr(gender)}, {len(shape)} betas; {AGAIN}"
        )
    turns, shifts = views[valid, :3, :3], views[valid, None, :3, 3]
    if not ((turns @ turns.mT - torch.eye(3)).abs() <= NEAR).all():
        raise ValueError(f"cam_poses of valid cameras are no rotations; {AGAIN}")
    joints = 1000 * (places.reshape(-1, 24, 3) @ turns.mT + shifts)
    ahead = joints[..., 2] > 0
    pixels = joints @ lens.mT
    pixels = (pixels[..., :2] / pixels[..., 2:]).where(ahead[..., None], 0.0)
    rotations = roma.rotvec_to_rotmat(poses.reshape(-1, 24, 3))
    rotations[:, 0] = turns @ rotations[:, 0]
    boxes = squares_round(detected[:, :2].mT, detected[:, 2] > 0)
    boxes = boxes.where(boxes[:, 2:3] > 0, squares_round(pixels, ahead))
    frames = valid.nonzero()[:, 0].tolist()
    images = [f"imageFiles/{sequence}/image_{frame:05d}.jpg" for frame in frames]
    rows = pd.DataFrame({"image": images, "frame": frames}).assign(
        gender=gender, subject=sequence, action="", take=take, camera="0"
    )
    people = People(
        "threedpw",
        "valid cameras",
        SMPL24,
        rows,
        boxes,
        pixels,
        torch.where(ahead, SEEN, UNKNOWN).to(torch.uint8),
        intrinsics=lens.expand(len(frames), 3, 3),
        joints3d=joints,
        rotations=rotations,
        shape=shape[:10].expand(len(frames), 10),
        translation=joints[:, 0],
        has_body=torch.ones(len(frames)).bool(),
    )
    return people[(boxes[:, 2] > 0).numpy()]

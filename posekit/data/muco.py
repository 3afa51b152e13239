"""MuCo-3DHP (Mehta et al., 3DV 2018): several people of MPI-INF-3DHP put into one picture, to train on.

As Moon et al. (ICCV 2019) give it out ready-made: MuCo-3DHP.json beside the folders augmented_set
and unaugmented_set. Pictures have f and c, focal length and principal point; persons have bbox,
keypoints_cam (21, 3) in mm and keypoints_img (21, 2) in px. The release itself is a program in
Matlab that makes the pictures; its own output is not read here.

Which joints other people cover is not told: all in the picture are SEEN.

N persons, J joints.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from posekit.data.batch import SEEN
from posekit.data.coco import Entry, entries, name, numbers, picture_rows
from posekit.data.people import People, PeoplePictures, check_pictures, clip, picture_sizes
from posekit.geometry.skeleton import MUCO21

SOURCE = (
    "make MuCo-3DHP with muco-3dhp.zip of gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson, or "
    "take the ready one that the readme of mks0601/3DMPPE_POSENET_RELEASE links to (research only)"
)
FILE = "MuCo-3DHP.json"
APART = 500.0  # mm, at least, from everybody else
CHOICES = ("moon", "all")


def read(path: Path | str, choice: str = "moon") -> People:
    """The persons of MuCo-3DHP.json.

    `choice`: "moon" takes whom Moon et al. train on (`worth`), "all" everybody.
    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense, and for another choice.
    """
    path = Path(path)
    if choice not in CHOICES:
        raise ValueError(f"no choice {choice!r} of MuCo-3DHP's people: {' or '.join(CHOICES)}")
    people = entries(path, SOURCE)
    if not people:
        raise ValueError(f"{path}: nobody is in it")
    names = [name(path, *entry) for entry in people]
    joints2d, joints3d = keypoints(people, len(MUCO21), names)
    cameras = [[*_list(p.get("f")), *_list(p.get("c"))] for _, p in people]
    rows = picture_rows(people, names)
    boxes = torch.from_numpy(numbers([a.get("bbox") for a, _ in people], (4,), names))
    boxes = clip(boxes, picture_sizes(rows))
    found = People(
        "muco",
        choice,
        MUCO21,
        rows,
        boxes,
        joints2d,
        torch.full(joints2d.shape[:2], SEEN, dtype=torch.uint8),
        intrinsics(numbers(cameras, (4,), names), names),
        joints3d,
    )
    taken = (boxes[:, 2:] > 0).all(1)
    if choice == "moon":
        taken &= worth(found)
    return found[taken]


def worth(people: People) -> Bool[Tensor, " N"]:
    """Whom Moon et al. train on: of each picture who is nearest, and who stands apart.

    Nearest by the depth of the pelvis; apart when no other pelvis of the picture is within 500 mm
    in x and y of the camera. (Their code asks for 500 mm in space, too, which follows.)
    """
    pelvises = people.joints3d[:, people.skeleton.root]
    taken = torch.zeros(len(people)).bool()
    for group in people.by_picture().values():
        here = pelvises[group]
        away = torch.cdist(here[:, :2], here[:, :2]).fill_diagonal_(torch.inf)
        chosen = (away >= APART).all(1)
        chosen[here[:, 2].argmin()] = True
        taken[group] = chosen
    return taken


def load(folder: Path | str, choice: str = "moon", *, size: int = 256) -> PeoplePictures:
    """The pictures of `folder`, which holds MuCo-3DHP.json; errors as `read`."""
    return PeoplePictures(read(Path(folder) / FILE, choice), folder, size=size)


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of MuCo-3DHP is in `folder`: (what, state, detail), as `posekit.data.check` has them."""
    try:
        people = read(Path(folder) / FILE, "all")
    except (FileNotFoundError, ValueError) as error:
        yield FILE, "missing" if isinstance(error, OSError) else "wrong", str(error)
        return
    yield FILE, "ok", f"{len(people):,} persons, {int(worth(people).sum()):,} to train on"
    yield check_pictures(people, Path(folder), SOURCE)


# ---- what MuPoTS-3D.json has, too
def keypoints(
    people: list[Entry], joints: int, names: list[str]
) -> tuple[Float64[Tensor, "N J 2"], Float64[Tensor, "N J 3"]]:
    """keypoints_img and keypoints_cam of each entry; ValueError names a wrong one."""
    pixels = numbers([a.get("keypoints_img") for a, _ in people], (joints, 2), names)
    places = numbers([a.get("keypoints_cam") for a, _ in people], (joints, 3), names)
    if (wrong := (places[..., 2] <= 0).any(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: a joint lies behind the camera")
    return torch.from_numpy(pixels), torch.from_numpy(places)


def intrinsics(
    fx_fy_cx_cy: Float64[np.ndarray, "N 4"], names: list[str]
) -> Float64[Tensor, "N 3 3"]:
    """Matrices of focal lengths and principal points, px; ValueError names a wrong one."""
    if (wrong := (fx_fy_cx_cy[:, :2] <= 0).any(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: its focal length is not positive")
    matrices = torch.zeros(len(fx_fy_cx_cy), 3, 3).double()
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 2], matrices[:, 1, 2] = torch.from_numpy(
        fx_fy_cx_cy
    ).unbind(1)
    matrices[:, 2, 2] = 1.0
    return matrices


def _list(value: object) -> list:
    return value if isinstance(value, list) else [value]

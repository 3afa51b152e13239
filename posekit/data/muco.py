"""MuCo-3DHP (Mehta et al., 3DV 2018): several people of MPI-INF-3DHP put into one picture, to train on.

As Moon et al. (ICCV 2019) give it out ready-made: MuCo-3DHP.json beside the folders augmented_set
and unaugmented_set. Pictures have f and c, focal length and principal point; persons have bbox,
keypoints_cam (21, 3) in mm and keypoints_img (21, 2) in px. The release itself is a program in
Matlab that makes the pictures; its own output is not read here.

Which joints other people cover is not labelled: all in the picture are SEEN.

N persons.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from posekit.data.batch import SEEN
from posekit.data.coco import entries, name, numbers, picture_rows
from posekit.data.people import (
    Part,
    People,
    PeoplePictures,
    Row,
    check_parts,
    clip,
    intrinsic_matrices,
    picture_sizes,
)
from posekit.geometry.skeleton import MUCO21

SOURCE = (
    "make MuCo-3DHP with muco-3dhp.zip of gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson, or "
    "take the ready one that the readme of mks0601/3DMPPE_POSENET_RELEASE links to (research only)"
)
FILE = "MuCo-3DHP.json"
APART = 500.0  # mm, at least, from everybody else


def load(folder: Path | str, *, size: int = 256) -> PeoplePictures:
    """The pictures of `folder`, which holds MuCo-3DHP.json; errors as `read`."""
    return PeoplePictures(read(Path(folder) / FILE), folder, size=size)


def read(path: Path | str) -> People:
    """The persons of MuCo-3DHP.json whom Moon et al. train on (`trained_on`).

    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense.
    """
    path = Path(path)
    persons = entries(path, SOURCE)
    if not persons:
        raise ValueError(f"{path}: nobody is in it")
    names = [name(path, *entry) for entry in persons]

    def of_person(field: str, *shape: int) -> Tensor:
        return torch.from_numpy(numbers([a.get(field) for a, _ in persons], shape, names))

    def of_picture(field: str) -> Tensor:
        return torch.from_numpy(numbers([p.get(field) for _, p in persons], (2,), names))

    joints = len(MUCO21)
    pixels, places = of_person("keypoints_img", joints, 2), of_person("keypoints_cam", joints, 3)
    focal = of_picture("f")
    for wrong, what in (
        ((places[..., 2] <= 0).any(1), "a joint lies behind the camera"),
        ((focal <= 0).any(1), "its focal length is not positive"),
    ):
        if wrong.any():
            raise ValueError(f"{names[int(wrong.nonzero()[0])]}: {what}")
    rows = picture_rows(persons, names)
    boxes = clip(of_person("bbox", 4), picture_sizes(rows))
    visible = torch.full(pixels.shape[:2], SEEN, dtype=torch.uint8)
    intrinsics = intrinsic_matrices(focal, of_picture("c"))
    people = People("muco", "moon", MUCO21, rows, boxes, pixels, visible, intrinsics, places)
    return people[(boxes[:, 2:] > 0).all(1) & trained_on(people)]


def trained_on(people: People) -> Bool[Tensor, " N"]:
    """Whom Moon et al. train on: in each picture the nearest person, and who stands apart.

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


def check(folder: Path | str) -> Iterator[Row]:
    """What of MuCo-3DHP is in `folder`, as `posekit.data.check` reports it."""
    return check_parts([Part(FILE, partial(load, folder))], Path(folder), SOURCE)

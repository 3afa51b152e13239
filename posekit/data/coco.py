"""COCO keypoints (Lin et al., ECCV 2014), and its kind of file: pictures, and persons that are in them.

MuCo-3DHP and MuPoTS-3D come in files of the same kind, and MPI-INF-3DHP's persons are kept in the
same way, so what all four share is here: `People`, `PeoplePictures`, `entries`, `numbers`.

Annotations are person_keypoints_{train,val}{2014,2017}.json. Of them crowds, who has no labelled
joint, and whose box has no area in the picture are left out, as Moon et al. (ICCV 2019) do. Pixels
count from 0, as COCO's do. It knows neither cameras nor depths.

N persons, J joints.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.people import (
    People,
    PeoplePictures,
    check_pictures,
    clip,
    entries,
    name,
    numbers,
    picture_rows,
)
from posekit.geometry.skeleton import COCO17

SOURCE = (
    "get COCO at cocodataset.org, without registration: annotations_trainval2017.zip (CC BY 4.0) "
    "and the pictures train2017.zip and val2017.zip (each of its own licence)"
)


def read(path: Path | str) -> People:
    """The persons of an annotation file.

    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense.
    """
    path = Path(path)
    found = entries(path, SOURCE)
    people = [(a, p) for a, p in found if not a.get("iscrowd") and a.get("num_keypoints")]
    if not people:
        raise ValueError(f"{path}: nobody in it has labelled joints; take person_keypoints_*.json")
    names = [name(path, *entry) for entry in people]
    table = numbers([a.get("keypoints") for a, _ in people], (3 * len(COCO17),), names)
    table = table.reshape(-1, len(COCO17), 3)
    if (wrong := ~np.isin(table[..., 2], (UNKNOWN, HIDDEN, SEEN)).all(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: a joint is neither 0, 1 nor 2, as COCO's are")
    visible = torch.from_numpy(table[..., 2].astype(np.uint8))
    joints = torch.from_numpy(table[..., :2]).where((visible != UNKNOWN)[..., None], 0.0)
    rows = picture_rows(people, names)
    boxes, has_area = clip(numbers([a.get("bbox") for a, _ in people], (4,), names), rows)
    count = len(people)
    return People(
        "coco",
        path.stem.removeprefix("person_keypoints_"),
        COCO17,
        rows,
        boxes,
        joints,
        visible,
        torch.eye(3).double().expand(count, 3, 3),
        torch.zeros(count, len(COCO17), 3).double(),
        torch.zeros(count).bool(),
    )[has_area]


def load(folder: Path | str, split: str = "val2017", *, size: int = 256) -> PeoplePictures:
    """The persons of annotations/person_keypoints_SPLIT.json and the pictures of the folder SPLIT.

    The pictures may lie in images/SPLIT as well. Errors as `read`.
    """
    folder = Path(folder)
    return PeoplePictures(
        read(folder / "annotations" / f"person_keypoints_{split}.json"),
        pictures_of(folder, split),
        size=size,
    )


def pictures_of(folder: Path, split: str) -> Path:
    """Where a split's pictures are, or should be."""
    inside = folder / "images" / split
    return inside if inside.is_dir() else folder / split


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of COCO is in `folder`: (what, state, detail), as `posekit.data.check` has them.

    Pictures are looked for, not read.
    """
    folder = Path(folder)
    files = sorted((folder / "annotations").glob("person_keypoints_*.json"))
    if not files:
        yield "annotations", "missing", f"no annotations/person_keypoints_*.json: {SOURCE}"
    for file in files:
        try:
            people = read(file)
        except ValueError as error:
            yield file.name, "wrong", str(error)
            continue
        yield file.name, "ok", f"{len(people):,} persons with joints"
        yield check_pictures(people, pictures_of(folder, people.version), SOURCE)

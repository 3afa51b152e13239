"""COCO keypoints (Lin et al., ECCV 2014), and the form of its annotation files.

MuCo-3DHP and MuPoTS-3D come in files of the same form: lists of images and annotations.

Annotations are person_keypoints_{train,val}{2014,2017}.json. Of them crowds, categories other than
"person", persons without a labelled joint, and persons whose box has no area in the picture are left
out, as Moon et al. (ICCV 2019) do. Labels are counted: other tools leave num_keypoints out or at 0.
Joints are in the order that the category names them in. Pixels count from 0, as COCO's do. It knows
neither cameras nor depths.

N persons, J joints.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.formats.pickles import AGAIN
from posekit.data.formats.text import read_json
from posekit.data.people import (
    Part,
    People,
    PeoplePictures,
    Row,
    check_parts,
    clip,
    inside,
    picture_sizes,
)
from posekit.geometry.skeleton import COCO17
from posekit.system import need_file

SOURCE = (
    "get COCO at cocodataset.org, without registration: annotations_trainval2017.zip (CC BY 4.0) "
    "and the pictures train2017.zip and val2017.zip (each of its own licence)"
)
PERSON = 1  # COCO's number of the category, where a file does not list categories
Entry = tuple[dict, dict]  # a person's annotation and their picture


def read(path: Path | str) -> People:
    """The persons of an annotation file.

    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense.
    """
    path = Path(path)
    content = _content(path, SOURCE)
    people = [each for each in people_of(content, path) if each[0].get("keypoints")]
    names = [name(path, *entry) for entry in people]
    table = numbers([a["keypoints"] for a, _ in people], (3 * len(COCO17),), names)
    table = table.reshape(-1, len(COCO17), 3)[:, _order(content, path)]
    labelled = (table[..., 2] > 0).any(1)
    table = table[labelled]
    people, names = ([a for a, b in zip(each, labelled) if b] for each in (people, names))
    if not people:
        raise ValueError(f"{path}: nobody in it has labelled joints; take person_keypoints_*.json")
    if (wrong := ~np.isin(table[..., 2], (UNKNOWN, HIDDEN, SEEN)).all(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: a joint is neither 0, 1 nor 2, as COCO's are")
    visible = torch.from_numpy(table[..., 2].astype(np.uint8))
    joints = torch.from_numpy(table[..., :2]).where((visible != UNKNOWN)[..., None], 0.0)
    rows = picture_rows(people, names)
    boxes = torch.from_numpy(numbers([a.get("bbox") for a, _ in people], (4,), names))
    boxes = clip(boxes, picture_sizes(rows))
    version = path.stem.removeprefix("person_keypoints_")
    found = People("coco", version, COCO17, rows, boxes, joints, visible)
    return found[(boxes[:, 2:] > 0).all(1).numpy()]


def load(folder: Path | str, split: str = "val2017", *, size: int = 256) -> PeoplePictures:
    """The persons of annotations/person_keypoints_SPLIT.json and the pictures of the folder SPLIT.

    The pictures may lie in images/SPLIT as well. Errors as `read`.
    """
    folder = Path(folder)
    people = read(folder / "annotations" / f"person_keypoints_{split}.json")
    within = folder / "images" / split
    return PeoplePictures(people, within if within.is_dir() else folder / split, size=size)


def check(folder: Path | str) -> Iterator[Row]:
    """What of COCO is in `folder`, as `posekit.data.check` reports it."""
    folder = Path(folder)
    files = sorted((folder / "annotations").glob("person_keypoints_*.json"))
    splits = [file.stem.removeprefix("person_keypoints_") for file in files] or ["val2017"]
    parts = [Part(split, lambda split=split: load(folder, split)) for split in splits]
    return check_parts(parts, folder, SOURCE)


# ---- files of this form
def entries(path: Path, source: str) -> list[Entry]:
    """Every annotation of a person, not of a crowd, with its picture's entry.

    FileNotFoundError, with the `source`; ValueError, naming file and entry, when it is none.
    """
    return people_of(_content(path, source), path)


def _content(path: Path, source: str) -> dict:
    content = read_json(need_file(path, "file of annotations", source))
    keys = ("images", "annotations")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        raise ValueError(f"{path} has no lists {' and '.join(keys)}: not a file of this kind")
    for key in keys:
        for number, entry in enumerate(content[key]):
            has_id = isinstance(entry, dict) and isinstance(entry.get("id"), int | str)
            if not has_id:
                raise ValueError(f"{path}: entry {number} of {key} has no id")
    return content


def people_of(content: dict, path: Path) -> list[Entry]:
    """As `entries`, of what a file holds."""
    pictures = {picture["id"]: picture for picture in content["images"]}
    if len(pictures) < len(content["images"]):
        raise ValueError(
            f"{path}: two of its images have one id; files joined need ids of their own"
        )
    persons, found = person_categories(content, path) or {PERSON: {}}, []
    for annotation in content["annotations"]:
        picture = annotation.get("image_id")
        if not isinstance(picture, int | str) or picture not in pictures:
            raise ValueError(f"{path}: annotation {annotation['id']} has no picture; {AGAIN}")
        if not is_crowd(annotation) and annotation.get("category_id") in {None, *persons}:
            found.append((annotation, pictures[picture]))
    return found


def person_categories(content: Mapping, path: Path) -> dict[int, dict]:
    """The categories called "person", by id; none where the file lists no categories at all.

    ValueError when it lists others only.
    """
    listed = content.get("categories") or []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError(f"{path}: its categories are no list of names and ids")
    names = [str(each.get("name")) for each in listed]
    found = {
        each.get("id"): each
        for each, name in zip(listed, names, strict=True)
        if name.strip().lower() == "person"
    }
    if listed and not found:
        raise ValueError(
            f"{path}: none of its categories is called person: {', '.join(names)[:200]}"
        )
    return found


def is_crowd(annotation: Mapping) -> bool:
    """Whether it is of many people at once; a table's "0" counts as no."""
    return str(annotation.get("iscrowd") or 0).lower() not in ("0", "0.0", "false")


def _order(content: dict, path: Path) -> list[int]:
    """Where COCO's 17 joints stand among those that the category "person" names, if it names any."""
    for category in person_categories(content, path).values():
        if not (listed := category.get("keypoints")):
            continue
        joints = [str(joint).strip().lower().replace(" ", "_") for joint in listed]
        if sorted(joints) != sorted(COCO17.joints):
            raise ValueError(f"{path}: its persons have other joints than COCO's: {joints}"[:400])
        return [joints.index(joint) for joint in COCO17.joints]
    return list(range(len(COCO17)))


def name(path: Path, annotation: dict, picture: dict) -> str:
    """How messages call a person."""
    return f"{path}: annotation {annotation['id']} ({str(picture.get('file_name'))!r:.60})"


def numbers(
    values: Sequence[Any], shape: tuple[int, ...], names: Sequence[str]
) -> Float64[np.ndarray, "N ..."]:
    """A field of every entry; ValueError names the entry whose value is not so many numbers."""

    def row(value: Any, who: str) -> np.ndarray:
        try:
            found = np.array(value, dtype=float)
        except (TypeError, ValueError, OverflowError):
            found = np.array(np.nan)
        if found.shape != shape or not np.isfinite(found).all():
            raise ValueError(f"{who}: {str(value)[:60]} where numbers of shape {shape} should be")
        return found

    return np.array([row(value, who) for value, who in zip(values, names, strict=True)])


def picture_rows(people: Sequence[Entry], names: Sequence[str]) -> pd.DataFrame:
    """image, height, width, image_id and person of each entry; ValueError names a wrong one."""
    sizes = numbers([(p.get("height"), p.get("width")) for _, p in people], (2,), names)
    if (wrong := (sizes < 1).any(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: its picture has no size")
    return pd.DataFrame(
        {
            "image": [inside(p.get("file_name"), n) for (_, p), n in zip(people, names)],
            "height": sizes[:, 0].astype(int),
            "width": sizes[:, 1].astype(int),
            "image_id": [picture["id"] for _, picture in people],
            "person": [annotation["id"] for annotation, _ in people],
        }
    )

"""Boxes that somebody has: of the people of a picture, or of a video's frames."""

import csv
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posekit.geometry.crop import Box
from posekit.inference.detectors import PERSON, Found

LARGEST = 100_000_000  # bytes of a file of boxes
BOX_COLUMNS = ("left", "top", "width", "height")
FORMS = (
    'json: a list of {"box": [left, top, width, height]} with, if wished, "score", "image" (a file '
    'name) or "frame" (counted from 0); COCO\'s own "bbox" and "image_id" are read, too. '
    f"csv: a head with {', '.join(BOX_COLUMNS)}, if wished score, image, frame"
)


class Given:
    """Boxes that somebody has. Those without a frame are in every frame."""

    name, remedy = "given boxes", ""

    def __init__(self, everywhere: Sequence[Found], by_frame: Mapping[int, Sequence[Found]]):
        self.everywhere, self.by_frame = list(everywhere), by_frame
        # Other boxes are another experiment: what is half done with these can't go on with those.
        plain = json.dumps([self.everywhere, sorted(by_frame.items())])
        self.note = f"SHA-256 of the boxes: {hashlib.sha256(plain.encode()).hexdigest()[:16]}"

    def find(self, picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Found]:
        return [*self.everywhere, *self.by_frame.get(frame, [])]


def read_boxes(path: Path | str, image: str = "") -> Given:
    """The boxes of a file: of the picture of this name, or of a video's frames.

    FORMS are read. Entries that name another picture, crowds, and categories other than people are
    left out. FileNotFoundError and ValueError name the file and its entry; ValueError, too, when
    all its boxes are of other pictures.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of boxes {path}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes: give the boxes of one picture")
    entries = _csv(path) if path.suffix.lower() == ".csv" else _json(path)
    if other := [entry for entry in entries if not isinstance(entry, Mapping)]:
        raise ValueError(f"{path} has the entry {other[0]!r}; these forms are read: {FORMS}")
    everywhere, by_frame = [], {}
    for number, entry in enumerate(entries):
        who = f"{path}, entry {number}"
        if not _concerns(entry, image):
            continue
        found = Found(box_of(_box(entry, who), who), _score(entry, who))
        frame = entry.get("frame")
        if frame in (None, ""):
            everywhere.append(found)
        else:
            by_frame.setdefault(_whole(frame, who), []).append(found)
    if not everywhere and not by_frame:
        raise ValueError(f"{path} has no box of a person in {image or 'any picture'}")
    return Given(everywhere, by_frame)


def box_of(values: Sequence, who: str) -> Box:
    """Four finite numbers with an area as a box; ValueError, naming `who`, for others."""
    try:
        box = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise ValueError(f"{who}: {values!r} is not left, top, width and height in px")
    return box


def _json(path: Path) -> list:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not a whole JSON file: {error}") from error
    if isinstance(data, Mapping):  # COCO's annotations, and what posekit itself predicts
        data = data.get("annotations", data.get("people"))
    if isinstance(data, list):
        return data
    raise ValueError(f"{path} is no list of boxes; these forms are read: {FORMS}")


def _csv(path: Path) -> list[dict]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a csv file in UTF-8: {error}") from error
    if rows and (missing := [name for name in BOX_COLUMNS if name not in rows[0]]):
        raise ValueError(f"{path} has no column {missing[0]}; these forms are read: {FORMS}")
    return rows


def _concerns(entry: Mapping, image: str) -> bool:
    """Whether it is a person, in this picture as far as the entry says in which."""
    if entry.get("iscrowd") or entry.get("category_id", PERSON) != PERSON:
        return False
    if named := entry.get("image"):
        return Path(str(named)).name == image
    if (number := entry.get("image_id")) is not None:
        return Path(image).stem.lstrip("0") == str(number)  # COCO's file names are these numbers
    return True


def _box(entry: Mapping, who: str) -> Sequence:
    if "left" in entry:
        return [entry.get(name) for name in BOX_COLUMNS]
    box = entry.get("box", entry.get("bbox"))
    if isinstance(box, list):
        return box
    raise ValueError(f"{who} has no box; these forms are read: {FORMS}")


def _score(entry: Mapping, who: str) -> float | None:
    score = entry.get("score")
    if score in (None, ""):
        return None
    try:
        score = float(score)
    except (TypeError, ValueError):
        score = math.nan
    if not 0 <= score <= 1:
        raise ValueError(f"{who}: a score is a number from 0 to 1, not {entry['score']!r}")
    return score


def _whole(frame: object, who: str) -> int:
    text = str(frame)
    if not text.isdecimal():
        raise ValueError(f"{who}: a frame is a number, counted from 0, not {frame!r}")
    return int(text)

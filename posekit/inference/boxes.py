"""Boxes that somebody has, of the people of a picture or of a video's frames, as a detector."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from posekit.geometry.crop import Box
from posekit.inference.detectors import PERSON, Detection, Detector

LARGEST = 100_000_000  # bytes of a file of boxes
COLUMNS = ["left", "top", "width", "height"]
FORMS = (
    'json: a list of {"box": [left, top, width, height]} with, if wished, "score", "image" (a file '
    'name) or "frame" (counted from 0); COCO\'s own "bbox" and "image_id" are read, too. '
    f"csv: a head with {', '.join(COLUMNS)}, if wished score, image, frame"
)


def given_boxes(
    everywhere: Sequence[Detection], by_frame: Mapping[int, Sequence[Detection]] | None = None
) -> Detector:
    """A detector that finds these boxes in every frame, and those of a frame in that one, too."""
    by_frame = by_frame or {}
    # Other boxes are another experiment: what is half done with these can't go on with those.
    plain = json.dumps([list(everywhere), sorted(by_frame.items())])
    note = f"SHA-256 of the boxes: {hashlib.sha256(plain.encode()).hexdigest()[:16]}"
    find = lambda picture, frame: [*everywhere, *by_frame.get(frame, [])]
    return Detector("given boxes", find, note)


def read_boxes(path: Path | str, image: str = "") -> Detector:
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
    everywhere, by_frame = [], {}
    for number, entry in enumerate(_entries(path)):
        if not _concerns(entry, image):
            continue
        found, frame = _detection(entry, f"{path}, entry {number}"), entry.get("frame", "")
        if frame in (None, ""):
            everywhere.append(found)
        elif str(frame).isdecimal():
            by_frame.setdefault(int(frame), []).append(found)
        else:
            raise ValueError(f"{path}, entry {number}: a frame is a number from 0, not {frame!r}")
    if not everywhere and not by_frame:
        raise ValueError(f"{path} has no box of a person in {image or 'any picture'}")
    return given_boxes(everywhere, by_frame)


def box_of(values: Sequence, who: str) -> Box:
    """Four finite numbers with an area as a box; ValueError, naming `who`, for others."""
    try:
        box = tuple(map(float, values))
    except (TypeError, ValueError):
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise ValueError(f"{who}: {values!r} is not left, top, width and height in px")
    return box


def _entries(path: Path) -> list[Mapping]:
    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
            if missing := [name for name in COLUMNS if name not in table]:
                raise ValueError(f"it has no column {missing[0]}; these forms are read: {FORMS}")
            return table.assign(box=table[COLUMNS].to_numpy().tolist()).to_dict("records")
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of pandas, of json, and of bytes not in UTF-8
        raise ValueError(f"{path} can't be read: {error}") from error
    if isinstance(entries, Mapping):  # COCO's annotations, and what posekit itself predicts
        entries = entries.get("annotations", entries.get("people"))
    if isinstance(entries, list) and all(isinstance(entry, Mapping) for entry in entries):
        return entries
    raise ValueError(f"{path} is no list of boxes; these forms are read: {FORMS}")


def _concerns(entry: Mapping, image: str) -> bool:
    """Whether it is a person, in this picture as far as the entry says in which."""
    if entry.get("iscrowd") or entry.get("category_id", PERSON) != PERSON:
        return False
    if named := entry.get("image"):
        return Path(str(named)).name == image
    if (number := entry.get("image_id")) is not None:
        return Path(image).stem.lstrip("0") == str(number)  # COCO's file names are these numbers
    return True


def _detection(entry: Mapping, who: str) -> Detection:
    box, score = entry.get("box", entry.get("bbox")), entry.get("score")
    if box is None:
        raise ValueError(f"{who} has no box; these forms are read: {FORMS}")
    if score in (None, ""):
        return Detection(box_of(box, who))
    try:
        sure = 0 <= float(score) <= 1
    except (TypeError, ValueError):
        sure = False
    if not sure:
        raise ValueError(f"{who}: a score is a number from 0 to 1, not {score!r}")
    return Detection(box_of(box, who), float(score))

"""Boxes that somebody has, of the people of a picture or of a video's frames, as a detector."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from posekit.data.coco import is_crowd, person_categories
from posekit.data.formats.text import read_csv, read_json
from posekit.geometry.crop import Box
from posekit.inference.detectors import PERSON, Detection, Detector
from posekit.system import need_file

LARGEST = 50_000_000  # bytes of a file of boxes
MOST = 1000  # boxes of a picture or frame: a network takes all of them at once
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
    if (count := len(everywhere) + max(map(len, by_frame.values()), default=0)) > MOST:
        raise ValueError(f"{count:,} boxes of one picture, at most {MOST:,} are taken")
    # Other boxes are another experiment: what is half done with these can't go on with those.
    digest = hashlib.sha256()
    for part in (list(everywhere), *sorted(by_frame.items())):  # one text of all would be large
        digest.update(json.dumps(part).encode())
    note = f"SHA-256 of the boxes: {digest.hexdigest()[:16]}"
    find = lambda picture, frame: [*everywhere, *by_frame.get(frame, [])]
    return Detector("given boxes", find, note)


def read_boxes(path: Path | str, image: str = "") -> Detector:
    """The boxes of a file: of the picture of this name, or of a video's frames.

    FORMS are read. Which picture an entry is about, its "image" says, or "image_id" with the file's
    list of images; without that list the number in COCO's own names. Where pictures of one name lie
    in several folders, `image` tells them apart by its own folders. Entries of other pictures,
    crowds, and categories other than people are left out.

    FileNotFoundError and ValueError name the file and its entry; ValueError, too, when all its boxes
    are of other pictures, and for more than `MOST` boxes of one.
    """
    path = Path(path)
    need_file(path, "file of boxes")
    everywhere, by_frame, meant, others = [], {}, set(), set()
    for number, entry in enumerate(_entries(path)):
        who = f"{path}, entry {number}"
        named = _picture(entry)
        if not _same(named, image):
            others.add(str(named)) if len(others) < 3 else None
            continue
        meant.add(named)
        if len(meant - {None}) > 1:
            both = " and ".join(map(repr, sorted(meant - {None})))
            raise ValueError(f"{path} has boxes of {both}: give a file with one of them")
        found, frame = _detection(entry, who), entry.get("frame", "")
        boxes = everywhere
        if frame not in (None, ""):
            if (place := _whole(frame)) is None or place < 0:
                raise ValueError(f"{who}: a frame is a number from 0, not {frame!r}")
            boxes = by_frame.setdefault(place, [])
        boxes.append(found)
        if len(boxes) > MOST:
            raise ValueError(f"{who}: more than {MOST:,} boxes of one picture")
    if not everywhere and not by_frame:
        of = f": they are of {', '.join(sorted(others))}, ..." if others else ""
        raise ValueError(f"{path} has no box of a person in {image or 'any picture'}{of}")
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


def _entries(path: Path) -> Iterable[Mapping]:
    """The entries about people, "image" in each that says of which picture by an id."""
    if path.suffix.lower() == ".csv":
        return _people(_rows(path), {}, {PERSON})
    held = read_json(path, most=LARGEST)
    names, categories = {}, {PERSON}
    if isinstance(held, Mapping):  # COCO's annotations, and what posekit itself predicts
        pictures = held.get("images")
        if isinstance(pictures, list) and all(isinstance(each, Mapping) for each in pictures):
            names = {_key(each.get("id")): each.get("file_name") for each in pictures}
        categories = set(person_categories(held, path)) or categories
        held = held.get("annotations", held.get("people"))
    if isinstance(held, list) and all(isinstance(entry, Mapping) for entry in held):
        return _people(held, names, categories)
    raise ValueError(f"{path} is no list of boxes; these forms are read: {FORMS}")


def _rows(path: Path) -> Iterable[Mapping]:
    for number, row in enumerate(read_csv(path, most=LARGEST)):
        if missing := [name for name in COLUMNS if name not in row]:
            raise ValueError(f"{path} has no column {missing[0]}; these forms are read: {FORMS}")
        yield row | {"box": [row[name] for name in COLUMNS]}


def _people(
    entries: Iterable[Mapping], names: Mapping[str | int, Any], categories: set[int]
) -> Iterable[Mapping]:
    for entry in entries:
        kind, number = entry.get("category_id"), entry.get("image_id")
        if is_crowd(entry) or (kind not in (None, "") and _key(kind) not in categories):
            continue
        by_number = number not in (None, "") and not entry.get("image")
        yield dict(entry, image=names.get(_key(number), _key(number))) if by_number else entry


def _whole(value: Any) -> int | None:
    """A whole number, also as text or with .0 behind it, as tables with gaps write it."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def _key(value: Any) -> int | str:
    """An id as it can be compared: json has numbers where csv has text."""
    return str(value) if (number := _whole(value)) is None else number


def _picture(entry: Mapping) -> str | int | None:
    """The picture that an entry is about: a name, COCO's number, or None: any."""
    named = entry.get("image")
    return named if isinstance(named, int) else str(named) if named else None


def _same(named: str | int | None, image: str) -> bool:
    """Whether that may be the picture called `image`, with folders as far as both have some."""
    if named is None:
        return True
    own = PurePosixPath(image)
    if isinstance(named, int):
        return own.stem.isdecimal() and int(own.stem) == named
    parts = list(zip(reversed(PurePosixPath(named).parts), reversed(own.parts)))
    return bool(parts) and all(one == other for one, other in parts)


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

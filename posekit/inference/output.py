"""The numbers that `posekit predict` writes: people.json of a picture, people.jsonl of a video.

people.json has

    schema        1
    source        name, width, height
    model         name, sha256 of its weights, side of the crops that it takes (px)
    skeleton      name, joints (names, in the order of all joints below), parents (-1: the root)
    camera        focal (fx, fy), principal (cx, cy), px; from: how they are known
    detector      name, note, least: the score from which on somebody counts
    assumptions   sentences
    people        for each: box (left, top, width, height, px), score (null: a given box), depth
                  (mm, of the root by the pinhole rule), joints2d (x, y, px), joints3d (x right,
                  y down, z forward, mm, camera at 0)

Pixels count from 0 at the centre of the upper left one, of the picture as it is shown (EXIF's
orientation applied).

people.jsonl has a line with what is the same for all frames: the above without people, and in
source the rate (frames a second) and sha256, too. Then comes a line a frame: frame (from 0), time
(s; its number / rate in a file), people (as above). Nobody is followed from frame to frame: people
come in the order of the detector. A line is written whole or counts as none, so that what was
interrupted goes on behind the last whole one.
"""

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from posekit.geometry.camera import Camera
from posekit.inference.localise import Finder, Person
from posekit.inference.video import Video, Webcam

LENS = "the lens does not distort, and its axis goes through the middle of the picture"
SIZE = (
    "a person's box, made square and widened by 1.25, shows 2000 mm x 2000 mm at the depth of the "
    "root (RootNet's pinhole rule, without its network): who sits, bends or is seen in part comes "
    "out too far away"
)


def source_of(video: Video | Webcam) -> dict:
    """The entry `source` of a video."""
    source = {"name": video.name, "width": video.width, "height": video.height}
    return source if video.live else source | {"rate": video.rate, "sha256": digest(video.path)}


def about(source: dict, finder: Finder, camera: Camera) -> dict:
    """The entries that are the same for all people of a picture or video."""
    network, detector, skeleton = finder.network, finder.detector, finder.network.skeleton
    assumptions = [f"focal length {camera.name}; every distance is proportional to it", LENS, SIZE]
    if detector.note:
        assumptions.append(f"people: {detector.name}; {detector.note}")
    return {
        "schema": 1,
        "source": source,
        "model": {"name": network.name, "sha256": digest(network.weights), "side": network.side},
        "skeleton": {"name": skeleton.name, "joints": skeleton.joints, "parents": skeleton.parents},
        "camera": {
            "focal": [round(length, 2) for length in camera.focal.tolist()],
            "principal": camera.principal.tolist(),
            "from": camera.name,
        },
        "detector": {"name": detector.name, "note": detector.note, "least": finder.least},
        "assumptions": assumptions,
    }


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def people_json(known: dict, people: Sequence[Person]) -> str:
    """The text of people.json, one person a line."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in known.items()]
    rows = ",\n".join(f"  {json.dumps(person.plain())}" for person in people)
    return "{\n" + ",\n".join([*lines, f' "people": [\n{rows}\n ]']) + "\n}\n"


def read_log(path: Path) -> list[dict]:
    """The whole lines of a people.jsonl, without the first."""
    with path.open("rb") as file:
        return [row for row, _ in _rows(file)][1:]


@contextlib.contextmanager
def open_log(path: Path, head: dict) -> Iterator[tuple[BinaryIO, int]]:
    """The log to append to, and how many frames it has; ValueError when its head is another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is writing {path}: wait, or choose another --out"
            ) from None
        log.seek(0)
        rows = list(_rows(log))
        head = json.loads(json.dumps(head))
        if rows and rows[0][0] != head:
            other = [key for key in head if rows[0][0].get(key) != head[key]]
            raise ValueError(
                f"{path} was made with another {' and '.join(other) or 'posekit'}: choose another "
                "--out, or delete it to begin anew"
            )
        log.seek(0)
        if not rows and b"\n" in log.read():
            raise ValueError(f"{path} is no log of posekit's: choose another --out")
        log.truncate(sum(length for _, length in rows))
        if not rows:
            log.write(json.dumps(head).encode() + b"\n")
            log.flush()
        yield log, max(len(rows) - 1, 0)


def _rows(log: BinaryIO) -> Iterator[tuple[dict, int]]:
    """Every whole line and its bytes, up to the first that is not whole or out of order."""
    for number, line in enumerate(log):
        try:
            row = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            return
        if not isinstance(row, dict) or (number and row.get("frame") != number - 1):
            return
        yield row, len(line)

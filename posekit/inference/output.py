"""The numbers that `posekit predict` writes: people.json of a picture, people.jsonl of a video.

people.json has the entries of ENTRIES, its people those of PERSON; README.md documents both. What a
network does not say is null. Pixels count from 0 at the centre of the upper left one, of the picture
as it is shown (EXIF's orientation applied).

people.jsonl has a line with what is the same for all frames: the above without people, and in
source the rate (frames a second), too. Then comes a line a frame: frame (from 0), time (s, as the
file says it), people (as above). Nobody is followed from frame to frame: people
come in the order of the detector. A line is written whole or counts as none, so that what was
interrupted goes on behind the last whole one.

bodies.npz has, of a network that predicts bodies, vertices (people, V, 3; mm, camera) and faces
(F, 3), in the order of people.json.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from posekit.geometry.body import Body
from posekit.geometry.camera import Camera
from posekit.geometry.skeleton import COCO17, H36M17, Skeleton
from posekit.inference import lifting
from posekit.inference.localise import Finder, Person, PoseNetwork
from posekit.inference.predictor import Predictor
from posekit.inference.video import Video, Webcam
from posekit.system import file_digest, shown, write_whole

SCHEMA = 2
ENTRIES = {
    "schema": "2; another number is another form",
    "source": "name and sha256 of the file, width and height (px) of the picture",
    "model": "name, kind, sha256 of its weights, side of the crops that it takes (px; null: a lifter)",
    "skeleton": "name; joints: names, in the order of all joints below; parents (-1: the root)",
    "camera": "focal (fx, fy), principal (cx, cy), px; from: how they are known",
    "detector": "name, note, least: the score from which on somebody counts",
    "assumptions": "sentences",
    "vertices": "the file beside it that has the vertices of all bodies, or null",
    "people": "a list, as follows",
}
PERSON = {
    "box": "left, top, width, height, px, as found or given",
    "score": "of the detector, 0 to 1; null: a given box",
    "depth": "mm, of the root joint; null: not predicted",
    "joints2d": "x, y of each joint, px of the picture",
    "scores": "of each joint, the highest value of its heatmap; null: not predicted",
    "joints3d": "x (right), y (down), z (forward) of each joint, mm, camera at 0; null: not predicted",
    "body": "shape (10), pose (24 rotation vectors as SMPL's, the root's to the camera); null: not "
    "predicted",
}

LENS = "the lens does not distort, and its axis goes through the middle of the picture"


def source_of(path: Path, width: int, height: int) -> dict:
    """The entry `source` of a picture, or of 2D joints in one of this size."""
    name = shown(path.name)
    return {"name": name, "width": width, "height": height, "sha256": file_digest(path)}


def source_of_video(video: Video | Webcam) -> dict:
    """The entry `source` of a video."""
    if video.live:
        return {"name": video.name, "width": video.width, "height": video.height}
    return source_of(video.path, video.width, video.height) | {"rate": video.rate}


def about(source: dict, finder: Finder, camera: Camera) -> dict:
    """The entries that are the same for all people of a picture or video."""
    network, detector = finder.network, finder.detector
    sentences = [*network.assumptions]
    if detector.note:
        sentences.append(f"people: {detector.name}; {detector.note}")
    known = {"name": detector.name, "note": detector.note, "least": finder.least}
    return _about(source, network, network.side, network.skeleton, camera, known, sentences)


def about_joints(source: dict, lifter: Predictor, given: Skeleton, camera: Camera) -> dict:
    """The entries that are the same for all people whose 2D joints, of this skeleton, were given."""
    sentences = [*lifting.ASSUMPTIONS] + ([lifting.COCO_RULE] if given == COCO17 else [])
    known = {"name": "given joints", "note": f"2D joints of {given.name}", "least": None}
    return _about(source, lifter, None, H36M17, camera, known, sentences)


def _about(
    source: dict,
    network: PoseNetwork | Predictor,
    side: int | None,
    skeleton: Skeleton,
    camera: Camera,
    detector: dict,
    sentences: Sequence[str],
) -> dict:
    note = [f"network: {network.note}"] if network.note else []
    focal = f"focal length {camera.name}; every distance is proportional to it"
    return {
        "schema": SCHEMA,
        "source": source,
        "model": {
            "name": network.name,
            "kind": network.kind,
            "sha256": file_digest(network.weights),
            "side": side,
        },
        "skeleton": {"name": skeleton.name, "joints": skeleton.joints, "parents": skeleton.parents},
        "camera": {
            "focal": [round(length, 2) for length in camera.focal.tolist()],
            "principal": camera.principal.tolist(),
            "from": camera.name,
        },
        "detector": detector,
        "assumptions": [focal, LENS, *sentences, *note],
        "vertices": None,
    }


def same_head(path: Path, known: dict) -> bool:
    """Whether a people.json was made of the same source, by the same network and settings."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    wanted = json.loads(json.dumps(known))
    keys = ("source", "model", "camera", "detector")
    return isinstance(written, dict) and all(written.get(key) == wanted[key] for key in keys)


def people_json(known: dict, people: Sequence[Person]) -> str:
    """The text of people.json, one person a line."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in known.items()]
    rows = ",\n".join(f"  {json.dumps(person.plain())}" for person in people)
    return "{\n" + ",\n".join([*lines, f' "people": [\n{rows}\n ]']) + "\n}\n"


def write_bodies(path: Path, people: Sequence[Person], body: Body) -> None:
    """Write the vertices of everybody and the faces of the body model, as the module says."""
    vertices = np.stack([person.body.vertices.numpy() for person in people])
    arrays = {"vertices": vertices.astype(np.float32), "faces": body.faces.numpy()}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    write_whole(path, write)


def read_log(path: Path) -> list[dict]:
    """The whole lines of a people.jsonl, without the first."""
    with path.open("rb") as file:
        return [row for row, _ in _rows(file)][1:]


@contextlib.contextmanager
def open_log(path: Path, head: dict, *, replace: bool = False) -> Iterator[tuple[BinaryIO, int]]:
    """The log to append to, and how many frames it has; ValueError when its head is another.

    With `replace` it stays as it is, whatever it is, until `begin` is called.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is writing {path}: wait, or choose another --out"
            ) from None
        if replace:
            yield log, 0
            return
        log.seek(0)
        rows = list(_rows(log))
        head = json.loads(json.dumps(head))
        if rows and rows[0][0] != head:
            other = [key for key in head if rows[0][0].get(key) != head[key]]
            raise ValueError(
                f"{path} was made with another {' and '.join(other) or 'posekit'}: choose another "
                "--out, or say --replace to begin anew"
            )
        log.seek(0)
        if not rows and b"\n" in log.read():
            raise ValueError(
                f"{path} is no log of posekit's: choose another --out, or say --replace"
            )
        log.truncate(sum(length for _, length in rows))
        if not rows:
            begin(log, head)
        yield log, max(len(rows) - 1, 0)


def begin(log: BinaryIO, head: dict) -> None:
    """Let a log that `open_log` opened have this first line and no other."""
    log.truncate(0)
    log.write(json.dumps(head).encode() + b"\n")
    log.flush()


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

"""Where the pictures of Human3.6M's frames lie, in the two forms people have them.

- 3dmppe: images/s_01_act_02_subact_01_ca_01/s_01_act_02_subact_01_ca_01_000001.jpg, numbers from 1,
  with a box for each in annotations/Human36M_subject1_data.json (Moon et al.'s)
- raw: S1/Videos/Directions 1.54138969.mp4, the official videos, one a take and camera; their first
  frame is the first of the poses, and they may run on after the last

A frame is (subject, action, take, camera, number from 0), as in `PoseSet.frames`.
"""

import json
import math
import os
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, UInt8

from posekit.data.formats import pickles
from posekit.data.human36m.files import ACTIONS, CAMERAS, SOURCE, found, take_of
from posekit.data.poses import COLUMNS
from posekit.geometry.crop import read_image

Recording = tuple[str, str, int, str]  # subject, action, take, camera


class Shot(NamedTuple):
    """One frame."""

    subject: str
    action: str
    take: int
    camera: str
    frame: int

    @property
    def recording(self) -> Recording:
        return self[:4]

    def __str__(self) -> str:
        return (
            f"Human3.6M {self.subject} {self.action} {self.take}, camera {self.camera}, "
            f"frame {self.frame}"
        )


class Source(Protocol):
    """Pictures of frames. `get` says how to come by those that are missing."""

    get: str

    def any(self) -> bool:
        """Whether there are pictures at all."""

    def there(self, shots: list[Shot]) -> Bool[np.ndarray, " N"]:
        """Which frames have a picture, judged by names."""

    def where(self, shot: Shot) -> str:
        """The file of a frame, whether there or not."""

    def boxes(self, shots: list[Shot]) -> Float64[np.ndarray, "N 4"] | None:
        """The persons' boxes that come with the pictures, px; None: none come with them."""

    def read(self, shot: Shot) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture, RGB."""

    def trouble(self, shots: list[Shot]) -> str:
        """What is wrong with the files of these frames, all of them there; "": nothing."""


class Folders:
    """Moon et al.'s folders of JPEG files. `read` raises as `read_image`."""

    get = "get all parts of images.tar.gz that 3DMPPE_POSENET_RELEASE links to, and unpack them"

    def __init__(self, folder: Path):
        self.images = folder / "images"
        inside = folder / "annotations"
        self.annotations = inside if inside.is_dir() else folder

    def any(self) -> bool:
        return self.images.is_dir() and any(self.images.glob("s_*"))

    def there(self, shots: list[Shot]) -> Bool[np.ndarray, " N"]:
        answers = []
        # Half a million files are asked for: a listing a folder is quicker than a call a file.
        for _, group in groupby(shots, lambda shot: shot.recording):
            paths = [self._path(shot) for shot in group]
            folder = paths[0].parent
            listed = set(os.listdir(folder)) if folder.is_dir() else set()
            answers += [path.name in listed for path in paths]
        return np.array(answers, dtype=bool)

    def where(self, shot: Shot) -> str:
        return str(self._path(shot))

    def boxes(self, shots: list[Shot]) -> Float64[np.ndarray, "N 4"]:
        """FileNotFoundError, ValueError: a data.json is not there, damaged, or lacks a frame."""
        rows: list[list[float]] = []
        for subject, group in groupby(shots, lambda shot: shot.subject):
            path = self.annotations / f"Human36M_subject{subject.removeprefix('S')}_data.json"
            wanted = list(group)
            table = _boxes(path, {shot.frame for shot in wanted})
            for shot in wanted:
                key = (ACTIONS.index(shot.action) + 2, shot.take, CAMERAS.index(shot.camera) + 1)
                box = table.get((*key, shot.frame))
                if box is None:
                    raise ValueError(f"{path} has no box of {shot}; {pickles.AGAIN}")
                rows.append(box)
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def read(self, shot: Shot) -> UInt8[np.ndarray, "H W 3"]:
        return read_image(found(self._path(shot), self.get))

    def trouble(self, shots: list[Shot]) -> str:
        try:
            self.boxes(shots)
        except (FileNotFoundError, ValueError) as error:
            return str(error)
        return ""

    def _path(self, shot: Shot) -> Path:
        # Named by rule: a file_name out of the json could lead anywhere.
        folder = (
            f"s_{int(shot.subject.removeprefix('S')):02d}_act_{ACTIONS.index(shot.action) + 2:02d}"
            f"_subact_{shot.take:02d}_ca_{CAMERAS.index(shot.camera) + 1:02d}"
        )
        return self.images / folder / f"{folder}_{shot.frame + 1:06d}.jpg"


def _boxes(path: Path, frames: set[int]) -> dict[tuple[int, int, int, int], list[float]]:
    """Boxes of a data.json by action, take, camera (as it numbers them) and frame."""
    found(path, "get the annotations of Human3.6M that 3DMPPE_POSENET_RELEASE links to")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        places = {
            image["id"]: tuple(
                int(image[key]) for key in ("action_idx", "subaction_idx", "cam_idx", "frame_idx")
            )
            for image in held["images"]
            if image["frame_idx"] in frames
        }
        table = {
            places[person["image_id"]]: [float(value) for value in person["bbox"]]
            for person in held["annotations"]
            if person["image_id"] in places
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: no whole table of pictures ({error!r}); {pickles.AGAIN}"
        ) from error
    for place, box in table.items():
        if len(box) != 4 or not all(math.isfinite(value) for value in box):
            raise ValueError(f"{path}: {box} of picture {place} is no box; {pickles.AGAIN}")
    return table


class Videos:
    """The official videos. A video is read from its beginning, frame by frame: seeking in one does
    not always land on the frame asked for (opencv/opencv#9053). Frames asked for in order cost one
    reading of the video; in any other order, one reading up to the frame each."""

    get = f"{SOURCE}, get Videos_S*.tgz and unpack them beside the poses"

    def __init__(self, folder: Path):
        self.folder = folder
        self.paths: dict[Recording, Path] = {}
        for path in sorted(folder.glob("S*/Videos/*.mp4")):
            name, _, camera = path.stem.rpartition(".")
            if name.startswith("_ALL"):  # calibration, no action
                continue
            subject = path.parts[-3]
            try:
                self.paths[(subject, *take_of(subject, name), camera)] = path
            except ValueError as error:
                raise ValueError(f"{path}: {error}; remove or rename it") from error

    def any(self) -> bool:
        return bool(self.paths)

    def there(self, shots: list[Shot]) -> Bool[np.ndarray, " N"]:
        return np.array([shot.recording in self.paths for shot in shots], dtype=bool)

    def where(self, shot: Shot) -> str:
        # The number in a take's name is not the take's: without the file, nobody knows it.
        folder = self.folder / shot.subject / "Videos"
        unknown = f"{folder / shot.action}*.{shot.camera}.mp4 (take {shot.take})"
        return str(self.paths.get(shot.recording, unknown))

    def boxes(self, _shots: list[Shot]) -> None:
        return None

    def read(self, shot: Shot) -> UInt8[np.ndarray, "H W 3"]:
        if shot.recording not in self.paths:
            raise FileNotFoundError(f"there is no {self.where(shot)}: {self.get}")
        return _reel(self.paths[shot.recording]).picture(shot.frame)

    def trouble(self, shots: list[Shot]) -> str:
        """By the lengths that the videos' heads tell: nothing is decoded."""
        lasts = {shot.recording: shot.frame for shot in sorted(shots)}
        short = []
        for recording, last in lasts.items():
            path = self.paths[recording]
            try:
                length = int(_opened(path).get(cv2.CAP_PROP_FRAME_COUNT))
            except ValueError as error:
                short.append(str(error))
                continue
            if length <= last:
                short.append(f"{path} has {length} frames, the poses {last + 1}")
        more = f"; so are {len(short) - 1} others" if len(short) > 1 else ""
        return f"{short[0]}{more}; {pickles.AGAIN}" if short else ""


class Reel:
    """A video that is read forwards."""

    def __init__(self, path: Path):
        self.path = path
        self._rewind()

    def picture(self, number: int) -> UInt8[np.ndarray, "H W 3"]:
        """The frame of this number, from 0, RGB; ValueError when the video ends before it."""
        if number < self.next:
            self._rewind()
        while self.next <= number:
            if not self.capture.grab():
                raise ValueError(
                    f"{self.path} ends or is damaged after {self.next} frames, frame {number} is "
                    f"wanted; {pickles.AGAIN}"
                )
            self.next += 1
        ok, picture = self.capture.retrieve()
        if not ok:
            raise ValueError(f"{self.path}: frame {number} can't be read; {pickles.AGAIN}")
        return np.ascontiguousarray(picture[..., ::-1])

    def _rewind(self) -> None:
        self.capture, self.next = _opened(self.path), 0


@lru_cache(maxsize=4)  # the four cameras of a take
def _reel(path: Path) -> Reel:
    return Reel(path)


def _opened(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(f"{path} is no video, or is damaged; {pickles.AGAIN}")
    return capture


SOURCES: dict[str, type[Folders] | type[Videos]] = {"3dmppe": Folders, "raw": Videos}


def shots(frames: pd.DataFrame) -> list[Shot]:
    """The rows of a table of frames (`PoseSet.frames`)."""
    rows = frames[list(COLUMNS)].itertuples(index=False, name=None)
    return [Shot(s, a, int(take), camera, int(frame)) for s, a, take, camera, frame in rows]

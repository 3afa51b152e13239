"""Where the pictures of Human3.6M's frames lie, in the two forms that people have.

- 3dmppe: images/s_01_act_02_subact_01_ca_01/s_01_act_02_subact_01_ca_01_000001.jpg, numbers from 1,
  with a box for each in annotations/Human36M_subject1_data.json (Moon et al.'s)
- raw: S1/Videos/Directions 1.54138969.mp4, the official videos, one a take and camera; their first
  frame is the first of the poses, and they may run on after the last

N frames.
"""

import math
import os
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, UInt8

from posekit.data.formats import video
from posekit.data.formats.pickles import AGAIN
from posekit.data.human36m.files import (
    ACTIONS,
    CAMERAS,
    SOURCE,
    annotations,
    read_json,
    take_of,
)
from posekit.data.poses import COLUMNS
from posekit.geometry.crop import read_image
from posekit.system import need_file


class Frame(NamedTuple):
    """A row of `PoseSet.frames`."""

    subject: str
    action: str
    take: int
    camera: str
    number: int  # from 0


def frames_of(rows: pd.DataFrame) -> list[Frame]:
    """The rows of a `PoseSet.frames`."""
    columns = rows[list(COLUMNS)].itertuples(index=False, name=None)
    return [Frame(s, a, int(take), camera, int(number)) for s, a, take, camera, number in columns]


class Folders:
    """Moon et al.'s folders of JPEG files. Methods are those of any source of pictures."""

    get = "get all parts of images.tar.gz that 3DMPPE_POSENET_RELEASE links to, and unpack them"

    def __init__(self, folder: Path):
        self.folder, self.images = folder, folder / "images"

    def present(self, frames: list[Frame]) -> Bool[np.ndarray, " N"]:
        """Which frames have a picture, by the files' names."""
        answers = []
        # There may be half a million files: a listing a folder is quicker than a call a file.
        for _, group in groupby(frames, lambda frame: frame[:4]):
            paths = [self._path(frame) for frame in group]
            folder = paths[0].parent
            listed = set(os.listdir(folder)) if folder.is_dir() else set()
            answers += [path.name in listed for path in paths]
        return np.array(answers, dtype=bool)

    def file(self, frame: Frame) -> str:
        """The file that holds a frame, whether it is there or not."""
        return str(self._path(frame))

    def boxes(self, frames: list[Frame]) -> Float64[np.ndarray, "N 4"] | None:
        """The persons' boxes that come with the pictures, px; None: none come with them.

        FileNotFoundError, ValueError: a data.json is not there, damaged, or lacks a frame.
        """
        rows: list[list[float]] = []
        for subject, group in groupby(frames, lambda frame: frame.subject):
            path, wanted = annotations(self.folder, subject, "data"), list(group)
            table = _boxes(path, {frame.number for frame in wanted})
            for frame in wanted:
                if _numbers(frame) not in table:
                    raise ValueError(f"{path} has no box of {' '.join(map(str, frame))}; {AGAIN}")
                rows.append(table[_numbers(frame)])
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def read(self, frame: Frame) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture, RGB; errors as `read_image`."""
        return read_image(need_file(self._path(frame), source=self.get))

    def damage(self, frames: list[Frame]) -> str:
        """What is wrong with the files of these frames, all of them present; "": nothing."""
        try:
            self.boxes(frames)
        except (FileNotFoundError, ValueError) as error:
            return str(error)
        return ""

    def _path(self, frame: Frame) -> Path:
        # Named by rule: a file_name out of the json could lead anywhere.
        action, take, camera, number = _numbers(frame)
        subject = int(frame.subject.removeprefix("S"))
        name = f"s_{subject:02d}_act_{action:02d}_subact_{take:02d}_ca_{camera:02d}"
        return self.images / name / f"{name}_{number + 1:06d}.jpg"


def _numbers(frame: Frame) -> tuple[int, int, int, int]:
    """Action, take, camera and frame as Moon et al.'s files number them."""
    action, camera = ACTIONS.index(frame.action) + 2, CAMERAS.index(frame.camera) + 1
    return action, frame.take, camera, frame.number


def _boxes(path: Path, numbers: set[int]) -> dict[tuple[int, int, int, int], list[float]]:
    """The boxes in a data.json of the frames of these numbers, by `_numbers`."""
    held = read_json(path)
    keys = ("action_idx", "subaction_idx", "cam_idx", "frame_idx")
    try:
        places = {
            image["id"]: tuple(int(image[key]) for key in keys)
            for image in held["images"]
            if image["frame_idx"] in numbers
        }
        table = {
            places[person["image_id"]]: [float(value) for value in person["bbox"]]
            for person in held["annotations"]
            if person["image_id"] in places
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no whole table of pictures ({error!r}); {AGAIN}") from error
    for place, box in table.items():
        if len(box) != 4 or not all(math.isfinite(value) for value in box):
            raise ValueError(f"{path}: {box} of picture {place} is no box; {AGAIN}")
    return table


class Videos:
    """The official videos, with the methods of `Folders`."""

    get = f"{SOURCE}, get Videos_S*.tgz and unpack them beside the poses"

    def __init__(self, folder: Path):
        self.folder = folder
        self.paths: dict[tuple[str, str, int, str], Path] = {}
        for path in sorted(folder.glob("S*/Videos/*.mp4")):
            name, _, camera = path.stem.rpartition(".")
            if name.startswith("_ALL"):  # calibration, no action
                continue
            subject = path.parts[-3]
            try:
                key = (subject, *take_of(subject, name), camera)
            except ValueError as error:
                raise ValueError(f"{path}: {error}; remove or rename it") from error
            if key in self.paths:
                raise ValueError(
                    f"{path} and {self.paths[key]} are of one take: remove one of them"
                )
            self.paths[key] = path

    def present(self, frames: list[Frame]) -> Bool[np.ndarray, " N"]:
        return np.array([frame[:4] in self.paths for frame in frames], dtype=bool)

    def file(self, frame: Frame) -> str:
        # The number in a take's name is not the take's: without the file it is not known.
        folder = self.folder / frame.subject / "Videos"
        unknown = f"{folder / frame.action}*.{frame.camera}.mp4 (take {frame.take})"
        return str(self.paths.get(frame[:4], unknown))

    def boxes(self, _frames: list[Frame]) -> None:
        return None

    def read(self, frame: Frame) -> UInt8[np.ndarray, "H W 3"]:
        if frame[:4] not in self.paths:
            raise FileNotFoundError(f"there is no {self.file(frame)}: {self.get}")
        return video.open_video(self.paths[frame[:4]]).frame(frame.number)

    def damage(self, frames: list[Frame]) -> str:
        """By the lengths that the videos' heads tell: nothing is decoded."""
        lasts = {frame[:4]: frame.number for frame in sorted(frames)}
        short = []
        for recording, last in lasts.items():
            path = self.paths[recording]
            try:
                if (length := video.length(path)) <= last:
                    short.append(f"{path} has {length} frames, the poses {last + 1}")
            except ValueError as error:
                short.append(str(error))
        more = f"; so are {len(short) - 1} others" if len(short) > 1 else ""
        return f"{short[0]}{more}; {AGAIN}" if short else ""


SOURCES: dict[str, type[Folders] | type[Videos]] = {"3dmppe": Folders, "raw": Videos}

"""Where pictures of people come from: a JPEG or PNG, a video file, a webcam.

H x W pixels, RGB. Times are in seconds from the beginning of the video.
"""

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from posekit.data.formats.video import opened
from posekit.geometry.crop import MAX_PIXELS, read_image
from posekit.system import plain_path, shown

RECORDING = "webcam.avi"
ASSUMED_RATE = 25.0  # frames a second, where a video or webcam does not say
CODECS = ("vp09", "mp4v")  # what browsers play, else what every OpenCV writes


def is_picture(path: Path) -> bool:
    """Whether a file begins as a JPEG or a PNG does."""
    with path.open("rb") as file:
        return file.read(8).startswith((b"\xff\xd8", b"\x89PNG\r\n\x1a\n"))


def read_upright(path: Path) -> tuple[UInt8[np.ndarray, "H W 3"], float | None]:
    """A picture turned as EXIF says, and its focal length in mm on 35 mm film, if EXIF knows it.

    Errors as `read_image`; damaged EXIF counts as none.
    """
    picture, film = read_image(path), 0.0
    # Pillow raises whatever damaged EXIF leads to.
    with contextlib.suppress(Exception), Image.open(path) as file:
        picture = np.array(ImageOps.exif_transpose(file).convert("RGB"))
        film = float(file.getexif().get_ifd(0x8769).get(0xA405, 0))
    return picture, film if math.isfinite(film) and film > 0 else None


class Frame(NamedTuple):
    """One picture of a video."""

    number: int  # from 0
    time: float  # s
    picture: UInt8[np.ndarray, "H W 3"]


class Video:
    """A video file. FileNotFoundError; ValueError when it can't be read, or is too large."""

    live = False

    def __init__(self, path: Path):
        capture = opened(path)
        self.path, self.name = path, shown(path.name)
        self.height, self.width, self.rate = _facts(capture, self.name)
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(promised) if 0 < promised < 1e9 else None  # as the file says
        capture.release()

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """All frames from this one on, at the times that the file gives them.

        ValueError when the first can't be decoded.
        """
        capture, number = opened(self.path), start - 1
        for number, picture in enumerate(_pictures(capture, start), start):
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            seconds = stamp if stamp > 0 else number / self.rate  # of files without times
            yield Frame(number, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if number < 0:
            raise ValueError(f"{self.path} is damaged: none of its frames can be decoded")


class Webcam:
    """A camera at this machine; what it sees is kept in `folder`, to be drawn on afterwards.

    ValueError when there is no such camera, or the folder has a recording already.
    """

    live, count = True, None

    def __init__(self, index: int, folder: Path):
        self.name, self.path = f"webcam {index}", folder / RECORDING
        if self.path.exists():
            raise ValueError(f"there is a recording in {folder}: choose another --out")
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            raise ValueError(f"there is no camera {index}, or another program has it")
        self.height, self.width, self.rate = _facts(self._capture, self.name)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """What it sees from now on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        size = (self.width, self.height)
        with plain_path(self.path) as name:
            record = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*"MJPG"), self.rate, size)
        if not record.isOpened():
            raise OSError(f"OpenCV can't write {self.path}: choose another --out")
        began = time.monotonic()
        try:
            for number, picture in enumerate(_pictures(self._capture), start):
                record.write(picture)
                seconds = time.monotonic() - began
                yield Frame(number, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        finally:
            record.release()


def write_video(
    path: Path, pictures: Iterator[UInt8[np.ndarray, "H W 3"]], size: tuple[int, int], rate: float
) -> None:
    """Write pictures of `size` (width, height) to an mp4.

    OSError where OpenCV writes none, or not all of them: it does not tell a full disk.
    """
    count = 0
    with plain_path(path, ".mp4") as name:  # OpenCV goes by a file's ending
        for codec in CODECS:
            writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*codec), rate, size)
            if writer.isOpened():
                break
        try:
            for count, picture in enumerate(pictures, start=1):
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        finally:
            writer.release()
    if not path.is_file():
        raise OSError("OpenCV can't write videos here")
    with contextlib.suppress(ValueError):  # of what was cut off
        if opened(path).get(cv2.CAP_PROP_FRAME_COUNT) == count:
            return
    raise OSError(f"the video of {count} frames was not written whole")


def _facts(capture, name: str) -> tuple[int, int, float]:
    """Height, width (px) and rate (frames a second)."""
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(f"{name} has frames of {width} x {height} px, at most {MAX_PIXELS:,} do")
    return height, width, float(rate) if 0 < rate <= 1000 else ASSUMED_RATE


def _pictures(capture, skip: int = 0) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """The pictures behind the first few, BGR; the capture is released behind the last."""
    try:
        # Jumping to a frame is not exact with every codec; reading up to it is.
        if all(capture.grab() for _ in range(skip)):
            while (read := capture.read())[0]:
                yield read[1]
    finally:
        capture.release()

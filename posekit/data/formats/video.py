"""Video files as OpenCV opens them, and their frames by number, read forwards.

Seeking in a video does not always land on the frame asked for (opencv/opencv#9053), so a video is
read from its beginning: frames in order cost one reading of it, a frame before the last one read
another.
"""

import os
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from posekit.data.formats.pickles import AGAIN
from posekit.system import need_file, plain_path

Y4M = b"YUV4MPEG2 "  # the one video that begins as a text does


class Video:
    """A video file that stays open at the frame read last."""

    def __init__(self, path: Path):
        self.path = path
        self._rewind()

    def frame(self, number: int) -> UInt8[np.ndarray, "H W 3"]:
        """The frame of this number, from 0, RGB; ValueError when the video ends before it."""
        if number < self.next:
            self._rewind()
        while self.next <= number:
            if not self.capture.grab():
                raise ValueError(
                    f"{self.path} ends or is damaged after {self.next} frames, frame {number} is "
                    f"wanted; {AGAIN}"
                )
            self.next += 1
        decoded, image = self.capture.retrieve()
        if not decoded:
            raise ValueError(f"{self.path}: frame {number} can't be read; {AGAIN}")
        return np.ascontiguousarray(image[..., ::-1])

    def _rewind(self) -> None:
        self.capture, self.next = opened(self.path), 0


@lru_cache(maxsize=4)  # the cameras of a take
def open_video(path: Path) -> Video:
    """The video in this file; ValueError when it is none."""
    return Video(path)


def length(path: Path) -> int:
    """The number of frames that the file's head tells; ValueError when it is no video."""
    return int(opened(path).get(cv2.CAP_PROP_FRAME_COUNT))


def opened(path: Path) -> cv2.VideoCapture:
    """The video in this file, to OpenCV; FileNotFoundError, ValueError when it is none.

    A text is refused: a playlist leads to other files. Whatever a file calls itself, it leads to no
    other machine.
    """
    need_file(path, "video")
    with path.open("rb") as file:
        head = file.read(64)
    text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    if text and not head.startswith(Y4M):
        raise ValueError(f"{path} is {'a text' if head else 'empty'}, no picture and no video")
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")
    with plain_path(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ValueError(f"{path} is no video, nor a JPEG or PNG; {AGAIN}")
    return capture

"""Who is in a picture: boxes by a detector, or the whole picture as one.

A box is left, top, width and height, px. A score is a number from 0 to 1 that says how sure the
detector is; there is none where a person drew the box. H x W pixels, RGB.
"""

import math
import urllib.error
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from posekit.geometry.crop import Box

PERSON = 1  # of COCO's categories


class Found(NamedTuple):
    """A person in a picture."""

    box: Box
    score: float | None = None


@runtime_checkable
class Detector(Protocol):
    """What finds people."""

    name: str
    note: str  # what a reader of the result has to know of it; empty where nothing
    remedy: str  # how a better one would come to be chosen; empty where it was asked for

    def find(self, picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Found]:
        """The people of a picture; `frame` is its number in a video, 0 otherwise."""
        ...


class Whole:
    """Takes the picture for one person's: works wherever that is so."""

    name, note = "whole picture", "the whole picture counts as the box of one person"

    def __init__(self, remedy: str = ""):
        self.remedy = remedy

    def find(self, picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Found]:
        height, width = picture.shape[:2]
        return [Found((0, 0, width, height))]


class Hog:
    """OpenCV's detector of walking people (Dalal & Triggs, CVPR 2005): no download, finds few.

    ImportError where this OpenCV has none: from version 5 on only its contrib packages have.
    """

    name = "OpenCV's HOG"
    note = "it finds people who stand or walk upright and are seen whole, and misses most others"
    remedy = ""

    def __init__(self):
        if not hasattr(cv2, "HOGDescriptor"):
            raise ImportError(
                f"OpenCV {cv2.__version__} has no HOG detector: install "
                "opencv-contrib-python-headless in place of opencv-python-headless"
            )
        self.descriptor = cv2.HOGDescriptor()
        self.descriptor.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def find(self, picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Found]:
        if picture.shape[0] < 128 or picture.shape[1] < 64:  # smaller than its window
            return []
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        windows, margins = self.descriptor.detectMultiScale(grey, winStride=(8, 8), scale=1.05)
        found = []
        for (left, top, width, height), margin in zip(windows, np.ravel(margins), strict=True):
            # A window of 64 x 128 px was taught to hold a person 96 px tall in its middle.
            box = (left + width / 4, top + height / 8, width / 2, height * 3 / 4)
            found.append(Found(tuple(map(float, box)), 1 / (1 + math.exp(-float(margin)))))
        return without_doubles(found)


class Torchvision:
    """torchvision's Faster R-CNN on MobileNet v3, taught on COCO.

    Its weights are those in torch's hub folder. ImportError where torchvision's compiled operators
    are not there; FileNotFoundError with the remedy where the weights are not and, if `download`,
    can't be got; ValueError when they are damaged.
    """

    name, note, remedy = "torchvision's fasterrcnn_mobilenet_v3_large_fpn", "", ""

    def __init__(self, device: str = "cpu", *, download: bool = False):
        from posekit.models.torchvision_compat import torchvision

        try:
            torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
        except (NotImplementedError, RuntimeError) as error:
            raise ImportError(
                "torchvision's compiled operators are not there (a torchvision for CUDA beside a "
                "torch for CPUs): install both from one index, https://download.pytorch.org/whl"
            ) from error
        detection = torchvision.models.detection
        url = detection.FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1.url
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
        if not path.is_file():
            if not download:
                raise FileNotFoundError(f"there is no {path}; get it at {url}")
            _download(url, path)
        self.network = detection.fasterrcnn_mobilenet_v3_large_fpn(
            weights=None, weights_backbone=None
        )
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            self.network.load_state_dict(state)
        except Exception as error:  # torch has no common one for files that are not whole
            raise ValueError(f"{path} is damaged: delete it and get it again at {url}") from error
        self.network.eval().to(device)
        self.device = device

    @torch.inference_mode()
    def find(self, picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Found]:
        light = torch.from_numpy(picture).to(self.device).permute(2, 0, 1).float() / 255
        (seen,) = self.network([light])
        rows = zip(*(seen[key].tolist() for key in ("boxes", "labels", "scores")), strict=True)
        return [
            Found((left, top, right - left, bottom - top), score)
            for (left, top, right, bottom), label, score in rows
            if label == PERSON and right > left and bottom > top
        ]


def without_doubles(found: Sequence[Found], overlap: float = 0.5) -> list[Found]:
    """The best first, without those that share more than `overlap` of their area with a better."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda f: -f.score):
        if all(_shared(each.box, better.box) <= overlap for better in kept):
            kept.append(each)
    return kept


def choose(name: str, device: str = "cpu") -> Detector:
    """The detector of this name, or the best of those that are there for "auto".

    "auto" downloads nothing. ImportError, FileNotFoundError as the detectors raise them; ValueError
    for another name.
    """
    if name == "whole":
        return Whole()
    if name == "hog":
        return Hog()
    if name == "torchvision":
        return Torchvision(device, download=True)
    if name != "auto":
        raise ValueError(f"no detector {name!r}; there are auto, torchvision, hog, whole")
    lacking = []
    for detector in (lambda: Torchvision(device), Hog):
        try:
            return detector()
        except (ImportError, FileNotFoundError) as error:
            lacking.append(str(error))
    return Whole("there is no detector here. " + "; or: ".join(lacking))


def _shared(one: Box, other: Box) -> float:
    """The area that two boxes share, of the area that they have together."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _download(url: str, path: Path) -> None:
    """The file at `url`, its name's end being the start of its SHA-256, as torchvision has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, path, path.stem.rpartition("-")[2])
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"the detector's weights can't be got from here ({error}): get {url} on another "
            f"machine and put it at {path}, or use --detector hog, --detector whole or --boxes"
        ) from error

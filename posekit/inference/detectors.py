"""Who is in a picture: boxes by a detector, by hand, or the whole picture as one.

A box is left, top, width and height, px. A score is a number from 0 to 1 that says how sure the
detector is; there is none where a person drew the box. H x W pixels, RGB.

Measured on photographs: the share of labelled people who get a box whose square has 0.3 (0.5) of the
union with the square of their own box, and boxes a picture that nobody has. LSP extended's pictures
2001 to 2400, Pose2Sim's demo (80), four pictures of COCO (14 people, most of them small):

| detector | LSP extended | Pose2Sim | COCO | too many |
|---|---|---|---|---|
| BlazePose's | 0.89 (0.68) | 1.00 (1.00) | 0.57 (0.43) | 0.18, 0.03, 0 |
| OpenCV's HOG | 0.10 (0.08) | 0.15 (0.13) | 0.07 (0.07) | 0.10, 1.11, 0 |
| whole picture | 0.23 (0.08) | 0 (0) | 0 (0) | 0.77, 1, 1 |
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from posekit.geometry.crop import Box
from posekit.inference import blazepose as blazepose_file

PERSON = 1  # of COCO's categories


class Detection(NamedTuple):
    """A person in a picture."""

    box: Box
    score: float | None = None


@dataclass(frozen=True)
class Detector:
    """A function that finds the people of a picture, and what a reader of its result has to know."""

    name: str
    find: Callable[[UInt8[np.ndarray, "H W 3"], int], list[Detection]]  # of a video's frame number
    note: str = ""
    remedy: str = ""  # how a better one would come to be chosen


def choose(name: str, device: str = "cpu") -> Detector:
    """The detector of this name, or the best of those that are there for "auto".

    "auto" downloads nothing. ImportError, FileNotFoundError as the detectors raise them; ValueError
    for another name.
    """
    if name == "auto":
        lacking = []
        for detector in (lambda: faster_rcnn(device, download=False), blazepose, hog):
            try:
                return detector()
            except (ImportError, FileNotFoundError) as error:
                lacking.append(str(error))
        return whole_picture(remedy="there is no detector here. " + "; or: ".join(lacking))
    named = {
        "blazepose": blazepose,
        "torchvision": lambda: faster_rcnn(device, download=True),
        "hog": hog,
        "whole": whole_picture,
    }
    if name not in named:
        raise ValueError(f"no detector {name!r}; there are auto, {', '.join(named)}")
    return named[name]()


def whole_picture(remedy: str = "") -> Detector:
    """Takes the picture for one person's: works wherever that is so."""
    note = "the whole picture counts as the box of one person"
    whole = lambda picture, frame: [Detection((0, 0, picture.shape[1], picture.shape[0]))]
    return Detector("whole picture", whole, note, remedy)


def blazepose() -> Detector:
    """BlazePose's detector (`posekit.inference.blazepose`), offline.

    FileNotFoundError and ModuleNotFoundError with the remedy where mediapipe's file or OpenVINO are
    not installed; ValueError when the file is damaged.
    """
    network = blazepose_file.opened(blazepose_file.weights())

    def find(picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Detection]:
        return [Detection(box, score) for box, score in blazepose_file.people(network, picture)]

    note = "it finds people whose face or head is seen, best near the camera"
    return Detector("BlazePose's detector", find, note)


def hog() -> Detector:
    """OpenCV's detector of walking people (Dalal & Triggs, CVPR 2005): no download, finds few.

    ImportError where this OpenCV has none: from version 5 on only its contrib packages have.
    """
    if not hasattr(cv2, "HOGDescriptor"):
        raise ImportError(
            f"OpenCV {cv2.__version__} has no HOG detector: install "
            "opencv-contrib-python-headless in place of opencv-python-headless"
        )
    descriptor = cv2.HOGDescriptor()
    descriptor.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def find(picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Detection]:
        if picture.shape[0] < 128 or picture.shape[1] < 64:  # smaller than its window
            return []
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        windows, margins = descriptor.detectMultiScale(grey, winStride=(8, 8), scale=1.05)
        scores = [1 / (1 + math.exp(-float(margin))) for margin in np.ravel(margins)]
        # A window of 64 x 128 px was taught to hold a person 96 px tall in its middle.
        boxes = [(x + w / 4, y + h / 8, w / 2, h * 3 / 4) for x, y, w, h in np.asarray(windows)]
        boxes = [tuple(map(float, box)) for box in boxes]
        # Of boxes that share more than half of their area the surest stays.
        kept = cv2.dnn.NMSBoxes(boxes, scores, 0.0, 0.5) if boxes else ()
        return [Detection(boxes[i], scores[i]) for i in kept]

    note = "it finds people who stand or walk upright and are seen whole, and misses most others"
    return Detector("OpenCV's HOG", find, note)


def faster_rcnn(device: str = "cpu", *, download: bool = False) -> Detector:
    """torchvision's Faster R-CNN on MobileNet v3, trained on COCO, with weights of torch's hub.

    ImportError where torchvision's compiled operators are not there; FileNotFoundError with the
    remedy where the weights are not and, if `download`, can't be got; ValueError when they are
    damaged.
    """
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
        _get(url, path, download)
    network = detection.fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None)
    try:
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except Exception as error:  # torch has no common one for files that are not whole
        raise ValueError(f"{path} is damaged: delete it and get it again at {url}") from error
    network.eval().to(device)

    @torch.inference_mode()
    def find(picture: UInt8[np.ndarray, "H W 3"], frame: int) -> list[Detection]:
        pixels = torch.from_numpy(picture).to(device).permute(2, 0, 1).float() / 255
        (seen,) = network([pixels])
        rows = zip(*(seen[key].tolist() for key in ("boxes", "labels", "scores")), strict=True)
        return [
            Detection((left, top, right - left, bottom - top), score)
            for (left, top, right, bottom), label, score in rows
            if label == PERSON and right > left and bottom > top
        ]

    return Detector("torchvision's fasterrcnn_mobilenet_v3_large_fpn", find)


def _get(url: str, path: Path, download: bool) -> None:
    """Download weights whose name ends in the start of their SHA-256."""
    if not download:
        raise FileNotFoundError(f"there is no {path}; get it at {url}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, path, path.stem.rpartition("-")[2])
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"the detector's weights can't be got from here ({error}): get {url} on another "
            f"machine and put it at {path}, or use --detector hog, --detector whole or --boxes"
        ) from error

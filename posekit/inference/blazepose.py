"""BlazePose's detector of people, from weights that come in the package mediapipe.

V. Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking" (2020): a network of 224 x
224 px finds faces and, for each, the middle of the hips and the radius of the circle about it that
holds the whole person. `WEIGHTS` lies in the wheels of mediapipe 0.10 (Apache-2.0); nothing else of
that package is used or imported, and OpenVINO runs the file.

It was made for people near the camera: small ones are found in parts of the picture that are looked
at one by one. H x W pixels, RGB; A = 2254 anchors.
"""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posekit.geometry.crop import Box

WEIGHTS = "modules/pose_detection/pose_detection.tflite"
REMEDY = "pip install --no-deps mediapipe==0.10.21 (36 MB, Apache-2.0; a detector of people)"
SIDE = 224  # px of the network's input
GRIDS = ((28, 2), (14, 2), (7, 6))  # cells along a side, anchors a cell
SURE, SURE_OF_SMALL = 0.5, 0.7  # scores from which on a person counts, and one in a part
SAME_FACE, SAME_PERSON = 0.3, 0.4  # shares of the union from which on two boxes are of one
TIGHT = 0.8  # of the circle's radius: fitted to the joints' boxes of LSP extended's 1 to 300
OVER = 0.15  # of a person's box that may lie outside the part that it was found in

Found = tuple[Box, float]


def weights() -> Path:
    """The network's file; FileNotFoundError with the remedy where mediapipe is not installed."""
    found = find_spec("mediapipe")
    for folder in (found and found.submodule_search_locations) or []:
        if (path := Path(folder) / WEIGHTS).is_file():
            return path
    raise FileNotFoundError(f"there is no mediapipe with {WEIGHTS}: {REMEDY}")


def people(network, picture: UInt8[np.ndarray, "H W 3"]) -> list[Found]:
    """Everybody's box and score, the surest first. `network` maps (1, 224, 224, 3) in -1..1 to 12
    numbers (A) and a logit for each anchor."""
    found = _in_part(network, picture, SURE)
    for left, top, side in parts(picture.shape[:2]):
        for box, score in _in_part(
            network, picture[top : top + side, left : left + side], SURE_OF_SMALL
        ):
            x, y, width, _ = box
            over = OVER * width
            if -over <= x <= side - width + over and -over <= y <= side - width + over:
                found.append(((x + left, y + top, width, width), score))
    kept: list[Found] = []
    for box, score in sorted(found, key=lambda each: -each[1]):
        corners = np.array([each[0] for each in kept]).reshape(-1, 4)
        if not (share(np.array(box), corners) > SAME_PERSON).any():
            kept.append((box, score))
    return kept


def parts(size: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of squares of two thirds of the shorter side that cover a picture of this
    height and width, about half of each in the next one."""
    side = 2 * min(size) // 3
    if side < 2:
        return
    rows, columns = (
        np.linspace(0, length - side, max(2, round(2 * length / side) - 1)).astype(int).tolist()
        for length in size
    )
    yield from ((left, top, side) for top in rows for left in columns)


def _in_part(network, picture: UInt8[np.ndarray, "H W 3"], sure: float) -> list[Found]:
    """The people of a picture that the network sees as a whole, in px of it."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = np.zeros((SIDE, SIDE, 3), np.uint8)
    left, top = (SIDE - small[0]) // 2, (SIDE - small[1]) // 2
    resized = cv2.resize(picture, small, interpolation=how)
    seen[top : top + small[1], left : left + small[0]] = resized
    numbers, logits = network(seen[None].astype(np.float32) / 127.5 - 1)
    shift = np.array([left, top])
    return [
        (tuple(((middle - shift - radius) / scale).tolist()) + (2 * radius / scale,) * 2, score)
        for middle, radius, score in circles(numbers, logits, sure)
    ]


def circles(
    numbers: Float[np.ndarray, "A 12"], logits: Float[np.ndarray, " A"], sure: float
) -> Iterator[tuple[Float[np.ndarray, "2"], float, float]]:
    """The middle and radius (px of the input) and score of everybody found.

    The numbers are the face's middle and size, and four points, from the anchor on: the first is the
    middle of the hips, the second lies on the circle. Of anchors with the same face the mean is
    taken, weighted by their scores.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(float), -100, 100)))
    chosen = np.flatnonzero(scores >= sure)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    scores, middles = scores[chosen], anchors()[chosen] * SIDE
    faces = numbers[chosen, :4].astype(float)
    faces[:, :2] += middles - faces[:, 2:] / 2  # left, top, width, height
    points = numbers[chosen, 4:8].astype(float).reshape(-1, 2, 2) + middles[:, None]
    left = np.ones(len(chosen), bool)
    for k in range(len(chosen)):
        if not left[k]:
            continue
        same = left & (share(faces[k], faces) > SAME_FACE)
        same[k] = True
        left &= ~same
        hips, rim = np.average(points[same], axis=0, weights=scores[same])
        if (radius := TIGHT * float(np.hypot(*(rim - hips)))) > 0:
            yield hips, radius, float(scores[k])


@cache
def anchors() -> Float[np.ndarray, "A 2"]:
    """The middles (x, y) of all anchors, from 0 to 1, row by row of each grid."""
    grids = []
    for cells, count in GRIDS:
        down, across = np.mgrid[:cells, :cells]
        grids.append(np.repeat(np.stack([across, down], -1).reshape(-1, 2) + 0.5, count, 0) / cells)
    return np.concatenate(grids)


def share(box: Float[np.ndarray, "4"], others: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, " N"]:
    """Intersection over union of a box (left, top, width, height) with others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = (high - low).clip(min=0).prod(-1)
    return common / np.maximum(box[2:].prod() + others[:, 2:].prod(-1) - common, 1e-9)

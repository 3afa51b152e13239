"""BlazePose's detector of people and its network of their joints, from the package mediapipe.

V. Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking" (2020): a network of 224 x
224 px finds faces and, for each, the middle of the hips and the radius of the circle about it that
holds the whole person. `WEIGHTS` lies in the wheels of mediapipe 0.10 (Apache-2.0); nothing else of
that package is used or imported, and OpenVINO runs the file.

It was made for people near the camera: small ones are found in parts of the picture that are looked
at one by one. The second network (`LANDMARKS`) finds 33 points of a person in a crop of 256 x 256 px,
of which 17 are COCO's keypoints; the first tells how to turn and zoom the crop so that the person
stands upright in it.

H x W pixels, RGB; A = 2254 anchors.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posekit.geometry.crop import Box
from posekit.inference.export import package

WEIGHTS = "modules/pose_detection/pose_detection.tflite"
LANDMARKS = "modules/pose_landmark/pose_landmark_full.tflite"
REMEDY = "pip install --no-deps mediapipe==0.10.21 (36 MB, Apache-2.0)"
POINTS = 39  # of the second network: 33 of the body, the others turn the crop
CROP = 256  # px of its input
WIDER = 1.25  # the side of its crop over the diameter of the circle round a person
COCO = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)  # keypoints of its points
SIDE = 224  # px of the network's input
GRIDS = ((28, 2), (14, 2), (7, 6))  # cells along a side, anchors a cell
SURE, SURE_OF_SMALL = 0.5, 0.7  # scores from which on a person counts, and one in a part
SAME_FACE, SAME_PERSON = 0.3, 0.4  # shares of the union from which on two boxes are of one
TIGHT = 0.8  # of the circle's radius: fitted to the joints' boxes of LSP extended's 1 to 300
OVER = 0.15  # of a person's box that may lie outside the part that it was found in

Found = tuple[Box, float]
Network = Callable[[Float[np.ndarray, "1 S S 3"]], Sequence[np.ndarray]]


def weights(name: str = WEIGHTS) -> Path:
    """A network's file; FileNotFoundError with the remedy where mediapipe is not installed."""
    found = find_spec("mediapipe")
    for folder in (found and found.submodule_search_locations) or []:
        if (path := Path(folder) / name).is_file():
            return path
    raise FileNotFoundError(f"there is no mediapipe with {name}: {REMEDY}")


def opened(path: Path) -> Network:
    """The network of a file, from pictures to its outputs in order.

    ModuleNotFoundError with the remedy where OpenVINO is not installed; ValueError when the file is
    damaged.
    """
    library = package("openvino")
    try:
        # In bfloat16, OpenVINO's choice on some processors, points are some px off.
        how = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        compiled = library.Core().compile_model(path, "CPU", how)
        request = compiled.create_infer_request()
    except Exception as error:  # OpenVINO's own
        raise ValueError(f"{path} is damaged ({error}): install mediapipe anew") from error
    return lambda pictures: [*request.infer([pictures]).to_tuple()]


def keypoints(
    detector: Network, landmarks: Network, crop: UInt8[np.ndarray, "S S 3"]
) -> tuple[Float[np.ndarray, "17 2"], Float[np.ndarray, "17 3"]]:
    """COCO's keypoints of the person in a crop: px of it, and mm from the middle of the hips (x right,
    y down, z away from the camera). Where the detector finds nobody the crop stays as it is.
    """
    scale = SIDE / len(crop)
    small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    hips, rim, _ = next(circles(*_answers(detector, small), SURE), (None, None, 0))
    turned = np.eye(2, 3) if hips is None else upright(hips / scale, rim / scale)
    seen = cv2.warpAffine(crop, turned, (CROP, CROP), flags=cv2.INTER_LINEAR)
    outputs = {out.size: out for out in landmarks(seen[None].astype(np.float32) / 255)}
    # 39 points of x, y, z and two logits, px; 39 points in m
    places, space = (outputs[POINTS * n].reshape(POINTS, n)[list(COCO)] for n in (5, 3))
    back = np.linalg.inv(turned[:, :2])
    space = 1000 * space.astype(float)
    space[:, :2] @= (back / np.sqrt(np.linalg.det(back))).T
    return (places[:, :2] - turned[:, 2]) @ back.T, space


def upright(hips: Float[np.ndarray, "2"], rim: Float[np.ndarray, "2"]) -> Float[np.ndarray, "2 3"]:
    """From px of a picture to the second network's input: the hips in its middle, the circle through
    `rim` as large as MediaPipe shows it, the point on the rim above the hips."""
    across, up = rim - hips
    scale = CROP / (2 * WIDER * (across**2 + up**2))
    turn = scale * np.array([[-up, across], [-across, -up]])
    return np.column_stack([turn, CROP / 2 - turn @ hips])


def people(network: Network, picture: UInt8[np.ndarray, "H W 3"]) -> list[Found]:
    """Everybody's box and score, the surest first. `network` maps (1, 224, 224, 3) in -1..1 to 12
    numbers (1, A, 12) and a logit (1, A, 1) for each anchor."""
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


def _in_part(network: Network, picture: UInt8[np.ndarray, "H W 3"], sure: float) -> list[Found]:
    """The people of a picture that the network sees as a whole, in px of it."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = np.zeros((SIDE, SIDE, 3), np.uint8)
    left, top = (SIDE - small[0]) // 2, (SIDE - small[1]) // 2
    resized = cv2.resize(picture, small, interpolation=how)
    seen[top : top + small[1], left : left + small[0]] = resized
    found = []
    for hips, rim, score in circles(*_answers(network, seen), sure):
        radius = TIGHT * float(np.hypot(*(rim - hips)))
        corner = (hips - [left, top] - radius) / scale
        found.append(((*corner.tolist(), 2 * radius / scale, 2 * radius / scale), score))
    return found


def _answers(
    network: Network, seen: UInt8[np.ndarray, "S S 3"]
) -> tuple[Float[np.ndarray, "A 12"], Float[np.ndarray, " A"]]:
    numbers, logits = network(seen[None].astype(np.float32) / 127.5 - 1)
    return numbers[0], logits[0, :, 0]


def circles(
    numbers: Float[np.ndarray, "A 12"], logits: Float[np.ndarray, " A"], sure: float
) -> Iterator[tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"], float]]:
    """The middle of the hips, a point on the circle about it (px of the input) and the score of
    everybody found. On the circle is the point that is above the hips of who stands upright.

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
        if (hips != rim).any():
            yield hips, rim, float(scores[k])


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

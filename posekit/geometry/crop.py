"""From a picture file to a network's input: reading, boxes, crops.

A crop is a 3 x 3 matrix from pixels of the source to pixels of the crop. `take` cuts a picture,
`posekit.training.warp` moves a batch; multiplied with an augmentation's matrix first, pixels are
resampled once. Integer coordinates are pixel centres: width W reaches from -0.5 to W - 0.5.

H, W pixels of the source; h, w pixels of the crop.
"""

import math
import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float64, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from posekit.system import need_file

MAX_PIXELS = 100_000_000
"""More than any picture of the field has; decoded, it takes 300 MB."""

MAX_SIDE = 32_766  # px, of pictures that OpenCV can take crops of

FITS = ("inside", "height", "stretch")
"""How a box becomes a crop of another shape: it grows until it has that shape; its height is the
crop's; or it is stretched."""

Number = int | float
Box = tuple[Number, Number, Number, Number]  # left, top, width, height, px


class Crop(NamedTuple):
    """The place of a window of the source in a crop."""

    matrix: Float64[Tensor, "3 3"]  # source px to crop px
    window: tuple[int, int, int, int]  # left, top, right, bottom: source pixels outside are black


def read_image(path: Path | str) -> UInt8[np.ndarray, "H W 3"]:
    """RGB pixels of a JPEG or PNG file, grey ones in three equal channels.

    Pixels are as stored, without EXIF's rotation: data sets count stored pixels. FileNotFoundError
    when there is no such file; ValueError, naming it, when it is no JPEG or PNG of 8 bits, has more
    than `MAX_PIXELS` pixels or a side above `MAX_SIDE`, or is truncated or damaged.
    """
    return _read(path, grey=False)


def read_labels(path: Path | str) -> UInt8[np.ndarray, "H W *C"]:
    """A PNG's pixels as stored: (H, W) if it is grey, (H, W, 3) RGB if it has colours or a palette.

    Errors as `read_image`.
    """
    return _read(path, grey=True)


def _read(path: Path | str, *, grey: bool) -> np.ndarray:
    path = need_file(Path(path), "picture")
    try:
        with warnings.catch_warnings():  # of sizes that are checked here
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=("JPEG", "PNG"))
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if max(image.size) > MAX_SIDE:
                raise ValueError(f"{path} has a side of more than {MAX_SIDE:,} px; make it smaller")
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"{path} is not of 8 bits")
            return np.array(image.convert("L" if grey and image.mode in ("1", "L") else "RGB"))
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} has more than {MAX_PIXELS:,} pixels; make it smaller") from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{path} is neither a JPEG nor a PNG, or it is cut off or damaged: get it again"
        ) from error
    except (OSError, SyntaxError, struct.error) as error:  # what Pillow raises for damaged files
        raise ValueError(f"{path} is cut off or damaged: get it again ({error})") from error


def crop_affine(
    box: Box,
    size: tuple[int, int],
    *,
    context: Number = 1.25,
    fit: str = FITS[0],
    picture: tuple[int, int] | None = None,
    name: str = "this sample",
) -> Float64[Tensor, "3 3"]:
    """The matrix that puts `box`, widened, in the middle of a crop of `size` (height, width).

    The box gets the crop's shape as `fit` says: its shorter side grows ("inside"), its height is
    the crop's ("height"), or both sides are ("stretch"); then both grow by `context`: 1.25 as in
    Moon et al. (ICCV 2019) and most after them. ValueError, naming the sample, for a box that is
    not finite, has no area, or lies outside the `picture` (height, width), and for another `fit`.
    """
    if fit not in FITS:
        raise ValueError(f"no fit {fit!r}; there are {', '.join(FITS)}")
    left, top, width, height = box
    if not all(math.isfinite(value) for value in box):
        raise ValueError(f"{name}: the box {box} is not finite")
    if not (width > 0 and height > 0 and context > 0):
        raise ValueError(f"{name}: the box {box} with context {context} has no area")
    if picture is not None:
        _touches(left, top, left + width, top + height, picture, name)
    across, down = size[1] / width / context, size[0] / height / context
    if fit != "stretch":
        across = down = min(across, down) if fit == "inside" else down
    return _centred((left + width / 2, top + height / 2), (across, down), size)


def kim_affine(
    centre: tuple[Number, Number],
    scale: Number,
    size: int,
    *,
    picture: tuple[int, int],
    name: str = "this sample",
) -> Crop:
    """The crop of Kim et al., section IV: 210 by 120 px times MPII's `scale` around its `centre`.

    D. Kim, V. Novossyolov, Y. Nurambek, "Final Project Report - Human Pose Estimation" (undated).

    top = y - 105 s, left = x - 60 s, bottom = top + 210 s, right = left + 120 s, clipped to the
    `picture` (height, width), padded with zeros to a square and resized to `size`. The report does
    not say where the padding goes: here half on either side. Edges are rounded to whole pixels.
    ValueError, naming the sample, for a centre or scale that is not finite, a scale that is not
    positive, or a crop outside the picture.
    """
    x, y = centre
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(scale) and scale > 0):
        raise ValueError(f"{name}: no crop has the centre {centre} and the scale {scale}")
    edges = [x - 60 * scale, y - 105 * scale, x + 60 * scale, y + 105 * scale]
    _touches(*edges, picture, name)
    left, top, right, bottom = (round(edge) for edge in edges)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, picture[1]), min(bottom, picture[0])
    if right <= left or bottom <= top:
        raise ValueError(f"{name}: less than a pixel of the crop at {centre} is in the picture")
    middle = ((left + right - 1) / 2, (top + bottom - 1) / 2)
    scale = size / max(right - left, bottom - top)
    matrix = _centred(middle, (scale, scale), (size, size))
    return Crop(matrix, (left, top, right, bottom))


def take(
    image: UInt8[np.ndarray, "H W 3"],
    matrix: Float64[Tensor, "3 3"],
    size: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
) -> UInt8[Tensor, "3 h w"]:
    """The crop of `size` (height, width) that `matrix` makes of the picture, zeros outside.

    Bilinear. A source that shrinks by 2 or more is averaged over whole blocks of pixels first, so
    that no pixel is skipped. Outside the `window` (left, top, right, bottom) the source counts as
    black. ValueError when the matrix has no inverse.
    """
    taken = _take(image, matrix, size, window, cv2.INTER_LINEAR)
    return torch.from_numpy(np.ascontiguousarray(taken.transpose(2, 0, 1)))


def take_labels(
    labels: UInt8[np.ndarray, "H W"],
    matrix: Float64[Tensor, "3 3"],
    size: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
) -> UInt8[Tensor, "h w"]:
    """As `take`, for a mask or a part map: the nearest label, 0 outside."""
    return torch.from_numpy(_take(labels, matrix, size, window, cv2.INTER_NEAREST))


def _take(image, matrix, size, window, interpolation) -> np.ndarray:
    matrix = matrix.numpy()
    if not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-12):
        raise ValueError(f"{matrix.tolist()} is no map from a picture to a crop")
    left, top, right, bottom = window or (0, 0, image.shape[1], image.shape[0])
    image = image[top:bottom, left:right]
    back = np.linalg.inv(matrix) - [[0, 0, left], [0, 0, top], [0, 0, 0]]
    shrink = int(math.sqrt(abs(np.linalg.det(back[:2, :2]))))
    if shrink >= 2 and interpolation == cv2.INTER_LINEAR:
        height, width = (max(1, round(length / shrink)) for length in image.shape[:2])
        x, y = width / image.shape[1], height / image.shape[0]
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        back = [[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]] @ back
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, back[:2], (size[1], size[0]), flags=flags)


def _centred(
    middle: tuple[float, float], scales: tuple[float, float], size: tuple[int, int]
) -> Tensor:
    """The scaling, across and down, that moves the point `middle` to the centre of a crop."""
    a, b = scales
    x, y = (size[1] - 1) / 2 - a * middle[0], (size[0] - 1) / 2 - b * middle[1]
    return torch.tensor([[a, 0, x], [0, b, y], [0, 0, 1]], dtype=torch.float64)


def _touches(left, top, right, bottom, picture: tuple[int, int], name: str) -> None:
    height, width = picture
    if right <= -0.5 or bottom <= -0.5 or left >= width - 0.5 or top >= height - 0.5:
        raise ValueError(
            f"{name}: the box from ({left}, {top}) to ({right}, {bottom}) lies outside "
            f"its picture of {width} x {height} px"
        )

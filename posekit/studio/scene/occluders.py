"""Generated occluders to lay over pictures of persons, where no real cut-outs are at hand.

Ellipses, boxes, polygons and bars with plain, shaded, striped, chequered or mottled surfaces and a
soft edge, of the sizes that Pascal VOC's objects have after `posekit.data.pascal_voc` halves them.

h, w pixels of an occluder.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

SIZES = (40, 200)  # shortest and longest side, px
_FINE = 4  # outlines are drawn so many times larger, then averaged down


def shapes(rng: np.random.Generator, count: int) -> list[UInt8[np.ndarray, "_ _ 4"]]:
    """`count` occluders, RGB and opacity. ValueError when `count` is not positive."""
    if count < 1:
        raise ValueError(f"cannot make {count} shapes")
    return [_shape(rng) for _ in range(count)]


def _shape(rng: np.random.Generator) -> UInt8[np.ndarray, "h w 4"]:
    height, width = (int(length) for length in rng.integers(SIZES[0], SIZES[1] + 1, 2))
    outline = _OUTLINES[rng.integers(len(_OUTLINES))](rng, height * _FINE, width * _FINE)
    canvas = np.zeros((height * _FINE, width * _FINE), np.uint8)
    # Room is left for the soft edge: cut off at the frame, it would be hard.
    low, high = outline.min(axis=0), outline.max(axis=0)
    room = np.array([width, height]) * _FINE
    outline = room / 2 + (outline - (low + high) / 2) * min(0.9 * room / (high - low))
    cv2.fillPoly(canvas, [outline.round().astype(np.int32)], 255)
    opacity = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    opacity = cv2.GaussianBlur(opacity, (0, 0), 0.7)
    return np.dstack([_surface(rng, height, width), opacity])


def _ellipse(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "N 2"]:
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return circle * [width, height]


def _box(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "N 2"]:
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]) * [width, height]
    corners[:2] += [rng.uniform(-0.15, 0.15) * width, 0]
    return corners


def _polygon(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "N 2"]:
    """Corners at growing angles, so that no sides cross."""
    corners = rng.integers(4, 11)
    angles = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.4, 0.4, corners)) / corners
    radii = rng.uniform(0.5, 1, corners)[:, None]
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return radii * around * [width, height]


def _bar(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "N 2"]:
    """A pole, upright, lying or leaning."""
    angle, thickness = rng.uniform(0, np.pi), rng.uniform(0.15, 0.35) * width
    along = np.array([np.cos(angle), np.sin(angle)])
    ends, across = np.outer([-1, 1], along * width), np.array([-along[1], along[0]]) * thickness
    return np.stack([ends[0] + across, ends[1] + across, ends[1] - across, ends[0] - across])


_OUTLINES = (_ellipse, _box, _polygon, _bar)


def _surface(rng: np.random.Generator, height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
    """Two colours mixed by a pattern, under light that falls off to one side, with fine grain."""
    first, second = rng.uniform(30, 225, (2, 1)) + rng.normal(0, 35, (2, 3))
    y, x = np.mgrid[:height, :width]
    angle, period = rng.uniform(0, 2 * np.pi), rng.uniform(8, 40)
    u = (x * np.cos(angle) + y * np.sin(angle)) / period
    v = (y * np.cos(angle) - x * np.sin(angle)) / period
    mottled = cv2.resize(rng.random((8, 8)), (width, height), interpolation=cv2.INTER_CUBIC)
    patterns = (
        np.zeros((height, width)),
        u % 1 < rng.uniform(0.3, 0.7),
        (np.floor(u) + np.floor(v)) % 2,
        mottled.clip(0, 1),
    )
    mix = patterns[rng.integers(len(patterns))][..., None]
    fall = rng.uniform(-0.4, 0.4, 2)
    light = 1 + fall[0] * (x / width - 0.5) + fall[1] * (y / height - 0.5)
    colour = ((1 - mix) * first + mix * second) * light[..., None]
    colour += rng.normal(0, rng.uniform(1, 8), (height, width, 1))
    return colour.clip(0, 255).round().astype(np.uint8)

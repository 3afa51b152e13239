"""What a camera sees of many boxes: where points appear, what is cut off, and what hides what.

World and camera: millimetres. N boxes.
"""

import numpy as np

NEAR = 120.0
"""Mm before the camera within which nothing is drawn."""


def far_to_near(middle: np.ndarray, half: np.ndarray, yaw: np.ndarray, C: np.ndarray) -> list[int]:
    """An order in which what is painted later lies before what is painted earlier.

    Of boxes at `middle` (N, 3), of half sizes `half` (N, 3), turned by `yaw` (N,), seen from `C`. Of
    two boxes of which a plane along one's sides separates the other, the one on the camera's side
    comes later (Newell, Newell and Sancha, 1972); else the nearer one does.
    """
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y, z = np.moveaxis(middle[None] - middle[:, None], -1, 0)
    turned = yaw[None] - yaw[:, None]
    c, s = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    hx, hy, hz = half.T
    camera = C - middle
    camera = np.stack(
        [
            cos[:, 0] * camera[:, 0] + sin[:, 0] * camera[:, 1],
            cos[:, 0] * camera[:, 1] - sin[:, 0] * camera[:, 0],
            camera[:, 2],
        ]
    )
    bare = np.zeros(x.shape, bool)  # [i, j]: j cannot hide i
    harmless = np.zeros(x.shape, bool)  # [i, j]: i cannot hide j
    places = (cos * x + sin * y, cos * y - sin * x, z)
    extents = (c * hx + s * hy, c * hy + s * hx, np.broadcast_to(hz, x.shape))
    for axis in range(3):
        own, at = half[:, axis, None], camera[axis][:, None] * np.sign(places[axis])
        nearest = np.abs(places[axis]) - extents[axis]  # of j, from i's middle
        apart = nearest >= own - 1.0
        bare |= apart & (at <= np.maximum(nearest, own))
        harmless |= apart & (at >= own)
    bare |= harmless.T
    distance = np.linalg.norm(C - middle, axis=1)
    farther = distance[None] > distance[:, None]
    # Where neither can hide the other, any order does.
    blocks = (bare & ~bare.T) | (~bare & ~bare.T & farther)
    np.fill_diagonal(blocks, False)
    waits = blocks.sum(1)
    order, left = [], np.ones(len(middle), bool)
    while left.any():
        ready = np.flatnonzero(left & (waits <= 0))
        if not len(ready):
            ready = np.array([np.where(left, distance, -1).argmax()])
        order += ready.tolist()
        left[ready] = False
        waits = waits - blocks[:, ready].sum(1)
    return order


def project(points: np.ndarray, K: np.ndarray, R: np.ndarray, C: np.ndarray) -> np.ndarray:
    """World points as (x px, y px, z mm); x and y mean nothing where z is not positive."""
    camera = (points - C) @ (K @ R).T
    z = camera[..., 2:]
    return np.concatenate([camera[..., :2] / np.where(np.abs(z) < 1, 1, z), z], -1)


def clip(points: np.ndarray, limit: float) -> np.ndarray:
    """The part of a polygon (x px, y px, z mm) before the camera and within +-`limit` px.

    Sutherland and Hodgman (1974) on (x z, y z, z), in 1/16 px, int32; empty where nothing is left.
    """
    polygon = [
        (x * (z if abs(z) >= 1 else 1), y * (z if abs(z) >= 1 else 1), z)
        for x, y, z in points.tolist()
    ]
    sides = (
        (0, 0, 1, NEAR),
        (1, 0, limit, 0),
        (-1, 0, limit, 0),
        (0, 1, limit, 0),
        (0, -1, limit, 0),
    )
    for a, b, c, d in sides:
        kept = []
        for k, p in enumerate(polygon):
            q = polygon[k - 1]
            here = a * p[0] + b * p[1] + c * p[2] - d
            there = a * q[0] + b * q[1] + c * q[2] - d
            if (here >= 0) != (there >= 0):
                t = there / (there - here)
                kept.append(tuple(v + t * (w - v) for v, w in zip(q, p, strict=True)))
            if here >= 0:
                kept.append(p)
        polygon = kept
    return np.array([(round(16 * x / z), round(16 * y / z)) for x, y, z in polygon], np.int32)

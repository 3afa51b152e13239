"""Projection and clipping of polygons, and the order in which boxes hide each other.

World and camera: millimetres. N boxes.
"""

import numpy as np

NEAR = 120.0  # mm before the camera within which nothing is drawn


def far_to_near(middle: np.ndarray, half: np.ndarray, yaw: np.ndarray, C: np.ndarray) -> list[int]:
    """The order in which to paint boxes so that later ones hide earlier ones.

    Boxes at `middle` (N, 3), of half sizes `half` (N, 3), turned by `yaw` (N,), seen from `C`. Where
    a plane along a side of one box separates the other from it, the one on the camera's side
    comes later (Newell, Newell and Sancha, 1972); else the nearer one does.
    """
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, y, z = np.moveaxis(middle[None] - middle[:, None], -1, 0)
    turned = yaw[None] - yaw[:, None]
    c, s = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    hx, hy, hz = half.T
    cx, cy, cz = (C - middle).T[..., None]
    camera = (cos * cx + sin * cy, cos * cy - sin * cx, cz)
    bare = np.zeros(x.shape, bool)  # [i, j]: j cannot hide i
    harmless = np.zeros(x.shape, bool)  # [i, j]: i cannot hide j
    places = (cos * x + sin * y, cos * y - sin * x, z)
    extents = (c * hx + s * hy, c * hy + s * hx, np.broadcast_to(hz, x.shape))
    for axis in range(3):
        own, at = half[:, axis, None], camera[axis] * np.sign(places[axis])
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
    """World points (..., 3) as x px, y px, z mm; x and y are valid where z is positive."""
    camera = (points - C) @ (K @ R).T
    z = camera[..., 2:]
    return np.concatenate([camera[..., :2] / np.where(np.abs(z) < 1, 1, z), z], -1)


def clip(points: np.ndarray, limit: float) -> np.ndarray:
    """The part of a polygon (x px, y px, z mm) before the camera and within +-`limit` px.

    Sutherland and Hodgman (1974) on (x z, y z, z), in 1/16 px, int32; empty where nothing is left.
    """
    scaled = [(x, y, z, z if abs(z) >= 1 else 1) for x, y, z in points.tolist()]
    polygon = [(x * w, y * w, z) for x, y, z, w in scaled]
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

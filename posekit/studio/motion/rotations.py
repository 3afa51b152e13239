"""Rotations of the studio's bones, and the two-bone chains of arms and legs.

Arrays of matrices (T, 3, 3) and vectors (T, 3), radians.
"""

import numpy as np


def turn(axis: str, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) about x, y or z."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    k = 3 - i - j
    matrix[..., k, k] = 1
    matrix[..., i, i] = matrix[..., j, j] = c
    matrix[..., i, j], matrix[..., j, i] = -s, s
    return matrix


def about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) about unit axes (T, 3), by Rodrigues' formula."""
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + s * cross + (1 - c) * (cross @ cross)


def bend(angles: np.ndarray) -> np.ndarray:
    """Flexion, lateral bend and twist (T, 3) as rotations: twist first, flexion last."""
    flexion, lateral, twist = angles.T
    return turn("y", flexion) @ turn("x", -lateral) @ turn("z", twist)


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors at length one."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def apply(matrix: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Rotated vectors: (T, 3, 3) and (3,) or (T, 3)."""
    return np.einsum("tij,tj->ti", matrix, np.broadcast_to(v, (len(matrix), 3)))


def two_bones(
    start: np.ndarray,
    target: np.ndarray,
    first: float,
    second: float,
    pole: np.ndarray,
    most: float,
    floor: tuple[float, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Directions of both bones, the hinge's axis and its angle; the middle joint lies at `pole`.

    The angle is held between 1.5 degrees and `most`; the end then falls short of the target. The
    middle joint swivels about the line from start to target where it would go below the
    height of `floor`, towards its direction (T, 3).
    """
    line = target - start
    length = np.linalg.norm(line, axis=1)
    nearest, farthest = (
        np.sqrt(first**2 + second**2 + 2 * first * second * np.cos(angle))
        for angle in (most, np.radians(1.5))
    )
    d = unit(line)
    length = np.clip(length, nearest, farthest)
    q = unit(pole - (pole * d).sum(1, keepdims=True) * d)
    cos_a = np.clip((first**2 + length**2 - second**2) / (2 * first * length), -1, 1)
    sin_a = np.sqrt(1 - cos_a**2)
    if floor is not None:
        least = (floor[0] - start[:, 2]) / first - cos_a * d[:, 2]
        q = _raise(q, d, least / np.maximum(sin_a, 1e-3), floor[1])
    u = cos_a[:, None] * d + sin_a[:, None] * q
    v = (length[:, None] * d - first * u) / second
    angle = np.arccos(np.clip((u * v).sum(1), -1, 1))
    return u, v, np.cross(q, d), angle


def _raise(q: np.ndarray, d: np.ndarray, least: np.ndarray, out: np.ndarray) -> np.ndarray:
    """`q`, turned about `d` towards `out` until its height is `least`, as far as that can be."""
    level = np.hypot(d[:, 0], d[:, 1])
    up = unit(np.array([0.0, 0.0, 1.0]) - d[:, 2:] * d)
    side = np.cross(d, up)
    c = (q * up).sum(1)
    raised = np.maximum(c, np.minimum(least / np.maximum(level, 1e-3), 1.0))
    way = np.where((side * out).sum(1) < 0, -1.0, 1.0)
    s = way * np.sqrt(np.maximum(1 - raised**2, 0))
    return np.where((raised > c)[:, None], raised[:, None] * up + s[:, None] * side, q)

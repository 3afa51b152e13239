"""Rotations of the studio's bones: arrays of matrices (T, 3, 3) and vectors (T, 3), radians."""

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

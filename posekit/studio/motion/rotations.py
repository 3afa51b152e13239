"""Rotation matrices of the actors' bones, and inverse kinematics of limbs of two bones.

T frames: matrices (T, 3, 3), vectors (T, 3), angles (T,) in radians.
"""

import numpy as np

UP = np.array([0.0, 0.0, 1.0])


def axis_rotation(axis: str, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) about "x", "y" or "z"."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    k = 3 - i - j
    matrix[..., k, k] = 1
    matrix[..., i, i] = matrix[..., j, j] = c
    matrix[..., i, j], matrix[..., j, i] = -s, s
    return matrix


def rodrigues(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) about unit axes (T, 3), by Rodrigues' formula."""
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + s * cross + (1 - c) * (cross @ cross)


def bend_rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices from flexion, lateral bend and twist (T, 3): twist first, flexion last."""
    flexion, lateral, twist = angles.T
    return axis_rotation("y", flexion) @ axis_rotation("x", -lateral) @ axis_rotation("z", twist)


def transpose(matrix: np.ndarray) -> np.ndarray:
    """The inverse rotations."""
    return np.swapaxes(matrix, -1, -2)


def normalise(v: np.ndarray) -> np.ndarray:
    """Vectors scaled to length one."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def rotate(matrix: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (3,) or (T, 3) rotated by matrices (T, 3, 3)."""
    return np.einsum("tij,tj->ti", matrix, np.broadcast_to(v, (len(matrix), 3)))


def headings(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal unit vectors (T, 2) at these angles from x: ahead, and to the left of it."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c, s], axis=1), np.stack([-s, c], axis=1)


def two_bone_ik(
    start: np.ndarray,
    target: np.ndarray,
    lengths: tuple[float, float],
    pole: np.ndarray,
    largest: float,
    floor: tuple[float, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction of the first bone (T, 3), hinge axis (T, 3) and hinge angle (T,) that reach a target.

    The middle joint lies towards `pole`. The angle is held between 1.5 degrees and `largest`; the
    end then falls short of the target. With `floor` (height, direction (T, 3)) the middle joint
    swivels about the line from start to target, towards that direction, where it would sink below
    the height.
    """
    first, second = lengths
    line = target - start
    distance = np.linalg.norm(line, axis=1)
    nearest, farthest = (
        np.sqrt(first**2 + second**2 + 2 * first * second * np.cos(angle))
        for angle in (largest, np.radians(1.5))
    )
    d = normalise(line)
    distance = np.clip(distance, nearest, farthest)
    q = normalise(pole - (pole * d).sum(1, keepdims=True) * d)
    cos_a = np.clip((first**2 + distance**2 - second**2) / (2 * first * distance), -1, 1)
    sin_a = np.sqrt(1 - cos_a**2)
    if floor is not None:
        least = (floor[0] - start[:, 2]) / first - cos_a * d[:, 2]
        q = _swivel_up(q, d, least / np.maximum(sin_a, 1e-3), floor[1])
    u = cos_a[:, None] * d + sin_a[:, None] * q
    v = (distance[:, None] * d - first * u) / second
    return u, np.cross(q, d), np.arccos(np.clip((u * v).sum(1), -1, 1))


def _swivel_up(q: np.ndarray, d: np.ndarray, least: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Unit vectors `q` (T, 3) turned about `d`, on the side of `out`, until their z is `least`."""
    horizontal = np.hypot(d[:, 0], d[:, 1])
    up = normalise(UP - d[:, 2:] * d)
    side = np.cross(d, up)
    c = (q * up).sum(1)
    raised = np.maximum(c, np.minimum(least / np.maximum(horizontal, 1e-3), 1.0))
    sign = np.where((side * out).sum(1) < 0, -1.0, 1.0)
    s = sign * np.sqrt(np.maximum(1 - raised**2, 0))
    return np.where((raised > c)[:, None], raised[:, None] * up + s[:, None] * side, q)

"""Simulated 2D joint detections from true ones, in pixels.

Every joint is off by a heavy-tailed error (Student's t with 3 degrees of freedom) that lingers
from frame to frame (correlation time 0.15 s) and is larger at the ends of the limbs. Now and then
the left and right of a limb are swapped, or a joint is missed; such networks then put it some way
along the bone from its neighbour, with a large error, so the number of joints stays the same and
nothing marks it. The mean error at the size of Human3.6M's pictures is that of the fine-tuned HRNet
of Li et al. (2020), 4.4 pixels.

T frames. Pixels.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import lfilter
from torch import Tensor

from posekit.geometry.skeleton import H36M17
from posekit.studio.motion.anatomy import SIDES
from posekit.studio.motion.signals import RATE

# Scale of a joint's error relative to the mean: heads and shoulders are easier to detect
_SCALES = {
    "pelvis": 0.7, "hip": 0.95, "knee": 0.9, "ankle": 1.25, "spine": 0.8, "thorax": 0.65,
    "neck_nose": 0.65, "head": 0.7, "shoulder": 0.85, "elbow": 1.15, "wrist": 1.5,
}  # fmt: skip
SCALES = np.array([_SCALES.get(j.split("_")[-1], _SCALES.get(j)) for j in H36M17.joints])
FREEDOM = 3.0
LAG = 0.15  # s
PIXELS = 2.6  # scale of one coordinate's error for a person of mean size in the picture
SWAPS_A_MINUTE = 1.2  # of a pair of arms or of legs
MISSES_A_MINUTE = 0.5  # of one joint
LIMBS = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
ENDS = ("knee", "ankle", "elbow", "wrist")


def detections(
    pixels: Float[Tensor, "T 17 2"], rng: np.random.Generator, rate: float = RATE
) -> Float[Tensor, "T 17 2"]:
    """Noisy detections of the joints truly at `pixels`, of `rate` frames a second."""
    true = pixels.double().numpy()
    detected = true.copy()
    _swap(detected, rng, rate)
    _miss(detected, rng, rate)
    extent = np.ptp(true[..., 1], axis=1) + np.ptp(true[..., 0], axis=1)
    size = np.clip(extent[:, None, None] / 450.0, 0.4, 2.0)
    return torch.from_numpy(detected + size * _errors(rng, len(true), rate)).to(pixels.dtype)


def _errors(rng: np.random.Generator, frames: int, rate: float) -> np.ndarray:
    """Correlated Student-t errors (T, 17, 2) in px of a person of mean size."""
    keep = np.exp(-1 / (LAG * rate))
    white = rng.standard_normal((frames + 50, 17, 2 + int(FREEDOM)))
    slow = lfilter([np.sqrt(1 - keep**2)], [1, -keep], white, axis=0)[50:]
    spread = np.sqrt((slow[..., 2:] ** 2).mean(-1, keepdims=True))
    return PIXELS * SCALES[:, None] * slow[..., :2] / np.maximum(spread, 0.08)


def _spans(rng: np.random.Generator, frames: int, a_minute: float, rate: float) -> np.ndarray:
    """Random spans of 0.06 to 0.5 s, so many a minute, as a mask (T,)."""
    mask = np.zeros(frames, bool)
    for _ in range(rng.poisson(a_minute * frames / rate / 60)):
        start = rng.integers(frames)
        mask[start : start + int(rng.uniform(0.06, 0.5) * rate) + 1] = True
    return mask


def _swap(detected: np.ndarray, rng: np.random.Generator, rate: float) -> None:
    for limb in LIMBS:
        mask = _spans(rng, len(detected), SWAPS_A_MINUTE, rate)[:, None, None]
        left, right = ([H36M17.index(f"{side}_{part}") for part in limb] for side in SIDES)
        a, b = detected[:, left].copy(), detected[:, right].copy()
        detected[:, left], detected[:, right] = np.where(mask, b, a), np.where(mask, a, b)


def _miss(detected: np.ndarray, rng: np.random.Generator, rate: float) -> None:
    for part in ENDS:
        for side in SIDES:
            j = H36M17.index(f"{side}_{part}")
            mask = _spans(rng, len(detected), MISSES_A_MINUTE, rate)
            parent = detected[:, H36M17.parents[j]]
            bone = np.linalg.norm(detected[:, j] - parent, axis=1, keepdims=True) + 20.0
            share = rng.uniform(0.2, 0.8)
            guess = parent + share * (detected[:, j] - parent) + rng.normal(0, 0.35, 2) * bone
            detected[mask, j] = guess[mask]

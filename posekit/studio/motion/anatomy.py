"""Skeletons of the studio's actors (bone lengths in mm) and ranges of motion of their joints.

Proportions are published means of adults, as fractions of stature, between joint centres:
de Leva (1996), "Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters", J. Biomech.
29(9), Table 4 (thigh, shank, upper arm, forearm, hand); Drillis and Contini (1966) as printed in
Winter (2009), "Biomechanics and Motor Control of Human Movement", Fig. 4.1 (heights of ankle and
shoulder, breadth of the hips, length of the foot). Statures and breadths of the shoulders lie
around the means of ANSUR II (Gordon et al., 2014: statures of men 1756 +- 69 mm and women
1629 +- 64 mm, biacromial breadths 416 and 365 mm).

Joint ranges are the means of Boone and Azen (1979), "Normal range of motion of joints in male
subjects", J. Bone Joint Surg. 61-A, Table I, widened by two of their standard deviations; trunk
and neck are those of the American Academy of Orthopaedic Surgeons (1965), "Joint Motion".

Body axes: x forward, y left, z up; millimetres. At rest the body stands as a T, arms sideways.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from posekit.geometry.skeleton import H36M17, SMPL24

J = {name: SMPL24.index(name) for name in SMPL24.joints}
SIDES = ("left", "right")
OUTWARD = {"left": 1.0, "right": -1.0}  # the sign of y that points away from the body

# Degrees: the range of each movement, mean + 2 standard deviations.
LIMITS = {
    "knee_flexion": (0.0, 153.0),  # 142.5 + 2 x 5.4
    "elbow_flexion": (0.0, 154.0),  # 142.9 + 2 x 5.6
    "hip_flexion": (-24.0, 135.0),  # extension 9.8 + 2 x 6.8, flexion 122.3 + 2 x 6.1
    "trunk_flexion": (-30.0, 85.0),
    "trunk_lateral": (-35.0, 35.0),
    "trunk_twist": (-45.0, 45.0),
    "neck_flexion": (-50.0, 50.0),
    "neck_lateral": (-45.0, 45.0),
    "neck_twist": (-75.0, 75.0),
    "ankle_flexion": (-64.0, 40.0),  # plantar 56.2 + 2 x 4; dorsal 20 + loaded, knee bent (squat)
}


@dataclass(frozen=True)
class Body:
    """An actor's skeleton in the T pose, each joint in its parent's frame."""

    stature: float
    offsets: Float[np.ndarray, "24 3"]  # mm, joints of SMPL24
    ankle_height: float  # of the ankle above the floor, foot flat
    markers: tuple[int, ...]  # the joints that Human3.6M's 17 are fixed to
    marker_offsets: Float[np.ndarray, "17 3"]  # mm, in that joint's frame

    def length(self, joint: str) -> float:
        """The distance of a joint from its parent, mm."""
        return float(np.linalg.norm(self.offsets[J[joint]]))

    @property
    def leg(self) -> float:
        """Hip to ankle with a straight knee, mm."""
        return self.length("left_knee") + self.length("left_ankle")

    @property
    def arm(self) -> float:
        """Shoulder to wrist with a straight elbow, mm."""
        return self.length("left_elbow") + self.length("left_wrist")


class Build(NamedTuple):
    """What an actor's bones are scaled by."""

    stature: float  # mm
    woman: bool
    legs: float  # as all below: relative to the mean of the sex
    arms: float
    trunk: float
    shoulders: float
    hips: float


_BUILDS = {
    "S1": Build(1662.0, True, 1.02, 0.99, 0.99, 0.98, 1.02),
    "S5": Build(1597.0, True, 0.98, 0.97, 1.02, 0.96, 1.04),
    "S6": Build(1742.0, False, 0.99, 1.02, 1.01, 1.00, 0.95),
    "S7": Build(1689.0, True, 1.01, 0.96, 1.00, 1.02, 0.98),
    "S8": Build(1838.0, False, 1.03, 1.01, 0.98, 1.05, 1.00),
    "S9": Build(1779.0, False, 1.00, 1.00, 1.00, 1.02, 0.98),
    "S11": Build(1703.0, False, 0.98, 1.01, 1.02, 0.98, 1.03),
}
SUBJECTS = tuple(_BUILDS)
"""The actors of Human3.6M's names, which are split as the papers split it."""
OTHERS = tuple(f"S{number}" for number in range(12, 32))
"""Twenty more, of no paper: people to test on, enough for an interval over people."""
MORE = tuple(f"S{number}" for number in range(32, 72))
"""Forty more, of no paper either: people to train on, where a paper's four or five are too few."""
EVERYBODY = SUBJECTS + OTHERS + MORE  # an actor's place in it is the seed of his or her style


def _drawn(number: int) -> Build:
    """A build about the means: statures of ANSUR II, every second a woman; proportions by 2.5 %."""
    rng, woman = np.random.default_rng([12, number]), number % 2 == 0
    stature = rng.normal(1629, 64) if woman else rng.normal(1756, 69)
    return Build(stature, woman, *(1 + 0.025 * rng.standard_normal(5).clip(-2, 2)).tolist())


_BUILDS |= {name: _drawn(int(name[1:])) for name in OTHERS + MORE}

# de Leva (1996), Table 4: mm at a stature of 1741 mm (men) and 1735 mm (women)
_MEN = {"thigh": 422.2, "shank": 434.0, "upper arm": 281.7, "forearm": 268.9, "hand": 86.2}
_WOMEN = {"thigh": 368.5, "shank": 432.3, "upper arm": 275.1, "forearm": 264.3, "hand": 78.0}


def body(subject: str) -> Body:
    """The skeleton of an actor such as "S9"; ValueError names those there are."""
    if subject not in _BUILDS:
        known = f"{', '.join(SUBJECTS)} and {OTHERS[0]} to {MORE[-1]}"
        raise ValueError(f"no actor {subject!r} in the studio; it has {known}")
    stature, woman, legs, arms, trunk, shoulders, hips = _BUILDS[subject]
    segments, reference = (_WOMEN, 1735.0) if woman else (_MEN, 1741.0)
    scale = {name: mm / reference * stature for name, mm in segments.items()}
    if woman:  # de Leva ends women's thighs at a hip 50 mm lower than Drillis and Contini's 0.53 H
        scale["thigh"] *= 1.13
    offsets = np.zeros((24, 3))
    height = trunk * stature
    # Human3.6M's hips lie farther apart than the centres of rotation, nearer to the trochanters,
    # whose half breadth Drillis and Contini give as 0.0955 H.
    hip = 0.070 * stature * hips
    _set(offsets, "hip", (-0.004 * stature, hip, -0.030 * stature))
    _set(offsets, "knee", (0, 0, -scale["thigh"] * legs))
    _set(offsets, "ankle", (0, 0, -scale["shank"] * legs))
    _set(offsets, "foot_ball", (0.075 * stature, 0.008 * stature, -0.027 * stature))
    offsets[J["smpl_spine1"]] = (-0.012 * height, 0, 0.060 * height)
    offsets[J["smpl_spine2"]] = (0.004 * height, 0, 0.078 * height)
    offsets[J["smpl_spine3"]] = (0.012 * height, 0, 0.032 * height)
    offsets[J["smpl_neck"]] = (-0.022 * height, 0, 0.120 * height)
    offsets[J["smpl_head"]] = (0.020 * height, 0, 0.055 * height)
    # ANSUR II's biacromial breadth; the centre of the joint lies some 30 mm inside the acromion
    shoulder = (0.112 if woman else 0.118) * stature * shoulders - 30.0
    _set(offsets, "collar", (-0.008 * height, 0.30 * shoulder, 0.058 * height))
    _set(offsets, "shoulder", (-0.008 * height, 0.70 * shoulder, 0.012 * height))
    _set(offsets, "elbow", (0, scale["upper arm"] * arms, 0))
    _set(offsets, "wrist", (0, scale["forearm"] * arms, 0))
    _set(offsets, "hand_base", (0, scale["hand"] * arms, 0))
    return Body(stature, offsets, 0.039 * stature, *_markers(offsets, height))


def _set(offsets: np.ndarray, part: str, left: tuple) -> None:
    offsets[J[f"left_{part}"]] = left
    offsets[J[f"right_{part}"]] = np.array(left) * (1, -1, 1)


def _markers(offsets: np.ndarray, height: float) -> tuple[tuple[int, ...], np.ndarray]:
    """Human3.6M's joints on this body: limbs are joints, trunk and head points fixed to bones."""
    fixed = {
        "pelvis": ("pelvis", offsets[J["left_hip"]] * (1, 0, 1)),  # the middle of the hips
        "spine": ("smpl_spine2", np.array([-0.004, 0, -0.034]) * height),
        "thorax": ("smpl_spine3", np.array([-0.016, 0, 0.090]) * height),
        "neck_nose": ("smpl_neck", np.array([0.018, 0, 0.044]) * height),
        "head": ("smpl_head", np.array([-0.004, 0, 0.062]) * height),
    }
    markers = [fixed.get(name, (name, np.zeros(3))) for name in H36M17.joints]
    return tuple(J[joint] for joint, _ in markers), np.stack([place for _, place in markers])

"""Joint positions and rotations of a body from the tracks of a motion program.

A program says where hips, feet and hands go and how the trunk bends. Legs and arms follow by
two-bone inverse kinematics, so planted feet stay where they are, bones keep their length, and
knees and elbows are hinges that stop at their limits.

T frames. World: mm, z up. Body axes: x forward, y left, z up; vectors of an arm and of a hand's
target have y *outward*, so the same numbers serve both sides. Radians.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import maximum_filter1d

from posekit.geometry.skeleton import SMPL24
from posekit.studio.motion.anatomy import LIMITS, OUTWARD, SIDES, Body, J
from posekit.studio.motion.rotations import (
    UP,
    axis_rotation,
    bend_rotation,
    headings,
    normalise,
    rodrigues,
    rotate,
    transpose,
    two_bone_ik,
)
from posekit.studio.motion.signals import ease, smooth

SPINE = (("smpl_spine1", 0.40), ("smpl_spine2", 0.35), ("smpl_spine3", 0.25))
NECK = (("smpl_neck", 0.5), ("smpl_head", 0.5))


@dataclass
class Foot:
    """A foot over time: where its ankle would be with a flat sole, and how it tips."""

    ankle: np.ndarray  # (T, 3) world
    yaw: np.ndarray  # (T,)
    pitch: np.ndarray  # (T,) heel up positive (about the ball), toes up negative (about the heel)
    spread: np.ndarray  # (T,) how far the knee points outward
    planted: np.ndarray  # (T,) bool


@dataclass
class HandTarget:
    """A place that a hand is kept at, in the frame of a joint or of the "upright" pelvis."""

    frame: str
    place: np.ndarray  # (T, 3), mm
    weight: np.ndarray  # (T,)
    swivel: float = 0.0


@dataclass
class Arm:
    """Where a hand is, seen from the shoulder."""

    direction: np.ndarray  # (T, 3) in the chest's axes, y outward
    reach: np.ndarray  # (T,) share of the arm's length
    swivel: np.ndarray  # (T,) elbow outward
    hang: np.ndarray  # (T,) 0: turns with the chest, 1: stays upright
    targets: list[HandTarget] = field(default_factory=list)


@dataclass
class Tracks:
    """What a motion program decides."""

    xy: np.ndarray  # (T, 2) middle of the hips
    yaw: np.ndarray  # (T,)
    height: np.ndarray  # (T,) of the middle of the hips, lowered where the legs don't reach
    pitch: np.ndarray  # (T,) pelvis, forward positive
    roll: np.ndarray  # (T,) pelvis, left side up positive
    trunk: np.ndarray  # (T, 3) flexion, lateral to the left, twist to the left
    head: np.ndarray  # (T, 3) likewise, relative to the chest
    feet: dict[str, Foot]
    arms: dict[str, Arm]


class Pose:
    """Global rotations and positions of the 24 joints, filled from the root outward."""

    def __init__(self, body: Body, frames: int):
        self.body = body
        self.rotations = np.zeros((frames, 24, 3, 3))
        self.positions = np.zeros((frames, 24, 3))

    def put(self, joint: str, rotation: np.ndarray) -> None:
        """Place a joint at the end of its parent's bone, with a global rotation (T, 3, 3)."""
        self.rotations[:, J[joint]] = rotation
        self.positions[:, J[joint]] = self.bone_end(joint)

    def bone_end(self, joint: str) -> np.ndarray:
        """Positions (T, 3) of a joint from the rotation of its parent."""
        parent = SMPL24.parents[J[joint]]
        return self.positions[:, parent] + self.rotations[:, parent] @ self.body.offsets[J[joint]]

    def rotation(self, joint: str) -> np.ndarray:
        """Global rotations (T, 3, 3) of a joint."""
        return self.rotations[:, J[joint]]

    def position(self, joint: str) -> np.ndarray:
        """Positions (T, 3) of a joint."""
        return self.positions[:, J[joint]]

    def local(self) -> np.ndarray:
        """Rotations (T, 24, 3, 3) relative to the parent joint; the root's to the world."""
        local = self.rotations.copy()
        local[:, 1:] = transpose(self.rotations[:, list(SMPL24.parents[1:])]) @ local[:, 1:]
        return local


def solve(tracks: Tracks, body: Body) -> Pose:
    """The pose of a body at every frame of the tracks."""
    pose = Pose(body, len(tracks.yaw))
    _lower_body(pose, tracks)
    if _relax_limits(pose, tracks):
        _lower_body(pose, tracks)
    rotation = pose.rotation("pelvis")
    trunk, head = _within_limits(tracks.trunk, "trunk"), _within_limits(tracks.head, "neck")
    for chain, angles in ((SPINE, trunk), (NECK, head)):
        for joint, share in chain:
            rotation = rotation @ bend_rotation(angles * share)
            pose.put(joint, rotation)
    for side in SIDES:
        _arm(pose, tracks, side)
    # A knee's limit may push the body a centimetre or two into the floor: raise it.
    need = np.maximum(8.0 - pose.positions[..., 2].min(axis=1), 0)
    if need.any():
        pose.positions[..., 2] += smooth(maximum_filter1d(need, 17), 0.05)[:, None]
    return pose


def _within_limits(angles: np.ndarray, part: str) -> np.ndarray:
    """Flexion, lateral bend and twist (T, 3) of trunk or neck, eased into the published range."""
    out = np.empty_like(angles)
    for k, movement in enumerate(("flexion", "lateral", "twist")):
        low, high = np.radians(LIMITS[f"{part}_{movement}"])
        middle, half = (low + high) / 2, (high - low) / 2
        x = (angles[:, k] - middle) / half
        out[:, k] = middle + half * x / (1 + np.abs(x) ** 8) ** (1 / 8)
    return out


def _lower_body(pose: Pose, tracks: Tracks) -> None:
    ankles = {side: _ankle(tracks.feet[side], pose.body) for side in SIDES}
    _pelvis(pose, tracks, ankles)
    for side in SIDES:
        _leg(pose, tracks, side, ankles[side])


def _relax_limits(pose: Pose, tracks: Tracks) -> bool:
    """Whether hips or ankles bend too far; the tracks then tip the pelvis back and lift heels."""
    heels, tips = [], []
    for side in SIDES:
        foot = tracks.feet[side]
        toes = rotate(
            transpose(pose.rotation(f"{side}_knee")), pose.rotation(f"{side}_ankle")[:, :, 0]
        )
        thigh = rotate(transpose(pose.rotation("pelvis")), -pose.rotation(f"{side}_hip")[:, :, 2])
        heel = _excess(np.arctan2(toes[:, 2], toes[:, 0]), "ankle_flexion") * (foot.pitch > -0.1)
        foot.pitch = foot.pitch + heel
        heels.append(heel)
        tips.append(_excess(np.arctan2(thigh[:, 0], -thigh[:, 2]), "hip_flexion"))
    tip = np.maximum(*tips)
    tracks.pitch = tracks.pitch - tip
    tracks.trunk = tracks.trunk + 0.8 * tip[:, None] * (1.0, 0.0, 0.0)
    return any(excess.any() for excess in (*heels, *tips))


def _excess(angle: np.ndarray, movement: str) -> np.ndarray:
    """How far angles (T,) pass a limit less 4 degrees, smoothed."""
    excess = np.maximum(angle - np.radians(LIMITS[movement][1] - 4), 0)
    return smooth(maximum_filter1d(excess, 9), 0.08) if excess.any() else excess


def _ankle(foot: Foot, body: Body) -> np.ndarray:
    """Ankle positions (T, 3) of a foot that tips about its ball (heel up) or heel (toes up)."""
    toe = body.offsets[J["left_foot_ball"]]
    up = np.where(foot.pitch > 0, -toe[2], body.ankle_height)
    ahead = np.where(foot.pitch > 0, -toe[0], 0.03 * body.stature)
    lever = np.stack([ahead, np.zeros_like(up), up], axis=1)
    tipped = rotate(axis_rotation("y", foot.pitch), lever) - lever
    place = foot.ankle + rotate(axis_rotation("z", foot.yaw), tipped)
    lowest = 15.0 + toe[0] * np.sin(foot.pitch) - toe[2] * np.cos(foot.pitch)
    place[:, 2] = np.maximum(place[:, 2], lowest)  # the ball stays above the floor
    return place


def _pelvis(pose: Pose, tracks: Tracks, ankles: dict[str, np.ndarray]) -> None:
    body = pose.body
    rotation = axis_rotation("z", tracks.yaw) @ axis_rotation("y", tracks.pitch)
    rotation = rotation @ axis_rotation("x", tracks.roll)
    highest = []
    for side in SIDES:
        hip = rotate(rotation, body.offsets[J[f"{side}_hip"]] * (0, 1, 0))
        apart = np.linalg.norm(tracks.xy + hip[:, :2] - ankles[side][:, :2], axis=1)
        rise = np.sqrt(np.maximum((0.997 * body.leg) ** 2 - apart**2, (0.2 * body.leg) ** 2))
        highest.append(ankles[side][:, 2] + rise - hip[:, 2])
    heights = np.stack([tracks.height, *highest])
    soft = heights.min(0) - 5.0 * np.log(np.exp(-(heights - heights.min(0)) / 5.0).sum(0))
    middle = np.column_stack([tracks.xy, soft])
    pose.rotations[:, 0] = rotation
    pose.positions[:, 0] = middle - rotate(rotation, body.offsets[J["left_hip"]] * (1, 0, 1))


def _leg(pose: Pose, tracks: Tracks, side: str, target: np.ndarray) -> None:
    body, foot, outward = pose.body, tracks.feet[side], OUTWARD[side]
    start = pose.bone_end(f"{side}_hip")
    middle = tracks.yaw + 0.5 * np.angle(np.exp(1j * (foot.yaw - tracks.yaw)))
    pad = ((0, 0), (0, 1))
    straight, left = (np.pad(v, pad) for v in headings(middle))
    front = np.pad(headings(middle + outward * foot.spread)[0], pad)
    out = outward * left
    # The leg's own direction turned by a right angle, towards the front: never along the leg.
    d = normalise(target - start)
    steep = np.clip((-d[:, 2:] - 0.3) / 0.3, 0, 1)  # a level leg's knee bends up, not down
    ahead = (d * straight).sum(1, keepdims=True)
    spread = np.sin(foot.spread)[:, None] ** 2
    rise = 0.08 + np.where(ahead > 0, ahead * (1 - spread), ahead * steep)
    aside = 1.2 * (1 - steep) * np.maximum(-ahead, 0)
    pole = (0.2 - d[:, 2:] + 0.5 * spread) * front + rise * UP + aside * out
    lengths = body.length(f"{side}_knee"), body.length(f"{side}_ankle")
    largest = np.radians(LIMITS["knee_flexion"][1])
    u, hinge, angle = two_bone_ik(start, target, lengths, pole, largest, floor=(45.0, out))
    thigh = np.stack([np.cross(hinge, -u), hinge, -u], axis=2)
    facing = axis_rotation("z", foot.yaw)
    pose.put(f"{side}_hip", thigh)
    pose.put(f"{side}_knee", thigh @ axis_rotation("y", angle))
    pose.put(f"{side}_ankle", facing @ axis_rotation("y", foot.pitch))
    pose.put(f"{side}_foot_ball", facing @ axis_rotation("y", np.minimum(foot.pitch, 0.0)))


def _arm(pose: Pose, tracks: Tracks, side: str) -> None:
    body, arm, outward = pose.body, tracks.arms[side], OUTWARD[side]
    mirror = np.array([1.0, outward, 1.0])
    chest, upright = pose.rotation("smpl_spine3"), axis_rotation("z", tracks.yaw)
    spine, in_chest = pose.position("smpl_spine3"), transpose(chest)
    hang = arm.hang[:, None]
    v = (1 - hang) * rotate(chest, arm.direction * mirror)
    v = normalise(v + hang * rotate(upright, arm.direction * mirror))
    reach, swivel = arm.reach * body.arm, arm.swivel
    around = mirror * (0.7, 0.5, 0.0)
    shoulder = chest @ body.offsets[J[f"{side}_collar"]] + spine
    shoulder = shoulder + chest @ body.offsets[J[f"{side}_shoulder"]]
    for target in arm.targets:
        if target.frame == "upright":
            origin, axes = pose.position("pelvis"), upright
        else:
            origin, axes = pose.position(target.frame), pose.rotation(target.frame)
        line = origin + rotate(axes, target.place * mirror) - shoulder
        distance = np.linalg.norm(line, axis=1)
        w = target.weight * ease((distance / body.arm - 0.1) / 0.12)  # let go of what is too near
        v = (1 - w)[:, None] * v + w[:, None] * normalise(line)
        v = normalise(v + (2 * w * (1 - w))[:, None] * rotate(chest, around))  # round the trunk
        reach, swivel = reach + w * (distance - reach), swivel + w * (target.swivel - swivel)
    wrist = _outside_trunk(body, rotate(in_chest, shoulder + v * reach[:, None] - spine))
    wrist = rotate(chest, wrist) + spine
    wrist[:, 2] = np.maximum(wrist[:, 2], 40.0)
    d = rotate(in_chest, normalise(wrist - shoulder)) * mirror
    _collar(pose, side, d, reach / body.arm)
    start = pose.bone_end(f"{side}_shoulder")
    d = rotate(in_chest, normalise(wrist - start)) * mirror
    pole = rotate(chest, _elbow_direction(d, swivel) * mirror)
    lengths = body.length(f"{side}_elbow"), body.length(f"{side}_wrist")
    largest = np.radians(LIMITS["elbow_flexion"][1])
    u, hinge, angle = two_bone_ik(start, wrist, lengths, pole, largest)
    along, axis = outward * u, -outward * hinge
    upper = np.stack([np.cross(along, axis), along, axis], axis=2)
    forearm = upper @ axis_rotation("z", -outward * angle)
    pose.put(f"{side}_shoulder", upper)
    pose.put(f"{side}_elbow", forearm)
    # The hand bends up at the wrist where it would go through the floor.
    line = outward * forearm[:, :, 1]
    height = pose.bone_end(f"{side}_wrist")[:, 2]
    least = np.clip((25.0 - height) / body.length("left_hand_base"), -1, 0.5)
    bent = np.maximum(np.arcsin(least) - np.arcsin(np.clip(line[:, 2], -1, 1)), 0)
    hand = rodrigues(normalise(np.cross(line, UP)), bent) @ forearm
    pose.put(f"{side}_wrist", hand)
    pose.put(f"{side}_hand_base", hand)


def _collar(pose: Pose, side: str, d: np.ndarray, reach: np.ndarray) -> None:
    """The shoulder blade follows the arm: a third of its rise above 30 degrees (Inman, 1944)."""
    rise = np.maximum(np.arccos(np.clip(-d[:, 2], -1, 1)) - np.radians(30), 0)
    forward = np.clip(d[:, 0], -0.5, 1) * np.clip(reach - 0.5, 0, 0.5)
    lift = axis_rotation("x", OUTWARD[side] * 0.22 * rise)
    lift = lift @ axis_rotation("z", -OUTWARD[side] * 0.5 * forward)
    pose.put(f"{side}_collar", pose.rotation("smpl_spine3") @ lift)


def _elbow_direction(d: np.ndarray, swivel: np.ndarray) -> np.ndarray:
    """Unit vectors (T, 3) from the line of the arm to its elbow, for hands in the directions `d`.

    Below a hand held straight ahead; elsewhere carried along by the shortest rotation, which puts
    it behind a hanging arm and before a raised one and is singular only straight back.
    """
    x, y, z = d.T
    q = np.stack([z, y * z / (1.02 + x), z * z / (1.02 + x) - 1], axis=1)
    q = normalise(q - (q * d).sum(1, keepdims=True) * d)
    swivel = swivel + 0.12 + 0.5 * np.maximum(z, 0) + 0.25 * np.maximum(-y, 0)
    return np.cos(swivel)[:, None] * q + np.sin(swivel)[:, None] * np.cross(d, q)


def _outside_trunk(body: Body, place: np.ndarray) -> np.ndarray:
    """Wrists (T, 3, from the chest) pushed out of an upright elliptic cylinder, the trunk."""
    half = np.array([0.150, 0.105]) * body.stature
    middle = place[:, :2] + (0.065 * body.stature, 0)  # from its back, so that hands go forward
    inside = np.maximum(np.linalg.norm(middle / half, axis=1), 1e-3)
    z = place[:, 2] / body.stature
    within = np.clip((0.12 - z) / 0.04, 0, 1) * np.clip((z + 0.30) / 0.06, 0, 1)
    push = (1 + inside**-8) ** (1 / 8)
    out = place.copy()
    out[:, :2] += middle * (within * (push - 1))[:, None]
    return out

"""From the tracks of a motion program to the joints of a body: the studio's kinematics.

A program says where the hips, feet and hands go and how the trunk bends. Legs and arms follow by
two-bone inverse kinematics, so planted feet stay where they are, bones keep their length, and
knees and elbows are hinges that stop at their limits.

T frames. World: mm, z up. Body axes: x forward, y left, z up; vectors of an arm and of a hand's
hold have y *outward*, so the same numbers serve both sides. Radians.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import maximum_filter1d

from posekit.geometry.skeleton import SMPL24
from posekit.studio.motion.anatomy import LIMITS, SIDES, Body, J
from posekit.studio.motion.rotations import about, apply, bend, turn, two_bones, unit
from posekit.studio.motion.signals import ease, smooth

SPINE = (("smpl_spine1", 0.40), ("smpl_spine2", 0.35), ("smpl_spine3", 0.25))
NECK = (("smpl_neck", 0.5), ("smpl_head", 0.5))


@dataclass
class Foot:
    """Where a foot stands: its ankle were the sole flat, and how it tips about ball or heel."""

    ankle: np.ndarray  # (T, 3) world
    yaw: np.ndarray  # (T,)
    pitch: np.ndarray  # (T,) heel up positive
    spread: np.ndarray  # (T,) how far the knee points outward
    planted: np.ndarray  # (T,) bool


@dataclass
class Hold:
    """A hand kept at a place of `frame`: a joint's name, `upright`, or `world`."""

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
    holds: list[Hold] = field(default_factory=list)


@dataclass
class Tracks:
    """All that a motion program decides."""

    xy: np.ndarray  # (T, 2) middle of the hips
    yaw: np.ndarray  # (T,)
    height: np.ndarray  # (T,) of the middle of the hips, lowered where the legs don't reach
    pitch: np.ndarray  # (T,) pelvis, forward positive
    roll: np.ndarray  # (T,) pelvis, left side up positive
    trunk: np.ndarray  # (T, 3) flexion, lateral to the left, twist to the left
    head: np.ndarray  # (T, 3) likewise, relative to the chest
    feet: dict[str, Foot]
    arms: dict[str, Arm]

    @property
    def frames(self) -> int:
        """How many frames."""
        return len(self.yaw)


def clamp(angles: np.ndarray, part: str) -> np.ndarray:
    """Flexion, lateral bend and twist of `part`, eased into the published range."""
    out = np.empty_like(angles)
    for k, movement in enumerate(("flexion", "lateral", "twist")):
        low, high = np.radians(LIMITS[f"{part}_{movement}"])
        middle, half = (low + high) / 2, (high - low) / 2
        x = (angles[:, k] - middle) / half
        out[:, k] = middle + half * x / (1 + np.abs(x) ** 8) ** (1 / 8)
    return out


class Pose:
    """Global rotations and positions of the 24 joints, filled from the root outward."""

    def __init__(self, body: Body, frames: int):
        self.body = body
        self.turns = np.zeros((frames, 24, 3, 3))
        self.places = np.zeros((frames, 24, 3))

    def put(self, joint: str, rotation: np.ndarray) -> None:
        """Place a joint at the end of its parent's bone, turned as `rotation` (T, 3, 3) says."""
        j = J[joint]
        self.turns[:, j] = rotation
        self.places[:, j] = self.end(joint)

    def end(self, joint: str) -> np.ndarray:
        """Where a joint lies, given its parent: (T, 3)."""
        j = J[joint]
        parent = SMPL24.parents[j]
        return self.places[:, parent] + self.turns[:, parent] @ self.body.offsets[j]

    def of(self, joint: str) -> np.ndarray:
        """Global rotations of a joint: (T, 3, 3)."""
        return self.turns[:, J[joint]]

    def at(self, joint: str) -> np.ndarray:
        """Positions of a joint: (T, 3)."""
        return self.places[:, J[joint]]

    def local(self) -> np.ndarray:
        """Rotations relative to the parent joint; the root's to the world: (T, 24, 3, 3)."""
        parents = list(SMPL24.parents[1:])
        local = self.turns.copy()
        local[:, 1:] = np.swapaxes(self.turns[:, parents], -1, -2) @ self.turns[:, 1:]
        return local


def solve(tracks: Tracks, body: Body) -> Pose:
    """The body moving as the tracks say."""
    pose = Pose(body, tracks.frames)
    _lower(pose, tracks)
    if _yield(pose, tracks):
        _lower(pose, tracks)
    _trunk(pose, tracks)
    for side in SIDES:
        _arm(pose, tracks, side)
    _float(pose)
    return pose


def _lower(pose: Pose, tracks: Tracks) -> None:
    ankles = {side: ankle(tracks.feet[side], pose.body) for side in SIDES}
    _pelvis(pose, tracks, ankles)
    for side in SIDES:
        _leg(pose, tracks, side, ankles[side])


def _yield(pose: Pose, tracks: Tracks) -> bool:
    """Where hips or ankles would bend too far, tip the pelvis back and lift the heels instead."""
    too_far = []
    for side in SIDES:
        foot = tracks.feet[side]
        toes = _seen(pose.of(f"{side}_knee"), pose.of(f"{side}_ankle")[:, :, 0])
        thigh = _seen(pose.of("pelvis"), -pose.of(f"{side}_hip")[:, :, 2])
        much = _excess(np.arctan2(toes[:, 2], toes[:, 0]), "ankle_flexion") * (foot.pitch > -0.1)
        foot.pitch = foot.pitch + much
        too_far += [much, _excess(np.arctan2(thigh[:, 0], -thigh[:, 2]), "hip_flexion")]
    tip = np.maximum(too_far[1], too_far[3])
    tracks.pitch = tracks.pitch - tip
    tracks.trunk = tracks.trunk + 0.8 * tip[:, None] * (1.0, 0.0, 0.0)
    return any(much.any() for much in too_far)


def _seen(base: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors (T, 3) in the axes of the rotations `base` (T, 3, 3)."""
    return apply(np.swapaxes(base, -1, -2), v)


def _excess(angle: np.ndarray, movement: str) -> np.ndarray:
    much = np.maximum(angle - np.radians(LIMITS[movement][1] - 4), 0)
    return smooth(maximum_filter1d(much, 9), 0.08) if much.any() else much


def _float(pose: Pose) -> None:
    """Raise the body by the centimetre or two that a knee's limit may push it into the floor."""
    need = np.maximum(8.0 - pose.places[..., 2].min(axis=1), 0)
    if need.any():
        pose.places[..., 2] += smooth(maximum_filter1d(need, 17), 0.05)[:, None]


def ankle(foot: Foot, body: Body) -> np.ndarray:
    """The ankle of a foot that tips about its ball (heel up) or its heel (toes up): (T, 3)."""
    toe = body.offsets[J["left_foot_ball"]]
    up = np.where(foot.pitch > 0, -toe[2], body.ankle_height)
    ahead = np.where(foot.pitch > 0, -toe[0], 0.03 * body.stature)
    lever = np.stack([ahead, np.zeros_like(up), up], axis=1)
    tipped = apply(turn("y", foot.pitch), lever) - lever
    place = foot.ankle + apply(turn("z", foot.yaw), tipped)
    lowest = 15.0 + toe[0] * np.sin(foot.pitch) - toe[2] * np.cos(foot.pitch)
    place[:, 2] = np.maximum(place[:, 2], lowest)  # the ball stays above the floor
    return place


def _pelvis(pose: Pose, tracks: Tracks, ankles: dict[str, np.ndarray]) -> None:
    body = pose.body
    rotation = turn("z", tracks.yaw) @ turn("y", tracks.pitch) @ turn("x", tracks.roll)
    highest = []
    for side in SIDES:
        hip = apply(rotation, body.offsets[J[f"{side}_hip"]] * (0, 1, 0))
        apart = np.linalg.norm(tracks.xy + hip[:, :2] - ankles[side][:, :2], axis=1)
        rise = np.sqrt(np.maximum((0.997 * body.leg) ** 2 - apart**2, (0.2 * body.leg) ** 2))
        highest.append(ankles[side][:, 2] + rise - hip[:, 2])
    heights = np.stack([tracks.height, *highest])
    soft = heights.min(0) - 5.0 * np.log(np.exp(-(heights - heights.min(0)) / 5.0).sum(0))
    middle = np.column_stack([tracks.xy, soft])
    pose.turns[:, 0] = rotation
    pose.places[:, 0] = middle - apply(rotation, body.offsets[J["left_hip"]] * (1, 0, 1))


def _leg(pose: Pose, tracks: Tracks, side: str, target: np.ndarray) -> None:
    body, foot = pose.body, tracks.feet[side]
    outward = 1.0 if side == "left" else -1.0
    start = pose.end(f"{side}_hip")
    middle = tracks.yaw + 0.5 * np.angle(np.exp(1j * (foot.yaw - tracks.yaw)))
    facing = middle + outward * foot.spread
    straight = np.stack([np.cos(middle), np.sin(middle), np.zeros_like(middle)], axis=1)
    front = np.stack([np.cos(facing), np.sin(facing), np.zeros_like(facing)], axis=1)
    out = outward * np.stack([-straight[:, 1], straight[:, 0], 0 * middle], axis=1)
    # The leg's own direction turned by a right angle, towards the front: never along the leg.
    d = unit(target - start)
    steep = np.clip((-d[:, 2:] - 0.3) / 0.3, 0, 1)  # a level leg's knee bends up, not down
    ahead = (d * straight).sum(1, keepdims=True)
    spread = np.sin(foot.spread)[:, None] ** 2
    rise = 0.08 + np.where(ahead > 0, ahead * (1 - spread), ahead * steep)
    aside = 1.2 * (1 - steep) * np.maximum(-ahead, 0)
    pole = (0.2 - d[:, 2:] + 0.5 * spread) * front + rise * (0.0, 0.0, 1.0) + aside * out
    first, second = body.length(f"{side}_knee"), body.length(f"{side}_ankle")
    most = np.radians(LIMITS["knee_flexion"][1])
    u, _, hinge, angle = two_bones(start, target, first, second, pole, most, floor=(45.0, out))
    thigh = np.stack([np.cross(hinge, -u), hinge, -u], axis=2)
    pose.put(f"{side}_hip", thigh)
    pose.put(f"{side}_knee", thigh @ turn("y", angle))
    sole = turn("z", foot.yaw) @ turn("y", foot.pitch)
    pose.put(f"{side}_ankle", sole)
    pose.put(f"{side}_foot_ball", turn("z", foot.yaw) @ turn("y", np.minimum(foot.pitch, 0.0)))


def _trunk(pose: Pose, tracks: Tracks) -> None:
    rotation = pose.of("pelvis")
    trunk, head = clamp(tracks.trunk, "trunk"), clamp(tracks.head, "neck")
    for chain, angles in ((SPINE, trunk), (NECK, head)):
        for joint, share in chain:
            rotation = rotation @ bend(angles * share)
            pose.put(joint, rotation)


def _arm(pose: Pose, tracks: Tracks, side: str) -> None:
    body, arm, outward = pose.body, tracks.arms[side], 1.0 if side == "left" else -1.0
    mirror = np.array([1.0, outward, 1.0])
    chest, upright = pose.of("smpl_spine3"), turn("z", tracks.yaw)
    hang = arm.hang[:, None]
    v = (1 - hang) * apply(chest, arm.direction * mirror)
    v = unit(v + hang * apply(upright, arm.direction * mirror))
    reach, swivel = arm.reach * body.arm, arm.swivel
    around = mirror * (0.7, 0.5, 0.0)
    rest = chest @ body.offsets[J[f"{side}_collar"]] + pose.at("smpl_spine3")
    rest = rest + chest @ body.offsets[J[f"{side}_shoulder"]]
    for hold in arm.holds:
        line = _held(pose, hold, upright, mirror) - rest
        distance = np.linalg.norm(line, axis=1)
        w = hold.weight * ease((distance / body.arm - 0.1) / 0.12)  # let go of what is too near
        v = (1 - w)[:, None] * v + w[:, None] * unit(line)
        v = unit(v + (2 * w * (1 - w))[:, None] * apply(chest, around))  # not through the trunk
        reach, swivel = reach + w * (distance - reach), swivel + w * (hold.swivel - swivel)
    seen = np.swapaxes(chest, -1, -2)
    target = _outside(body, apply(seen, rest + v * reach[:, None] - pose.at("smpl_spine3")))
    target = apply(chest, target) + pose.at("smpl_spine3")
    target[:, 2] = np.maximum(target[:, 2], 40.0)
    d = apply(seen, unit(target - rest)) * mirror
    _collar(pose, side, d, reach / body.arm, outward)
    start = pose.end(f"{side}_shoulder")
    d = apply(seen, unit(target - start)) * mirror
    pole = apply(chest, _elbow(d, swivel) * mirror)
    first, second = body.length(f"{side}_elbow"), body.length(f"{side}_wrist")
    most = np.radians(LIMITS["elbow_flexion"][1])
    u, _, hinge, angle = two_bones(start, target, first, second, pole, most)
    along, axis = outward * u, -outward * hinge
    upper = np.stack([np.cross(along, axis), along, axis], axis=2)
    pose.put(f"{side}_shoulder", upper)
    pose.put(f"{side}_elbow", upper @ turn("z", -outward * angle))
    hand = _above(pose.of(f"{side}_elbow"), outward, pose.end(f"{side}_wrist"), body)
    pose.put(f"{side}_wrist", hand)
    pose.put(f"{side}_hand_base", hand)


def _above(forearm: np.ndarray, outward: float, wrist: np.ndarray, body: Body) -> np.ndarray:
    """The forearm's rotation, the hand bent up at the wrist where it would go through the floor."""
    line = outward * forearm[:, :, 1]
    least = np.clip((25.0 - wrist[:, 2]) / body.length("left_hand_base"), -1, 0.5)
    now = np.arcsin(np.clip(line[:, 2], -1, 1))
    bent = np.maximum(np.arcsin(least) - now, 0)
    axis = unit(np.cross(line, (0.0, 0.0, 1.0)))
    return about(axis, bent) @ forearm


def _held(pose: Pose, hold: Hold, upright: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Where a hold wants the wrist, in the world: (T, 3)."""
    if hold.frame == "world":
        return np.broadcast_to(hold.place, (len(upright), 3))
    if hold.frame == "upright":
        return pose.at("pelvis") + apply(upright, hold.place * mirror)
    return pose.at(hold.frame) + apply(pose.of(hold.frame), hold.place * mirror)


def _collar(pose: Pose, side: str, d: np.ndarray, reach: np.ndarray, outward: float) -> None:
    """The shoulder blade follows the arm: a third of its rise above 30 degrees (Inman, 1944)."""
    rise = np.maximum(np.arccos(np.clip(-d[:, 2], -1, 1)) - np.radians(30), 0)
    forward = np.clip(d[:, 0], -0.5, 1) * np.clip(reach - 0.5, 0, 0.5)
    lift = turn("x", outward * 0.22 * rise) @ turn("z", -outward * 0.5 * forward)
    pose.put(f"{side}_collar", pose.of("smpl_spine3") @ lift)


def _elbow(d: np.ndarray, swivel: np.ndarray) -> np.ndarray:
    """Where the elbow points when the hand lies at `d`, swivelled.

    Below a hand held straight ahead; elsewhere carried along by the shortest rotation, which puts
    it behind a hanging arm and before a raised one and is singular only straight back.
    """
    x, y, z = d.T
    q = np.stack([z, y * z / (1.02 + x), z * z / (1.02 + x) - 1], axis=1)
    q = unit(q - (q * d).sum(1, keepdims=True) * d)
    swivel = swivel + 0.12 + 0.5 * np.maximum(z, 0) + 0.25 * np.maximum(-y, 0)
    return np.cos(swivel)[:, None] * q + np.sin(swivel)[:, None] * np.cross(d, q)


def _outside(body: Body, place: np.ndarray) -> np.ndarray:
    """Wrists pushed out of the trunk, an upright ellipse about the chest."""
    half = np.array([0.150, 0.105]) * body.stature
    middle = place[:, :2] + (0.065 * body.stature, 0)  # from its back, so that hands go forward
    inside = np.maximum(np.linalg.norm(middle / half, axis=1), 1e-3)
    z = place[:, 2] / body.stature
    within = np.clip((0.12 - z) / 0.04, 0, 1) * np.clip((z + 0.30) / 0.06, 0, 1)
    push = (1 + inside**-8) ** (1 / 8)
    out = place.copy()
    out[:, :2] += middle * (within * (push - 1))[:, None]
    return out

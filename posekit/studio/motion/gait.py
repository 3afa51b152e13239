"""Tracks of walking and running: footfalls along a random path, pelvis, trunk and swinging arms.

The feet are planned first (footholds from the path and the phase), the pelvis rides over them, and
knees and hips follow from the legs' inverse kinematics. The sole's angle to the ground
over the stride follows the adult mean of Winter (1991), "The Biomechanics and Motor Control of
Human Gait". Cadence follows from speed by the constant walk ratio of Sekiya and Nagasaki (1998).

The phase counts strides: the left heel strikes at whole numbers, the right at halves. T frames.
"""

from numbers import Real

import numpy as np
from scipy.interpolate import CubicSpline

from posekit.studio.motion.actor import Actor
from posekit.studio.motion.anatomy import OUTWARD, SIDES
from posekit.studio.motion.rig import Arm, Foot, Tracks
from posekit.studio.motion.rotations import headings
from posekit.studio.motion.signals import RATE, keyframes, noise, smooth
from posekit.studio.motion.steps import breathe

PAD = 100  # frames walked before and after the take

# Angle of the sole to the ground over the stride (%), degrees, heel up positive: natural cadence
_SOLE = np.array(
    [(0, -21), (4, -10), (8, -2), (13, 0), (30, 0), (40, 5), (47, 15), (53, 30), (60, 60),
     (66, 66), (73, 45), (80, 15), (87, -8), (94, -20), (100, -21)], dtype=float
)  # fmt: skip
SOLE = CubicSpline(_SOLE[:, 0] / 100, _SOLE[:, 1], bc_type="periodic")


def walk(
    actor: Actor,
    speed: tuple[Real, Real],
    *,
    pauses: Real = 0.0,
    run: bool = False,
) -> tuple[Tracks, np.ndarray, np.ndarray]:
    """A walk about the middle of the studio: tracks without arms, phase (T,), speed (T,) in mm/s.

    `speed` (least, most) in m/s; `pauses` is the share of the take in which the actor stands still.
    """
    rng, frames = actor.rng, actor.frames + 2 * PAD
    times = actor.times(1.5, 4.0)
    pace = keyframes(times, rng.uniform(*speed, len(times)), np.full(len(times), 1.2), frames)
    pace *= 1000 * np.sqrt(actor.style.tempo)
    pace *= 1 + noise(rng, frames, 0.04, 0.5)
    # step length = 0.39 m s x cadence (steps a second), so cadence = sqrt(speed / 0.39)
    ratio = 390.0 * (actor.body.stature / 1700) * (1.25 if run else 0.95) * rng.uniform(0.88, 1.1)
    cadence = np.sqrt(pace / ratio) / 2
    phase = rng.uniform() + np.concatenate([[0], np.cumsum(cadence[:-1])]) / RATE
    go = np.ones(frames)
    if pauses:
        phase, go = _pause(rng, phase, pauses)
        pace = pace * go
    duty = 0.36 if run else np.clip(0.68 - 0.05 * pace.max() / 1000, 0.58, 0.68)
    xy, heading = _path(rng, pace, (350.0, 500.0) if run else (1100.0, 1500.0))
    feet = {
        side: _foot(actor, side, start, phase, xy, heading, pace, duty, run)
        for side, start in zip(SIDES, (0.0, 0.5), strict=True)
    }
    tracks = _body(actor, phase, pace, xy, heading, feet, duty, run)
    cut = slice(PAD, PAD + actor.frames)
    for part in (tracks, *feet.values()):
        for name, track in vars(part).items():
            if isinstance(track, np.ndarray):
                setattr(part, name, track[cut])
    return tracks, phase[cut], pace[cut]


def _pause(
    rng: np.random.Generator, phase: np.ndarray, share: Real
) -> tuple[np.ndarray, np.ndarray]:
    """The phase with stops while both feet are down, and a weight (T,) that is 0 in them."""
    frames, out, go = len(phase), phase.copy(), np.ones(len(phase))
    at = PAD + int(rng.uniform(0, 150))
    while at < frames - PAD:
        stay = int(rng.uniform(0.6, 1.4) * 4 * share * RATE) + 20
        target = np.floor(out[at] * 2) / 2 + 0.56  # soon after a heel strike
        rest = min(frames, at + stay)
        slow = np.linspace(0, 1, rest - at)
        gain = min(1.0, 60 / max(rest - at, 1))
        stopped = out[at] + (target - out[at]) * (1 - (1 - np.clip(slow / gain, 0, 1)) ** 2)
        tail = out[rest:] - (out[rest] if rest < frames else 0) + stopped[-1]
        out[at:rest] = stopped
        if rest < frames:
            out[rest:] = tail
        go[at:rest] = 0
        at = rest + int(rng.uniform(2.0, 5.0) * (1.2 - share) * RATE)
    out = smooth(out, 0.12)
    rate = np.gradient(out) / np.maximum(np.gradient(phase), 1e-6)
    return out, np.clip(rate, 0, 1.3)


def _path(
    rng: np.random.Generator, pace: np.ndarray, area: tuple[Real, Real]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (T, 2) in mm and headings (T,) that steer towards one random goal after another."""
    half = np.array(area)
    xy, heading = np.empty((len(pace), 2)), np.empty(len(pace))
    place, goal = rng.uniform(-half, half) * 0.8, rng.uniform(-half, half)
    angle, rate = np.arctan2(*(goal - place)[::-1]) + rng.normal(0, 0.5), 0.0
    goals = rng.uniform(-half, half, (len(pace), 2))
    for t, v in enumerate(pace):
        ahead = goal - place
        far = np.hypot(*ahead)
        wish = (np.arctan2(ahead[1], ahead[0]) - angle + np.pi) % (2 * np.pi) - np.pi
        most = 0.7 * np.sqrt(v / 390)  # 40 degrees a step
        rate += 0.08 * (np.clip(2.5 * wish, -most, most) - rate)
        angle += rate / RATE
        place = place + v / RATE * np.array([np.cos(angle), np.sin(angle)])
        if far < 600:
            goal = goals[t]
        xy[t], heading[t] = place, angle
    taken = xy[PAD:-PAD]
    return xy - (taken.min(0) + taken.max(0)) / 2, heading


def _foot(actor, side, start, phase, xy, heading, pace, duty, run) -> Foot:
    """A foot, planted while the phase is in its stance and swung to the next foothold after it."""
    rng, style, body, outward = actor.rng, actor.style, actor.body, OUTWARD[side]
    strides = phase - start
    count = np.floor(strides).astype(int)
    first = count.min()
    middles = np.arange(first, count.max() + 3) + start + duty / 2
    grid = phase + 1e-9 * np.arange(len(phase))
    spot = np.stack([_extend(middles, grid, xy[:, k]) for k in (0, 1)], axis=1)
    facing = _extend(middles, grid, heading)
    n = len(middles)
    apart = (0.35 * style.width * (0.6 if run else 1)) * body.leg + rng.normal(0, 8, n) + 12
    aim = 10 - 80 * min(1.0, pace.mean() / 1300)  # feet land less far before than they leave behind
    ahead, normal = headings(facing)
    spot = spot + outward * apart[:, None] * normal + (aim + rng.normal(0, 12, n))[:, None] * ahead
    facing = facing + outward * np.radians(0.7 * style.toes + rng.normal(0, 2.5, n))
    share = strides - count
    swing = np.clip((share - duty) / (1 - duty), 0, 1)
    u = 0.25 * swing + 0.75 * swing**2 * (3 - 2 * swing)
    k = count - first
    ground = (1 - u)[:, None] * spot[k] + u[:, None] * spot[k + 1]
    yaw = (1 - u) * facing[k] + u * facing[k + 1]
    size = np.clip(0.35 + 0.65 * smooth(pace, 0.3) / 1300, 0.35, 1.2)
    # Winter's stride has 62 % stance: stretch the curve so that its toe-off falls on this one's
    stretched = np.where(share < duty, 0.62 * share / duty, 0.62 + 0.38 * swing)
    pitch = np.radians(SOLE(stretched)) * size
    early = np.sin(np.pi * np.clip(swing * 1.5, 0, 1))
    lift = (30 + 90 * run) * size * np.sin(np.pi * swing) ** 1.5 + 60 * size * early
    ankle = np.column_stack([ground, body.ankle_height + lift])
    spread = np.full(len(phase), np.radians(rng.normal(3, 3)))
    return Foot(ankle, yaw, pitch, spread, share < duty)


def _extend(at: np.ndarray, grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear interpolation, continued beyond the last value at the last stride's mean slope."""
    last = np.searchsorted(grid, grid[-1] - 1.0)
    slope = (values[-1] - values[last]) / max(grid[-1] - grid[last], 1e-3)
    return np.interp(at, grid, values) + slope * np.maximum(at - grid[-1], 0)


def _body(actor, phase, pace, xy, heading, feet, duty, run) -> Tracks:
    """Pelvis and trunk over the feet: up and down twice a stride, side to side and turning once."""
    rng, style, body = actor.rng, actor.style, actor.body
    frames = len(phase)
    size = np.clip(smooth(pace, 0.3) / 1300, 0.1, 1.3)
    middle = phase - duty / 2  # 0: the left foot's middle stance
    stride = 2 * np.pi * phase
    _, normal = headings(heading)
    sway = (28 - 14 * size) * np.cos(2 * np.pi * middle) * rng.uniform(0.6, 1.3)
    upright = body.leg + body.ankle_height
    bob = 8 * size * np.cos(4 * np.pi * middle) * (-2.2 if run else 1)
    height = (0.93 if run else (1 - 0.030 * size) * rng.uniform(0.985, 1.0)) * upright + bob
    turn = np.radians(6.0) * rng.uniform(0.6, 1.5) * size
    yaw = heading - turn * np.cos(stride)
    roll = -np.radians(4.0) * size * rng.uniform(0.5, 1.3) * np.sin(2 * np.pi * (middle + 0.06) * 1)
    trunk = np.zeros((frames, 3))
    lean = style.lean * 0.6 + (9 if run else 0) + rng.normal(0, 2)
    trunk[:, 0] = np.radians(lean + 2.5 * size) + np.radians(1.5) * size * np.cos(2 * stride)
    trunk[:, 1] = -0.7 * roll
    trunk[:, 2] = (2.0 * style.swing) * turn * np.cos(stride + 0.2)
    pitch = np.radians(4 + (6 if run else 0)) + np.radians(1.5) * size * np.cos(2 * stride + 1)
    xy, head = xy + sway[:, None] * normal, np.zeros((frames, 3))
    tracks = Tracks(xy, yaw, height, pitch, roll, trunk, head, feet, arms={})
    return breathe(Actor(rng, body, style, frames), tracks, 0.5)


def swing(actor: Actor, side: str, phase: np.ndarray, pace: np.ndarray, run: bool = False) -> Arm:
    """An arm that swings against the leg of its side, from the phase and the pace (mm/s)."""
    rng, style, frames = actor.rng, actor.style, actor.frames
    size = np.clip(pace / 1300, 0.08, 1.3) * style.swing * rng.uniform(0.75, 1.25)
    wave = -OUTWARD[side] * np.cos(2 * np.pi * phase - 0.25)
    flexion = np.radians(4 + 19 * size * wave + rng.normal(0, 3) + (8 if run else 0) * wave)
    bent = 95 if run else 16 + rng.uniform(0, 14)
    elbow = np.radians(bent + 12 * size * (wave + 0.4) + noise(rng, frames, 3.0, 0.6))
    elbow = np.clip(elbow, 0.1, 2.2)
    out = np.radians(rng.uniform(2, 9) + noise(rng, frames, 1.5, 0.5))
    # upper arm and forearm nearly equal: the hand lies half the elbow's angle ahead of the elbow
    ahead = flexion + 0.47 * elbow
    direction = np.stack(
        [np.sin(ahead) * np.cos(out), np.sin(out), -np.cos(ahead) * np.cos(out)], axis=1
    )
    direction += noise(rng, frames, 0.02, 0.8, 3)
    swivel = np.radians(style.elbows * 0.6 + rng.normal(0, 8)) + noise(rng, frames, 0.06, 0.5)
    length = np.linalg.norm(direction, axis=1, keepdims=True)
    return Arm(direction / length, np.cos(elbow / 2), swivel, np.full(frames, 0.6))

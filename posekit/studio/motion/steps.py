"""How the studio's actors go from posture to posture, foot by foot.

T frames, K postures. Times in seconds.
"""

from itertools import pairwise
from numbers import Real

import numpy as np

from posekit.studio.motion.actor import Actor
from posekit.studio.motion.anatomy import SIDES, Body
from posekit.studio.motion.postures import POSTURES, Posture
from posekit.studio.motion.rig import Foot, Tracks
from posekit.studio.motion.signals import RATE, keyframes, noise

HALF = 0.5


def perform(
    actor: Actor,
    times: np.ndarray,
    postures: list[Posture],
    places: np.ndarray,
    yaws: np.ndarray,
    seconds: np.ndarray,
) -> Tracks:
    """Hips, feet and trunk going from posture to posture; a foot that has to move is lifted.

    `places` (K, 2) mm and `yaws` (K,) rad say where between the feet lies; the k-th posture is
    reached at `times[k]` after a move of `seconds[k]`.
    """
    body, frames = actor.body, actor.frames
    leg, upright = body.leg, body.leg + body.ankle_height

    def track(values, lag=0.0):
        return keyframes(times - lag * seconds, np.array(values), seconds * (1 - lag), frames)

    turns = np.stack([np.cos(yaws), np.sin(yaws), -np.sin(yaws), np.cos(yaws)], 1).reshape(-1, 2, 2)
    offsets = np.array([(p.ahead, p.aside) for p in postures]) * leg
    hips = places + np.einsum("kij,ki->kj", turns, offsets)
    trunk = np.radians([p.trunk for p in postures])
    first = _first(actor.rng, postures)
    feet = {}
    for n, side in enumerate(SIDES):
        feet[side] = _steps(actor, side, first + n, times, postures, places, yaws, turns, seconds)
    return Tracks(
        xy=track(hips),
        yaw=track(yaws),
        height=track([p.height for p in postures]) * upright,
        pitch=track(np.radians([p.pitch for p in postures])),
        roll=track(np.radians([p.roll for p in postures])),
        trunk=track(trunk, 0.15),
        head=np.zeros((frames, 3)),
        feet=feet,
        arms={},
    )


def _first(rng: np.random.Generator, postures: list[Posture]) -> np.ndarray:
    """Which foot steps first, 0 the left: one that is in the air; last, one that will be."""
    first = rng.integers(0, 2, len(postures))
    for k, (before, after) in enumerate(pairwise(postures), start=1):
        lead = (before.left.lift - after.left.lift) - (before.right.lift - after.right.lift)
        if abs(lead) > 0.05:
            first[k] = int(lead < 0)
    return first


def _steps(actor, side, order, times, postures, places, yaws, turns, seconds) -> Foot:
    """One foot's way through the postures: both feet in turn, each in half of the time."""
    outward = 1.0 if side == "left" else -1.0
    stands = [getattr(p, side) for p in postures]
    body, leg, frames = actor.body, actor.body.leg, actor.frames
    flat = np.array([(s.ahead, s.out * outward) for s in stands]) * leg
    shifts = np.array([_shift(body, s.pitch) for s in stands])
    flat[:, 0] -= shifts[:, 0]
    ground = places + np.einsum("kij,ki->kj", turns, flat)
    heights = body.ankle_height + np.array([s.lift * leg for s in stands]) - shifts[:, 1]
    angles = yaws + outward * np.radians([s.toes for s in stands])
    ends = times - np.where(order % 2 == 0, HALF, 0.0) * seconds
    spans = HALF * seconds
    moved = np.linalg.norm(np.diff(ground, axis=0, prepend=ground[:1]), axis=1)
    moved += 100 * np.abs(np.diff(angles, prepend=angles[0]))
    clock = np.arange(frames) / RATE
    lift, planted = np.zeros(frames), np.ones(frames, bool)
    for end, span, far in zip(ends[1:], spans[1:], moved[1:], strict=True):
        share = np.clip((clock - end + span) / span, 0, 1)
        lift += np.minimum(90, 0.3 * far) * np.sin(np.pi * share) ** 2
        planted &= ~((share > 0) & (share < 1))

    def track(values):
        return keyframes(ends, values, spans, frames)

    ankle = np.column_stack([track(ground), track(heights) + lift])
    pitch = track(np.radians([s.pitch for s in stands]))
    spread = track(np.radians([s.spread for s in stands]))
    return Foot(ankle, track(angles), pitch, spread, planted)


def _shift(body: Body, pitch: Real) -> tuple[Real, Real]:
    """How far tipping a foot this much carries its ankle, where it isn't to stand on its ball."""
    if abs(pitch) <= 60:
        return 0.0, 0.0
    toe = np.array([0.075, 0, -0.027]) * body.stature
    lever = (
        np.array([-toe[0], -toe[2]])
        if pitch > 0
        else (np.array([0.03 * body.stature, body.ankle_height]))
    )
    c, s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    return tuple(np.array([c * lever[0] + s * lever[1], c * lever[1] - s * lever[0]]) - lever)


def wander(
    actor: Actor, count: int, step: Real, turn: Real, home: Real = 900.0
) -> tuple[np.ndarray, np.ndarray]:
    """Places (K, 2) and headings (K,) that change a little from one posture to the next."""
    rng = actor.rng
    places, yaws = np.zeros((count, 2)), np.zeros(count)
    places[0], yaws[0] = rng.uniform(-home, home, 2) * 0.7, rng.uniform(-np.pi, np.pi)
    for k in range(1, count):
        moves = rng.uniform() < 0.6
        places[k] = places[k - 1] + moves * rng.normal(0, step, 2)
        places[k] *= min(1.0, home / max(np.linalg.norm(places[k]), 1.0))
        yaws[k] = yaws[k - 1] + moves * np.clip(rng.normal(0, turn), -1.2, 1.2)
    return places, yaws


def play(
    actor: Actor,
    kinds: dict[str, Real],
    every: tuple[Real, Real],
    *,
    seconds: tuple[Real, Real] = (0.8, 1.6),
    step: Real = 120.0,
    turn: Real = 0.35,
) -> Tracks:
    """Postures drawn from `kinds` (name of a function of POSTURES: weight), one after the other."""
    times = actor.times(*every)
    names = [actor.among(kinds)]
    for _ in times[1:]:  # to the ground and up again over a squat
        name = actor.among(kinds)
        ground = (names[-1] == "floor") != (name == "floor") and "squat" not in (name, names[-1])
        name = "squat" if ground else name
        names.append("stand" if name == names[-1] == "balance" else name)
    postures = [POSTURES[name](actor) for name in names]
    places, yaws = wander(actor, len(times), step, turn)
    for k in range(1, len(names)):  # nobody steps while kneeling down
        if {"kneel", "floor"} & {names[k - 1], names[k]}:
            shift, spin = places[k] - places[k - 1], yaws[k] - yaws[k - 1]
            places[k:] -= shift
            yaws[k:] -= spin
    spans = actor.rng.uniform(*seconds, len(times)) / actor.style.tempo
    spans[1:] = np.minimum(spans[1:], 0.95 * np.diff(times))
    return perform(actor, times, postures, places, yaws, spans)


def breathe(actor: Actor, tracks: Tracks, amount: Real = 1.0) -> Tracks:
    """The small movements of a body that is never at rest."""
    rng, frames = actor.rng, actor.frames
    amount *= actor.style.restless
    tracks.xy = tracks.xy + noise(rng, frames, 7 * amount, 0.35, 2)
    tracks.yaw = tracks.yaw + np.radians(noise(rng, frames, 2.0 * amount, 0.35))
    tracks.height = tracks.height + noise(rng, frames, 3 * amount, 0.4)
    tracks.pitch = tracks.pitch + np.radians(noise(rng, frames, 2.0 * amount, 0.4))
    tracks.roll = tracks.roll + np.radians(noise(rng, frames, 1.2 * amount, 0.4))
    tracks.trunk = tracks.trunk + np.radians(noise(rng, frames, 3.5 * amount, 0.35, 3))
    return tracks

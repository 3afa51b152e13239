"""Tracks of hips, feet and trunk that go from posture to posture, stepping foot by foot.

T frames, K postures. Times in seconds.
"""

from itertools import pairwise
from numbers import Real

import numpy as np

from posekit.studio.motion.actor import Actor
from posekit.studio.motion.anatomy import OUTWARD, SIDES, Body
from posekit.studio.motion.postures import POSTURES, Posture, Stand
from posekit.studio.motion.rig import Foot, Tracks
from posekit.studio.motion.signals import RATE, keyframes, noise


def play(
    actor: Actor,
    kinds: dict[str, Real],
    every: tuple[Real, Real],
    *,
    seconds: tuple[Real, Real] = (0.8, 1.6),
    step: Real = 120.0,
    turn: Real = 0.35,
) -> Tracks:
    """Tracks, without arms, through random postures of `kinds` (name in POSTURES: weight).

    A posture follows the last after so many seconds (least, most) and is reached by a move of
    `seconds`; `step` (mm) and `turn` (rad) are standard deviations of the moves over the floor.
    """
    times = actor.times(*every)
    names = [actor.pick(kinds)]
    for _ in times[1:]:  # to the ground and up again over a squat
        name = actor.pick(kinds)
        ground = (names[-1] == "floor") != (name == "floor") and "squat" not in (name, names[-1])
        name = "squat" if ground else name
        names.append("stand" if name == names[-1] == "balance" else name)
    postures = [POSTURES[name](actor) for name in names]
    places, yaws = _random_walk(actor, len(times), step, turn)
    for k in range(1, len(names)):  # nobody steps while kneeling down
        if {"kneel", "floor"} & {names[k - 1], names[k]}:
            places[k:] -= places[k] - places[k - 1]
            yaws[k:] -= yaws[k] - yaws[k - 1]
    spans = actor.rng.uniform(*seconds, len(times)) / actor.style.tempo
    spans[1:] = np.minimum(spans[1:], 0.95 * np.diff(times))
    return _tracks(actor, times, postures, places, yaws, spans)


def _random_walk(
    actor: Actor, count: int, step: Real, turn: Real, home: Real = 900.0
) -> tuple[np.ndarray, np.ndarray]:
    """Places (K, 2) in mm and headings (K,) that change a little from one posture to the next."""
    rng = actor.rng
    places, yaws = np.zeros((count, 2)), np.zeros(count)
    places[0], yaws[0] = rng.uniform(-home, home, 2) * 0.7, rng.uniform(-np.pi, np.pi)
    for k in range(1, count):
        moves = rng.uniform() < 0.6
        places[k] = places[k - 1] + moves * rng.normal(0, step, 2)
        places[k] *= min(1.0, home / max(np.linalg.norm(places[k]), 1.0))
        yaws[k] = yaws[k - 1] + moves * np.clip(rng.normal(0, turn), -1.2, 1.2)
    return places, yaws


def _tracks(actor: Actor, times, postures: list[Posture], places, yaws, seconds) -> Tracks:
    """Tracks through postures; a foot that has to move is lifted.

    `places` (K, 2) mm and `yaws` (K,) rad are those of the middle between the feet; posture k is
    reached at `times[k]` after a move of `seconds[k]`.
    """
    body, frames = actor.body, actor.frames

    def track(values, lag=0.0):
        return keyframes(times - lag * seconds, np.array(values), seconds * (1 - lag), frames)

    turns = np.stack([np.cos(yaws), np.sin(yaws), -np.sin(yaws), np.cos(yaws)], 1).reshape(-1, 2, 2)
    offsets = np.array([(p.ahead, p.aside) for p in postures]) * body.leg
    first = _first_foot(actor.rng, postures)
    feet = {}
    for n, side in enumerate(SIDES):
        # Both feet in turn, each in half of the time.
        ends = times - np.where((first + n) % 2 == 0, 0.5, 0.0) * seconds
        stands = [p.feet[n] for p in postures]
        feet[side] = _foot(actor, OUTWARD[side], stands, ends, 0.5 * seconds, places, yaws, turns)
    return Tracks(
        xy=track(places + np.einsum("kij,ki->kj", turns, offsets)),
        yaw=track(yaws),
        height=track([p.height for p in postures]) * (body.leg + body.ankle_height),
        pitch=track(np.radians([p.pitch for p in postures])),
        roll=track(np.radians([p.roll for p in postures])),
        trunk=track(np.radians([p.trunk for p in postures]), 0.15),
        head=np.zeros((frames, 3)),
        feet=feet,
        arms={},
    )


def _first_foot(rng: np.random.Generator, postures: list[Posture]) -> np.ndarray:
    """The foot that steps first, 0 the left: one in the air goes first, one to be lifted last."""
    first = rng.integers(0, 2, len(postures))
    for k, (before, after) in enumerate(pairwise(postures), start=1):
        left, right = (a.lift - b.lift for a, b in zip(before.feet, after.feet, strict=True))
        if abs(left - right) > 0.05:
            first[k] = int(left - right < 0)
    return first


def _foot(
    actor: Actor, outward: float, stands: list[Stand], ends, spans, places, yaws, turns
) -> Foot:
    """A foot over time that goes through its stands, reached at `ends` by moves of `spans`."""
    body, leg, frames = actor.body, actor.body.leg, actor.frames
    flat = np.array([(s.ahead, s.out * outward) for s in stands]) * leg
    shifts = np.array([_tipped_ankle(body, s.pitch) for s in stands])
    flat[:, 0] -= shifts[:, 0]
    ground = places + np.einsum("kij,ki->kj", turns, flat)
    heights = body.ankle_height + np.array([s.lift * leg for s in stands]) - shifts[:, 1]
    angles = yaws + outward * np.radians([s.toes for s in stands])
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


def _tipped_ankle(body: Body, pitch: Real) -> tuple[Real, Real]:
    """How far (ahead, up; mm) an ankle moves when its foot is tipped beyond standing on the ball."""
    if abs(pitch) <= 60:
        return 0.0, 0.0
    ahead, up = -0.075 * body.stature, 0.027 * body.stature
    if pitch < 0:
        ahead, up = 0.03 * body.stature, body.ankle_height
    c, s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    return c * ahead + s * up - ahead, c * up - s * ahead - up


def breathe(actor: Actor, tracks: Tracks, amount: Real = 1.0) -> Tracks:
    """The tracks with the small movements of a body that is never at rest added."""
    rng, frames = actor.rng, actor.frames
    amount *= actor.style.restless
    tracks.xy = tracks.xy + noise(rng, frames, 7 * amount, 0.35, 2)
    tracks.yaw = tracks.yaw + np.radians(noise(rng, frames, 2.0 * amount, 0.35))
    tracks.height = tracks.height + noise(rng, frames, 3 * amount, 0.4)
    tracks.pitch = tracks.pitch + np.radians(noise(rng, frames, 2.0 * amount, 0.4))
    tracks.roll = tracks.roll + np.radians(noise(rng, frames, 1.2 * amount, 0.4))
    tracks.trunk = tracks.trunk + np.radians(noise(rng, frames, 3.5 * amount, 0.35, 3))
    return tracks

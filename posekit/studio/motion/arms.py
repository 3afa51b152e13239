"""Tracks of the hands and the head.

T frames. Angles of zones in degrees, times in seconds, lengths in mm.
"""

from numbers import Real

import numpy as np

from posekit.studio.motion.actor import Actor
from posekit.studio.motion.rig import Arm, HandTarget
from posekit.studio.motion.signals import RATE, keyframes, noise, pulses

# Where hands go: azimuth outward from straight ahead, elevation, reach, elbow's swivel
ZONES = {
    "rest": ((-40, 60), (-88, -74), (0.93, 0.98), (-20, 20)),
    "talk": ((-35, 40), (-62, -15), (0.45, 0.72), (-5, 45)),
    "open": ((10, 75), (-45, 5), (0.55, 0.9), (-10, 35)),
    "point": ((-35, 95), (-25, 45), (0.85, 0.985), (-10, 40)),
    "up": ((-30, 110), (40, 85), (0.7, 0.985), (-20, 30)),
    "hip": ((65, 100), (-83, -74), (0.62, 0.70), (45, 75)),
    "belly": ((-50, -20), (-62, -45), (0.62, 0.75), (5, 30)),
    "across": ((-50, -30), (-35, -10), (0.50, 0.62), (15, 40)),
    "face": ((-30, -5), (0, 22), (0.42, 0.55), (0, 40)),
    "back": ((150, 200), (-82, -62), (0.75, 0.9), (10, 40)),
    "side": ((70, 105), (-25, 25), (0.8, 0.985), (-20, 20)),
    "pocket": ((30, 70), (-84, -78), (0.82, 0.88), (10, 40)),
    "nape": ((40, 80), (38, 58), (0.45, 0.55), (20, 50)),
    "down": ((-40, 50), (-80, -45), (0.85, 0.985), (-10, 30)),
}


def _draw_in_zone(rng: np.random.Generator, name: str, size: Real) -> np.ndarray:
    """Azimuth, elevation (rad), reach and swivel (rad) of a hand somewhere in a zone."""
    low, high = np.array(ZONES[name], dtype=float).T
    az, el, reach, swivel = rng.uniform(low, high)
    reach = np.clip(0.75 + (reach - 0.75) * (size if name in ("talk", "open") else 1), 0.4, 0.985)
    return np.array([np.radians(az), np.radians(el), reach, np.radians(swivel)])


def gesture(
    actor: Actor,
    zones: dict[str, Real],
    every: tuple[Real, Real],
    *,
    seconds: tuple[Real, Real] = (0.35, 0.8),
    hang: Real = 0.5,
    like: Arm | None = None,
) -> Arm:
    """An arm whose hand goes from place to place of `zones` (name: weight).

    A move starts every so many seconds (least, most). With `like` it follows that arm instead,
    a little late and with some noise. `hang` is 1 for an arm that hangs upright whatever the
    trunk does.
    """
    rng, s, frames = actor.rng, actor.style, actor.frames
    if like is None:
        times = actor.times(*every)
        values = np.array([_draw_in_zone(rng, actor.pick(zones), s.size) for _ in times])
        spans = rng.uniform(*seconds, len(times)) / s.tempo
        spans[1:] *= 0.7 + 0.5 * np.abs(np.diff(values[:, :2], axis=0)).max(1)  # far takes longer
        az, el, reach, swivel = keyframes(times, values, spans, frames).T
        x, y, z = np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)
        track = np.column_stack([x, y, z, reach, swivel])
    else:
        track = np.column_stack([like.direction, like.reach, like.swivel])
        late = int(rng.uniform(0, 0.15) * RATE)
        track = np.concatenate([track[:1].repeat(late, 0), track])[:frames]
        track = track + 0.12 * noise(rng, frames, 1.0, 0.5, 5) * (1, 1, 1, 0.2, 1)
    direction = track[:, :3] + noise(rng, frames, 0.035, 0.8, 3) + noise(rng, frames, 0.008, 3, 3)
    direction += rng.normal(0, 0.04, 3)
    reach = np.clip(track[:, 3] + noise(rng, frames, 0.012, 0.8), 0.32, 0.99)
    elbows = np.radians(s.elbows + rng.normal(0, 8))
    swivel = track[:, 4] + elbows + noise(rng, frames, 0.1, 0.5)
    length = np.linalg.norm(direction, axis=1, keepdims=True)
    return Arm(direction / np.maximum(length, 0.05), reach, swivel, np.full(frames, hang))


def hold(
    actor: Actor,
    arm: Arm,
    frame: str,
    place: tuple | np.ndarray,
    *,
    weight: np.ndarray | None = None,
    swivel: Real = 0.0,
    wobble: Real = 8.0,
) -> None:
    """Keep the hand of `arm` at a place (mm) in the frame of a joint, always or by `weight` (T,)."""
    rng, frames = actor.rng, actor.frames
    weight = np.ones(frames) if weight is None else weight
    path = np.array(place) + rng.normal(0, 12, 3) + noise(rng, frames, wobble, 0.7, 3)
    elbow = np.radians(swivel + actor.style.elbows + rng.normal(0, 8))
    arm.targets.append(HandTarget(frame, path, weight, elbow))


def cycles(
    actor: Actor, every: tuple[Real, Real], stay: tuple[Real, Real], rise=(0.5, 0.9)
) -> np.ndarray:
    """A weight (T,) that comes and goes, as for a hand to the mouth: `every`, `stay`, `rise` in s."""
    rng = actor.rng
    times = actor.times(*every, first=rng.uniform(0.3, every[1] * 0.6))
    tempo = actor.style.tempo
    ups = rng.uniform(*rise, len(times)) / tempo
    return pulses(times, ups, rng.uniform(*stay, len(times)) / tempo, actor.frames)


def look(actor: Actor, *, twist: Real = 15.0, flexion: Real = 0.0, rate: Real = 0.5) -> np.ndarray:
    """Head rotations (T, 3), flexion, lateral and twist: glances that rest, and small noise."""
    rng, frames = actor.rng, actor.frames
    times = actor.times(0.7 / rate * 0.5, 2.4 / rate * 0.5)
    spread = np.radians([7.0, 4.0, twist])
    values = rng.normal(0, 1, (len(times), 3)) * spread
    spans = np.full(len(times), 0.4) / actor.style.tempo
    spans[1:] = np.minimum(spans[1:], 0.95 * np.diff(times))
    head = keyframes(times, values, spans, frames) + np.radians(noise(rng, frames, 2.0, 0.7, 3))
    head[:, 0] += np.radians(actor.style.head + flexion)
    return head

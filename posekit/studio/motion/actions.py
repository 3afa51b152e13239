"""The fifteen actions of Human3.6M as programs that draw random tracks.

A program turns an actor and the number of the take (1 or 2) into the tracks of hips, feet, trunk,
head and hands. Moments, targets, postures and durations are random in every take.
"""

from collections.abc import Iterable

import numpy as np

from posekit.studio.motion.actor import Actor, opposite
from posekit.studio.motion.anatomy import SIDES
from posekit.studio.motion.arms import cycles, gesture, hold, look
from posekit.studio.motion.gait import swing, walk
from posekit.studio.motion.rig import Arm, Tracks
from posekit.studio.motion.steps import breathe, play

UPRIGHT = {"stand": 1.0}
MOUTH = (135.0, 45.0, -45.0)  # the wrist of a hand at the mouth, from the head joint, mm


def _complete(tracks: Tracks, arms: Iterable[Arm], head: np.ndarray) -> Tracks:
    """The tracks with left and right arm, and head (T, 3)."""
    tracks.arms = dict(zip(SIDES, arms, strict=True))
    tracks.head = tracks.head + head
    return tracks


def _standing(actor: Actor, kinds=UPRIGHT, every=(1.8, 4.5), **moves) -> Tracks:
    return breathe(actor, play(actor, kinds, every, **moves))


def _seated(actor: Actor, every=(2.0, 5.0)) -> Tracks:
    tracks = play(actor, {"chair": 1}, every, seconds=(1.2, 2.0), step=0.0, turn=0.06)
    return breathe(actor, tracks, 0.8)


def _arms(actor: Actor, zones, every, *, twins=0.35, **moves) -> tuple[Arm, Arm]:
    """Both arms gesturing, with chance `twins` in the same way."""
    first = gesture(actor, zones, every, **moves)
    like = first if actor.rng.uniform() < twins else None
    second = gesture(actor, zones, every, like=like, **moves)
    return (first, second) if actor.rng.uniform() < 0.5 else (second, first)


def _sides(actor: Actor, main: Arm, off: Arm) -> tuple[Arm, Arm]:
    """Left and right arm from that of the dominant hand and the other."""
    return (main, off) if actor.style.dominant == "left" else (off, main)


def directions(actor: Actor, take: int) -> Tracks:
    """Pointing the way, near and far, and turning to it."""
    kinds = {"stand": 4, "lunge": 0.7, "wide": 0.6, "bow": 0.4, "balance": 0.3}
    tracks = _standing(actor, kinds, (1.5, 3.5), turn=0.6)
    zones = {"point": 5, "rest": 2, "up": 0.7, "talk": 1, "open": 1, "side": 1}
    quiet = {"rest": 3, "hip": 1, "point": 1, "talk": 1, "pocket": 0.5}
    main = gesture(actor, zones, (0.8, 2.2), hang=0.3)
    off = gesture(actor, quiet if take == 1 else zones, (1.2, 3.5), hang=0.4)
    return _complete(tracks, _sides(actor, main, off), look(actor, twist=24))


def discussion(actor: Actor, take: int) -> Tracks:
    """Talking with both hands."""
    tracks = _standing(actor, {"stand": 5, "wide": 0.5}, (1.5, 4.0), turn=0.45)
    zones = {"talk": 4, "open": 2.5, "rest": 1.2, "across": 0.6, "hip": 0.4, "up": 0.3, "face": 0.3}
    arms = _arms(actor, zones, (0.5, 1.7), twins=0.5)
    return _complete(tracks, arms, look(actor, twist=14, rate=0.8))


def eating(actor: Actor, take: int) -> Tracks:
    """Hand to mouth, at a table or from a plate held in the other hand."""
    tracks = _seated(actor) if take == 1 else _standing(actor, every=(2.5, 5))
    if take == 1:
        tracks.trunk[:, 0] += np.radians(8)
    main = gesture(actor, {"talk": 3, "belly": 2}, (1.0, 2.5))
    bites = cycles(actor, (2.0, 4.0), (0.3, 1.0))
    hold(actor, main, "smpl_head", MOUTH, weight=bites, swivel=25)
    zones = {"talk": 3, "belly": 2, "rest": 1} if take == 1 else {"talk": 5, "belly": 1}
    off = gesture(actor, zones, (2.0, 5.0))
    head = look(actor, twist=9, flexion=10)
    head[:, 0] += np.radians(6) * bites
    return _complete(tracks, _sides(actor, main, off), head)


def greeting(actor: Actor, take: int) -> Tracks:
    """Waving, bowing, reaching out a hand, open arms."""
    kinds = {"stand": 4, "bow": 0.8 * take, "lunge": 0.8, "balance": 0.4}
    tracks = _standing(actor, kinds, (1.3, 3.0), turn=0.6)
    main = gesture(actor, {"up": 3, "point": 2, "open": 2, "rest": 2, "side": 1}, (0.8, 2.2))
    waves = cycles(actor, (3.0, 5.0), (0.8, 2.0))
    t = np.arange(actor.frames) / 50.0
    beat = np.sin(2 * np.pi * t * actor.rng.uniform(1.3, 2.3) * actor.style.tempo)
    place = np.array([180.0, 330.0, 230.0]) + 90.0 * np.stack([0 * t, beat, -0.2 * beat], 1)
    hold(actor, main, "smpl_spine3", place, weight=waves, swivel=20)
    zones = {"rest": 4, "open": 1.5, "side": 1, "up": 0.7, "point": 1}
    off = gesture(actor, zones, (1.0, 3.0))
    return _complete(tracks, _sides(actor, main, off), look(actor, twist=14))


def phoning(actor: Actor, take: int) -> Tracks:
    """A phone at the ear; standing and pacing, or on a chair."""
    phase = pace = None
    if take == 1 and actor.rng.uniform() < 0.5:
        tracks, phase, pace = walk(actor, (0.4, 1.0), pauses=0.5)
    elif take == 2 and actor.rng.uniform() < 0.5:
        tracks = _seated(actor)
    else:
        tracks = _standing(actor, {"stand": 4, "lunge": 0.4}, (1.5, 4.0), turn=0.6)
    side = actor.style.dominant
    main = gesture(actor, {"talk": 1}, (2.0, 4.0))
    hold(actor, main, "smpl_head", (25.0, 95.0, -50.0), swivel=actor.rng.uniform(-5, 35), wobble=6)
    zones = {"rest": 3, "talk": 2, "pocket": 1, "hip": 1, "across": 1.2, "belly": 1, "open": 0.7}
    off = gesture(actor, zones, (1.2, 3.5))
    if phase is not None and actor.rng.uniform() < 0.6:
        off = swing(actor, opposite(side), phase, pace)
    head = look(actor, twist=14, flexion=4)
    head[:, 1] += np.radians(10 if side == "left" else -10)
    return _complete(tracks, _sides(actor, main, off), head)


def photo(actor: Actor, take: int) -> Tracks:
    """A camera before the face: standing, leaning, crouching, kneeling."""
    kinds = {"stand": 3, "lunge": 1.5, "bow": 0.7, "squat": 2 * take - 1, "kneel": 0.8 * take}
    tracks = _standing(actor, kinds, (1.8, 3.8), turn=0.6)
    zones = {"talk": 2, "rest": 2, "belly": 1}
    up = np.maximum(cycles(actor, (2.5, 4.5), (1.2, 3.0)), cycles(actor, (4, 7), (2.0, 4.0)))
    arms = [gesture(actor, zones, (1.5, 3.0)) for _ in SIDES]
    for arm in arms:
        place = (actor.rng.uniform(150, 260), 70, actor.rng.uniform(-30, 30))
        swivel = actor.rng.uniform(5, 45)
        hold(actor, arm, "smpl_head", place, weight=up, swivel=swivel, wobble=5)
    head = look(actor, twist=12) * (1 - 0.7 * up)[:, None]
    return _complete(tracks, arms, head)


def posing(actor: Actor, take: int) -> Tracks:
    """Showing off: one posture after another, whole body, held for a moment."""
    kinds = {
        "stand": 2,
        "wide": 2,
        "lunge": 2,
        "balance": 1.5,
        "bow": 1,
        "squat": 0.8,
        "kneel": 0.6,
    }
    tracks = _standing(actor, kinds, (1.4, 3.0), turn=0.7)
    zones = {"hip": 2, "up": 2.5, "side": 1.5, "open": 1, "nape": 1, "rest": 1, "across": 0.8,
             "point": 1, "back": 0.6, "face": 0.5, "talk": 0.5}  # fmt: skip
    arms = _arms(actor, zones, (1.2, 2.6), twins=0.45, hang=0.15)
    return _complete(tracks, arms, look(actor, twist=20))


def purchases(actor: Actor, take: int) -> Tracks:
    """Reaching up to a shelf, bending to the lowest one, holding goods."""
    kinds = {"stand": 3, "bow": 2, "squat": 1.2, "lunge": 0.8, "kneel": 0.3}
    tracks = _standing(actor, kinds, (1.4, 3.0), turn=0.8, step=220)
    zones = {"down": 3, "point": 2, "up": 1.5, "talk": 2, "belly": 1}
    main = gesture(actor, zones, (0.9, 2.0), hang=0.6)
    carry = {"belly": 2, "talk": 2, "rest": 2, "down": 1.5, "point": 0.7}
    off = gesture(actor, carry, (1.5, 3.5), hang=0.7)
    return _complete(tracks, _sides(actor, main, off), look(actor, twist=14, flexion=8))


def sitting(actor: Actor, take: int) -> Tracks:
    """On a chair: leaning, crossing legs, hands on the thighs, arms crossed, behind the head."""
    tracks = _seated(actor, (1.6, 4.0))
    zones = {"talk": 2, "belly": 2.5, "across": 1.5, "nape": 1, "open": 0.7, "face": 1, "rest": 0.4}
    arms = _arms(actor, zones, (1.5, 3.5), twins=0.6)
    for side, arm in zip(SIDES, arms, strict=True):
        weight = cycles(actor, (3.0, 6.0), (1.5, 4.0))
        hold(actor, arm, f"{side}_knee", (-35, 0, actor.rng.uniform(30, 160)), weight=weight)
    return _complete(tracks, arms, look(actor, twist=20))


def sitting_down(actor: Actor, take: int) -> Tracks:
    """To the ground and up again, and sitting there in many ways."""
    kinds = {"floor": 5, "kneel": 1, "squat": 0.8, "stand": 0.5 if take == 1 else 1.0}
    tracks = _standing(actor, kinds, (1.9, 4.0), seconds=(1.1, 1.9), turn=0.3, step=60)
    zones = {"talk": 2, "belly": 2, "across": 1, "down": 2, "open": 1, "point": 0.5}
    arms = _arms(actor, zones, (1.4, 3.2), twins=0.5, hang=0.7)
    low = np.clip((0.42 - tracks.height / (actor.body.leg + 70)) / 0.2, 0, 1)
    for side, arm in zip(SIDES, arms, strict=True):
        weight = cycles(actor, (3.0, 6.0), (1.5, 3.5)) * low
        lean = (-260 - actor.rng.uniform(0, 90), 190 + actor.rng.uniform(0, 120), -40)
        hold(actor, arm, "upright", lean, weight=weight, wobble=3)
        knees = cycles(actor, (3.0, 6.0), (1.0, 3.0)) * low * (1 - weight)
        hold(actor, arm, f"{side}_knee", (60, 20, actor.rng.uniform(-220, -40)), weight=knees)
    return _complete(tracks, arms, look(actor, twist=18))


def smoking(actor: Actor, take: int) -> Tracks:
    """A hand to the mouth and away; standing, strolling, or on a chair."""
    chance = actor.rng.uniform()
    if take == 2 and chance < 0.45:
        tracks = _seated(actor)
    elif take == 1 and chance < 0.35:
        tracks, _, _ = walk(actor, (0.3, 0.8), pauses=0.6)
    else:
        kinds = {"stand": 5, "squat": 0.5, "wide": 0.5}
        tracks = _standing(actor, kinds, (1.8, 4.5), turn=0.5)
    main = gesture(actor, {"talk": 2, "rest": 2, "open": 1.5, "belly": 0.7}, (1.2, 3.0))
    puffs = cycles(actor, (2.5, 5.0), (0.5, 1.4))
    hold(actor, main, "smpl_head", MOUTH, weight=puffs, swivel=15)
    zones = {"rest": 3, "across": 1.5, "pocket": 1, "hip": 1, "belly": 1}
    off = gesture(actor, zones, (2.0, 5.0))
    return _complete(tracks, _sides(actor, main, off), look(actor, twist=16))


def waiting(actor: Actor, take: int) -> Tracks:
    """Weight from foot to foot, looking around, arms crossed or in the pockets."""
    if take == 2 and actor.rng.uniform() < 0.4:
        tracks, _, _ = walk(actor, (0.3, 0.8), pauses=0.7)
    else:
        kinds = {"stand": 6, "lunge": 0.4, "squat": 0.3, "wide": 0.4}
        tracks = _standing(actor, kinds, (1.4, 3.5), turn=0.5)
    zones = {"rest": 3, "pocket": 2, "across": 2, "hip": 1.5, "belly": 1, "nape": 0.7, "face": 0.7}
    arms = _arms(actor, zones, (1.8, 4.5), twins=0.6, seconds=(0.5, 1.0))
    return _complete(tracks, arms, look(actor, twist=28))


def walk_dog(actor: Actor, take: int) -> Tracks:
    """One arm held forward by a pulling leash; now and then down to the dog."""
    tracks, phase, pace = walk(actor, (0.6, 1.5), pauses=0.25)
    side = actor.style.dominant
    main = gesture(actor, {"down": 3, "talk": 1, "point": 0.7}, (0.8, 2.0), hang=0.7)
    still = np.clip(1 - pace / 500, 0, 1)
    down = cycles(actor, (3.0, 6.0), (0.6, 1.8)) * still
    tracks.trunk[:, 0] += np.radians(40) * down + np.radians(5)
    tracks.pitch = tracks.pitch + np.radians(28) * down
    tracks.height = tracks.height - 110 * down
    hold(actor, main, "upright", (380, 120, -330), weight=down)
    off = swing(actor, opposite(side), phase, pace)
    return _complete(tracks, _sides(actor, main, off), look(actor, twist=12, flexion=10))


def walking(actor: Actor, take: int) -> Tracks:
    """Walking round the studio, slow and brisk, in some takes breaking into a run."""
    run = take == 2 and actor.rng.uniform() < 0.45
    tracks, phase, pace = walk(actor, (1.6, 2.9) if run else (0.7, 1.7), run=run)
    arms = [swing(actor, side, phase, pace, run) for side in SIDES]
    return _complete(tracks, arms, look(actor, twist=10))


def walk_together(actor: Actor, take: int) -> Tracks:
    """Walking beside someone: turned to them, talking, an arm taken or round their shoulders."""
    tracks, phase, pace = walk(actor, (0.6, 1.3), pauses=0.12)
    partner = str(actor.rng.choice(SIDES))
    towards = 1.0 if partner == "left" else -1.0
    near = gesture(actor, {"talk": 1, "rest": 2, "open": 1}, (1.2, 3.0))
    kind = actor.rng.uniform()
    if kind < 0.3:  # round the shoulders
        hold(actor, near, "smpl_spine3", (60, 520, 130), swivel=10)
    elif kind < 0.55:  # arm in arm
        hold(actor, near, "smpl_spine3", (190, 170, -170), swivel=20)
    elif kind < 0.8:
        near = swing(actor, partner, phase, pace)
    far = swing(actor, opposite(partner), phase, pace)
    if actor.rng.uniform() < 0.4:
        far = gesture(actor, {"talk": 3, "rest": 2, "open": 2}, (0.8, 2.0))
    head = look(actor, twist=16)
    head[:, 2] += towards * np.radians(22) * cycles(actor, (1.5, 4.0), (0.8, 2.5))
    arms = (near, far) if partner == "left" else (far, near)
    return _complete(tracks, arms, head)


PROGRAMS = {
    "Directions": directions, "Discussion": discussion, "Eating": eating, "Greeting": greeting,
    "Phoning": phoning, "Photo": photo, "Posing": posing, "Purchases": purchases,
    "Sitting": sitting, "SittingDown": sitting_down, "Smoking": smoking, "Waiting": waiting,
    "WalkDog": walk_dog, "Walking": walking, "WalkTogether": walk_together,
}  # fmt: skip

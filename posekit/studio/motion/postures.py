"""Random postures of hips, legs and trunk: standing, bent, squatting, kneeling, seated, on the floor.

Lengths are shares of the actor's leg, angles degrees. The order of the random draws is fixed: the
same generator gives the same posture.
"""

from dataclasses import dataclass

import numpy as np

from posekit.studio.motion.actor import Actor


@dataclass(frozen=True)
class Stand:
    """Where an ankle is, seen from between the feet, and how its foot and knee turn."""

    ahead: float
    out: float
    lift: float = 0.0
    toes: float = 8.0  # outward
    pitch: float = 0.0  # heel up
    spread: float = 0.0  # knee outward


Feet = tuple[Stand, Stand] | list[Stand]
Angles = tuple[float, float, float]


@dataclass(frozen=True)
class Posture:
    """Hips, legs and trunk at a moment."""

    height: float  # of the hips, share of their height in upright standing
    feet: Feet  # left, right
    trunk: Angles  # flexion, lateral, twist
    ahead: float = 0.0  # of the hips
    aside: float = 0.0  # to the left
    pitch: float = 0.0
    roll: float = 0.0


def _pair(rng: np.random.Generator, ahead: float, out: float, **angles) -> list[Stand]:
    """Two feet side by side, with a little chance in each."""
    return [
        Stand(
            ahead + rng.normal(0.0, 0.03),
            out + rng.normal(0.0, 0.02),
            toes=rng.uniform(0.0, 25.0),
            **angles,
        )
        for _ in range(2)
    ]


def stand(actor: Actor) -> Posture:
    """Upright, weight somewhere between the feet."""
    rng, s = actor.rng, actor.style
    shift, stagger = rng.normal(0, 0.035) * s.restless, rng.normal(0, 0.06)
    feet = [
        Stand(
            way * stagger,
            s.width + rng.normal(0.0, 0.02),
            toes=s.toes + rng.normal(0.0, 5.0),
            spread=rng.normal(5.0, 4.0),
        )
        for way in (1, -1)
    ]
    trunk = (s.lean + rng.normal(0, 5), -80 * shift + rng.normal(0, 4), rng.normal(0, 8))
    height, ahead, pitch = rng.uniform(0.975, 1.0), rng.normal(0.01, 0.015), rng.normal(2.0, 5.0)
    return Posture(height, feet, trunk, ahead, shift, pitch, 60.0 * shift + rng.normal(0.0, 1.0))


def wide(actor: Actor) -> Posture:
    """Feet far apart."""
    rng = actor.rng
    feet = _pair(rng, 0.0, rng.uniform(0.2, 0.38))
    trunk = (actor.style.lean + rng.normal(3, 6), rng.normal(0, 8), rng.normal(0, 10))
    aside, height = rng.normal(0, 0.08), rng.uniform(0.8, 0.96)
    return Posture(height, feet, trunk, 0.0, aside, rng.normal(4.0, 5.0), rng.normal(0.0, 3.0))


def lunge(actor: Actor) -> Posture:
    """One foot well before the other."""
    rng = actor.rng
    far, deep = rng.uniform(0.18, 0.5), rng.uniform(0, 1)
    front = Stand(far, rng.uniform(0.06, 0.14), toes=rng.uniform(0.0, 15.0))
    out, toes, heel = rng.uniform(0.08, 0.16), rng.uniform(5.0, 30.0), rng.uniform(5.0, 45.0)
    back = Stand(-far, out, toes=toes, pitch=heel * (far > 0.3))
    trunk = (rng.normal(8, 10), rng.normal(0, 6), rng.normal(0, 12))
    feet = (front, back) if rng.uniform() < 0.5 else (back, front)
    height = 0.97 - 0.35 * far - 0.2 * deep * far
    return Posture(height, feet, trunk, rng.normal(0.05, 0.06), pitch=rng.normal(8.0, 6.0))


def balance(actor: Actor) -> Posture:
    """On one leg, the other knee raised, or its foot stretched out."""
    rng = actor.rng
    below = Stand(rng.normal(0.0, 0.03), rng.uniform(-0.02, 0.05), spread=rng.uniform(0.0, 10.0))
    if rng.uniform() < 0.5:
        place = rng.uniform(0.0, 0.45), rng.uniform(0.05, 0.25), rng.uniform(0.15, 0.55)
        free = Stand(*place, pitch=rng.uniform(-10.0, 35.0), spread=rng.uniform(0.0, 30.0))
    else:
        place = rng.uniform(-0.6, -0.3), rng.uniform(0.05, 0.3), rng.uniform(0.1, 0.45)
        free = Stand(*place, pitch=rng.uniform(35.0, 58.0))
    left = rng.uniform() < 0.5
    lean = rng.normal(0, 8) + (20 * rng.uniform() if free.ahead < 0 else 0)
    trunk = (lean, rng.normal(0, 8), rng.normal(0, 10))
    feet = (below, free) if left else (free, below)
    aside = 0.05 if left else -0.05
    return Posture(rng.uniform(0.9, 0.985), feet, trunk, 0.0, aside, rng.normal(4.0, 8.0))


def bow(actor: Actor) -> Posture:
    """Bent forward, hips behind the feet for balance."""
    rng = actor.rng
    deep = rng.uniform(0.25, 1)
    feet = _pair(rng, 0.0, rng.uniform(0.1, 0.22))
    trunk = (deep * rng.uniform(25, 60), rng.normal(0, 6), rng.normal(0, 10))
    height = rng.uniform(0.88, 0.97) - 0.1 * deep * rng.uniform()
    return Posture(height, feet, trunk, -0.17 * deep, pitch=deep * rng.uniform(20.0, 55.0))


def squat(actor: Actor) -> Posture:
    """Crouched, heels up where it is deep."""
    rng = actor.rng
    deep = rng.uniform(0, 1)
    heel = rng.uniform(15, 40) if deep > 0.55 else 0.0
    feet = _pair(rng, 0.0, rng.uniform(0.12, 0.24), pitch=heel, spread=rng.uniform(8.0, 35.0))
    trunk = (rng.uniform(5, 40), rng.normal(0, 6), rng.normal(0, 10))
    ahead = -0.18 + 0.06 * (heel > 0)
    return Posture(0.75 - 0.4 * deep, feet, trunk, ahead, pitch=rng.uniform(0.0, 30.0))


def kneel(actor: Actor) -> Posture:
    """On one knee or on both, upright or sitting on the heels."""
    rng = actor.rng
    leg, upright = actor.body.leg, actor.body.leg + actor.body.ankle_height
    tucked = rng.uniform() < 0.5  # toes under the foot, or the instep on the floor
    back, lift, pitch = (-0.42, 0.08, 80.0) if tucked else (-0.46, -0.01, 150.0)
    down = Stand(back, rng.uniform(0.08, 0.14), lift, pitch=pitch)
    trunk = (rng.uniform(-3, 30), rng.normal(0, 6), rng.normal(0, 10))
    height = (0.56 * leg) / upright
    if rng.uniform() < 0.55:
        ahead, out = rng.uniform(0.38, 0.55), rng.uniform(0.08, 0.2)
        front = Stand(ahead, out, spread=rng.uniform(0.0, 25.0))
        feet = (front, down) if rng.uniform() < 0.5 else (down, front)
        return Posture(height, feet, trunk, 0.02, pitch=rng.normal(2.0, 5.0))
    if rng.uniform() < 0.5:
        return Posture(height, (down, down), trunk, 0.02, pitch=rng.normal(0.0, 6.0))
    heels = Stand(-0.10, rng.uniform(0.08, 0.14), -0.01, pitch=150.0, spread=rng.uniform(0.0, 20.0))
    height = 0.30 * leg / upright
    return Posture(height, (heels, heels), trunk, -0.05, pitch=rng.normal(5.0, 6.0))


def chair(actor: Actor) -> Posture:
    """On a seat some 45 cm high."""
    rng = actor.rng
    kind, near = rng.uniform(), rng.uniform(0.34, 0.62)
    feet = _pair(rng, near, rng.uniform(0.08, 0.2), spread=rng.uniform(0.0, 20.0))
    if kind < 0.22:  # one leg over the other
        over = Stand(near + 0.14, -0.10, 0.27, 5.0, rng.uniform(10.0, 30.0), -12.0)
        feet[rng.integers(2)] = over
    elif kind < 0.34:  # an ankle on the other knee
        feet[rng.integers(2)] = Stand(0.38, -0.10, 0.48, 55.0, 10.0, 55.0)
    elif kind < 0.5:  # legs stretched, or drawn back under the seat
        ahead = float(rng.choice([0.70, 0.16]))
        feet = _pair(rng, ahead, rng.uniform(0.08, 0.16), pitch=0.0 if ahead > 0.5 else 35.0)
    slump = rng.uniform(-18, 14)
    trunk = (rng.uniform(0, 32) - 0.4 * slump, rng.normal(0, 7), rng.normal(0, 9))
    height = 540.0 / (actor.body.leg + actor.body.ankle_height)
    return Posture(height, feet, trunk, pitch=slump, roll=rng.normal(0.0, 2.0))


def floor(actor: Actor) -> Posture:
    """On the ground: cross-legged, legs long, knees up, leaning back, or on the heels."""
    rng = actor.rng
    height, low = 105.0 / (actor.body.leg + actor.body.ankle_height), -0.015
    kind = rng.uniform()
    trunk = (rng.uniform(5, 40), rng.normal(0, 7), rng.normal(0, 9))
    if kind < 0.3:
        feet = [
            Stand(ahead, out, low, 60.0, 20.0, 68.0)
            for ahead, out in ((0.34, -0.06), (0.24, -0.04))
        ]
        feet = feet if rng.uniform() < 0.5 else feet[::-1]
        return Posture(height, feet, trunk, pitch=rng.uniform(-15.0, 0.0))
    if kind < 0.65:
        long = Stand(rng.uniform(0.85, 0.98), rng.uniform(0.06, 0.25), low, 10.0, -65.0, 10.0)
        bent = Stand(rng.uniform(0.38, 0.6), rng.uniform(0.08, 0.18), spread=rng.uniform(0.0, 25.0))
        feet = [(long, long), (bent, long), (long, bent), (bent, bent)][rng.integers(4)]
        back = rng.uniform(0, 30)
        trunk = (rng.uniform(5, 35) - 0.6 * back, trunk[1], trunk[2])
        return Posture(height, feet, trunk, pitch=-8.0 - back)
    if kind < 0.8:
        side = rng.choice([-1, 1])  # both knees to one side, feet to the other
        feet = [
            Stand(0.22, 0.34 * side, low, 40.0, 25.0, -50.0 * side),
            Stand(0.38, 0.02 * side, low, 40.0, 25.0, 55.0 * side),
        ]
        trunk = (trunk[0], -10.0 * side, trunk[2])
        return Posture(height, feet, trunk, pitch=-8.0, roll=-6.0 * side)
    bent = Stand(rng.uniform(0.4, 0.6), rng.uniform(0.1, 0.2), spread=rng.uniform(0.0, 15.0))
    pitch, flexion = rng.uniform(-60.0, -35.0), rng.uniform(5.0, 20.0)
    return Posture(height, (bent, bent), (flexion, 0.0, 0.0), pitch=pitch)


POSTURES = {
    "stand": stand, "wide": wide, "lunge": lunge, "balance": balance, "bow": bow,
    "squat": squat, "kneel": kneel, "chair": chair, "floor": floor,
}  # fmt: skip

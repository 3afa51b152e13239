"""An actor in a take: body, personal style, random numbers and the number of frames."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from posekit.studio.motion.anatomy import Body
from posekit.studio.motion.signals import RATE


@dataclass(frozen=True)
class Style:
    """How an actor moves in all takes."""

    tempo: float  # of everything, 1 is the mean
    size: float  # of gestures
    lean: float  # degrees, trunk forward
    head: float  # degrees, head forward
    swing: float  # of the arms in walking
    width: float  # of the stance, shares of a leg
    toes: float  # degrees outward
    elbows: float  # degrees outward
    dominant: str  # hand
    restless: float  # how much posture drifts


def draw_style(rng: np.random.Generator) -> Style:
    """A random style."""
    return Style(
        tempo=rng.uniform(0.85, 1.2),
        size=rng.uniform(0.75, 1.2),
        lean=rng.uniform(-5, 8),
        head=rng.uniform(-10, 8),
        swing=rng.uniform(0.6, 1.4),
        width=rng.uniform(0.09, 0.16),
        toes=rng.uniform(2, 18),
        elbows=rng.uniform(-20, 14),
        dominant="left" if rng.uniform() < 0.25 else "right",
        restless=rng.uniform(0.7, 1.4),
    )


@dataclass
class Actor:
    """What a motion program needs to know of its actor."""

    rng: np.random.Generator
    body: Body
    style: Style
    frames: int

    def times(self, shortest: Real, longest: Real, first: Real = 0.0) -> np.ndarray:
        """Random moments (K,) in s from `first` to the end of the take, closer at a fast tempo."""
        shortest, longest = shortest / self.style.tempo, longest / self.style.tempo
        times = [first]
        while times[-1] < self.frames / RATE + longest:
            times.append(times[-1] + self.rng.uniform(shortest, longest))
        return np.array(times)

    def pick(self, weights: dict[str, Real]) -> str:
        """One of the names, drawn by weight."""
        p = np.array(list(weights.values()), dtype=float)
        return str(self.rng.choice(list(weights), p=p / p.sum()))


def opposite(side: str) -> str:
    """The other side of the body."""
    return "right" if side == "left" else "left"

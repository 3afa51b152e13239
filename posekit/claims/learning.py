"""Whether networks have learnt enough for a difference between them to mean anything.

The floor is what needs no input: the mean pose, a network that sees no picture, heatmaps with
nothing in them. A network has closed a share of the gap between the floor and a perfect result; a
comparison decides only where each of its networks has closed half of it. A training that ended far
behind the other seeds of its network has failed: it is named, and leaves the comparison open.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from posekit.claims.numbers import number
from posekit.claims.paper import Floor, load_metrics

ENOUGH = 0.5  # of the gap between the floor and a perfect result
FAILED = 0.5  # of the median gain of a network's seeds: a training that stays below has failed
FEW = 3  # trainings of a network from which one of them can be said to have failed

Values = Mapping[str, float]  # by seed, and start where several share a seed
Find = Callable[[str, str], Values]  # quantity and card -> what was measured


@dataclass(frozen=True)
class Learning:
    """The share of the gap that each network has closed, a seed at a time.

    `level` is the floor's value, NaN where it was not measured; `pace` says when a network would
    be half way, as far as the errors after its epochs tell.
    """

    floor: Floor
    level: float
    gains: Mapping[str, Values]
    pace: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the floor was measured, and a network beside it."""
        return bool(self.gains) and not math.isnan(self.level)

    @property
    def means(self) -> dict[str, float]:
        """Share of the gap closed by each network, mean over seeds."""
        return {name: fmean(gains.values()) for name, gains in self.gains.items()}

    @property
    def shares(self) -> str:
        """The gains as text: a 71 %, b 68 %."""
        if not self.is_known:
            return ""
        return ", ".join(f"{name} {percent(gain)} %" for name, gain in self.means.items())

    @property
    def failed(self) -> list[str]:
        """The trainings that ended far behind the others of their network, in words."""
        return [
            f"seed {seed} of {name} closed {100 * gain:.0f} % of the gap, the median of its seeds "
            f"{100 * middle:.0f} %"
            for name, gains in self.gains.items()
            if len(gains) >= FEW and (middle := median(gains.values())) > 0
            for seed, gain in gains.items()
            if gain < FAILED * middle
        ]

    @property
    def reason(self) -> str:
        """Why no comparison of these networks decides: in a word or two; '' where it does."""
        if not self.is_known:
            return "floor not measured"
        if any(gain < ENOUGH for gain in self.means.values()):
            return "undertrained"
        return "failed training" if self.failed else ""

    @property
    def words(self) -> str:
        """The gains, and what follows from them, in a sentence."""
        gap = f"{self.floor.floor} ({self.floor.metric} by {self.floor.by}"
        if not self.is_known:
            return f"floor not measured: {gap}); without it nobody knows whether these have learnt"
        unit = load_metrics()[self.floor.metric, False].unit
        gap += f": {number(self.level)} {unit}) and {self.floor.perfect:g}"
        text = f"share of the gap between {gap} that was closed: {self.shares}"
        if self.reason == "undertrained":
            text = f"undertrained, below {100 * ENOUGH:.0f} %: {text}"
            return "; ".join(filter(None, (text, self.pace)))
        return "; ".join([*(f"failed training: {words}" for words in self.failed), text])


def learning(floor: Floor, subjects: Collection[str], find: Find, piece: str = "") -> Learning:
    """How far `subjects` have come from the floor.

    `find` gives the values of a quantity under a card by seed; of a slice `piece`, such as
    epoch-10, where it was measured of the floor's metric, and of the headline otherwise.
    """
    levels = find(f"{floor.metric}/{floor.floor}", floor.by)
    level = fmean(levels.values()) if levels else float("nan")
    gains, paces = {}, []
    for subject in subjects:
        name = f"{floor.metric}/{subject}"
        values = (find(f"{name}/{piece}", floor.by) if piece else {}) or find(name, floor.by)
        if subject == floor.floor or not values:
            continue
        gains[subject] = {seed: _gain(value, level, floor) for seed, value in values.items()}
        if levels and fmean(gains[subject].values()) < ENOUGH:
            paces.append(_pace(subject, list(_curve(name, level, floor, find))))
    return Learning(floor, level, gains, "; ".join(filter(None, paces)))


def percent(gain: float) -> str:
    """A share in %, with as many decimals as it takes to stand on its side of ENOUGH: 49.6, not 50."""
    texts = [f"{100 * gain:.{decimals}f}" for decimals in range(4)]
    same = (text for text in texts if (float(text) < 100 * ENOUGH) == (gain < ENOUGH))
    return next(same, texts[-1])


def _gain(value: float, level: float, floor: Floor) -> float:
    return (level - value) / (level - floor.perfect)


def _curve(name: str, level: float, floor: Floor, find: Find) -> Iterator[float]:
    """The mean gain after each epoch, for as many as were measured."""
    epoch = 1
    while values := find(f"{name}/epoch-{epoch}", floor.by):
        yield fmean(_gain(value, level, floor) for value in values.values())
        epoch += 1


def _pace(subject: str, curve: list[float]) -> str:
    """When half of the gap was closed, or would be at the pace of the last third of the epochs.

    Learning slows down, so that this is the earliest; '' without a curve that rises.
    """
    if half := next((epoch for epoch, gain in enumerate(curve, 1) if gain >= ENOUGH), 0):
        back = f" and fell back to {percent(curve[-1])} % after epoch {len(curve)}"
        return f"{subject} was half way after epoch {half}" + back * (curve[-1] < ENOUGH)
    span = len(curve) // 3
    if not span or (slope := (curve[-1] - curve[-1 - span]) / span) <= 0:
        return ""
    more = (ENOUGH - curve[-1]) / slope
    return f"{subject} would be half way after {len(curve) + more:.0f} epochs at the earliest"

"""Means over seeds with 95 % intervals, tests of equivalence, correction for many comparisons.

n seeds, s test subjects. Few seeds get Student's t interval, many a bootstrap-t over seeds with
the test subjects as strata (Efron and Tibshirani 1993, ch. 12). Equivalence is shown by two
one-sided tests (Schuirmann 1987). Differences are paired: same seed, same test poses. Several
comparisons are corrected by Holm's step-down rule (Holm 1979).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit  # Student's t distribution and its quantiles

CONFIDENCE = 0.95  # of every printed interval: 2.5 % error on either side
ALPHA = 0.05  # of each one-sided test of equivalence, and of the decided comparisons of a page
FEWEST = 3  # seeds that may decide
MANY = 20  # seeds from which the bootstrap is used
DRAWS = 4000
ACROSS_PEOPLE = "across zero over people"  # why a difference is open that all seeds agree on
TINY = 1e-9  # relative; seeds nearer than this have no spread to speak of


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its 95 % interval (NaN for one seed), and how it was computed."""

    mean: float
    low: float
    high: float
    n: int
    spread: float  # sd over seeds
    rule: str

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    @property
    def p(self) -> float:
        """p of the two-sided t test that the mean is 0; NaN for fewer than two."""
        if self.n < 2:
            return np.nan
        if self.spread == 0.0:
            return 0.0 if self.mean else 1.0
        return float(2 * stdtr(self.n - 1, -abs(self.mean) / (self.spread / np.sqrt(self.n))))


def t_interval(values: Float[np.ndarray, " n"]) -> Estimate:
    """Mean and Student's t interval of independent seeds; no interval for fewer than two."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(mean, np.nan, np.nan, n, np.nan, "one seed: no interval")
    spread = _spread(values)
    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * spread / np.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, spread, f"t interval, {n} seeds")


def bootstrap_interval(values: Float[np.ndarray, "n s"]) -> Estimate:
    """Mean over subjects and seeds, with a bootstrap-t interval.

    Seeds are drawn with replacement, a seed's test subjects together, since one trained model
    makes all of them; the subjects are strata: equally weighted and never drawn. The same
    values give the same interval.
    """
    n, subjects = values.shape
    seeds = values.mean(1)
    mean, spread = float(seeds.mean()), _spread(seeds)
    rule = f"bootstrap-t over {n} seeds"
    rule += f", {subjects} test subjects as strata" if subjects > 1 else ""
    if spread == 0.0:
        return Estimate(mean, mean, mean, n, spread, rule)
    drawn = seeds[np.random.default_rng(0).integers(0, n, (DRAWS, n))]
    error = drawn.std(1, ddof=1) / np.sqrt(n)
    error = np.maximum(error, spread * TINY)  # a draw of one seed n times
    ratio = (drawn.mean(1) - mean) / error
    first, last = np.quantile(ratio, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    own = spread / np.sqrt(n)
    return Estimate(mean, float(mean - last * own), float(mean - first * own), n, spread, rule)


def interval(values: Sequence[float], subjects: Collection[Sequence[float]] = ()) -> Estimate:
    """Mean and interval by the rule for so many seeds: t below `MANY`, bootstrap from there on.

    `subjects` are the values of test subjects, one a seed, where they were measured apart.
    """
    if len(values) < MANY:
        return t_interval(np.array(values, float))
    return bootstrap_interval(np.array(list(subjects) if len(subjects) > 1 else [values]).T)


def equivalence(mean: Estimate, target: float, margin: float) -> float:
    """p of the two one-sided tests that the mean lies within `margin` of `target`.

    The larger of the two p; below `ALPHA` the two are equivalent. Needs two seeds or more.
    """
    distance = mean.mean - target
    if mean.spread == 0.0:
        return 0.0 if abs(distance) < margin else 1.0
    error = mean.spread / np.sqrt(mean.n)
    below = stdtr(mean.n - 1, -(distance + margin) / error)
    above = stdtr(mean.n - 1, (distance - margin) / error)
    return float(max(below, above))


def holm(p: Sequence[float]) -> list[float]:
    """Corrected p of several tests: below `ALPHA` for one false rejection in 20 families at most.

    Of m tests in order of p, the i-th (from 0) is multiplied by m - i, and none gets less than
    the one before it.
    """
    corrected, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = highest
    return corrected


def smallest_margin(mean: Estimate) -> float:
    """The smallest margin that so many seeds of this spread could prove, by a mean on target."""
    if mean.n < 2:
        return np.inf
    return float(stdtrit(mean.n - 1, 1 - ALPHA)) * mean.spread / np.sqrt(mean.n)


def _spread(values: Float[np.ndarray, " n"]) -> float:
    """sd over seeds; rounding noise of equal values counts as none."""
    spread = float(np.std(values, ddof=1))
    return spread if spread > TINY * max(1.0, float(np.max(np.abs(values)))) else 0.0

"""The rules that turn a few seeds into a verdict: intervals, equivalence, and the words.

n seeds, s test subjects. A difference is paired: same seed, same test poses, left minus right.
Few seeds get Student's t interval, many a bootstrap-t over seeds with the test subjects as
strata (Efron and Tibshirani 1993, ch. 12). Accuracy is judged by two one-sided tests
(Schuirmann 1987). One seed never decides, nor do two.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

CONFIDENCE = 0.95  # of every printed interval: 2.5 % error on either side
ALPHA = 0.05  # of each one-sided test of equivalence
FEWEST = 3  # seeds that may decide
MANY = 20  # seeds from which the bootstrap is used
DRAWS = 4000
TINY = 1e-9  # relative; seeds nearer than this have no spread to speak of


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its 95 % interval (NaN for one seed), and how it was found."""

    mean: float
    low: float
    high: float
    n: int
    spread: float  # sd over seeds
    rule: str


@dataclass(frozen=True)
class Judgement:
    """A verdict word, the estimate behind it and the sentence that explains it."""

    verdict: str
    estimate: Estimate
    reason: str


def t_interval(values: Float[np.ndarray, " n"]) -> Estimate:
    """Mean and Student's t interval of independent seeds; no interval for fewer than two."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(mean, np.nan, np.nan, n, np.nan, "one seed: no interval")
    spread = _spread(values)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * spread / np.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, spread, f"t interval, {n} seeds")


def bootstrap_interval(values: Float[np.ndarray, "n s"], draws: int = DRAWS) -> Estimate:
    """Mean over subjects and seeds, with a bootstrap-t interval.

    Seeds are drawn with replacement, a seed's test subjects together, for one trained model
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
    drawn = seeds[np.random.default_rng(0).integers(0, n, (draws, n))]
    error = drawn.std(1, ddof=1) / np.sqrt(n)
    error = np.maximum(error, spread * TINY)  # a draw of one seed n times
    ratio = (drawn.mean(1) - mean) / error
    first, last = np.quantile(ratio, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    own = spread / np.sqrt(n)
    return Estimate(mean, float(mean - last * own), float(mean - first * own), n, spread, rule)


def estimate(values: Float[np.ndarray, "n s"]) -> Estimate:
    """The rule for so many seeds: t below `MANY`, the bootstrap from there on."""
    return bootstrap_interval(values) if len(values) >= MANY else t_interval(values.mean(1))


def equivalence(values: Float[np.ndarray, " n"], target: float, margin: float) -> float:
    """p of the two one-sided tests that the mean lies within `margin` of `target`.

    The larger of the two p; below `ALPHA` the two are equivalent. Needs two seeds or more.
    """
    n, distance, spread = len(values), float(np.mean(values)) - target, _spread(values)
    if spread == 0.0:
        return 0.0 if abs(distance) < margin else 1.0
    error = spread / np.sqrt(n)
    below = stats.t.sf((distance + margin) / error, n - 1)
    above = stats.t.cdf((distance - margin) / error, n - 1)
    return float(max(below, above))


def smallest_margin(spread: float, n: int) -> float:
    """The least margin n seeds of this spread could prove, if their mean hit the target."""
    return float(stats.t.ppf(1 - ALPHA, n - 1)) * spread / np.sqrt(n) if n > 1 else np.inf


def judge_ordering(differences: Float[np.ndarray, "n s"], side: int, evidence: str) -> Judgement:
    """Whether left - right lies on the claimed `side` (-1 lower, +1 higher).

    The interval on that side: reproduced at E6, supported below; on the other side:
    contradicted; across zero, or fewer than 3 seeds: inconclusive.
    """
    found = estimate(differences)
    if found.n < FEWEST:
        return Judgement("inconclusive", found, f"{found.n} of {FEWEST} seeds: too few to decide")
    ends = sorted((side * found.low, side * found.high))
    if ends[0] > 0:
        word = "reproduced" if evidence == "E6" else "supported"
        return Judgement(word, found, f"{found.rule}: on the claimed side of zero")
    if ends[1] < 0:
        return Judgement("contradicted", found, f"{found.rule}: on the other side of zero")
    return Judgement("inconclusive", found, f"{found.rule}: across zero")


def judge_equivalence(
    values: Float[np.ndarray, " n"], target: float, margin: float, evidence: str
) -> Judgement:
    """Whether the mean equals `target` within `margin`, by two one-sided tests.

    Equivalent: reproduced at E6, supported below. The 95 % interval wholly outside the margin:
    contradicted. Anything else, or fewer than 3 seeds: inconclusive.
    """
    found = t_interval(values)
    if found.n < FEWEST:
        return Judgement("inconclusive", found, f"{found.n} of {FEWEST} seeds: too few to decide")
    p = equivalence(values, target, margin)
    least = smallest_margin(found.spread, found.n)
    test = f"{found.rule}; TOST within {margin:g}: p = {p:.2g}, these seeds could prove {least:.2g}"
    if p < ALPHA:
        return Judgement("reproduced" if evidence == "E6" else "supported", found, test)
    if found.high < target - margin or found.low > target + margin:
        return Judgement("contradicted", found, f"{test}; interval outside the margin")
    return Judgement("inconclusive", found, test)


def judge_accuracy(
    values: Float[np.ndarray, " n"], target: float, margin: float, evidence: str
) -> Judgement:
    """The same for a printed accuracy, which E6 evidence alone may decide."""
    judged = judge_equivalence(values, target, margin, evidence)
    if evidence == "E6":
        return judged
    return Judgement("inconclusive", judged.estimate, f"{judged.reason}; {evidence} can't decide")


def _spread(values: Float[np.ndarray, " n"]) -> float:
    """sd over seeds; rounding noise of equal values counts as none."""
    spread = float(np.std(values, ddof=1))
    return spread if spread > TINY * max(1.0, float(np.max(np.abs(values)))) else 0.0

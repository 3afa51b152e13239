"""The comparisons of trained or timed networks on a paper's page, corrected for how many there are.

A family is all distinct tests of a page that could decide something: those behind its claims and
those of its table of changes. What two rows compare by the same differences is one test. Networks
that have not learnt are not tested: they decide nothing, whatever their difference.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from posekit.claims.finding import Finding
from posekit.claims.statistics import ALPHA, holm

FAMILY = (
    "all comparisons of a paper that could decide: of timed networks, of networks that have closed half "
    "of the gap without a failed training, and with the floor itself"
)

Key = tuple[float, ...]


class Family:
    """Tests by the differences that they are of; their p is corrected once all are there."""

    def __init__(self) -> None:
        self._tests: dict[Key, float] = {}

    def add(self, differences: Sequence[float], p: float) -> None:
        """A test of paired differences; one that is there already stays as it is."""
        if not np.isnan(p):
            key = _key(differences)
            self._tests[key] = max(p, self._tests.get(key, 0.0))

    def __len__(self) -> int:
        return len(self._tests)

    def corrected(self, differences: Sequence[float]) -> float:
        """p of a test after Holm's correction; NaN for one that is not there."""
        return self._corrected.get(_key(differences), np.nan)

    @cached_property
    def _corrected(self) -> dict[Key, float]:
        return dict(zip(self._tests, holm(list(self._tests.values()))))


def _key(differences: Sequence[float]) -> Key:
    """Differences to nine digits, the same for both ways round."""
    rounded = tuple(float(f"{value:.9g}") for value in differences)
    return max(rounded, tuple(-value for value in rounded))


def is_tested(finding: Finding) -> bool:
    """Whether a finding is of timed networks, or of trained ones that have learnt enough."""
    return not np.isnan(finding.p) and not (finding.learning and finding.learning.reason)


def correct(findings: Iterable[Finding], family: Family) -> None:
    """Make inconclusive what was decided by a p that the correction raises too far."""
    for finding in filter(is_tested, findings):
        finding.corrected = family.corrected(finding.sample.units)
        text = "p of the distance to the threshold" if finding.sample.bare else "p"
        text += f" = {finding.p:.2g}, {finding.corrected:.2g} after Holm's correction for "
        text += f"{len(family)} comparison{'s' * (len(family) != 1)} of this paper"
        if finding.corrected >= ALPHA and finding.verdict in (
            "supported",
            "reproduced",
            "contradicted",
        ):
            finding.hold_back("after correction", f"{finding.verdict} before correction: {text}")
        else:
            finding.note(text)

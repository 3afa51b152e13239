"""Paired differences over seeds: each change a paper tries, measured and printed.

Read from papers/<slug>/contrasts.csv: `name, one, another, metric, slice, card, unit`, where `one`
is the configuration with the change and `another` the one without. In `%` the difference is
relative to the one without; in any other unit it is the plain difference. Contrasts are not claims
and get no verdict: they say whether a difference exceeds that between two random starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posekit.claims.paper import FOLDER, Paper, check_metric, load_metrics, read_table
from posekit.claims.statistics import FEWEST, Estimate, t_interval

_COLUMNS = ("name", "one", "another", "metric", "slice", "card", "unit")


@dataclass(frozen=True)
class Contrast:
    """A change by name, the configurations with and without it, and what they are compared by."""

    name: str
    one: str
    another: str
    metric: str
    slice: str
    card: str
    unit: str

    def __post_init__(self):
        check_metric(self.metric)

    @property
    def measure(self) -> tuple[str, str, str]:
        """Metric, slice and card that the two are compared by."""
        return self.metric, self.slice, self.card

    def change(self, one, another):
        """How much more `one` is than `another`, numbers or arrays, in the contrast's unit."""
        return 100 * (one / another - 1) if self.unit == "%" else one - another

    def printed(self, paper: Paper) -> float:
        """The change by the paper's own numbers; NaN where it lacks one."""
        parts = [(self.metric, name, self.slice) for name in (self.one, self.another)]
        cells = [paper.find("/".join(filter(None, part)), self.card) for part in parts]
        if not all(entry and entry.value for entry in cells):
            return np.nan
        return self.change(*(entry.value.value for entry in cells))

    def beyond_noise(self, difference: Estimate) -> str:
        """Whether a measured difference exceeds seed noise, and which way it goes."""
        if difference.n < FEWEST:
            return "too few seeds"
        if difference.low <= 0 <= difference.high:
            return "no"
        sign = load_metrics()[self.metric, False].sign
        return "yes, better" if sign * difference.mean < 0 else "yes, worse"


def load_contrasts(slug: str, folder: Path = FOLDER) -> list[Contrast]:
    """The contrasts of a paper; none if it has no such table.

    Raises ValueError naming the file where its columns are others, or a metric is unknown.
    """
    path = folder / slug / "contrasts.csv"
    rows = read_table(path, _COLUMNS, lambda row: (Contrast(**row), None), optional=True)
    return list(rows)


def differences(contrasts: Sequence[Contrast], values: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """Each contrast of one measure that was measured, by name, with its 95 % t interval.

    `values` has network, seed, metric, slice, card and value, of one data set (`study.table` or
    `values_by_data`). Pairs share their seed. Columns: mean, low, high, n, printed, beyond seed
    noise.
    """
    wanted, rows = {contrast.measure for contrast in contrasts}, {}
    tables = {
        measure: own.pivot_table("value", "seed", "network")
        for measure, own in values.groupby(["metric", "slice", "card"])
        if measure in wanted
    }
    for contrast in contrasts:
        sides = tables.get(contrast.measure, pd.DataFrame())
        if not {contrast.one, contrast.another} <= set(sides):
            continue
        pairs = sides[[contrast.one, contrast.another]].dropna().to_numpy().T
        change = t_interval(contrast.change(*pairs))
        rows[contrast.name] = {
            "mean": change.mean,
            "low": change.low,
            "high": change.high,
            "n": change.n,
            "printed": contrast.printed(paper),
            "beyond seed noise": contrast.beyond_noise(change),
        }
    return pd.DataFrame.from_dict(rows, "index")

"""What each change that a paper tries is worth: paired differences over seeds, beside the printed one.

Read from papers/<slug>/contrasts.csv: `name, one, another, metric, slice, card, unit`, where `one`
is the configuration with the change and `another` the one without. In `%` the difference is
relative to the one without; in any other unit it is the plain difference. Contrasts are not claims
and get no verdict: they say whether a difference exceeds what another random start does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posekit.claims.measurements import Record
from posekit.claims.paper import FOLDER, Paper, load_metrics, read_rows
from posekit.claims.statistics import FEWEST, t_interval

_COLUMNS = ("name", "one", "another", "metric", "slice", "card", "unit")


@dataclass(frozen=True)
class Contrast:
    """A change by name, the configurations with it and without it, and by what they are compared."""

    name: str
    one: str
    another: str
    metric: str
    slice: str
    card: str
    unit: str

    @property
    def measure(self) -> tuple[str, str, str]:
        """What the two are compared by: metric, slice and card."""
        return self.metric, self.slice, self.card

    def change(self, one, another):
        """How much more `one` is than `another`, numbers or arrays, in the contrast's unit."""
        return 100 * (one / another - 1) if self.unit == "%" else one - another

    def printed(self, paper: Paper) -> float:
        """The change by the paper's own numbers; NaN where it lacks one."""
        parts = [(self.metric, name, self.slice) for name in (self.one, self.another)]
        found = [paper.find("/".join(filter(None, part)), self.card) for part in parts]
        if not all(entry and entry.value for entry in found):
            return np.nan
        return self.change(*(entry.value.value for entry in found))

    def told(self, low: float, high: float, n: int) -> str:
        """Whether a difference with this interval exceeds seed noise, and which way it goes."""
        if n < FEWEST:
            return "too few seeds"
        if low <= 0 <= high:
            return "no"
        wanted = load_metrics()[self.metric, False].better
        return "yes, better" if (high < 0) == (wanted == "lower") else "yes, worse"


def load_contrasts(slug: str, folder: Path = FOLDER) -> list[Contrast]:
    """The contrasts of a paper; none if it has no such table.

    Raises ValueError naming the file where its columns are others, or a metric is unknown.
    """
    path = folder / slug / "contrasts.csv"
    if not path.is_file():
        return []
    tried = [Contrast(**row) for _, row in read_rows(path, _COLUMNS)]
    known = {metric for metric, sliced in load_metrics() if not sliced}
    if strange := {contrast.metric for contrast in tried} - known:
        raise ValueError(f"{path}: {', '.join(sorted(strange))} is not in papers/metrics.csv")
    return tried


def differences(contrasts: Sequence[Contrast], values: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """Each contrast of one measure that was measured, by name, with its 95 % t interval.

    `values` has network, seed, metric, slice, card and value, of one data set (`study.table` or
    `measured`). Pairs share their seed.
    """
    rows = {}
    for contrast in contrasts:
        own = values[(values[["metric", "slice", "card"]] == list(contrast.measure)).all(axis=1)]
        sides = own.pivot_table(index="seed", columns="network", values="value")
        if not {contrast.one, contrast.another} <= set(sides):
            continue
        pairs = sides[[contrast.one, contrast.another]].dropna().to_numpy().T
        found = t_interval(contrast.change(*pairs))
        row = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
        told = contrast.told(found.low, found.high, found.n)
        rows[contrast.name] = row | {"printed": contrast.printed(paper), "beyond seed noise": told}
    return pd.DataFrame.from_dict(rows, "index")


def measured(records: Iterable[Record]) -> dict[tuple[str, str], pd.DataFrame]:
    """What records measured under cards, for `differences`, by data set and size."""
    rows = []
    for record in records:
        for (name, card, data), value in record.values.items():
            metric, network, *part = name.split("/")
            row = (data, record.size, record.seed, metric, network, "/".join(part), card, value)
            rows += [row] if card else []
    columns = ["data", "size", "seed", "metric", "network", "slice", "card", "value"]
    return dict(iter(pd.DataFrame(rows, columns=columns).groupby(["data", "size"])))

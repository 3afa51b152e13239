"""What each change that a paper tries is worth: paired differences over seeds, beside the printed one.

Read from papers/<slug>/contrasts.csv: `name, one, another, metric, card, unit`, where `one` is the
configuration with the change and `another` the one without. In `%` the difference is relative to
the one without; in any other unit it is the plain difference. Contrasts are not claims and get no
verdict: they say whether a difference exceeds what another random start does.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posekit.claims import FOLDER, Paper
from posekit.evidence import Record
from posekit.statistics import t_interval

_COLUMNS = ("name", "one", "another", "metric", "card", "unit")


@dataclass(frozen=True)
class Contrast:
    """A change by name, the configurations with it and without it, and by what they are compared."""

    name: str
    one: str
    another: str
    metric: str
    card: str
    unit: str

    def change(self, one, another):
        """How much more `one` is than `another`, numbers or arrays, in the contrast's unit."""
        return 100 * (one / another - 1) if self.unit == "%" else one - another

    def printed(self, paper: Paper) -> float:
        """The change by the paper's own numbers; NaN where it lacks one."""
        found = [
            paper.find(f"{self.metric}/{name}", self.card) for name in (self.one, self.another)
        ]
        if not all(entry and entry.value for entry in found):
            return np.nan
        return self.change(*(entry.value.value for entry in found))


def load_contrasts(slug: str, folder: Path = FOLDER) -> list[Contrast]:
    """The contrasts of a paper; none if it has no such table.

    Raises ValueError naming the file where its columns are others.
    """
    path = folder / slug / "contrasts.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ValueError(f"{path}: its columns must be {', '.join(_COLUMNS)}")
        return [Contrast(**row) for row in reader]


def differences(contrasts: Sequence[Contrast], values: pd.DataFrame, paper: Paper) -> pd.DataFrame:
    """Each contrast that was measured, by name: mean, low and high (95 % t interval), n, printed.

    `values` has network, seed, metric, slice, card and value, of one data set (`study.table` or
    `measured`). Pairs share their seed.
    """
    headline = values[values["slice"] == ""]
    rows = {}
    for contrast in contrasts:
        own = headline[
            (headline["card"] == contrast.card) & (headline["metric"] == contrast.metric)
        ]
        sides = own.pivot_table(index="seed", columns="network", values="value")
        if not {contrast.one, contrast.another} <= set(sides):
            continue
        pairs = sides[[contrast.one, contrast.another]].dropna().to_numpy().T
        found = t_interval(contrast.change(*pairs))
        row = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
        rows[contrast.name] = row | {"printed": contrast.printed(paper)}
    return pd.DataFrame.from_dict(rows, "index", columns=["mean", "low", "high", "n", "printed"])


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

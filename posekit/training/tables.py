"""Tables for notebooks: measured quantities, and numbers and text laid out for reading."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd
from tabulate import tabulate

from posekit.claims.measurements import SUBJECT
from posekit.claims.numbers import number
from posekit.claims.statistics import t_interval
from posekit.metrics.protocol import Row
from posekit.training.runs import Run

Number = int | float
Runs = dict[tuple[str, int], Run]  # by configuration and seed


class Table:
    """A data frame as a notebook shows it.

    The index is shown unless it only counts rows. Numbers have thousands separators and stand on
    the right, text on the left, and cells without a value are empty. `digits` are the decimals of
    all floats; without it, as many as they need.
    """

    def __init__(self, frame: pd.DataFrame, caption: str = "", digits: int | None = None):
        self.frame, self.caption, self.digits = frame, caption, digits

    def _tabulated(self, layout: str) -> str:
        frame, named = self.frame, not isinstance(self.frame.index, pd.RangeIndex)
        if named:
            frame = frame.rename_axis(frame.index.name or "").reset_index()
        columns = [frame[name].tolist() for name in frame]
        cells = [[_text(value, self.digits) for value in column] for column in columns]
        sides = ["right" if _is_numeric(column) else "left" for column in columns]
        names = [name if isinstance(name, str) else ", ".join(name) for name in frame]
        rows = list(zip(*cells, strict=True))
        return tabulate(rows, names, layout, disable_numparse=True, colalign=sides if rows else ())

    def __repr__(self) -> str:
        return "\n".join(filter(None, (self.caption, self._tabulated("simple"))))

    def _repr_html_(self) -> str:
        table = self._tabulated("html")
        for cell in ("th", "td"):  # JupyterLab puts what says nothing on the right
            table = table.replace(f"<{cell}>", f'<{cell} style="text-align: left;">')
        # A short word such as kim-001 is not broken at its hyphen.
        table = re.sub(r'(left;)(">[^\s<]{1,16}\s*</td>)', r"\1 white-space: nowrap;\2", table)
        return (f"<p>{self.caption}</p>\n" if self.caption else "") + table


def _text(value, digits: int | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | list):
        return str(value)
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, int) or digits is None:
        return number(float(value))
    return f"{value:,.{digits}f}"


def _is_numeric(column: list) -> bool:
    """Are all cells that hold something numbers?"""
    held = [value for value in column if _text(value, None)]
    return bool(held) and not any(isinstance(value, bool | str | list) for value in held)


def measured(runs: Runs) -> pd.DataFrame:
    """All quantities of some runs: network, seed, metric, slice, card, data, value."""
    return pd.DataFrame(
        [
            _split(row["quantity"], row["card"], row["data"], row["value"]) | {"seed": seed}
            for (_, seed), run in runs.items()
            for row in run.record["quantities"]
        ],
        columns=["network", "seed", "metric", "slice", "card", "data", "value"],
    )


def from_rows(rows: Iterable[Row], seed: int = 0) -> pd.DataFrame:
    """Rows that are not of a run, such as those of a baseline, as `measured` has them."""
    return pd.DataFrame([_split(*row) | {"seed": seed} for row in rows])


def _split(quantity: str, card: str, data: str, value: Number) -> Mapping:
    metric, network, *part = quantity.split("/")
    about = {"network": network, "metric": metric, "slice": "/".join(part)}
    return about | {"card": card, "data": data, "value": value}


def intervals(values: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % t interval over the seeds of each network: columns mean, low, high.

    `values` are rows of `measured` of one metric, slice, protocol and data set; ValueError for
    several, whose spread would pass for that of the seeds.
    """
    about = ["metric", "slice", "card", "data"]
    if len(different := values[about].drop_duplicates()) > 1:
        one, other = (", ".join(filter(None, row)) for row in different.to_numpy()[:2])
        raise ValueError(f"an interval over seeds of two things: {one}; {other}; choose one")
    groups = values.groupby("network", sort=False)["value"]
    found = {name: t_interval(group.to_numpy()) for name, group in groups}
    rows = {name: (each.mean, each.low, each.high) for name, each in found.items()}
    return pd.DataFrame.from_dict(rows, "index", columns=["mean", "low", "high"])


def paired(values: pd.DataFrame, one: str, another: str) -> pd.DataFrame:
    """How far one network is from another on every metric, data set and protocol.

    Columns: the means of both, the mean of their differences paired by seed, and the ends of its
    95 % t interval (NaN for one seed). `values` are rows of `measured`.
    """
    chosen = values[values["network"].isin([one, another]) & (values["slice"] == "")]
    what = chosen["data"] + ", " + (chosen["metric"] + " " + chosen["card"]).str.strip()
    sides = chosen.assign(what=what).pivot_table(
        index="what", columns=["network", "seed"], values="value", sort=False
    )
    found = [t_interval(row) for row in (sides[one] - sides[another]).to_numpy()]
    columns = {name: sides[name].mean(axis=1) for name in (one, another)}
    columns["difference"] = [each.mean for each in found]
    columns |= {end: [getattr(each, end) for each in found] for end in ("low", "high")}
    return pd.DataFrame(columns, sides.index.rename("on"))


def over_people(values: pd.DataFrame, one: str) -> pd.DataFrame:
    """How far one network is from each other on the people of a test set, means over the seeds.

    Columns: the mean of the differences and the ends of its 95 % t interval over the people, the
    share of people for whom `one` has the smaller value (%), and the number of people. `values` are
    rows of `measured` of one metric, protocol and data set; slices such as S12 are people.
    """
    people = values[[bool(SUBJECT.fullmatch(name)) for name in values["slice"]]]
    means = people.pivot_table(index="slice", columns="network", values="value", sort=False)
    rows = {}
    for another in means.columns.drop(one):
        difference = means[one] - means[another]
        found = t_interval(difference.to_numpy())
        better = 100 * (difference < 0).mean()
        rows[another] = (found.mean, found.low, found.high, better, found.n)
    columns = ["difference", "low", "high", f"{one} is better for, %", "people"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis(f"{one} against")

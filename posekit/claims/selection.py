"""Which of several networks to take: the cheapest of those that no other is shown to beat.

Read from papers/<slug>/choices.csv: `question, metric, card, costs, floor, networks`. `networks` and
`costs` are separated by spaces; the first cost decides. `floor` is what a network must be better
than to be worth taking, such as one that sees no picture. A choice is no claim and gets no verdict.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posekit.claims.measurements import Record
from posekit.claims.numbers import number
from posekit.claims.paper import FOLDER, load_metrics, read_rows
from posekit.claims.statistics import FEWEST, Estimate, t_interval

Number = int | float

_COLUMNS = ("question", "metric", "card", "costs", "floor", "networks")


@dataclass(frozen=True)
class Question:
    """What is asked, of whom, and by what it is decided."""

    question: str
    metric: str
    card: str
    costs: tuple[str, ...]
    floor: str
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """The answer: each network's number, how much worse than the best's it is, and what it costs."""

    question: Question
    means: dict[str, Estimate]  # best first, the floor last
    behind: dict[str, Estimate]  # of the others and of the floor; above 0: the best is better
    costs: Mapping[str, Mapping[str, Number]]  # by cost and network, of those that were counted
    take: str  # "" where nothing is shown to be better than the floor
    ahead: Estimate  # of the floor: how much better what is taken is, or else the best

    @property
    def best(self) -> str:
        return next(iter(self.means))

    @property
    def level(self) -> list[str]:
        """Those that the best is not shown to beat, itself among them."""
        own = [name for name in self.means if name != self.question.floor]
        return [name for name in own if name == self.best or not self.behind[name].low > 0]

    @property
    def unit(self) -> str:
        """Of differences: those of shares are points."""
        unit = load_metrics()[self.question.metric, False].unit
        return "points" if unit == "%" else unit

    @property
    def words(self) -> str:
        """The answer in words."""
        unit, floor = self.unit, self.question.floor
        n = self.ahead.n
        if n < FEWEST:
            return f"{n} of {FEWEST} seeds: too few to choose by."
        others = [f"`{name}`" for name in self.level if name != self.best]
        text = f"over {n} seeds, `{self.best}` comes out best; "
        text += f"not shown to be worse: {', '.join(others)}" if others else "all others are worse"
        ahead = f"{_interval(self.ahead)} {unit} better than `{floor}`"
        if not self.take:
            return f"{text}. `{self.best}` is {ahead}: no reason to take any."
        cost = self.question.costs[0].replace("_", " ")
        text += f". Of these the one with the fewest {cost}: " if others else ": "
        return f"{text}**take `{self.take}`**. It is {ahead}."

    @property
    def table(self) -> pd.DataFrame:
        """A network a row, best first, then the floor: numbers as text."""
        unit = load_metrics()[self.question.metric, False].unit
        rows = {}
        for name, found in self.means.items():
            row = {f"{self.question.metric}, {unit}": number(found.mean, 10.0)}
            row["behind the best"] = _interval(self.behind[name]) if name in self.behind else ""
            counted = {cost: float(each.get(name, np.nan)) for cost, each in self.costs.items()}
            row |= {cost.replace("_", " "): number(value) for cost, value in counted.items()}
            rows[name] = row
        return pd.DataFrame.from_dict(rows, "index")


def load_questions(slug: str, folder: Path = FOLDER) -> list[Question]:
    """The questions of a paper; none if it has no such table.

    ValueError names the file where its columns are others, or a metric is unknown.
    """
    path = folder / slug / "choices.csv"
    if not path.is_file():
        return []
    rows = [row for _, row in read_rows(path, _COLUMNS)]
    if any(not row["costs"] or not row["networks"] for row in rows):
        raise ValueError(f"{path}: a question needs networks, and costs to choose by")
    if strange := {row["metric"] for row in rows} - {metric for metric, _ in load_metrics()}:
        raise ValueError(f"{path}: {', '.join(sorted(strange))} is not in papers/metrics.csv")
    several = "costs", "networks"
    return [Question(**row | {name: tuple(row[name].split()) for name in several}) for row in rows]


def choose(
    question: Question, values: pd.DataFrame, costs: Mapping[str, Mapping[str, Number]]
) -> Choice | None:
    """The answer, where the floor and two networks were measured at the same seeds, and the first
    of the costs was counted of each.

    `values` is that of `contrasts.differences`; `costs` are by name and network, as `counted`.
    """
    own = values[(values["metric"] == question.metric) & (values["card"] == question.card)]
    own = own[(own["slice"] == "") & own["network"].isin([*question.networks, question.floor])]
    if question.floor not in set(own["network"]):
        return None
    sides = own.pivot_table(index="seed", columns="network", values="value").dropna()
    floor = sides.pop(question.floor)
    first = costs.get(question.costs[0], {})
    if sides.empty or len(sides.columns) < 2 or set(sides) - set(first):
        return None
    sign = 1 if load_metrics()[question.metric, False].better == "lower" else -1
    order = (sign * sides.mean()).sort_values(kind="stable").index
    means = {name: t_interval(sides[name].to_numpy()) for name in order}
    means[question.floor] = t_interval(floor.to_numpy())
    far = sides[order[1:]].assign(**{question.floor: floor}).sub(sides[order[0]], axis=0)
    behind = {name: t_interval(sign * far[name].to_numpy()) for name in far}
    above = {name: t_interval(sign * (floor - sides[name]).to_numpy()) for name in order}
    level = [name for name in order if name == order[0] or not behind[name].low > 0]
    worth = [name for name in level if above[name].low > 0 and above[name].n >= FEWEST]
    take = min(worth, key=first.__getitem__, default="")
    held = {cost: costs.get(cost, {}) for cost in question.costs}
    return Choice(question, means, behind, held, take, above[take or order[0]])


def counted(records: Iterable[Record], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """What records say of the costs `names` of networks, means over seeds."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for record in records:
        for (quantity, card, data), value in record.values.items():
            cost, _, network = quantity.partition("/")
            if cost in found and not card and not data:
                found[cost].setdefault(network, []).append(value)
    return {
        cost: {network: float(np.mean(values)) for network, values in each.items()}
        for cost, each in found.items()
    }


def _interval(found: Estimate) -> str:
    """A mean with its interval, where it has one."""
    if np.isnan(found.low):
        return number(found.mean, 10.0)
    ends = (found.mean, found.low, found.high)
    mean, low, high = (number(value, 10.0).replace("-0.00", "0.00") for value in ends)
    return f"{mean} [{low}, {high}]"

"""The network to take of several: the cheapest of those shown to be as good as the best.

Read from papers/<slug>/choices.csv: `question, metric, card, costs, floor, networks`. `networks`
and `costs` are separated by spaces; the first cost decides. `floor` is a network that others must
beat to be worth taking, such as one that sees no picture. A choice is no claim and gets no verdict.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posekit.claims.learning import ENOUGH, percent
from posekit.claims.measurements import Record, value_table
from posekit.claims.numbers import number
from posekit.claims.paper import FOLDER, check_metric, load_metrics, read_table
from posekit.claims.statistics import FEWEST, Estimate, t_interval

Costs = Mapping[str, Mapping[str, int | float]]  # by cost and network, of those that were counted

_COLUMNS = ("question", "metric", "card", "costs", "floor", "networks")


@dataclass(frozen=True)
class Question:
    """What to choose, from which networks, and by which metric and costs."""

    question: str
    metric: str
    card: str
    costs: tuple[str, ...]
    floor: str
    networks: tuple[str, ...]

    def __post_init__(self):
        check_metric(self.metric)
        if not self.networks or not self.costs:
            raise ValueError("a question needs networks, and costs to choose by")


@dataclass(frozen=True)
class Choice:
    """The answer: each network's error, how far it is behind the best, and what it costs."""

    question: Question
    means: dict[str, Estimate]  # best first, the floor last
    behind: dict[str, Estimate]  # of the others and of the floor; above 0: the best is better
    level: list[str]  # those shown to be as good within the metric's margin, the best first
    unsure: list[str]  # those neither shown to be as good nor to be worse
    costs: Costs
    take: str  # "" where nothing can be said
    ahead: Estimate  # of the floor: how much better the one to take is, or else the best
    gain: float  # share of the gap between the floor and a perfect result that the best has closed

    @property
    def words(self) -> str:
        """The answer in words."""
        n, (best, *others), floor = self.ahead.n, self.level, self.question.floor
        if n < FEWEST:
            return f"{n} of {FEWEST} seeds: too few to choose by."
        metric = load_metrics()[self.question.metric, False]
        unit = metric.unit.replace("%", "points")
        ahead = (
            f"`{best}` comes out best over {n} seeds, {_interval(self.ahead)} {unit} better than"
        )
        if self.ahead.low <= 0:
            return f"{ahead} `{floor}`: no reason to take any."
        if self.gain < ENOUGH:
            share = f"{percent(self.gain)} % of the gap between it and a perfect result"
            return f"{ahead} `{floor}`, which is {share}: undertrained, and no choice is made."
        within = f"within {metric.margin:g} {unit}"
        if not self.take:
            return f"{ahead} `{floor}`; none is shown to be as good {within}: {_named(self.unsure)} may be."
        text = (
            f"as good as the best, `{best}`, {within}: {_named(others)}"
            if others
            else (f"`{best}` comes out best, and all others are worse")
        )
        text += f"; not known of {_named(self.unsure)}" if self.unsure else ""
        cost = self.question.costs[0].replace("_", " ")
        return f"over {n} seeds {text}. With the fewest {cost} of these: **take `{self.take}`**."

    @property
    def table(self) -> pd.DataFrame:
        """A network a row, best first, then the floor: numbers as text."""
        unit = load_metrics()[self.question.metric, False].unit
        behind = {n: _interval(self.behind[n]) if n in self.behind else "" for n in self.means}
        means = {name: number(mean.mean, 10.0) for name, mean in self.means.items()}
        columns = {f"{self.question.metric}, {unit}": means, "behind the best": behind}
        for cost in self.question.costs:
            counted = self.costs.get(cost, {})
            texts = {name: number(float(counted.get(name, np.nan))) for name in self.means}
            columns[cost.replace("_", " ")] = texts
        return pd.DataFrame(columns)


def load_questions(slug: str, folder: Path = FOLDER) -> list[Question]:
    """The questions of a paper; none if it has no such table.

    ValueError names the file where its columns are others, or a metric is unknown.
    """
    path = folder / slug / "choices.csv"
    return list(read_table(path, _COLUMNS, _question, optional=True).values())


def _question(row: dict[str, str]) -> tuple[str, Question]:
    several = {name: tuple(row[name].split()) for name in ("costs", "networks")}
    return row["question"], Question(**row | several)


def choose(question: Question, values: pd.DataFrame, costs: Costs) -> Choice | None:
    """The answer; None unless the floor and two networks were measured at the same seeds, and the
    first of the costs was counted of each.

    `values` is that of `contrasts.differences`; `costs` are by name and network, as `counted`.
    """
    own = values[(values["metric"] == question.metric) & (values["card"] == question.card)]
    own = own[(own["slice"] == "") & own["network"].isin([*question.networks, question.floor])]
    sides = own.pivot_table(index="seed", columns="network", values="value").dropna()
    first = costs.get(question.costs[0], {})
    networks = set(sides) - {question.floor}
    if question.floor not in sides or sides.empty or len(networks) < 2 or networks - set(first):
        return None
    errors = load_metrics()[question.metric, False].sign * sides
    floor = errors.pop(question.floor)
    order = errors.mean().sort_values(kind="stable").index
    best = errors[order[0]]
    means = {name: t_interval(sides[name].to_numpy()) for name in (*order, question.floor)}
    others = {name: errors[name] for name in order[1:]} | {question.floor: floor}
    behind = {name: t_interval((error - best).to_numpy()) for name, error in others.items()}
    above = {name: t_interval((floor - errors[name]).to_numpy()) for name in order}
    metric = load_metrics()[question.metric, False]
    level = [name for name in order if name == order[0] or behind[name].high <= metric.margin]
    unsure = [name for name in order if name not in level and not behind[name].low > 0]
    perfect = 0.0 if metric.better == "lower" else 100.0 if metric.unit == "%" else 1.0
    gain = above[order[0]].mean / abs(float(floor.mean()) - metric.sign * perfect)
    worth = [name for name in level if above[name].low > 0 and above[name].n >= FEWEST]
    open_ = gain < ENOUGH or (len(level) == 1 and unsure)
    take = "" if open_ else min(worth, key=first.__getitem__, default="")
    ahead = above[take or order[0]]
    return Choice(question, means, behind, level, unsure, costs, take, ahead, gain)


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def counted(records: Iterable[Record], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """The costs `names` of networks as records have them, means over seeds."""
    table = value_table(records)
    table = table[(table["card"] == "") & (table["data"] == "") & (table["slice"] == "")]
    means = table.groupby(["metric", "network"])["value"].mean()
    return {name: means[name].to_dict() if name in means else {} for name in names}


def _interval(mean: Estimate) -> str:
    """A mean with its interval, where it has one."""
    ends = [mean.mean] if np.isnan(mean.low) else [mean.mean, mean.low, mean.high]
    text, *interval = (number(value, 10.0).replace("-0.00", "0.00") for value in ends)
    return f"{text} [{', '.join(interval)}]" if interval else text

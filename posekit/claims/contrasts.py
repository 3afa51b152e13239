"""Paired differences over seeds: each change a paper tries, measured and printed.

Read from papers/<slug>/contrasts.csv: `name, one, another, metric, slice, card, unit`, where `one`
is the configuration with the change and `another` the one without. In `%` the difference is
relative to the one without; in any other unit it is the plain difference. Contrasts are not claims
and get no verdict: they say whether a difference exceeds that between two random starts, corrected
for the number of comparisons of the page, of networks that have learnt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posekit.claims.family import Family
from posekit.claims.learning import Learning, learning
from posekit.claims.measurements import SUBJECT, Record, over_people, values_by_data
from posekit.claims.paper import FOLDER, Paper, check_metric, load_metrics, read_table, split
from posekit.claims.statistics import ACROSS_PEOPLE, ALPHA, FEWEST, Estimate, t_interval

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

    def home(self, paper: Paper) -> str:
        """The data set that the paper's numbers under the card are of; '' where it has none."""
        cells = (entry for (_, card), entry in paper.printed.items() if card == self.card)
        return next((entry.data for entry in cells if entry.data), "")

    @property
    def measure(self) -> tuple[str, str, str]:
        """Metric, slice and card that the two are compared by."""
        return self.metric, self.slice, self.card

    def change(self, one, another):
        """How much more `one` is than `another`, numbers or arrays, in the contrast's unit."""
        return 100 * (one / another - 1) if self.unit == "%" else one - another

    def printed(self, paper: Paper) -> float:
        """The change by the numbers that the paper prints; NaN where it lacks one."""
        stood_for = {alias.measured: subject for subject, alias in paper.aliases.items()}
        names = (stood_for.get(name, name) for name in (self.one, self.another))
        parts = [(self.metric, name, self.slice) for name in names]
        cells = [paper.find("/".join(filter(None, part)), self.card) for part in parts]
        if not all(e and e.value and e.source != "recovered" for e in cells):
            return np.nan
        return self.change(*(entry.value.value for entry in cells))

    def beyond_noise(self, difference: Estimate, corrected: float) -> str:
        """Whether a measured difference exceeds seed noise, and which way it goes."""
        if difference.n < FEWEST:
            return "too few seeds"
        if not corrected < ALPHA or difference.low <= 0 <= difference.high:
            return "no"
        sign = load_metrics()[self.metric, False].sign
        return "yes, better" if sign * difference.mean < 0 else "yes, worse"


@dataclass(frozen=True)
class Change:
    """A contrast as it was measured: the change in its unit, and the test that both are alike.

    `differences` are plain, in the metric's unit: one a seed, or one a start that seeds share.
    `people` is the change over test persons, where three or more were measured apart.
    """

    contrast: Contrast
    change: Estimate
    differences: tuple[float, ...]
    learning: Learning | None
    people: Estimate | None = None

    @property
    def p(self) -> float:
        """p of no difference over seeds, or over test persons where that is larger.

        NaN where the networks have not learnt enough to be compared.
        """
        if self.learning and self.learning.reason:
            return np.nan
        own = t_interval(np.array(self.differences)).p
        return max(own, self.people.p) if self.people else own

    def answer(self, corrected: float) -> str:
        """Whether it exceeds noise, and which way it goes; or what leaves it open."""
        if self.learning and self.learning.reason:
            return self.learning.reason
        over, sure = self.people, self.change.low > 0 or self.change.high < 0
        if sure and over and over.low <= 0 <= over.high:
            return ACROSS_PEOPLE
        return self.contrast.beyond_noise(self.change, corrected)


def load_contrasts(slug: str, folder: Path = FOLDER) -> list[Contrast]:
    """The contrasts of a paper; none if it has no such table.

    Raises ValueError naming the file where its columns are others, or a metric is unknown.
    """
    path = folder / slug / "contrasts.csv"
    rows = read_table(path, _COLUMNS, lambda row: (Contrast(**row), None), optional=True)
    return list(rows)


def without_floors(contrasts: Iterable[Contrast], paper: Paper) -> list[Contrast]:
    """The changes that the paper tries: a comparison with a floor is none."""
    floors = paper.floor_networks
    return [each for each in contrasts if floors.isdisjoint((each.one, each.another))]


def changes(contrasts: Iterable[Contrast], values: pd.DataFrame, paper: Paper) -> list[Change]:
    """Each contrast whose two configurations were measured; `values` as `differences` takes them."""
    contrasts = list(contrasts)
    if "start" not in values:
        values = values.assign(start="")
    pieces = {"", *(contrast.slice for contrast in contrasts)}  # few of a thousand slices
    other = values["slice"].str.fullmatch(rf"epoch-\d+|{SUBJECT.pattern}")
    values = values[values["slice"].isin(pieces) | other]
    columns = ["metric", "network", "slice", "card"]
    known = {
        key: own["value"]
        for key, own in values.set_index(["start", "seed"])[[*columns, "value"]].groupby(columns)
    }

    def find(quantity: str, card: str) -> dict[str, float]:
        own = known.get((*split(quantity), card), pd.Series(dtype=float))
        return {
            f"{seed} from {start}" if start else str(seed): v for (start, seed), v in own.items()
        }

    measured = []
    for contrast in contrasts:
        pairs = _pairs(contrast, known, contrast.slice)
        if pairs is None:
            continue
        starts = pairs.index.get_level_values("start")
        if starts.duplicated().any() and all(starts):
            pairs = pairs.groupby(level="start").mean()
        one, another = pairs.to_numpy().T
        floor, learnt = paper.floors.get(contrast.card), None
        if floor and floor.floor not in (contrast.one, contrast.another):
            learnt = learning(floor, (contrast.one, contrast.another), find, contrast.slice)
        change = t_interval(contrast.change(one, another))
        people = None if contrast.slice else _over_people(contrast, known)
        measured.append(Change(contrast, change, tuple(one - another), learnt, people))
    return measured


def _pairs(contrast: Contrast, known: Mapping[tuple, pd.Series], part: str) -> pd.DataFrame | None:
    """Both sides of a contrast in the slice `part`, by start and seed; None without one of them."""
    names = [
        (contrast.metric, name, part, contrast.card) for name in (contrast.one, contrast.another)
    ]
    if all(name in known for name in names):
        pairs = pd.concat([known[name] for name in names], axis=1, join="inner")
        return pairs.sort_index(level=["seed", "start"])  # as `Sample` has them
    return None


def _over_people(contrast: Contrast, known: Mapping[tuple, pd.Series]) -> Estimate | None:
    """The change over the test persons, where it was measured of enough of them."""
    people = sorted({part for _, _, part, _ in known if SUBJECT.fullmatch(part)})
    pairs = {part: _pairs(contrast, known, part) for part in people}
    return over_people(
        {
            part: contrast.change(*both.to_numpy().T).tolist()
            for part, both in pairs.items()
            if both is not None
        }
    )


def differences(
    contrasts: Sequence[Contrast],
    values: pd.DataFrame,
    paper: Paper,
    family: Family | None = None,
) -> pd.DataFrame:
    """Each contrast of one measure that was measured, by name, with its 95 % t interval.

    `values` has network, seed, metric, slice, card and value, of one data set (`study.table` or
    `values_by_data`), and perhaps start. Pairs share seed and start. Columns: mean, low, high, n;
    people, people mean, people low, people high (over test persons, where there are three or
    more); printed; p of no difference and the same corrected over `family`, by default the contrasts
    given; floor (the value that networks come from), one gain and another gain (the share of its
    gap that they closed), pace; beyond seed noise.
    """
    found = changes(contrasts, values, paper)
    if family is None:
        family = Family()
        for change in found:
            family.add(change.differences, change.p)
    rows = {}
    for change in found:
        contrast, estimate, learnt = change.contrast, change.change, change.learning
        corrected = family.corrected(change.differences) if change.p == change.p else np.nan
        gains = learnt.means if learnt else {}
        over = change.people
        rows[contrast.name] = {
            "mean": estimate.mean,
            "low": estimate.low,
            "high": estimate.high,
            "n": estimate.n,
            "people": over.n if over else 0,
            "people mean": over.mean if over else np.nan,
            "people low": over.low if over else np.nan,
            "people high": over.high if over else np.nan,
            "printed": contrast.printed(paper),
            "p": change.p,
            "corrected p": corrected,
            "floor": learnt.level if learnt else np.nan,
            "one gain": gains.get(contrast.one, np.nan),
            "another gain": gains.get(contrast.another, np.nan),
            "pace": learnt.pace if learnt else "",
            "beyond seed noise": change.answer(corrected),
        }
    return pd.DataFrame.from_dict(rows, "index")


def page_family(paper: Paper, records: Iterable[Record]) -> Family:
    """The tests of a paper's contrasts on all data sets, at the sizes of `values_by_data`."""
    family, contrasts = Family(), load_contrasts(paper.slug, paper.folder)
    own = [record for record in records if record.paper == paper.slug]
    for values in values_by_data(own).values():
        for change in changes(contrasts, values, paper):
            family.add(change.differences, change.p)
    return family

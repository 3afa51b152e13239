"""A paper as data: printed numbers, claims about them, and stand-ins for its competitors.

Read from papers/<slug>/: `printed.csv` (quantities, each with the place where it is printed; an
empty value for one without a number), `claims.csv` (claims about these quantities; several
comparisons in one claim are separated by `;`) and `aliases.csv` (which measured subject stands in
for a printed one, and which others could), `floors.csv` (what a network must beat to have learnt) and
`configurations.csv` (the sizes at which a configuration is trained, where these are not all; with a
card, its training for that protocol). Quantities called recipe_* are settings of the paper's
training. Margins for accuracy are in papers/metrics.csv. Every folder with a claims.csv is a paper.
"""

import csv
import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from posekit.claims.expressions import Node, matches, names, parse
from posekit.claims.numbers import Interval

FOLDER = Path(__file__).resolve().parents[1] / "papers"
WITH_SMOKE = ("smoke", "small", "medium", "large", "paper")  # sizes, smallest first
KINDS = ("structure", "arithmetic", "ordering", "accuracy", "speed")
RELATIONS = ("=", "<", "<=", ">", ">=")
SOURCES = ("own", "quoted", "prose", "recovered")
AS_READ = ("", "")  # a reading: every alias as aliases.csv puts it first
REASONS = ("not derivable", "needs data", "needs hardware", "not run", "quoted")

_PRINTED = ("quantity", "card", "data", "value", "unit", "where", "source")
_CLAIMS = ("id", "where", "statement", "kind", "left", "relation", "right")
_CLAIMS += ("by", "tolerance", "bare", "card", "needs", "note")
_ALIASES = ("printed", "measured", "other", "why")
_FLOORS = ("card", "floor", "metric", "by", "perfect")
_CONFIGURATIONS = ("configuration", "card", "sizes")
_METRICS = ("metric", "slice", "better", "margin", "unit", "reason")
_LEARNT = "recipe_trained_on"  # /test set or all/training set; its value is 1 or 0

K, V = TypeVar("K"), TypeVar("V")


def split(quantity: str) -> tuple[str, str, str]:
    """Metric, subject and slice of a quantity's name; '' for the slice of a headline number."""
    metric, subject, *rest = quantity.split("/", 2)
    return metric, subject, "".join(rest)


@dataclass(frozen=True)
class Printed:
    """One quantity the paper names; `value` is None where it prints no number."""

    quantity: str
    card: str
    data: str
    value: Interval | None
    text: str
    unit: str
    where: str
    source: str

    @property
    def subject(self) -> str:
        """The method or network that the number belongs to."""
        return split(self.quantity)[1]


Table = Mapping[tuple[str, str], Printed]  # by quantity and protocol card


@dataclass(frozen=True)
class Part:
    """One comparison: left relation right, under one protocol card ('' for counts).

    `expanded` has the printed quantities that each name stands for: itself, or those that match a
    wildcard, without the ones that the comparison names outright. `printed` has their entries.
    """

    left: Node
    relation: str
    right: Node
    text: str
    by: str  # how much lower or higher the paper says, in the unit or in %; '' if it doesn't
    tolerance: float | None
    bare: Node | None  # the right side without a threshold that is ours, not the paper's
    card: str
    expanded: Mapping[str, tuple[str, ...]]
    printed: Mapping[str, Printed]

    @property
    def names(self) -> list[str]:
        """The quantities as written, wildcards among them."""
        return list(self.expanded)

    def is_of(self, metrics: Collection[str]) -> bool:
        """Whether it compares nothing but quantities of these metrics."""
        return all(split(name)[0] in metrics for name in self.names)

    @property
    def is_setting(self) -> bool:
        """Whether it is about a setting of the training, which code states and no network shows."""
        return all(name.startswith("recipe_") for name in self.names)

    @property
    def home(self) -> str:
        """The data set that the printed numbers belong to; '' for counts."""
        return next((entry.data for entry in self.printed.values() if entry.data), "")


@dataclass(frozen=True)
class Claim:
    """One statement of the paper; `needs` is (verdict word, detail) or ('', '')."""

    id: str
    paper: str
    where: str
    statement: str
    kind: str
    parts: tuple[Part, ...]
    needs: tuple[str, str]
    note: str


@dataclass(frozen=True)
class Alias:
    """The measured subject that stands in for a printed one, and others that could as well."""

    measured: str
    other: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Floor:
    """What comparisons under a card are measured from: `metric` of `floor`, under the card `by`.

    A network that makes no use of its input gets the floor's value, a perfect one `perfect`.
    """

    card: str
    floor: str
    metric: str
    by: str
    perfect: float


@dataclass(frozen=True)
class Paper:
    """All of one paper: quantities by (name, card), claims, stand-ins by subject, floors by card.

    `sizes` has the sizes at which a configuration is trained, by its name and card.
    """

    slug: str
    printed: Table
    claims: tuple[Claim, ...]
    aliases: Mapping[str, Alias]
    floors: Mapping[str, Floor]
    sizes: Mapping[tuple[str, str], list[str]]
    folder: Path

    def find(self, name: str, card: str) -> Printed | None:
        """The quantity under its card; counts have none."""
        return _find(self.printed, name, card)

    def measured_name(self, name: str, reading: tuple[str, str] = AS_READ) -> str:
        """The quantity to look up among measurements, with the alias of its subject.

        `reading` is a subject and what stands in for it in place of its alias.
        """
        metric, subject, *rest = name.split("/", 2)
        if subject == reading[0]:
            subject = reading[1]
        elif subject in self.aliases:
            subject = self.aliases[subject].measured
        return "/".join([metric, subject, *rest])

    def trained_at(self, configuration: str, card: str = "") -> list[str]:
        """The sizes, smallest first, at which a configuration is trained, for a protocol if it has one."""
        known = [self.sizes.get((configuration, of), WITH_SMOKE) for of in {card, ""}]
        return [size for size in WITH_SMOKE if all(size in sizes for sizes in known)]

    @property
    def floor_networks(self) -> set[str]:
        """The networks that say what there is without learning."""
        return {floor.floor for floor in self.floors.values()}

    def training_sets(self, test: str) -> dict[str, bool]:
        """Data sets that its networks for a test set learn from, True, or do not, False.

        Of those that the paper says it of, for this test set or for all.
        """
        return {
            split(entry.quantity)[2]: entry.value.value == 1
            for entry in self.printed.values()
            if entry.value and split(entry.quantity)[:2] in ((_LEARNT, "all"), (_LEARNT, test))
        }


@dataclass(frozen=True)
class Metric:
    """Which way a metric is better, and the margin within which two values are the same."""

    better: str
    margin: float
    unit: str
    reason: str

    @property
    def sign(self) -> int:
        """1 where lower is better, -1 where higher is."""
        return 1 if self.better == "lower" else -1


def slugs(folder: Path = FOLDER) -> list[str]:
    """The papers there are."""
    return sorted(p.parent.name for p in folder.glob("[a-z]*/claims.csv"))


def load_paper(slug: str, folder: Path = FOLDER) -> Paper:
    """Read and check a paper's tables.

    Raises FileNotFoundError for an unknown paper, and ValueError naming file and line for a
    row with an unknown quantity, kind, relation, source or reason, or an id used twice.
    """
    if not (folder / slug / "claims.csv").is_file():
        raise FileNotFoundError(f"no paper {slug!r} in {folder}: there are {slugs(folder)}")
    printed = read_table(folder / slug / "printed.csv", _PRINTED, _printed)
    claims = read_table(
        folder / slug / "claims.csv", _CLAIMS, lambda row: _claim(slug, row, printed)
    )
    aliases = read_table(folder / slug / "aliases.csv", _ALIASES, _alias, optional=True)
    floors = read_table(folder / slug / "floors.csv", _FLOORS, _floor, optional=True)
    path = folder / slug / "configurations.csv"
    sizes = read_table(path, _CONFIGURATIONS, _configuration, optional=True)
    return Paper(slug, printed, tuple(claims.values()), aliases, floors, sizes, folder)


@cache
def load_metrics(folder: Path = FOLDER) -> dict[tuple[str, bool], Metric]:
    """(metric, is it a slice) -> Metric; the margins were written down before any run."""
    return read_table(folder / "metrics.csv", _METRICS, _metric)


def read_table(
    path: Path,
    columns: Collection[str],
    build: Callable[[dict[str, str]], tuple[K, V]],
    *,
    optional: bool = False,
) -> dict[K, V]:
    """A paper's table: `build` makes key and value of a row; {} for an `optional` one not there.

    Raises FileNotFoundError without the table, and ValueError naming the file where its columns
    are others, and file and line where cells are too few or too many, where a key is there twice
    or where `build` raises one.
    """
    if optional and not path.is_file():
        return {}
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a paper needs it")
    table: dict[K, V] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:  # Excel writes a mark
        reader = csv.DictReader(file, strict=True)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise ValueError(f"{path}: its columns are {reader.fieldnames}, not {list(columns)}")
        for row in reader:
            try:
                if None in row or None in row.values():
                    raise ValueError(f"{len(columns)} cells expected; quote commas")
                key, value = build({name: cell.strip() for name, cell in row.items()})
                if key in table:
                    raise ValueError(f"{key} is there twice; keep one")
                table[key] = value
            except ValueError as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    return table


def check(value: str, allowed: Collection[str], what: str) -> None:
    """Raise ValueError where `value` is not one of those allowed, naming them."""
    if value not in allowed:
        raise ValueError(f"unknown {what} {value!r}; one of {', '.join(allowed)}")


def metric_of(quantity: str) -> Metric | None:
    """The metric of a quantity, or of a slice of it; None for a count."""
    metric, _, piece = split(quantity)
    return load_metrics().get((metric, bool(piece)))


def check_metric(metric: str) -> None:
    """Raise ValueError where papers/metrics.csv doesn't have a metric."""
    if (metric, False) not in load_metrics():
        raise ValueError(f"{metric} is not in papers/metrics.csv; add it there")


def _metric(row: dict[str, str]) -> tuple[tuple[str, bool], Metric]:
    check(row["slice"], ("", "*"), "slice")
    check(row["better"], ("lower", "higher"), "direction")
    metric = Metric(row["better"], float(row["margin"]), row["unit"], row["reason"])
    return (row["metric"], row["slice"] == "*"), metric


def _alias(row: dict[str, str]) -> tuple[str, Alias]:
    return row["printed"], Alias(row["measured"], tuple(_pieces(row["other"])), row["why"])


def _floor(row: dict[str, str]) -> tuple[str, Floor]:
    check_metric(row["metric"])
    return row["card"], Floor(**row | {"perfect": float(row["perfect"])})


def _configuration(row: dict[str, str]) -> tuple[tuple[str, str], list[str]]:
    for size in (sizes := row["sizes"].split(" ")):
        check(size, WITH_SMOKE, "size")
    return (row["configuration"], row["card"]), sizes


def _printed(row: dict[str, str]) -> tuple[tuple[str, str], Printed]:
    check(row["source"], SOURCES, "source")
    if row["quantity"].count("/") not in (1, 2):
        raise ValueError(f"{row['quantity']!r} is not metric/subject[/slice]")
    text = row.pop("value")
    entry = Printed(**row, text=text, value=Interval.printed(text) if text else None)
    return (entry.quantity, entry.card), entry


def _claim(slug: str, row: dict[str, str], printed: Table) -> tuple[str, Claim]:
    check(row["kind"], KINDS, "kind")
    word, _, detail = row["needs"].partition(":")
    if word:
        check(word, REASONS, "reason in the column needs")
    lefts = _pieces(row["left"])
    if not lefts and not word:
        raise ValueError("nothing to compare, and the column needs does not say why")
    cells = [lefts]
    for column in ("relation", "right", "by", "tolerance", "bare", "card"):
        pieces = _pieces(row[column]) or [""]
        if len(pieces) not in (1, len(lefts)) and lefts:
            raise ValueError(f"{len(pieces)} entries in {column} for {len(lefts)} in left")
        cells.append(pieces * len(lefts) if len(pieces) == 1 else pieces)
    parts = tuple(_part(*part, printed) for part in zip(*cells))
    text = {name: row[name] for name in ("id", "where", "statement", "kind", "note")}
    return row["id"], Claim(paper=slug, parts=parts, needs=(word, detail.strip()), **text)


def _pieces(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(";")] if text else []


def _part(
    left: str,
    relation: str,
    right: str,
    by: str,
    tolerance: str,
    bare: str,
    card: str,
    table: Table,
) -> Part:
    check(relation, RELATIONS, "relation")
    sides = parse(left), parse(right)
    if by and (relation == "=" or not Interval.printed(by.removesuffix("%"))):
        raise ValueError("`by` says how much lower or higher; it has no sense with =")
    if not names(sides[0]):
        raise ValueError("the left side names no quantity; put the quantity there")
    named = list(dict.fromkeys(names(sides[0]) + names(sides[1])))
    threshold_free = parse(bare) if bare else None
    if threshold_free and not set(names(threshold_free)) <= set(named):
        raise ValueError(f"`bare` is the right side without its threshold, not {bare}")
    expanded = {name: _expand(name, named, card, table) for name in named}
    distance = Interval.printed(tolerance).value if tolerance else None
    return Part(
        *(sides[0], relation, sides[1], f"{left} {relation} {right}", by, distance),
        *(threshold_free, card, expanded),
        printed={q: _find(table, q, card) for quantities in expanded.values() for q in quantities},
    )


def _find(table: Table, name: str, card: str) -> Printed | None:
    return table.get((name, card)) or table.get((name, ""))


def _expand(name: str, named: list[str], card: str, table: Table) -> tuple[str, ...]:
    """The quantities that a name stands for. Raises ValueError naming some near it for none."""
    if "*" not in name and _find(table, name, card):
        return (name,)
    found = (q for q, own in table if own in (card, "") and matches(name, q))
    if expanded := tuple(q for q in dict.fromkeys(found) if q not in named):
        return expanded
    near = difflib.get_close_matches(name, {quantity for quantity, _ in table}, 3, 0.5)
    raise ValueError(
        f"unknown quantity {name}"
        + (f" under the card {card}" if card else "")
        + (f" (near: {', '.join(sorted(near))})" if near else "")
        + "; add it to printed.csv, with an empty value if the paper prints no number"
    )

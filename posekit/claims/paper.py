"""A paper as data: what it prints, what it claims, and what stands in for its competitors.

Read from papers/<slug>/: `printed.csv` (facts, each with where it stands), `claims.csv` (claims
in terms of the quantities printed.csv names; an empty value names a quantity the paper gives no
number for) and `aliases.csv` (which measured subject stands in for a printed one, and which others
could). Quantities called recipe_* are settings of the paper's training. A claim of several parts
separates them by `;`. Margins for accuracy are in papers/metrics.csv.
"""

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from posekit.claims.expressions import Interval, Node, matches, names, parse

FOLDER = Path(__file__).resolve().parents[1] / "papers"
KINDS = ("structure", "arithmetic", "ordering", "accuracy", "speed")
RELATIONS = ("=", "<", "<=", ">", ">=")
SOURCES = ("own", "quoted", "prose", "recovered")
REASONS = ("not derivable", "needs data", "needs hardware", "not run", "quoted")

Reading = tuple[str, str]  # a printed subject, and the measured one that stands in for it
AS_READ: Reading = ("", "")  # every alias as aliases.csv puts it first

_PRINTED = ("quantity", "card", "data", "value", "unit", "where", "source")
_CLAIMS = ("id", "where", "statement", "kind", "left", "relation", "right")
_CLAIMS += ("by", "tolerance", "card", "needs", "note")
_ALIASES = ("printed", "measured", "other", "why")
_METRICS = ("metric", "slice", "better", "margin", "unit", "reason")


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


@dataclass(frozen=True)
class Part:
    """One comparison: left relation right, under one protocol card ('' for counts)."""

    left: Node
    relation: str
    right: Node
    text: str
    by: str  # how much lower or higher the paper says, in the unit or in %; '' if it doesn't
    tolerance: float | None
    card: str

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(names(self.left) + names(self.right)))

    @property
    def is_setting(self) -> bool:
        """Is it about a setting of the training, which code states and no network shows?"""
        return all(name.startswith("recipe_") for name in self.names)


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
class Paper:
    """All of one paper: quantities by (name, card), claims in order, stand-ins by subject."""

    slug: str
    printed: dict[tuple[str, str], Printed]
    claims: tuple[Claim, ...]
    aliases: dict[str, Alias]

    def find(self, name: str, card: str) -> Printed | None:
        """The quantity under its card; counts have none."""
        return self.printed.get((name, card)) or self.printed.get((name, ""))

    def expand(self, part: Part, name: str) -> list[str]:
        """What a name stands for; a wildcard leaves out what the comparison names outright."""
        if "*" not in name:
            return [name]
        named = [n for n in part.names if "*" not in n]
        cards = (part.card, "")
        found = [q for q, card in self.printed if card in cards and matches(name, q)]
        return [q for q in dict.fromkeys(found) if q not in named]

    def measured_name(self, name: str, reading: Reading = AS_READ) -> str:
        """The quantity to look up among measurements: with its alias, or what `reading` says."""
        metric, subject, *rest = name.split("/")
        if subject == reading[0]:
            subject = reading[1]
        elif subject in self.aliases:
            subject = self.aliases[subject].measured
        return "/".join([metric, subject, *rest])


def slugs(folder: Path = FOLDER) -> list[str]:
    """The papers there are."""
    return sorted(p.parent.name for p in folder.glob("*/claims.csv"))


def load_paper(slug: str, folder: Path = FOLDER) -> Paper:
    """Read and check a paper's tables.

    Raises FileNotFoundError for an unknown paper, and ValueError naming file and line for a
    row with an unknown quantity, kind, relation, source or reason, or an id used twice.
    """
    if not (folder / slug / "claims.csv").is_file():
        raise FileNotFoundError(f"no paper {slug!r} in {folder}: there are {slugs(folder)}")
    printed: dict[tuple[str, str], Printed] = {}
    for where, row in read_rows(folder / slug / "printed.csv", _PRINTED):
        entry = _printed(row, where)
        if (entry.quantity, entry.card) in printed:
            raise ValueError(f"{where}: {entry.quantity} ({entry.card}) is printed twice; keep one")
        printed[entry.quantity, entry.card] = entry
    paper = Paper(slug, printed, (), _aliases(folder / slug / "aliases.csv"))
    claims: dict[str, Claim] = {}
    for where, row in read_rows(folder / slug / "claims.csv", _CLAIMS):
        if row["id"] in claims:
            raise ValueError(f"{where}: the id {row['id']} is used twice; ids are for ever")
        claims[row["id"]] = _claim(row, where, paper)
    return Paper(slug, printed, tuple(claims.values()), paper.aliases)


@dataclass(frozen=True)
class Metric:
    """Which way a metric is better, and the margin within which two values are the same."""

    better: str
    margin: float
    unit: str
    reason: str


@cache
def load_metrics(folder: Path = FOLDER) -> dict[tuple[str, bool], Metric]:
    """(metric, is it a slice) -> Metric; the margins were written down before any run."""
    metrics = {}
    for where, row in read_rows(folder / "metrics.csv", _METRICS):
        _chosen(row["slice"], ("", "*"), "slice", where)
        _chosen(row["better"], ("lower", "higher"), "direction", where)
        margin = _number(row["margin"], where, "margin")
        metric = Metric(row["better"], margin, row["unit"], row["reason"])
        metrics[row["metric"], row["slice"] == "*"] = metric
    return metrics


def read_rows(path: Path, columns: Iterable[str]) -> Iterable[tuple[str, dict[str, str]]]:
    """Rows of a paper's table with "file, line n", after a check of its columns.

    FileNotFoundError without the table; ValueError names it where its columns are others, or the
    line where a cell is too few or too many.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a paper needs it")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise ValueError(f"{path}: its columns are {reader.fieldnames}, not {list(columns)}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: {len(list(columns))} cells expected; quote commas")
            yield where, {key: value.strip() for key, value in row.items()}


def _chosen(value: str, allowed: Iterable[str], what: str, where: str) -> str:
    if value not in allowed:
        raise ValueError(f"{where}: unknown {what} {value!r}; one of {', '.join(allowed)}")
    return value


def _number(text: str, where: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{where}: {what} {text!r} is not a number") from None


def _printed(row: dict[str, str], where: str) -> Printed:
    _chosen(row["source"], SOURCES, "source", where)
    if not 2 <= row["quantity"].count("/") + 1 <= 3:
        raise ValueError(f"{where}: {row['quantity']!r} is not metric/subject[/slice]")
    try:
        value = Interval.printed(row["value"]) if row["value"] else None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    rest = {key: row[key] for key in ("quantity", "card", "data", "unit", "where", "source")}
    return Printed(value=value, text=row["value"], **rest)


def _aliases(path: Path) -> dict[str, Alias]:
    if not path.is_file():
        return {}
    return {
        row["printed"]: Alias(row["measured"], tuple(_split(row["other"])), row["why"])
        for _, row in read_rows(path, _ALIASES)
    }


def _split(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(";")] if text else []


def _claim(row: dict[str, str], where: str, paper: Paper) -> Claim:
    kind = _chosen(row["kind"], KINDS, "kind", where)
    word, _, detail = row["needs"].partition(":")
    if word:
        _chosen(word, REASONS, "reason in the column needs", where)
    lefts = _split(row["left"])
    if not lefts and not word:
        raise ValueError(f"{where}: nothing to compare, and the column needs does not say why")
    columns = ("relation", "right", "by", "tolerance", "card")
    cells = {name: _spread(row[name], len(lefts), name, where) for name in columns}
    parts = tuple(
        _part(left, {name: cells[name][i] for name in columns}, where, paper)
        for i, left in enumerate(lefts)
    )
    text = {key: row[key] for key in ("id", "where", "statement", "note")}
    return Claim(paper=paper.slug, kind=kind, parts=parts, needs=(word, detail.strip()), **text)


def _spread(text: str, count: int, column: str, where: str) -> list[str]:
    """One cell for every part: as many as there are, or one for all."""
    pieces = _split(text) or [""]
    if len(pieces) not in (1, count) and count:
        raise ValueError(f"{where}: {len(pieces)} entries in {column} for {count} in left")
    return pieces * count if len(pieces) == 1 else pieces


def _part(left: str, cells: dict[str, str], where: str, paper: Paper) -> Part:
    relation = _chosen(cells["relation"], RELATIONS, "relation", where)
    try:
        sides = parse(left), parse(cells["right"])
        if cells["by"]:
            Interval.printed(cells["by"].removesuffix("%"))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if cells["by"] and relation == "=":
        raise ValueError(f"{where}: `by` says how much lower or higher; it has no sense with =")
    tolerance = _number(cells["tolerance"], where, "tolerance") if cells["tolerance"] else None
    text = f"{left} {relation} {cells['right']}"
    part = Part(sides[0], relation, sides[1], text, cells["by"], tolerance, cells["card"])
    if not names(part.left):
        raise ValueError(f"{where}: the left side names no quantity; put the quantity there")
    _check_names(part, where, paper)
    return part


def _check_names(part: Part, where: str, paper: Paper) -> None:
    known = list(dict.fromkeys(quantity for quantity, _ in paper.printed))
    for name in part.names:
        if "*" in name and paper.expand(part, name):
            continue
        if "*" not in name and paper.find(name, part.card):
            continue
        card = f" under the card {part.card}" if part.card else ""
        near = difflib.get_close_matches(name, known, 3, 0.5)
        hint = f" (near: {', '.join(near)})" if near else ""
        raise ValueError(
            f"{where}: unknown quantity {name}{card}{hint}; add it to {paper.slug}/printed.csv, "
            "with an empty value if the paper prints no number"
        )

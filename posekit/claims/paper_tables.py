"""The tables of a paper in its own shape: what each cell prints, and what was measured for it.

Read from papers/<slug>/tables/: `index.csv` (`file, table, caption, note`, in the paper's order) and
a file for each table, with the rows and columns of the paper and its text. Its first column has the
names of the rows as printed, the second the subject that each row stands for. Rows in brackets come
first and say of each column: `(quantity)`, with * for the subject; `(card)`, the protocol, empty
for counts; `(here)`, the name and unit of what was measured, where the quantity's own do not say it. A
column without a quantity is text. Rows and columns without any printed text are not the paper's:
floors, and measurements that it lacks. Text in round brackets is repeated from the paper's prose,
text in square brackets is recovered from another document, and `lost` is not in the text at hand.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posekit.claims.audit import Erratum
from posekit.claims.expressions import Number, Quantity
from posekit.claims.finding import Finding
from posekit.claims.learning import ENOUGH, learning
from posekit.claims.ledger import Judged
from posekit.claims.measurements import Measurements, Record, rank_of
from posekit.claims.numbers import Interval, compare, number, number_within, printed_interval
from posekit.claims.paper import FOLDER, Claim, Paper, Printed, metric_of, read_table, split
from posekit.claims.published import COUNTS
from posekit.claims.statistics import t_interval
from posekit.claims.table_html import LOST, Cell, Column, Measured, PaperTable

_INDEX = ("file", "table", "caption", "note")
_HEADS = ("(quantity)", "(card)", "(here)")


def paper_tables(
    paper: Paper,
    claims: Iterable[Judged],
    records: Iterable[Record],
    errata: Sequence[Erratum] = (),
    folder: Path = FOLDER,
) -> list[PaperTable]:
    """Every table of a paper, in its order; none if it has no folder of tables.

    `claims` are the paper's, judged, and decide the marks. Raises FileNotFoundError for a table
    that the index names and that is not there, and ValueError naming the file whose rows differ in
    length or have an unknown name in brackets.
    """
    place = folder / paper.slug / "tables"
    listed = read_table(place / "index.csv", _INDEX, lambda row: (row["file"], row), optional=True)
    filler = _Filler(Measurements(records, paper), _values(claims), errata)
    return [_table(place / f"{file}.csv", about, filler) for file, about in listed.items()]


def read_layout(path: Path) -> tuple[str, list[Column], list[tuple[str, str, list[str]]]]:
    """Corner, columns, and rows of name, subject and printed texts of a table's file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *lines = [[cell.strip() for cell in line] for line in csv.reader(file)]
    if ragged := [line for line in lines if len(line) != len(head)]:
        raise ValueError(
            f"{path}: {len(ragged[0])} cells in {ragged[0][:2]}, {len(head)} in its head"
        )
    heads = {line[0]: line[2:] for line in lines if line[0].startswith("(") and not line[1]}
    if unknown := [name for name in heads if name not in _HEADS]:
        raise ValueError(f"{path}: {unknown[0]} is none of {', '.join(_HEADS)}")
    empty = [""] * len(head[2:])
    columns = map(Column, head[2:], *(heads.get(name, empty) for name in _HEADS))
    rows = [(line[0], line[1], line[2:]) for line in lines if line[0] not in heads]
    return head[0], list(columns), rows


def mean_text(values: Sequence[float]) -> str:
    """The mean and half of its 95 % t interval, as text; the mean alone of one or of equal values."""
    mean = t_interval(np.array(values))
    if mean.n < 2 or mean.half == 0:
        return number(mean.mean)
    return " ± ".join(number_within(v, mean.half, abs(mean.mean)) for v in (mean.mean, mean.half))


def _table(path: Path, about: dict[str, str], filler: "_Filler") -> PaperTable:
    corner, columns, rows = read_layout(path)
    table = PaperTable(about["table"], about["caption"], about["note"], corner, columns)
    known = [[filler.measured(c, subject) for c in columns] for _, subject, _ in rows]
    places = _places(columns, known)
    columns[:] = [replace(columns[i], here="") if more else columns[i] for i, _, more in places]
    for (name, subject, texts), line in zip(rows, known):
        for size in filler.sizes(subject, table):
            cells = [
                filler.cell(
                    about["table"],
                    c,
                    subject,
                    "" if more else texts[i],
                    _best(line[i], data, size),
                )
                for c, (i, data, more) in zip(columns, places)
            ]
            table.rows.append((name, cells))
    floors = [cells for _, cells in table.rows if not any(cell.printed for cell in cells)]
    for i in range(len(columns)):
        if not any(cells[i].here for _, cells in table.rows if cells not in floors):
            for cells in floors:  # of nothing that stands above it
                cells[i] = Cell("")
    # A floor may not be measured.
    table.rows[:] = [row for row in table.rows if any(c.printed or c.here for c in row[1])]
    for i in reversed(range(len(columns))):
        if not columns[i].heading and not any(c[i].printed or c[i].here for _, c in table.rows):
            del columns[i]  # of a measurement that the paper lacks, and that was not made
            for _, cells in table.rows:
                del cells[i]
    return table


def _best(found: list[Measured], data: str, size: str) -> Measured | None:
    """The best that was measured on one data set, by evidence, enough seeds, and size; or at one size."""
    own = (m for m in found if m.data == data and size in ("", m.size))
    return max(own, key=lambda m: rank_of(m.evidence, m.n, m.size), default=None)


def _places(
    columns: list[Column], known: list[list[list[Measured]]]
) -> list[tuple[int, str, bool]]:
    """(column, data set, whether in a column of its own), in order.

    Columns under one protocol are of one data set, that of most of their cells, so that they can be
    averaged; of several with as many that with more cells of networks that have learnt enough, or
    else the first by name. Numbers of better evidence on another stand in a column behind.
    """
    filled: dict[str, Counter] = defaultdict(Counter)
    learnt: dict[str, Counter] = defaultdict(Counter)
    best: dict[tuple[int, str], str] = {}
    for line in known:
        for i, (column, found) in enumerate(zip(columns, line)):
            filled[column.card].update({m.data for m in found})
            learnt[column.card].update({m.data for m in found if (m.gain or 0) >= ENOUGH})
            for m in found:
                best[i, m.data] = max(m.evidence, best.get((i, m.data), ""))
    places = []
    for i, column in enumerate(columns):
        counts, enough = filled[column.card], learnt[column.card]
        rank = {data: (counts[data], enough[data]) for data in sorted(counts)}
        main = max(rank, key=rank.__getitem__, default="")
        better = [d for d in sorted(counts) if best.get((i, d), "") > best.get((i, main), "")]
        places += [(i, main, False), *((i, data, True) for data in better)]
    return places


Valued = dict[tuple[str, str], list[tuple[Claim, Finding]]]


def _values(claims: Iterable[Judged]) -> Valued:
    """The claims that state a value as a number, and their findings, by quantity and card."""
    found: Valued = {}
    for judged in claims:
        for part, finding in zip(judged.claim.parts, judged.parts):
            plain = isinstance(part.left, Quantity) and isinstance(part.right, Number)
            if plain and part.relation == "=":
                key = part.left.name, part.card
                found.setdefault(key, []).append((judged.claim, finding))
    return found


@dataclass(frozen=True)
class _Filler:
    """Fills cells from the measurements, the verdicts and the errata of a paper."""

    measurements: Measurements
    values: Valued
    errata: Sequence[Erratum]

    def measured(self, column: Column, subject: str) -> list[Measured]:
        """All that was measured for a cell, by data set and size."""
        if not column.quantity or not subject:
            return []
        quantity = column.quantity.replace("*", subject)
        return self._measured(
            quantity, column.card, self.measurements.paper.find(quantity, column.card)
        )

    def sizes(self, subject: str, table: PaperTable) -> list[str]:
        """The sizes of which a row stands in a table: any; of a floor that of each network above it."""
        if subject not in self.measurements.paper.floor_networks:
            return [""]
        above = [cell.here for _, cells in table.rows for cell in cells if cell.here]
        return list(dict.fromkeys(here.size for here in above if here.gain is not None)) or [""]

    def cell(
        self, table: str, column: Column, subject: str, text: str, here: Measured | None
    ) -> Cell:
        quantity = column.quantity.replace("*", subject)
        if not column.quantity or not subject:
            return Cell(text)
        entry = self.measurements.paper.find(quantity, column.card)
        quoted = entry is not None and self._is_quoted(entry)
        mark, behind = self._mark(table, quantity, column.card, text, quoted, here)
        return Cell(text, quoted, mark, behind, here)

    def _is_quoted(self, entry: Printed) -> bool:
        """Whether it is another paper's number: quoted, or recovered of a method that is quoted."""
        if entry.source != "recovered":
            return entry.source == "quoted"
        same = entry.subject, split(entry.quantity)[0]
        return any(
            (e.subject, split(e.quantity)[0]) == same and e.source == "quoted" and e.card
            for e in self.measurements.paper.printed.values()
        )

    def _mark(
        self, table: str, quantity: str, card: str, text: str, quoted: bool, here: Measured | None
    ) -> tuple[str, str]:
        """The mark on a printed cell, and the id of the erratum or the claim behind it."""
        if text in LOST:
            return "", ""
        for erratum in self.errata:
            if erratum.concerns(quantity, card):
                return "!", erratum.id
        if quoted:
            return "", ""
        standing = self.measurements.paper.measured_name(quantity)
        known = self.values.get((quantity, card)) or self.values.get((standing, card), [])
        ranked = sorted(known, key=lambda pair: table.split(",")[0] not in pair[0].where)
        for claim, finding in ranked:
            if finding.verdict in ("reproduced", "as specified"):
                return "~" if claim.kind == "accuracy" else "=", claim.id
            if finding.verdict in ("supported", "contradicted"):
                return "~" if finding.verdict == "supported" else "x", claim.id
        printed = printed_interval(text)
        if not known and printed and here and split(quantity)[0] in COUNTS:
            same = compare(Interval.exact(here.values[0]), "=", printed) == "holds"
            return "=" if same else "x", ""
        return "-", ranked[0][0].id if ranked else ""

    def _measured(self, quantity: str, card: str, entry: Printed | None) -> list[Measured]:
        name, known = self.measurements.paper.measured_name(quantity), metric_of(quantity)
        home = entry.data if entry else ""
        unit = known.unit if known else entry.unit if entry else ""
        found = []
        for (other, rule, data, size), seeds in self.measurements.values.items():
            if other != name or rule not in (card, "") or bool(data) != bool(card):
                continue
            values, records = zip(*seeds.values())
            level = self.measurements.evidence(home, data, len(values), records, [name])
            text = mean_text(values)
            if unit == "yes=1":
                text = {"1": "yes", "0": "no"}.get(text, text)
            gain = self._gain(name, card, data, size)
            found.append(Measured(text, len(values), level, data, size, unit, values, gain))
        return found

    def _gain(self, name: str, card: str, data: str, size: str) -> float | None:
        """The gain of a network by this very number; None for slices, counts, floors and numbers that
        floors are not of, such as errors in training."""
        metric, subject, piece = split(name)
        floors = self.measurements.paper.floors.values()
        floor = next((f for f in floors if (f.by, f.metric) == (card, metric)), None)
        if floor is None or piece:
            return None

        def find(quantity: str, by: str) -> dict[str, float]:
            _, seeds = self.measurements.find(quantity, by, data, size)
            return {str(trial): value for trial, (value, _) in seeds.items()}

        learnt = learning(floor, [subject], find)
        return learnt.means[subject] if learnt.is_known else None

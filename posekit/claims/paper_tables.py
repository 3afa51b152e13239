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
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from posekit.claims.audit import Erratum
from posekit.claims.expressions import Number, Quantity
from posekit.claims.finding import Finding
from posekit.claims.learning import learning
from posekit.claims.ledger import Judged
from posekit.claims.measurements import SIZES, Measurements, Record
from posekit.claims.numbers import Interval, compare, number, number_within
from posekit.claims.paper import FOLDER, Claim, Paper, Printed, metric_of, read_table, split
from posekit.claims.published import COUNTS
from posekit.claims.statistics import FEWEST, t_interval

MARKS = {
    "=": "equal as printed",
    "~": "within the margin, on the paper's own data",
    "x": "not equal, or outside the margin",
    "-": "nothing measured that could decide it",
    "!": "the paper contradicts itself, its code or its sources here",
}
LOST = ("", "-", "–", "lost", "pending", "..")  # cells that hold no number
_INDEX = ("file", "table", "caption", "note")
_HEADS = ("(quantity)", "(card)", "(here)")
_POWERS = {"M": "e6", "G": "e9", "": ""}

Link = Callable[[str], str]  # the id of a claim or an erratum -> where it stands


@dataclass(frozen=True)
class Measured:
    """A mean over seeds or repeats as text, what it is of, and its level of evidence.

    `gain` is the share of the gap between the floor and a perfect result that a network has closed.
    """

    text: str
    n: int
    evidence: str
    data: str
    size: str
    unit: str
    values: tuple[float, ...]
    gain: str = ""

    @property
    def basis(self) -> str:
        """Evidence and number of seeds, of repeats, or of nothing where it was counted."""
        counted = not self.data and len(set(self.values)) == 1
        return self.evidence if counted else f"{self.evidence}, n = {self.n}"


@dataclass(frozen=True)
class Cell:
    """What the paper prints, the mark on it and the claim or erratum behind the mark."""

    printed: str
    quoted: bool = False
    mark: str = ""
    behind: str = ""
    here: Measured | None = None


@dataclass(frozen=True)
class Column:
    """The heading as printed, the quantity of its cells, and the name of what was measured."""

    heading: str
    quantity: str
    card: str
    here: str


@dataclass(frozen=True)
class PaperTable:
    """One table: rows of a name and a cell for each column."""

    name: str
    caption: str
    note: str
    corner: str
    columns: list[Column]
    rows: list[tuple[str, list[Cell]]] = field(default_factory=list)

    @property
    def basis(self) -> str:
        """The data and sizes that its measured cells are of, in words; '' where none is."""
        cells = [cell.here for _, cells in self.rows for cell in cells if cell.here]
        sets = dict.fromkeys((c.data, c.size) for c in cells if c.data)
        return "; ".join(f"{data}, size {size}" for data, size in sets)

    def html(self, link: Link | None = None) -> str:
        """The table as HTML: measured columns have the class `here`, quoted cells `quoted`."""
        return "\n".join(_html(self, link))

    def _repr_html_(self) -> str:
        legend = "; ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items())
        about = f"Measured on {self.basis}. " if self.basis else ""
        lines = [f"<p><b>{escape(self.name)}.</b> {escape(self.caption)}. {escape(self.note)}</p>"]
        # JupyterLab puts what says nothing on the right: numbers may stay there, words not.
        left = 'style="text-align: left;"'
        made = re.sub(r"(?<=<tr>)<th|<td(?=[^>]*>[A-Za-z])", rf"\g<0> {left}", self.html())
        for i, column in enumerate(self.columns):
            if any(cells[i].printed[:1].isalpha() for _, cells in self.rows):
                heading = f">{escape(column.heading)}</th>"
                made = made.replace(f"<th{heading}", f"<th {left}{heading}")
        lines += [made, f"<p>{escape(about)}{escape(legend)}.</p>"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{self.name}. {self.caption}"]
        for name, cells in self.rows:
            shown = (f"{c.printed} {c.mark} {c.here.text if c.here else ''}".strip() for c in cells)
            lines.append(f"{name:{width}}  {' | '.join(shown)}")
        return "\n".join(lines)


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


def printed_interval(text: str) -> Interval | None:
    """The number that a cell prints, with what rounding leaves open; None for one without.

    4.07M, 26,977,501, 107.0 ± 0.7, (51.44) and [38.0] are numbers.
    """
    plain = re.sub(r"[()\[\],]", "", text).split(" ")[0]
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)([MG]?)", plain)
    return Interval.printed(found[1] + _POWERS[found[2]]) if found else None


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
    for name, subject, texts in rows:
        cells = [filler.cell(about["table"], c, subject, t) for c, t in zip(columns, texts)]
        if any(cell.printed or cell.here for cell in cells):  # a floor may not be measured
            table.rows.append((name, cells))
    floors = [cells for _, cells in table.rows if not any(cell.printed for cell in cells)]
    for i in range(len(columns)):
        if not any(cells[i].here for _, cells in table.rows if cells not in floors):
            for cells in floors:  # of nothing that stands above it
                cells[i] = Cell("")
    table.rows[:] = [row for row in table.rows if any(c.printed or c.here for c in row[1])]
    return table


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

    def cell(self, table: str, column: Column, subject: str, text: str) -> Cell:
        quantity = column.quantity.replace("*", subject)
        if not column.quantity or not subject:
            return Cell(text)
        entry = self.measurements.paper.find(quantity, column.card)
        quoted = entry is not None and entry.source == "quoted"
        here = self._measured(quantity, column.card, entry)
        mark, behind = self._mark(table, quantity, column.card, text, quoted, here)
        return Cell(text, quoted, mark, behind, here)

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

    def _measured(self, quantity: str, card: str, entry: Printed | None) -> Measured | None:
        """The best that was measured of a quantity: by evidence, enough seeds, and size."""
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
        rank = lambda m: (m.evidence, m.n >= FEWEST, SIZES.index(m.size))
        return max(found, key=rank, default=None)

    def _gain(self, name: str, card: str, data: str, size: str) -> str:
        """The gain of a network by its headline number; '' for slices, counts and floors."""
        floor, (_, subject, piece) = self.measurements.paper.floors.get(card), split(name)
        if floor is None or piece:
            return ""

        def find(quantity: str, by: str) -> dict[str, float]:
            _, seeds = self.measurements.find(quantity, by, data, size)
            return {str(trial): value for trial, (value, _) in seeds.items()}

        learnt = learning(floor, [subject], find)
        return f"{100 * learnt.means[subject]:.0f} %" if learnt.is_known else ""


def _html(table: PaperTable, link: Link | None) -> Iterator[str]:
    """The lines of a table: beside a printed column one of what was measured, if anything was."""
    kinds = [_kind(table, i) for i in range(len(table.columns))]
    yield '<table class="paper"><thead>'
    two = set(kinds) != {"printed"}  # rows of heads
    first = f'<th rowspan="{2 if two else 1}">{escape(table.corner)}</th>'
    upper, lower = [first], []
    for i, (column, kind) in enumerate(zip(table.columns, kinds)):
        span = ' colspan="2"' if kind == "both" else ""
        upper.append(f"<th{span}>{escape(column.heading)}</th>")
        lower += ["<th>printed</th>"] if kind != "here" else []
        lower += [f'<th class="here">{_label(table, i)}</th>'] if kind != "printed" else []
    yield f"<tr>{''.join(upper)}</tr>"
    if two:
        yield f"<tr>{''.join(lower)}</tr>"
    yield "</thead><tbody>"
    for name, cells in table.rows:
        held = [cell for cell in cells if cell.printed not in LOST]
        kind = "own" if not held and not any(c.printed for c in cells) else ""
        kind = "quoted" if held and all(c.quoted for c in held) else kind
        line = [f"<th{_class(kind)}>{_told(escape(name), kind)}</th>"]
        for i, (cell, sort) in enumerate(zip(cells, kinds)):
            line += [_printed(cell, link)] if sort != "here" else []
            line += [_here(table, i, cell.here)] if sort != "printed" else []
        yield f"<tr>{''.join(line)}</tr>"
    yield "</tbody></table>"


def _kind(table: PaperTable, i: int) -> str:
    """Whether a column is "printed", measured "here", or "both" side by side."""
    cells = [cells[i] for _, cells in table.rows]
    if not any(cell.here for cell in cells):
        return "printed"
    return "both" if any(cell.printed for cell in cells) else "here"


def _printed(cell: Cell, link: Link | None) -> str:
    """The printed text with its mark, which leads to what is behind it."""
    text, mark = escape(cell.printed), escape(cell.mark)
    if mark and cell.behind:
        to = f'a href="{link(cell.behind)}"' if link else f'span title="{cell.behind}"'
        mark = f"<{to}>{mark}</{to.split()[0]}>"
    shown = f"{text} <b>{mark}</b>" if mark else text
    kind = "quoted" if cell.quoted else "lost" if cell.printed == "lost" else ""
    return f"<td{_class(kind)}>{_told(shown, kind)}</td>"


def _here(table: PaperTable, i: int, here: Measured | None) -> str:
    """What was measured, with evidence and seeds where the head of its column does not say them."""
    if not here:
        return '<td class="here"></td>'
    told = [here.basis if not _basis(table, i) else "", here.gain and f"gain {here.gain}"]
    more = f" <small>{', '.join(filter(None, told))}</small>" if any(told) else ""
    return f'<td class="here">{here.text}{more}</td>'


def _told(text: str, kind: str) -> str:
    """Where a page has no colours, what is not the paper's own stands in italics."""
    return f"<i>{text}</i>" if kind else text


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _basis(table: PaperTable, i: int) -> str:
    """Evidence and seeds of all measured cells of a column; '' where they differ.

    A floor that is the same for every seed is computed once, and does not count as different.
    """
    cells = [cells[i].here for _, cells in table.rows if cells[i].here]
    several = [cell for cell in cells if cell.n > 1] or cells
    found = {cell.basis for cell in several}
    return found.pop() if len(found) == 1 else ""


def _label(table: PaperTable, i: int) -> str:
    """What stands above measured cells: what they are, in which unit, and how sure."""
    cells = [cells[i].here for _, cells in table.rows if cells[i].here]
    where = " and ".join(sorted({c.data for c in cells} - {""})) or "counted"
    units = dict.fromkeys(c.unit for c in cells if c.unit and c.data)
    what = table.columns[i].here or ", ".join([where, *units])
    return "<br>".join(filter(None, (escape(what), _basis(table, i))))

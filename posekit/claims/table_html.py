"""One table of a paper as HTML and as text: printed cells, marks, and what was measured beside them."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import chain

from posekit.claims.learning import percent
from posekit.claims.numbers import cut

MARKS = {
    "=": "equal as printed",
    "~": "within the margin, on the paper's own data",
    "x": "not equal, or outside the margin",
    "-": "nothing measured that could decide it",
    "!": "the paper contradicts itself, its code or its sources here",
}
LOST = ("", "-", "–", "lost", "pending", "..")  # cells that hold no number

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
    gain: float | None = None

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
        text = "; ".join(f"{data}, size {size}" for data, size in sets)
        return f"{text}: rows of different sizes are not comparable" if self.is_mixed else text

    @property
    def is_mixed(self) -> bool:
        """Whether its measured cells are of several sizes."""
        return len(_sizes(chain(*(cells for _, cells in self.rows)))) > 1

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


def _html(table: PaperTable, link: Link | None) -> Iterator[str]:
    """The lines of a table: beside a printed column one of what was measured, if anything was.

    Where what was measured is of several sizes, a row says its own, or if it has several each cell.
    """
    kinds = [_kind(table, i) for i in range(len(table.columns))]
    yield '<table class="paper"><thead>'
    two = set(kinds) != {"printed"}  # rows of heads
    first = f'<th rowspan="{2 if two else 1}">{escape(table.corner)}</th>'
    upper, lower = [first], []
    for i, (column, kind) in enumerate(zip(table.columns, kinds)):
        span = ' colspan="2"' if kind == "both" else ""
        heading = column.heading or "not in the paper" * (kind == "here")
        upper.append(f"<th{span}>{escape(heading)}</th>")
        lower += ["<th>printed</th>"] if kind != "here" else []
        lower += [f'<th class="here">{_label(table, i)}</th>'] if kind != "printed" else []
    yield f"<tr>{''.join(upper)}</tr>"
    if two:
        yield f"<tr>{''.join(lower)}</tr>"
    yield "</thead><tbody>"
    mixed = table.is_mixed
    for name, cells in table.rows:
        held = [cell for cell in cells if cell.printed not in LOST]
        kind = "own" if not held and not any(c.printed for c in cells) else ""
        kind = "quoted" if held and all(c.quoted for c in held) else kind
        sizes = _sizes(cells) if mixed else set()
        of = f" <small>size {min(sizes)}</small>" if len(sizes) == 1 else ""
        line = [f"<th{_class(kind)}>{_told(escape(name), kind)}{of}</th>"]
        for i, (cell, sort) in enumerate(zip(cells, kinds)):
            line += [_printed(cell, link)] if sort != "here" else []
            line += [_here(table, i, cell.here, sized=len(sizes) > 1)] if sort != "printed" else []
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
    text, mark = escape(cut(cell.printed)), escape(cell.mark)
    if mark and cell.behind:
        to = f'a href="{link(cell.behind)}"' if link else f'span title="{cell.behind}"'
        mark = f"<{to}>{mark}</{to.split()[0]}>"
    shown = f"{text} <b>{mark}</b>" if mark else text
    kind = "quoted" if cell.quoted else "lost" if cell.printed == "lost" else ""
    return f"<td{_class(kind)}>{_told(shown, kind)}</td>"


def _sizes(cells: Iterable[Cell]) -> set[str]:
    """The sizes of the trainings behind what was measured for some cells."""
    return {cell.here.size for cell in cells if cell.here and cell.here.data}


def _here(table: PaperTable, i: int, here: Measured | None, *, sized: bool) -> str:
    """What was measured, with evidence and seeds where the head of its column does not say them.

    If `sized`, with its size.
    """
    if not here:
        return '<td class="here"></td>'
    told = [
        here.basis if not _basis(table, i) else "",
        "" if here.gain is None else f"gain {percent(here.gain)} %",
    ]
    told.append(f"size {here.size}" if sized and here.data else "")
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

"""Tables and numbers as text, in Markdown."""

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

TINY = 1e-6  # below this numbers are written with a power of ten
WIDEST = 10  # columns that a code host shows without a scroll bar


@dataclass(frozen=True)
class Link:
    """Text that leads somewhere; `target` is relative to the results folder."""

    text: str
    target: str


Cell = str | Link | tuple[Link, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head; columns whose head starts with '>' hold numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self):
        if len(self.head) > WIDEST:
            raise ValueError(f"{len(self.head)} columns: more than {WIDEST} can't be read")
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"a row of {len(row)} cells under {len(self.head)} heads: {row}")

    def markdown(self) -> str:
        """A pipe table, numbers on the right."""
        lines = [_piped(escape(name.removeprefix(">")) for name in self.head)]
        lines.append(_piped("--:" if name.startswith(">") else "---" for name in self.head))
        lines += [_piped(_markdown(cell) for cell in row) for row in self.rows]
        return "\n".join(lines) + "\n"


def number(value: float, like: float | None = None) -> str:
    """A number as people write it, with as many decimals as a number of the size of `like`.

    Below 1 these are three digits of `like` that count, 0.0364 or 0.00114, three decimals at least.
    """
    if math.isnan(value):
        return ""
    size = abs(value if like is None else like)
    if size >= 1000 or (like is None and value == round(value)):
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.1f}" if size >= 100 else f"{value:.2f}"
    if like is None:
        if not TINY <= size < 1e-4:
            return f"{value:.3g}"
        return f"{value:.{leading(size) + 2}f}".rstrip("0")
    return f"{value:.{max(3, leading(size) + 2)}f}"


def number_within(value: float, half: float, largest: float) -> str:
    """The same for one of several numbers, the `largest` in size, known to give or take `half`.

    Below 1 they get a fourth digit where `half` is small enough to need it: 0.001190 with 0.000012.
    """
    if largest >= 1 or not half:
        return number(value, largest)
    three = leading(largest) + 2
    return f"{value:.{min(max(three, leading(half) + 1), three + 1)}f}"


def leading(value: float) -> int:
    """The decimal of a number's first digit that isn't 0: 1 of 0.3, 3 of 0.001; 0 for 0."""
    return -math.floor(math.log10(abs(value))) if value else 0


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\|*_`\[\]~])", r"\\\1", text)


def _piped(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def _links(cell: Cell) -> Sequence[Link]:
    return (cell,) if isinstance(cell, Link) else cell


def _markdown(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    return " ".join(f"[{escape(link.text)}]({link.target})" for link in _links(cell))

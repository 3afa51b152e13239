"""Tables and numbers as text, in Markdown."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

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

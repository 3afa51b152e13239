"""Markdown tables and text."""

import html
import re

import pandas as pd

WIDEST = 10  # columns that a code host shows without a scroll bar


class Markdown(str):
    """Text that is Markdown already, such as a link, and is not escaped again."""


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    if isinstance(text, Markdown):
        return text
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\|*_`\[\]~])", r"\\\1", text)


def counted(count: int, noun: str) -> str:
    """1 run, 2 runs."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def link(text: str, target: str) -> Markdown:
    """A link; `target` is relative to the results folder."""
    return Markdown(f"[{escape(text)}]({target})")


def table(frame: pd.DataFrame) -> str:
    """A pipe table of text cells; columns whose name starts with '>' hold numbers, on the right.

    Raises ValueError for more columns than can be read.
    """
    if len(frame.columns) > WIDEST:
        raise ValueError(f"{len(frame.columns)} columns: more than {WIDEST} can't be read")
    head = [escape(name.removeprefix(">")) for name in frame]
    rule = ["--:" if name.startswith(">") else "---" for name in frame]
    rows = [map(escape, row) for row in frame.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def folded(title: str, text: str) -> str:
    """Text that is shown once its title is clicked on."""
    return f"<details><summary>{title}</summary>\n\n{text}\n</details>"

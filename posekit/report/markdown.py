"""Markdown tables and text, and one HTML page of Markdown pages."""

import html
import re
from collections.abc import Mapping

import pandas as pd
from nbconvert.filters import markdown2html

WIDEST = 10  # columns that a code host shows without a scroll bar
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; }
nav { position: sticky; top: 0; background: #fff; padding: 0.5rem 0; border-bottom: 1px solid #ddd; }
section { overflow-x: auto; border-top: 3px solid #ddd; }
table { border-collapse: collapse; font-size: 14px; margin: 1rem 0; }
th, td { border: 1px solid #ddd; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top;
  font-variant-numeric: tabular-nums; }
th { background: #f4f4f4; }
img { max-width: min(100%, 48rem); border: 1px solid #eee; }
"""


class Markdown(str):
    """Text that is Markdown already, such as a link, and is not escaped again."""


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in a table too."""
    if isinstance(text, Markdown):
        return text
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\|*_`\[\]~])", r"\\\1", text)


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


def index_page(texts: Mapping[str, str]) -> str:
    """One HTML page of Markdown pages, file name -> text; README.md comes first.

    Links between the pages lead to its sections, all others to files beside it.
    """
    names = sorted(texts, key=lambda name: (name != "README.md", name))
    pages = [name.removesuffix(".md") for name in names]
    menu = " · ".join(f'<a href="#{page}">{page}</a>' for page in pages)
    body = "\n".join(_section(name, texts) for name in names)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>posekit results</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head>
<body>
<nav>{menu}</nav>
{body}
</body></html>
"""


def _section(name: str, texts: Mapping[str, str]) -> str:
    """A page as a section whose headings are named `page-heading`, so that none is there twice."""
    page = name.removesuffix(".md")

    def local(match: re.Match) -> str:
        file, _, part = match[1].partition("#")
        if file and file not in texts:
            return match[0]
        return f'href="#{"-".join(filter(None, (file.removesuffix(".md") or page, part)))}"'

    html = re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(texts[name]))
    html = re.sub(r'(?<=<h\d )id="([^"]*)"', lambda m: f'id="{page}-{m[1].lower()}"', html)
    html = re.sub(r'href="([^"]*)"', local, html)
    return f'<section id="{page}">\n{html}</section>'

"""results/index.html: all Markdown pages of results/ in one page that needs no network."""

import re
from collections.abc import Mapping

from nbconvert.filters import markdown2html

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

    def heading(match: re.Match) -> str:
        return f'id="{page}-{match[1].lower()}"'

    def link(match: re.Match) -> str:
        file, _, part = match[1].partition("#")
        if file and file not in texts:
            return match[0]
        return f'href="#{"-".join(filter(None, (file.removesuffix(".md") or page, part)))}"'

    html = re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(texts[name]))
    html = re.sub(r'(?<=<h\d )id="([^"]*)"', heading, html)
    html = re.sub(r'href="([^"]*)"', link, html)
    return f'<section id="{page}">\n{html}</section>'

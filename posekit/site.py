"""results/index.html: the verdicts, figures and notebooks in one page that needs no network."""

import html
from collections.abc import Iterator

from posekit.story import STUDIO, Page, caption, claims_table, summary

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; }
table { border-collapse: collapse; font-size: 14px; margin: 1rem 0; }
th, td { border: 1px solid #ddd; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
th { background: #f4f4f4; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; max-width: 36rem; }
img { max-width: 100%; border: 1px solid #eee; }
details { overflow-x: auto; }
"""


def index_page(pages: list[Page]) -> str:
    """The page for browsers; every link stays inside results."""
    body = "\n".join(line for page in pages for line in _section(page))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>posekit results</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head>
<body>
<h1>posekit results</h1>
<p>{html.escape(STUDIO)}</p>
<p><a href="ledger.csv">every claim with its verdict (ledger.csv)</a> ·
<a href="README.md">what the words mean (README.md)</a> ·
<a href="studio.md">what the studio is (studio.md)</a></p>
{body}
</body></html>
"""


def _section(page: Page) -> Iterator[str]:
    yield f'<h2 id="{page.slug}">{html.escape(page.title)}</h2>'
    yield f"<p>{html.escape(page.authors)}</p>" if page.authors else ""
    yield f"<p>{html.escape(summary(page))}</p>"
    links = [(f"{page.slug}.md", "the whole story and all tables")]
    if page.notebook:
        links.append((page.notebook, "the notebook as it ran"))
    yield "<p>" + " · ".join(f'<a href="{target}">{name}</a>' for target, name in links) + "</p>"
    if page.figures:
        yield '<div class="figures">'
        for picture, target in page.figures:
            name = html.escape(caption(picture, page.slug))
            image = f'<img src="{picture}" alt="{name}" loading="lazy">'
            yield f'<figure><a href="{target}">{image}</a><figcaption>{name}</figcaption></figure>'
        yield "</div>"
    yield f"<details><summary>its claims</summary>\n{claims_table(page).html()}</details>"

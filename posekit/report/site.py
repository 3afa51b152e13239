"""index.html: the pages of results/ as one site that works from a disk, offline, and on phones.

One page is shown at a time; without scripts all are, one under the other.
"""

import re
from collections.abc import Mapping
from html import escape

from nbconvert.filters import markdown2html

from posekit.report.page import Page
from posekit.report.sentences import measured_cell, printed_cell

FIRST = "README.md"
TITLES = {
    FIRST: "Overview",
    "errata.md": "Errata",
    "protocols.md": "Protocols",
    "parity.md": "Parity",
    "costs.md": "Costs",
    "studio.md": "The studio",
}
STYLE = """
:root { --line: #d8dee4; --soft: #f6f8fa; --here: #eaf4ff; --ink: #1f2328; --link: #0550ae; }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0; color: var(--ink); background: #fff; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
main { margin-left: 15rem; padding: 0 2rem 4rem; max-width: 84rem; }
nav { position: fixed; inset: 0 auto 0 0; width: 15rem; overflow-y: auto; padding: 1rem;
  background: var(--soft); border-right: 1px solid var(--line); font-size: 14px; }
nav > details > summary { font-weight: 600; font-size: 16px; cursor: pointer; }
nav ul { list-style: none; padding-left: 0; margin: 0.5rem 0; }
nav ul ul { padding-left: 0.9rem; margin: 0; display: none; }
nav li { padding: 0.15rem 0; }
nav li.open > ul { display: block; }
nav li.open > a { font-weight: 600; }
section.page { padding-top: 0.5rem; }
.routed section.page { display: none; }
.routed section.page.open { display: block; }
h1 { line-height: 1.25; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p, li { max-width: 50rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; border: 1px solid var(--line); max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; font-size: 14px; min-width: 100%; }
th, td { border-bottom: 1px solid var(--line); border-right: 1px solid var(--line);
  padding: 0.3rem 0.55rem; text-align: left; vertical-align: top; background: #fff;
  font-variant-numeric: tabular-nums; }
thead th { background: var(--soft); vertical-align: bottom; }
th:first-child, td:first-child { position: sticky; left: 0; z-index: 1; }
thead tr + tr th:first-child { position: static; }
table.paper td, table.paper th { white-space: nowrap; }
table.paper .here { background: var(--here); }
table.paper .quoted, table.paper .own, table.paper .lost { color: #6e7781; }
table.paper small { color: #57606a; }
td[align=right], th[align=right], td[style*=right], th[style*=right] { text-align: right; }
details { margin: 1rem 0; } summary { cursor: pointer; color: var(--link); }
img { max-width: 100%; height: auto; border: 1px solid var(--line); }
pre { background: var(--soft); padding: 0.8rem; overflow-x: auto; }
code { background: var(--soft); padding: 0 0.2em; }
:target { scroll-margin-top: 4rem; outline: 2px solid #bf8700; outline-offset: 3px; }
section:target, h1:target, h2:target, h3:target { outline: none; }
form { display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 1rem 0; align-items: center; }
form input, form select { font: inherit; padding: 0.3rem 0.5rem; max-width: 100%; }
form input { flex: 1 1 14rem; }
@media (max-width: 52rem) {
  nav { position: static; width: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  main { margin-left: 0; padding: 0 0.9rem 3rem; }
  td { min-width: 5.5rem; }
  th:first-child, td:first-child { min-width: 0; max-width: 9.5rem; }
  table.paper td { min-width: 0; }
  table.paper th:first-child { white-space: normal; }
}
"""
SCRIPT = """
const pages = [...document.querySelectorAll('section.page')];
const menu = document.querySelector('nav > details');
const narrow = matchMedia('(max-width: 52rem)');
document.body.classList.add('routed');
function show() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const page = (target && target.closest('section.page')) || pages[0];
  pages.forEach(each => each.classList.toggle('open', each === page));
  document.querySelectorAll('nav li[data-page]').forEach(
    item => item.classList.toggle('open', item.dataset.page === page.id));
  for (let e = target; e; e = e.parentElement) if (e.tagName === 'DETAILS') e.open = true;
  menu.open = !narrow.matches;
  if (target && target !== page) target.scrollIntoView(); else scrollTo(0, 0);
}
addEventListener('hashchange', show);
show();
const form = document.querySelector('form.filter');
function filter() {
  const words = form.words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const wanted = ['paper', 'kind', 'verdict'].filter(name => form[name].value);
  let count = 0;
  for (const row of document.querySelectorAll('#claims tbody tr')) {
    const text = row.textContent.toLowerCase();
    const shown = words.every(word => text.includes(word)) &&
      wanted.every(name => row.dataset[name] === form[name].value);
    row.hidden = !shown;
    count += shown;
  }
  form.querySelector('output').textContent = count + ' claims';
}
if (form) { form.addEventListener('input', filter); filter(); }
"""


def site(texts: Mapping[str, str], pages: list[Page]) -> str:
    """One HTML page of Markdown pages, file name -> text, with contents and a filter over claims.

    Links between the pages lead to its sections, all others to files beside it.
    """
    papers = [f"{page.slug}.md" for page in pages]
    names = [name for name in (FIRST, *papers, *TITLES) if name in texts]
    names = list(dict.fromkeys([*names, *sorted(texts)]))
    marks = set(re.findall(r'<a id="([^"]+)">', "".join(texts.values())))
    sections = {name: _section(name, texts, marks) for name in names}
    menu = "".join(_menu(name, section) for name, section in sections.items())
    body = "\n".join(sections.values())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>posekit results</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head>
<body>
<nav><details open><summary>posekit results</summary>
<ul>{menu}<li data-page="claims"><a href="#claims">All claims</a></li></ul></details></nav>
<main>
{body}
{_claims(pages)}
</main>
<script>{SCRIPT}</script>
</body></html>
"""


def _section(name: str, texts: Mapping[str, str], marks: set[str]) -> str:
    """A page as a section whose headings are named `page-heading`, so that none is there twice."""
    page = name.removesuffix(".md")

    def local(match: re.Match) -> str:
        file, _, part = match[1].partition("#")
        if file and file not in texts:
            return match[0]
        if part in marks:
            return f'href="#{part}"'
        return f'href="#{"-".join(filter(None, (file.removesuffix(".md") or page, part)))}"'

    html = re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(texts[name]))
    html = re.sub(r'(?<=<h\d )id="([^"]*)"', lambda m: f'id="{page}-{m[1].lower()}"', html)
    html = re.sub(r'href="([^"]*)"', local, html)
    html = re.sub(r"<table", '<div class="scroll"><table', html)
    html = html.replace("</table>", "</table></div>").replace("<img ", '<img loading="lazy" ')
    return f'<section class="page" id="{page}">\n{html}</section>'


def _menu(name: str, section: str) -> str:
    """An entry of the contents: a page and its second headings."""
    page = name.removesuffix(".md")
    heads = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', section)
    inner = "".join(f'<li><a href="#{at}">{text}</a></li>' for at, text in heads)
    title = TITLES.get(name, page)
    return f'<li data-page="{page}"><a href="#{page}">{title}</a><ul>{inner}</ul></li>'


def _claims(pages: list[Page]) -> str:
    """All own claims with a filter over words, paper, kind and verdict."""
    claims = [judged for page in pages for judged in page.own]
    chosen = {
        "paper": dict.fromkeys(judged.claim.paper for judged in claims),
        "kind": dict.fromkeys(judged.claim.kind for judged in claims),
        "verdict": dict.fromkeys(judged.verdict for judged in claims),
    }
    selects = "".join(
        f'<select name="{name}" aria-label="{name}"><option value="">any {name}</option>'
        + "".join(f"<option>{escape(value)}</option>" for value in values)
        + "</select>"
        for name, values in chosen.items()
    )
    rows = []
    for judged in claims:
        claim, word = judged.claim, judged.verdict
        cells = (claim.statement, claim.where, printed_cell(judged), measured_cell(judged))
        cells = (*cells, ", ".join(judged.evidence), word)
        rows.append(
            f'<tr data-paper="{claim.paper}" data-kind="{claim.kind}" data-verdict="{escape(word)}">'
            f'<td><a href="#{claim.id}">{claim.id}</a></td>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    heads = ("Id", "Claim", "Where", "Printed", "Measured", "Evidence", "Verdict")
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "\n".join(rows)
    return f"""<section class="page" id="claims">
<h1>All claims</h1>
<p>Every statement that the papers make of their own work. Type words, or choose; an id leads to the
paper's page.</p>
<form class="filter" onsubmit="return false"><input name="words" placeholder="words"
aria-label="words">{selects}<output></output></form>
<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div>
</section>"""

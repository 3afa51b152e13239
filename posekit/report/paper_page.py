"""One paper's page of results/: first a summary of what holds, then every row and table.

Markdown for code hosts. Everything is derived from the judged claims, the audit and the records.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from posekit.claims.audit import findings, load_errata
from posekit.claims.contrasts import load_contrasts
from posekit.claims.finding import CONFIRMED, HOLDS
from posekit.claims.ledger import Judged, judge_claims
from posekit.claims.measurements import Record
from posekit.claims.paper import Claim, load_paper, read_table, split
from posekit.claims.paper_tables import MARKS, paper_tables
from posekit.claims.selection import load_questions
from posekit.claims.statistics import FEWEST
from posekit.claims.verdict import WORDS
from posekit.report.comparisons import choice_section, contrast_section
from posekit.report.deployment_table import way_tables
from posekit.report.glossary import STUDIO
from posekit.report.markdown import escape, link, table
from posekit.report.measured_tables import (
    cost_table,
    count_table,
    error_tables,
    is_generated,
    run_links,
    settings,
)
from posekit.report.sentences import bullet, measured_cell, printed_cell

ABOUT = ("title", "authors", "place", "note")
FAILS = ("inconsistent", "contradicted")
OPEN = ("inconclusive",)
NAMED = 12  # claims that were not tested, listed one by one
LINKED = 3  # run records that a row of the claims table links to


class Figure(NamedTuple):
    """A picture, the page it leads to, its title and caption; paths are relative to results."""

    picture: str
    target: str
    title: str
    caption: str


class Page:
    """What a page needs of its paper: claims judged by records, figures, and the notebook."""

    def __init__(self, slug: str, records: list[Record], results: Path, papers: Path):
        folder = papers / slug
        self.slug = slug
        self.paper = load_paper(slug, papers)
        self.claims = judge_claims(self.paper, records)
        self.own = [claim for claim in self.claims if claim.verdict != "quoted"]
        self.records = [record for record in records if record.paper == slug]
        self.contrasts = load_contrasts(slug, papers)
        self.questions = load_questions(slug, papers)
        self.errata = load_errata(slug, papers)
        self.tables = paper_tables(self.paper, self.claims, records, self.errata, papers)
        about = read_table(folder / "about.csv", ABOUT, lambda r: (slug, r), optional=True)
        self.about = about.get(slug, {})
        self.title = self.about.get("title") or slug
        self.notebook = _first(results, f"executed/{slug}.html", f"executed/{slug}.ipynb")
        self.figures = _load_figures(results, slug, folder / "figures.csv")

    def with_verdict(self, *words: str) -> list[Judged]:
        """The claims that got one of these verdicts."""
        return [claim for claim in self.claims if claim.verdict in words]


def _load_figures(results: Path, slug: str, captions: Path) -> list[Figure]:
    """Pictures named after the paper, with the page to turn it on where there is one."""
    texts = read_table(captions, ("figure", "caption"), lambda r: tuple(r.values()), optional=True)
    figures = []
    for path in sorted((results / "figures").glob(f"{slug}-*.png")):
        picture, name = f"figures/{path.name}", path.stem.removeprefix(f"{slug}-")
        target = _first(results, picture.replace(".png", ".html"), picture)
        title = name.replace("-", " ").capitalize()
        figures.append(Figure(picture, target, title, texts.get(name, "")))
    return sorted(figures, key=lambda figure: not figure.target.endswith(".html"))


def _first(results: Path, *names: str) -> str:
    """The first of some files that is there, or ''."""
    return next((name for name in names if (results / name).is_file()), "")


def paper_page(page: Page) -> str:
    """The paper's page as Markdown."""
    links = [link("all papers", "README.md"), link("ledger.csv", "ledger.csv")]
    if page.notebook:
        links.insert(1, link("the notebook as it ran", page.notebook))
    by = ". ".join(filter(None, (page.about.get("authors"), page.about.get("place"))))
    head = [f"# {escape(page.title)}", escape(by), escape(page.about.get("note", ""))]
    parts = [*filter(None, head), " · ".join(links), summary(page), *_tables(page)]
    parts += [*_errata(page), *_readings(page)]
    parts += contrast_section(page.contrasts, page.records, page.paper)
    parts += [*choice_section(page.questions, page.records), *_in_short(page), *_evidence(page)]
    parts += [*_figures(page), *_claims(page), *_audit(page), *_measured(page), *_reasons(page)]
    return "\n\n".join(parts) + "\n"


def _tables(page: Page) -> Iterator[str]:
    """The paper's tables in its own shape, measured columns beside printed ones."""
    if page.tables:
        yield "## The paper's tables"
        marks = "; ".join(f"`{mark}` {meaning}" for mark, meaning in MARKS.items())
        yield (
            f"As printed, with a mark on each own number: {marks}. Rows in italics are quoted from "
            "other papers or, where nothing is printed, are not the paper's. What was measured here "
            "stands in columns of its own: mean ± half of the 95 % t interval, evidence, n seeds."
        )
    for own in page.tables:
        yield f"### {own.name}"
        basis = f" Measured on {own.basis}." if own.basis else ""
        yield escape(" ".join(filter(None, (f"{own.caption}.", own.note))) + basis)
        yield own.html()


def _errata(page: Page) -> Iterator[str]:
    """The mistakes found in the paper, gravest first."""
    if page.errata:
        yield "## Errata of the paper"
        rows = [(e.severity, e.where, e.title, e.finding) for e in page.errata]
        yield table(pd.DataFrame(rows, columns=["Severity", "Where", "What", "Finding"]))


def summary(page: Page) -> str:
    """Verdict counts in one sentence."""
    counts = Counter(claim.verdict for claim in page.claims)
    quoted = counts.pop("quoted", 0)
    words = ", ".join(f"{counts[word]} {word}" for word in reversed(WORDS) if counts[word])
    text = _of(len(page.claims), "claim")
    if quoted:
        are = "is of" if quoted == 1 else "are"
        text += f", of which {quoted} {are} other papers' numbers, quoted for comparison"
    return f"{text}. The paper's own {len(page.own)}: {words}.{_as_stated(page)}"


def _as_stated(page: Page) -> str:
    """That what is as specified says no more than how posekit was built, and of settings unused."""
    built = page.with_verdict("as specified")
    if not built:
        return ""
    are = "1 as specified is a specification check" if len(built) == 1 else ""
    text = f" The {are or f'{len(built)} as specified are specification checks'}: built here as the"
    text += " paper states it"
    settings = sum(any(part.is_setting for part in c.claim.parts) for c in built)
    if settings:
        text += f", {settings} of them by settings of its training, implemented as stated"
        used = any(record.size == "paper" for record in page.records)
        text += "" if used else ", which no recorded run used"
    return f"{text}."


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _readings(page: Page) -> Iterator[str]:
    """The stand-ins for the methods that the paper names, and other possible ones."""
    lines = []
    for subject, alias in page.paper.aliases.items():
        text = f"`{subject}`"
        if alias.measured != subject:
            text += f" of the paper is measured as `{alias.measured}`"
        if alias.other:
            text += f" (other readings: {', '.join(f'`{name}`' for name in alias.other)})"
        lines.append(f"- {text}: {escape(alias.why)}.")
    if lines:
        yield "## Readings"
        yield "\n".join(lines)


def _in_short(page: Page) -> Iterator[str]:
    titles = {"What holds": CONFIRMED, "What does not hold": FAILS, "What stays open": OPEN}
    for title, words in titles.items():
        yield f"## {title}"
        yield "\n".join(map(bullet, page.with_verdict(*words))) or "Nothing so far."
    if built := page.with_verdict("as specified"):
        title = f"Specification checks: {_of(len(built), 'claim')} built here as the paper states"
        yield _folded(title, "\n".join(map(bullet, built)) + "\n")
    reasons = defaultdict(list)
    for judged in page.own:
        if judged.verdict not in (*HOLDS, *FAILS, *OPEN, "repeated"):
            notes = [*(note.text for note in judged.notes), judged.claim.note]
            first = next(filter(None, notes), "").split("; ")[0]
            named = first.startswith(judged.verdict)
            reasons[first if named else judged.verdict].append(judged.claim)
    if reasons:
        yield "## What was not tested"
        lines = (line for reason, claims in reasons.items() for line in _untested(reason, claims))
        yield "\n".join(lines)


def _untested(reason: str, claims: list[Claim]) -> Iterator[str]:
    """Claims with one reason for not being tested: orders in words, numbers by id."""
    orders = [claim for claim in claims if claim.kind == "ordering"]
    others = [f"`{claim.id}`" for claim in claims if claim.kind != "ordering"]
    named = f" ({', '.join(others)})" if others and len(others) <= NAMED else ""
    yield f"- {escape(reason)}: {_of(len(claims), 'claim')}{named}"
    yield from (f"  - {escape(claim.statement)} (`{claim.id}`)" for claim in orders)


def _evidence(page: Page) -> Iterator[str]:
    """Verdicts by level of evidence, and the seeds that those from training rest on."""
    yield "## How sure"
    counts = Counter((level, c.verdict) for c in page.own for level in c.evidence)
    if not counts:
        yield "Nothing has been measured or computed for this paper yet."
        return
    levels = sorted({level for level, _ in counts})
    words = [word for word in reversed(WORDS) if any(counts[level, word] for level in levels)]
    columns = {f">{word}": [str(counts[lv, word] or "") for lv in levels] for word in words}
    yield table(pd.DataFrame({"Evidence": levels} | columns))
    trained = [c for c in page.own if any(part.card for part in c.claim.parts)]
    trained = [c for c in trained if any(part.data for part in c.parts)]
    seeds = [int(part.n) for claim in trained for part in claim.parts if part.n]
    if seeds:
        few, many = min(seeds), max(seeds)
        text = (
            f"Verdicts from training rest on {few if few == many else f'{few} to {many}'} seeds "
            f"each; fewer than {FEWEST} never decide. Intervals are of 95 %."
        )
        if page.paper.aliases:
            text += (
                " They hold for the reading named first under Readings; a line above says so where "
                "another gives another verdict."
            )
        yield text
    if any(is_generated(data) for r in page.records for (_, _, data) in r.values):
        yield STUDIO


def _figures(page: Page) -> Iterator[str]:
    if page.figures:
        yield "## Figures"
    for figure in page.figures:
        yield f"[![{figure.title}]({figure.picture})]({figure.target})"
        turn = " To turn and play it, open the file it links to, from a copy on disk, in a browser."
        caption = escape(figure.caption or f"{figure.title}.")
        yield f"*{caption}{turn if figure.target.endswith('.html') else ''}*"


def _claims(page: Page) -> Iterator[str]:
    yield "## Claims"
    yield (
        "Printed and measured are the value itself where a claim says equal or bounds a count, and "
        "the difference between the two sides where it says lower or higher; in brackets the 95 % "
        f"interval over n seeds, or repeats of a timing. {_units(page)}[The overview](README.md) "
        "explains the words and the evidence levels; `posekit why ID` prints all that is behind a "
        "row."
    )
    head = ["Id", "Claim", "Where", ">Printed", ">Measured", "Evidence", "Verdict", "Runs"]
    rows = [_claim_row(page, judged) for judged in page.own]
    yield table(pd.DataFrame(rows, columns=head, dtype=object))
    quoted = page.with_verdict("quoted")
    if quoted:
        rows = [(c.claim.id, c.claim.statement, c.claim.where, printed_cell(c)) for c in quoted]
        numbers = table(pd.DataFrame(rows, columns=["Id", "Number", "Where", ">Printed"]))
        count = _of(sum(len(c.claim.parts) for c in quoted), "number")
        yield _folded(f"{count} quoted from other papers", numbers + "\n")


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n</details>"


def _units(page: Page) -> str:
    """The units of the numbers of the own claims, counts aside."""
    units = {split(e.quantity)[0]: e.unit for e in page.paper.printed.values() if e.unit}
    named: dict[str, str] = {}
    for claim in (judged.claim for judged in page.own if judged.claim.kind != "structure"):
        metrics = {split(name)[0] for part in claim.parts for name in part.names}
        named |= {metric: unit for metric, unit in units.items() if metric in metrics}
    texts = [
        f"{metric.replace('_', ' ').removesuffix(f' {unit}')} in {unit}"
        for metric, unit in named.items()
    ]
    texts += ["yes is 1"] if "yes=1" in units.values() else []
    return f"Units: {', '.join(texts)}. " if texts else ""


def _claim_row(page: Page, judged: Judged) -> tuple[str, ...]:
    claim = judged.claim
    cells = (claim.id, claim.statement, claim.where, printed_cell(judged), measured_cell(judged))
    links = run_links(judged.records, most=LINKED, rest=f"{page.slug}.md#runs-and-cost")
    return (*cells, "; ".join(judged.evidence), judged.verdict, links)


def _audit(page: Page) -> Iterator[str]:
    yield "## What the audit found"
    faults = findings(page.paper)
    if faults.empty:
        yield "The paper's printed numbers agree with each other wherever they can be compared."
        return
    yield (
        "The paper's own numbers, held against each other; a printed number stands for all that "
        "round to it. Faults in quoted rows are faults of this paper's table, not of theirs."
    )
    yield table(faults.set_axis(["What", "Which", "Card", "Finding"], axis=1))


def _measured(page: Page) -> Iterator[str]:
    cards = dict.fromkeys(part.card for c in page.own for part in c.claim.parts if part.card)
    tables = list(error_tables(page.records, list(cards)))
    if tables:
        yield "## What was measured"
        for size, common in settings(page.records):
            yield f"Every training of size `{size}`: {escape(common)}. The notebook has the rest."
    if tables and page.paper.aliases:
        yield "How the models differ, but for their names, stands under [Readings](#readings)."
    last = ""
    for title, caption, frame in tables:
        if title != last:
            yield f"### {title}"
            yield caption
        last = title
        yield table(frame)
    counts = count_table(page.records)
    if counts is not None:
        yield "## Counts and times"
        yield (
            "Of the networks at full width, but for columns called own: these are of the networks "
            "as they were trained here. Times: mean ± half of the 95 % t interval over repeats; "
            "their device and threads are in the records."
        )
        yield table(counts)
    for title, text, frame in way_tables(page.records, page.paper):
        yield f"### {title}"
        yield f"{text} Rows called printed are the paper's, of its own machines."
        yield table(frame)
    if page.records:
        yield "## Runs and cost"
        yield "Means over the runs of a job; each run is a file with its config and versions."
        yield table(cost_table(page.records))


def _reasons(page: Page) -> Iterator[str]:
    """Every own claim's note, readings and audit, folded."""
    lines = []
    for judged in page.own:
        row = judged.row
        texts = [row["note"], row["readings"], f"audit: {row['audit']}" if row["audit"] else ""]
        if any(texts):
            text = escape(". ".join(filter(None, texts)))
            lines.append(f"- `{row['id']}` **{row['verdict']}**: {text}")
    if lines:
        yield "## Why each verdict"
        yield _folded("Claim by claim", "\n".join(lines) + "\n")

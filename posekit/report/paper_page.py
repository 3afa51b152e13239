"""One paper's page of results/: first what holds, what doesn't and how sure that is, then the rows.

Markdown for code hosts. Everything is derived from the ledger, the audit and the run records.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from posekit.claims.contrasts import Contrast, differences, measured
from posekit.claims.measurements import Record
from posekit.claims.numbers import number
from posekit.claims.paper import Claim, Paper
from posekit.claims.selection import Question, choose, counted
from posekit.claims.statistics import FEWEST
from posekit.claims.verdict import HOLDS, STATED, WORDS
from posekit.report.deployment_table import way_tables
from posekit.report.markdown import Cell, Link, Table, escape
from posekit.report.measured_tables import (
    cost_table,
    count_table,
    error_tables,
    is_generated,
    run_links,
    settings,
)
from posekit.report.sentences import bullet, measured_cell, printed_cell

FAILS = ("inconsistent", "contradicted")
OPEN = ("inconclusive",)
_BUILT = ("structure", "reproduced")
NAMED = 12  # claims that were not tested, told one by one
LINKED = 3  # run records that a row of the claims table links to
STUDIO = (
    "Studio numbers are numbers on generated data, not on a paper's, and must not be put beside "
    "printed ones: who reaches 30 mm, or 90 %, here has not reached it there. They compare models "
    "with each other: they can support or contradict an order that a paper claims, and no printed "
    "value is judged by them. Their intervals cover the random start of training alone, on the "
    "studio's test people: one or two actors, as a paper splits Human3.6M, or strangers in poses of "
    "theirs; other people could give another order."
)


@dataclass(frozen=True)
class Figure:
    """A picture, the page it leads to, and what is said of it."""

    picture: str
    target: str
    title: str
    caption: str


@dataclass(frozen=True)
class Page:
    """All that is told of one paper; paths are relative to results, "" where there is none."""

    paper: Paper
    about: dict[str, str]  # title, authors, place, note
    claims: pd.DataFrame  # its rows of the ledger
    faults: pd.DataFrame  # what the audit found
    contrasts: list[Contrast]
    questions: list[Question]
    records: list[Record]
    figures: tuple[Figure, ...]
    notebook: str

    @property
    def slug(self) -> str:
        return self.paper.slug

    @property
    def title(self) -> str:
        return self.about.get("title") or self.slug

    def claim(self, row: dict[str, str]) -> Claim:
        """The claim that a row of the ledger is about."""
        return next(claim for claim in self.paper.claims if claim.id == row["id"])

    @property
    def own(self) -> pd.DataFrame:
        """The claims that are the paper's own."""
        return self.claims[self.claims["verdict"] != "quoted"]


def story(page: Page) -> str:
    """The paper's page."""
    links = ["[all papers](README.md)", "[ledger.csv](ledger.csv)"]
    if page.notebook:
        links.insert(1, f"[the notebook as it ran]({page.notebook})")
    parts = [f"# {escape(page.title)}"]
    by = ". ".join(filter(None, (page.about.get("authors"), page.about.get("place"))))
    parts += [escape(text) for text in (by, page.about.get("note", "")) if text]
    parts += [" · ".join(links), summary(page), *_readings(page), *_contrasts(page)]
    parts += [*_choices(page), *_in_short(page), *_how_sure(page)]
    parts += [*_figures(page), *_claims(page), *_audit(page), *_measured(page), *_reasons(page)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def summary(page: Page) -> str:
    """Verdict counts in one sentence."""
    counts = Counter(page.claims["verdict"])
    quoted = counts.pop("quoted", 0)
    words = ", ".join(f"{counts[word]} {word}" for word in reversed(WORDS) if counts[word])
    text = f"{_of(len(page.claims), 'claim')}"
    if quoted:
        are = "is of" if quoted == 1 else "are"
        text += f", of which {quoted} {are} other papers' numbers, quoted for comparison"
    return f"{text}. The paper's own {len(page.own)}: {words}.{_as_stated(page)}"


def _as_stated(page: Page) -> str:
    """What `reproduced` says of a count: that it was built as the paper has it, and no more."""
    rows = [row for row in _rows(page.own) if row["verdict"] == "reproduced"]
    built = built_as_stated(page)
    if not built:
        return ""
    which = f"All {len(rows)}" if len(built) == len(rows) else f"{len(built)} of the {len(rows)}"
    text = f" {which} reproduced say that what was built here is as the paper states it"
    settings = sum(STATED in row["note"] for row in built)
    if settings:
        text += f", {settings} of them by settings of its training, implemented as stated"
        unused = all("no recorded run used" in r["note"] for r in built if STATED in r["note"])
        text += ", which no recorded run used" if unused else ""
    return f"{text}."


def built_as_stated(page: Page) -> list[dict[str, str]]:
    """The rows that are reproduced since what was built here has the number that the paper states."""
    rows = [row for row in _rows(page.own) if (row["kind"], row["verdict"]) == _BUILT]
    return [row for row in rows if {part.relation for part in page.claim(row).parts} == {"="}]


def _rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    return frame.to_dict("records")


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _readings(page: Page) -> Iterator[str]:
    """What stands in for the methods that the paper names, and what else could."""
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


def _contrasts(page: Page) -> Iterator[str]:
    """Each change that the paper tries: what it is worth here, and whether that is seed noise."""
    groups = [list(tried) for _, tried in groupby(page.contrasts, key=lambda c: c.measure)]
    tables = [
        (data, size, tried, differences(tried, values, page.paper))
        for (data, size), values in measured(page.records).items()
        for tried in groups
    ]
    tables = [table for table in tables if not table[-1].empty]
    if not tables:
        return
    yield "## Do the differences exceed seed noise?"
    yield (
        "What each change does to a number, the two networks of a pair from the same random start; in "
        "brackets the 95 % interval of the mean over seeds. A difference whose interval leaves out 0 "
        "exceeds seed noise; of 20 that are nothing but noise, one would do so by chance. Printed is "
        "one run each, on the paper's data: beside numbers on other data its sign may be compared, "
        "not its size."
    )
    for data, size, tried, found in tables:
        metric, part, card = tried[0].measure
        after = f", {part.replace('-', ' ')}" if part else ""
        which = " (generated data, not the paper's)" if is_generated(data) else ""
        yield f"**{metric}{after}** by `{card}` on `{data}`{which}, size `{size}`:"
        yield _beyond(found, tried[0].unit)
        rows = tuple(_contrast_row(c, found.loc[c.name]) for c in tried if c.name in found.index)
        head = ("Change", "With", "Without", ">Printed", ">Here", ">Seeds", "Beyond seed noise?")
        yield Table(head, rows).markdown()


def _beyond(found: pd.DataFrame, unit: str) -> str:
    """Which of some contrasts exceed seed noise, and how large the others would have to be."""
    sure = found["beyond seed noise"].str.contains(",")
    names = [
        f"{name} ({word.removeprefix('yes, ')})"
        for name, word in found.loc[sure, "beyond seed noise"].items()
    ]
    text = f"{len(names) or 'None'} of {len(found)} exceed seed noise"
    text += f": {'; '.join(names)}." if names else "."
    reach = ((found["high"] - found["low"]) / 2)[~sure].dropna()
    if len(reach):
        ends = dict.fromkeys(number(value, 10.0) for value in (reach.min(), reach.max()))
        which = "The other" if names else "One"
        text += f" {which}s" if names and len(reach) > 1 else f" {which}"
        text += f" would have to be beyond {' to '.join(ends)} {unit} to be told from 0."
    return text


def _contrast_row(contrast: Contrast, row: pd.Series) -> tuple[Cell, ...]:
    ends = row[["mean", "low", "high"]].astype(float).dropna()
    mean, *interval = (number(value, ends.abs().max()) for value in ends)
    here = f"{mean} {contrast.unit}" + (f" [{', '.join(interval)}]" if interval else "")
    printed = "" if np.isnan(row["printed"]) else f"{number(row['printed'], 10.0)} {contrast.unit}"
    cells = (contrast.name, contrast.one, contrast.another, printed, here, str(int(row["n"])))
    return (*cells, row["beyond seed noise"])


def _choices(page: Page) -> Iterator[str]:
    """Which network to take, of those that the paper compares."""
    answers = [
        (data, size, choice)
        for question in page.questions
        for (data, size), values in measured(page.records).items()
        if (choice := choose(question, values, _costs(page, question, size)))
    ]
    if not answers:
        return
    yield "## Which to take"
    yield (
        "The cheapest of those that no other is shown to beat. In brackets 95 % intervals of "
        "differences, paired by seed: whose interval leaves out 0 is worse, and whose does not may "
        "still be worse by as much as it reaches. No correction is made for the number of networks. "
        "Costs are those of the whole networks; what was trained of them, and on what pictures, says "
        "the table of sizes in the notebook."
    )
    for data, size, choice in answers:
        which = " (generated data, not the paper's)" if is_generated(data) else ""
        asked = choice.question
        yield (
            f"**{asked.question}** By `{asked.card}` on `{data}`{which}, size `{size}`: {choice.words}"
        )
        head = ("Network", *(f">{column}" for column in choice.table))
        rows = tuple((row.Index, *row[1:]) for row in choice.table.itertuples())
        yield Table(head, rows).markdown()


def _costs(page: Page, question: Question, size: str) -> dict[str, dict[str, float]]:
    return counted((record for record in page.records if record.size == size), question.costs)


def _in_short(page: Page) -> Iterator[str]:
    titles = {"What holds": HOLDS, "What does not hold": FAILS, "What stays open": OPEN}
    for title, words in titles.items():
        rows = [row for row in _rows(page.own) if row["verdict"] in words]
        yield f"## {title}"
        yield (
            "\n".join(bullet(page.paper, page.claim(row), row) for row in rows)
            if rows
            else "Nothing so far."
        )
    rest = [r for r in _rows(page.own) if r["verdict"] not in (*HOLDS, *FAILS, *OPEN)]
    if rest:
        reasons = defaultdict(list)
        for row in rest:
            reasons[_reason(row)].append(page.claim(row))
        yield "## What was not tested"
        yield "\n".join(
            line for reason, claims in reasons.items() for line in _left(reason, claims)
        )


def _left(reason: str, claims: list[Claim]) -> Iterator[str]:
    """Claims that a reason keeps from being tested: what they conclude in words, numbers by id."""
    orders = [claim for claim in claims if claim.kind == "ordering"]
    others = [f"`{claim.id}`" for claim in claims if claim.kind != "ordering"]
    named = f" ({', '.join(others)})" if others and len(others) <= NAMED else ""
    yield f"- {escape(reason)}: {_of(len(claims), 'claim')}{named}"
    yield from (f"  - {escape(claim.statement)} (`{claim.id}`)" for claim in orders)


def _reason(row: dict[str, str]) -> str:
    first = row["note"].split("; ")[0]
    return first if first.startswith(row["verdict"]) else row["verdict"]


def _how_sure(page: Page) -> Iterator[str]:
    rows = [row for row in _rows(page.own) if row["evidence"]]
    yield "## How sure"
    if not rows:
        yield "Nothing has been measured or computed for this paper yet."
        return
    counts = Counter((lv, row["verdict"]) for row in rows for lv in row["evidence"].split("; "))
    levels = sorted({level for level, _ in counts})
    words = [word for word in reversed(WORDS) if any(counts[level, word] for level in levels)]
    cells = [(lv, *(str(counts[lv, word] or "") for word in words)) for lv in levels]
    yield Table(("Evidence", *(f">{word}" for word in words)), tuple(cells)).markdown()
    trained = [row for row in rows if row["data"] and row["card"] and row["n"]]
    if trained:
        reading = (
            " They hold for the reading named first under Readings; a line above says so where "
            "another gives another verdict."
            if page.paper.aliases
            else ""
        )
        seeds = [int(n) for row in trained for n in row["n"].split("; ") if n]
        few, many = min(seeds), max(seeds)
        yield (
            f"Verdicts from training rest on {few if few == many else f'{few} to {many}'} seeds "
            f"each; fewer than {FEWEST} never decide. Intervals are of 95 %.{reading}"
        )
    if any(is_generated(data) for r in page.records for (_, _, data) in r.values):
        yield STUDIO


def _figures(page: Page) -> Iterator[str]:
    if not page.figures:
        return
    yield "## Figures"
    for figure in page.figures:
        yield f"[![{figure.title}]({figure.picture})]({figure.target})"
        turn = " To turn and play it, open the file it links to, from a copy on disk, in a browser."
        told = figure.caption or f"{figure.title}."
        yield f"*{escape(told)}{turn if figure.target.endswith('.html') else ''}*"


def _claims(page: Page) -> Iterator[str]:
    yield "## Claims"
    yield (
        "Printed and measured are the value itself where a claim says equal or bounds a count, and the "
        "difference between the two sides where it says lower or higher; in brackets the 95 % interval over n "
        f"seeds, or repeats of a timing. {_units(page)}What the words and the evidence levels mean "
        "stands in [the overview](README.md); `posekit why ID` prints all that is behind a row."
    )
    head = ("Id", "Claim", "Where", ">Printed", ">Measured", "Evidence", "Verdict", "Runs")
    yield Table(head, tuple(_claim_row(page, row) for row in _rows(page.own))).markdown()
    quoted = page.claims[page.claims["verdict"] == "quoted"]
    if len(quoted):
        cells = [
            (r["id"], r["statement"], r["where"], printed_cell(page.claim(r), r))
            for r in _rows(quoted)
        ]
        table = Table(("Id", "Number", "Where", ">Printed"), tuple(cells))
        numbers = sum(len(page.claim(row).parts) for row in _rows(quoted))
        title = f"{_of(numbers, 'number')} quoted from other papers"
        yield f"<details><summary>{title}</summary>\n\n{table.markdown()}\n</details>"


def _units(page: Page) -> str:
    """What the numbers of the own claims are in, counts aside."""
    found = {}
    entries = list(page.paper.printed.values())
    for claim in page.paper.claims:
        if claim.needs[0] != "quoted" and claim.kind != "structure":
            metrics = {name.split("/")[0] for part in claim.parts for name in part.names}
            found |= {
                metric.replace("_", " ").removesuffix(f" {entry.unit}"): entry.unit
                for entry in entries
                if entry.unit and (metric := entry.quantity.split("/")[0]) in metrics
            }
    told = [f"{metric} in {unit}" for metric, unit in found.items()]
    told += ["yes is 1"] if any(entry.unit == "yes=1" for entry in entries) else []
    return f"Units: {', '.join(told)}. " if told else ""


def _claim_row(page: Page, row: dict[str, str]) -> tuple[Cell, ...]:
    by_id = {record.id: record for record in page.records}
    records = [by_id[name] for name in row["runs"].split() if name in by_id]
    links = run_links(records)
    if len(links) > LINKED:
        more = Link(f"and {len(links) - LINKED} more", f"{page.slug}.md#runs-and-cost")
        links = (*links[:LINKED], more)
    claim = page.claim(row)
    printed = printed_cell(claim, row)
    cells = [row["id"], row["statement"], row["where"], printed, measured_cell(claim, row)]
    return (*cells, row["evidence"], row["verdict"], links)


def _audit(page: Page) -> Iterator[str]:
    yield "## What the audit found"
    if page.faults.empty:
        yield "The paper's printed numbers agree with each other wherever they can be compared."
        return
    yield (
        "The paper's own numbers, held against each other; a printed number stands for all that "
        "round to it. Faults in quoted rows are faults of this paper's table, not of theirs."
    )
    cells = [(r["what"], r["name"], r["card"], r["finding"]) for r in _rows(page.faults)]
    yield Table(("What", "Which", "Card", "Finding"), tuple(cells)).markdown()


def _measured(page: Page) -> Iterator[str]:
    cards = dict.fromkeys(card for row in _rows(page.own) for card in row["card"].split("; "))
    tables = list(error_tables(page.records, [card for card in cards if card]))
    if tables:
        yield "## What was measured"
        for size, told in settings(page.records):
            yield f"Every training of size `{size}`: {escape(told)}. The notebook has the rest."
    if tables and page.paper.aliases:
        yield "How the models differ, but for their names, stands under [Readings](#readings)."
    last = ""
    for title, note, table in tables:
        if title != last:
            yield f"### {title}"
            yield note
        last = title
        yield table.markdown()
    counts = count_table(page.records)
    if counts is not None:
        yield "## Counts and times"
        yield (
            "Of the networks at full width, but for columns called own: these are of the networks as "
            "they were trained here. Times: mean ± half of the 95 % t interval over "
            "repeats; their device and threads are in the records."
        )
        yield counts.markdown()
    for title, said, table in way_tables(page.records, page.paper):
        yield f"### {title}"
        yield f"{said} Rows called printed are the paper's, of its own machines."
        yield table.markdown()
    costs = cost_table(page.records)
    if costs is not None:
        yield "## Runs and cost"
        yield "Means over the runs of a job; each run is a file with its config and versions."
        yield costs.markdown()


def _reasons(page: Page) -> Iterator[str]:
    """Every own claim's note, readings and audit, folded."""
    lines = []
    for row in _rows(page.own):
        texts = [row["note"], row["readings"], f"audit: {row['audit']}" if row["audit"] else ""]
        if any(texts):
            told = ". ".join(text for text in texts if text)
            lines.append(f"- `{row['id']}` **{row['verdict']}**: {escape(told)}")
    if lines:
        yield "## Why each verdict"
        bullets = "\n".join(lines)
        yield f"<details><summary>Claim by claim</summary>\n\n{bullets}\n\n</details>"

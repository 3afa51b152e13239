"""One paper's page of results/: first what holds, what doesn't and how sure that is, then the rows.

Markdown for code hosts. Everything is derived from the ledger, the audit and the run records.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from posekit.evidence import Record
from posekit.ledger import WORDS
from posekit.measured import cost_table, count_table, error_tables, is_generated, run_links
from posekit.statistics import FEWEST
from posekit.tables import Cell, Link, Table, escape, number

HOLDS = ("reproduced", "supported")
FAILS = ("inconsistent", "contradicted")
OPEN = ("inconclusive",)
LINKED = 3  # run records that a row of the claims table links to
STUDIO = (
    "Studio numbers are numbers on generated data, not on Human3.6M, and must not be put beside "
    "printed ones: a lifter that reaches 30 mm here has not reached 30 mm there. They compare "
    "models with each other; they can support or contradict an order that a paper claims, and no "
    "claim about accuracy is judged by them."
)


@dataclass(frozen=True)
class Page:
    """All that is told of one paper; paths are relative to results, "" where there is none."""

    slug: str
    title: str
    authors: str
    claims: pd.DataFrame  # its rows of the ledger
    faults: pd.DataFrame  # what the audit found
    records: list[Record]
    figures: tuple[tuple[str, str], ...]  # picture, and the page it leads to
    notebook: str

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
    if page.authors:
        parts.append(escape(page.authors))
    parts += [" · ".join(links), summary(page), *_in_short(page), *_how_sure(page)]
    parts += [*_figures(page), *_claims(page), *_audit(page), *_measured(page), *_reasons(page)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def summary(page: Page) -> str:
    """Verdict counts in one sentence."""
    counts = Counter(page.claims["verdict"])
    quoted = counts.pop("quoted", 0)
    words = ", ".join(f"{counts[word]} {word}" for word in reversed(WORDS) if counts[word])
    text = f"{_of(len(page.claims), 'claim')}"
    if quoted:
        text += f", of which {quoted} are other papers' numbers, quoted for comparison"
    return f"{text}. The paper's own {len(page.own)}: {words}."


def claims_table(page: Page) -> Table:
    """The paper's own claims, a row each."""
    head = ("Id", "Claim", "Where", ">Printed", ">Ours", ">Margin", "Evidence", "Verdict", "Runs")
    return Table(head, tuple(_claim_row(page, row) for row in _rows(page.own)))


def caption(picture: str, slug: str) -> str:
    """A figure's file name as words."""
    words = picture.rpartition("/")[2].removesuffix(".png").removeprefix(f"{slug}-")
    return words.replace("-", " ").replace("_", " ").capitalize()


def _rows(frame: pd.DataFrame) -> list[dict[str, str]]:
    return frame.to_dict("records")


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _in_short(page: Page) -> Iterator[str]:
    titles = {"What holds": HOLDS, "What does not hold": FAILS, "What stays open": OPEN}
    for title, words in titles.items():
        rows = [row for row in _rows(page.own) if row["verdict"] in words]
        yield f"## {title}"
        yield "\n".join(map(_bullet, rows)) if rows else "Nothing so far."
    rest = [r for r in _rows(page.own) if r["verdict"] not in (*HOLDS, *FAILS, *OPEN)]
    if rest:
        reasons = Counter(_reason(row) for row in rest)
        yield "## What was not tested"
        yield "\n".join(f"- {escape(reason)}: {_of(n, 'claim')}" for reason, n in reasons.items())


def _bullet(row: dict[str, str]) -> str:
    """A claim in a line: its words, the verdict, and what it rests on."""
    text = f"- {escape(row['statement'])} (`{row['id']}`): **{row['verdict']}**"
    if row["verdict"] == "inconsistent":
        return f"{text} by its own numbers, {escape(row['audit'])}"
    parts = [row["evidence"], _ours(row), *_restrictions(row)]
    return ", ".join([text, *(escape(part) for part in parts if part)])


def _restrictions(row: dict[str, str]) -> list[str]:
    """What keeps a verdict from being the whole truth, from the notes of the ledger."""
    notes = row["note"].split("; ")
    against = [n.split(" in its place")[0] for n in notes if " in its place: contradicted" in n]
    found = [note for note in notes if note.endswith(" alone")]
    return found + ([f"but contradicted {' and '.join(against)} in its place"] if against else [])


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
    trained = [row for row in rows if row["data"] and row["n"]]
    if trained:
        seeds = [int(n) for row in trained for n in row["n"].split("; ") if n]
        few, many = min(seeds), max(seeds)
        yield (
            f"Verdicts from training rest on {few if few == many else f'{few} to {many}'} seeds "
            f"each; fewer than {FEWEST} never decide. Intervals are of 95 %."
        )
    if any(is_generated(data) for r in page.records for (_, _, data) in r.values):
        yield STUDIO


def _figures(page: Page) -> Iterator[str]:
    if not page.figures:
        return
    yield "## Figures"
    for picture, target in page.figures:
        name = caption(picture, page.slug)
        yield f"[![{name}]({picture})]({target})"
        turn = ", to turn and play in a browser: open the file it links to from a copy on disk"
        yield f"*{name}{turn if target.endswith('.html') else ''}.*"


def _claims(page: Page) -> Iterator[str]:
    yield "## Claims"
    yield (
        "Printed and ours are the value itself where a claim says equal, and the difference "
        "between the two sides where it says lower or higher; in brackets the 95 % interval over n "
        "seeds. Errors are in mm, times in ms. What the words and the evidence levels mean stands in [the overview](README.md); "
        "`posekit why ID` prints all that is behind a row."
    )
    yield claims_table(page).markdown()
    quoted = page.claims[page.claims["verdict"] == "quoted"]
    if len(quoted):
        cells = [(r["id"], r["statement"], r["where"], r["printed"]) for r in _rows(quoted)]
        table = Table(("Id", "Number", "Where", ">Printed"), tuple(cells))
        title = f"{_of(len(quoted), 'number')} quoted from other papers"
        yield f"<details><summary>{title}</summary>\n\n{table.markdown()}\n</details>"


def _claim_row(page: Page, row: dict[str, str]) -> tuple[Cell, ...]:
    by_id = {record.id: record for record in page.records}
    records = [by_id[name] for name in row["runs"].split() if name in by_id]
    links = run_links(records)
    if len(links) > LINKED:
        more = Link(f"and {len(links) - LINKED} more", f"{page.slug}.md#runs-and-cost")
        links = (*links[:LINKED], more)
    printed = "; ".join(map(_shown, row["printed"].split("; ")))
    cells = [row["id"], row["statement"], row["where"], printed, _ours(row), row["margin"]]
    return (*cells, row["evidence"], row["verdict"], links)


def _ours(row: dict[str, str]) -> str:
    """Mean, interval, seeds and data of what was measured, part by part."""
    if not row["measured"]:
        return ""
    columns = [row[name].split("; ") for name in ("measured", "low", "high")]
    width = max(map(len, columns))
    filled = [column + [""] * (width - len(column)) for column in columns]
    texts = [_interval(*cells) for cells in zip(*filled, strict=True)]
    seeds = "; ".join(dict.fromkeys(row["n"].split("; ")))
    text = "; ".join(texts)
    return f"{text}, n = {seeds} on {row['data']}" if row["data"] else text


def _interval(mean: str, low: str, high: str) -> str:
    """mean [low, high], all with the decimals of the largest."""
    if not low:
        return _shown(mean)
    values = [float(text) for text in (mean, low, high)]
    mean, low, high = (number(value, max(map(abs, values))) for value in values)
    return f"{mean} [{low}, {high}]"


def _shown(text: str) -> str:
    """A number of the ledger at a length to read; anything else as it is."""
    try:
        value = float(text)
    except ValueError:
        return text
    return text if len(text) < 6 else number(value)


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
        yield "## Measured errors"
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
        yield counts.markdown()
    costs = cost_table(page.records)
    if costs is not None:
        yield "## Runs and cost"
        yield "Means over the runs of a job; each run is a file with its config and versions."
        yield costs.markdown()


def _reasons(page: Page) -> Iterator[str]:
    """Every own claim's note and audit, folded."""
    lines = []
    for row in _rows(page.own):
        texts = [row["note"], f"audit: {row['audit']}" if row["audit"] else ""]
        if any(texts):
            told = ". ".join(text for text in texts if text)
            lines.append(f"- `{row['id']}` **{row['verdict']}**: {escape(told)}")
    if lines:
        yield "## Why each verdict"
        bullets = "\n".join(lines)
        yield f"<details><summary>Claim by claim</summary>\n\n{bullets}\n\n</details>"

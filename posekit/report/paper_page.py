"""One paper's page of results/: a minute's reading first, then tables, and every row folded.

Markdown for code hosts. Everything is derived from the judged claims, the audit and the records; what
the paper claims and how it was checked is said in papers/<slug>/about.csv.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import pandas as pd

from posekit.claims.audit import findings
from posekit.claims.finding import HOLDS
from posekit.claims.ledger import Judged
from posekit.claims.measurements import is_generated
from posekit.claims.paper import split
from posekit.claims.statistics import FEWEST
from posekit.claims.table_html import MARKS
from posekit.claims.verdict import WORDS
from posekit.report.comparisons import (
    changes_in_short,
    choice_section,
    contrast_section,
    photograph_section,
)
from posekit.report.deployment_table import way_tables
from posekit.report.glossary import STUDIO
from posekit.report.markdown import Markdown, counted, escape, folded, link, table
from posekit.report.page import FAILS, OPEN, Page, anchor, linked
from posekit.report.records import cost, cost_table, made_before, run_links, settings
from posekit.report.sentences import bullet, measured_cell, printed_cell

SECTION = re.compile(r"[A-Z\d.]+")  # 4.4, II.A.1; not Table 3, abstract
NAMED = 12  # claims that were not tested, listed one by one
LINKED = 3  # run records that a row of the claims table links to
LEGEND = "; ".join(f"`{mark}` {meaning}" for mark, meaning in MARKS.items())


def paper_page(page: Page) -> str:
    """The paper's page as Markdown."""
    links = [link("all papers", "README.md"), link("ledger.csv", "ledger.csv")]
    if page.notebook:
        links.insert(1, link("the notebook as it ran", page.notebook))
    if page.source not in ("", page.notebook):
        links.insert(2, link("the same on a code host", page.source))
    by = ". ".join(filter(None, (page.about["authors"], page.about["place"])))
    head = [f"# {escape(page.title)}", escape(by), " · ".join(links)]
    parts = [
        *_in_two_sentences(page),
        *_reproducibility(page),
        *_tables(page),
        *_comparisons(page),
        *photograph_section(page.records),
        *_errata(page),
    ]
    parts += [*_figures(page), *_checks(page), *_claims(page), *_more(page)]
    text = "\n\n".join(filter(None, parts)) + "\n"
    return "\n\n".join([*filter(None, [*head, made_before(page.records, text)]), text])


def _in_two_sentences(page: Page) -> Iterator[str]:
    """What the paper claims, and what was found."""
    if page.about["claim"]:
        yield f"**Claimed.** {escape(page.about['claim'])}"
    yield f"**Found.** {found(page)}"


def found(page: Page, *, brief: bool = False) -> str:
    """What came out: the headline number, the changes, numbers of the rest, the gravest mistake.

    `brief`: without the numbers that the overview has in its table.
    """
    score, texts = page.score, []
    if score.counts:
        texts.append(
            f"{score.confirmed} of {counted(score.counts, 'printed count')} equal as printed"
        )
    if score.recovered:
        text = f"{score.equal} of {counted(score.recovered, 'count')} equal that the paper does not print"
        texts.append(f"{text}, but its published code or other documents have")
    if score.orders:
        text = f"of {counted(score.orders, 'claimed order')} {score.as_claimed or 'none'} confirmed"
        texts.append(text + (f", {score.otherwise} contradicted" if score.otherwise else ""))
    if score.printed:
        texts.append(
            f"of {counted(score.printed, 'printed result')} {score.tested or 'none'} tested on "
            "the paper's own data"
        )
    if score.errors:
        grave = f", {score.grave} of them changing a conclusion" if score.grave else ""
        texts.append(f"{counted(score.errors, 'mistake')} found in the paper{grave}")
    sentences = [*_headline(page), changes_in_short(page), "" if brief else "; ".join(texts)]
    if score.grave:
        first = page.errata[0]
        sentences.append(f"the gravest mistake found: {escape(first.title)} ({linked([first.id])})")
    sentences = [f"{text[0].upper()}{text[1:]}." for text in sentences if text]
    return " ".join(sentences) or "Nothing yet."


def _headline(page: Page) -> Iterator[str]:
    """Whether the number that the paper is known by is reproduced."""
    for judged in page.claims:
        if judged.claim.id == page.about["headline"]:
            part, finding = judged.claim.parts[0], judged.parts[0]
            entry = next(iter(part.printed.values()))
            rule = link(part.card, f"protocols.md#{part.card}")
            place = f"section {entry.where}" if SECTION.fullmatch(entry.where) else entry.where
            number = f"{entry.text} {entry.unit} ({place}; {rule})"
            untested = judged.verdict not in (*HOLDS, *FAILS, *OPEN)
            word = "neither reproduced nor contradicted" if untested else judged.verdict
            word = f"**{word}**{f': {judged.verdict}' * untested}"
            detail = f", {escape(measured_cell(judged))}" if finding.measured else ""
            yield f"its headline number, {number}, is {word}{detail} ({linked([judged.claim.id])})"


def _reproducibility(page: Page) -> Iterator[str]:
    """The summary, in the form of the ML Reproducibility Challenge."""
    yield "## Summary"
    rows = [("Scope", f"{counted(len(page.own), 'statement')} of the paper. {summary(page)}")]
    rows += [("Method", page.about["method"]), ("Results", "")]
    rows += [("What was easy", page.about["easy"]), ("What was hard", page.about["hard"])]
    rows += [("What it cost", cost(page.records))]
    for title, text in rows:
        if text:
            yield f"**{title}.** {escape(text)}"
        if title == "Results":
            yield from _decided(page)


def _decided(page: Page) -> Iterator[str]:
    """What holds, counts of networks in one line, and what does not."""
    counts = [judged for judged in page.holds if judged.claim.kind == "structure"]
    lines = [bullet(judged) for judged in page.holds if judged.claim.kind != "structure"]
    if counts:
        names = linked(judged.claim.id for judged in counts)
        text = f"Counts of the networks as printed, or in the order claimed ({names})"
        lines.append(f"- {text}: **reproduced**")
    yield "### What holds"
    yield "\n".join(lines) or "No claim so far."
    yield "### What does not hold"
    yield "\n".join(map(bullet, page.with_verdict(*FAILS))) or "No claim so far."


def summary(page: Page) -> str:
    """How many claims got each verdict, specification checks apart."""
    counts = Counter(claim.verdict for claim in page.own if claim.verdict != "as specified")
    words = [f"{counts[word]} {word}" for word in reversed(WORDS) if counts[word]]
    if page.checks:
        words.append(f"{len(page.checks)} specification checks, which show nothing about the paper")
    text = f"Verdicts: {', '.join(words)}."
    if quoted := len(page.claims) - len(page.own):
        text += f" {counted(quoted, 'statement')} more quote other papers' numbers."
    return text


def _tables(page: Page) -> Iterator[str]:
    """The paper's tables in its own shape, measured columns beside printed ones."""
    if page.tables:
        yield "## The paper's tables"
        yield (
            f"As printed, with a mark on each own number: {LEGEND}. A mark leads to the claim or the "
            "mistake behind it. Rows in italics are quoted from other papers or, where nothing is "
            "printed, are not the paper's. What was measured here stands in columns of its own: mean "
            "± half of the 95 % t interval, evidence ([levels](README.md#evidence)), n seeds, and of "
            "networks the *gain*: the share of the gap between floor and a perfect result."
        )
    for own in page.tables:
        yield f"### {own.name}"
        basis = f" Measured on {own.basis}." if own.basis else ""
        yield escape(" ".join(filter(None, (f"{own.caption}.", own.note))) + basis)
        yield own.html(lambda name: f"#{name}")


def _comparisons(page: Page) -> Iterator[str]:
    """What each change does, and which network to take."""
    parts = [*contrast_section(page)]
    parts += choice_section(page.questions, page.records)
    if parts:
        yield "## Comparisons"
        yield from parts
    for title, text, frame in way_tables(page.records, page.paper):
        yield f"### {title}"
        yield f"{text} Rows called printed are the paper's, of its own machines."
        yield table(frame)


def _errata(page: Page) -> Iterator[str]:
    """The mistakes found in the paper, gravest first."""
    if page.errata:
        yield "## Errata of the paper"
        rows = [
            (e.severity, e.where, Markdown(f"{anchor(e.id)} {escape(e.title)}"), e.finding)
            for e in page.errata
        ]
        yield table(
            pd.DataFrame(rows, columns=["Severity", "Where", "What", "Finding"], dtype=object)
        )


def _figures(page: Page) -> Iterator[str]:
    if page.figures:
        yield "## Figures"
    for figure in page.figures:
        yield f"[![{figure.title}]({figure.picture})]({figure.target})"
        do = f"turn{' and play' * figure.plays} it"
        turn = f" To {do}, open the file it links to, from a copy on disk, in a browser."
        caption = escape(figure.caption or f"{figure.title}.")
        yield f"*{caption}{turn if figure.target.endswith('.html') else ''}*"


def _checks(page: Page) -> Iterator[str]:
    """What posekit has because the paper says so, folded."""
    if page.checks:
        yield "## Specification checks"
        yield (
            f"{counted(len(page.checks), 'statement')} about how networks are built and trained, which "
            "posekit was built to follow: that they hold here shows that the text can be built, and "
            f"nothing about the paper's results.{_unused(page)}"
        )
        lines = "\n".join(
            f"- {escape(c.claim.statement)} ({linked([c.claim.id])})" for c in page.checks
        )
        yield folded("What was built as specified", lines + "\n")


def _unused(page: Page) -> str:
    """Whether any recorded run used the settings of size paper among the checks."""
    count = sum(any(part.is_setting for part in c.claim.parts) for c in page.checks)
    used = any(record.size == "paper" for record in page.records)
    return f" Settings of size paper, which no recorded run used: {count}." * bool(
        count and not used
    )


def _claims(page: Page) -> Iterator[str]:
    yield "## Claims"
    yield (
        "Printed and measured are the value itself where a claim says equal or bounds a count, and "
        "the difference between the two sides where it says lower or higher; in brackets the 95 % "
        f"interval over n seeds, or repeats of a timing. {_units(page)}[The overview](README.md) "
        "explains the words and the evidence levels; `posekit why ID` tells what is behind a "
        "row."
    )
    yield from _untested_reasons(page)
    head = ["Id", "Claim", "Where", ">Printed", ">Measured", "Evidence", "Verdict", "Runs"]
    rows = [_claim_row(page, judged) for judged in page.own]
    own = table(pd.DataFrame(rows, columns=head, dtype=object))
    yield folded(f"All {len(page.own)} claims of the paper", own + "\n")
    quoted = page.with_verdict("quoted")
    if quoted:
        rows = [
            (anchor(c.claim.id), c.claim.statement, c.claim.where, printed_cell(c)) for c in quoted
        ]
        numbers = table(
            pd.DataFrame(rows, columns=["Id", "Number", "Where", ">Printed"], dtype=object)
        )
        count = counted(sum(len(c.claim.parts) for c in quoted), "number")
        yield folded(f"{count} quoted from other papers", numbers + "\n")
    yield from _reasons(page)


def _untested_reasons(page: Page) -> Iterator[str]:
    reasons = defaultdict(list)
    for judged in page.own:
        if judged.verdict not in (*HOLDS, *FAILS, *OPEN, "repeated"):
            notes = [*(note.text for note in judged.notes), judged.claim.note]
            first = next(filter(None, notes), "").split("; ")[0]
            named = first.startswith(judged.verdict)
            reasons[first if named else judged.verdict].append(judged)
    if reasons:
        yield "### What was not tested"
        lines = (line for reason, every in reasons.items() for line in _untested(reason, every))
        yield "\n".join(lines)


def _untested(reason: str, every: list[Judged]) -> Iterator[str]:
    """Claims with one reason for not being tested: orders in words, numbers by id."""
    others = [f"`{each.claim.id}`" for each in every if each.claim.kind != "ordering"]
    named = f" ({', '.join(others)})" if others and len(others) <= NAMED else ""
    yield f"- {escape(reason)}: {counted(len(every), 'claim')}{named}"
    for claim, parts in ((j.claim, j.parts) for j in every if j.claim.kind == "ordering"):
        some = ", measured in part" * any(part.measured for part in parts)
        yield f"  - {escape(claim.statement)} (`{claim.id}`{some})"


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
    cells = (
        anchor(claim.id),
        claim.statement,
        claim.where,
        printed_cell(judged),
        measured_cell(judged),
    )
    links = run_links(judged.records, most=LINKED, rest=f"{page.slug}.md#runs-and-cost")
    return (*cells, "; ".join(judged.evidence), judged.verdict, links)


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
        yield folded("Why each verdict", "\n".join(lines) + "\n")


def _more(page: Page) -> Iterator[str]:
    """What one needs to repeat or to doubt it: the text, readings, evidence, averages, runs."""
    yield "## Behind this page"
    if page.about["note"]:
        yield f"**The text at hand.** {escape(page.about['note'])}"
    yield from _readings(page)
    yield from _evidence(page)
    yield from _audit(page)
    if page.records:
        yield "### Runs and cost"
        for size, common in settings(page.records):
            yield f"Every training of size `{size}`: {escape(common)}. The notebook has the rest."
        yield "Means over the runs of a job; each run is a file with its config and versions."
        yield folded("All runs", table(cost_table(page.records)) + "\n")


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
        yield "### Readings"
        yield "\n".join(lines)


def _evidence(page: Page) -> Iterator[str]:
    """Verdicts by level of evidence, and the seeds that those from training rest on."""
    yield "### How sure"
    counts = Counter((level, c.verdict) for c in page.own for level in c.evidence)
    if not counts:
        yield "Nothing has been measured or computed for this paper yet."
        return
    levels = sorted({level for level, _ in counts})
    words = [word for word in reversed(WORDS) if any(counts[level, word] for level in levels)]
    columns = {f">{word}": [str(counts[lv, word] or "") for lv in levels] for word in words}
    yield table(pd.DataFrame({"Evidence": levels} | columns))
    if several := sum(len(claim.evidence) > 1 for claim in page.own):
        yield f"{counted(several, 'claim')} with several levels counted in the row of each."
    trained = [c for c in page.own if any(part.card for part in c.claim.parts)]
    seeds = [int(p.n) for c in trained for p in c.parts if p.data and p.estimate]
    if seeds:
        several = " to ".join(dict.fromkeys(map(str, (min(seeds), max(seeds)))))
        text = (
            f"Verdicts of claims from training rest on {several} seeds each; fewer "
            f"than {FEWEST} never decide. Intervals are of 95 %."
        )
        if page.paper.aliases:
            text += (
                " They hold for the reading named first under Readings; a line above says so where "
                "another gives another verdict."
            )
        yield text
    if any(is_generated(data) for r in page.records for (_, _, data) in r.values):
        yield STUDIO


def _audit(page: Page) -> Iterator[str]:
    yield "### What the audit found"
    faults = findings(page.paper)
    if faults.empty:
        yield "The paper's printed numbers agree with each other wherever they can be compared."
        return
    yield (
        "The paper's own numbers, held against each other; a printed number stands for all that "
        "round to it. Faults in quoted rows are faults of this paper's table, not of the papers that it quotes."
    )
    yield table(faults.set_axis(["What", "Which", "Card", "Finding"], axis=1))

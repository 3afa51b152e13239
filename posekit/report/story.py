"""Text for the terminal: `posekit why` tells a claim in ten lines, `posekit status` counts verdicts."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from textwrap import shorten

from posekit.claims.finding import Finding
from posekit.claims.ledger import Judged, judge_claims
from posekit.claims.measurements import Record
from posekit.claims.numbers import number, short
from posekit.claims.paper import Part, load_paper, slugs
from posekit.report.sentences import measured_cell, printed_cell

LONGEST = 240  # characters of a line of the story
SHOWN = 5  # seeds and runs that it names
GROUPS = {
    "measured or checked": ("reproduced", "supported", "inconclusive", "contradicted")
    + ("inconsistent", "not derivable"),
    "not tested here": ("needs data", "needs hardware", "not run"),
    "specification checks: posekit does what the paper says, which is no result": ("as specified",),
    "not judged": ("repeated", "quoted"),
}


def why(claim_id: str, records: Iterable[Record], *, full: bool = False) -> str:
    """What is behind a verdict, as text: ten lines at most, or everything.

    Raises ValueError for an id that no paper has, naming some near it.
    """
    judged = _find(claim_id, records)
    if full:
        return "\n".join(_everything(judged))
    lines = [f"{claim_id}  {judged.claim.statement} ({judged.claim.where}, {judged.claim.kind})"]
    for name, text in _story(judged):
        if text:
            lines.append(f"  {name:10}{shorten(text, LONGEST, placeholder=' ...')}")
    return "\n".join(lines)


def status(slug: str, records: Iterable[Record]) -> str:
    """How many claims of a paper got which verdict, by what the verdict rests on, as text."""
    claims = judge_claims(load_paper(slug), records)
    counts = Counter(judged.verdict for judged in claims)
    levels = Counter((judged.verdict, "+".join(judged.evidence)) for judged in claims)
    lines = [f"{slug}: {len(claims)} claims"]
    for title, words in GROUPS.items():
        if any(counts[word] for word in words):
            lines.append(f"  {title}")
        for word in filter(counts.__getitem__, words):
            by = [f"{n} {level}" for (own, level), n in sorted(levels.items()) if own == word]
            told = f" ({', '.join(by)})" if word in ("reproduced", "supported") else ""
            lines.append(f"  {counts[word]:5d}  {word}{told}")
    return "\n".join(lines)


def _find(claim_id: str, records: Iterable[Record]) -> Judged:
    slug = claim_id.rpartition("-")[0]  # every id begins with its paper's
    paper = load_paper(slug) if slug in slugs() else None
    known = [claim.id for claim in paper.claims] if paper else []
    if claim_id not in known:
        near = difflib.get_close_matches(claim_id, known, 3, 0.5)
        hint = f"near: {', '.join(near)}; " if near else ""
        raise ValueError(f"no claim {claim_id!r} ({hint}papers: {', '.join(slugs())})")
    return judge_claims(paper, records)[known.index(claim_id)]


def _story(judged: Judged) -> Iterator[tuple[str, str]]:
    """At most nine lines: a name and what stands there."""
    row, parts = judged.row, list(zip(judged.claim.parts, judged.parts))
    part, finding = _telling(judged)
    reason = f": {row['reason']}" if row["reason"] else ""
    others = f", worst of {len(parts)} comparisons" if len(parts) > 1 else ""
    evidence = f" ({row['evidence']})" if row["evidence"] else ""
    yield "verdict", f"{row['verdict']}{evidence}{reason}{others}"
    if part:
        stands = f"; measured as {', '.join(finding.sample.used)}" if finding.sample else ""
        card = f" by {part.card}" if part.card else ""
        yield "compares", f"{part.text}{card}{stands}"
    yield "printed", "; ".join(filter(None, (printed_cell(judged), row["audit"])))
    yield "measured", measured_cell(judged)
    if part and finding.sample and len(finding.sample.seeds) > 1:
        yield "by seed", _seeds(finding)
    notes = [note.text for note in sorted(judged.notes, key=lambda note: not note.caveat)]
    yield "because", notes[0] if notes else ""
    yield "also", "; ".join(filter(None, [judged.claim.note, *notes[1:]]))
    yield "readings", row["readings"].replace(". ", "; ")
    runs = [record.id[:6] for record in judged.records]
    named = f"{', '.join(runs[:SHOWN])}{' ...' * (len(runs) > SHOWN)}" if runs else "none"
    yield "runs", f"{named}; all of this: posekit why {judged.claim.id} --full"


def _telling(judged: Judged) -> tuple[Part | None, Finding | None]:
    """The comparison that the verdict comes from."""
    pairs = list(zip(judged.claim.parts, judged.parts))
    own = [pair for pair in pairs if pair[1].verdict == judged.own_verdict]
    return next(iter(own or pairs), (None, None))


def _seeds(finding: Finding) -> str:
    sample = finding.sample
    pairs = zip(sample.left, sample.right, sample.differences)
    told = [f"{number(a.value)} against {number(b.value)}: {short(d)}" for a, b, d in pairs]
    return "; ".join(told[:SHOWN]) + f"; {len(told) - SHOWN} more" * (len(told) > SHOWN)


def _everything(judged: Judged) -> Iterator[str]:
    claim, row = judged.claim, judged.row
    yield f"{claim.id}  {claim.statement}"
    yield f"  where     {claim.where} ({claim.kind})"
    for part, finding in zip(claim.parts, judged.parts):
        yield f"  claim     {part.text}" + (f"  [{part.card}]" if part.card else "")
        yield from _evidence(part, finding)
    yield f"  audit     {row['audit'] or 'nothing printed to hold it against'}"
    yield from (f"  measured  {part.value}, n = {part.n}" for part in judged.parts if part.measured)
    yield f"  verdict   {row['verdict']}" + (f" ({row['evidence']})" if row["evidence"] else "")
    for name in ("note", "readings"):
        yield from (f"  {name:10}{text}" for text in row[name].split("; ") if text)


def _evidence(part: Part, finding: Finding) -> Iterator[str]:
    for e in part.printed.values():
        shown = f"{e.text or '(no number)'} {e.unit}"
        yield f"  printed   {e.quantity} = {shown}, {e.where}, {e.source}"
    if sample := finding.sample:
        yield f"  compared  {', '.join(sample.used)}"
        for record in sample.records:
            yield f"  run       {record.file} ({record.job}, seed {record.seed}, {record.device})"
        for seed, left, right in zip(sample.seeds, sample.left, sample.right):
            pair = f"{short(left.value)} against {short(right.value)}"
            yield f"  seed {seed:<4} {pair}, difference {short(left.value - right.value)}"
        for subject, values in sample.subjects.items():
            yield f"  {subject:<9} differences {', '.join(map(short, values))}"

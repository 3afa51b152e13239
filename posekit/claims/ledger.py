"""The ledger: each claim of a paper, what was measured of it, and a verdict from a closed list.

Claims and printed numbers come from posekit/claims.py, the audit of the paper by its own
numbers from audit.py, measurements from evidence.py, the decision from judge.py.
`printed`, `measured`, `low` and `high` are the value itself where a claim states a value, and left
minus right where it compares two quantities; parts of one claim are separated by `;`. `readings`
says what other stand-ins for what was measured would give.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from posekit.claims.audit import audit_claim
from posekit.claims.expressions import Call, Quantity, names
from posekit.claims.measurements import Measurements, Record, Sample
from posekit.claims.numbers import short
from posekit.claims.paper import Claim, Paper, Part, load_paper, slugs
from posekit.claims.verdict import WORDS, Finding, find
from posekit.system import write_text

COLUMNS = ["id", "paper", "where", "kind", "statement", "printed", "measured", "low", "high", "n"]
COLUMNS += ["margin", "evidence", "verdict", "card", "data", "runs", "note", "readings", "audit"]


def verdicts(paper: str | Paper, records: Iterable[Record]) -> pd.DataFrame:
    """One row a claim, in the paper's order, every cell a string; columns are `COLUMNS`."""
    paper = load_paper(paper) if isinstance(paper, str) else paper
    found = Measurements(records, paper.slug)
    return pd.DataFrame([_row(paper, claim, found) for claim in paper.claims], columns=COLUMNS)


def ledger(records: Iterable[Record], papers: Iterable[str] = ()) -> pd.DataFrame:
    """The rows of several papers, or of all there are."""
    records = list(records)
    return pd.concat([verdicts(slug, records) for slug in papers or slugs()], ignore_index=True)


def write(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a ledger as csv: the same rows give the same bytes. OSError names path and remedy."""
    write_text(Path(path), frame.to_csv(index=False, lineterminator="\n"))


def counts(frame: pd.DataFrame) -> pd.Series:
    """How many claims got each verdict word, best first, all words of the closed list."""
    return frame["verdict"].value_counts().reindex(WORDS[::-1], fill_value=0)


def why(claim_id: str, records: Iterable[Record]) -> str:
    """Everything behind a verdict, as text. Raises ValueError for an id that no paper has."""
    paper, claim = _find(claim_id)
    found = Measurements(records, paper.slug)
    row = _row(paper, claim, found)
    lines = [f"{claim.id}  {claim.statement}", f"  where     {claim.where} ({claim.kind})"]
    for part in claim.parts:
        lines += [f"  claim     {part.text}" + (f"  [{part.card}]" if part.card else "")]
        lines += _printed_lines(paper, part)
        lines += _sample_lines(find(paper, claim, part, found).sample)
    lines += [f"  audit     {row['audit'] or 'nothing printed to hold it against'}"]
    for mean, low, high, n in measured_parts(row):
        lines += [f"  measured  {mean}" + (f" [{low}, {high}]" if low else "") + f", n = {n}"]
    evidence = f" ({row['evidence']})" if row["evidence"] else ""
    lines += [f"  verdict   {row['verdict']}{evidence}"]
    for name in ("note", "readings"):
        lines += [f"  {name:10}{text}" for text in row[name].split("; ") if text]
    return "\n".join(lines)


def measured_parts(row: Mapping[str, str]) -> list[tuple[str, ...]]:
    """(mean, low, high, n) of each part of a row, '' for what a part doesn't have."""
    if not row["measured"]:
        return []
    cells = [row[name].split("; ") for name in ("measured", "low", "high", "n")]
    count = len(cells[0])
    return list(zip(*(column if len(column) == count else [""] * count for column in cells)))


def _find(claim_id: str) -> tuple[Paper, Claim]:
    known = {}
    for paper in map(load_paper, slugs()):
        known |= {claim.id: (paper, claim) for claim in paper.claims}
    if claim_id not in known:
        near = difflib.get_close_matches(claim_id, known, 3, 0.5)
        hint = f"near: {', '.join(near)}; " if near else ""
        raise ValueError(f"no claim {claim_id!r} ({hint}papers: {', '.join(slugs())})")
    return known[claim_id]


def _printed_lines(paper: Paper, part: Part) -> list[str]:
    entries = [paper.find(q, part.card) for name in part.names for q in paper.expand(part, name)]
    return [
        f"  printed   {e.quantity} = {e.text or '(no number)'} {e.unit}, {e.where}, {e.source}"
        for e in entries
    ]


def _sample_lines(sample: Sample | None) -> list[str]:
    if sample is None:
        return []
    lines = [f"  compared  {', '.join(sample.used)}"]
    lines += [f"  run       {r.file} ({r.job}, seed {r.seed}, {r.device})" for r in sample.records]
    for seed, left, right in zip(sample.seeds, sample.left, sample.right):
        pair = f"{short(left.value)} against {short(right.value)}"
        lines.append(f"  seed {seed:<4} {pair}, difference {short(left.value - right.value)}")
    for subject, values in sample.subjects.items():
        lines.append(f"  {subject:<9} differences {', '.join(short(v) for v in values)}")
    return lines


def _row(paper: Paper, claim: Claim, found: Measurements) -> dict[str, str]:
    parts = [find(paper, claim, part, found) for part in claim.parts]
    word, detail = claim.needs
    verdict = min((f.verdict for f in parts), key=WORDS.index) if parts else word
    cells = {name: _joined(getattr(f, name) for f in parts) for name in COLUMNS[5:11]}
    notes = [f"{word}: {detail}"] if detail and word == verdict else []
    lacking = list(dict.fromkeys(name for f in parts for name in f.lacking))
    notes += [f"not measured: {', '.join(lacking)}"] if lacking else []
    notes += _by_part(claim, parts, "notes") + [claim.note]
    records = [r.id for f in parts if f.sample for r in f.sample.records]
    return cells | {
        "id": claim.id,
        "paper": paper.slug,
        "where": claim.where,
        "kind": claim.kind,
        "statement": claim.statement,
        "evidence": "E0" if verdict == "inconsistent" else _once(f.evidence for f in parts),
        "verdict": verdict,
        "card": _once(part.card for part in claim.parts),
        "data": _once(f.data for f in parts),
        "runs": " ".join(sorted(set(records))),
        "note": _once(notes),
        "readings": _once(_by_part(claim, parts, "readings")),
        "audit": audit_claim(paper, claim),
    }


def _by_part(claim: Claim, parts: list[Finding], name: str) -> list[str]:
    """The notes or readings of all parts; of several under cards, each with what tells it apart.

    Of parts under one and the same card, what is said of all is said once.
    """
    pairs = [(i, text) for i, f in enumerate(parts) for text in getattr(f, name)]
    cards = {part.card for part in claim.parts}
    if len(parts) < 2 or not any(cards):
        return [text for _, text in pairs]
    shared = Counter(text for _, text in pairs) if len(cards) == 1 else Counter()
    told = labels(claim)
    return [text if shared[text] == len(parts) else f"{told[i]}: {text}" for i, text in pairs]


def _joined(cells: Iterable[str]) -> str:
    cells = list(cells)
    return "; ".join(cells) if any(cells) else ""


def _once(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(word for word in words if word))


# FOLDED posekit.labels: What tells the parts of a claim apart, in a word or two.


def labels(claim: Claim) -> list[str]:
    """What tells the parts of a claim apart: the card, or the quantity; '' for one plain number."""
    if len({part.card for part in claim.parts}) > 1:
        return [part.card or _metric(part) for part in claim.parts]
    if len(claim.parts) == 1 and isinstance(claim.parts[0].left, Quantity):
        return [""]
    words = [part.names[0].removeprefix("recipe_").split("/") for part in claim.parts]
    metrics = [metric for metric, *_ in words]
    labels = []
    for part, (metric, _, *rest) in zip(claim.parts, words):
        if isinstance(part.left, Call) and part.left.function not in ("min", "max"):
            metric, rest = part.left.function, []
        labels.append(" ".join([metric, *(rest if metrics.count(metric) > 1 else [])]))
    return _apart(claim.parts, [label.replace("_", " ") for label in labels])


def _metric(part: Part) -> str:
    """What a part without a card is about, top1 of top1/densenet201."""
    return part.names[0].removeprefix("recipe_").split("/")[0].replace("_", " ")


def _apart(parts: tuple[Part, ...], labels: list[str]) -> list[str]:
    """The labels, those that several parts share told apart by the subjects of these parts."""
    shared = [label for label, count in Counter(labels).items() if count > 1]
    for label in shared:
        places = [i for i, name in enumerate(labels) if name == label]
        left = [names(parts[i].left)[0].split("/")[1] for i in places]
        right = [", ".join(q.split("/")[1] for q in names(parts[i].right)) for i in places]
        if len(set(left)) == 1 and all(right):
            left = [f"against {subjects}" for subjects in right]
        named = left if len(set(labels)) == 1 else [f"{label} {subject}" for subject in left]
        labels = [named[places.index(i)] if i in places else n for i, n in enumerate(labels)]
    return labels

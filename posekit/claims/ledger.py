"""The ledger: every claim of a paper with its measurements and a verdict from a closed list.

`printed`, `measured`, `low` and `high` are the value itself where a claim states a value, and left
minus right where it compares two quantities; `recovered` is what the paper does not print of it.
`p` is of no difference between trained or timed networks, `corrected` the same after Holm's correction over
the paper; `gain` is the share of the gap above the floor that they have closed. Parts of one claim
are separated by `;`. `readings` says what other stand-ins for what was measured would give.

A claim whose comparisons another has already made is `repeated`: it is not judged a second time.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from posekit.claims.audit import audit_text
from posekit.claims.contrasts import page_family
from posekit.claims.expressions import Call, Quantity, names
from posekit.claims.family import Family, correct, is_tested
from posekit.claims.finding import Finding, Note
from posekit.claims.measurements import Measurements, Record
from posekit.claims.paper import Claim, Paper, Part, load_paper, split
from posekit.claims.verdict import WORDS, conclude, weigh

CELLS = ("printed", "recovered", "measured", "low", "high", "n", "margin")  # of every comparison
COLUMNS = ["id", "paper", "where", "kind", "statement", *CELLS, "p", "corrected", "gain"]
COLUMNS += ["evidence", "verdict", "reason", "card", "data", "runs", "note", "readings", "audit"]


@dataclass(frozen=True)
class Judged:
    """A claim with the findings on its comparisons."""

    paper: Paper
    claim: Claim
    parts: list[Finding]
    repeats: str = ""  # the id of the claim that makes the same comparisons

    @property
    def verdict(self) -> str:
        """The worst verdict of the comparisons, or why there is none to make."""
        return "repeated" if self.repeats else self.own_verdict

    @property
    def own_verdict(self) -> str:
        """The verdict by its comparisons, whether or not another claim makes them, too."""
        words = [part.verdict for part in self.parts] or [self.claim.needs[0]]
        return min(words, key=WORDS.index)

    @property
    def reason(self) -> str:
        """Why it is inconclusive, in a word or two."""
        reasons = dict.fromkeys(p.reason for p in self.parts if p.verdict == self.verdict)
        return ", ".join(filter(None, reasons))

    @property
    def evidence(self) -> list[str]:
        """The evidence levels behind the verdict, each once."""
        if self.repeats:
            return []
        parts = [
            p for p in self.parts if self.verdict != "inconsistent" or p.verdict == self.verdict
        ]
        return list(dict.fromkeys(part.evidence for part in parts if part.evidence))

    @property
    def records(self) -> list[Record]:
        """The run records behind it, by id."""
        samples = [part.sample for part in self.parts if part.sample]
        records = {record.id: record for sample in samples for record in sample.records}
        return [records[name] for name in sorted(records)]

    @cached_property
    def notes(self) -> list[Note]:
        """The remarks on all parts, without the claim's own note."""
        if self.repeats:
            return [Note(f"the same as {self.repeats}, which is {self.own_verdict}")]
        word, detail = self.claim.needs
        notes = [Note(f"{word}: {detail}")] if detail and word == self.verdict else []
        lacking = list(dict.fromkeys(name for part in self.parts for name in part.lacking))
        notes += [Note(f"not measured: {', '.join(lacking)}")] if lacking else []
        return notes + self._labelled([part.notes for part in self.parts])

    @cached_property
    def readings(self) -> list[Note]:
        """The results with other stand-ins."""
        return [] if self.repeats else self._labelled([part.readings for part in self.parts])

    def _labelled(self, notes: list[list[Note]]) -> list[Note]:
        """The notes of all parts; of several under cards, each with what tells it apart.

        Of parts under one and the same card, what is said of all is said once.
        """
        cards = {part.card for part in self.claim.parts}
        if len(self.parts) < 2 or not any(cards):
            return [note for part in notes for note in part]
        shared = Counter(note for part in notes for note in part) if len(cards) == 1 else {}
        return [
            note
            if shared.get(note) == len(self.parts)
            else replace(note, text=f"{label}: {note.text}")
            for label, part in zip(labels(self.claim), notes)
            for note in part
        ]

    @cached_property
    def row(self) -> dict[str, str]:
        """The claim's row of the ledger."""
        claim = self.claim
        cells = {name: [getattr(part, name) for part in self.parts] for name in CELLS}
        cells["p"] = [_p(part.p) for part in self.parts]
        cells["corrected"] = [_p(part.corrected) for part in self.parts]
        cells["gain"] = [part.learning.shares if part.learning else "" for part in self.parts]
        return {name: "; ".join(each) if any(each) else "" for name, each in cells.items()} | {
            "id": claim.id,
            "paper": self.paper.slug,
            "where": claim.where,
            "kind": claim.kind,
            "statement": claim.statement,
            "evidence": "; ".join(self.evidence),
            "verdict": self.verdict,
            "reason": self.reason,
            "card": _once(part.card for part in claim.parts),
            "data": _once(part.data for part in self.parts),
            "runs": " ".join(record.id for record in self.records),
            "note": _once([*(note.text for note in self.notes), claim.note]),
            "readings": _once(note.text for note in self.readings),
            "audit": audit_text(self.paper, claim, [part.audit for part in self.parts]),
        }


def judge_claims(paper: Paper, records: Iterable[Record]) -> list[Judged]:
    """Every claim of a paper with its verdict, in the paper's order."""
    records = list(records)
    measurements = Measurements(records, paper)
    judged, first = [], {}
    for claim in paper.claims:
        parts = [weigh(measurements, claim, part) for part in claim.parts]
        made = frozenset((part.text, part.by, part.card) for part in claim.parts)
        quoted = not made or claim.needs[0] == "quoted"
        repeats = "" if quoted else first.setdefault(made, claim.id)
        judged.append(Judged(paper, claim, parts, repeats * (repeats != claim.id)))
    findings = [part for each in judged for part in each.parts]
    correct(findings, tests(paper, records, findings))
    for each in judged:
        for part, finding in zip(each.claim.parts, each.parts):
            conclude(each.claim, part, finding)
    return judged


def tests(paper: Paper, records: Iterable[Record], findings: Iterable[Finding]) -> Family:
    """All comparisons on a paper's page that are over seeds or repeats: of its claims and changes."""
    family = page_family(paper, records)
    for finding in filter(is_tested, findings):
        family.add(finding.sample.units, finding.p)
    return family


def verdicts(paper: str | Paper, records: Iterable[Record]) -> pd.DataFrame:
    """The ledger of a paper: one row a claim, every cell a string; columns are `COLUMNS`."""
    paper = load_paper(paper) if isinstance(paper, str) else paper
    rows = [judged.row for judged in judge_claims(paper, records)]
    return pd.DataFrame(rows, columns=COLUMNS)


def counts(ledger: pd.DataFrame) -> pd.DataFrame:
    """How many claims got each verdict word: a word a row, best first, and a paper a column."""
    table = pd.crosstab(ledger["verdict"], ledger["paper"])
    return table.reindex(WORDS[::-1], fill_value=0)


def labels(claim: Claim) -> list[str]:
    """What tells the parts of a claim apart: card, metric or subject; '' for one plain number."""
    words = [split(part.names[0].removeprefix("recipe_")) for part in claim.parts]
    metrics = [metric for metric, _, _ in words]
    if len({part.card for part in claim.parts}) > 1:
        named = [part.card or metric for part, metric in zip(claim.parts, metrics)]
        return [name.replace("_", " ") if name in metrics else name for name in named]
    if len(claim.parts) == 1 and isinstance(claim.parts[0].left, Quantity):
        return [""]
    named = []
    for part, (metric, _, piece) in zip(claim.parts, words):
        if isinstance(part.left, Call) and part.left.function in ("abs", "rank"):
            metric, piece = part.left.function, ""
        shared = metrics.count(metric) > 1
        named.append(f"{metric} {piece}".strip() if shared else metric)
    return _apart(claim.parts, [name.replace("_", " ") for name in named])


def _apart(parts: tuple[Part, ...], named: list[str]) -> list[str]:
    """The labels, those that several parts share told apart by the subjects of these parts."""
    for label in [label for label, count in Counter(named).items() if count > 1]:
        places = [i for i, name in enumerate(named) if name == label]
        left = [split(names(parts[i].left)[0])[1] for i in places]
        right = [", ".join(split(q)[1] for q in names(parts[i].right)) for i in places]
        if len(set(left)) == 1 and all(right):
            left = [f"against {subjects}" for subjects in right]
        alone = len(set(named)) == 1
        new = dict(zip(places, left if alone else [f"{label} {subject}" for subject in left]))
        named = [new.get(i, name) for i, name in enumerate(named)]
    return named


def _p(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2g}"


def _once(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(word for word in words if word))

"""The paper's claims and averages checked on its own printed numbers.

Every printed number stands for the interval that rounding leaves it in, so a claim fails only
where no numbers that round to the printed ones could make it true.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from posekit.claims.expressions import Node, Number, Quantity, evaluate, matches
from posekit.claims.numbers import Interval, compare, cut, number, short
from posekit.claims.paper import (
    FOLDER,
    Claim,
    Paper,
    Part,
    Printed,
    check,
    metric_of,
    read_table,
    split,
)
from posekit.metrics.protocols import PROTOCOLS

_PHRASES = {"=": "is", "<": "is less than", "<=": "is at most"}
_PHRASES |= {">": "is more than", ">=": "is at least"}
YES = "yes=1"  # the unit of what is so, 1, or not, 0
_IS = {"holds": "is", "fails": "is not", "undecided": "is, or is not,"}
_OUTCOMES = {"undecided": "can't be told at the printed precision"}


SEVERITIES = ("changes a conclusion", "misleads", "slip")
_ERRATA = ("id", "severity", "where", "title", "finding", "claims", "cells")


@dataclass(frozen=True)
class Erratum:
    """A mistake found in a paper: where, what, and the claims and printed cells that it concerns.

    Read from papers/<slug>/errata.csv. `cells` are QUANTITY or QUANTITY@CARD, * for any subject or
    slice; they and `claims` are separated by spaces.
    """

    id: str
    severity: str  # one of SEVERITIES
    where: str
    title: str
    finding: str
    claims: tuple[str, ...]
    cells: tuple[str, ...]

    def concerns(self, quantity: str, card: str) -> bool:
        """Whether a printed cell is among those that are mistaken."""
        pairs = (cell.partition("@") for cell in self.cells)
        return any(matches(name, quantity) and rule in ("", card) for name, _, rule in pairs)


def load_errata(slug: str, folder: Path = FOLDER) -> list[Erratum]:
    """The mistakes found in a paper, gravest first; none if it has no such table.

    Raises ValueError naming file and line for an unknown severity.
    """
    table = read_table(folder / slug / "errata.csv", _ERRATA, _erratum, optional=True)
    return sorted(table.values(), key=lambda erratum: SEVERITIES.index(erratum.severity))


def _erratum(row: dict[str, str]) -> tuple[str, Erratum]:
    check(row["severity"], SEVERITIES, "severity")
    lists = {name: tuple(row[name].split()) for name in ("claims", "cells")}
    return row["id"], Erratum(**row | lists)


@dataclass(frozen=True)
class Audit:
    """A comparison on the printed numbers: outcome, both sides, and text.

    `outcome` is 'holds', 'fails', 'undecided', or '' where numbers are not printed. `text` is a
    formula, `words` says it in English; `source` names the document that numbers come from which
    the paper's text does not have; `by_threshold` is true where it fails by a threshold of ours alone,
    `against_code` where a number of the text is held against one of published code or notes; `bare`
    is the right side without a threshold of ours, where there is one.
    """

    outcome: str
    left: Interval | None
    right: Interval | None
    text: str
    words: str = ""
    source: str = ""
    by_threshold: bool = False
    against_code: bool = False
    bare: Interval | None = None

    @property
    def told_source(self) -> str:
        """The source, unless the words name it, too."""
        return "" if self.against_code else self.source


def audit_part(part: Part) -> Audit:
    """Evaluate one comparison on the printed numbers."""
    entries = {
        name: [part.printed[q] for q in quantities] for name, quantities in part.expanded.items()
    }
    values = {name: [e.value for e in cells if e.value] for name, cells in entries.items()}
    if unprinted := next((name for name, known in values.items() if not known), ""):
        return Audit("", None, None, f"no number printed for {unprinted}")
    left, right = evaluate(part.left, values), evaluate(part.right, values)
    outcome = compare(left, part.relation, right, part.tolerance)
    shown = [_side(part, node, value) for node, value in ((part.left, left), (part.right, right))]
    rivals, aside = _rivals(part, left)
    phrase = _PHRASES[part.relation].replace("is", _IS[outcome], 1)
    text = f"{shown[0]} {part.relation} {shown[1]} {_OUTCOMES.get(outcome, outcome)}{aside}"
    words = f"{shown[0]} {phrase} {shown[1]}{aside}"
    if part.by:
        before = outcome
        outcome, amount = _amount(part, left, right, outcome)
        text, words = text + amount, words + amount
        if outcome != before:
            words = f"{shown[0]} against {shown[1]}{amount.replace('; by', ': by')}"
    named = [entry for name in part.names if "*" not in name for entry in entries[name]]
    if outcome == "fails" and (placed := _in_places(part)):
        text = words = placed
    ours, bare = False, evaluate(part.bare, values) if part.bare else None
    if bare and outcome == "fails":
        fails = compare(left, part.relation, bare) == "fails"
        ours = by_threshold(part.relation, right.value, bare.value, fails)
    source = _recovered(rivals + named)
    return Audit(outcome, left, right, text, words, source, ours, _is_text_and_code(part), bare)


def by_threshold(relation: str, right: float, bare: float, fails: bool) -> bool:
    """Whether a comparison that fails with a threshold of ours does so by that threshold alone.

    It does where the threshold allows more than none would, for a wider one would hold, and where
    the comparison holds without it. `right` is the right side with the threshold, `bare` without;
    `fails` says whether it fails without.
    """
    allows = right > bare if relation.startswith("<") else right < bare
    return relation == "=" or allows or not fails


def audit_text(paper: Paper, claim: Claim, audits: list[Audit]) -> str:
    """The audits of a claim's comparisons in words, and that of its own cell of a table."""
    texts: list[str] = []
    for part, audit in zip(claim.parts, audits):
        states_value = isinstance(part.left, Quantity) and isinstance(part.right, Number)
        if not states_value or audit.outcome != "holds":  # else a cell that repeats itself
            texts += [audit.text, audit.told_source]
        if claim.kind == "accuracy" and isinstance(part.left, Quantity):
            entry = part.printed[part.left.name]
            texts.append(_average(paper, entry)[1])
            texts.append("" if claim.needs[0] == "quoted" else _place(paper, entry))
    return "; ".join(dict.fromkeys(text for text in texts if text))


def findings(paper: Paper) -> pd.DataFrame:
    """The faults of the paper by its own numbers, one a row.

    Columns: what ('claim' or 'average'), name (claim id or quantity), card, finding: a sentence
    that also says where recovered numbers come from.
    """
    rows = []
    for claim in paper.claims:
        for part in claim.parts:
            audit = audit_part(part)
            if audit.outcome == "fails":
                text = "; ".join(filter(None, (audit.words, audit.told_source)))
                rows.append(("claim", claim.id, part.card, f"{claim.statement}: {text}"))
    for entry in paper.printed.values():
        outcome, text = _average(paper, entry)
        if outcome == "fails":
            rows.append(("average", entry.quantity, entry.card, text))
    return pd.DataFrame(rows, columns=["what", "name", "card", "finding"])


def _is_plain(node: Node) -> bool:
    """A quantity by its own name: not a number, a formula or a wildcard."""
    return isinstance(node, Quantity) and "*" not in node.name


def _is_text_and_code(part: Part) -> bool:
    """Whether a number of the text is said to be one of published code, or of other documents."""
    if part.relation != "=" or not (_is_plain(part.left) and _is_plain(part.right)):
        return False
    text, code = (part.printed[side.name] for side in (part.left, part.right))
    return text.source != "recovered" and code.source == "recovered"


def _in_places(part: Part) -> str:
    """Two numbers that are not equal, each with its place; '' where a formula stands for one."""
    entries = [e for q in part.expanded[part.names[0]] if (e := part.printed[q]).value]
    if part.relation != "=" or not entries:
        return ""
    what = split(part.names[0])[0].removeprefix("recipe_").removesuffix("_mb").replace("_", " ")
    if entries[0].unit == YES and isinstance(part.right, Number):
        other = [e for e in entries if e.value.value != float(part.right.text)]
        return f"{what}: {_told(other[0])} in {', '.join(dict.fromkeys(e.where for e in other))}"
    if not _is_plain(part.left) or not isinstance(part.right, Number | Quantity):
        return ""
    here = "the text" if _is_text_and_code(part) else entries[0].where
    unit = entries[0].unit
    unit = "" if unit == YES or what.endswith(unit) else f" {unit}"
    first = f"{what}: {_told(entries[0])}{unit} in {here}"
    if isinstance(part.right, Number):
        return f"{first}, not {part.right.text}"
    other = part.printed[part.right.name]
    return f"{first}, {_told(other)} in {other.where}"


def _told(entry: Printed) -> str:
    """A printed number: yes or no, and long counts with separators."""
    if entry.unit == YES:
        return "yes" if entry.value.value else "no"
    return f"{int(entry.text):,}" if entry.text.isdigit() else cut(entry.text)


def _named(entries: Iterable[Printed]) -> str:
    return ", ".join(f"{entry.subject} {entry.text}" for entry in entries)


def _recovered(entries: Iterable[Printed]) -> str:
    """Where numbers come from that the paper's text does not have; '' where it has them all."""
    recovered = (e for e in entries if e.source == "recovered")
    return "; ".join(
        f"{_named([e])} is not in the text at hand but in {e.where}" for e in recovered
    )


def _side(part: Part, node: Node, value: Interval) -> str:
    if isinstance(node, Quantity):
        return part.printed[node.name].text
    return node.text if isinstance(node, Number) else short(value.value)


def _rivals(part: Part, left: Interval) -> tuple[list[Printed], str]:
    """Of the numbers a wildcard stands for: those that break the claim, or the nearest."""
    wild = [q for name, quantities in part.expanded.items() if "*" in name for q in quantities]
    if part.relation == "=" or not isinstance(part.left, Quantity) or not wild:
        return [], ""
    entries = [part.printed[q] for q in wild if part.printed[q].value]
    entries.sort(key=lambda e: e.value.value)
    breaking = [e for e in entries if compare(left, part.relation, e.value) != "holds"]
    nearest = entries[:1] if part.relation in ("<", "<=") else entries[-1:]
    shown, word = (breaking, "against") if breaking else (nearest, "nearest")
    return shown, f" ({word}: {_named(shown)}; {len(entries)} others printed)"


def _amount(part: Part, left: Interval, right: Interval, outcome: str) -> tuple[str, str]:
    """Check the difference the claim names: in the unit, or in % of the right side."""
    difference = right - left if part.relation.startswith("<") else left - right
    unit = "%" if part.by.endswith("%") else ""
    if unit:
        difference = difference / right * Interval.exact(100.0)
    agrees = compare(difference, "=", Interval.printed(part.by.removesuffix("%")))
    text = f"; by {short(difference.value)}{unit}, claimed {part.by}: {agrees}"
    return ("fails" if "fails" in (outcome, agrees) else outcome), text


def _average(paper: Paper, entry: Printed) -> tuple[str, str]:
    """Whether a printed average is the mean of its row: outcome and text.

    ('', '') for a number that is no average of a full row.
    """
    metric, subject, part = split(entry.quantity)
    if part or entry.value is None or not entry.card:
        return "", ""
    table = [split(q) for q, card in paper.printed if card == entry.card]
    slices = dict.fromkeys(part for other, _, part in table if part and other == metric)
    cells = [paper.printed.get((f"{metric}/{subject}/{s}", entry.card)) for s in slices]
    values = [cell.value for cell in cells if cell and cell.value]
    if len(slices) < 2 or not values:
        return "", ""
    if len(values) < len(slices):
        return "", f"average not checked: {len(values)} of {len(slices)} cells printed"
    mean = sum(values[1:], values[0]) / Interval.exact(float(len(values)))
    outcome = compare(mean, "=", entry.value)
    shown, rule = number(mean.value, mean.value), PROTOCOLS.get(entry.card)
    if outcome == "fails" and rule and rule.mean_over == "samples":
        cells_mean = f"its {len(values)} cells' mean is {shown}"
        return "", f"average {entry.text} is over samples; {cells_mean}"
    verb = "is" if outcome == "holds" else "is not"
    return outcome, f"average {entry.text} {verb} the mean of its {len(values)} cells, {shown}"


def _place(paper: Paper, entry: Printed) -> str:
    """Where an own cell stands among all that the table prints for it."""
    known = metric_of(entry.quantity)
    if entry.value is None or known is None:
        return ""
    row = split(entry.quantity)[::2]  # metric and slice
    table = (e for e in paper.printed.values() if e.card == entry.card and e.value)
    others = [e for e in table if e is not entry and split(e.quantity)[::2] == row]
    ahead = [e for e in others if known.sign * (e.value.value - entry.value.value) < 0]
    behind = f" behind {_named(ahead)}" if ahead else ""
    place = f"place {1 + len(ahead)} of {1 + len(others)} printed{behind}"
    return "; ".join(filter(None, (place, _recovered(ahead))))

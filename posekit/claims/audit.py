"""What the paper says of itself: its claims and averages, checked on its own printed numbers.

Every printed number stands for the interval that rounding leaves it in, so a claim fails only
where no numbers that round to the printed ones could make it true.
"""

from dataclasses import dataclass

import pandas as pd

from posekit.claims.expressions import Interval, Node, Number, Quantity, compare, evaluate
from posekit.claims.numbers import number, short
from posekit.claims.paper import Claim, Paper, Part, Printed, load_metrics
from posekit.metrics.protocols import PROTOCOLS

_PHRASES = {"=": "is", "<": "is less than", "<=": "is at most"}
_PHRASES |= {">": "is more than", ">=": "is at least"}
_IS = {"holds": "is", "fails": "is not", "undecided": "is, or is not,"}


class _Unprinted(Exception):
    """A quantity the paper gives no number for."""


@dataclass(frozen=True)
class Audit:
    """'holds', 'fails', 'undecided' or '' (nothing printed), the two sides, and a formula.

    `words` says the formula in English; `source` where numbers in it are from that the paper's
    text does not have.
    """

    outcome: str
    left: Interval | None
    right: Interval | None
    text: str
    words: str = ""
    source: str = ""


def audit_part(paper: Paper, part: Part) -> Audit:
    """Evaluate one comparison on the printed numbers."""

    def lookup(name: str) -> list[Interval]:
        entries = [paper.find(q, part.card) for q in paper.expand(part, name)]
        values = [e.value for e in entries if e.value is not None]
        if not values:
            raise _Unprinted(name)
        return values

    try:
        left, right = evaluate(part.left, lookup), evaluate(part.right, lookup)
    except _Unprinted as gap:
        return Audit("", None, None, f"no number printed for {gap}")
    outcome = compare(left, part.relation, right, part.tolerance)
    sides = [_side(paper, part, part.left, left), _side(paper, part, part.right, right)]
    named, told = _rivals(paper, part, left)
    named += [paper.find(n.name, part.card) for n in (part.left, part.right) if _plain(n)]
    phrase = _PHRASES[part.relation].replace("is", _IS[outcome], 1)
    text = f"{sides[0]} {part.relation} {sides[1]} {_said(outcome)}{told}"
    words = f"{sides[0]} {phrase} {sides[1]}{told}"
    if part.by:
        outcome, amount = _amount(part, left, right, outcome)
        text, words = text + amount, words + amount
    return Audit(outcome, left, right, text, words, _recovered(named))


def audit_claim(paper: Paper, claim: Claim) -> str:
    """What the printed numbers say of a claim, part by part, and of its own cell of the table."""
    texts: list[str] = []
    for part in claim.parts:
        plain = isinstance(part.left, Quantity) and isinstance(part.right, Number)
        audit = audit_part(paper, part)
        if not plain or audit.outcome != "holds":  # else a cell that repeats itself
            texts += [audit.text, audit.source]
        if claim.kind == "accuracy" and isinstance(part.left, Quantity):
            entry = paper.find(part.left.name, part.card)
            texts.append(_average(paper, entry)[1])
            texts.append("" if claim.needs[0] == "quoted" else _place(paper, entry))
    return "; ".join(dict.fromkeys(text for text in texts if text))


def findings(paper: Paper, *, in_words: bool = False) -> pd.DataFrame:
    """What the paper gets wrong by its own numbers: one row a fault.

    Columns: what ('claim' or 'average'), name (claim id or quantity), card, finding: a
    formula, or `in_words` a sentence that also tells where recovered numbers come from.
    """
    rows = []
    for claim in paper.claims:
        for part in claim.parts:
            audit = audit_part(paper, part)
            if audit.outcome == "fails":
                told = audit.text
                if in_words:
                    told = "; ".join(filter(None, (audit.words, audit.source)))
                rows.append(("claim", claim.id, part.card, f"{claim.statement}: {told}"))
    for entry in paper.printed.values():
        outcome, text = _average(paper, entry)
        if outcome == "fails":
            rows.append(("average", entry.quantity, entry.card, text))
    return pd.DataFrame(rows, columns=["what", "name", "card", "finding"])


def _said(outcome: str) -> str:
    return {"undecided": "can't be told at the printed precision"}.get(outcome, outcome)


def _plain(node: Node) -> bool:
    """A quantity by its own name: not a number, a formula or a wildcard."""
    return isinstance(node, Quantity) and "*" not in node.name


def _recovered(entries: list[Printed]) -> str:
    """Where numbers come from that the paper's text does not have; '' where it has them all."""
    found = [e for e in entries if e.source == "recovered"]
    return "; ".join(f"{_who(e)} {e.text} is recovered: it is from {e.where}" for e in found)


def _side(paper: Paper, part: Part, node: Node, value: Interval) -> str:
    if isinstance(node, Quantity):
        return paper.find(node.name, part.card).text
    return node.text if isinstance(node, Number) else short(value.value)


def _rivals(paper: Paper, part: Part, left: Interval) -> tuple[list[Printed], str]:
    """Of the numbers a wildcard stands for: those that break the claim, or the nearest; in words."""
    wild = [n for n in part.names if "*" in n]
    if part.relation == "=" or not isinstance(part.left, Quantity) or not wild:
        return [], ""
    entries = [paper.find(q, part.card) for n in wild for q in paper.expand(part, n)]
    entries = sorted((e for e in entries if e.value), key=lambda e: e.value.value)
    breaking = [e for e in entries if compare(left, part.relation, e.value) != "holds"]
    nearest = entries[:1] if part.relation in ("<", "<=") else entries[-1:]
    named = breaking or nearest
    shown = ", ".join(f"{_who(e)} {e.text}" for e in named)
    word = "against" if breaking else "nearest"
    return named, f" ({word}: {shown}; {len(entries)} others printed)"


def _amount(part: Part, left: Interval, right: Interval, outcome: str) -> tuple[str, str]:
    """Check the difference the claim names: in the unit, or in % of the right side."""
    difference = right - left if part.relation.startswith("<") else left - right
    unit = "%" if part.by.endswith("%") else ""
    if unit:
        difference = difference / right * Interval.exact(100.0)
    agrees = compare(difference, "=", Interval.printed(part.by.removesuffix("%")))
    text = f"; by {short(difference.value)}{unit}, claimed {part.by}: {agrees}"
    return ("fails" if "fails" in (outcome, agrees) else outcome), text


def _who(entry: Printed) -> str:
    return entry.quantity.split("/")[1]


def _average(paper: Paper, entry: Printed) -> tuple[str, str]:
    """Is a printed average the mean of its row? ('', '') for what is no average of a full row."""
    metric, subject, *rest = entry.quantity.split("/")
    if rest or entry.value is None or not entry.card:
        return "", ""
    table = [q.split("/") for q, card in paper.printed if card == entry.card]
    slices = dict.fromkeys(q[2] for q in table if len(q) == 3 and q[0] == metric)
    cells = [paper.printed.get((f"{metric}/{subject}/{s}", entry.card)) for s in slices]
    values = [c.value for c in cells if c is not None and c.value is not None]
    if len(slices) < 2 or not values:
        return "", ""
    if len(values) < len(slices):
        return "", f"average not checked: {len(values)} of {len(slices)} cells printed"
    mean = sum(values[1:], values[0]) / Interval.exact(float(len(values)))
    outcome = compare(mean, "=", entry.value)
    rule = PROTOCOLS.get(entry.card)
    if outcome == "fails" and rule is not None and rule.mean_over == "samples":
        cells_mean = number(mean.value, mean.value)
        return (
            "",
            f"average {entry.text} is over samples; its {len(values)} cells' mean is {cells_mean}",
        )
    is_not = "is the" if outcome == "holds" else "is not the"
    return (
        outcome,
        f"average {entry.text} {is_not} mean of its {len(values)} cells, {number(mean.value, mean.value)}",
    )


def _place(paper: Paper, entry: Printed) -> str:
    """Where an own cell stands among all that the table prints for it."""
    metric, _, *rest = entry.quantity.split("/")
    known = load_metrics().get((metric, bool(rest)))
    if entry.value is None or known is None:
        return ""
    sign = 1 if known.better == "lower" else -1
    others = [
        e
        for (q, card), e in paper.printed.items()
        if card == entry.card
        and e.value
        and e is not entry
        and [q.split("/")[0], *q.split("/")[2:]] == [metric, *rest]
    ]
    ahead = [e for e in others if sign * (e.value.value - entry.value.value) < 0]
    behind = f" behind {', '.join(f'{_who(e)} {e.text}' for e in ahead)}" if ahead else ""
    place = f"place {1 + len(ahead)} of {1 + len(others)} printed{behind}"
    return "; ".join(filter(None, (place, _recovered(ahead))))

"""A row of the ledger in words: what was decided and why, each number named and short."""

import re
from collections.abc import Mapping

from posekit.audit import audit_part
from posekit.claims import Claim, Paper
from posekit.expression import Call, Quantity
from posekit.judge import STATED
from posekit.ledger import measured_parts
from posekit.tables import escape, number

TOLD = (
    "depends on the reading",
    STATED,
    "the paper says by",
    "timed on",
)  # what a verdict can't do without


def bullet(paper: Paper, claim: Claim, row: Mapping[str, str]) -> str:
    """A claim in a line: its words, the verdict, what it rests on, and the remark on it."""
    text = f"- {escape(claim.statement)} (`{claim.id}`): **{row['verdict']}**"
    if row["verdict"] == "inconsistent":
        audits = [audit_part(paper, part) for part in claim.parts]
        found = [joined(labels(claim), [audit.words for audit in audits], ": ")]
        found += dict.fromkeys(audit.source for audit in audits)
        parts = ["; ".join(filter(None, found))]
    else:
        parts = [row["evidence"], measured_cell(claim, row), *_restrictions(row)]
    text = ", ".join([text, *(escape(part) for part in parts if part)])
    return f"{text}. *{escape(claim.note)}*" if claim.note else text


def _restrictions(row: Mapping[str, str]) -> list[str]:
    """What keeps a verdict from being the whole truth, from the notes and readings of the ledger."""
    notes = row["note"].split("; ")
    found = [note for note in notes if note.endswith(" alone") or note.startswith(TOLD)]
    if any(note.startswith("depends on the reading") for note in found):
        return found
    decided = re.compile(r": (supported|contradicted|reproduced), ")
    others = [reading for reading in row["readings"].split("; ") if decided.search(reading)]
    return found + ([f"but {' and '.join(others)}"] if others else [])


def printed_cell(claim: Claim, row: Mapping[str, str]) -> str:
    """What the paper prints of a claim, part by part."""
    return joined(labels(claim), [_shown(text) for text in row["printed"].split("; ")])


def measured_cell(claim: Claim, row: Mapping[str, str]) -> str:
    """Mean, interval, margin, seeds and data of what was measured, part by part."""
    parts = measured_parts(row)
    text = joined(labels(claim), [_interval(*cells) for *cells, _ in parts])
    counts = " or ".join(dict.fromkeys(n for *_, n in parts if n))
    text += f", margin {row['margin']}" if row["margin"] else ""
    if row["data"]:
        return f"{text}, n = {counts} on {row['data']}"
    return f"{text}, n = {counts} repeats" if row["low"] else text


def joined(labels: list[str], texts: list[str], mark: str = " ") -> str:
    """What there is, each under its label."""
    pairs = zip(labels, texts) if len(labels) == len(texts) else (("", text) for text in texts)
    return "; ".join(f"{label}{mark}{text}" if label else text for label, text in pairs if text)


def labels(claim: Claim) -> list[str]:
    """What tells the parts of a claim apart: the card, or the quantity; '' for one plain number."""
    cards = [part.card for part in claim.parts]
    if len(set(cards)) > 1:
        return cards
    if len(claim.parts) == 1 and isinstance(claim.parts[0].left, Quantity):
        return [""]
    words = [part.names[0].removeprefix("recipe_").split("/") for part in claim.parts]
    metrics = [metric for metric, *_ in words]
    labels = []
    for part, (metric, _, *rest) in zip(claim.parts, words):
        if isinstance(part.left, Call) and part.left.function not in ("min", "max"):
            metric, rest = part.left.function, []
        labels.append(" ".join([metric, *(rest if metrics.count(metric) > 1 else [])]))
    return [label.replace("_", " ") for label in labels]


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

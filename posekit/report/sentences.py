"""A row of the ledger in words: what was decided and why, each number named and short."""

import re
from collections.abc import Mapping

from posekit.claims.audit import audit_part
from posekit.claims.ledger import labels, measured_parts
from posekit.claims.numbers import number, number_within
from posekit.claims.paper import Claim, Paper
from posekit.claims.verdict import STATED
from posekit.report.markdown import escape

TOLD = (
    "depends on the reading",
    STATED,
    "the paper says by",
    "timed on",
)  # what a verdict can't do without
LONG = 11  # characters of a printed number: 0.00114283, and a sign


def bullet(paper: Paper, claim: Claim, row: Mapping[str, str]) -> str:
    """A claim in a line: its words, the verdict, what it rests on, and the remark on it."""
    text = f"- {escape(claim.statement)} (`{claim.id}`): **{row['verdict']}**"
    if row["verdict"] == "inconsistent":
        audits = [audit_part(paper, part) for part in claim.parts]
        found = [joined(labels(claim), [audit.words for audit in audits], ": ")]
        found += dict.fromkeys(audit.source for audit in audits)
        parts = ["; ".join(filter(None, found)), _nevertheless(claim, row)]
    else:
        parts = [row["evidence"], measured_cell(claim, row), *_restrictions(row)]
    text = ", ".join([text, *(escape(part) for part in parts if part)])
    return f"{text}. *{escape(claim.note)}*" if claim.note else text


def _nevertheless(claim: Claim, row: Mapping[str, str]) -> str:
    """What was measured of a claim that the paper's own numbers contradict."""
    found = re.search(r"by measurement (\w+ \(E\d\))", row["note"])
    if not found or claim.kind == "structure":
        return ""
    return f"but measured here: {found[1]}, {measured_cell(claim, row)}"


def _restrictions(row: Mapping[str, str]) -> list[str]:
    """What keeps a verdict from being the whole truth, from the notes and readings of the ledger."""
    notes = row["note"].split("; ")
    found = [note for note in notes if note.endswith(" alone") or note.startswith(TOLD)]
    if any(note.startswith("depends on the reading") for note in found):
        return found
    if {"E5", "E6"} & set(row["evidence"].split("; ")):  # the paper's data, but not its recipe
        sizes = [re.search(r"(?:^|: )(size (?:small|gpu))$", note) for note in notes]
        found += dict.fromkeys(size[1] for size in sizes if size)
    others = [reading for reading in row["readings"].split("; ") if _differs(reading, row)]
    return found + ([f"but {' and '.join(others)}"] if others else [])


def _differs(reading: str, row: Mapping[str, str]) -> bool:
    """Does another reading hold, or fail, where the row doesn't?"""
    found = re.search(r": (supported|contradicted|reproduced|inconclusive), ", reading)
    group = {"supported": "holds", "reproduced": "holds"}
    return bool(found) and group.get(found[1], found[1]) != group.get(
        row["verdict"], row["verdict"]
    )


def printed_cell(claim: Claim, row: Mapping[str, str]) -> str:
    """What the paper prints of a claim, part by part."""
    return joined(labels(claim), [_shown(text) for text in row["printed"].split("; ")])


def measured_cell(claim: Claim, row: Mapping[str, str]) -> str:
    """Mean, interval, margin, seeds and data of what was measured, part by part."""
    parts = measured_parts(row)
    text = joined(labels(claim), [_interval(*cells) for *cells, _ in parts])
    counts = " or ".join(dict.fromkeys(n for *_, n in parts if n))
    text += f", margin {row['margin']}" if row["margin"] else ""
    if row["data"] and not row["card"]:
        return f"{text}, counted on {row['data']}"
    if row["data"]:
        return f"{text}, n = {counts} on {row['data']}"
    return f"{text}, n = {counts} repeats" if row["low"] else text


def joined(labels: list[str], texts: list[str], mark: str = " ") -> str:
    """What there is, each under its label."""
    pairs = zip(labels, texts) if len(labels) == len(texts) else (("", text) for text in texts)
    return "; ".join(f"{label}{mark}{text}" if label else text for label, text in pairs if text)


def _interval(mean: str, low: str, high: str) -> str:
    """mean [low, high], all with the decimals of the largest, or those the interval leaves."""
    if not low:
        return _shown(mean)
    values = [float(text) for text in (mean, low, high)]
    largest, half = max(map(abs, values)), (values[2] - values[1]) / 2
    mean, low, high = (number_within(value, half, largest) for value in values)
    return f"{mean} [{low}, {high}]"


def _shown(text: str) -> str:
    """A number of the ledger at a length to read; anything else as it is."""
    try:
        value = float(text)
    except ValueError:
        return text
    small = abs(value) < 1 and len(text) <= LONG
    return text if len(text) < 6 or small else number(value)

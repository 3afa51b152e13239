"""A judged claim in words: the verdict and its reasons, each number named and short."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean

import numpy as np

from posekit.claims.expressions import Number, Quantity, names
from posekit.claims.finding import HOLDS, Finding
from posekit.claims.ledger import Judged, labels
from posekit.claims.numbers import Interval, number, number_within
from posekit.claims.paper import Part
from posekit.claims.statistics import t_interval
from posekit.report.markdown import escape

LONG = 11  # characters of a printed number: 0.00114283, and a sign
_DECIDED = (*HOLDS, "contradicted", "inconclusive")


def bullet(judged: Judged) -> str:
    """A claim in a line: statement, verdict, what it rests on, and the remark on it."""
    claim = judged.claim
    text = f"- {escape(claim.statement)} ([{claim.id}](#{claim.id})): **{judged.verdict}**"
    if judged.verdict == "inconsistent":
        failed = [part.verdict == judged.verdict for part in judged.parts]
        words = [part.audit.words if fails else "" for part, fails in zip(judged.parts, failed)]
        reasons = [_labelled(judged, words, ": ")]
        reasons += [part.audit.told_source for part, fails in zip(judged.parts, failed) if fails]
        reasons = list(dict.fromkeys(reasons))
        overruled = next((part.overruled for part in judged.parts if part.overruled), "")
        parts = ["; ".join(filter(None, reasons))]
        if overruled and claim.kind != "structure":
            parts.append(f"but measured here: {overruled}, {measured_cell(judged)}")
    else:
        parts = ["; ".join(judged.evidence), measured_cell(judged), *_restrictions(judged)]
    text = ", ".join([text, *(escape(part) for part in parts if part)])
    return f"{text}. *{escape(claim.note)}*" if claim.note else text


def _restrictions(judged: Judged) -> list[str]:
    """What keeps a verdict from being the whole truth: caveats, and other readings."""
    caveats = list(dict.fromkeys(note.text for note in judged.notes if note.caveat))
    if any(text.startswith("depends on the reading") for text in caveats):
        return caveats
    holds = judged.verdict in HOLDS
    others = [
        note.text
        for note in judged.readings
        if note.verdict in _DECIDED
        and not (note.verdict in HOLDS and holds or note.verdict == judged.verdict)
    ]
    return caveats + ([f"but {' and '.join(others)}"] if others else [])


def printed_cell(judged: Judged) -> str:
    """What the paper prints of a claim, part by part."""
    return _labelled(judged, map(_printed, judged.claim.parts, judged.parts))


def measured_cell(judged: Judged) -> str:
    """Mean, interval, margin, seeds, data and size of what was measured, part by part."""
    text = _labelled(judged, map(_measured, judged.claim.parts, judged.parts))
    margins = [part.margin for part in judged.parts]
    text += f", margin {'; '.join(margins)}" if any(margins) else ""
    data = "; ".join(dict.fromkeys(part.data for part in judged.parts if part.data))
    samples = [part.sample for part in judged.parts if part.sample]
    sizes = dict.fromkeys(s.size for s in samples if s.data not in ("", "reference"))
    data += f", size {' or '.join(sizes)}" * bool(sizes)
    if data and not any(part.card for part in judged.claim.parts):
        return f"{text}, counted on {data}"
    counts = " or ".join(dict.fromkeys(part.n for part in judged.parts if part.n))
    if data:
        return f"{text}, n = {counts} on {data}"
    return f"{text}, n = {counts} repeats" if any(part.low for part in judged.parts) else text


def _labelled(judged: Judged, texts: Iterable[str], mark: str = " ") -> str:
    """The texts there are, each under the label of its part."""
    pairs = zip(labels(judged.claim), texts)
    return "; ".join(dict.fromkeys(_under(label, text, mark) for label, text in pairs if text))


def _under(label: str, text: str, mark: str) -> str:
    """A text under its label, which takes the place of a shorter one that it has already."""
    head, colon, rest = text.partition(": ")
    if colon and label.startswith(head):
        return f"{label}: {rest}"
    return f"{label}{mark}{text}" if label else text


def _printed(part: Part, found: Finding) -> str:
    """What is printed, to a length to read."""
    stated = part.relation == "=" and isinstance(part.right, Number)
    if stated and "." in found.printed and len(found.printed) <= LONG:
        return found.printed  # to its last digit
    return _shown(found.plain_printed)


def _measured(part: Part, found: Finding) -> str:
    """A value, or a difference and the means of the two sides that it is of, with their unit."""
    compared = isinstance(part.left, Quantity) and part.relation != "=" and bool(names(part.right))
    sample, text = found.sample, ""
    if not sample or not (compared or sample.bare and found.low):
        return _interval(found)
    unit = next((entry.unit for entry in part.printed.values() if entry.unit), "")
    right = compared and _plain(part, found) or sample.bare or sample.right
    if compared:
        pair = [fmean(each.value for each in side) for side in (sample.left, right)]
        counts = all(value == round(value) for value in pair)
        shown = [number(value, None if counts else max(map(abs, pair))) for value in pair]
        text = " ".join(filter(None, (" against ".join(shown), unit)))
    if not found.low:
        return text
    if right is sample.right:
        return f"{text}, difference {_interval(found)}"
    mean = t_interval(np.array(replace(sample, right=tuple(right)).units))
    text += ", difference " * compared + _within(mean.mean, mean.low, mean.high)
    margins = [abs(a.value - b.value) for a, b in zip(sample.right, right)]
    same = np.ptp(margins) <= 1e-6 * max(margins)
    return f"{text}, margin {f'{number(fmean(margins))} {unit}'.strip()}" if same else text


def _plain(part: Part, found: Finding) -> list[Interval]:
    """The values of a single quantity on the right that stands in a formula, as in 0.9 * b."""
    if isinstance(part.right, Quantity) or len(found.sample.used) != 2:
        return []
    key = found.sample.used[1], part.card, found.sample.data
    return [Interval.exact(r.values[key]) for r in found.sample.records if key in r.values]


def _interval(part: Finding) -> str:
    """mean [low, high], all with the decimals of the largest, or those the interval leaves."""
    if not part.low:
        return _shown(part.measured)
    return _within(*(float(text) for text in (part.measured, part.low, part.high)))


def _within(*values: float) -> str:
    """Mean, low and high as text."""
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

"""A judged comparison: its verdict, the measured numbers as text, and the remarks beside them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from posekit.claims.audit import Audit
from posekit.claims.expressions import Number, Quantity
from posekit.claims.learning import Learning
from posekit.claims.measurements import Measurements, Record, Sample
from posekit.claims.numbers import Interval, first_decimal, short
from posekit.claims.paper import Claim, Part, split
from posekit.claims.statistics import FEWEST, Estimate, smallest_margin

CONFIRMED = ("reproduced", "supported")
HOLDS = (*CONFIRMED, "as specified")

_TIMED = ("batch", "input", "rounds")  # of a timing's config, what its note names


@dataclass(frozen=True)
class Note:
    """A remark on a verdict. A caveat has to stand wherever the verdict is quoted."""

    text: str
    caveat: bool = False
    verdict: str = ""  # where the remark is about another reading: the verdict that it gives


@dataclass
class Finding:
    """One comparison judged: the cells of its row, remarks, and the sample behind them."""

    verdict: str
    printed: str = ""
    recovered: str = ""  # what the paper does not print: counted in published code, or noted there
    measured: str = ""
    low: str = ""
    high: str = ""
    n: str = ""
    margin: str = ""
    evidence: str = ""
    data: str = ""
    reason: str = ""  # why it is inconclusive, in a word or two
    p: float = np.nan  # of no difference between trained networks
    corrected: float = np.nan  # the same after Holm's correction over the page
    estimate: Estimate | None = None
    learning: Learning | None = None
    notes: list[Note] = field(default_factory=list)
    readings: list[Note] = field(default_factory=list)  # the same with other stand-ins
    lacking: list[str] = field(default_factory=list)  # quantities nothing measured
    overruled: str = ""  # verdict and evidence by measurement, where printed numbers overrule it
    audit: Audit | None = None
    sample: Sample | None = None

    @property
    def plain_printed(self) -> str:
        """What is printed, or the difference of it; without a threshold of ours, which is none."""
        bare = self.printed and self.audit and self.audit.bare
        return short(self.audit.left.value - bare.value) if bare else self.printed

    @property
    def value(self) -> str:
        """The measured value with its interval."""
        return self.measured + (f" [{self.low}, {self.high}]" if self.low else "")

    @property
    def result(self) -> str:
        """Verdict, why it is open where the value doesn't say so, and value; of trained networks
        the verdict before any correction."""
        alone = self.verdict != "inconclusive" and not np.isnan(self.p)
        seen = "", "across zero", "across the threshold"
        why = f" ({self.reason})" * (not alone and self.reason not in seen)
        return f"{self.verdict}{' before correction' * alone}{why}, {self.value}"

    def note(self, text: str, *, caveat: bool = False) -> None:
        """Add a remark."""
        self.notes.append(Note(text, caveat))

    def hold_back(self, reason: str, remark: str) -> None:
        """Make it inconclusive for this reason; the remark comes first."""
        self.notes.insert(0, Note(remark, caveat=True))
        self.verdict, self.reason = "inconclusive", reason


@dataclass(frozen=True)
class Case:
    """A comparison to be judged, its audit, and all measurements of the paper."""

    measurements: Measurements
    claim: Claim
    part: Part
    audit: Audit

    @property
    def is_bound(self) -> bool:
        """Whether it states a bound of a count: less or more than a number."""
        number = isinstance(self.part.right, Number)
        return number and self.part.relation != "=" and self.claim.kind == "structure"

    @property
    def is_printed_time(self) -> bool:
        """Whether it states a time as a number, which holds for the paper's device only."""
        number = isinstance(self.part.right, Number)
        return number and self.part.relation == "=" and self.claim.kind == "speed"


def count_finding(verdict: str, case: Case, sample: Sample) -> Finding:
    """Counts: the number counted where a number or a bound is stated, else the difference."""
    part = case.part
    # of a share of a number that isn't printed, the distance says nothing, only what is counted
    is_share = not isinstance(part.right, Quantity | Number) and not case.audit.outcome
    own = part.relation == "=" or case.is_bound or is_share
    values = [side.value for side in sample.left] if own else sample.differences
    finding = Finding(verdict, measured=" / ".join(dict.fromkeys(map(short, values))))
    if verdict not in HOLDS or not isinstance(part.right, Number):
        left, right = short(sample.left[0].value), short(sample.right[0].value)
        finding.note(f"counted {left}, claimed {part.relation} {right}")
    return finding


def order_finding(verdict: str, reason: str, part: Part, mean: Estimate, sample: Sample) -> Finding:
    """A difference with its interval, and how small a one these seeds could have shown."""
    finding = Finding(verdict, **cells(mean), estimate=mean)
    counted = "repeats" if sample.evidence == "E1" else "seeds"  # a time has no seed
    counted = "starts" if sample.shares_starts else counted
    finding.note(reason.replace("seeds", counted))
    if mean.n > 1:
        unit = next((part.printed[q].unit for q in part.names if q in part.printed), "")
        least = f"{_two_digits(mean.half)} {unit}".strip()
        finding.note(f"with {mean.n} {counted} only a difference above {least} can be told from 0")
    if sample.subjects:
        means = (f"{s} {short(float(np.mean(v)))}" for s, v in sample.subjects.items())
        finding.note(f"by test subject: {', '.join(means)}")
    if part.by:
        finding.note(f"the paper says by {part.by}: only the direction is judged", caveat=True)
    if sample.evidence == "E1":
        devices = dict.fromkeys(map(_device, sample.records))
        finding.note(f"timed on {' and '.join(devices)}", caveat=True)
    return finding


def equality_finding(verdict: str, reason: str, mean: Estimate, margin: float) -> Finding:
    """A value, or a difference, said to be within a margin."""
    finding = Finding(verdict, **cells(mean), margin=short(margin), estimate=mean)
    finding.note(reason)
    if 1 < mean.n < FEWEST:
        finding.note(f"{mean.n} seeds could prove {_two_digits(smallest_margin(mean))}")
    return finding


def stated(case: Case) -> dict[str, str]:
    """What the comparison states, as `printed`, or as `recovered` where the paper lacks the number.

    Of a number of the text that is held against one of published code, each where it belongs.
    """
    part, known = case.part, [entry for entry in case.part.printed.values() if entry.value]
    lacks = any(entry.source == "recovered" for entry in known)
    if (
        part.relation == "="
        and isinstance(part.left, Quantity)
        and isinstance(part.right, Quantity)
    ):
        sides = {
            part.printed[s.name].source: part.printed[s.name].text for s in (part.right, part.left)
        }
        if "recovered" in sides and len(sides) > 1:
            return {"recovered": sides.pop("recovered"), "printed": "".join(sides.values())}
    if isinstance(part.right, Number) and len(known) == 1:  # perhaps with digits of another source
        given, printed = Interval.printed(part.right.text), known[0].value
        lacks |= printed.low < given.low and given.high < printed.high
    return {"recovered" if lacks else "printed": _stated(case)}


def _stated(case: Case) -> str:
    """The value that is stated, the bound of a count, or the difference of two numbers."""
    part, audit = case.part, case.audit
    if case.is_bound or isinstance(part.right, Number) and part.relation == "=":
        return f"{part.relation} {part.right.text}".removeprefix("= ")
    if not audit.outcome:
        return ""
    if part.relation != "=":
        return short(audit.left.value - audit.right.value)
    return short((audit.left if isinstance(part.left, Quantity) else audit.right).value)


def subjects(quantities: Iterable[str]) -> str:
    """The subjects of some quantities, each once."""
    return ", ".join(dict.fromkeys(split(name)[1] for name in quantities))


def _device(record: Record) -> str:
    """The device of a timing, its threads, and how often what input was timed."""
    config = json.loads(record.config)
    told = {"threads": record.threads} | {name: config.get(name) for name in _TIMED}
    return ", ".join([record.device, *(f"{name} {value}" for name, value in told.items() if value)])


def _two_digits(value: float) -> str:
    return short(float(f"{value:.2g}"))


def cells(mean: Estimate) -> dict[str, str]:
    """Mean and interval as text, with as many digits as the interval has to say."""
    if np.isnan(mean.low):
        return {"measured": short(mean.mean)}
    digits = first_decimal(mean.half) + 2 if mean.half > 0 else max(4, first_decimal(mean.mean) + 2)
    texts = (f"{value:.{max(0, digits)}f}" for value in (mean.mean, mean.low, mean.high))
    return dict(zip(("measured", "low", "high"), texts))

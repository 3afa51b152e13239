"""A judged comparison: its verdict, the measured numbers as text, and the remarks beside them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from posekit.claims.audit import Audit
from posekit.claims.expressions import Number, Quantity
from posekit.claims.measurements import Measurements, Record, Sample
from posekit.claims.numbers import first_decimal, short
from posekit.claims.paper import Claim, Part, split
from posekit.claims.statistics import FEWEST, Estimate, smallest_margin

HOLDS = ("reproduced", "supported")


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
    measured: str = ""
    low: str = ""
    high: str = ""
    n: str = ""
    margin: str = ""
    evidence: str = ""
    data: str = ""
    notes: list[Note] = field(default_factory=list)
    readings: list[Note] = field(default_factory=list)  # the same with other stand-ins
    lacking: list[str] = field(default_factory=list)  # quantities nothing measured
    overruled: str = ""  # verdict and evidence by measurement, where printed numbers overrule it
    audit: Audit | None = None
    sample: Sample | None = None

    @property
    def value(self) -> str:
        """The measured value with its interval."""
        return self.measured + (f" [{self.low}, {self.high}]" if self.low else "")

    @property
    def result(self) -> str:
        """Verdict and value."""
        return f"{self.verdict}, {self.value}"

    def note(self, text: str, *, caveat: bool = False) -> None:
        """Add a remark."""
        self.notes.append(Note(text, caveat))

    def hold_back(self, reason: str) -> None:
        """Make it inconclusive; the reason is the first remark."""
        self.notes.insert(0, Note(reason, caveat=True))
        self.verdict = "inconclusive"


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
        finding.note(f"counted {left} {part.relation} {right}")
    return finding


def order_finding(verdict: str, reason: str, part: Part, mean: Estimate, sample: Sample) -> Finding:
    """A difference with its interval, and how small a one these seeds could have shown."""
    finding = Finding(verdict, **_cells(mean))
    counted = "repeats" if sample.evidence == "E1" else "seeds"  # a time has no seed
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
    finding = Finding(verdict, **_cells(mean), margin=short(margin))
    finding.note(reason)
    if 1 < mean.n < FEWEST:
        finding.note(f"{mean.n} seeds could prove {_two_digits(smallest_margin(mean))}")
    return finding


def printed_text(case: Case) -> str:
    """The value that the paper prints, the bound of a count, or the difference of two numbers."""
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
    """The device of a timing, its threads and the run's config, in words."""
    config = [f"{name} {value}" for name, value in json.loads(record.config).items()]
    threads = [f"threads {record.threads}"] if record.threads else []
    return ", ".join([record.device, *threads, *config])


def _two_digits(value: float) -> str:
    return short(float(f"{value:.2g}"))


def _cells(mean: Estimate) -> dict[str, str]:
    """Mean and interval as text, with as many digits as the interval has to say."""
    if np.isnan(mean.low):
        return {"measured": short(mean.mean)}
    digits = first_decimal(mean.half) + 2 if mean.half > 0 else max(4, first_decimal(mean.mean) + 2)
    texts = (f"{value:.{max(0, digits)}f}" for value in (mean.mean, mean.low, mean.high))
    return dict(zip(("measured", "low", "high"), texts))

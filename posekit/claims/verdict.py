"""The verdict on one comparison of a claim. `judge` applies the rules in this order:

1. quoted: another paper's number is not judged.
2. `arithmetic_rule`: a calculation of the paper is judged by its printed numbers alone.
3. `unmeasured_rule`: without a measurement fit to decide: needs data, needs hardware or not run.
4. The best sample there is decides, by the one rule that fits the comparison:
   `count_rule`, `ordering_rule`, `equivalence_rule` or `accuracy_rule`.
5. `rivals_rule`: ahead of some of the competitors that the claim is about is inconclusive.
6. `reading_rule`: a verdict that another reading of the paper turns round is inconclusive.
7. `inconsistent_rule`: printed numbers that contradict the claim overrule every measurement.
8. not derivable: what the paper leaves open stays open, whatever was measured.

'supported' and 'reproduced' come from the rules of steps 2 and 4 and from no others.
"""

import json
from dataclasses import dataclass, field

import numpy as np

from posekit.claims import statistics
from posekit.claims.audit import Audit, audit_part
from posekit.claims.expressions import Number, Quantity
from posekit.claims.measurements import SIZES, Measurements, Record, Sample
from posekit.claims.numbers import compare, first_decimal, short
from posekit.claims.paper import Claim, Part, load_metrics, split
from posekit.claims.statistics import FEWEST, Estimate

# Worst first: a claim of several comparisons gets the first of these that any of them has.
WORDS = ("inconsistent", "contradicted", "not derivable", "needs data", "needs hardware", "not run")
WORDS += ("inconclusive", "supported", "reproduced", "quoted")
HOLDS = ("reproduced", "supported")
STATED = "implemented as stated: a setting of size paper"

Ruling = tuple[str, str]  # a verdict word and the reason


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

    def states(self, kind: str, *, value: bool) -> bool:
        """Whether a claim of this kind states a value, `= 8`, or else a bound of one, `> 8`."""
        number = isinstance(self.part.right, Number)
        return number and self.claim.kind == kind and (self.part.relation == "=") == value


def judge(measurements: Measurements, claim: Claim, part: Part) -> Finding:
    """The verdict on one comparison, by the rules in the order of this file's head."""
    case = Case(measurements, claim, part, audit_part(part))
    if claim.needs[0] == "quoted":
        finding = Finding("quoted")
    elif claim.kind == "arithmetic":
        finding = Finding(arithmetic_rule(case.audit), evidence="E0")
    else:
        finding = _by_measurement(case)
        if case.audit.outcome == "fails":
            inconsistent_rule(finding)
        elif claim.needs[0] == "not derivable":
            finding.verdict = "not derivable"
    finding.audit, finding.printed = case.audit, _printed(case)
    return finding


def _by_measurement(case: Case) -> Finding:
    """The verdict of the best evidence there is; the rest is named in the notes."""
    samples, smaller = case.measurements.samples(case.claim, case.part), []
    if case.claim.kind == "accuracy":  # judged by runs of size `paper` on the paper's data alone
        own = [s for s in samples if s.evidence in ("E5", "E6")]
        samples = [s for s in own if s.size == "paper"]
        smaller = [_undecided(case, s) for s in own if s.size != "paper"]
    if not samples or case.states("speed", value=True):  # a time holds for the paper's device only
        return unmeasured_rule(case, smaller)
    # better evidence first, then enough seeds, then the larger size
    samples.sort(
        key=lambda s: (s.evidence, len(s.seeds) >= FEWEST, SIZES.index(s.size)), reverse=True
    )
    finding = _by_sample(case, samples[0])
    finding.notes += smaller
    if all(name.startswith("recipe_") for name in case.part.names):
        used = any(record.size == "paper" for record in case.measurements.records)
        finding.note(STATED + ("" if used else ", which no recorded run used"), caveat=True)
    best = {sample.data: sample for sample in reversed(samples)}
    for data in list(dict.fromkeys(s.data for s in samples))[1:]:
        other = _by_sample(case, best[data])
        finding.note(f"on {data} ({other.evidence}, n = {other.n}): {other.result}")
    reading_rule(case, finding)
    return finding


def _by_sample(case: Case, sample: Sample) -> Finding:
    """The verdict by one sample: the rule of step 4 that fits, then the rule about rivals."""
    claim, part = case.claim, case.part
    same = len(sample.seeds) > 1 and len(set(sample.differences)) == 1  # no time is twice the same
    if claim.kind == "structure" or not part.card and (claim.kind == "ordering" or same):
        finding = _counted(case, sample)
    elif part.relation == "=":
        finding = _equal(case, sample)
    else:
        finding = _ordered(case, sample)
    finding.evidence, finding.data, finding.sample = sample.evidence, sample.data, sample
    finding.n = str(len(sample.seeds))
    if sample.data:
        finding.note(f"size {sample.size}")
    if sample.missing:
        rivals_rule(finding)
    return finding


def arithmetic_rule(audit: Audit) -> str:
    """The printed numbers bear the claim out, contradict it, or are too coarse or too few."""
    words = {"holds": "reproduced", "fails": "inconsistent", "undecided": "inconclusive"}
    return words.get(audit.outcome, "not derivable")


def unmeasured_rule(case: Case, smaller: list[Note]) -> Finding:
    """Nothing fit to decide was measured: what is lacking. `smaller` are runs below size `paper`."""
    claim, part, home = case.claim, case.part, case.part.home
    if smaller:
        first = Note("not run at size paper, which alone decides a printed number")
        return Finding("not run", notes=[first, *smaller])
    if claim.needs[0]:
        return Finding(claim.needs[0])
    if claim.kind == "accuracy" and home:
        return Finding("needs data", notes=[Note(f"needs data: {home}")])
    if case.states("speed", value=True):
        return Finding("needs hardware", notes=[Note("a time belongs to the paper's device")])
    known = {name for name, *_ in case.measurements.values}
    lacking = []
    for name, quantities in part.expanded.items():
        absent = [
            q for q in map(case.measurements.paper.measured_name, quantities) if q not in known
        ]
        if claim.kind == "ordering" and "*" in name:  # one competitor is enough
            absent = [name] if len(absent) == len(quantities) else []
        lacking += absent
    notes = [] if lacking else [Note("measured, but never at one size, seed and data set")]
    return Finding("not run", notes=notes, lacking=lacking)


def count_rule(part: Part, sample: Sample) -> str:
    """Counts: every one agrees with the printed one at its precision, or is in the order claimed.

    Counted on other data than the paper's that is support and no more.
    """
    pairs = zip(sample.left, sample.right)
    if any(compare(a, part.relation, b, part.tolerance) != "holds" for a, b in pairs):
        return "contradicted"
    return "supported" if sample.evidence in ("E3", "E4") else "reproduced"


def ordering_rule(mean: Estimate, side: int, evidence: str) -> Ruling:
    """Whether left - right lies on the claimed `side` (-1 lower, +1 higher).

    The interval on that side: reproduced at E6, supported below; on the other side:
    contradicted; across zero, or fewer than 3 seeds: inconclusive.
    """
    if mean.n < FEWEST:
        return "inconclusive", f"{mean.n} of {FEWEST} seeds: too few to decide"
    low, high = sorted((side * mean.low, side * mean.high))
    if low > 0:
        word = "reproduced" if evidence == "E6" else "supported"
        return word, f"{mean.rule}: on the claimed side of zero"
    if high < 0:
        return "contradicted", f"{mean.rule}: on the other side of zero"
    return "inconclusive", f"{mean.rule}: across zero"


def equivalence_rule(mean: Estimate, target: float, margin: float, evidence: str) -> Ruling:
    """Whether the mean equals `target` within `margin`, by two one-sided tests.

    Equivalent: reproduced at E6, supported below. The 95 % interval wholly outside the margin:
    contradicted. Anything else, or fewer than 3 seeds: inconclusive.
    """
    if mean.n < FEWEST:
        return "inconclusive", f"{mean.n} of {FEWEST} seeds: too few to decide"
    p = statistics.equivalence(mean, target, margin)
    least = statistics.smallest_margin(mean)
    test = f"{mean.rule}; TOST within {margin:g}: p = {p:.2g}, these seeds could prove {least:.2g}"
    if p < statistics.ALPHA:
        return "reproduced" if evidence == "E6" else "supported", test
    if mean.high < target - margin or mean.low > target + margin:
        return "contradicted", f"{test}; interval outside the margin"
    return "inconclusive", test


def accuracy_rule(mean: Estimate, target: float, margin: float, evidence: str) -> Ruling:
    """The same for a printed accuracy, which E6 evidence alone may decide."""
    word, reason = equivalence_rule(mean, target, margin, evidence)
    return (
        (word, reason)
        if evidence == "E6"
        else ("inconclusive", f"{reason}; {evidence} can't decide")
    )


def rivals_rule(finding: Finding) -> None:
    """Being ahead of some competitors does not show being ahead of all that the paper names."""
    if finding.verdict in HOLDS:
        finding.hold_back(f"{finding.verdict} against {_subjects(finding.sample.used[1:])} alone")
    finding.note(f"quoted only, not measured: {_subjects(finding.sample.missing)}")


def reading_rule(case: Case, finding: Finding) -> None:
    """Add what other stand-ins give, one at a time; a verdict that turns round with one is open."""
    place = finding.sample.data, finding.sample.size
    named = {split(quantity)[1] for quantity in case.part.printed}
    aliases = {
        s: alias for s, alias in sorted(case.measurements.paper.aliases.items()) if s in named
    }
    first = [f"{alias.measured} for {s}" for s, alias in aliases.items() if alias.measured != s]
    others = {
        f"{measured} for {subject}": _by_sample(case, sample)
        for subject, alias in aliases.items()
        for measured in alias.other
        for sample in case.measurements.samples(case.claim, case.part, (subject, measured))
        if (sample.data, sample.size) == place
    }
    finding.readings += [Note(f"measured with {name}") for name in first]
    for name, other in others.items():
        finding.readings.append(Note(f"with {name}: {other.result}", verdict=other.verdict))
    opposite = {"contradicted": HOLDS} | dict.fromkeys(HOLDS, ("contradicted",))
    turned = [n for n, o in others.items() if o.verdict in opposite.get(finding.verdict, ())]
    if turned:
        words = f"{finding.verdict} with {' and '.join(first) or 'the default'}"
        words += f", {others[turned[0]].verdict} with {' and '.join(turned)}"
        finding.hold_back(f"depends on the reading: {words}")


def inconsistent_rule(finding: Finding) -> None:
    """The paper's own numbers contradict the claim: no measurement can save it."""
    if finding.sample:
        finding.overruled = f"{finding.verdict} ({finding.evidence})"
        finding.notes.insert(0, Note(f"by measurement {finding.overruled}"))
    finding.verdict, finding.evidence, finding.lacking = "inconsistent", "E0", []


def _counted(case: Case, sample: Sample) -> Finding:
    """The cells of a comparison of counts."""
    part, word = case.part, count_rule(case.part, sample)
    # of a share of a number that isn't printed, the distance says nothing, only what is counted
    is_share = not isinstance(part.right, Quantity | Number) and not case.audit.outcome
    own = part.relation == "=" or case.states("structure", value=False) or is_share
    values = [side.value for side in sample.left] if own else sample.differences
    finding = Finding(word, measured=" / ".join(dict.fromkeys(map(short, values))))
    if word not in HOLDS or not isinstance(part.right, Number):
        left, right = short(sample.left[0].value), short(sample.right[0].value)
        finding.note(f"counted {left} {part.relation} {right}")
    return finding


def _ordered(case: Case, sample: Sample) -> Finding:
    """The cells and remarks of an ordering."""
    part, by_subject = case.part, sample.subjects
    mean = statistics.interval(sample.differences, by_subject.values())
    word, reason = ordering_rule(mean, -1 if part.relation[0] == "<" else 1, sample.evidence)
    finding = Finding(word, **_cells(mean))
    counted = "repeats" if sample.evidence == "E1" else "seeds"  # a time has no seed
    finding.note(reason.replace("seeds", counted))
    if mean.n > 1:
        unit = next((part.printed[q].unit for q in part.names if q in part.printed), "")
        least = f"{_two_digits(mean.half)} {unit}".strip()
        finding.note(f"with {mean.n} {counted} only a difference above {least} can be told from 0")
    if by_subject:
        means = (f"{s} {short(float(np.mean(v)))}" for s, v in by_subject.items())
        finding.note(f"by test subject: {', '.join(means)}")
    if part.by:
        finding.note(f"the paper says by {part.by}: only the direction is judged", caveat=True)
    if sample.evidence == "E1":
        devices = dict.fromkeys(map(_device, sample.records))
        finding.note(f"timed on {' and '.join(devices)}", caveat=True)
    return finding


def _equal(case: Case, sample: Sample) -> Finding:
    """The cells of a value and its printed number, or of two values said to be the same."""
    margin = case.part.tolerance if case.part.tolerance is not None else _margin(case.part)
    if case.claim.kind == "accuracy":
        mean = statistics.t_interval(np.array([left.value for left in sample.left]))
        word, reason = accuracy_rule(mean, sample.right[0].value, margin, sample.evidence)
    else:
        mean = statistics.t_interval(np.array(sample.differences))
        word, reason = equivalence_rule(mean, 0.0, margin, sample.evidence)
    finding = Finding(word, **_cells(mean), margin=short(margin))
    finding.note(reason)
    if 1 < mean.n < FEWEST:
        least = _two_digits(statistics.smallest_margin(mean))
        finding.note(f"{mean.n} seeds could prove {least}")
    return finding


def _printed(case: Case) -> str:
    """The value that the paper prints, the bound of a count, or the difference of two numbers."""
    part, audit = case.part, case.audit
    if isinstance(part.right, Number) and part.relation == "=":
        return part.right.text
    if case.states("structure", value=False):
        return f"{part.relation} {part.right.text}"
    if not audit.outcome:
        return ""
    if part.relation != "=":
        return short(audit.left.value - audit.right.value)
    return short((audit.left if isinstance(part.left, Quantity) else audit.right).value)


def _undecided(case: Case, smaller: Sample) -> Note:
    """What a size below `paper` gave for a printed number, which it can't decide."""
    finding = _by_sample(case, smaller)
    where = f"at size {smaller.size} on {smaller.data}"
    return Note(f"{where}, which doesn't decide: {finding.value}, n = {finding.n}")


def _subjects(quantities: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(split(name)[1] for name in quantities))


def _device(record: Record) -> str:
    """The device of a timing, its threads and the run's config, in words."""
    config = [f"{name} {value}" for name, value in json.loads(record.config).items()]
    threads = [f"threads {record.threads}"] if record.threads else []
    return ", ".join([record.device, *threads, *config])


def _two_digits(value: float) -> str:
    return short(float(f"{value:.2g}"))


def _margin(part: Part) -> float:
    name = part.left.name if isinstance(part.left, Quantity) else part.names[0]
    metric, _, piece = split(name)
    if known := load_metrics().get((metric, bool(piece))):
        return known.margin
    raise ValueError(f"papers/metrics.csv has no margin for {metric} ({name}); write one down")


def _cells(e: Estimate) -> dict[str, str]:
    """Mean and interval as text, with as many digits as the interval has to say."""
    if np.isnan(e.low):
        return {"measured": short(e.mean)}
    digits = first_decimal(e.half) + 2 if e.half > 0 else max(4, first_decimal(e.mean) + 2)
    texts = (f"{value:.{max(0, digits)}f}" for value in (e.mean, e.low, e.high))
    return dict(zip(("measured", "low", "high"), texts))

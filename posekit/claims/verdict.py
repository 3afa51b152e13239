"""One comparison, judged: its best evidence, the rule that fits it, and what overrules it.

The rules themselves are in posekit/statistics.py; this file says which applies. An audit that
fails overrules every measurement; a printed accuracy is judged by runs of size `paper` on the
paper's data set alone; what has no card and is no time was counted, and has no seed to vary.
Where the paper leaves open what was compared, an order that turns round with the reading is open.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from posekit.claims.audit import Audit, audit_part
from posekit.claims.expressions import Interval, Number, Quantity, compare
from posekit.claims.measurements import SIZES, Measurements, Record, Sample, samples
from posekit.claims.numbers import leading, short
from posekit.claims.paper import Claim, Metric, Paper, Part, load_metrics
from posekit.claims.statistics import (
    FEWEST,
    MANY,
    Judgement,
    judge_accuracy,
    judge_equivalence,
    judge_ordering,
    smallest_margin,
)

# Worst first: a claim of several parts gets the first of these that any part has.
WORDS = ("inconsistent", "contradicted", "not derivable", "needs data", "needs hardware", "not run")
WORDS += ("inconclusive", "supported", "reproduced", "quoted")

HOLDS = ("reproduced", "supported")
STATED = "implemented as stated: a setting of size paper"

_EVIDENCE = ("E1", "E2", "E3", "E4", "E5", "E6")


@dataclass
class Finding:
    """What is known of one part of a claim: the cells of its row, and the sample behind them."""

    verdict: str
    audit: Audit
    printed: str = ""
    measured: str = ""
    low: str = ""
    high: str = ""
    n: str = ""
    margin: str = ""
    evidence: str = ""
    data: str = ""
    notes: list[str] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)  # the same with other stand-ins
    lacking: list[str] = field(default_factory=list)  # quantities nothing measured
    sample: Sample | None = None


def find(paper: Paper, claim: Claim, part: Part, found: Measurements) -> Finding:
    """Judge one part: measurements first, then what overrules them."""
    audit = audit_part(paper, part)
    word, _ = claim.needs
    printed = _printed(claim, part, audit)
    if word == "quoted":
        return Finding("quoted", audit, printed)
    if claim.kind == "arithmetic":
        return _arithmetic(audit, printed)
    finding = _measure(paper, claim, part, audit, found)
    finding.printed = printed
    if audit.outcome == "fails":
        if finding.sample:
            finding.notes.insert(0, f"by measurement {finding.verdict} ({finding.evidence})")
        finding.verdict, finding.evidence, finding.lacking = "inconsistent", "E0", []
    elif word == "not derivable":
        finding.verdict = word
    return finding


def _arithmetic(audit: Audit, printed: str) -> Finding:
    words = {"holds": "reproduced", "fails": "inconsistent", "undecided": "inconclusive"}
    return Finding(words.get(audit.outcome, "not derivable"), audit, printed, evidence="E0")


def _printed(claim: Claim, part: Part, audit: Audit) -> str:
    """The value that the paper prints, the bound of a count, or the difference of two numbers."""
    if isinstance(part.right, Number) and part.relation == "=":
        return part.right.text
    if _is_bound(claim, part):
        return f"{part.relation} {part.right.text}"
    if not audit.outcome:
        return ""
    if part.relation != "=":
        return short(audit.left.value - audit.right.value)
    return short((audit.left if isinstance(part.left, Quantity) else audit.right).value)


def _is_bound(claim: Claim, part: Part) -> bool:
    """Is a count held against a number, as its bound?"""
    return claim.kind == "structure" and part.relation != "=" and isinstance(part.right, Number)


def _measure(paper: Paper, claim: Claim, part: Part, audit: Audit, found: Measurements) -> Finding:
    """The verdict of the best evidence there is; the rest is named in the notes."""
    home = _home(paper, part)
    drawn = samples(paper, part, found, claim.kind)
    smaller = []
    if claim.kind == "accuracy":
        drawn = [s for s in drawn if s.level(home) in ("E5", "E6")]
        smaller = [s for s in drawn if s.size != "paper"]
        drawn = [s for s in drawn if s.size == "paper"]
    if claim.kind == "speed" and part.relation == "=" and isinstance(part.right, Number):
        drawn = []  # a printed time holds for the paper's device only
    if not drawn:
        known = {name for name, _, _ in found.values}
        return _unmeasured(paper, claim, part, audit, known, smaller)
    best, *rest = sorted(drawn, key=lambda s: _rank(s, home), reverse=True)
    finding = _judge(paper, claim, part, audit, best)
    finding.notes += [_not_the_papers(paper, claim, part, audit, s) for s in smaller]
    if part.is_setting:
        used = any(record.size == "paper" for record in found.by_id.values())
        finding.notes.append(f"{STATED}{'' if used else ', which no recorded run used'}")
    for data in dict.fromkeys(s.data for s in rest if s.data != best.data):
        other = _judge(paper, claim, part, audit, next(s for s in rest if s.data == data))
        finding.notes.append(f"on {data} ({other.evidence}, n = {other.n}): {_result(other)}")
    _read_otherwise(finding, paper, claim, part, audit, found)
    return finding


def _not_the_papers(paper: Paper, claim: Claim, part: Part, audit: Audit, smaller: Sample) -> str:
    """What a size below `paper` gave for a printed number, which it can't decide."""
    found = _judge(paper, claim, part, audit, smaller)
    told = f"{found.measured}{_ends(found)}, n = {found.n}"
    return f"at size {smaller.size} on {smaller.data}, which doesn't decide: {told}"


def _home(paper: Paper, part: Part) -> str:
    """The data set the paper's numbers belong to."""
    entries = (paper.find(q, part.card) for name in part.names for q in paper.expand(part, name))
    return next((e.data for e in entries if e.data), "")


def _rank(sample: Sample, home: str) -> tuple[int, bool, int]:
    """Better evidence first, then enough seeds, then the larger size."""
    level = _EVIDENCE.index(sample.level(home))
    return level, len(sample.seeds) >= FEWEST, SIZES.index(sample.size)


def _unmeasured(
    paper: Paper, claim: Claim, part: Part, audit: Audit, known: set[str], smaller: list[Sample]
) -> Finding:
    """The verdict where nothing fit to decide was measured, and what is lacking."""
    if smaller:
        notes = ["not run at size paper, which alone decides a printed number"]
        notes += [_not_the_papers(paper, claim, part, audit, s) for s in smaller]
        return Finding("not run", audit, notes=notes)
    if claim.needs[0]:
        return Finding(claim.needs[0], audit)
    home = _home(paper, part)
    if claim.kind == "accuracy" and home:
        return Finding("needs data", audit, notes=[f"needs data: {home}"])
    if claim.kind == "speed" and part.relation == "=" and isinstance(part.right, Number):
        return Finding("needs hardware", audit, notes=["a time belongs to the paper's device"])
    lacking = []
    for name in part.names:
        wanted = [paper.measured_name(q) for q in paper.expand(part, name)]
        absent = [q for q in wanted if q not in known]
        if claim.kind == "ordering" and "*" in name:  # one competitor is enough
            absent = [name] if absent == wanted else []
        lacking += absent
    notes = [] if lacking else ["measured, but never at one size, seed and data set"]
    return Finding("not run", audit, notes=notes, lacking=lacking)


def _judge(paper: Paper, claim: Claim, part: Part, audit: Audit, sample: Sample) -> Finding:
    level = sample.level(_home(paper, part))
    if claim.kind == "structure" or not part.card and (claim.kind == "ordering" or _same(sample)):
        finding = _counted(claim, part, audit, sample, level)
    elif part.relation == "=":
        finding = _equal(claim, part, audit, sample, level)
    else:
        finding = _ordered(paper, part, audit, sample, level)
    finding.evidence, finding.data, finding.sample = level, sample.data, sample
    finding.n = str(len(sample.seeds))
    if sample.data:
        finding.notes.append(f"size {sample.size}")
    if sample.missing:
        _hold_back(finding, sample)
    return finding


def _same(sample: Sample) -> bool:
    """Is it the same in every run? Then it was counted, for no time is the same twice."""
    return len(sample.seeds) > 1 and len(set(sample.differences)) == 1


def _hold_back(finding: Finding, sample: Sample) -> None:
    """Being ahead of some competitors does not show being ahead of all that the paper names."""
    if finding.verdict in HOLDS:
        rivals = _subjects(name for name in sample.used[1:])
        finding.notes.insert(0, f"{finding.verdict} against {rivals} alone")
        finding.verdict = "inconclusive"
    finding.notes.append(f"quoted only, not measured: {_subjects(sample.missing)}")


def _subjects(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(name.split("/")[1] for name in names))


def _counted(claim: Claim, part: Part, audit: Audit, sample: Sample, level: str) -> Finding:
    """Every count agrees with the printed one, at the precision it is printed with, or is in the
    order claimed; counted on other data than the paper's that is support and no more."""
    outcomes = {
        compare(left, part.relation, right, part.tolerance)
        for left, right in zip(sample.left, sample.right)
    }
    holds = "supported" if level in ("E3", "E4") else "reproduced"
    word = holds if outcomes == {"holds"} else "contradicted"
    # of a share of a number the paper doesn't print, the distance says nothing: what is counted does
    scaled = not isinstance(part.right, Quantity | Number) and not audit.outcome
    own = part.relation == "=" or _is_bound(claim, part) or scaled
    sides = sample.left if own else sample.differences
    values = dict.fromkeys(short(v.value if isinstance(v, Interval) else v) for v in sides)
    pair = f"counted {short(sample.left[0].value)} {part.relation} {short(sample.right[0].value)}"
    plain = isinstance(part.right, Number) and word in HOLDS
    return Finding(word, audit, measured=" / ".join(values), notes=[] if plain else [pair])


def _ordered(paper: Paper, part: Part, audit: Audit, sample: Sample, level: str) -> Finding:
    side = -1 if part.relation.startswith("<") else 1
    rows = np.array([sample.differences], float).T
    if len(rows) >= MANY and len(sample.subjects) > 1:
        rows = np.array(list(sample.subjects.values()), float).T
    judged = judge_ordering(rows, side, level)
    finding = _filled(judged, audit)
    e = judged.estimate
    if e.n > 1:
        units = (entry.unit for name in part.names if (entry := paper.find(name, part.card)))
        least = f"{_two_digits((e.high - e.low) / 2)} {next(units, '')}".strip()
        finding.notes.append(f"with {e.n} seeds only a difference above {least} can be told from 0")
    if sample.subjects:
        means = (f"{s} {short(float(np.mean(v)))}" for s, v in sample.subjects.items())
        finding.notes.append(f"by test subject: {', '.join(means)}")
    if part.by:
        finding.notes.append(f"the paper says by {part.by}: only the direction is judged")
    if level == "E1":
        # a time has no seed: the numbers of n runs are n repeats
        finding.notes = [note.replace(" seeds", " repeats") for note in finding.notes]
        settings = dict.fromkeys(map(_timed_with, sample.records))
        finding.notes.append(f"timed on {' and '.join(settings)}")
    return finding


def _timed_with(record: Record) -> str:
    """The device of a timing, its threads and the run's config, in words."""
    config = [f"{name} {value}" for name, value in json.loads(record.config).items()]
    threads = [f"threads {record.threads}"] if record.threads else []
    return ", ".join([record.device, *threads, *config])


def _equal(claim: Claim, part: Part, audit: Audit, sample: Sample, level: str) -> Finding:
    """A value against its printed number, or two measured values said to be the same."""
    margin = part.tolerance if part.tolerance is not None else _metric(part).margin
    if claim.kind == "accuracy":
        values = np.array([left.value for left in sample.left])
        judged = judge_accuracy(values, sample.right[0].value, margin, level)
    else:
        judged = judge_equivalence(np.array(sample.differences, float), 0.0, margin, level)
    finding = _filled(judged, audit)
    finding.margin = short(margin)
    if 1 < judged.estimate.n < FEWEST:
        least = smallest_margin(judged.estimate.spread, judged.estimate.n)
        finding.notes.append(f"{judged.estimate.n} seeds could prove {_two_digits(least)}")
    return finding


def _two_digits(value: float) -> str:
    return short(float(f"{value:.2g}"))


def _metric(part: Part) -> Metric:
    name = part.left.name if isinstance(part.left, Quantity) else part.names[0]
    metric, _, *rest = name.split("/")
    known = load_metrics()
    if (metric, bool(rest)) not in known:
        raise ValueError(f"papers/metrics.csv has no margin for {metric} ({name}); write one down")
    return known[metric, bool(rest)]


def _filled(judged: Judgement, audit: Audit) -> Finding:
    """The estimate's cells, with as many digits as its interval has to say."""
    e = judged.estimate
    if np.isnan(e.low):
        return Finding(judged.verdict, audit, measured=short(e.mean), notes=[judged.reason])
    half = (e.high - e.low) / 2
    digits = max(0, leading(half) + 2) if half > 0 else max(4, leading(e.mean) + 2)
    cells = (f"{v:.{digits}f}" for v in (e.mean, e.low, e.high))
    return Finding(judged.verdict, audit, "", *cells, notes=[judged.reason])


def _result(finding: Finding) -> str:
    return f"{finding.verdict}, {finding.measured}{_ends(finding)}"


def _ends(finding: Finding) -> str:
    return f" [{finding.low}, {finding.high}]" if finding.low else ""


def _read_otherwise(
    finding: Finding, paper: Paper, claim: Claim, part: Part, audit: Audit, found: Measurements
) -> None:
    """Add what other stand-ins give, one at a time; a verdict that turns round with them is open."""
    place = finding.sample.data, finding.sample.size
    named = {q.split("/")[1] for name in part.names for q in paper.expand(part, name)}
    standing = {s: paper.aliases[s] for s in sorted(named & set(paper.aliases))}
    others = {}
    for subject, measured in [(s, m) for s, alias in standing.items() for m in alias.other]:
        for sample in samples(paper, part, found, claim.kind, (subject, measured)):
            if (sample.data, sample.size) == place:
                other = _judge(paper, claim, part, audit, sample)
                others[f"{measured} for {subject}"] = other
    first = [f"{alias.measured} for {s}" for s, alias in standing.items() if alias.measured != s]
    finding.readings += [f"measured with {name}" for name in first]
    finding.readings += [f"with {name}: {_result(other)}" for name, other in others.items()]
    opposite = {"contradicted": HOLDS} | dict.fromkeys(HOLDS, ("contradicted",))
    turned = [n for n, o in others.items() if o.verdict in opposite.get(finding.verdict, ())]
    if turned:
        words = f"{finding.verdict} with {' and '.join(first) or 'the default'}"
        words += f", {others[turned[0]].verdict} with {' and '.join(turned)}"
        finding.notes.insert(0, f"depends on the reading: {words}")
        finding.verdict = "inconclusive"

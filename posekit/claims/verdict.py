"""The verdict on one comparison of a claim. `weigh` applies the rules in this order:

1. quoted: another paper's number is not judged.
2. `arithmetic_rule`: a calculation of the paper is judged by its printed numbers alone.
3. `unmeasured_rule`: without a measurement fit to decide: needs data, needs hardware or not run.
4. Of each data set the best sample is judged by the one rule that fits the comparison, `count_rule`,
   `ordering_rule`, `equivalence_rule` or `accuracy_rule`; after step 7 the best of these decides.
5. Trained networks decide only where `learning_rule` finds that they have learnt, and
   `people_rule` that it does not hang on the test persons.
6. `threshold_rule`: what fails by a threshold of ours alone is inconclusive.
7. `rivals_rule`: ahead of some of the competitors that the claim is about is inconclusive.
8. `reading_rule`: a verdict that another reading of the paper turns round is inconclusive.

Then `posekit.claims.family` corrects what trained or timed networks decided for the number of
comparisons on the page, and `conclude` comes last:

9. `inconsistent_rule`: printed numbers, or published code, that contradict the claim overrule every
   measurement.
10. not derivable: what the paper leaves open stays open, whatever was measured.

'supported', 'reproduced' and 'as specified' come from the rules of steps 2 and 4 and from no others.
"""

from statistics import fmean

import numpy as np

from posekit.claims.audit import Audit, audit_part, by_threshold
from posekit.claims.expressions import Quantity
from posekit.claims.finding import (
    HOLDS,
    Case,
    Finding,
    Note,
    count_finding,
    equality_finding,
    order_finding,
    stated,
    subjects,
)
from posekit.claims.learning import learning
from posekit.claims.measurements import SIZES, Measurements, Sample, over_people
from posekit.claims.numbers import compare, short
from posekit.claims.paper import Claim, Part, metric_of, split
from posekit.claims.published import is_count
from posekit.claims.statistics import (
    ACROSS_PEOPLE,
    ALPHA,
    FEWEST,
    Estimate,
    equivalence,
    interval,
    smallest_margin,
    t_interval,
)

# Worst first: a claim of several comparisons gets the first of these that any of them has.
WORDS = ("inconsistent", "contradicted", "not derivable", "needs data", "needs hardware", "not run")
WORDS += ("inconclusive", "as specified", "supported", "reproduced", "repeated", "quoted")
STATED = "implemented as stated: a setting of size paper"
COUNTED = ("params", "macs", "stem_params", "size_mb", "share")
"""Counts that nobody sets: they follow from how a network is built, and may come out otherwise. Any
other count of structure is as it is because posekit was told so, and shows no more than that."""

Ruling = tuple[str, str]  # a verdict word and the reason


def weigh(measurements: Measurements, claim: Claim, part: Part) -> Finding:
    """The verdict on one comparison by steps 1 to 8 of this file's head."""
    case = Case(measurements, claim, part, audit_part(part))
    if claim.needs[0] == "quoted":
        finding = Finding("quoted")
    elif claim.kind == "arithmetic":
        finding = Finding(arithmetic_rule(case.audit), evidence="E0")
    else:
        finding = _by_measurement(case)
    finding.audit = case.audit
    for name, text in stated(case).items():
        setattr(finding, name, text)
    return finding


def conclude(claim: Claim, part: Part, finding: Finding) -> None:
    """Steps 9 and 10, once comparisons are corrected for their number."""
    if claim.needs[0] == "quoted":
        return
    if finding.audit.outcome == "fails":
        inconsistent_rule(claim, part, finding)
    elif claim.needs[0] == "not derivable":
        finding.verdict, finding.reason = "not derivable", ""


def _by_measurement(case: Case) -> Finding:
    """The verdict of the best evidence there is; that on other data sets is named in the notes."""
    samples, smaller = case.measurements.samples(case.claim, case.part), []
    if case.claim.kind == "accuracy":  # judged by runs of size `paper` on the paper's data alone
        own = [s for s in samples if s.evidence in ("E5", "E6")]
        samples = [s for s in own if s.size == "paper"]
        smaller = [_undecided(case, s) for s in own if s.size != "paper"]
    if not samples or case.is_printed_time:
        return unmeasured_rule(case, smaller)
    best: dict[str, Sample] = {}
    for sample in samples:
        best[sample.data] = max(best.get(sample.data, sample), sample, key=lambda s: s.rank)
    findings = [_by_sample(case, sample) for sample in best.values()]
    finding, *others = sorted(findings, key=_weight, reverse=True)
    finding.notes += smaller
    if case.part.is_setting:
        used = any(record.size == "paper" for record in case.measurements.records)
        finding.note(STATED + ("" if used else ", which no recorded run used"), caveat=True)
    for other in others:
        finding.note(f"on {other.data} ({other.evidence}, n = {other.n}): {other.result}")
    reading_rule(case, finding)
    if case.claim.needs[0] == "needs hardware":  # what is counted is not what that device shows
        finding.note(f"counted without it: {finding.result}")
        finding.verdict, finding.reason = "needs hardware", ""
    return finding


def _weight(finding: Finding) -> tuple[bool | str, ...]:
    """Of several data sets that of the best evidence; of enough seeds; of networks that have learnt,
    that real people taught and not the studio, that were given detected 2D joints."""
    sample, known = finding.sample, finding.learning
    learnt = not known or known.reason != "undertrained"
    return *sample.rank[:2], learnt, not sample.is_from_studio, "-truth" not in sample.data


def _by_sample(case: Case, sample: Sample) -> Finding:
    """The verdict by one sample: the rule of step 4 that fits, then the rule about rivals."""
    claim, part, level = case.claim, case.part, sample.evidence
    limit = "the threshold" if sample.bare else "zero"
    same = len(sample.seeds) > 1 and len(set(sample.differences)) == 1  # no time is twice the same
    trained = bool(part.card and sample.data)
    counted = part.is_of(COUNTED)
    if counted or claim.kind == "structure" or not part.card and (claim.kind == "ordering" or same):
        finding = count_finding(count_rule(claim, part, sample), case, sample)
    elif part.relation == "=":
        margin = _margin(part)
        if claim.kind == "accuracy":
            mean = t_interval(np.array([left.value for left in sample.left]))
            ruling = accuracy_rule(mean, sample.right[0].value, margin, level)
        else:
            mean = t_interval(np.array(sample.units))
            ruling = equivalence_rule(mean, 0.0, margin, level)
        finding = equality_finding(*ruling, mean, margin)
    else:
        people = () if sample.shares_starts else sample.subjects.values()
        mean = interval(sample.units, people)
        ruling = ordering_rule(mean, -1 if part.relation[0] == "<" else 1, level, limit)
        finding = order_finding(*ruling, part, mean, sample)
    if level == "E2" and not sample.data:
        what = "network" if is_count(sample.used) else "loss"
        finding.note(f"the {what} gives the same numbers as the published code")
    finding.evidence, finding.data, finding.sample = level, sample.data, sample
    finding.n = str(finding.estimate.n) if finding.estimate else "1"  # a count is one count
    if finding.verdict == "inconclusive":
        finding.reason = f"across {limit}" if finding.estimate.n >= FEWEST else "too few seeds"
    if sample.data:
        finding.note(f"size {sample.size}")
    if finding.estimate and claim.kind != "accuracy":  # trained, or timed
        finding.p = finding.estimate.p
    if trained and claim.kind != "accuracy":
        people_rule(finding)
        learning_rule(case, finding)
    if part.bare:
        threshold_rule(part, finding)
    if sample.missing:
        rivals_rule(finding)
    return finding


def _undecided(case: Case, smaller: Sample) -> Note:
    """The result at a size below `paper`, which can't decide on a printed number."""
    finding = _by_sample(case, smaller)
    where = f"at size {smaller.size} on {smaller.data}"
    return Note(f"{where}, which doesn't decide: {finding.value}, n = {finding.n}")


def _margin(part: Part) -> float:
    """The claim's own tolerance, or else the margin of its metric."""
    if part.tolerance is not None:
        return part.tolerance
    name = part.left.name if isinstance(part.left, Quantity) else part.names[0]
    if metric := metric_of(name):
        return metric.margin
    raise ValueError(f"papers/metrics.csv has no margin for {name}; write one down")


def arithmetic_rule(audit: Audit) -> str:
    """The printed numbers bear the claim out, contradict it, or are too coarse or too few."""
    words = {"holds": "reproduced", "fails": "inconsistent", "undecided": "inconclusive"}
    return words.get(audit.outcome, "not derivable")


def unmeasured_rule(case: Case, smaller: list[Note]) -> Finding:
    """Nothing fit to decide was measured; `smaller` is what runs below size `paper` gave."""
    claim, part, home = case.claim, case.part, case.part.home
    if smaller:
        first = Note("not run at size paper, which alone decides a printed number")
        return Finding("not run", notes=[first, *smaller])
    if claim.needs[0]:
        return Finding(claim.needs[0])
    if claim.kind == "accuracy" and home:
        return Finding("needs data", notes=[Note(f"needs data: {home}")])
    if case.is_printed_time:
        return Finding("needs hardware", notes=[Note("a time belongs to the paper's device")])
    paper, lacking, sizes = case.measurements.paper, [], {}
    known = {name for name, card, *_ in case.measurements.values if card in (part.card, "")}
    for name, quantities in part.expanded.items():
        absent = [q for q in map(paper.measured_name, quantities) if q not in known]
        for subject in (split(q)[1] for q in absent if metric_of(q)):
            for size in paper.trained_at(subject, part.card)[:1]:
                sizes.setdefault(size, {})[subject] = None
        if claim.kind == "ordering" and "*" in name:  # one competitor is enough
            absent = [name] if len(absent) == len(quantities) else []
        lacking += absent
    notes = [] if lacking else [Note("measured, but never at one size, seed and data set")]
    for size in SIZES[1:]:  # the ones after small, at which
        if names := sizes.get(size):
            notes.append(Note(f"needs size {size}, the smallest with {', '.join(names)}"))
    return Finding("not run", notes=notes, lacking=lacking)


def count_rule(claim: Claim, part: Part, sample: Sample) -> str:
    """Counts: every one agrees with the printed one at its precision, or is in the order claimed.

    Counted on other data than the paper's that is support and no more; what posekit has because
    it was told so is as specified.
    """
    pairs = zip(sample.left, sample.right)
    if any(compare(a, part.relation, b, part.tolerance) != "holds" for a, b in pairs):
        return "contradicted"
    if claim.kind == "structure" and not part.is_of(COUNTED):
        return "as specified"
    return "supported" if sample.evidence in ("E3", "E4") else "reproduced"


def ordering_rule(mean: Estimate, side: int, evidence: str, limit: str = "zero") -> Ruling:
    """Whether left - right lies on the claimed `side` (-1 lower, +1 higher) of a `limit`.

    The interval on that side: reproduced at E6, supported below; on the other side:
    contradicted; across the limit, or fewer than 3 seeds: inconclusive.
    """
    if mean.n < FEWEST:
        return "inconclusive", f"{mean.n} of {FEWEST} seeds: too few to decide"
    low, high = sorted((side * mean.low, side * mean.high))
    if low > 0:
        word = "reproduced" if evidence == "E6" else "supported"
        return word, f"{mean.rule}: on the claimed side of {limit}"
    if high < 0:
        return "contradicted", f"{mean.rule}: on the other side of {limit}"
    return "inconclusive", f"{mean.rule}: across {limit}"


def equivalence_rule(mean: Estimate, target: float, margin: float, evidence: str) -> Ruling:
    """Whether the mean equals `target` within `margin`, by two one-sided tests.

    Equivalent: reproduced at E6, supported below. The 95 % interval wholly outside the margin:
    contradicted. Anything else, or fewer than 3 seeds: inconclusive.
    """
    if mean.n < FEWEST:
        return "inconclusive", f"{mean.n} of {FEWEST} seeds: too few to decide"
    p = equivalence(mean, target, margin)
    least = smallest_margin(mean)
    test = f"{mean.rule}; TOST within {margin:g}: p = {p:.2g}, these seeds could prove {least:.2g}"
    if p < ALPHA:
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


def learning_rule(case: Case, finding: Finding) -> None:
    """Networks that have not learnt, or one training that failed, leave a comparison open."""
    floor, sample = case.measurements.paper.floors.get(case.part.card), finding.sample
    if floor is None:
        return

    def find(quantity: str, card: str) -> dict[str, float]:
        _, values = case.measurements.find(quantity, card, sample.data, sample.size)
        return {" from ".join(filter(None, map(str, t))): value for t, (value, _) in values.items()}

    names = dict.fromkeys(split(quantity)[1] for quantity in sample.used)
    finding.learning = learning(floor, names, find)
    if finding.learning.reason:
        finding.hold_back(finding.learning.reason, finding.learning.words)
    else:
        finding.note(finding.learning.words)


def people_rule(finding: Finding) -> None:
    """A difference that is not there over the test persons, where there are three, is open."""
    over = over_people(finding.sample.subjects)
    if over is None:
        return
    finding.p = max(finding.p, over.p)
    text = f"over {over.n} test persons {short(over.mean)} [{short(over.low)}, {short(over.high)}]"
    if finding.verdict != "inconclusive" and over.low <= 0 <= over.high:
        finding.hold_back(ACROSS_PEOPLE, f"{text}: across zero")
    else:
        finding.note(text)


def threshold_rule(part: Part, finding: Finding) -> None:
    """Say that a threshold is ours; what fails by it alone is inconclusive."""
    sample, words = finding.sample, _threshold(part)
    if finding.verdict == "contradicted":
        bare = [a.value - b.value for a, b in zip(sample.left, sample.bare)]
        sides = fmean(b.value for b in sample.right), fmean(b.value for b in sample.bare)
        if by_threshold(part.relation, *sides, _fails(part, finding, bare)):
            finding.hold_back("threshold of ours", f"fails by a threshold of ours alone, {words}")
            return
    finding.note(f"the threshold is ours: {words}", caveat=True)


def _threshold(part: Part) -> str:
    """The right side with its threshold in words, a subject for each quantity: at most 1.5 * a."""
    relation = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least"}
    right = part.text.partition(f" {part.relation} ")[2]
    for name in part.names:
        right = right.replace(name, split(name)[1])
    return f"{relation.get(part.relation, 'equal to')} {right}"


def _fails(part: Part, finding: Finding, differences: list[float]) -> bool:
    """Whether the comparison is contradicted without the threshold, too."""
    side = -1 if part.relation[0] == "<" else 1
    if finding.estimate is None:
        return all(side * d < 0 or (d == 0 and part.relation in "<>") for d in differences)
    word, _ = ordering_rule(t_interval(np.array(differences)), side, finding.evidence)
    return word == "contradicted"


def rivals_rule(finding: Finding) -> None:
    """Being ahead of some competitors does not show being ahead of all that the paper names."""
    if finding.verdict in HOLDS:
        only = subjects(finding.sample.used[1:])
        finding.hold_back("rivals not measured", f"{finding.verdict} against {only} alone")
    finding.note(f"quoted only, not measured: {subjects(finding.sample.missing)}")


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
        and measured in {split(quantity)[1] for quantity in sample.used}
    }
    finding.readings += [Note(f"measured with {name}") for name in first]
    for name, other in others.items():
        finding.readings.append(Note(f"with {name}: {other.result}", verdict=other.verdict))
    opposite = {"contradicted": HOLDS} | dict.fromkeys(HOLDS, ("contradicted",))
    turned = [n for n, o in others.items() if o.verdict in opposite.get(finding.verdict, ())]
    if turned:
        words = f"{finding.verdict} with {' and '.join(first) or 'the default'}"
        words += f", {others[turned[0]].verdict} with {' and '.join(turned)}"
        finding.hold_back("depends on the reading", f"depends on the reading: {words}")


def inconsistent_rule(claim: Claim, part: Part, finding: Finding) -> None:
    """The paper's own numbers contradict the claim, or published code does: E0 or E2.

    No measurement can save it. Where a threshold of ours alone decides that they do, a measurement
    decides; without one, or on what only the printed numbers tell, it is inconclusive.
    """
    if finding.audit.by_threshold:
        remark = f"the printed numbers fail it by a threshold of ours alone: {finding.audit.words}"
        if finding.sample and claim.kind != "arithmetic":
            finding.note(remark, caveat=True)
        else:
            finding.evidence, finding.lacking = "E0", []
            finding.hold_back("threshold of ours", remark)
        return
    if finding.audit.against_code:  # what is set here follows one of them, and shows nothing
        finding.notes = [note for note in finding.notes if note.caveat]
    elif finding.sample and not part.is_setting:
        finding.overruled = f"{finding.verdict} ({finding.evidence})"
        finding.notes.insert(0, Note(f"by measurement {finding.overruled}"))
    finding.verdict, finding.reason, finding.lacking = "inconsistent", "", []
    finding.evidence = "E2" if finding.audit.source else "E0"

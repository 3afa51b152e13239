"""How often a page of results would be wrong where nothing differs, by its own run records.

Pages are drawn on which all networks that are compared have the same expected error, a quarter of
the gap from a perfect result to the floor, so that they count as having learnt. What is left of the
records is their spread: residuals over seeds, drawn anew from a normal distribution of the measured
variances and correlations, seeds paired as they are. A page is wrong if a claim is supported,
reproduced or contradicted otherwise than equal networks have it, or a change called better or worse.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from posekit.claims.contrasts import differences, load_contrasts, without_floors
from posekit.claims.expressions import evaluate
from posekit.claims.finding import CONFIRMED, Finding
from posekit.claims.ledger import Judged, judge_claims, tests
from posekit.claims.measurements import Key, Record, values_by_data
from posekit.claims.numbers import Interval
from posekit.claims.paper import Paper, Part, split

LEFT = 0.25  # of the gap between a perfect result and the floor
EQUAL = 1e-9  # relative; expected values nearer than this are equal

Place = tuple[Key, str]  # a quantity with its card and data set, and the size of its runs


@dataclass(frozen=True)
class Rates:
    """Of so many pages drawn: those with a wrong claim, a wrong change, and either."""

    pages: int
    claims: int
    changes: int
    either: int


@dataclass(frozen=True)
class Spread:
    """What differs between seeds: records and trials, the expected value, and residuals."""

    place: Place
    records: tuple[int, ...]
    trials: tuple[int, ...]
    mean: float
    residuals: Float[np.ndarray, " n"]


def rates(paper: Paper, records: Iterable[Record], pages: int, seed: int = 0) -> Rates:
    """Draw pages of a paper on which nothing differs, and count those that decide something."""
    records = [record for record in records if record.paper == paper.slug]
    known = list(spreads(paper, records))
    expected = {spread.place: spread.mean for spread in known}
    varied = {key[0] for key, _ in expected}
    about = [
        claim
        for claim in paper.claims
        if claim.kind in ("ordering", "speed") and claim.needs[0] != "quoted"
        if any(paper.measured_name(q) in varied for part in claim.parts for q in part.printed)
    ]
    paper, random, found = replace(paper, claims=tuple(about)), np.random.default_rng(seed), []
    for _ in range(pages):
        drawn = draw(records, known, random)
        judged = judge_claims(paper, drawn)
        wrong = any(is_wrong(paper, each, expected) for each in judged)
        found.append((wrong, _has_change(paper, drawn, judged)))
    claims, changes = map(sum, zip(*found))
    return Rates(pages, claims, changes, sum(map(any, found)))


def spreads(paper: Paper, records: Sequence[Record]) -> Iterator[Spread]:
    """The quantities that differ between seeds, with the expected value that all of a kind share.

    Of a kind are the networks of one metric, slice, card, data set and size; floors stay as they are.
    """
    floors = paper.floor_networks
    values: dict[Place, dict[int, float]] = {}
    for i, record in enumerate(records):
        for key, value in record.values.items():
            values.setdefault((key, record.size), {})[i] = value
    kinds: dict[tuple, list[Place]] = {}
    for place, own in values.items():
        (quantity, card, data), size = place
        metric, network, piece = split(quantity)
        if network not in floors and len(own) > 1 and (card or len(set(own.values())) > 1):
            kinds.setdefault((metric, piece, card, data, size), []).append(place)
    trials = {trial: i for i, trial in enumerate(sorted({record.trial for record in records}))}
    for (metric, piece, card, data, size), places in kinds.items():
        mean = float(np.mean([value for place in places for value in values[place].values()]))
        for floor in paper.floors.values():
            level = values.get(((f"{metric}/{floor.floor}", card, data), size), {})
            if (floor.by, floor.metric) == (card, metric) and not piece and level:
                gap = float(np.mean([*level.values()])) - floor.perfect
                mean = floor.perfect + LEFT * gap
        for place in places:
            own = values[place]
            here, order = np.array([*own.values()]), [trials[records[i].trial] for i in own]
            yield Spread(place, tuple(own), tuple(order), mean, here - here.mean())


def draw(
    records: Sequence[Record], known: Sequence[Spread], random: np.random.Generator
) -> list[Record]:
    """The records with the expected values, and with residuals of the same covariance."""
    count = 1 + max((trial for spread in known for trial in spread.trials), default=0)
    weights = random.normal(size=(count, count))
    values = [dict(record.values) for record in records]
    for spread in known:
        own = weights[np.ix_(spread.trials, spread.trials)]
        drawn = spread.mean + own @ spread.residuals / np.sqrt(len(spread.residuals) - 1)
        for i, value in zip(spread.records, drawn):
            values[i][spread.place[0]] = float(value)
    return [replace(record, values=own) for record, own in zip(records, values)]


def is_wrong(paper: Paper, judged: Judged, expected: Mapping[Place, float]) -> bool:
    """Whether a claim is decided by what was drawn, and not as equal networks have it."""
    if judged.verdict not in (*CONFIRMED, "contradicted"):
        return False
    pairs = zip(judged.claim.parts, judged.parts)
    answers = [
        _truth(paper, part, finding, expected)
        for part, finding in pairs
        if finding.verdict == judged.verdict
    ]
    right = "holds" if judged.verdict in CONFIRMED else "fails"
    return any(answer not in (right, "") for answer in answers)


def _truth(paper: Paper, part: Part, finding: Finding, expected: Mapping[Place, float]) -> str:
    """Whether a comparison holds or fails of the expected values: `equal` where neither is so.

    "" for one that is not of what was drawn alone.
    """
    if finding.sample is None:
        return ""
    known: dict[str, list[Interval]] = {}
    for name, quantities in part.expanded.items():
        used = [q for q in map(paper.measured_name, quantities) if q in finding.sample.used]
        for q in used:
            places = ((q, part.card, finding.sample.data), (q, "", ""))
            values = [expected.get((place, finding.sample.size)) for place in places]
            found = next((value for value in values if value is not None), None)
            if found is None:
                return ""
            known.setdefault(name, []).append(Interval.exact(found))
    left, right = (evaluate(side, known).value for side in (part.left, part.right))
    if abs(left - right) <= EQUAL * max(abs(left), abs(right)):
        return "holds" if "=" in part.relation else "equal"
    if part.relation == "=":
        return ""
    return "holds" if (left < right) == part.relation.startswith("<") else "fails"


def _has_change(paper: Paper, records: list[Record], judged: list[Judged]) -> bool:
    """Whether a change of the page is called better or worse, but for those from a floor."""
    family = tests(paper, records, [part for each in judged for part in each.parts])
    contrasts = without_floors(load_contrasts(paper.slug, paper.folder), paper)
    found = [
        differences(contrasts, values, paper, family) for values in values_by_data(records).values()
    ]
    return any(f["beyond seed noise"].str.startswith("yes").any() for f in found if len(f))

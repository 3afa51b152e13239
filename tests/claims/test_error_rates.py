"""Pages on which nothing differs: what is drawn, and what counts as a wrong decision."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posekit.claims.error_rates import draw, is_wrong, rates, spreads
from posekit.claims.ledger import judge_claims
from posekit.claims.measurements import Record
from posekit.claims.paper import load_paper

CARD, DATA = "h36m-martinez-p1", "studio"
TRAN = load_paper("tran2022")
ONE = replace(TRAN, claims=tuple(c for c in TRAN.claims if c.id == "tran2022-020"))
MEANS = {"ours": 60.0, "evoskeleton-3x3": 70.0, "martinez": 80.0}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Five seeds of three networks that differ by 10 mm, 1 mm apart, and of the mean pose."""
    rng = np.random.default_rng(0)
    values = {name: mean + rng.normal(size=5) for name, mean in MEANS.items()}
    values["mean-pose"] = np.full(5, 240.0)
    about = {"paper": "tran2022", "job": "lifter", "size": "small", "config": "{}"}
    about |= {"trained_on": DATA, "device": "cpu", "threads": "1"}
    return [
        Record(
            file=Path(f"{seed}.json"),
            id=str(seed),
            seed=seed,
            values={(f"mpjpe/{n}", CARD, DATA): float(v[seed]) for n, v in values.items()},
            **about,
        )
        for seed in range(5)
    ]


def test_all_networks_are_drawn_a_quarter_of_the_gap_from_perfect_with_their_own_spread(records):
    known, random = list(spreads(TRAN, records)), np.random.default_rng(1)
    pages = [draw(records, known, random) for _ in range(2000)]
    for name in MEANS:
        key = f"mpjpe/{name}", CARD, DATA
        drawn = np.array([[record.values[key] for record in page] for page in pages])
        spread = np.std([record.values[key] for record in records], ddof=1)
        assert drawn.mean() == pytest.approx(60.0, abs=0.1)  # of a floor of 240 mm
        assert drawn.std() == pytest.approx(spread, rel=0.05)
    floors = {record.values["mpjpe/mean-pose", CARD, DATA] for record in pages[0]}
    assert floors == {240.0}


def test_a_decision_is_wrong_where_equal_networks_do_not_have_it(records):
    expected = {spread.place: spread.mean for spread in spreads(TRAN, records)}
    [judged] = judge_claims(ONE, records)  # ours < li
    [part], [finding] = judged.claim.parts, judged.parts

    def wrong(verdict: str, relation: str = "<") -> bool:
        finding.verdict = verdict
        claim = replace(judged.claim, parts=(replace(part, relation=relation),))
        return is_wrong(ONE, replace(judged, claim=claim), expected)

    assert wrong("supported") and wrong("contradicted") and not wrong("inconclusive")
    assert not wrong("supported", "<=") and wrong("contradicted", "<=")


def test_few_pages_are_wrong_where_nothing_differs(records):
    found = rates(ONE, records, 20)
    assert found.pages == 20 and found.either <= 5  # 1 expected; 6 or more are 1 in 3,000

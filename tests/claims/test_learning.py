"""Learning floors, shared starts, many comparisons: right values worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.contrasts import Contrast, changes
from posekit.claims.family import Family
from posekit.claims.learning import learning
from posekit.claims.ledger import verdicts
from posekit.claims.measurements import Measurements
from posekit.claims.paper import Floor, load_paper
from posekit.claims.statistics import ALPHA, holm, t_interval

FLOOR = Floor("card", "mean-pose", "mpjpe", "card", 0.0)


def learnt(**networks: tuple[float, ...]):
    """What is said of networks with these errors, a seed each, above a floor of 200 mm."""
    values = {"mpjpe/mean-pose": {"0": 200.0}}
    values |= {f"mpjpe/{n}": {str(i): v for i, v in enumerate(e)} for n, e in networks.items()}
    return learning(FLOOR, networks, lambda quantity, card: values.get(quantity, {}))


def test_half_of_the_gap_to_the_floor_has_to_be_closed_by_every_network():
    # (200 - 100) / 200 is 50 %, (200 - 104) / 200 is 48 %
    assert learnt(a=(99.0, 100.0, 101.0), b=(80.0, 80.0, 80.0)).reason == ""
    found = learnt(a=(103.0, 104.0, 105.0), b=(80.0, 80.0, 80.0))
    assert (found.reason, found.shares) == ("undertrained", "a 48 %, b 60 %")
    near = learnt(a=(100.8, 100.8, 100.8), b=(99.4, 99.4, 99.4))  # no rounding over the threshold
    assert (near.reason, near.shares) == ("undertrained", "a 49.6 %, b 50 %")


def test_a_training_that_stays_at_its_floor_is_named_and_leaves_the_comparison_open():
    found = learnt(a=(40.0, 42.0, 130.0), b=(50.0, 50.0, 50.0))
    assert found.reason == "failed training"  # 35 %, less than half of the median, 79 %
    assert found.failed == [
        "seed 2 of a closed 35 % of the gap, the median of its seeds 79 %",
    ]


def test_without_a_floor_nobody_knows_what_was_learnt():
    assert learning(FLOOR, ["a"], lambda *_: {}).reason == "floor not measured"


def test_holms_correction_by_hand():
    # in order 0.01 x 3, 0.03 x 2, and 0.04 x 1, which gets no less than the one before it
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_one_test_of_two_rows_counts_once_and_either_way_round():
    family = Family()
    family.add((1.0, 2.0, 3.0), 0.02)
    family.add((-1.0, -2.0, -3.0), 0.02)
    family.add((5.0, 4.0, 6.0), 0.04)
    family.add((7.0, 7.0, 1.0), np.nan)  # of networks that have not learnt
    assert len(family) == 2
    assert family.corrected((3.0, 2.0, 1.0)) != family.corrected((1.0, 2.0, 3.0))
    assert family.corrected((1.0, 2.0, 3.0)) == pytest.approx(0.04)


@pytest.mark.parametrize("seeds", [3, 5])
def test_at_most_one_page_in_twenty_is_wrong_where_nothing_differs(seeds):
    """1000 pages of 12 networks that are all alike, each compared with the first by seed."""
    draws = np.random.default_rng(1).normal(size=(1000, 13, seeds))
    wrong, uncorrected = 0, 0
    for page in draws:
        p = [t_interval(one - page[0]).p for one in page[1:]]
        wrong += min(holm(p)) < ALPHA
        uncorrected += min(p) < ALPHA
    assert wrong / 1000 <= 0.05
    assert uncorrected / 1000 > 0.2  # what the correction is for


def test_where_seeds_share_a_start_the_start_is_the_unit():
    rows = [
        (name, start, seed, "loss", "", "card", base + gap * (name == "a"))
        for start, gap in (("x", 0.1), ("y", 0.3), ("z", 0.2))
        for seed, base in ((0, 1.0), (1, 2.0))
        for name in ("a", "b")
    ]
    columns = ["network", "start", "seed", "metric", "slice", "card", "value"]
    values = pd.DataFrame(rows, columns=columns)
    contrast = Contrast("a change", "a", "b", "loss", "", "card", "MSE")
    [found] = changes([contrast], values, load_paper("kim"))
    assert found.change.n == 3 and sorted(found.differences) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("starts", "n", "half"),
    [
        # Means of two seeds -3.2, -2.2, -4.2: sd 1, t of 2 degrees of freedom 4.303, over root 3
        (("a", "a", "b", "b", "c", "c"), 3, 2.484),
        # A start of its own for every seed: sd 0.9209, t of 5 degrees 2.571, over root 6
        (tuple(f"{k:016x}" for k in range(6)), 6, 0.966),
        (("a",) * 6, 1, float("nan")),  # one start says nothing of others
    ],
)
def test_an_interval_of_a_claim_is_over_starts(starts, n, half):
    """bouchiat-019: PPM against none, differences -3.0, -3.4, -2.0, -2.4, -4.0 and -4.4 mm."""
    bouchiat = PaperUnderTest("bouchiat")
    records = []
    for seed, (start, gap) in enumerate(zip(starts, (3.0, 3.4, 2.0, 2.4, 4.0, 4.4), strict=True)):
        for name, error in (("r50-ppm", 100 - gap), ("r50-flip", 100.0)):
            values = {f"mpjpe/{name}": error}
            [made, *_] = bouchiat.records(values, "h36m-bouchiat", "studio-pictures", "medium")
            values = {key: error for key in made.values}
            about = {"id": f"{name}-{seed}", "file": Path(f"{name}-{seed}.json"), "values": values}
            records.append(replace(made, seed=seed, start=start, **about))
    measurements = Measurements(records, bouchiat.paper)
    claim = bouchiat.claim(19)
    [sample] = measurements.samples(claim, claim.parts[0])
    found = t_interval(np.array(sample.units))
    assert (found.n, found.mean) == (n, pytest.approx(-3.2))
    assert found.half == pytest.approx(half, abs=1e-3, nan_ok=True)


def judged(*tests: tuple[str, str, str, float, float]) -> pd.Series:
    """tran2022-020, ours before the cascade, after tests of (data, taught by, size, both errors)."""
    tran, records = PaperUnderTest("tran2022"), []
    for data, teacher, size, ours, cascade in tests:
        errors = {"ours": ours, "evoskeleton-3x3": cascade, "mean-pose": 200.0}
        values = {f"mpjpe/{name}": error for name, error in errors.items()}
        for made in tran.records(values, "h36m-martinez-p1", data, size):
            name = f"{made.id}-{data}-{size}"
            records.append(replace(made, trained_on=teacher, id=name, file=Path(f"{name}.json")))
    return verdicts(replace(tran.paper, claims=(tran.claim(20),)), records).iloc[0]


@pytest.mark.parametrize("by_studio", [120.0, 80.0])  # 40 % of the way from the floor, and 60 %
def test_on_real_people_those_decide_who_have_learnt_and_from_real_people(by_studio):
    row = judged(
        ("cmu", "studio", "medium", by_studio - 2, by_studio),
        ("cmu-folds", "cmu-folds", "medium", 68.0, 70.0),
    )
    assert row["data"] == "cmu-folds" and row["evidence"] == "E4"
    assert "on cmu (E4, n = 3): " in row["note"]
    assert ("undertrained" in row["note"]) == (by_studio == 120.0)


def test_of_two_inputs_the_detected_joints_decide_and_the_true_ones_are_told():
    row = judged(
        ("b", "b", "medium", 68.0, 70.0),
        ("a-truth-b", "a-truth-b", "medium", 50.0, 40.0),
    )
    assert row["data"] == "b" and "on a-truth-b (E4, n = 3): contradicted" in row["note"]


def test_a_smaller_size_takes_no_place_of_a_larger_one_that_has_not_learnt():
    row = judged(
        ("studio", "studio", "small", 68.0, 70.0), ("studio", "studio", "medium", 168.0, 170.0)
    )
    assert (row["verdict"], row["reason"]) == ("inconclusive", "undertrained")
    assert "size medium" in row["note"]

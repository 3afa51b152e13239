"""The rules of decision: by hand, and by how often they err in simulation."""

import numpy as np
import pytest
from scipy import stats

from posekit.claims.statistics import (
    bootstrap_interval,
    equivalence,
    estimate,
    judge_accuracy,
    judge_equivalence,
    judge_ordering,
    smallest_margin,
    t_interval,
)


def column(*values: float) -> np.ndarray:
    return np.array([values], float).T


def test_the_t_interval_is_the_one_in_the_tables():
    found = t_interval(np.array([1.0, 2.0, 3.0]))
    half = 4.302653 / np.sqrt(3)  # t of 0.975 with 2 degrees of freedom; sd is 1
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half))
    assert found.rule == "t interval, 3 seeds"


def test_one_seed_has_no_interval():
    found = t_interval(np.array([1.0]))
    assert found.mean == 1.0 and np.isnan(found.low) and np.isnan(found.high)


@pytest.mark.parametrize(
    ("differences", "side", "evidence", "word"),
    [
        ((-1.0, -1.1, -1.2), -1, "E3", "supported"),  # -1.1 +- 4.303 x 0.1 / sqrt 3
        ((-1.0, -1.1, -1.2), -1, "E6", "reproduced"),
        ((-1.0, -1.1, -1.2), +1, "E3", "contradicted"),
        ((-1.0, +0.5, -1.2), -1, "E6", "inconclusive"),  # straddles zero
        ((-1.0, -1.1), -1, "E3", "inconclusive"),  # two seeds
        ((-9.0,), -1, "E6", "inconclusive"),  # one seed never decides
    ],
)
def test_ordering_is_decided_by_the_side_of_the_interval(differences, side, evidence, word):
    assert judge_ordering(column(*differences), side, evidence).verdict == word


def test_no_difference_at_all_supports_no_ordering():
    assert judge_ordering(column(0.0, 0.0, 0.0), -1, "E3").verdict == "inconclusive"


@pytest.mark.parametrize(
    ("values", "margin", "evidence", "word"),
    [
        ((50.5, 50.6, 50.7), 1.5, "E6", "reproduced"),
        ((50.5, 50.6, 50.7), 0.1, "E6", "inconclusive"),  # 3 seeds could prove 0.17 at best
        ((53.5, 53.6, 53.7), 1.5, "E6", "contradicted"),
        ((50.0, 52.0, 54.0), 1.5, "E6", "inconclusive"),
        ((50.5, 50.6, 50.7), 1.5, "E3", "inconclusive"),  # studio numbers never decide
        ((50.5, 50.6), 1.5, "E6", "inconclusive"),
    ],
)
def test_accuracy_is_decided_by_equivalence_within_the_margin(values, margin, evidence, word):
    assert judge_accuracy(np.array(values), 50.6, margin, evidence).verdict == word


def test_two_values_said_to_be_the_same_are_supported_below_the_papers_data():
    values = np.array([0.01, -0.01, 0.0])
    assert judge_equivalence(values, 0.0, 0.5, "E3").verdict == "supported"
    assert judge_equivalence(values, 0.0, 0.5, "E6").verdict == "reproduced"


def test_equivalence_agrees_with_scipys_one_sided_t_tests():
    values = np.array([50.1, 51.3, 50.4, 50.9, 51.0])
    low = stats.ttest_1samp(values, 50.6 - 1.5, alternative="greater").pvalue
    high = stats.ttest_1samp(values, 50.6 + 1.5, alternative="less").pvalue
    assert equivalence(values, 50.6, 1.5) == pytest.approx(max(low, high))


def test_the_smallest_margin_is_where_a_perfect_mean_just_passes():
    values = np.array([49.6, 50.6, 51.6])
    least = smallest_margin(1.0, 3)
    assert least == pytest.approx(2.919986 / np.sqrt(3))  # t of 0.95 with 2 degrees of freedom
    assert equivalence(values, 50.6, least) == pytest.approx(0.05)
    assert smallest_margin(1.0, 1) == np.inf


def test_the_bootstrap_agrees_with_scipys_studentised_quantiles():
    seeds = np.random.default_rng(3).normal(1.0, 0.5, 30)
    found = bootstrap_interval(seeds[:, None])
    half = stats.t.ppf(0.975, 29) * seeds.std(ddof=1) / np.sqrt(30)  # normal data: the t interval
    assert found.low == pytest.approx(seeds.mean() - half, abs=0.2 * half)
    assert found.high == pytest.approx(seeds.mean() + half, abs=0.2 * half)


def test_the_bootstrap_is_repeatable_and_weighs_test_subjects_equally():
    rows = np.random.default_rng(4).normal([0.0, 2.0], 0.1, (25, 2))
    first, second = bootstrap_interval(rows), bootstrap_interval(rows)
    assert first == second
    assert first.mean == pytest.approx(rows.mean()) and "2 test subjects" in first.rule


def test_few_seeds_get_the_t_interval_and_many_the_bootstrap():
    assert estimate(np.arange(19.0)[:, None]).rule.startswith("t interval")
    assert estimate(np.arange(20.0)[:, None]).rule.startswith("bootstrap-t")


# How often the rules err. 4 standard errors of the simulation are allowed on top.


def often(events: list[bool], promised: float) -> bool:
    return np.mean(events) <= promised + 4 * np.sqrt(promised * (1 - promised) / len(events))


@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_methods_are_called_better_in_one_of_forty_trials_at_most(seeds):
    draws = np.random.default_rng(5).normal(0.0, 0.7, (4000, seeds, 1))
    words = [judge_ordering(d, -1, "E3").verdict for d in draws]
    assert often([w == "supported" for w in words], 0.025)
    assert often([w == "contradicted" for w in words], 0.025)
    assert np.mean([w == "supported" for w in words]) > 0.015  # not by never deciding


def test_the_bootstrap_keeps_the_promise_when_test_subjects_share_a_model():
    rng = np.random.default_rng(6)
    shared = rng.normal(0.0, 0.7, (1500, 20, 1))  # one model's luck moves both subjects
    draws = shared + rng.normal(0.0, 0.3, (1500, 20, 2))
    words = [judge_ordering(d, -1, "E6").verdict for d in draws]
    assert often([w == "reproduced" for w in words], 0.025)
    assert often([w == "contradicted" for w in words], 0.025)


@pytest.mark.parametrize("offset", [-1.5, 1.5])
def test_a_method_off_by_the_margin_is_reproduced_in_one_of_twenty_trials_at_most(offset):
    draws = np.random.default_rng(7).normal(50.6 + offset, 0.7, (3000, 5))
    words = [judge_accuracy(d, 50.6, 1.5, "E6").verdict for d in draws]
    assert often([w == "reproduced" for w in words], 0.05)
    assert np.mean([w == "reproduced" for w in words]) > 0.03  # the test is not idle
    assert often([w == "contradicted" for w in words], 0.025)


def test_a_method_that_hits_the_printed_number_is_mostly_reproduced():
    draws = np.random.default_rng(8).normal(50.6, 0.7, (500, 5))
    words = [judge_accuracy(d, 50.6, 1.5, "E6").verdict for d in draws]
    assert np.mean([w == "reproduced" for w in words]) > 0.9

"""Intervals and equivalence, held against tables and scipy."""

import numpy as np
import pytest
from scipy import stats

from posekit.claims.statistics import (
    bootstrap_interval,
    equivalence,
    interval,
    smallest_margin,
    t_interval,
)


def test_the_t_interval_is_the_one_in_the_tables():
    found = t_interval(np.array([1.0, 2.0, 3.0]))
    half = 4.302653 / np.sqrt(3)  # t of 0.975 with 2 degrees of freedom; sd is 1
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half))
    assert found.rule == "t interval, 3 seeds"


def test_one_seed_has_no_interval():
    found = t_interval(np.array([1.0]))
    assert found.mean == 1.0 and np.isnan(found.low) and np.isnan(found.high)


def test_equivalence_agrees_with_scipys_one_sided_t_tests():
    values = np.array([50.1, 51.3, 50.4, 50.9, 51.0])
    low = stats.ttest_1samp(values, 50.6 - 1.5, alternative="greater").pvalue
    high = stats.ttest_1samp(values, 50.6 + 1.5, alternative="less").pvalue
    assert equivalence(t_interval(values), 50.6, 1.5) == pytest.approx(max(low, high))


def test_the_smallest_margin_is_where_a_perfect_mean_just_passes():
    found = t_interval(np.array([49.6, 50.6, 51.6]))
    least = smallest_margin(found)
    assert least == pytest.approx(2.919986 / np.sqrt(3))  # t of 0.95 with 2 degrees of freedom
    assert equivalence(found, 50.6, least) == pytest.approx(0.05)
    assert smallest_margin(t_interval(np.array([1.0]))) == np.inf


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
    assert interval([float(i) for i in range(19)]).rule.startswith("t interval")
    assert interval([float(i) for i in range(20)]).rule.startswith("bootstrap-t")

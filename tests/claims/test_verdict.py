"""The rules that decide on a verdict: by hand, and by how often they err in simulation."""

import numpy as np
import pytest

from posekit.claims.statistics import interval, t_interval
from posekit.claims.verdict import accuracy_rule, equivalence_rule, ordering_rule


def ordering(differences, side: int, evidence: str) -> str:
    """The verdict on differences, one a seed, or a row a seed and a column a test subject."""
    subjects = np.array(differences, float).reshape(len(differences), -1).T
    return ordering_rule(interval(subjects.mean(0).tolist(), subjects.tolist()), side, evidence)[0]


def accuracy(values, margin: float, evidence: str) -> str:
    """The verdict on values that the paper prints as 50.6."""
    return accuracy_rule(t_interval(np.array(values)), 50.6, margin, evidence)[0]


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
    assert ordering(differences, side, evidence) == word


def test_no_difference_at_all_supports_no_ordering():
    assert ordering((0.0, 0.0, 0.0), -1, "E3") == "inconclusive"


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
    assert accuracy(values, margin, evidence) == word


def test_two_values_said_to_be_the_same_are_supported_below_the_papers_data():
    found = t_interval(np.array([0.01, -0.01, 0.0]))
    assert equivalence_rule(found, 0.0, 0.5, "E3")[0] == "supported"
    assert equivalence_rule(found, 0.0, 0.5, "E6")[0] == "reproduced"


# How often the rules err. 4 standard errors of the simulation are allowed on top.


def often(events: list[bool], promised: float) -> bool:
    return np.mean(events) <= promised + 4 * np.sqrt(promised * (1 - promised) / len(events))


@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_methods_are_called_better_in_one_of_forty_trials_at_most(seeds):
    draws = np.random.default_rng(5).normal(0.0, 0.7, (4000, seeds, 1))
    words = [ordering(d, -1, "E3") for d in draws]
    assert often([w == "supported" for w in words], 0.025)
    assert often([w == "contradicted" for w in words], 0.025)
    assert np.mean([w == "supported" for w in words]) > 0.015  # not by never deciding


def test_the_bootstrap_keeps_the_promise_when_test_subjects_share_a_model():
    rng = np.random.default_rng(6)
    shared = rng.normal(0.0, 0.7, (800, 20, 1))  # one model's luck moves both subjects
    draws = shared + rng.normal(0.0, 0.3, (800, 20, 2))
    words = [ordering(d, -1, "E6") for d in draws]
    assert often([w == "reproduced" for w in words], 0.025)
    assert often([w == "contradicted" for w in words], 0.025)


@pytest.mark.parametrize("offset", [-1.5, 1.5])
def test_a_method_off_by_the_margin_is_reproduced_in_one_of_twenty_trials_at_most(offset):
    draws = np.random.default_rng(7).normal(50.6 + offset, 0.7, (3000, 5))
    words = [accuracy(d, 1.5, "E6") for d in draws]
    assert often([w == "reproduced" for w in words], 0.05)
    assert np.mean([w == "reproduced" for w in words]) > 0.03  # the test is not idle
    assert often([w == "contradicted" for w in words], 0.025)


def test_a_method_that_hits_the_printed_number_is_mostly_reproduced():
    draws = np.random.default_rng(8).normal(50.6, 0.7, (500, 5))
    words = [accuracy(d, 1.5, "E6") for d in draws]
    assert np.mean([w == "reproduced" for w in words]) > 0.9

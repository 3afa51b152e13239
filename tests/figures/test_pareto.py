"""The front of error and cost, by asking every pair, and what is drawn of it."""

import numpy as np
import pandas as pd
import pytest

from posekit.figures.curves import front, pareto, ticks


def beaten(row: int, costs, errors) -> bool:
    """By the definition: another is at least as good in both, and better in one."""
    return any(
        costs[other] <= costs[row]
        and errors[other] <= errors[row]
        and (costs[other], errors[other]) != (costs[row], errors[row])
        for other in range(len(costs))
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nobody_beats(seed):
    rng = np.random.default_rng(seed)
    costs, errors = rng.integers(0, 6, (2, 12)).tolist()  # with ties in one and in both
    found = front(costs, errors)
    points = [(costs[row], errors[row]) for row in found]
    assert points == sorted(set(points))
    alone = {(costs[r], errors[r]) for r in range(12) if not beaten(r, costs, errors)}
    assert set(points) == alone


def test_numbers_have_to_be_finite_and_as_many():
    with pytest.raises(ValueError, match="2 costs and 1 errors"):
        front([1, 2], [3])
    with pytest.raises(ValueError, match="finite"):
        front([1, float("nan")], [3, 4])


def test_each_network_is_a_marker_with_its_interval_and_the_line_is_the_front():
    rows = {"a": (10, 60, 58, 62), "b": (20, 50, 49, 51), "c": (30, 70, np.nan, np.nan)}
    table = pd.DataFrame.from_dict(rows, "index", columns=["cost", "mean", "low", "high"])
    (axes,) = pareto(table, title="t", cost="MACs").axes
    (line,) = [each for each in axes.lines if each.get_drawstyle() == "steps-post"]
    assert line.get_xydata().tolist() == [[10, 60], [20, 50]]
    ends = [part.get_segments()[0].tolist() for part in axes.collections if part.get_segments()]
    assert [[10, 58], [10, 62]] in ends and [[20, 49], [20, 51]] in ends and len(ends) == 2
    _, names = axes.get_legend_handles_labels()
    assert names == ["a", "b", "c"] and axes.get_xscale() == "log"


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.3, 4000, [1, 10, 100, 1000]),
        (6, 61, [10, 20, 50]),
        (9.01, 16.9, [10, 12, 14, 16]),
        (250, 480, [250, 300, 350, 400, 450]),
        (4.6, 4.9, [4.6, 4.7, 4.8, 4.9]),
    ],
)
def test_an_axis_of_any_length_has_round_numbers(low, high, marks):
    assert ticks(low, high) == pytest.approx(marks)


def test_a_network_keeps_its_colour_when_costs_change_places():
    table = pd.DataFrame(
        {"cost": [1, 2], "mean": [5, 4], "low": np.nan, "high": np.nan}, ["a", "b"]
    )
    colours = []
    for costs in ([1, 2], [2, 1]):
        (axes,) = pareto(table.assign(cost=costs), title="t", cost="MACs").axes
        handles, names = axes.get_legend_handles_labels()
        colours.append({name: handle[0].get_color() for handle, name in zip(handles, names)})
    assert colours[0] == colours[1]

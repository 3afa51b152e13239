"""Curves, intervals and the Pareto front: what a reader takes from them."""

import numpy as np
import pandas as pd
import pytest

from posekit.figures.curves import error_per_joint, forest, loss_curves, pareto


def test_loss_curves_show_the_mean_and_the_range_over_seeds():
    [axes] = loss_curves({"ours": [[4.0, 2.0], [2.0, 1.0]]}).axes
    assert axes.lines[0].get_ydata().tolist() == [3.0, 1.5]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1.0, 4.0)
    with pytest.raises(ValueError, match="'ours'"):
        loss_curves({"ours": []})


def test_losses_of_a_single_epoch_are_dots_in_a_row_a_name():
    [axes] = loss_curves({"ours": [[4.0], [2.0]], "theirs": [[5.0]]}, yardstick=("none", 6.0)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "ours (2 seeds)",
        "theirs (1 seed)",
    ]
    for short in ({"ours": [[4.0]], "theirs": []}, {"ours": [[4.0]], "theirs": [[]]}):
        with pytest.raises(ValueError, match="'theirs'"):
            loss_curves(short)
    dots, mean, *_ = axes.lines
    assert dots.get_xydata().tolist() == [[4, 0], [2, 0]] and mean.get_xdata().tolist() == [3, 3]


def test_bars_are_the_95_percent_interval_over_seeds():
    errors = {"ours": np.array([[10.0, 40.0], [12.0, 40.0], [14.0, 40.0]])}
    [axes] = error_per_joint(errors, ("hip", "left_knee"), title="").axes
    [bars] = axes.containers
    assert bars.lines[0].get_xdata().tolist() == [12.0, 40.0]
    (low, _), (high, _) = bars.lines[2][0].get_segments()[0]
    # t table: 4.303 for 2 degrees of freedom; sd 2 over the root of 3
    assert (high - low) / 2 == pytest.approx(4.303 * 2 / 3**0.5, abs=0.01)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hip", "left knee"]
    with pytest.raises(ValueError, match="2 joints"):
        error_per_joint(errors, ("hip",), title="")


def test_a_forest_plot_leaves_out_a_row_that_reaches_too_far():
    rows = {"mean": [1.0, -2.0, 90.0], "low": [0.5, -3.0, 80.0], "high": [1.5, -1.0, 100.0]}
    found = pd.DataFrame(rows | {"n": 3}, index=["a", "b", "c"])
    [axes] = forest(found, title="", unit="%").axes
    assert axes.get_xlim()[1] == pytest.approx(1.6 * 3)
    assert "90.0 [80.0, 100.0]" in [text.get_text() for text in axes.texts]
    [axes] = forest(found, {"a": 60.0, "b": float("nan")}, title="", unit="%").axes
    assert axes.get_xlim()[1] > 100
    [legend] = forest(found.assign(n=[4, 5, 5]), title="", unit="%").legends
    assert legend.get_texts()[0].get_text() == "measured, 95 % interval over 4 to 5 seeds"
    [axes] = forest(found.assign(low=np.nan, high=np.nan, n=1), title="", unit="%").axes
    assert "90.0" in [text.get_text() for text in axes.texts]
    [axes] = forest(found.assign(mean=-0.01, low=np.nan, n=1), title="", unit="%").axes
    assert {text.get_text() for text in axes.texts if text.get_text()} == {"0.0"}


def test_a_forest_plot_of_long_names_has_its_whole_title():
    found = pd.DataFrame({"mean": [1.0], "low": [0.0], "high": [2.0], "n": 3}, index=["n" * 62])
    drawing = forest(found, title="Error on the studio's S9 and S11 with each change", unit="mm")
    drawing.draw_without_rendering()
    box = drawing._suptitle.get_window_extent()
    assert 0 <= box.x0 and box.x1 <= drawing.bbox.width


def front(costs, errors) -> list[tuple]:
    """The corners of the line that is drawn through the Pareto front."""
    found = pd.DataFrame({"cost": costs, "mean": errors, "low": np.nan, "high": np.nan})
    [axes] = pareto(found, title="", cost="").axes
    [line] = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    return [tuple(point) for point in line.get_xydata().tolist()]


@pytest.mark.parametrize("seed", range(3))
def test_the_pareto_front_is_every_network_that_no_other_beats(seed):
    rng = np.random.default_rng(seed)
    costs, errors = rng.integers(1, 7, (2, 12)).tolist()  # with ties in one and in both
    points = list(zip(costs, errors, strict=True))
    alone = {
        (cost, error)
        for cost, error in points
        if not any(c <= cost and e <= error and (c, e) != (cost, error) for c, e in points)
    }
    assert front(costs, errors) == sorted(alone)


def test_each_network_is_a_marker_with_its_interval_and_keeps_its_colour():
    rows = {"a": (10, 60, 58, 62), "b": (20, 50, 49, 51), "c": (30, 70, np.nan, np.nan)}
    table = pd.DataFrame.from_dict(rows, "index", columns=["cost", "mean", "low", "high"])
    colours = []
    for costs in ([10, 20, 30], [30, 20, 10]):
        [axes] = pareto(table.assign(cost=costs), title="t", cost="MACs").axes
        handles, names = axes.get_legend_handles_labels()
        colours.append({name: handle[0].get_color() for handle, name in zip(handles, names)})
        segments = [part.get_segments()[0].tolist() for part in axes.collections]
        ends = [segment for segment in segments if segment]
        assert [[costs[0], 58], [costs[0], 62]] in ends and len(ends) == 2
    assert colours[0] == colours[1] and list(colours[0]) == ["a", "b", "c"]
    assert axes.get_xscale() == "log"


def test_the_floor_is_a_line_below_which_networks_have_learnt():
    rows = {"a": (10, 60, 58, 62), "b": (20, 50, 49, 51), "mean-pose": (np.nan, 90, 90, 90)}
    table = pd.DataFrame.from_dict(rows, "index", columns=["cost", "mean", "low", "high"])
    [axes] = pareto(table, title="t", cost="MACs").axes
    [line] = [line for line in axes.get_lines() if line.get_label() == "mean-pose"]
    assert set(line.get_ydata()) == {90} and axes.get_ylim()[1] >= 90


def test_a_floor_far_above_is_named_and_leaves_room_for_the_intervals():
    rows = {"a": (10, 97, 96, 98), "b": (20, 96, 95, 97), "mean-pose": (np.nan, 215, 215, 215)}
    table = pd.DataFrame.from_dict(rows, "index", columns=["cost", "mean", "low", "high"])
    [axes] = pareto(table, title="t", cost="MACs").axes
    assert "mean-pose, 215 mm: far above" in axes.get_legend_handles_labels()[1]
    assert 94 < axes.get_ylim()[0] < 95 and 98 < axes.get_ylim()[1] < 99


def test_a_floor_alone_is_drawn():
    table = pd.DataFrame(
        {"cost": [np.nan], "mean": 215.0, "low": 215.0, "high": 215.0}, ["mean-pose"]
    )
    [axes] = pareto(table, title="t", cost="MACs").axes
    assert axes.get_legend_handles_labels()[1] == ["mean-pose"]


@pytest.mark.parametrize(
    ("level", "named"), [(90.0, "mean-pose"), (120.0, "mean-pose, 120 mm: far above")]
)
def test_a_floor_near_the_networks_is_a_line_however_alike_they_are(level, named):
    rows = {"a": (10, 70, np.nan, np.nan), "b": (20, 70, np.nan, np.nan)}
    rows["mean-pose"] = (np.nan, level, level, level)
    table = pd.DataFrame.from_dict(rows, "index", columns=["cost", "mean", "low", "high"])
    [axes] = pareto(table, title="t", cost="MACs").axes
    assert named in axes.get_legend_handles_labels()[1]


def test_a_network_keeps_its_colour_in_all_figures_and_no_two_of_a_page_share_one():
    first = loss_curves({f"net-{i}": [[2.0, 1.0, 0.5, 0.4]] for i in range(9)}).axes[0]
    colours = {line.get_label(): line.get_color() for line in first.get_lines()}
    assert len(set(colours.values())) == 9
    second = loss_curves({"net-7": [[2.0, 1.0]], "net-2": [[2.0, 1.0]]}).axes[0]
    for line in second.get_lines():
        assert colours[line.get_label()] == line.get_color() and line.get_marker() != ""


@pytest.mark.parametrize(("low", "high"), [(0.3, 4000), (6, 61), (9.01, 16.9), (4.6, 4.9)])
def test_a_cost_axis_of_any_length_has_round_numbers(low, high):
    found = pd.DataFrame({"cost": [low, high], "mean": 1.0, "low": np.nan, "high": np.nan})
    [axes] = pareto(found, title="", cost="").axes
    axes.figure.canvas.draw()
    marks = [mark for mark in axes.get_xticks() if low <= mark <= high]
    assert 3 <= len(marks) <= 13 and all(mark == float(f"{mark:.2g}") for mark in marks)

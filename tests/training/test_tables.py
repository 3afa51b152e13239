"""Tables in notebooks: separators, alignment, empty cells."""

import pandas as pd
import pytest

from posekit.training.tables import Table, from_rows, intervals, over_people

FRAME = pd.DataFrame(
    {"counted": [16814128, 7, None], "equal": [True, False, None], "ms": [1.25, 1234.5, None]},
    index=pd.Index(["ours", "a & b", "c"], name="network"),
    dtype=object,
)


def test_numbers_have_separators_and_missing_ones_are_empty():
    lines = repr(Table(FRAME, "3 networks")).splitlines()
    assert lines[0] == "3 networks"
    assert [line.split() for line in lines[3:]] == [
        ["ours", "16,814,128", "yes", "1.25"],
        ["a", "&", "b", "7", "no", "1,234"],
        ["c"],
    ]
    assert "1,234.50" in repr(Table(FRAME, digits=2)) and "nan" not in repr(Table(FRAME))


def test_text_stands_on_the_left_and_numbers_on_the_right():
    page = Table(FRAME, "3 networks")._repr_html_()
    assert "<p>3 networks</p>" in page and "a &amp; b" in page
    assert '<td style="text-align: right;">16,814,128</td>' in page.replace("  ", "")
    assert '<td style="text-align: left; white-space: nowrap;">ours' in page
    assert '<td style="text-align: left;">a &amp; b' in page  # of several words, may be broken


def test_an_empty_table_has_its_columns():
    assert repr(Table(FRAME[:0])).split()[:4] == ["network", "counted", "equal", "ms"]


def test_rows_of_a_baseline_are_split_as_those_of_runs():
    rows = from_rows([("mpjpe/mean-pose/S9", "h36m-moon-p1", "studio", 1.5)])
    assert rows.loc[0].to_dict() == {
        "network": "mean-pose", "metric": "mpjpe", "slice": "S9", "card": "h36m-moon-p1",
        "data": "studio", "value": 1.5, "seed": 0,
    }  # fmt: skip


def test_an_interval_is_over_seeds_and_over_nothing_else():
    rows = [
        ("mpjpe/a", "h36m-moon-p2", "studio", 50.0),
        ("mpjpe/a/S9", "h36m-moon-p2", "studio", 60.0),
    ]
    values = pd.concat([from_rows(rows), from_rows([(*rows[0][:3], 52.0)], seed=1)])
    found = intervals(values[values["slice"] == ""]).loc["a"]
    # Two seeds 2 mm apart: sd sqrt 2, and 12.706 x sqrt 2 / sqrt 2 on either side.
    assert found.tolist() == pytest.approx([51.0, 51.0 - 12.706, 51.0 + 12.706], abs=1e-3)
    with pytest.raises(
        ValueError, match="two things: mpjpe, h36m-moon-p2, studio; mpjpe, S9, h36m"
    ):
        intervals(values)


def test_an_interval_over_people_has_the_means_over_the_seeds_of_each():
    """Three people, two seeds: differences of -1, -2 and -3 mm, whose t interval is -2 +- 2.484."""
    values = [("S12", 9.0), ("S13", 18.0), ("S14", 27.0)]
    rows = [
        {"network": network, "seed": seed, "slice": name, "value": value + more + noise}
        for network, at in (("ours", (0, 0, 0)), ("other", (1, 2, 3)))
        for seed, noise in ((0, 0.5), (1, -0.5))
        for (name, value), more in zip(values, at, strict=True)
    ]
    mean = {"network": "ours", "seed": 0, "slice": "", "value": 1000.0}  # not of a person
    eating = mean | {"slice": "Eating"}
    found = over_people(pd.DataFrame([*rows, mean, eating]), "ours").loc["other"]
    assert found["difference"] == -2 and found["people"] == 3
    assert found["high"] - found["difference"] == pytest.approx(4.3027 / 3**0.5, abs=1e-3)
    assert found["ours is better for, %"] == 100

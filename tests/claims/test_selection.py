"""Which network to take: by hand, on numbers made up for it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from posekit.claims.measurements import Record
from posekit.claims.paper import FOLDER, slugs
from posekit.claims.selection import Question, choose, counted, load_questions

ASKED = Question("Which?", "mpjpe", "card", ("macs", "params"), "blind", ("a", "b", "c"))
COSTS = {"macs": {"a": 300, "b": 100, "c": 10.0}, "params": {"a": 5.0}}
ERRORS = {
    "a": (50.0, 51.0, 52.0),
    "b": (50.1, 50.9, 52.1),  # as good as a within the margin of 1.5 mm
    "c": (60.0, 61.5, 61.0),  # worse
    "blind": (120.0, 121.0, 119.0),
}


def values(errors=ERRORS, metric="mpjpe"):
    columns = ["network", "seed", "metric", "slice", "card", "value"]
    rows = [
        (name, seed, metric, "", "card", value)
        for name, each in errors.items()
        for seed, value in enumerate(each)
    ]
    return pd.DataFrame(rows, columns=columns)


def test_the_cheapest_is_taken_of_those_that_are_shown_to_be_as_good():
    choice = choose(ASKED, values(), COSTS)
    assert choice.level == ["a", "b"] and choice.take == "b"
    gap = np.array([0.1, -0.1, 0.1])
    half = 4.302653 * gap.std(ddof=1) / 3**0.5  # t of 2 degrees of freedom
    assert choice.behind["b"].high == pytest.approx(gap.mean() + half, rel=1e-5)  # 0.32 mm
    assert choice.ahead.mean == pytest.approx(120 - 153.1 / 3)
    assert "within 1.5 mm: `b`" in choice.words and "**take `b`**" in choice.words


def test_a_cheaper_one_that_is_worse_is_not_taken_for_its_price():
    found = choose(ASKED, values(ERRORS | {"b": (70.0, 71.0, 72.0)}), COSTS)
    assert found.level == ["a"] and found.take == "a" and "all others are worse" in found.words


def test_nothing_is_taken_that_is_no_better_than_the_floor():
    found = choose(ASKED, values(ERRORS | {"blind": (50.0, 51.5, 51.0)}), COSTS)
    assert found.take == "" and "no reason to take any" in found.words


def test_between_networks_that_are_not_shown_to_be_as_good_nothing_is_said():
    found = choose(ASKED, values(ERRORS | {"b": (20.0, 60.0, 100.0)}), COSTS)
    assert (found.level, found.unsure, found.take) == (["a"], ["b"], "")
    assert "none is shown to be as good within 1.5 mm: `b` may be" in found.words


def test_of_networks_that_have_not_learnt_none_is_taken():
    near = {"blind": (90.0, 91.0, 89.0)}  # of which 51 mm are 43 % closed
    found = choose(ASKED, values(ERRORS | near), COSTS)
    assert found.take == "" and "43 % of the gap" in found.words and "undertrained" in found.words


def test_where_higher_is_better_the_highest_is_best():
    asked = Question("Which?", "pckh", "card", ("macs",), "blind", ("a", "b", "c"))
    low = ERRORS | {"blind": (10.0, 11.0, 9.0)}
    found = choose(asked, values(low, "pckh"), COSTS)
    assert found.level[0] == "c" and found.behind["a"].mean == pytest.approx(9.8333, rel=1e-4)
    assert found.take == "c" and found.ahead.mean == pytest.approx(50.8333, rel=1e-4)
    assert "**take `c`**" in found.words and "pckh, %" in found.table


def test_two_seeds_are_too_few():
    two = {name: each[:2] for name, each in ERRORS.items()}
    assert choose(ASKED, values(two), COSTS).words.startswith("2 of 3 seeds: too few")


def test_there_is_no_choice_without_a_floor_or_of_one_network():
    assert choose(ASKED, values({k: v for k, v in ERRORS.items() if k != "blind"}), COSTS) is None
    assert choose(ASKED, values({k: ERRORS[k] for k in ("a", "blind")}), COSTS) is None
    assert choose(ASKED, values(metric="pckh"), COSTS) is None
    assert choose(ASKED, values(), {"params": COSTS["params"]}) is None  # the first cost decides


def test_the_table_has_the_best_first_and_the_floor_last():
    table = choose(ASKED, values(), COSTS).table
    assert list(table.index) == ["a", "b", "c", "blind"]
    assert table.loc["a"].tolist() == ["51.00", "", "300", "5"]
    assert table.loc["c", "macs"] == "10" and table.loc["c", "params"] == ""
    assert table.loc["blind", "behind the best"].startswith("69.00 [")
    assert table.loc["blind", "mpjpe, mm"] == "120.00"


def test_costs_are_means_of_what_records_say_without_card_and_data():
    values = [{("macs/a", "", ""): 4.0, ("macs/b", "card", "x"): 1.0}, {("macs/a", "", ""): 6.0}]
    some = [Record(Path(), "", "bae", "", "small", 0, "{}", "", "", "", held) for held in values]
    assert counted(some, ("macs", "params")) == {"macs": {"a": 5.0}, "params": {}}


def test_the_questions_of_the_papers_can_be_read(tmp_path):
    assert load_questions("bae")[0].floor == "blind"
    assert all(load_questions(slug) == [] for slug in slugs() if slug != "bae")
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "choices.csv").write_text("question,metric\n")
    with pytest.raises(ValueError, match="choices.csv: its columns are .*question"):
        load_questions("new", tmp_path)
    head = (FOLDER / "bae" / "choices.csv").read_text().splitlines()[0]
    (folder / "choices.csv").write_text(f"{head}\nWhich?,beauty,card,macs,blind,a b\n")
    with pytest.raises(ValueError, match="beauty is not in"):
        load_questions("new", tmp_path)
    (folder / "choices.csv").write_text(f"{head}\nWhich?,mpjpe,card,,blind,a b\n")
    with pytest.raises(ValueError, match="a question needs networks, and costs"):
        load_questions("new", tmp_path)

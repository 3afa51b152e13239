"""What a change is worth: pairs by seed, relative or plain, beside what the paper prints."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from posekit.claims.contrasts import Contrast, differences, load_contrasts
from posekit.claims.measurements import Record, load_records, values_by_data
from posekit.claims.paper import load_paper
from posekit.claims.statistics import Estimate

RUNS = Path(__file__).parents[2] / "results" / "runs"
COLUMNS = ["network", "seed", "metric", "card", "slice", "value"]
VALUES = {"a": (1.1, 2.2, 3.3), "b": (1.0, 2.0, 3.0), "c": (1.0, 2.5, 3.0)}


def results(card="kim-train-loss", slice=""):
    rows = [
        (name, seed, "loss", card, slice, value)
        for name, values in VALUES.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def contrast(one, another, unit="%"):
    return Contrast(f"{one}{another}", one, another, "loss", "", "kim-train-loss", unit)


def test_differences_are_paired_and_relative_or_plain():
    tried = [contrast("a", "b"), contrast("c", "b"), contrast("a", "b", "mm")]
    tried[2] = Contrast("plain", "a", "b", "loss", "", "kim-train-loss", "mm")
    found = differences(tried, results(), load_paper("kim"))[["mean", "low", "high", "n"]]
    assert found.loc["ab"].tolist() == pytest.approx([10, 10, 10, 3])
    mean, half = 25 / 3, 4.302653 * (625 / 3) ** 0.5 / 3**0.5  # t of 2 degrees of freedom
    assert found.loc["cb"].tolist() == pytest.approx([mean, mean - half, mean + half, 3], rel=1e-5)
    assert found.loc["plain", "mean"] == pytest.approx(0.2)


def test_what_was_not_measured_is_left_out():
    paper = load_paper("kim")
    assert differences([contrast("a", "z")], results(), paper).empty
    assert differences([contrast("a", "b")], results(card="other"), paper).empty
    assert differences([contrast("a", "b")], results(slice="epoch-1"), paper).empty


def test_only_seeds_of_both_count():
    some = results()
    some = some[~((some["network"] == "b") & (some["seed"] == 1))]
    assert differences([contrast("a", "b")], some, load_paper("kim")).loc["ab", "n"] == 2


def test_the_printed_change_is_that_of_the_paper():
    first = [c for c in load_contrasts("kim") if c.measure == ("loss", "", "kim-train-loss")]
    by_name = {c.name: c.printed(load_paper("kim")) for c in first}
    assert len(by_name) == 6
    assert by_name["reduced stem, RMSprop"] == pytest.approx(100 * (114283 / 113494 - 1))
    li = {c.card[-2:]: c for c in load_contrasts("tran2022") if c.another == "evoskeleton-3x3"}
    assert li["p1"].printed(load_paper("tran2022")) == pytest.approx(50.6 - 50.9)
    assert np.isnan(li["p2"].printed(load_paper("tran2022")))  # 38.0 is recovered, not printed
    assert by_name["scheduler after epoch 3, Adam"] == pytest.approx(100 * (132553 / 126786 - 1))
    assert np.isnan(contrast("a", "b").printed(load_paper("kim")))


def test_records_give_what_they_measured_under_cards():
    found = values_by_data([r for r in load_records(RUNS) if r.paper == "kim"])
    (values,) = [table for (data, _), table in found.items() if data == "studio-wild"]
    tried = load_contrasts("kim")
    for measure in {contrast.measure for contrast in tried}:
        some = [contrast for contrast in tried if contrast.measure == measure]
        own = differences(some, values, load_paper("kim"))
        if some[0].slice == "epoch-10":  # which is trained from size large on
            assert own.empty
        else:
            assert len(own) == 6 and (own["n"] >= 3).all()
    assert values_by_data([]) == {}


@pytest.mark.parametrize(
    ("metric", "ends", "n", "corrected", "answer"),
    [
        ("loss", (-2.0, -1.0), 3, 0.04, "yes, better"),
        ("loss", (1.0, 2.0), 3, 0.04, "yes, worse"),
        ("pckh", (1.0, 2.0), 3, 0.04, "yes, better"),
        ("pckh", (1.0, 2.0), 3, 0.05, "no"),
        ("pckh", (-1.0, 2.0), 3, 0.7, "no"),
        ("pckh", (1.0, 2.0), 2, 0.04, "too few seeds"),
        ("loss", (np.nan, np.nan), 1, np.nan, "too few seeds"),
    ],
)
def test_seed_noise_is_told_from_better_and_worse(metric, ends, n, corrected, answer):
    found = Estimate(sum(ends) / 2, *ends, n, 1.0, "")
    assert Contrast("", "a", "b", metric, "", "", "%").beyond_noise(found, corrected) == answer


def test_an_unknown_metric_is_named(tmp_path):
    (tmp_path / "some").mkdir()
    table = "name,one,another,metric,slice,card,unit\na,b,c,beauty,,card,%\n"
    (tmp_path / "some" / "contrasts.csv").write_text(table)
    with pytest.raises(
        ValueError, match="contrasts.csv, line 2: beauty is not in papers/metrics.csv"
    ):
        load_contrasts("some", tmp_path)


def test_a_table_with_other_columns_is_refused(tmp_path):
    assert load_contrasts("none", tmp_path) == []
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "contrasts.csv").write_text("name,one\na,b\n")
    with pytest.raises(ValueError, match="contrasts.csv: its columns are "):
        load_contrasts("some", tmp_path)


def lifted(seed: int, size: str, data: str, card: str, **values: float) -> Record:
    """A record of mpjpe by network, or by network__person."""
    named = {f"mpjpe/{name.replace('__', '/')}": value for name, value in values.items()}
    found = {(quantity, card, data): value for quantity, value in named.items()}
    about = (f"{size}{seed}", "tran2022", "lifter", size, seed, "{}", "studio", "cpu", "1")
    return Record(Path(), *about, found)


def test_of_each_data_set_the_largest_size_with_three_seeds_counts():
    records = [
        lifted(seed, size, data, "h36m-martinez-p1", ours=1.0)
        for size, data, count in (
            ("small", "studio", 3),
            ("medium", "studio", 3),
            ("large", "studio", 2),
            ("small", "cmu", 2),
            ("medium", "cmu", 1),
        )
        for seed in range(count)
    ]
    assert sorted(values_by_data(records)) == [("cmu", "medium"), ("studio", "medium")]


def test_the_rule_of_the_paper_on_other_people_counts_as_that_rule_and_names_them():
    """Seeds: -2, -3, -4, so -3 +- 4.3027 / sqrt 3. Persons: -3, -4, -5, -8, so -5 +- 3.1824 x 2.1602 / 2."""
    by_person = {"01": -1.0, "02": -2.0, "03": -3.0, "11": -6.0}
    records = []
    for seed in range(3):
        values = {"ours": 90.0 - seed, "martinez": 92.0, "mean-pose": 200.0}
        values |= {f"ours__{name}": 90.0 + each - seed for name, each in by_person.items()}
        values |= {f"martinez__{name}": 91.0 for name in by_person}
        records.append(lifted(seed, "medium", "cmu", "cmu-p1", **values))
    [((data, size), values)] = values_by_data(records).items()
    assert (data, size) == ("cmu", "medium")
    tried = Contrast("x", "ours", "martinez", "mpjpe", "", "h36m-martinez-p1", "mm")
    row = differences([tried], values, load_paper("tran2022")).loc["x"]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([-3, -5.4841, -0.5159], abs=1e-4)
    people = row[["people", "people mean", "people low", "people high"]].tolist()
    assert people == pytest.approx([4, -5, -8.4374, -1.5626], abs=1e-4)
    assert row["one gain"] == pytest.approx((200 - 89) / 200)
    # over seeds -3 to 0.577, with 2 degrees of freedom; over persons -5 to 1.080, with 3
    p = 2 * stats.t.sf(3 / 0.57735, 2), 2 * stats.t.sf(5 / 1.08012, 3)
    assert row["p"] == pytest.approx(max(p), rel=1e-4)
    assert row["beyond seed noise"] == "yes, better"


def test_a_change_that_hangs_on_one_of_four_test_persons_is_open():
    """Seeds: -3 +- 2.48; persons: -9, 0, 1, 2, so -1.5 +- 3.1824 x 5.0662 / 2."""
    records = []
    for seed in range(3):
        values = {"ours": 90.0 - seed, "martinez": 92.0, "mean-pose": 200.0}
        for name, each in {"01": -9.0, "02": 0.0, "03": 1.0, "11": 2.0}.items():
            values |= {f"ours__{name}": 90.0 + each, f"martinez__{name}": 90.0}
        records.append(lifted(seed, "medium", "cmu", "cmu-p1", **values))
    [values] = values_by_data(records).values()
    tried = Contrast("x", "ours", "martinez", "mpjpe", "", "h36m-martinez-p1", "mm")
    row = differences([tried], values, load_paper("tran2022")).loc["x"]
    assert row["people high"] == pytest.approx(-1.5 + 3.18245 * 5.06623 / 2, abs=1e-3)
    assert row["high"] < 0 and row["beyond seed noise"] == "across zero over people"

"""Claims in words: what tells parts apart, and what must not be left unsaid."""

import re
from dataclasses import replace

import pytest
from builders.evidence import PaperUnderTest

from posekit.claims.finding import Finding
from posekit.claims.ledger import Judged, judge_claims, labels
from posekit.claims.paper import Claim, load_paper, slugs
from posekit.report.paper_page import _untested
from posekit.report.sentences import measured_cell, printed_cell


def claim(name: str) -> Claim:
    [found] = [c for c in load_paper(name.split("-")[0]).claims if c.id == name]
    return found


def judged(name: str, **cells: str) -> Judged:
    """A claim of one part with these cells."""
    paper = load_paper(name.split("-")[0])
    return Judged(paper, claim(name), [Finding("supported", **cells)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kim-002", ["params", "stem params"]),
        (
            "kim-004",
            ["residuals", "convs per residual", "norms per residual", "relus per residual"],
        ),
        ("kim-016", ["configurations all", "configurations conclusion", "compared epochs"]),
        ("kim-017", ["against adam-original", "against radam-original"]),
        ("kim-019", ["adam-original", "scheduled-original"]),
        ("kim-027", ["bulat", "su", "sun"]),
        ("kim-035", [""]),
        ("tran2022-003", ["inputs", "outputs"]),
        ("tran2022-033", ["h36m-martinez-p1", "h36m-martinez-p2"]),
        (
            "bae-021",
            ["top1", "3dpw-spin", "3dhp-spin", "h36m-spin-p1", "h36m-spin-p2-mpjpe"],
        ),
    ],
)
def test_parts_are_told_apart(name, expected):
    assert labels(claim(name)) == expected


@pytest.mark.parametrize("paper", ["kim", "tran2022"])
def test_no_two_parts_of_a_claim_have_one_label(paper):
    for each in load_paper(paper).claims:
        assert len(set(labels(each))) == len(each.parts), each.id


@pytest.mark.parametrize("paper", slugs())
def test_none_of_several_parts_is_without_a_label(paper):
    for each in load_paper(paper).claims:
        assert len(each.parts) < 2 or all(labels(each)), each.id


def test_a_printed_loss_is_shown_as_it_is_printed():
    assert printed_cell(judged("kim-039", printed="0.00114283")) == "0.00114283"
    assert printed_cell(judged("choi2021-432", printed="350848")) == "350,848"


def test_a_small_difference_keeps_its_digits():
    cells = {"measured": "-0.00009012", "low": "-0.00011", "high": "-0.00007024", "n": "5"}
    cell = measured_cell(judged("kim-018", **cells, data="studio-wild"))
    assert cell == "-0.000090 [-0.000110, -0.000070], n = 5 on studio-wild"


def test_a_difference_is_that_of_the_numbers_shown_and_a_margin_of_ours_stands_beside_it():
    """At least the baseline less a margin of 1.5 mm: 184.4 against 187.8 is -3.4, not -1.9."""
    choi = PaperUnderTest("choi2021")
    means = {"mpjpe/concat-residual": 184.4, "mpjpe/concat-none": 187.8}
    runs = choi.records(means, "h36m-moon-p2", "studio-pictures")
    [row] = judge_claims(replace(choi.paper, claims=(choi.claim(37),)), choi.learnt(runs))
    text = measured_cell(row)
    shown = re.match(r"([\d.]+) against ([\d.]+) mm, difference (-[\d.]+) .*margin 1.50 mm", text)
    one, another, difference = map(float, shown.groups())
    assert one - another == pytest.approx(difference, abs=0.11)


def test_a_difference_is_shown_without_a_threshold_of_ours_on_both_sides():
    """At most 1 % more: printed 0.00113494 and 0.00114283, here 306 and 307: a difference of -1, not
    of -16.35."""
    kim = PaperUnderTest("kim")
    means = {"loss/rmsprop-reduced": 306.0, "loss/rmsprop-original": 307.0}
    runs = kim.records(means, "kim-train-loss", "studio-wild")
    [row] = judge_claims(replace(kim.paper, claims=(kim.claim(21),)), kim.learnt(runs))
    printed, here = printed_cell(row), measured_cell(row)
    assert float(printed.split()[-1]) == pytest.approx(0.00114283 - 0.00113494, abs=5e-8)
    assert float(re.search(r"(-?[\d.]+) \[", here)[1]) == pytest.approx(-1, abs=0.3)
    assert re.search(r"n = \d+ on studio-wild, size (small|medium)$", here)
    notes = " ".join(note.text for note in row.notes)
    assert "on the claimed side of the threshold" in notes and "of zero" not in notes
    assert row.parts[0].verdict == "supported"


def test_the_two_sides_of_a_difference_have_the_same_decimals_and_counts_have_none():
    kim = PaperUnderTest("kim")
    means = {"loss/rmsprop-reduced": 99.0, "loss/adam-reduced": 120.0}
    runs = kim.records(means, "kim-train-loss", "studio-wild")
    [row] = judge_claims(replace(kim.paper, claims=(kim.claim(18),)), kim.learnt(runs))
    assert re.match(r"99\.\d against 120\.\d MSE", measured_cell(row))
    tran = PaperUnderTest("tran2022")
    counts = tran.records({"params/ours": 2, "params/evoskeleton-3x3": 3})
    [row] = judge_claims(replace(tran.paper, claims=(tran.claim(21),)), counts)
    assert measured_cell(row) == "2 against 3 parameters"


def test_a_count_has_no_seeds_to_be_told():
    row = judged("kim-011", measured="-1.4", n="1", data="mpii")
    assert measured_cell(row) == "-1.4, counted on mpii"


def test_an_order_that_was_measured_in_part_is_not_called_untested_without_that_word():
    row = judged("bouchiat-028")
    lines = [
        *_untested("not run", [row]),
        *_untested("not run", [replace(row, parts=row.parts * 2)]),
    ]
    assert not any("in part" in line for line in lines)
    found = Finding("contradicted", measured="1.34", low="0.4", high="2.3", n="5")
    [count, order] = _untested("not run", [replace(row, parts=[*row.parts, found])])
    assert count == "- not run: 1 claim" and order.endswith("(`bouchiat-028`, measured in part)")

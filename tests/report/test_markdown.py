"""Tables that nothing breaks, and numbers as long as they are worth."""

import pandas as pd
import pytest

from posekit.claims.numbers import number, number_within, short
from posekit.report.markdown import link, table


def test_text_from_tables_cannot_break_a_table_or_a_page():
    cells = {"A": ["a|b <i> *x* [y](z)"], ">B": [link("run", "runs/1.json")]}
    assert table(pd.DataFrame(cells, dtype=object)).splitlines() == [
        "| A | B |",
        "| --- | --: |",
        r"| a\|b &lt;i&gt; \*x\* \[y\](z) | [run](runs/1.json) |",
    ]
    with pytest.raises(ValueError, match="11 columns"):
        table(pd.DataFrame(columns=list("abcdefghijk")))


def test_numbers_are_as_long_as_they_are_worth():
    values = (17002896.0, 57.1234, 0.04567, 3.0, 123.45, float("nan"), -2188032.0)
    shown = ["17,002,896", "57.12", "0.0457", "3", "123.5", "", "-2,188,032"]
    assert list(map(number, values)) == shown
    assert [number(v, 12.3) for v in (0.04567, 12.0)] == ["0.05", "12.00"]


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (0.0012, 0.0364, "0.0012"),
        (-9e-5, -9e-5, "-0.0000900"),
        (0.00113494, 0.00113494, "0.00113"),
        (0.5, 0.5, "0.500"),
        (0.0, 0.0, "0.000"),
        (-4.8857e-5, None, "-0.0000489"),
        (1.19e-7, None, "1.19e-07"),
    ],
)
def test_numbers_below_one_keep_the_digits_that_count(value, like, text):
    assert number(value, like) == text


@pytest.mark.parametrize(
    ("value", "half", "largest", "text"),
    [
        (0.00119, 0.000012, 0.00119, "0.001190"),
        (0.00119, 0.00012, 0.00119, "0.00119"),
        (0.00119, 1e-9, 0.00119, "0.001190"),  # four digits are enough to read
        (0.0364, 0.0012, 0.0364, "0.0364"),
        (65.31, 0.004, 65.31, "65.31"),
        (0.25, 0.0, 0.25, "0.250"),
    ],
)
def test_a_small_error_asks_for_a_fourth_digit(value, half, largest, text):
    assert number_within(value, half, largest) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (350848.0, "350848"),
        (12.34567, "12.3457"),
        (0.0364, "0.0364"),
        (0.00113494, "0.00113494"),
        (0.00113494 - 0.00114283, "-0.00000789"),
        (7e-5, "0.00007"),
        (1.1921e-7, "1.19e-07"),
        (-0.0, "0"),
    ],
)
def test_an_audited_number_keeps_what_tells_it_from_its_neighbour(value, text):
    assert short(value) == text

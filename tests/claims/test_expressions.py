"""The claim language reads arithmetic and nothing else."""

import pytest

from posekit.claims.expressions import evaluate, matches, names, parse
from posekit.claims.numbers import Interval, compare

TABLE = {"mpjpe/ours": 50.6, "mpjpe/li": 50.9, "mpjpe/xu": 51.9, "params/evo-3x3": 100.0}


def value(text: str) -> float:
    node = parse(text)
    values = {
        name: [Interval.exact(v) for q, v in TABLE.items() if matches(name, q)]
        for name in names(node)
    }
    return evaluate(node, values).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mpjpe/li - mpjpe/ours", 0.3),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("8 - 4 - 2", 2),
        ("8 / 4 / 2", 1),
        ("-2 + 5", 3),
        ("params/evo-3x3 - 1", 99),
        ("min(mpjpe/*)", 50.6),
        ("max(mpjpe/*, 60)", 60),
        ("min(8, mpjpe/* , 60)", 8),
        ("abs(1 - 4)", 3),
        ("rank(mpjpe/li, mpjpe/ours, mpjpe/xu)", 2),
        ("4.07e6 / 1e6", 4.07),
    ],
)
def test_arithmetic_is_school_arithmetic(text, expected):
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "mpjpe/ours.__class__.__mro__[0]",
        "().__class__",
        "open(1)",
        "eval(1)",
        "pow(2, 99999)",
        "2 ** 9999",
        "lambda: 1",
        "ours",
        "a if 1 else 2",
        "'text'",
        "[1, 2]",
        "1 < 2",
        "mpjpe/ours mpjpe/li",
        "min(mpjpe/*",
        "1 +",
        "",
        "{mpjpe/ours}",
        "mpjpe/ours # a comment",
        "min(*mpjpe/ours)",
        "min()",
        "1 // 2",
        "+1",
        "True",
        "0x10",
        "1_000",
        "not 1",
        "(1, 2)",
        "(" * 300 + "1" + ")" * 300,
        "-" * 900 + "1",
        "1 + " * 1000 + "1",
    ],
)
def test_everything_else_is_refused_with_a_remedy(text):
    with pytest.raises(ValueError, match="can't read the expression .*; write numbers, quantities"):
        parse(text)


def test_a_dotted_name_is_looked_up_whole_and_never_as_an_attribute():
    name = "mpjpe/ours.__class__"
    assert evaluate(parse(name), {name: [Interval.exact(7.0)]}).value == 7


def test_a_wildcard_outside_a_function_is_refused():
    with pytest.raises(ValueError, match="stands for many numbers"):
        value("mpjpe/* - 1")


def test_division_by_what_may_be_zero_is_refused():
    with pytest.raises(ValueError, match="may be zero"):
        value("1 / (mpjpe/li - mpjpe/li)")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("50.6", 50.55, 50.65), ("350848", 350847.5, 350848.5), ("4.07e6", 4.065e6, 4.075e6)],
)
def test_a_printed_number_stands_for_half_a_unit_of_its_last_digit(text, low, high):
    found = Interval.printed(text)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_only_numbers_are_printed_numbers():
    with pytest.raises(ValueError, match="is not a number"):
        Interval.printed("54,9")


@pytest.mark.parametrize(
    ("left", "relation", "right", "outcome"),
    [
        ("45.0", "<", "45.2", "holds"),
        ("45.0", "<", "45.0", "undecided"),  # 44.96 and 45.04 both print as 45.0
        ("45.1", "<", "45.0", "fails"),  # at most 45.05 against at least 45.05
        ("38.3", "<", "38.0", "fails"),
        ("68.2", ">", "54.2", "holds"),
        ("45.0", "<=", "45.0", "holds"),
        ("50.6", "=", "50.6", "holds"),
        ("50.6", "=", "50.7", "fails"),
        ("50.57", "=", "50.6", "holds"),  # the same number at two precisions
        ("50.54", "=", "50.6", "fails"),
    ],
)
def test_printed_numbers_are_compared_up_to_rounding(left, relation, right, outcome):
    assert compare(Interval.printed(left), relation, Interval.printed(right)) == outcome


@pytest.mark.parametrize(
    ("left", "right", "tolerance", "outcome"),
    [
        ("5", "6", 0.0, "fails"),  # 5.4 prints as 5 and 5.6 as 6, but counts are whole
        ("5", "6", None, "fails"),
        ("6", "6", 0.0, "holds"),
        ("12647206", "12647207", 0.0, "fails"),
        ("0.9", "1.0", 0.05, "fails"),
        ("0.9", "1.0", 0.1, "holds"),
    ],
)
def test_a_tolerance_is_the_distance_of_numbers_as_written(left, right, tolerance, outcome):
    assert compare(Interval.printed(left), "=", Interval.printed(right), tolerance) == outcome


def test_counts_that_make_up_a_formula_are_not_rounded_either():
    difference = Interval.printed("350848") - Interval.printed("235328")
    assert compare(difference, "=", Interval.printed("115520"), 0.0) == "holds"
    assert compare(difference, "=", Interval.printed("115521"), 0.0) == "fails"


def test_a_count_meets_the_printed_precision():
    printed = Interval.printed("4.07e6")
    assert compare(Interval.exact(4_073_248.0), "=", printed) == "holds"
    assert compare(Interval.exact(4_075_001.0), "=", printed) == "fails"


def test_exact_numbers_leave_no_doubt():
    assert compare(Interval.exact(8.0), "<", Interval.exact(8.0)) == "fails"
    assert compare(Interval.exact(0.3), "=", Interval.exact(0.1 + 0.2)) == "holds"


def test_rounding_travels_through_formulas():
    a, b = Interval.printed("2.0"), Interval.printed("4.0")
    assert ((a * b).low, (a * b).high) == (pytest.approx(1.95 * 3.95), pytest.approx(2.05 * 4.05))
    assert ((b / a).low, (b / a).high) == (pytest.approx(3.95 / 2.05), pytest.approx(4.05 / 1.95))
    assert abs(Interval(-0.1, -0.3, 0.1)) == Interval(0.1, 0.0, 0.3)

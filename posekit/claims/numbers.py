"""Numbers and their text: printed numbers read as rounding intervals, measured numbers written.

A printed 50.6 stands for everything from 50.55 to 50.65. Arithmetic and comparisons carry that
interval along, so that a claim fails only where no numbers that round to the printed ones could
make it true.
"""

import math
import re
from typing import NamedTuple

SLACK = 1e-9  # relative; below any printed digit, above float rounding
_POWERS = {"M": "e6", "G": "e9", "": ""}
TINY = 1e-6  # smaller numbers are written with a power of ten


class Interval(NamedTuple):
    """A number and the interval that rounding leaves it in; exact numbers have low = high."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Interval":
        """A number without rounding."""
        return cls(value, value, value)

    @classmethod
    def printed(cls, text: str) -> "Interval":
        """`text` give or take half a unit of its last digit: 50.6 is 50.55 to 50.65.

        Raises ValueError for a text that is not a plain number.
        """
        if not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text):
            raise ValueError(f"{text!r} is not a number: write 50.6, 350848 or 4.07e6")
        digits, _, power = text.lower().partition("e")
        half = 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
        return cls(float(text), float(text) - half, float(text) + half)

    def __neg__(self) -> "Interval":
        return Interval(-self.value, -self.high, -self.low)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(self.value * other.value, min(ends), max(ends))

    def __truediv__(self, other: "Interval") -> "Interval":
        if other.low <= 0 <= other.high:
            raise ValueError(f"division by a number that may be zero ({other.value:g})")
        return self * Interval(1 / other.value, 1 / other.high, 1 / other.low)

    def __abs__(self) -> "Interval":
        ends = abs(self.low), abs(self.high)
        low = 0.0 if self.low <= 0 <= self.high else min(ends)
        return Interval(abs(self.value), low, max(ends))


def compare(left: Interval, relation: str, right: Interval, tolerance: float | None = None) -> str:
    """'holds', 'fails', or 'undecided' where the printed digits are too few to tell.

    `tolerance` is for `=`: the distance at which two numbers, as they are written, still count as
    equal; 0 for counts. Without it they are equal if their rounding intervals overlap.
    """
    if relation in (">", ">="):
        return compare(right, relation.replace(">", "<"), left, tolerance)
    scale = SLACK * max(1.0, abs(left.value), abs(right.value))
    if relation == "=":
        if tolerance is not None:
            return "holds" if abs(left.value - right.value) <= tolerance + scale else "fails"
        gap = max(left.low, right.low) - min(left.high, right.high)
        narrower = min(left.high - left.low, right.high - right.low)
        touching = narrower > 0 and gap > -min(scale, narrower / 2)  # rounded up here, down there
        return "fails" if gap > scale or touching else "holds"
    strict = relation == "<"
    exact = left.low == left.high and right.low == right.high
    if left.value < right.value or (not strict and left.value == right.value):
        return "holds"
    certain = left.low > right.high - scale or (strict and exact)
    return "fails" if certain else "undecided"


def printed_interval(text: str) -> Interval | None:
    """The number that a cell prints, with what rounding leaves open; None for one without.

    4.07M, 26,977,501, 107.0 ± 0.7, (51.44) and [38.0] are numbers.
    """
    plain = re.sub(r"[()\[\],]", "", text).split(" ")[0]
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)([MG]?)", plain)
    return Interval.printed(found[1] + _POWERS[found[2]]) if found else None


def cut(text: str) -> str:
    """Text whose numbers of ten decimals or more are cut after six: 52.610887…, as no paper needs."""
    return re.sub(r"(\.\d{6})\d{4,}", r"\1…", text)


def short(value: float) -> str:
    """Text with four decimals at most, or six digits below 0.01; whole numbers without a point."""
    if value and abs(value) < TINY:
        return f"{value:.3g}"
    decimals = 4 if abs(value) >= 0.01 else first_decimal(value) + 5
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def number(value: float, like: float | None = None) -> str:
    """Text with as many decimals as a number of the size of `like` (the value itself) deserves.

    Thousands are separated by commas. Below 1 three digits of `like` count, 0.0364 or 0.00114,
    three decimals at least. NaN gives ''.
    """
    if math.isnan(value):
        return ""
    size = abs(value if like is None else like)
    if size >= 1000 or (like is None and value == round(value)):
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.1f}" if size >= 100 else f"{value:.2f}"
    if like is None:
        if not TINY <= size < 1e-4:
            return f"{value:.3g}"
        return f"{value:.{first_decimal(size) + 2}f}".rstrip("0")
    return f"{value:.{max(3, first_decimal(size) + 2)}f}"


def number_within(value: float, half: float, largest: float) -> str:
    """Text of one of several numbers, the `largest` in size, known to plus or minus `half`.

    Below 1 they get a fourth digit where `half` is small enough to need it: 0.001190 with 0.000012.
    """
    if largest >= 1 or not half:
        return number(value, largest)
    three = first_decimal(largest) + 2
    return f"{value:.{min(max(three, first_decimal(half) + 1), three + 1)}f}"


def first_decimal(value: float) -> int:
    """The decimal place of the first digit that isn't 0: 1 for 0.3, 3 for 0.001; 0 for 0."""
    return -math.floor(math.log10(abs(value))) if value else 0

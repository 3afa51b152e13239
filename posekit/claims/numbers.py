import math


def short(value: float) -> str:
    """A number for people: four decimals at most, six digits below 0.01, whole numbers whole."""
    if value and abs(value) < TINY:
        return f"{value:.3g}"
    decimals = 4 if abs(value) >= 0.01 else leading(value) + 5
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


TINY = 1e-6  # below this numbers are written with a power of ten


def number(value: float, like: float | None = None) -> str:
    """A number as people write it, with as many decimals as a number of the size of `like`.

    Below 1 these are three digits of `like` that count, 0.0364 or 0.00114, three decimals at least.
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
        return f"{value:.{leading(size) + 2}f}".rstrip("0")
    return f"{value:.{max(3, leading(size) + 2)}f}"


def number_within(value: float, half: float, largest: float) -> str:
    """The same for one of several numbers, the `largest` in size, known to give or take `half`.

    Below 1 they get a fourth digit where `half` is small enough to need it: 0.001190 with 0.000012.
    """
    if largest >= 1 or not half:
        return number(value, largest)
    three = leading(largest) + 2
    return f"{value:.{min(max(three, leading(half) + 1), three + 1)}f}"


def leading(value: float) -> int:
    """The decimal of a number's first digit that isn't 0: 1 of 0.3, 3 of 0.001; 0 for 0."""
    return -math.floor(math.log10(abs(value))) if value else 0

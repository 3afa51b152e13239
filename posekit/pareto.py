"""Error over cost: which of several networks are worth what they cost.

N networks.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FixedLocator, MaxNLocator

from posekit.curves import BLACK, CYCLE

Number = int | float
MARKERS = "osD^vPX*"


def front(costs: Sequence[Number], errors: Sequence[Number]) -> list[int]:
    """Rows that no other beats in both cost and error, the cheapest first.

    Of two that are alike in both, the first stands. ValueError for numbers that are not finite, or
    as many costs as there are errors.
    """
    if len(costs) != len(errors) or not np.isfinite([*costs, *errors]).all():
        raise ValueError(f"{len(costs)} costs and {len(errors)} errors must be as many, and finite")
    kept: list[int] = []
    for row in sorted(range(len(costs)), key=lambda row: (costs[row], errors[row], row)):
        if not kept or errors[row] < errors[kept[-1]]:
            kept.append(row)
    return kept


def ticks(low: Number, high: Number) -> list[float]:
    """Round numbers from `low` to `high`, for a logarithmic axis: three of them or more."""
    if high < 10 * low:
        marks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high).tolist()
        return [mark for mark in marks if low <= mark <= high]
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    digits = (1,) if high >= 1000 * low else (1, 2, 5)
    marks = [float(f"{digit}e{exponent}") for exponent in exponents for digit in digits]
    return [mark for mark in marks if low <= mark <= high]


def pareto(found: pd.DataFrame, *, title: str, cost: str, unit: str = "mm") -> Picture:
    """One marker a network, its error over its cost, and a line through the front.

    `found` has the columns cost, mean, low and high, by name; low and high are the ends of an
    interval, or NaN. What cost is, and in what, is written along the axis. Networks have the same
    colours in all drawings of the same rows.
    """
    drawing = Picture(figsize=(8.5, 4.6), dpi=100, layout="constrained")
    axes = drawing.add_subplot()
    best = front(found["cost"].tolist(), found["mean"].tolist())
    line = found.iloc[best]
    axes.step(line["cost"], line["mean"], where="post", color=BLACK, lw=1, zorder=1)
    for number, (name, row) in enumerate(found.iterrows()):
        reach = None
        if np.isfinite([row["low"], row["high"]]).all():
            reach = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
        style = {"fmt": MARKERS[number % len(MARKERS)], "color": CYCLE[number % len(CYCLE)]}
        axes.errorbar(
            row["cost"], row["mean"], yerr=reach, label=name, capsize=2, markersize=6, lw=1, **style
        )
    axes.set(xscale="log", xlabel=cost, ylabel=f"error ({unit})")
    axes.xaxis.set_major_locator(FixedLocator(ticks(*axes.get_xlim())))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_title(title, fontsize=11)
    axes.grid(color="#E0E0E0", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    drawing.legend(loc="outside right center", frameon=False, fontsize=9)
    return drawing

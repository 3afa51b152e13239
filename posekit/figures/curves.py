"""Curves and intervals in matplotlib: the loss of a training, the error of each joint.

J joints. Names are told apart by colour and by dash or marker.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator
from scipy import stats
from torch import Tensor

# Okabe and Ito's colours: told apart with any colour vision, and in grey.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#333333", "#9A9A9A"
Number = int | float
FAR = 3  # times
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)


def loss_curves(
    series: dict[str, list[list[float | int]]],
    *,
    title: str = "Training loss",
    unit: str = "",
    yardstick: tuple[str, float] | None = None,
) -> Picture:
    """Loss by epoch, one line a name: the mean over its seeds in the band from least to most.

    Dashes alternate, so that a line that lies on another is still seen; `yardstick` is a loss to
    compare with, and its name.
    """
    drawing = Picture(figsize=(7, 4), dpi=100, layout="constrained")
    axes = drawing.add_subplot()
    for number, (name, runs) in enumerate(series.items()):
        length = min(map(len, runs), default=0)
        if length == 0:
            raise ValueError(f"no loss to draw for {name!r}: give one list of numbers a seed")
        values = np.array([run[:length] for run in runs], dtype=float)
        epochs = np.arange(1, length + 1)
        colour, dash = CYCLE[number % len(CYCLE)], ("-", (0, (4, 3)))[number % 2]
        label = f"{name} ({_seeds(len(runs))})"
        marker = "o" if length == 1 else None
        axes.plot(epochs, values.mean(0), linestyle=dash, color=colour, label=label, marker=marker)
        axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.2, lw=0)
    if yardstick:
        axes.axhline(yardstick[1], color=GREY, lw=1, linestyle=":", label=yardstick[0])
    axes.set(xlabel="epoch", ylabel=f"loss ({unit})" if unit else "loss", yscale="log")
    axes.set_title(f"{title}\nline: mean over seeds, band: least to most", fontsize=11)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.xaxis.get_major_locator().set_params(integer=True)
    return _finish(axes)


def error_per_joint(
    errors: dict[str, np.ndarray | Tensor],
    joints: tuple[str, ...],
    *,
    title: str = "Error by joint",
    unit: str = "mm",
) -> Picture:
    """Mean error of every joint, one marker a name, with the 95 % t interval over seeds.

    `errors` maps a name to (seeds, J) means, in `unit`. Raises ValueError where J is not the
    number of joints.
    """
    height = 1.4 + len(joints) * (0.14 + 0.05 * len(errors))
    drawing = Picture(figsize=(7, height), dpi=100, layout="constrained")
    axes = drawing.add_subplot()
    rows = np.arange(len(joints))
    spread = 0.75 / max(len(errors), 1)
    for number, (name, given) in enumerate(errors.items()):
        values = np.atleast_2d(np.asarray(given, dtype=float))
        if values.shape[1] != len(joints):
            raise ValueError(f"{name!r} has {values.shape[1]} joints, the names {len(joints)}")
        place = rows + (number - (len(errors) - 1) / 2) * spread
        axes.errorbar(
            values.mean(0),
            place,
            xerr=_half_width(values),
            fmt="osD^vPX"[number % 7],
            color=CYCLE[number % len(CYCLE)],
            capsize=2,
            markersize=4,
            lw=1,
            label=f"{name} ({_seeds(len(values))})",
        )
    axes.set_yticks(rows, [joint.replace("_", " ") for joint in joints])
    axes.set_ylim(len(joints) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"error ({unit})")
    axes.set_title(f"{title}\nbars: 95 % interval over seeds", fontsize=11)
    return _finish(axes)


def intervals(
    found: pd.DataFrame,
    marks: dict[str, float] | None = None,
    *,
    title: str,
    unit: str,
    marked: str = "printed",
) -> Picture:
    """One row a name: its mean and interval, and a hollow mark where there is another number.

    `found` has the columns mean, low, high and n; `marks` maps its names to the other numbers.
    """
    drawing = Picture(figsize=(7, 1.4 + 0.36 * len(found)), dpi=100, layout="constrained")
    axes = drawing.add_subplot()
    rows = np.arange(len(found))
    means, lows, highs = (found[name].to_numpy(float) for name in ("mean", "low", "high"))
    lows, highs = (np.where(np.isnan(ends), means, ends) for ends in (lows, highs))
    axes.axvline(0, color=BLACK, lw=0.8)
    count = int(found["n"].max())
    label = f"measured, 95 % interval over {_seeds(count)}" if count > 1 else "measured, one seed"
    reach = means - lows, highs - means
    axes.errorbar(means, rows, xerr=reach, fmt="o", color=BLUE, capsize=3, lw=1.5, label=label)
    if marks:
        here = [(marks.get(name, np.nan), row) for row, name in enumerate(found.index)]
        at = [(mark, row) for mark, row in here if not np.isnan(mark)]
        style = {"marker": "D", "facecolors": "none", "edgecolors": VERMILION, "zorder": 3}
        axes.scatter([mark for mark, _ in at], [row for _, row in at], label=marked, **style)
    for row, ends in enumerate(zip(means, lows, highs, strict=True)):
        mean, low, high = (f"{value:.1f}" for value in ends)
        text = f"{mean} [{low}, {high}]" if count > 1 else mean
        axes.annotate(
            text, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9
        )
    others = [abs(mark) for mark in (marks or {}).values() if not np.isnan(mark)]
    _leave_out_the_far(axes, np.abs([lows, highs]).max(0), max(others, default=0.0), means)
    axes.set_yticks(rows, found.index)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlabel(unit)
    axes.set_title(title, fontsize=11)
    return _finish(axes)


def _leave_out_the_far(axes, reach: np.ndarray, marks: Number, means: np.ndarray) -> None:
    """Where one row reaches FAR times as far as all else, show the rest, and an arrow for it."""
    row = int(reach.argmax())
    rest = max(marks, *np.delete(reach, row), 0.0)
    if len(reach) < 3 or reach[row] < FAR * rest:
        return
    side, (low, high) = np.sign(means[row]), axes.get_xlim()
    edge = 1.6 * rest
    axes.set_xlim(low if side > 0 else -edge, edge if side > 0 else high)
    arrow = {"arrowstyle": "->", "color": BLUE, "lw": 1.5}
    axes.annotate("", (side * edge, row), (side * edge * 0.88, row), arrowprops=arrow)


def _half_width(values: np.ndarray) -> np.ndarray | None:
    """Half of the 95 % t interval of the mean over the first axis; None for one seed."""
    n = len(values)
    if n < 2:
        return None
    return stats.t.ppf(0.975, n - 1) * values.std(0, ddof=1) / np.sqrt(n)


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _finish(axes) -> Picture:
    axes.grid(color="#E0E0E0", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return axes.figure


# FOLDED posekit.pareto: Error over cost: which of several networks are worth what they cost.
#
# N networks.


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

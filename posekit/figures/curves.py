"""Curves and intervals in matplotlib: loss, error of each joint, differences, error over cost.

J joints. Names are told apart by colour and by dash or marker, and keep both in all figures of a
process, which are those of a notebook.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import LogLocator, MaxNLocator
from torch import Tensor

from posekit.claims.statistics import t_interval
from posekit.figures.palette import BLACK, BLUE, CYCLE, GREY, GRID, VERMILION, place, plain

MARKERS = "osD^vPX*"
FAR = 3  # times
SHORT = 3  # epochs up to which a curve shows each by a marker


def loss_curves(
    series: dict[str, list[list[float | int]]],
    *,
    title: str = "Training loss",
    yardstick: tuple[str, float] | None = None,
) -> Picture:
    """Loss by epoch, one line a name: the mean over its seeds in the band from least to most.

    Where all trainings have one epoch, one row a name: a dot a seed, a line at their mean.

    `series` maps a name to a list of losses a seed. Dashes alternate, so that a line that lies on
    another is still seen; `yardstick` is a loss to compare with, and its name. ValueError for a
    name without losses.
    """
    for name, runs in series.items():
        if not (runs and all(runs)):
            raise ValueError(f"no loss to draw for {name!r}: give one list of numbers a seed")
    if all(len(run) == 1 for runs in series.values() for run in runs):
        return _losses_of_one_epoch(series, title, yardstick)
    axes = _axes(f"{title}\nline: mean over seeds, band: least to most", xlabel="epoch")
    for name, runs in series.items():
        length, number = min(map(len, runs)), place(name)
        values = np.array([run[:length] for run in runs], dtype=float)
        epochs, colour = np.arange(1, length + 1), CYCLE[number % len(CYCLE)]
        style = {"linestyle": ("-", (0, (4, 3)))[number % 2]}
        style["marker"] = MARKERS[number % len(MARKERS)] if length <= SHORT else ""
        axes.plot(epochs, values.mean(0), color=colour, label=_seeds(name, len(runs)), **style)
        axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.2, lw=0)
    if yardstick:
        axes.axhline(yardstick[1], color=GREY, lw=1, linestyle=":", label=yardstick[0])
    axes.set(ylabel="loss", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return _with_legend(axes)


def _losses_of_one_epoch(series: dict[str, list], title: str, yardstick: tuple | None) -> Picture:
    axes = _axes(f"{title}\ndot: a seed, line: mean over seeds", "loss", 1.5 + 0.3 * len(series))
    for row, (name, runs) in enumerate(series.items()):
        number = place(name)
        colour, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
        losses = np.array([loss for run in runs for loss in run], dtype=float)
        axes.plot(losses, np.full(len(losses), row), marker, color=colour, ms=4, alpha=0.7)
        axes.plot(2 * [losses.mean()], [row - 0.3, row + 0.3], color=colour)
    _name_rows(axes, [_seeds(name, len(runs)) for name, runs in series.items()])
    if yardstick:
        axes.axvline(yardstick[1], color=GREY, lw=1, linestyle=":", label=yardstick[0])
        return _with_legend(axes)
    return axes.figure


def error_per_joint(
    errors: dict[str, np.ndarray | Tensor], joints: tuple[str, ...], *, title: str, unit: str = "mm"
) -> Picture:
    """Mean error of every joint, one marker a name, with the 95 % t interval over seeds.

    `errors` maps a name to (seeds, J) means, in `unit`. ValueError where J is not the number of
    joints.
    """
    height = 1.4 + len(joints) * (0.14 + 0.05 * len(errors))
    axes = _axes(f"{title}\nbars: 95 % interval over seeds", f"error ({unit})", height)
    rows = np.arange(len(joints))
    spread = 0.75 / max(len(errors), 1)
    for number, (name, means) in enumerate(errors.items()):
        values = np.atleast_2d(np.asarray(means, dtype=float))
        if values.shape[1] != len(joints):
            raise ValueError(f"{name!r} has {values.shape[1]} joints, the names {len(joints)}")
        found = pd.DataFrame([vars(t_interval(column)) for column in values.T])
        height = rows + (number - (len(errors) - 1) / 2) * spread
        label = _seeds(name, len(values))
        _bars(axes, found["mean"], height, found, "x", place(name), label=label, ms=4)
    _name_rows(axes, [plain(joint) for joint in joints])
    axes.set_xlim(left=0)
    return _with_legend(axes)


def forest(
    found: pd.DataFrame,
    marks: dict[str, float] | None = None,
    *,
    title: str,
    unit: str,
    marked: str = "printed",
) -> Picture:
    """One row a name: its mean and interval, and a hollow mark where there is another number.

    `found` has the columns mean, low, high (NaN for one seed) and n, by name; `marks` maps names to
    the other numbers.
    """
    axes = _axes("", unit, 1.4 + 0.36 * len(found))
    axes.figure.suptitle(title, fontsize=11)  # long names of rows leave too little above the axes
    axes.axvline(0, color=BLACK, lw=0.8)
    count = int(found["n"].max())
    counts = " to ".join(dict.fromkeys(map(str, (int(found["n"].min()), count))))
    label = f"measured, 95 % interval over {counts} seeds" if count > 1 else "measured, one seed"
    _bars(axes, found["mean"], np.arange(len(found)), found, "x", 0, label=label, capsize=3, lw=1.5)
    marked_rows = pd.Series(marks or {}, dtype=float).reindex(found.index)
    if marks:
        style = {"marker": "D", "facecolors": "none", "edgecolors": VERMILION, "zorder": 3}
        axes.scatter(marked_rows, range(len(found)), label=marked, **style)
    for row, (mean, low, high) in enumerate(found[["mean", "low", "high"]].to_numpy(float)):
        text = f"{mean:z.1f} [{low:z.1f}, {high:z.1f}]" if count > 1 else f"{mean:z.1f}"
        style = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9}
        axes.annotate(text, (1.01, row), **style)
    _leave_out_the_far(axes, found, marked_rows)
    _name_rows(axes, found.index)
    return _with_legend(axes)


def _leave_out_the_far(axes: Axes, found: pd.DataFrame, marks: pd.Series) -> None:
    """Where one row reaches FAR times as far as all else, show the rest, and an arrow for it."""
    reach = found[["mean", "low", "high"]].abs().max(axis=1).to_numpy()
    row = int(reach.argmax())
    rest = np.nanmax([*np.delete(reach, row), marks.abs().max(), 0.0])
    if len(reach) < 3 or reach[row] < FAR * rest:
        return
    side, edge = np.sign(found["mean"].iloc[row]), 1.6 * rest
    axes.set_xlim(**{"right" if side > 0 else "left": side * edge})
    arrow = {"arrowstyle": "->", "color": BLUE, "lw": 1.5}
    axes.annotate("", (side * edge, row), (side * edge * 0.88, row), arrowprops=arrow)


def pareto(found: pd.DataFrame, *, title: str, cost: str, unit: str = "mm") -> Picture:
    """One marker a network, its error over its cost, and a line through the Pareto front.

    `found` has the columns cost, mean, low and high, by name; low and high are the ends of an
    interval, or NaN. A row without a cost is the floor, such as the mean pose: a dotted line, or a
    name in the legend where it is so far above that no interval could be seen beside it. `cost`
    says what the cost is, and in what unit.
    """
    axes = _axes(title, cost, 4.6, width=8.5)
    floors, found = found[found["cost"].isna()], found.dropna(subset="cost")
    ends = found[["mean", "low", "high"]].stack()
    least, most = ends.min(), ends.max()
    for name, level in floors["mean"].items():
        if level > 1.5 * most and level - most > FAR * (most - least):
            axes.plot([], [], " ", label=f"{name}, {level:.4g} {unit}: far above")
        else:
            axes.axhline(level, color=GREY, lw=1, linestyle=":", label=name)
    ordered = found.sort_values(["cost", "mean"], kind="stable")
    best = ordered[ordered["mean"] < ordered["mean"].cummin().shift().fillna(np.inf)]
    axes.step(best["cost"], best["mean"], where="post", color=BLACK, lw=1, zorder=1)
    for name in found.index:
        row = found.loc[[name]]
        _bars(axes, row["cost"], row["mean"], row, "y", place(str(name)), label=str(name), ms=6)
    axes.set(xscale="log", ylabel=f"error ({unit})")
    near = found["cost"].max() < 10 * found["cost"].min()
    round_numbers = MaxNLocator(6, steps=[1, 2, 5, 10]) if near else LogLocator(subs=(1, 2, 5))
    axes.xaxis.set_major_locator(round_numbers)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    return _with_legend(axes, loc="outside right center")


def _axes(title: str, xlabel: str, height: float = 4, width: float = 7) -> Axes:
    """Empty axes with a pale grid in a figure of their own (inches)."""
    drawing = Picture(figsize=(width, height), dpi=100, layout="constrained")
    axes = drawing.add_subplot(xlabel=xlabel)
    axes.set_title(title, fontsize=11)
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _bars(axes: Axes, x, y, found: pd.DataFrame, along: str, number: int, **style) -> None:
    """Markers with bars from low to high of `found` along x or y; none where these are NaN."""
    reach = np.abs(found[["low", "high"]].sub(found["mean"], axis=0).to_numpy(float).T)
    shape = {"fmt": MARKERS[number % len(MARKERS)], "color": CYCLE[number % len(CYCLE)]}
    shape |= {"capsize": 2, "lw": 1, f"{along}err": reach}
    axes.errorbar(x, y, **shape | style)


def _name_rows(axes: Axes, names) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _seeds(name: str, count: int) -> str:
    return f"{name} ({count} seed{'s' if count > 1 else ''})"


def _with_legend(axes: Axes, loc: str = "outside lower center") -> Picture:
    columns = 1 if "right" in loc else 3
    axes.figure.legend(loc=loc, ncols=columns, frameon=False, fontsize=9)
    return axes.figure

"""Sizes and times of networks as files, a way of running them a row, beside what the paper prints.

Records name them METRIC/MODEL/WAY (`posekit.speed`), without card and data set.
"""

from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean

from posekit.claims.measurements import Record
from posekit.claims.numbers import number
from posekit.claims.paper import Paper
from posekit.report.markdown import Table

TITLES = {"size_mb": "Size of the files, MB", "latency_ms": "Time of one picture, ms"}
PLAIN = "eager-float32-1"  # what every other way is compared with

Grid = dict[str, dict[str, float]]  # way -> model -> value


def way_tables(records: list[Record], paper: Paper) -> Iterator[tuple[str, str, Table]]:
    """(title, what it says in a sentence, table) of each metric measured in two ways or more."""
    for metric, title in TITLES.items():
        grid = _grid(records, metric)
        if len(grid) < 2:
            continue
        models = list(dict.fromkeys(model for row in grid.values() for model in row))
        printed = _printed(paper, metric, models)
        rows = [(_told(way), *_cells(row, models)) for way, row in grid.items()]
        rows += [(way, *_cells(row, models)) for way, row in printed.items()]
        if metric == "size_mb":
            each = _bytes(records, printed.get("printed", {}))
            rows += [("printed, bytes a parameter", *_cells(each, models))] if each else []
            said = _nearest(grid, printed)
        else:
            said = f"{_fastest(grid)} {_slower(grid)}".strip()
        yield title, said, Table(("Way", *(f">{model}" for model in models)), tuple(rows))


def _grid(records: list[Record], metric: str) -> Grid:
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for (name, card, data), value in record.values.items():
            named, _, rest = name.partition("/")
            model, _, way = rest.partition("/")
            if named == metric and "-" in way and not card and not data:
                values[way][model].append(value)
    return {way: {m: fmean(v) for m, v in row.items()} for way, row in values.items()}


def _printed(paper: Paper, metric: str, models: list[str]) -> Grid:
    """What the paper prints of the same models, under "printed" or "printed, THEIR WAY"."""
    rows: Grid = defaultdict(dict)
    for (name, _), quantity in paper.printed.items():
        named, model, *way = name.split("/")
        if named == metric and model in models and quantity.value is not None:
            rows[", ".join(["printed", *way])][model] = float(quantity.value.value)
    return rows


def _cells(row: dict[str, float], models: list[str]) -> list[str]:
    return [number(row[model], row[model]) if model in row else "" for model in models]


def _told(way: str) -> str:
    *rest, last = way.split("-")
    threads = {"1": "1 thread", "all": "all threads"}.get(last)
    return f"{' '.join(rest)}, {threads}" if threads else way.replace("-", " ")


def _fastest(grid: Grid) -> str:
    """For each model its fastest way on one thread, against `PLAIN`."""
    one = {way: row for way, row in grid.items() if way.endswith("-1")}
    parts = []
    for model, plain in one.get(PLAIN, {}).items():
        way = min(one, key=lambda way: one[way].get(model, plain))
        ms = one[way][model]
        parts.append(f"{model} {number(ms, ms)} ms by {_told(way)} ({plain / ms:.1f} times)")
    said = f"The fastest way on one thread, and how much faster than torch's {_told(PLAIN)}: "
    return f"{said}{'; '.join(parts)}." if parts else ""


def _slower(grid: Grid) -> str:
    """The ways on one thread that take longer than `PLAIN`."""
    parts = [
        f"{model} by {_told(way)} ({ms / grid[PLAIN][model]:.1f} times the time)"
        for way, row in grid.items()
        if way.endswith("-1") and PLAIN in grid
        for model, ms in row.items()
        if ms > grid[PLAIN].get(model, ms)
    ]
    return f"Slower than that: {'; '.join(parts)}." if parts else ""


def _bytes(records: list[Record], sizes: dict[str, float]) -> dict[str, float]:
    """Printed sizes over parameters counted here: 4 are float32, 2 float16, 1 is int8."""
    counts = {key[0]: value for record in records for key, value in record.values.items()}
    named = {model: counts.get(f"params/{model}") for model in sizes}
    return {model: 1e6 * sizes[model] / count for model, count in named.items() if count}


def _nearest(grid: Grid, printed: Grid) -> str:
    """For each model the file that is nearest to what is printed, by ratio."""
    parts = []
    for model, size in printed.get("printed", {}).items():
        ratios = {way: max(row[model] / size, size / row[model]) for way, row in grid.items()}
        way = min(ratios, key=ratios.__getitem__)
        parts.append(f"{model} {_told(way)}, off by {100 * (ratios[way] - 1):.0f} %")
    return f"Nearest to what is printed: {'; '.join(parts)}." if parts else ""

"""What runs measured, as tables: errors by card and slice, counts by model, and what it cost.

Each cell is the mean over seeds with half of its 95 % t interval. A table is about one data set
and one size, and says so in its title; no printed number stands in it.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import fmean

import numpy as np

from posekit.evidence import SIZES, Record
from posekit.statistics import t_interval
from posekit.tables import WIDEST, Cell, Link, Table, number

Seeds = dict[int, float]
Grid = dict[str, dict[str, Seeds]]  # row -> column -> seed -> value
MODELS = WIDEST - 1  # of a table; more models go on in another one


def error_tables(records: list[Record], cards: list[str]) -> Iterator[tuple[str, str, Table]]:
    """(title, caption, table) of all that was measured under a card.

    For each data set first every card with its averages, then, for each of `cards` (the ones
    the paper's own claims are about), every slice.
    """
    for data, size in _places(records):
        here = [record for record in records if record.size == size]
        trained = _training_sets(here, data)
        where = f"{_naming(data)}, size `{size}`"
        grid = _averages(here, data)
        for table in _split("Card", grid, trained):
            yield f"All cards {where}", _caption(grid), table
        for card in cards:
            grid = _slices(here, data, card)
            if len(grid) < 2:
                continue  # an average alone stands in the table of all cards
            for table in _split("Slice", grid, trained):
                yield f"`{card}` slice by slice {where}", _caption(grid), table


def count_table(records: list[Record]) -> Table | None:
    """Counts and times (no card) that were measured for at least two models."""
    grid: Grid = defaultdict(lambda: defaultdict(dict))
    for record in records:
        for (name, card, _), value in record.values.items():
            metric, subject, *rest = name.split("/")
            if not card and not rest:
                grid[subject][metric][record.seed] = value
    models = defaultdict(set)
    for subject, row in grid.items():
        for metric in row:
            models[metric].add(subject)
    shared = [metric for metric, subjects in models.items() if len(subjects) > 1]
    if not shared:
        return None
    shown = shared[: WIDEST - 1]
    rows = [
        (subject, *(cell(row.get(metric, {})) for metric in shown))
        for subject, row in grid.items()
        if set(row) & set(shown)
    ]
    return Table(("Model", *(f">{metric.replace('_', ' ')}" for metric in shown)), tuple(rows))


def cost_table(records: list[Record]) -> Table | None:
    """Each job: its seeds, time, speed, memory, device, and links to its records."""
    jobs = defaultdict(list)
    for record in records:
        jobs[record.job, record.size, record.trained_on].append(record)
    if not jobs:
        return None
    head = ("Job", "Size", "Trained on", ">Seeds", ">Seconds a run", ">Samples a second")
    head += (">Peak memory, MB", "Device", "Runs")
    rows = []
    for (job, size, data), group in sorted(jobs.items()):
        raw = [json.loads(record.file.read_text(encoding="utf-8")) for record in group]
        costs = ("seconds", "samples_per_second", "peak_memory_mb")
        means = [_mean(r.get(name) for r in raw) for name in costs]
        devices = ", ".join(sorted({record.device for record in group}))
        rows.append((job, size, data, str(len(group)), *means, devices, run_links(group)))
    return Table(head, tuple(rows))


def run_links(records: Iterable[Record]) -> Cell:
    """Links to run records, by seed."""
    ordered = sorted(records, key=lambda r: (r.seed, r.id))
    return tuple(Link(r.id[:6], f"runs/{r.id}.json") for r in ordered)


def is_generated(data: str) -> bool:
    """Is this the studio's data, or a variant of it?"""
    return data.startswith("studio")


def _naming(data: str) -> str:
    return f"on `{data}` (generated data, not Human3.6M)" if is_generated(data) else f"on `{data}`"


def _places(records: list[Record]) -> list[tuple[str, str]]:
    """The data sets and sizes with measurements under a card: generated data first."""
    found = {(d, r.size) for r in records for (_, card, d) in r.values if card}
    return sorted(found, key=lambda p: (not is_generated(p[0]), p[0], SIZES.index(p[1])))


def _averages(records: list[Record], data: str) -> Grid:
    """Every card's headline numbers on `data`."""
    grid: Grid = defaultdict(lambda: defaultdict(dict))
    for record, (metric, subject, *rest), card, value in _values(records, data):
        if not rest:
            row = card if metric == "mpjpe" else f"{card}, {metric.replace('_', ' ')}"
            grid[row][subject][record.seed] = value
    return grid


def _slices(records: list[Record], data: str, card: str) -> Grid:
    """The headline number and every slice of it under one card."""
    grid: Grid = defaultdict(lambda: defaultdict(dict))
    for record, (metric, subject, *rest), under, value in _values(records, data):
        if under == card and metric == "mpjpe":
            grid["/".join(rest) or "average"][subject][record.seed] = value
    return grid


def _values(records: list[Record], data: str) -> Iterator[tuple[Record, list[str], str, float]]:
    for record in records:
        for (name, card, on), value in record.values.items():
            if card and on == data:
                yield record, name.split("/"), card, value


def _training_sets(records: list[Record], data: str) -> dict[str, str]:
    """Model -> what it learned from."""
    found = _values(records, data)
    return {subject: record.trained_on for record, (_, subject, *_), _, _ in found}


def _split(corner: str, grid: Grid, trained: dict[str, str]) -> Iterator[Table]:
    """The grid as tables of at most MODELS models; several seeds' numbers are made one cell."""
    models = list(dict.fromkeys(model for row in grid.values() for model in row))
    for start in range(0, len(models), MODELS):
        shown = models[start : start + MODELS]
        rows = [(name, *(cell(row.get(m, {})) for m in shown)) for name, row in grid.items()]
        if any(trained[m] for m in shown):
            rows.insert(0, ("trained on", *(trained[m] for m in shown)))
        yield Table((corner, *(f">{m}" for m in shown)), tuple(rows))


def cell(seeds: Seeds) -> str:
    """The mean over seeds and half of its 95 % t interval, as text."""
    if not seeds:
        return ""
    found = t_interval(np.array(list(seeds.values())))
    if found.n < 2 or found.high - found.low == 0:
        return number(found.mean)
    half = (found.high - found.low) / 2
    return f"{number(found.mean, found.mean)} ± {number(half, found.mean)}"


def _caption(grid: Grid) -> str:
    """How many seeds stand behind the cells."""
    counts = sorted({len(seeds) for row in grid.values() for seeds in row.values()})
    seeds = " or ".join(map(str, counts))
    return (
        f"In mm where the card does not say otherwise. Mean ± half of the 95 % t interval over "
        f"seeds ({seeds} a cell; one without ± is of one seed, or the same for all)."
    )


def _mean(values: Iterable[float | None]) -> str:
    known = [float(value) for value in values if value is not None]
    mean = fmean(known) if known else 0.0
    return f"{mean:,.{0 if mean >= 100 else 1}f}" if mean >= 0.05 else ""  # less is nothing to tell

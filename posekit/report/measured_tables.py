"""What runs measured, as tables: errors by card and slice, counts by model, and what it cost.

Each cell is the mean over seeds with half of its 95 % t interval. A table is about one data set
and one size, and says so in its title; no printed number stands in it.
"""

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from decimal import Decimal
from statistics import fmean

import numpy as np

from posekit.claims.measurements import SIZES, Record
from posekit.claims.numbers import number, number_within
from posekit.claims.paper import load_metrics
from posekit.claims.statistics import t_interval
from posekit.metrics.masks import MASK_PROTOCOLS
from posekit.metrics.registry import ALL
from posekit.report.markdown import WIDEST, Cell, Link, Table

Seeds = dict[int, float]
Grid = dict[str, dict[str, Seeds]]  # row -> column -> seed -> value
MODELS = WIDEST - 1  # of a table; more models go on in another one


def error_tables(records: list[Record], cards: list[str]) -> Iterator[tuple[str, str, Table]]:
    """(title, caption, table) of all that was measured under a card.

    For each data set first every card with its headline numbers, then every slice of each of
    `cards` (the ones the paper's own claims are about) and of one card of any other metric.
    """
    cards = cards + _others(records, cards)
    for data, size in _places(records):
        here = [record for record in records if record.size == size]
        trained = _training_sets(here, data)
        where = f"{_naming(data)}, size `{size}`"
        grid, units = _headlines(here, data)
        for table in _split("Card", grid, trained, _small(grid, units)):
            yield f"All cards {where}", _caption(grid, units), table
        for card in cards:
            grid, units = _slices(here, data, card)
            if len(grid) < 2:
                continue  # an average alone stands in the table of all cards
            for table in _split("Slice", grid, trained, _small(grid, units)):
                yield f"`{card}` slice by slice {where}", _caption(grid, units), table


def count_table(records: list[Record]) -> Table | None:
    """Counts and times (no card, no data) of models: what was measured for at least two.

    Where there are several sizes, each has rows of its own.
    """
    counts = [
        (record, *name.split("/"), value)
        for record in records
        for (name, card, data), value in record.values.items()
        if not card and not data and name.count("/") == 1
    ]
    several = len({record.size for record, *_ in counts}) > 1
    grid: Grid = defaultdict(lambda: defaultdict(dict))
    for record, metric, subject, value in counts:
        row = f"{subject}, {record.size}" if several else subject
        grid[row][metric][record.seed] = value
    shown = _shared(grid)[: WIDEST - 1]
    if not shown:
        return None
    named = dict.fromkeys(name for metric in shown for name in grid if metric in grid[name])
    rows = [(name, *(cell(grid[name].get(metric, {})) for metric in shown)) for name in named]
    return Table(("Model", *(f">{metric.replace('_', ' ')}" for metric in shown)), tuple(rows))


def _shared(grid: Grid) -> list[str]:
    """The columns with two rows or more; of columns that share no row, those with the most cells.

    What has the shape of a count but counts no model, configurations/all, is thus left out.
    """
    rows: dict[str, set[str]] = defaultdict(set)
    for name, row in grid.items():
        for column in row:
            rows[column].add(name)
    rows = {column: names for column, names in rows.items() if len(names) > 1}
    cells = {
        column: sum(len(names & other) for other in rows.values()) for column, names in rows.items()
    }
    best = rows[max(cells, key=cells.__getitem__)] if cells else set()
    return [column for column, names in rows.items() if names & best]


def settings(records: list[Record]) -> Iterator[tuple[str, str]]:
    """(size, what the configs of its trainings have in common), for each size."""
    for size in SIZES:
        configs = [json.loads(record.config) for record in records if record.size == size]
        trained = [config for config in configs if "recipe" in config]
        if trained:
            yield (
                size,
                ", ".join(
                    f"{name.replace('_', ' ')} {value}"
                    for part in ("shape", "recipe")
                    for name, value in trained[0].get(part, {}).items()
                    if value and all(c.get(part, {}).get(name) == value for c in trained)
                ),
            )


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
    return (
        f"on `{data}` (generated data, not the paper's)" if is_generated(data) else f"on `{data}`"
    )


def _places(records: list[Record]) -> list[tuple[str, str]]:
    """The data sets and sizes with measurements under a card: generated data first."""
    found = {(d, r.size) for r in records for (_, card, d) in r.values if card}
    return sorted(found, key=lambda p: (not is_generated(p[0]), p[0], SIZES.index(p[1])))


def _is_headline(metric: str, card: str) -> bool:
    """Is this what the card measures, rather than something else that was noted under it?"""
    return (metric, False) in load_metrics() or metric == getattr(ALL.get(card), "metric", "")


def _unit(metric: str, card: str) -> str:
    """The unit of a card's own number, '' of any other."""
    if (metric, False) in load_metrics():
        return load_metrics()[metric, False].unit
    return ALL[card].unit if _is_headline(metric, card) else ""


def _others(records: list[Record], cards: list[str]) -> list[str]:
    """For each metric that none of `cards` measures: the first card it was measured under."""
    known = dict.fromkeys((name.split("/")[0], card) for r in records for name, card, _ in r.values)
    first = {}
    for metric, card in known:
        if card and _is_headline(metric, card):
            first.setdefault(metric, card)
    return [card for metric, card in first.items() if not any((metric, c) in known for c in cards)]


def _headlines(records: list[Record], data: str) -> tuple[Grid, dict[str, str]]:
    """Every card's headline numbers on `data`, and the units of the rows."""
    grid: Grid = defaultdict(lambda: defaultdict(dict))
    units = {}
    for record, (metric, subject, *rest), card, value in _values(records, data):
        if not rest:
            own = (
                _is_headline(metric, card) and card not in MASK_PROTOCOLS
            )  # which have two metrics
            row = card if own else f"{card}, {metric.replace('_', ' ')}"
            grid[row][subject][record.seed] = value
            units[row] = _unit(metric, card)
    return grid, units


def _slices(records: list[Record], data: str, card: str) -> tuple[Grid, dict[str, str]]:
    """The headline number and every slice of it under one card, and their units."""
    grid: Grid = defaultdict(lambda: defaultdict(dict))
    units = {}
    for record, (metric, subject, *rest), under, value in _values(records, data):
        if under == card and _is_headline(metric, card):
            row = "/".join([metric, *rest] if card in MASK_PROTOCOLS else rest)
            grid[row][subject][record.seed] = value
            units[row] = _unit(metric, card)
    # a mean of parts, but not of epochs, which follow each other
    whole = "headline" if any(row.startswith("epoch-") for row in grid) else "average"
    units = {row or whole: unit for row, unit in units.items()}
    return {row or whole: cells for row, cells in grid.items()}, units


def _small(grid: Grid, units: dict[str, str]) -> set[str]:
    """The rows shown in thousandths: those of a unit in which nothing reaches 0.01."""
    largest: dict[str, float] = defaultdict(float)
    for row, cells in grid.items():
        values = [abs(value) for seeds in cells.values() for value in seeds.values()]
        largest[units[row]] = max(largest[units[row]], *values)
    return {row for row, unit in units.items() if unit and largest[unit] < 0.01}


def _values(records: list[Record], data: str) -> Iterator[tuple[Record, list[str], str, float]]:
    for record in records:
        for (name, card, on), value in record.values.items():
            if card and on == data:
                yield record, name.split("/"), card, value


def _training_sets(records: list[Record], data: str) -> dict[str, str]:
    """Model -> what it learned from."""
    found = _values(records, data)
    return {subject: record.trained_on for record, (_, subject, *_), _, _ in found}


def _split(
    corner: str, grid: Grid, trained: dict[str, str], small: Container[str]
) -> Iterator[Table]:
    """The grid as tables of at most MODELS models; several seeds' numbers are made one cell."""
    models = list(dict.fromkeys(model for row in grid.values() for model in row))
    for start in range(0, len(models), MODELS):
        shown = models[start : start + MODELS]
        rows = [
            (name, *(cell(row.get(m, {}), thousandths=name in small) for m in shown))
            for name, row in grid.items()
        ]
        if any(trained[m] for m in shown):
            rows.insert(0, ("trained on", *(trained[m] for m in shown)))
        yield Table((corner, *(f">{m}" for m in shown)), tuple(rows))


def cell(seeds: Seeds, *, thousandths: bool = False) -> str:
    """The mean over seeds and half of its 95 % t interval, as text; or a thousand times as much."""
    if not seeds:
        return ""
    found = t_interval(np.array(list(seeds.values())))
    if found.n < 2 or found.high - found.low == 0:
        return _thousandfold(number(found.mean)) if thousandths else number(found.mean)
    half = (found.high - found.low) / 2
    mean, half = (number_within(v, half, abs(found.mean)) for v in (found.mean, half))
    if thousandths:
        mean, half = _thousandfold(mean), _thousandfold(half)
    return f"{mean} ± {half}"


def _thousandfold(text: str) -> str:
    """A number's text with its point three places on: 0.001190 to 1.190."""
    return f"{Decimal(text).scaleb(3):f}"


def _caption(grid: Grid, units: dict[str, str]) -> str:
    """The rows' units, and how many seeds stand behind the cells."""
    counts = sorted({len(seeds) for row in grid.values() for seeds in row.values()})
    seeds = " or ".join(map(str, counts))
    small = _small(grid, units)
    units = {row: f"0.001 {unit}" if row in small else unit for row, unit in units.items()}
    return (
        f"{_told(units)}. Mean ± half of the 95 % t interval over "
        f"seeds ({seeds} a cell; one without ± is of one seed, or the same for all)."
    )


def _told(units: dict[str, str]) -> str:
    """Each unit with the rows it belongs to; the most frequent one with none."""
    rows = defaultdict(list)
    for row, unit in units.items():
        rows[unit].append(row)
    first, *rest = sorted(rows, key=lambda unit: -len(rows[unit]))
    others = [f"{', '.join(rows[u])} {f'in {u}' if u else 'without a unit'}" for u in rest]
    return "; ".join([f"In {first}" if first else "Without a unit", *others])


def _mean(values: Iterable[float | None]) -> str:
    known = [float(value) for value in values if value is not None]
    mean = fmean(known) if known else 0.0
    return f"{mean:,.{0 if mean >= 100 else 1}f}" if mean >= 0.05 else ""  # less is nothing to tell

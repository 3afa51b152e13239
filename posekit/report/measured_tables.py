"""Tables of run records: errors by protocol card and slice, counts by model, and costs.

Each cell is the mean over seeds with half of its 95 % t interval. A table is about one data set
and one size, and says so in its title; no printed number stands in it.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from statistics import fmean

import numpy as np
import pandas as pd

from posekit.claims.measurements import COSTS, SIZES, Record, value_table
from posekit.claims.numbers import number, number_within
from posekit.claims.paper import load_metrics
from posekit.claims.statistics import t_interval
from posekit.metrics.masks import MASK_PROTOCOLS
from posekit.metrics.registry import ALL
from posekit.report.markdown import WIDEST, Markdown, link


def error_tables(
    records: list[Record], cards: list[str]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(title, caption, table) of everything measured under a card.

    For each data set first every card with its headline numbers, then every slice of each of
    `cards` (the ones the paper's own claims are about) and of one card of any other metric.
    """
    values = value_table(records)
    values = values[values["card"] != ""]
    own = [_is_headline(*pair) for pair in zip(values["metric"], values["card"])]
    values = values.assign(own=own, masks=values["card"].isin(MASK_PROTOCOLS))
    cards = cards + _others(values, cards)
    places = {*zip(values["data"], values["size"])}
    for place in sorted(places, key=lambda p: (not is_generated(p[0]), p[0], SIZES.index(p[1]))):
        here = values[(values["data"] == place[0]) & (values["size"] == place[1])]
        where = f"on `{place[0]}`{generated(place[0])}, size `{place[1]}`"
        trained = here[here["trained_on"] != ""].set_index("network")["trained_on"].to_dict()
        heads = here[here["slice"] == ""]
        names = heads["card"] + ", " + heads["metric"].str.replace("_", " ")
        rows = heads["card"].where(heads["own"] & ~heads["masks"], names)
        yield from _tables("Card", f"All cards {where}", heads, rows, trained)
        for card in cards:
            part = here[(here["card"] == card) & here["own"]]
            rows = part["slice"].where(~part["masks"], part["metric"] + "/" + part["slice"])
            # a mean of parts, but not of epochs, which follow each other
            whole = "headline" if rows.str.startswith("epoch-").any() else "average"
            rows = rows.str.removesuffix("/").replace("", whole)
            if rows.nunique() > 1:  # an average alone stands in the table of all cards
                yield from _tables("Slice", f"`{card}` slice by slice {where}", part, rows, trained)


def _tables(
    corner: str, title: str, values: pd.DataFrame, rows: pd.Series, trained: dict[str, str]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The values as tables of at most WIDEST columns, a network a column."""
    units = map(_unit, values["metric"], values["card"])
    values = values.assign(row=rows, unit=list(units))
    grid = _grid(values, "network")
    units = values.groupby("row", sort=False)["unit"].last()
    largest = values.groupby("unit")["value"].agg(lambda each: each.abs().max())
    small = {unit for unit, value in largest.items() if unit and value < 0.01}
    caption = _caption(values, units, small)
    networks = list(grid)
    for start in range(0, len(networks), WIDEST - 1):
        shown = grid[networks[start : start + WIDEST - 1]]
        cells = {
            f">{name}": [
                cell(seeds, thousandths=unit in small) for seeds, unit in zip(column, units)
            ]
            for name, column in shown.items()
        }
        table = pd.DataFrame(cells, index=shown.index)
        if set(shown) & set(trained):
            first = {f">{name}": trained.get(name, "") for name in shown}
            table = pd.concat([pd.DataFrame(first, index=["trained on"]), table])
        yield title, caption, table.rename_axis(corner).reset_index()


def _grid(values: pd.DataFrame, column: str) -> pd.DataFrame:
    """Lists of values, one a seed, in rows and columns in the order in which rows name them."""
    by_row = values.sort_values("row", key=lambda row: pd.factorize(row)[0], kind="stable")
    once = values.drop_duplicates(["row", column, "seed"], keep="last")
    grid = once.pivot_table("value", "row", column, aggfunc=list)
    return grid.loc[by_row["row"].unique(), by_row[column].unique()]


def _is_headline(metric: str, card: str) -> bool:
    """Whether it is the card's own metric, rather than something else that was noted under it."""
    return (metric, False) in load_metrics() or metric == getattr(ALL.get(card), "metric", "")


def _unit(metric: str, card: str) -> str:
    """The unit of a card's own number, '' of any other."""
    if known := load_metrics().get((metric, False)):
        return known.unit
    return ALL[card].unit if _is_headline(metric, card) else ""


def _others(values: pd.DataFrame, cards: list[str]) -> list[str]:
    """For each metric that none of `cards` measures: the first card it was measured under."""
    known = values.loc[values["card"].isin(cards), "metric"]
    rest = values[values["own"] & ~values["metric"].isin(known)]
    return rest.drop_duplicates("metric")["card"].tolist()


def _caption(values: pd.DataFrame, units: pd.Series, small: set[str]) -> str:
    """The rows' units, the most frequent one first and without rows, and the number of seeds."""
    named = units.map(lambda unit: f"0.001 {unit}" if unit in small else unit)
    first, *rest = sorted(named.unique(), key=lambda unit: -(named == unit).sum())
    texts = [f"In {first}" if first else "Without a unit"]
    for unit in rest:
        rows = ", ".join(named.index[named == unit])
        texts.append(f"{rows} {f'in {unit}' if unit else 'without a unit'}")
    counts = sorted(values.groupby(["row", "network"])["seed"].nunique().unique())
    return (
        f"{'; '.join(texts)}. Mean ± half of the 95 % t interval over "
        f"seeds ({' or '.join(map(str, counts))} a cell; one without ± is of one seed, or the same "
        "for all)."
    )


def cell(seeds: list[float] | float, *, thousandths: bool = False) -> str:
    """The mean over seeds and half of its 95 % t interval, as text; or a thousand times as much.

    '' for NaN, which a pivot table has where nothing was measured.
    """
    if not isinstance(seeds, list):
        return ""
    mean = t_interval(np.array(seeds))
    if mean.n < 2 or mean.half == 0:
        texts = [number(mean.mean)]
    else:
        texts = [number_within(v, mean.half, abs(mean.mean)) for v in (mean.mean, mean.half)]
    if thousandths:  # 0.001190 is 1.190
        texts = [f"{Decimal(text).scaleb(3):f}" for text in texts]
    return " ± ".join(texts)


def count_table(records: list[Record]) -> pd.DataFrame | None:
    """Counts and times (no card, no data) of models: what was measured for at least two.

    Where there are several sizes, each has rows of its own.
    """
    values = value_table(records)
    values = values[(values["card"] == "") & (values["data"] == "") & (values["slice"] == "")]
    several = values["size"].nunique() > 1
    rows = values["network"] + ", " + values["size"] if several else values["network"]
    grid = _grid(values.assign(row=rows), "metric")
    grid = grid.loc[:, grid.notna().sum() > 1]
    if grid.empty:
        return None
    # columns that share rows with the fullest: configurations/all has the shape of a count, but
    # counts no model
    shared = grid.notna().astype(int)
    best = (shared.T @ shared).sum().idxmax()
    grid = grid.loc[:, (shared.T @ shared)[best] > 0].iloc[:, : WIDEST - 1].dropna(how="all")
    first = grid.notna().to_numpy().argmax(1)  # rows with the same columns together
    grid = grid.iloc[np.argsort(first, kind="stable")]
    grid.columns = [f">{metric.replace('_', ' ')}" for metric in grid]
    return grid.map(cell).rename_axis("Model").reset_index()


def settings(records: list[Record]) -> Iterator[tuple[str, str]]:
    """(size, the settings that all its trainings have in common), for each size."""
    for size in SIZES:
        configs = [json.loads(record.config) for record in records if record.size == size]
        trained = [config for config in configs if "recipe" in config]
        common = [
            f"{name.replace('_', ' ')} {value}"
            for part in ("shape", "recipe")
            for name, value in (trained[0].get(part, {}) if trained else {}).items()
            if value and all(c.get(part, {}).get(name) == value for c in trained)
        ]
        if trained:
            yield size, ", ".join(common)


def cost_table(records: list[Record]) -> pd.DataFrame:
    """Each job: its seeds, time, speed, memory, device, and links to its records."""
    jobs = defaultdict(list)
    for record in records:
        jobs[record.job, record.size, record.trained_on].append(record)
    rows = []
    for job, group in sorted(jobs.items()):
        means = [_mean(record.costs.get(name) for record in group) for name in COSTS]
        devices = ", ".join(sorted({record.device for record in group}))
        rows.append((*job, str(len(group)), *means, devices, run_links(group)))
    head = ["Job", "Size", "Trained on", ">Seeds", ">Seconds a run", ">Samples a second"]
    head += [">Peak memory, MB", "Device", "Runs"]
    return pd.DataFrame(rows, columns=head, dtype=object)


def run_links(records: Iterable[Record], *, most: int | None = None, rest: str = "") -> Markdown:
    """Links to run records, by seed; for those beyond `most` one link to the page `rest`."""
    ordered = sorted(records, key=lambda r: (r.seed, r.id))
    links = [link(r.id[:6], f"runs/{r.id}.json") for r in ordered[:most]]
    if len(ordered) > len(links):
        links.append(link(f"and {len(ordered) - len(links)} more", rest))
    return Markdown(" ".join(links))


def is_generated(data: str) -> bool:
    """Whether it is the studio's data, or a variant of it."""
    return data.startswith("studio")


def generated(data: str) -> str:
    """The remark that stands behind the name of generated data."""
    return " (generated data, not the paper's)" if is_generated(data) else ""


def _mean(values: Iterable[float | None]) -> str:
    known = [float(value) for value in values if value is not None]
    mean = fmean(known) if known else 0.0
    return f"{mean:,.{0 if mean >= 100 else 1}f}" if mean >= 0.05 else ""  # less is nothing to tell

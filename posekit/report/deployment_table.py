"""Sizes and times of networks as files, one way of running them a row, beside printed ones.

Records name them METRIC/MODEL/WAY (`inference.benchmark`), without card and data set.
"""

from collections.abc import Iterator

import pandas as pd

from posekit.claims.measurements import SIZES, Record, value_table
from posekit.claims.numbers import number
from posekit.claims.paper import Paper, split

TITLES = {"size_mb": "Size of the files, MB", "latency_ms": "Time of one picture, ms"}
PLAIN = "eager-float32-1"  # what every other way is compared with


def way_tables(records: list[Record], paper: Paper) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(title, summary in a sentence, table) of each metric measured in two ways or more."""
    values = value_table(records)
    values = values[(values["card"] == "") & (values["data"] == "")]
    params = values[(values["metric"] == "params") & (values["slice"] == "")]
    params = params.groupby("network")["value"].last()  # where the paper prints none
    params = _printed(paper, "params").reindex(["printed"]).iloc[0].combine_first(params)
    for metric, title in TITLES.items():
        own = values[(values["metric"] == metric) & values["slice"].str.contains("-")]
        if counts := own["size"].value_counts().to_dict():  # one size: it was timed on one day
            most = max(counts, key=lambda size: (counts[size], SIZES.index(size)))
            own = own[own["size"] == most]
        grid = own.pivot_table("value", "slice", "network", sort=False)
        if len(grid) < 2:
            continue
        printed = _printed(paper, metric).reindex(columns=grid.columns).dropna(how="all")
        summary = _fastest(grid) if metric == "latency_ms" else _nearest(grid, printed)
        rows = [grid.rename(_words), printed]
        if metric == "size_mb" and "printed" in printed.index:
            # 4 bytes are float32, 2 float16, 1 is int8
            each = 1e6 * printed.loc["printed"] / params.reindex(grid.columns)
            rows.append(each.to_frame("printed, bytes a parameter").T.dropna(how="all"))
        table = pd.concat(rows).map(lambda value: number(value, value)).add_prefix(">")
        yield title, summary, table.rename_axis("Way").reset_index()


def _printed(paper: Paper, metric: str) -> pd.DataFrame:
    """The paper's numbers of a metric by model, in rows "printed" and "printed, ITS WAY"."""
    entries = [(*split(e.quantity), e.value.value) for e in paper.printed.values() if e.value]
    rows = [
        (f"printed, {way}" if way else "printed", model, value)
        for named, model, way, value in entries
        if named == metric
    ]
    frame = pd.DataFrame(rows, columns=["way", "model", "value"])
    return frame.pivot_table("value", "way", "model", sort=False)


def _words(way: str) -> str:
    *rest, last = way.split("-")
    threads = {"1": "1 thread", "all": "all threads"}.get(last)
    return f"{' '.join(rest)}, {threads}" if threads else way.replace("-", " ")


def _fastest(grid: pd.DataFrame) -> str:
    """For each model its fastest way on one thread, and all that are slower than `PLAIN`."""
    one = grid[grid.index.str.endswith("-1")]
    if PLAIN not in one.index:
        return ""
    plain, fastest = one.loc[PLAIN].dropna(), []
    for model, ms in plain.items():
        best, way = one[model].min(), one[model].idxmin()
        text = f"{model} {number(best, best)} ms by {_words(way)} ({ms / best:.1f} times)"
        fastest.append(text)
    slower = [
        f"{model} by {_words(way)} ({ms / plain[model]:.1f} times the time)"
        for way, row in one[plain.index].iterrows()
        for model, ms in row.items()
        if ms > plain[model]
    ]
    text = f"The fastest way on one thread, and how much faster than torch's {_words(PLAIN)}: "
    text += f"{'; '.join(fastest)}."
    return text + (f" Slower than that: {'; '.join(slower)}." if slower else "")


def _nearest(grid: pd.DataFrame, printed: pd.DataFrame) -> str:
    """For each model the file that is nearest to the printed size, by ratio."""
    if "printed" not in printed.index:
        return ""
    parts = []
    for model, size in printed.loc["printed"].dropna().items():
        ratios = grid[model] / size
        way = ratios.map(lambda ratio: max(ratio, 1 / ratio)).idxmin()
        more = 100 * (ratios[way] - 1)
        parts.append(
            f"{model} {_words(way)}, {abs(more):.0f} % {'larger' if more > 0 else 'smaller'}"
        )
    return f"Nearest to what is printed: {'; '.join(parts)}."

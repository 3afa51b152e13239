"""The studio's data card, results/studio.md: its description and its distance from real people."""

import pandas as pd

from posekit.claims.measurements import Record, value_table
from posekit.claims.paper_tables import mean_text
from posekit.report.markdown import escape, table
from posekit.studio import poses

DISTANCE = """## Distance from reality

What stands above under "How near real motion it comes" was measured once, by hand. The numbers
below are from the run records.

Lifters that the studio has taught, tested on its own unseen actors and on motion capture of real
people (CMU) filmed by the studio's cameras, and the same lifters taught by CMU itself, each
performer tested by lifters that have learnt from others (cmu-folds); beside them the mean pose of
what they learnt from. cmu-p1 and cmu-p2 are the rules h36m-martinez-p1 and h36m-martinez-p2 on
CMU's people. The *ratio* is a network's error on CMU when the studio has taught it over that when
CMU has, cmu-p1 on the performers that both were tested on, each counting alike. Mean ± half of the
95 % t interval over seeds.

Read both: what is lost between the studio and real people is the step from the column *Studio* to
the columns *CMU*. A ratio near 1 would say that the few real performers at hand teach no more about
the next one than the studio does, not that the studio is real."""


def studio_card(records: list[Record]) -> str:
    """The card as Markdown, with the measured distance once there are records of it."""
    *story, _dimensions = poses.__doc__.strip().split("\n\n")
    title, *story = story
    parts = [f"# {title.rstrip('.')}", f"Version {poses.VERSION}. [All results](README.md)"]
    parts += [escape(paragraph) for paragraph in story]
    distance = _distance(records)
    if len(distance):
        parts += [DISTANCE, table(distance)]
    return "\n\n".join(parts) + "\n"


def _distance(records: list[Record]) -> pd.DataFrame:
    """Errors on the studio and on motion capture, one network of a size a row."""
    values = value_table(records)
    whole = values[values["slice"] == ""].assign(column=values["data"] + " " + values["card"])
    grid = whole.pivot_table("value", ["size", "network"], "column", aggfunc=list)
    columns = ["studio h36m-martinez-p1", "cmu cmu-p1", "cmu cmu-p2", "cmu-folds cmu-p1"]
    grid = grid.reindex(columns=columns).dropna(subset=["cmu cmu-p1"]).map(_cell)
    ratios = _ratios(values).reindex(grid.index).map("{:.2f}".format)
    grid = grid.assign(ratio=ratios.replace("nan", "")).reset_index()
    head = ["Size", "Network", ">Studio, mm (h36m-martinez-p1)"]
    head += [">CMU, mm (cmu-p1)", ">CMU, mm (cmu-p2)", ">Taught by CMU, mm (cmu-p1)", ">Ratio"]
    return grid.set_axis(head, axis=1)


def _ratios(values: pd.DataFrame) -> pd.Series:
    """Error on CMU taught by the studio over that taught by CMU, of the performers that have both."""
    own = values[(values["card"] == "cmu-p1") & values["slice"].str.fullmatch(r"\d+")]
    means = own.pivot_table("value", ["size", "network", "slice"], "data")
    means = means.reindex(columns=["cmu", "cmu-folds"]).dropna().groupby(["size", "network"]).mean()
    return means["cmu"] / means["cmu-folds"]


def _cell(seeds: list[float] | float) -> str:
    """The mean over seeds with its interval; '' for NaN, which stands where nothing was measured."""
    return mean_text(seeds) if isinstance(seeds, list) else ""

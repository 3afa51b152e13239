"""The studio's data card, results/studio.md: its description and its distance from real people."""

import pandas as pd

from posekit.claims.measurements import Record, value_table
from posekit.claims.paper_tables import mean_text
from posekit.report.markdown import escape, table
from posekit.studio import poses

DISTANCE = """## Distance from reality

What stands above under "How near real motion it comes" was measured once, by hand. The numbers
below are from the run records.

Lifters trained on the studio, tested on its own unseen actors and on motion capture of real people
(CMU) filmed by the studio's cameras; beside them the mean studio pose and a lifter trained on CMU
itself and tested on performers that it has not seen, by cross-validation. cmu-p1 and cmu-p2 are the
rules h36m-martinez-p1 and h36m-martinez-p2 on CMU's people. The *ratio* is a lifter's error on CMU
over that of one and the same lifter trained on CMU, evoskeleton-1x2-on-cmu: in the row of
evoskeleton-1x2 only the data differ, in the others the network does as well. Mean ± half of the
95 % t interval over seeds.

Read both: what is lost between the studio and real people is the step from the column *Studio* to
the columns *CMU*. A ratio near 1 says that the few real performers at hand teach no more about the
next one than the studio does, not that the studio is real."""


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
    values = values[values["data"].isin(["cmu", "studio"]) & (values["slice"] == "")]
    ratio = values["metric"] == "studio_ratio"
    values = values.assign(column=values["card"].mask(ratio, "ratio"))
    columns = ["h36m-martinez-p1", "cmu-p1", "cmu-p2", "ratio"]
    grid = values.pivot_table("value", ["size", "network"], "column", aggfunc=list)
    grid = grid.reindex(columns=columns).dropna(subset=["cmu-p1"]).map(_cell).reset_index()
    head = ["Size", "Network", ">Studio, mm (h36m-martinez-p1)"]
    head += [">CMU, mm (cmu-p1)", ">CMU, mm (cmu-p2)", ">Ratio (cmu-p1)"]
    return grid.set_axis(head, axis=1)


def _cell(seeds: list[float] | float) -> str:
    """The mean over seeds with its interval; '' for NaN, which stands where nothing was measured."""
    return mean_text(seeds) if isinstance(seeds, list) else ""

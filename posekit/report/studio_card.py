"""The studio's data card, results/studio.md: what it is, and how far from real people it is."""

from collections import defaultdict

from posekit.claims.measurements import Record
from posekit.report.markdown import Table, escape
from posekit.report.measured_tables import cell
from posekit.studio import poses

DISTANCE = """## Distance from reality

What stands above under "How near real motion it comes" was measured once, by hand. The numbers
below are from the run records.

Lifters trained on the studio, tested on its own unseen actors and on motion capture of real people
(CMU) filmed by the studio's cameras; beside them the mean studio pose and a lifter taught by CMU
itself, each performer judged by what the others taught. The *ratio* is a lifter's error on CMU over
that of one and the same lifter taught by CMU, evoskeleton-1x2-on-cmu: in the row of evoskeleton-1x2
only the data differ, in the others the network does as well. Mean ± half of the 95 % t interval over
seeds.

Read both: what is lost between the studio and real people is the step from the column *Studio* to
the columns *CMU*. A ratio near 1 says that the few real performers at hand teach no more about the
next one than the studio does, not that the studio is real."""


def studio_card(records: list[Record]) -> str:
    """The card as Markdown; what was measured stands in it once there are records of it."""
    *story, _dimensions = poses.__doc__.strip().split("\n\n")
    title, *story = story
    parts = [f"# {title.rstrip('.')}", f"Version {poses.VERSION}. [All results](README.md)"]
    parts += [escape(paragraph.replace("\n", " ")) for paragraph in story]
    if table := _distance(records):
        parts += [DISTANCE, table.markdown()]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _distance(records: list[Record]) -> Table | None:
    found: dict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for record in records:
        for (name, card, data), value in record.values.items():
            metric, subject, *rest = name.split("/")
            if data in ("cmu", "studio") and not rest:
                column = "ratio" if metric == "studio_ratio" else card
                found[record.size, subject][column][record.seed] = value
    columns = ("h36m-martinez-p1", "cmu-p1", "cmu-p2", "ratio")
    rows = [
        (size, subject, *(cell(row.get(column, {})) for column in columns))
        for (size, subject), row in sorted(found.items())
        if "cmu-p1" in row
    ]
    head = ("Size", "Network", ">Studio, mm (h36m-martinez-p1)")
    head += (">CMU, mm (cmu-p1)", ">CMU, mm (cmu-p2)", ">Ratio (cmu-p1)")
    return Table(head, tuple(rows)) if rows else None

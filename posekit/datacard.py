"""The studio's data card, results/studio.md: what it is, and how far from real people it is."""

from collections import defaultdict

from posekit.data import studio
from posekit.evidence import Record
from posekit.measured import cell
from posekit.tables import Table, escape

DISTANCE = """## Distance from reality

Lifters trained on the studio and tested on motion capture of real people (CMU), filmed by the studio's
cameras, beside the mean studio pose and beside a lifter taught by CMU itself, each performer by the
others. The *ratio* is the error over that of the lifter taught by real people: 1 would mean that
studio motion teaches as much. Mean ± half of the 95 % t interval over seeds."""


def studio_card(records: list[Record]) -> str:
    """The card as Markdown; what was measured stands in it once there are records of it."""
    *story, _dimensions = studio.__doc__.strip().split("\n\n")
    title, *story = story
    parts = [f"# {title.rstrip('.')}", f"Version {studio.VERSION}. [All results](README.md)"]
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
            if data == "cmu" and not rest:
                column = "ratio" if metric == "studio_ratio" else card
                found[record.size, subject][column][record.seed] = value
    if not found:
        return None
    columns = ("cmu-p1", "cmu-p2", "ratio")
    rows = [
        (size, subject, *(cell(row.get(column, {})) for column in columns))
        for (size, subject), row in sorted(found.items())
    ]
    return Table(("Size", "Network", ">cmu-p1, mm", ">cmu-p2, mm", ">Ratio of cmu-p1"), tuple(rows))

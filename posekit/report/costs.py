"""The page costs.md: what a size of a paper takes, by the rehearsals in results/costs.

A rehearsal's record is costs/PAPER-SIZE.json; `posekit rehearse --out` writes it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from posekit.claims.measurements import SIZES
from posekit.models.costs import DEVICES, OPERATIONS, TRAFFIC, Cost
from posekit.report.markdown import table

FOLDER = "costs"
RENTED = " and ".join(
    f"{device.dollars:.2f} $ an hour of {name}" for name, device in DEVICES.items()
)
TEXT = f"""\
What `posekit rehearse PAPER --size SIZE` found, with generated pictures and poses unless it says \
otherwise: one seed of every training. Every training went through data, loss, backward pass, \
optimiser, checkpoint, evaluation, figures and records at its real shapes. Operations, bytes and \
memory are counted on one step at the real batch, without storage. Hours on a GPU are computed, not \
measured: the operations at {100 * OPERATIONS:.0f} % of the device's dense peak (bfloat16 for \
pictures, TF32 else) and then the bytes at {100 * TRAFFIC:.0f} % of its bandwidth, no operations \
fused; evaluation is not in them, nor is the time to launch operations, which binds batches as \
small as Tran et al.'s 24 poses. Hours here are those of a few samples on one thread of a CPU, \
times all samples. Prices are of {RENTED}, as assumed here. \
Memory is that of weights, gradients, two moments and activations. Rehearsals \
took their time beside other work."""


def path_of(results: Path, paper: str, size: str) -> Path:
    """Where the record of a rehearsal is."""
    return results / FOLDER / f"{paper}-{size}.json"


def load(results: Path) -> list[dict]:
    """The records of rehearsals, `trainings` as `Cost`s; papers by name, sizes from small to large.

    ValueError names a file that is no such record.
    """
    found = []
    for path in sorted((results / FOLDER).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            trainings = [Cost(**cost) for cost in record["trainings"]]
            place = record["paper"], ("smoke", *SIZES).index(record["size"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is no record of a rehearsal ({error}); delete it") from None
        found.append((place, record | {"trainings": trainings}))
    return [record for _, record in sorted(found, key=lambda each: each[0])]


def cost_page(records: Sequence[dict]) -> str:
    """The text of costs.md."""
    rows = []
    for record in records:
        costs = record["trainings"]
        row = [record["paper"], record["size"], str(len(costs))]
        row += [f"{max(cost.parameters for cost in costs) / 1e6:.3g}"]
        row += [f"{max(cost.memory for cost in costs) / 1e9:.2g}"]
        row += [f"{sum(cost.operations * cost.samples for cost in costs) / 1e15:,.0f}"]
        for device in DEVICES.values():
            hours = sum(cost.hours(device) for cost in costs)
            row.append(f"{_plain(hours)} ({hours * device.dollars:.2f} $)")
        row.append(_plain(sum(cost.hours_here for cost in costs)))
        rows.append([*row, f"{record['seconds'] / 60:.1f} min, {record['gigabytes']:.1f} GB"])
    head = ["Paper", "Size", ">Trainings", ">Parameters, millions, up to", ">Memory, GB, up to"]
    head += [">PFLOP", *(f">Hours, {name}" for name in DEVICES), ">Hours here", ">Rehearsal took"]
    parts = ["# What the sizes cost", TEXT, table(pd.DataFrame(rows, columns=head, dtype=object))]
    for record in records:
        about = f"Here is {record['device']}, torch {record['versions']['torch']}"
        parts += [f"## {record['paper']}, {record['size']}", f"{about}{_real(record['data'])}."]
        parts.append(table(trainings(record["trainings"])))
    return "\n\n".join(parts) + "\n"


def _plain(hours: float) -> str:
    """Two digits, or as many as an integer has."""
    return f"{hours:.2g}" if hours < 100 else f"{hours:,.0f}"


def _real(data: Sequence[str]) -> str:
    return f"; data sets: {', '.join(data)}" if data else ""


def trainings(costs: Sequence[Cost]) -> pd.DataFrame:
    """A training a row: what a sample and the whole take; the last row has the sums of hours."""
    head = ["Training", ">Parameters", ">GFLOP a sample", ">Thousand samples", ">Batch"]
    head += [">Memory, GB", *(f">Hours, {name}" for name in DEVICES), ">Hours here"]
    hours = [[*(c.hours(device) for device in DEVICES.values()), c.hours_here] for c in costs]
    rows = [
        [
            cost.subject,
            f"{cost.parameters:,}",
            f"{cost.operations / 1e9:.3g}",
            f"{cost.samples / 1000:,.0f}",
            str(cost.batch),
            f"{cost.memory / 1e9:.2g}",
            *map(_plain, each),
        ]
        for cost, each in zip(costs, hours, strict=True)
    ]
    sums = [_plain(sum(column)) for column in zip(*hours, strict=True)]
    rows.append([f"all {len(costs)}, one seed", *[""] * (len(head) - 1 - len(sums)), *sums])
    return pd.DataFrame(rows, columns=head, dtype=object)

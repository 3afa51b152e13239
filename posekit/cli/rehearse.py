"""`posekit rehearse`: a size of every paper on a few samples, before hours are spent on it."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from tabulate import tabulate

from posekit.cli import reproduce
from posekit.training import rehearsal
from posekit.training.rehearsal import DEVICES, Cost

HEAD = ["training", "parameters", "GFLOP a sample", "samples, thousands", "batch", "memory, GB"]


def rehearse(papers: Sequence[str], parameters: dict) -> Iterator[str]:
    """Run the notebooks of papers; yields a table of costs for each.

    Every training of the size goes through data, loss, backward pass, optimiser, checkpoint,
    evaluation, figures and records, which are deleted again. RuntimeError names the cell that fails.
    """
    notebooks = {paper: reproduce.notebooks()[paper] for paper in papers}
    for paper, given in reproduce.shares(notebooks, parameters).items():
        with tempfile.TemporaryDirectory(prefix="posekit-") as name:
            folder = Path(name)
            here = {rehearsal.ON: name, "POSEKIT_CACHE": str(folder / "cache")}
            with patch.dict(os.environ, here):
                reproduce.reproduce(paper, given | {"out": str(folder / "out")}, folder / "out")
            yield table(paper, parameters["size"], list(rehearsal.costs(folder)))


def table(paper: str, size: str, costs: Sequence[Cost]) -> str:
    """What the trainings of a paper take, one seed of each, in lines of text."""
    head = [*HEAD, *(f"hours, {name}" for name in DEVICES), "hours here"]
    hours = [[*(c.hours(device) for device in DEVICES.values()), c.hours_here] for c in costs]
    rows = [
        [
            cost.subject,
            f"{cost.parameters:,}",
            f"{cost.operations / 1e9:.3g}",
            f"{cost.samples / 1000:,.0f}",
            cost.batch,
            f"{cost.memory / 1e9:.2g}",
            *(f"{hour:.2g}" for hour in each),
        ]
        for cost, each in zip(costs, hours, strict=True)
    ]
    sums = [f"{sum(column):.2g}" for column in zip(*hours, strict=True)]
    rows.append([f"all {len(costs)}, one seed", *[""] * (len(HEAD) - 1), *sums])
    text = tabulate(
        rows, head, disable_numparse=True, colalign=["left", *["right"] * (len(head) - 1)]
    )
    prices = ", ".join(
        f"{sum(cost.hours(device) for cost in costs) * device.dollars:.2f} $ on an {name}"
        for name, device in DEVICES.items()
    )
    tight = [
        f"does not fit: {cost.subject} needs {cost.memory / 1e9:.0f} GB, {name} has "
        f"{device.memory / 1e9:.0f}; take a smaller batch"
        for cost in costs
        for name, device in DEVICES.items()
        if cost.memory > device.memory
    ]
    return "\n".join([f"\n{paper}, size {size}: it runs; {prices}", text, *tight])

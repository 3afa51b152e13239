"""`posekit rehearse`: a size of every paper on a few samples, before hours are spent on it."""

import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

from tabulate import tabulate

from posekit.cli import reproduce
from posekit.data import split
from posekit.data.check import CHECKS
from posekit.models.costs import DEVICES, Cost
from posekit.report import costs as report
from posekit.system import pick_device, write_text
from posekit.training import rehearsal
from posekit.training.runs import provenance


def rehearse(papers: Sequence[str], parameters: dict, out: Path | None = None) -> Iterator[str]:
    """Run the notebooks of papers; yields a table of costs for each.

    Every training of the size goes through data, loss, backward pass, optimiser, checkpoint,
    evaluation, figures and records, which are deleted again. With `out`, a folder of results, the
    costs are kept there (`report.costs`). RuntimeError names the cell that fails.
    """
    notebooks = {paper: reproduce.notebooks()[paper] for paper in papers}
    for paper, given in reproduce.shares(notebooks, parameters).items():
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="posekit-") as name:
            folder = Path(name)
            here = {rehearsal.ON: name, "POSEKIT_CACHE": str(folder / "cache")}
            with patch.dict(os.environ, here):
                reproduce.reproduce(paper, given | {"out": str(folder / "out")}, folder / "out")
            costs = list(rehearsal.costs(folder))
        about = {"paper": paper, "size": parameters["size"]}
        about["data"] = [*split(given.get("data", ""), CHECKS)]
        about["seconds"] = round(time.perf_counter() - begun, 1)
        # of the largest kernel until now, in kB
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        about["gigabytes"] = round(peak * 1024 / 1e9, 2)
        if out:
            record = about | provenance(str(pick_device()))
            record["trainings"] = [asdict(cost) for cost in costs]
            place = report.path_of(out, paper, parameters["size"])
            place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, json.dumps(record, indent=1) + "\n")
        took = f"in {about['seconds'] / 60:.1f} minutes and {about['gigabytes']:.1f} GB"
        yield f"\n{paper}, size {parameters['size']}: it runs, {took}\n{table(costs)}"


def table(costs: Sequence[Cost]) -> str:
    """What the trainings of a paper take, one seed of each, in lines of text."""
    rows = report.trainings(costs)
    head = [name.removeprefix(">") for name in rows]
    align = ["left", *["right"] * (len(head) - 1)]
    text = tabulate(rows.to_numpy().tolist(), head, disable_numparse=True, colalign=align)
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
    return "\n".join([text, f"about {prices}", *tight])

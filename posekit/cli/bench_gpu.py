"""`posekit bench --gpu`: what a GPU does, beside its CPU twins and its own bounds, in 15 minutes.

Soft-argmax and the renderer must equal what the CPU computes and keep to their bounds; the training
loop is measured beside its forward and backward passes alone; in the time that is left Kim's
trainings of size `large` go as far as they come. All of it is written to one file, with provenance.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn

from posekit.cli import bench_soft_argmax
from posekit.data import albums
from posekit.data.batch import Batch
from posekit.geometry import body, render
from posekit.geometry.skeleton import MPII16
from posekit.models.hourglass import StackedHourglass
from posekit.models.profile import median_seconds
from posekit.models.soft_argmax import soft_argmax
from posekit.studio.wild import Wild
from posekit.system import write_text
from posekit.training import heatmaps
from posekit.training.augment import Augmented
from posekit.training.loop import Recipe, train
from posekit.training.losses import heatmap_loss
from posekit.training.runs import provenance

COPY, PLAIN = 0.6, 3.0  # soft-argmax: share of the copy bandwidth, and speed beside its definition
GRACE = 20  # seconds that trainings have to stop in, once their time is up
SMALL = {
    "batches": (1,),
    "joints": 1,
    "pictures": 2,
    "size": 64,
    "channels": 16,
    "batch": 4,
    "steps": 4,
}
FULL = {"batches": (16, 64), "joints": 18, "pictures": 256, "size": 256, "channels": 256}
FULL |= {"batch": 16, "steps": 100}


def main(out: Path, minutes: float, *, device: str = "cuda", small: bool = False) -> None:
    """Measure everything in so many minutes, print it, and write it to the file `out`.

    `small` takes small inputs, to try this out on a CPU. RuntimeError where a GPU's numbers are not
    those of the CPU; the file is written first.
    """
    end = time.monotonic() + 60 * minutes
    if device == "cuda" and not torch.cuda.is_available():
        print("torch sees no GPU here: nothing is measured")
        return
    how = SMALL if small else FULL
    found = provenance(device)
    parts = {
        "soft-argmax": partial(volumes, how["batches"], how["joints"], device),
        "renderer": partial(raster, how["pictures"], how["size"], device),
        "loop": partial(loop, how, device),
    }
    for name, part in parts.items():
        found[name] = []
        for row in part():
            found[name].append(row)
            print(f"{name}: {', '.join(f'{key} {_short(value)}' for key, value in row.items())}")
            write_text(out, json.dumps(found, indent=1) + "\n")
    if left := max(0.0, end - time.monotonic() - 30):
        found["kim"] = kim("smoke" if small else "large", left, device)
        print(f"kim: {len(found['kim'])} trainings in {left / 60:.1f} minutes")
        write_text(out, json.dumps(found, indent=1) + "\n")
    print(f"all of it: {out}")
    wrong = [row for name in parts for row in found[name] if row.get("equal") is False]
    if wrong:
        raise RuntimeError(f"{device} computes other numbers than the CPU: {wrong}")


def _short(value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _rate(count: int, way: Callable[[], object], device: str, rounds: int = 5) -> float:
    """How many of `count` things a call makes in a second."""

    def waited() -> None:
        way()
        if device == "cuda":
            torch.cuda.synchronize()

    return count / median_seconds({"": waited}, rounds)[""]


def volumes(batches: tuple[int, ...], joints: int, device: str) -> Iterator[dict]:
    """Soft-argmax: places and gradients beside the CPU's, then its speed beside the bounds."""
    for kind, near in ((torch.float32, 1e-4), (torch.bfloat16, 1e-2)):
        logits = bench_soft_argmax.volumes(2, joints, "channels_last", kind).detach()
        places, gradients = [], []
        for where in ("cpu", device):
            leaf = logits.to(where, copy=True).requires_grad_()
            places.append(soft_argmax(leaf))
            places[-1].square().sum().backward()
            gradients.append(leaf.grad.cpu().float())
        apart = (places[0] - places[1].cpu()).abs().max().item()
        slopes = (gradients[0] - gradients[1]).abs().max() / gradients[0].abs().max()
        yield {
            "kind": str(kind),
            "places apart, voxels": apart,
            "gradients apart, of the largest": slopes.item(),
            "equal": apart < 1e-3 and slopes.item() < near,
        }
    for row in bench_soft_argmax.on_gpu(batches, joints, device):
        if row["way"] != "plain":
            row["within"] = row["copy"] >= COPY and row["speed"] >= PLAIN
        yield row


def raster(pictures: int, size: int, device: str) -> Iterator[dict]:
    """The z-buffer of standing people: bit for bit the CPU's, and pictures a second."""
    model = body.free()
    points, faces = standing(model, size, pictures, "cpu")
    cpu = render.rasterise(points[:2], faces, size, size).keys
    points, faces = points.to(device), faces.to(device)
    draw = partial(render.rasterise, points, faces, size, size)
    equal = torch.equal(cpu, draw().keys[:2].cpu())
    yield {"faces": len(faces), "side": size, "pictures/s": _rate(pictures, draw, device)} | {
        "equal": equal
    }


def standing(
    model: body.Body, size: int, count: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Projected vertices (count, V, 3) in the T pose, nine tenths of the picture high, and faces."""
    turns = torch.eye(3).repeat(count, 24, 1, 1)
    turns[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # upright in camera axes
    place = torch.tensor([[0.0, 0.0, 2700.0]]).repeat(count, 1)
    posed = model(turns, torch.zeros(count, model.shapes), place)
    K = torch.tensor([[1.35 * size, 0, size / 2], [0, 1.35 * size, size / 2], [0, 0, 1]])
    points = render.project(posed.vertices, K.repeat(count, 1, 1))
    return points.to(device), model.faces.to(device)


def loop(how: dict, device: str) -> Iterator[dict]:
    """Kim's network in the training loop, augmentation and all, beside its passes alone.

    `how` has the pictures' size, the network's channels, the batch, and steps of the loop.
    """
    side, batch = how["size"], how["batch"]
    pictures = Wild("train", 4 * batch, size=side, skeleton=MPII16, people=1)
    album = albums.read(pictures, "people", workers=0)
    count = max(1, how["steps"] // (len(album) // batch))
    network = StackedHourglass(stem="reduced", channels=how["channels"], modules=2)
    network = network.to(device, memory_format=torch.channels_last)
    data = Augmented(album, "kim", heatmaps.targets, seed=0, device=device)
    recipe = Recipe(epochs=1, batch=batch, rate=1e-4, optimiser="rmsprop")
    go = partial(train, network, data, loss=heatmap_loss, seed=0, device=device)
    go(recipe)  # what the first steps cost
    history = go(Recipe(epochs=count, batch=batch, rate=1e-4, optimiser="rmsprop"))
    alone = _passes(network, data, album.batch[:batch], device, max(3, how["steps"] // 5))
    rate = history.samples / history.seconds
    yield {
        "network": "reduced",
        "side": side,
        "batch": batch,
        "pictures/s": rate,
        "forward and backward alone, pictures/s": alone,
        "share": rate / alone,
        "waited for data": history.waited / history.seconds,
    }


def _passes(network: nn.Module, data, batch: Batch, device: str, steps: int) -> float:
    """Pictures a second of forward and backward passes of one and the same batch."""
    inputs, targets = data.samples(torch.arange(len(batch)), 0)
    inputs, targets = inputs.to(device), targets.to(device)
    network.train()

    def passes() -> None:
        for _ in range(steps):
            network.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, device == "cuda"):
                value = heatmap_loss(network(inputs), targets)
            value.backward()

    return _rate(steps * len(batch), passes, device, rounds=3)


def kim(size: str, seconds: float, device: str) -> list[dict]:
    """The trainings of Kim's notebook that are finished after so many seconds."""
    with tempfile.TemporaryDirectory(prefix="posekit-") as name:
        words = ["reproduce", "kim", "--size", size, "--seeds", "1"]
        words += ["--out", f"{name}/out", "--device", device, "--hours", f"{seconds / 3600:.6f}"]
        start = [sys.executable, "-c", "from posekit.cli import main; main()"]
        here = os.environ | {"POSEKIT_CACHE": f"{name}/cache"}
        run = subprocess.Popen([*start, *words], env=here, stdout=subprocess.DEVNULL)
        try:
            run.wait(seconds + GRACE)
        except subprocess.TimeoutExpired:
            run.kill()
        return list(trainings(Path(name) / "out" / "runs"))


def trainings(runs: Path) -> Iterator[dict]:
    """What the records of trainings in a folder say of their speed and losses."""
    for path in sorted(runs.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["series"].get("loss"):
            names = ("job", "seconds", "samples_per_second", "peak_memory_mb")
            about = {key: record[key] for key in (*names, "waited_for_data") if key in record}
            yield about | {"losses": record["series"]["loss"]}

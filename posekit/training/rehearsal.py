"""Rehearsal: the experiments of a size at their real shapes, on a few samples, and what they cost.

With the environment variable POSEKIT_REHEARSAL naming a folder, data sets of pictures keep a few
pictures, every training takes a few steps, and its costs are written to the folder.
Networks, losses, augmentations, checkpoints, evaluation, figures and records are those of the size.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from posekit.data.poses import PoseSet
from posekit.models.profile import activation_bytes, parameters
from posekit.training.loop import History, Recipe

ON = "POSEKIT_REHEARSAL"
PICTURES, POSES = 8, 5000  # of a data set, spread over it
EPOCHS = 5  # of a training at most, of one step each: Kim et al. compare after the fifth
NUMBERS = 400_000  # in a batch of inputs at most, but two samples at least
COSTS = "costs.jsonl"
SHARE = 0.3  # of a device's peak that a training is taken to reach
PEAKS = {"H200": (989e12, 141e9), "RTX 4090": (165e12, 24e9)}
"""Dense bfloat16 operations a second and bytes of memory, by NVIDIA's data sheets."""


def rehearsing() -> bool:
    """Whether this process rehearses."""
    return bool(os.environ.get(ON))


def kept(count: int, few: int = PICTURES) -> list[int]:
    """The samples of `count` that a data set keeps: all, or a few spread over it."""
    if not rehearsing() or count <= few:
        return list(range(count))
    return [int(i) for i in torch.linspace(0, count - 1, few, dtype=torch.float64)]


def thinned(poses: PoseSet) -> PoseSet:
    """A data set of poses, while rehearsing a few of them."""
    mask = np.zeros(len(poses), bool)
    mask[kept(len(poses), POSES)] = True
    return replace(poses.where(mask), share=mask.mean()) if rehearsing() else poses


def shortened(setting: Mapping) -> dict:
    """A size's settings, with one round of timings while rehearsing."""
    return dict(setting) | ({"rounds": 1} if rehearsing() and "rounds" in setting else {})


@dataclass(frozen=True)
class Cost:
    """What a training takes."""

    subject: str
    parameters: int
    operations: float  # floating-point, of a sample's forward and backward pass
    activations: float  # bytes that a sample's backward pass keeps, in float32
    samples: int  # of all epochs
    batch: int
    seconds: float  # of a sample, here

    @property
    def memory(self) -> float:
        """Bytes of a training step: weights, gradients, two moments, and a batch's activations."""
        return 16 * self.parameters + self.batch * self.activations

    def hours(self, peak: float) -> float:
        """Hours on a device of so many operations a second, at SHARE of them."""
        return self.samples * self.operations / (SHARE * peak) / 3600

    @property
    def hours_here(self) -> float:
        """Hours on this machine's device."""
        return self.samples * self.seconds / 3600


class _Few:
    """The first samples of a data set."""

    def __init__(self, data, count: int):
        self.data, self.count = data, min(count, len(data))

    def __len__(self) -> int:
        return self.count

    def samples(self, indices: Tensor, epoch: int) -> tuple:
        own = getattr(self.data, "samples", lambda indices, _: self.data[indices])
        return own(indices, epoch)


def rehearsed(
    train: Callable[..., History],
    network: nn.Module,
    data,
    recipe: Mapping,
    *,
    subject: str,
    whole: int,
    **how,
) -> History:
    """One step for each of the first EPOCHS of a recipe, with a batch that NUMBERS may make smaller.

    The costs are added to the folder's file.

    `whole` is the number of samples of the data set before it was cut.
    """
    batch, epochs = recipe["batch"], recipe["epochs"]
    [one], _ = _Few(data, 1).samples(torch.arange(1), 0)
    together = max(2, min(batch, NUMBERS // one.numel()))
    few = _Few(data, together)
    short = dict(recipe) | {"batch": together, "epochs": min(epochs, EPOCHS)}
    begun = time.perf_counter()
    with FlopCounterMode(display=False) as counter:
        history = train(network, few, Recipe(**short), **how)
    seconds = (time.perf_counter() - begun) / max(history.samples, 1)
    inputs, _ = few.samples(torch.arange(min(together, len(few))), 0)
    kept_bytes = activation_bytes(network.train(), inputs.to(next(network.parameters()).device))
    network.eval()
    cost = Cost(
        subject=subject,
        parameters=parameters(network),
        operations=counter.get_total_flops() / max(history.samples, 1),
        activations=kept_bytes / len(inputs),
        samples=whole * epochs,
        batch=batch,
        seconds=seconds,
    )
    with (Path(os.environ[ON]) / COSTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(cost)) + "\n")
    return history


def costs(folder: Path) -> Iterator[Cost]:
    """The costs that trainings wrote to a folder, in the order of the trainings."""
    path = folder / COSTS
    names = [entry.name for entry in fields(Cost)]
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        row = json.loads(line)
        yield Cost(*(row[name] for name in names))

"""Rehearsal: the experiments of a size at their real shapes, on a few samples, and what they cost.

With the environment variable POSEKIT_REHEARSAL naming a folder, data sets keep a few samples, every
training takes a few steps, and its costs are written to the folder. Networks, losses,
augmentations, checkpoints, evaluation, figures and records are those of the size.

What a step costs is counted at the real batch on torch's device "meta", whose tensors have shapes
and no storage. It stands for a GPU: a tensor that was left on the CPU is an error there, and so is
an operation for which a GPU would wait for the host.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from posekit.data.people import People
from posekit.data.poses import PoseSet
from posekit.models.costs import Cost
from posekit.models.profile import parameters, saved_storages
from posekit.training.loop import BY_DEVICE, History, Recipe
from posekit.training.processes import moved

ON = "POSEKIT_REHEARSAL"
PICTURES, POSES = 6, 5000  # of a data set, spread over it
EPOCHS = 2  # of a training, of one step each
NUMBERS = 400_000  # in a batch of inputs at most, but two samples at least
COSTS = "costs.jsonl"


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


def few(people: People) -> People:
    """Labelled people, while rehearsing a few of them."""
    return people[kept(len(people))] if rehearsing() else people


def rounds(count: int) -> int:
    """How often a latency is measured: `count` times, once while rehearsing."""
    return 1 if rehearsing() else count


def shortened(setting: Mapping) -> dict:
    """A size's settings, with one round of timings while rehearsing."""
    return {key: rounds(value) if key == "rounds" else value for key, value in setting.items()}


@dataclass(frozen=True)
class Step:
    """A training step at the real batch, counted without storage."""

    operations: int  # floating-point, of convolutions and matrix products, forward and backward
    traffic: int  # bytes that its operations read and write, none of them fused
    activations: int  # bytes that the backward pass keeps, the loss's included


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
    loss: Callable,
    **how,
) -> History:
    """A step without storage at the real batch, then a real one for each of EPOCHS.

    The real ones have a batch that NUMBERS may make smaller. The costs are added to the folder's
    file. `whole` is the number of samples of an epoch before the data set was cut. Errors as
    `storageless`.
    """
    batch = recipe["batch"]
    [one], _ = _Few(data, 1).samples(torch.arange(1), 0)
    few = _Few(data, max(2, min(batch, NUMBERS // one.numel())))
    inputs, targets = few.samples(torch.arange(min(few.count, batch)), 0)
    again = torch.arange(batch) % len(inputs)
    if hasattr(data, "on"):  # it augments on the device that trains
        with _Watch(sends=True):
            data.on("meta").samples(torch.arange(few.count), 0)
    step = storageless(network, inputs[again], targets[again], loss)
    epochs = min(recipe["epochs"], EPOCHS)
    short = dict(recipe) | {"batch": len(inputs), "epochs": epochs}
    short["average"] = min(recipe.get("average", 0), epochs)
    # Time of the CPU: other work on this machine does not count.
    clock = time.process_time if inputs.device.type == "cpu" else time.perf_counter
    begun = clock()
    history = train(network, few, Recipe(**short), loss=loss, **how)
    seconds = clock() - begun
    cost = Cost(
        subject=subject,
        parameters=parameters(network),
        operations=step.operations / batch,
        traffic=step.traffic / batch,
        activations=step.activations / batch,
        samples=whole * recipe["epochs"],
        batch=batch,
        precision=_on_a_gpu(Recipe(**recipe).precision, inputs),
        seconds=seconds / max(history.samples, 1),
    )
    with (Path(os.environ[ON]) / COSTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(cost)) + "\n")
    return history


def _on_a_gpu(precision: str, inputs: Tensor) -> str:
    """In what a GPU computes a recipe's forward passes, as `loop.train` chooses."""
    if precision not in BY_DEVICE:
        return precision
    return "bfloat16" if inputs.dim() == 4 else "float32"


def storageless(network: nn.Module, inputs: Tensor, targets, loss: Callable) -> Step:
    """What a step of training costs, found on the device "meta"; the network stays as it is.

    RuntimeError for an operation that needs a value of a tensor, gets a tensor that was left on the
    CPU, or sends one from there.
    """
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    state = {
        name: torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
        for name, tensor in own.items()
    }
    inputs, targets, loss = inputs.to("meta"), targets.to("meta"), moved(loss, "meta")
    training = network.training
    network.train()
    flops = FlopCounterMode(display=False)
    float32 = patch.object(torch, "autocast", lambda *_, **__: nullcontext())  # unknown on "meta"
    with float32, _Watch() as watch, flops, saved_storages(state.values()) as saved:
        value = loss(functional_call(network, state, inputs), targets)
        kept = sum(storage.nbytes() for storage in saved.values())
        value.backward()
    network.train(training)
    return Step(flops.get_total_flops(), watch.traffic, kept)


class _Watch(TorchDispatchMode):
    """Adds up what operations on the device "meta" read and write, and refuses the wrong ones.

    With `sends`, tensors may come from the CPU, as the pictures of a batch do.
    """

    aten = torch.ops.aten
    READS = aten._local_scalar_dense, aten.nonzero, aten.equal, aten.masked_select, aten._unique2
    MASKED = aten.index, aten.index_put, aten.index_put_  # by a mask they need its values

    def __init__(self, *, sends: bool = False):
        super().__init__()
        self.traffic, self.sends = 0, sends

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given, packet = list(_tensors((args, kwargs or {}))), function.overloadpacket
        there = any(each.is_meta for each in given)
        masked = packet in self.MASKED and any(each.dtype == torch.bool for each in given[1:])
        if there and (packet in self.READS or masked):
            raise RuntimeError(f"{function} needs a value: here a GPU would wait for the host")
        left = [each for each in given if there and not each.is_meta and each.dim()]
        if left:
            raise RuntimeError(f"{function} gets a tensor of {tuple(left[0].shape)} on the CPU")
        made = function(*args, **(kwargs or {}))
        outputs = list(_tensors(made))
        sent = given and not there and any(each.is_meta for each in outputs)
        if sent and not self.sends:
            raise RuntimeError(
                f"{function} sends a tensor of {tuple(given[0].shape)} from the CPU: here a GPU "
                "would wait for the host"
            )
        if there and not function.is_view:
            moved = given + outputs
            self.traffic += sum(min(t.nbytes, t.untyped_storage().nbytes()) for t in moved)
        return made


def _tensors(value) -> Iterator[Tensor]:
    """The tensors among the arguments or outputs of an operation."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | tuple | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(each)


def costs(folder: Path) -> Iterator[Cost]:
    """The costs that trainings wrote to a folder, in the order of the trainings."""
    path = folder / COSTS
    names = [entry.name for entry in fields(Cost)]
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        row = json.loads(line)
        yield Cost(*(row[name] for name in names))

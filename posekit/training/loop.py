"""One training loop for all networks: resumable, with the same numbers after a kill as without one.

N samples, B of them in a batch. A data set has a length N and gives a batch of B indices as a pair
of inputs and targets: by `data[indices]`, as torch's TensorDataset does, or by
`data.samples(indices, epoch)` where augmentation changes the samples from epoch to epoch.
"""

import io
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR
from torch.optim.swa_utils import get_swa_multi_avg_fn

from posekit.system import OutOfTime, progress, read_sealed, time_is_up, write_sealed
from posekit.training.processes import add_up, member, processes, share, train_together

# With their defaults: beta 0.9 and 0.999 (Kingma and Ba), RMSprop's alpha 0.99 and epsilon 1e-8.
# `fused` ones update all weights in one pass.
OPTIMISERS = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
}
SCHEDULES = ("drops", "one-cycle")
BY_DEVICE = ("auto", "amx")  # precisions that depend on the device
PRECISIONS = (*BY_DEVICE, "float32", "bfloat16")
AHEAD = 2  # batches that are prepared while the device computes


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. ValueError for a word or a number that is not possible."""

    epochs: int
    batch: int
    rate: float = 1e-3
    drops: Sequence[int] = ()  # epochs after which the rate is multiplied by `factor`
    factor: float = 0.1
    # Of the forward pass. "auto": bfloat16 for pictures on a GPU that has it, else float32. "amx": for
    # pictures on a CPU with AMX, too: 0.6 to 0.75 of the time for ResNets and hourglasses, but 1.1 to
    # 1.4 for MobileNets.
    precision: str = "auto"
    optimiser: str = "adam"  # of OPTIMISERS
    schedule: str = "drops"  # or "one-cycle": each step's rate, up to `rate` and down to near 0
    average: int = 0  # number of final epochs over whose steps the weights are averaged
    clip: float = 0.0  # the largest norm of the gradient; 0: any
    accumulate: int = 1  # parts that a batch is computed in, where the whole needs too much memory
    # By torch.compile: minutes at the start. On a core of a CPU a step of a small hourglass then takes
    # 0.84 of the time, so it pays for itself after hours.
    compiled: bool = False

    def __post_init__(self):
        words = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "precision": PRECISIONS}
        for name, known in words.items():
            if (word := getattr(self, name)) not in known:
                raise ValueError(f"no {name} {word!r}; there are {', '.join(known)}")
        object.__setattr__(self, "drops", tuple(self.drops))  # JSON has lists only
        if self.drops and self.schedule != "drops":
            raise ValueError(f"schedule {self.schedule!r} has no drops, and here are {self.drops}")
        if self.accumulate < 1 or not 0 <= self.average <= self.epochs or self.clip < 0:
            raise ValueError(f"{self}: accumulate from 1 on, average 0 to epochs, clip from 0 on")


@dataclass
class History:
    """The losses of a training and what it cost."""

    losses: list[float] = field(default_factory=list)  # mean over the samples of each epoch
    watched: list[float] = field(default_factory=list)  # the value of `watch` after each epoch
    seconds: float = 0.0  # of training, all starts together
    waited: float = 0.0  # the part of `seconds` spent waiting for the next batch
    carried: float = 0.0  # the part of `seconds` that earlier, interrupted starts spent
    samples: int = 0


def train(
    network: nn.Module,
    data,
    recipe: Recipe,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    seed: int,
    watch: Callable[[nn.Module], float] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    device: str | torch.device = "cpu",
    label: str = "training",
) -> History:
    """Train `network` in place and return its losses.

    `watch` measures the network after every epoch, in evaluation mode: its loss on other data.
    With a `checkpoint` path the state is saved there every `checkpoint_seconds`, and a second call
    goes on from it: weights, optimiser, schedule, random states and the position in the data. A
    checkpoint that is damaged is named, and the training starts again. Raises ValueError when the
    loss is no longer finite or the checkpoint is of another training, and OutOfTime after a
    checkpoint when the time is up (`system.time_is_up`).

    The device never has to answer within an epoch: its work is queued ahead. With
    `recipe.accumulate` the loss is taken for a mean over the samples, and batch normalisation
    sees each part by itself. With POSEKIT_PROCESSES several processes train together
    (`training.processes`); a checkpoint is of any number of them.
    """
    rank, members = member()
    if members == 1 and (count := processes()) > 1:
        how = {"loss": loss, "seed": seed, "watch": watch, "label": label, "checkpoint": checkpoint}
        how |= {"checkpoint_seconds": checkpoint_seconds, "device": device, "count": count}
        return train_together(train, network, data, recipe, **how)
    device = torch.device(device)
    if device.type == "cuda":  # what is not in bfloat16 may round factors to TF32's ten bits
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    network.to(device).train()
    steps = len(_batches(len(data), recipe.batch, seed, 0))
    optimiser = OPTIMISERS[recipe.optimiser](network.parameters(), lr=recipe.rate)
    schedule = _schedule(recipe, optimiser, steps)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    mean = parts["mean"] = _Mean(network)
    # Of dropout; the order of the data has its own generator.
    torch.manual_seed(seed + rank * 1_000_033)
    history, first_epoch, first_step = History(), 0, 0
    total = torch.zeros((), dtype=torch.float64, device=device)  # of an epoch's losses
    if checkpoint is not None and (state := _load(checkpoint, recipe, seed, len(data))):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        if rank == 0:
            _set_random_states(state["random"], device)
        history = History(**state["history"])
        history.carried = history.seconds
        first_epoch, first_step = state["epoch"], state["step"]
        total.fill_(state["total"])
    start, saved = time.perf_counter() - history.seconds, time.perf_counter()

    def save(epoch: int, step: int) -> None:
        nonlocal saved
        history.seconds = time.perf_counter() - start
        state = {"recipe": repr(recipe), "seed": seed, "epoch": epoch, "step": step}
        state |= {"total": total.item(), "history": asdict(history)}
        state["random"] = _random_states(device)
        state |= {name: part.state_dict() for name, part in parts.items()}
        content = io.BytesIO()
        torch.save(state, content)
        write_sealed(checkpoint, content.getvalue())
        saved = time.perf_counter()
        if time_is_up() and epoch < recipe.epochs:
            raise OutOfTime(f"{label}: epoch {epoch + 1} of {recipe.epochs}, step {step}")

    def due() -> bool:
        late = time.perf_counter() - saved >= checkpoint_seconds or time_is_up()
        return checkpoint is not None and late and rank == 0

    forward = torch.compile(network) if recipe.compiled else network
    for epoch in progress(range(first_epoch, recipe.epochs), label, recipe.epochs, first_epoch):
        batches = _batches(len(data), recipe.batch, seed, epoch)
        split = [
            [share(part, rank, members) for part in batch.chunk(recipe.accumulate)]
            for batch in batches
        ]
        asked = [part for batch in split[first_step:] for part, _ in batch]
        fed = _feed(data, asked, epoch, device)
        for step in range(first_step, steps):
            optimiser.zero_grad(set_to_none=True)
            fresh = total if members == 1 else torch.zeros_like(total)
            for _, counted in split[step]:
                begun = time.perf_counter()
                inputs, targets = next(fed)
                history.waited += time.perf_counter() - begun
                with torch.autocast(device.type, torch.bfloat16, _low(recipe, device, inputs)):
                    value = loss(forward(inputs), targets)
                (value * (counted / len(batches[step]))).backward()
                fresh.add_(value.detach(), alpha=counted)
            if members > 1:
                add_up(network, fresh)
                total.add_(fresh)
            if recipe.clip:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            optimiser.step()
            if recipe.schedule == "one-cycle":
                schedule.step()
            if epoch >= recipe.epochs - recipe.average:
                mean.add()
            history.samples += len(batches[step])
            if step + 1 < steps and due():
                save(epoch, step + 1)
        history.losses.append(total.item() / sum(map(len, batches)))
        if not math.isfinite(history.losses[-1]):
            raise ValueError(f"{label}: the loss is {history.losses[-1]} after epoch {epoch + 1}")
        if recipe.schedule == "drops":
            schedule.step()
        if epoch + 1 == recipe.epochs:
            mean.take()
        if watch is not None:
            network.eval()
            history.watched.append(watch(network))
            network.train()
        total.zero_()
        first_step = 0
        ended = checkpoint is not None and epoch + 1 == recipe.epochs
        if due() or (ended and rank == 0):
            save(epoch + 1, 0)
    history.seconds = time.perf_counter() - start
    network.eval()
    return history


def _schedule(recipe: Recipe, optimiser: torch.optim.Optimizer, steps: int):
    """The learning rate of every epoch, or with "one-cycle" of every step."""
    if recipe.schedule == "drops":
        return MultiStepLR(optimiser, recipe.drops, recipe.factor)
    total = max(2, recipe.epochs * steps)
    return OneCycleLR(optimiser, recipe.rate, total_steps=total, cycle_momentum=False)


def _low(recipe: Recipe, device: torch.device, inputs: Tensor) -> bool:
    """Whether a forward pass computes in bfloat16."""
    if recipe.precision not in BY_DEVICE:
        return recipe.precision == "bfloat16"
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = recipe.precision == "amx" and torch.cpu.get_capabilities().get("amx_bf16", False)
    return inputs.dim() == 4 and fast


class _Mean:
    """The mean of a network's weights and statistics over some steps (Izmailov et al., 2018)."""

    def __init__(self, network: nn.Module):
        self.network, self.count, self.values = network, 0, {}
        self.update = get_swa_multi_avg_fn()

    @torch.no_grad()
    def add(self) -> None:
        """Count the network as it is now."""
        now = {k: v for k, v in self.network.state_dict().items() if v.is_floating_point()}
        if not self.values:
            self.values = {name: value.clone() for name, value in now.items()}
        else:
            self.update(list(self.values.values()), list(now.values()), self.count)
        self.count += 1

    def take(self) -> None:
        """Give the network its mean, if anything was counted."""
        if self.values:
            self.network.load_state_dict(self.values, strict=False)

    def state_dict(self) -> dict:
        return {"count": self.count, "values": self.values}

    def load_state_dict(self, state: dict) -> None:
        now = self.network.state_dict()
        self.count = state["count"]
        self.values = {name: value.to(now[name].device) for name, value in state["values"].items()}


def _feed(
    data, parts: Sequence[Tensor], epoch: int, device: torch.device, ahead: int | None = None
) -> Iterator[tuple]:
    """Inputs and targets of every part on the device, prepared `ahead` of it by a thread.

    By default AHEAD for a GPU; on a CPU the thread would take the time of a core that trains.
    """
    if hasattr(data, "samples"):
        samples = partial(data.samples, epoch=epoch)
    else:  # the indices travel once an epoch
        sizes, samples = [len(part) for part in parts], data.__getitem__
        parts = torch.cat([*parts]).to(device).split(sizes) if parts else parts
    if ahead is None:
        ahead = 0 if device.type == "cpu" else AHEAD

    def prepared(part: Tensor) -> tuple:
        inputs, targets = samples(part)
        return _moved(inputs, device), _moved(targets, device)

    if not ahead:
        yield from map(prepared, parts)
        return
    with ThreadPoolExecutor(1) as pool:
        waiting = deque()
        for part in parts:
            waiting.append(pool.submit(prepared, part))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _moved(part, device: torch.device):
    """A tensor, or a batch of labels, on the device; nobody waits until it is there."""
    if not isinstance(part, Tensor):
        return part.to(device)
    if part.device.type == "cpu" != device.type:
        part = part.pin_memory()
    return part.to(device, non_blocking=True)


def _batches(count: int, batch: int, seed: int, epoch: int) -> list[Tensor]:
    """The indices of every batch of an epoch, a function of seed and epoch alone."""
    order = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    batches = list(torch.randperm(count, generator=order).split(batch))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches.pop()  # batch normalisation has no variance of one sample
    return batches


def _random_states(device: torch.device) -> dict[str, Tensor | None]:
    """Of the CPU and of the GPU that trains; of others not: where it goes on there may be fewer."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_states(states: dict, device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if states["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def _load(checkpoint: Path, recipe: Recipe, seed: int, count: int) -> dict | None:
    """The state in a checkpoint; None where there is none, or one that is damaged."""
    if not checkpoint.exists():
        return None
    try:
        content = io.BytesIO(read_sealed(checkpoint))
        state = torch.load(content, weights_only=True, map_location="cpu")
        known = (state["recipe"], state["seed"])
        if known == (repr(recipe), seed):
            _check(state, recipe, count)
    except Exception as error:  # noqa: BLE001 (torch raises many kinds)
        print(f"{checkpoint} is damaged ({error}); the training starts again", file=sys.stderr)
        return None
    if known != (repr(recipe), seed):
        raise ValueError(f"{checkpoint} is of another recipe or seed; delete it to start again")
    return state


def _check(state: dict, recipe: Recipe, count: int) -> None:
    """ValueError for a state that no training of this recipe on `count` samples can be in."""
    epoch, step = state["epoch"], state["step"]
    steps = -(-count // recipe.batch)
    if not (0 <= epoch <= recipe.epochs and 0 <= step <= steps):
        raise ValueError(f"epoch {epoch}, step {step} of {recipe.epochs} epochs of {steps} steps")
    if len(state["history"]["losses"]) != epoch or not math.isfinite(state["total"]):
        raise ValueError("its losses are not those of its epochs")

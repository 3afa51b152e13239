"""One training loop for all networks: resumable, with the same numbers after a kill as without one.

N samples, B of them in a batch. A data set has a length N and gives a batch of B indices as a pair
of inputs and targets: by `data[indices]`, as torch's TensorDataset does, or by
`data.samples(indices, epoch)` where augmentation changes the samples from epoch to epoch.
"""

import io
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from posekit.system import progress, read_sealed, write_sealed

# With their defaults: beta 0.9 and 0.999 (Kingma and Ba), RMSprop's alpha 0.99 and epsilon 1e-8.
OPTIMISERS = {
    "adam": torch.optim.Adam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    epochs: int
    batch: int
    rate: float = 1e-3
    drops: Sequence[int] = ()  # epochs after which the rate is multiplied by `factor`
    factor: float = 0.1
    precision: str = "float32"  # or "bfloat16": autocast of the forward pass
    optimiser: str = "adam"  # of OPTIMISERS

    def __post_init__(self):
        if self.optimiser not in OPTIMISERS:
            known = ", ".join(OPTIMISERS)
            raise ValueError(f"no optimiser {self.optimiser!r}; there are {known}")
        object.__setattr__(self, "drops", tuple(self.drops))  # JSON has lists only


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
    loss is no longer finite or the checkpoint is of another training.
    """
    device = torch.device(device)
    network.to(device).train()
    optimiser = OPTIMISERS[recipe.optimiser](network.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, recipe.drops, recipe.factor)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    torch.manual_seed(seed)  # dropout; the order of the data has its own generator
    history, first_epoch, first_step, total = History(), 0, 0, 0.0
    if checkpoint is not None and (state := _load(checkpoint, recipe, seed, len(data))):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        _set_random_states(state["random"])
        history = History(**state["history"])
        history.carried = history.seconds
        first_epoch, first_step, total = state["epoch"], state["step"], state["total"]
    start, saved = time.perf_counter() - history.seconds, time.perf_counter()

    def save(epoch: int, step: int) -> None:
        nonlocal saved
        history.seconds = time.perf_counter() - start
        state = {"recipe": repr(recipe), "seed": seed, "epoch": epoch, "step": step, "total": total}
        state |= {"history": asdict(history), "random": _random_states()}
        state |= {name: part.state_dict() for name, part in parts.items()}
        content = io.BytesIO()
        torch.save(state, content)
        write_sealed(checkpoint, content.getvalue())
        saved = time.perf_counter()

    def due() -> bool:
        return checkpoint is not None and time.perf_counter() - saved >= checkpoint_seconds

    samples = getattr(data, "samples", lambda indices, epoch: data[indices])
    for epoch in progress(range(first_epoch, recipe.epochs), label, recipe.epochs, first_epoch):
        batches = _batches(len(data), recipe.batch, seed, epoch)
        for step in range(first_step, len(batches)):
            asked = time.perf_counter()
            inputs, targets = (part.to(device) for part in samples(batches[step], epoch))
            history.waited += time.perf_counter() - asked
            with torch.autocast(device.type, torch.bfloat16, recipe.precision == "bfloat16"):
                value = loss(network(inputs), targets)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            total += value.item() * len(inputs)
            history.samples += len(inputs)
            if step + 1 < len(batches) and due():
                save(epoch, step + 1)
        history.losses.append(total / sum(map(len, batches)))
        if not torch.isfinite(torch.tensor(history.losses[-1])):
            raise ValueError(f"{label}: the loss is {history.losses[-1]} after epoch {epoch + 1}")
        schedule.step()
        if watch is not None:
            network.eval()
            history.watched.append(watch(network))
            network.train()
        total, first_step = 0.0, 0
        if due() or (checkpoint is not None and epoch + 1 == recipe.epochs):
            save(epoch + 1, 0)
    history.seconds = time.perf_counter() - start
    network.eval()
    return history


def _batches(count: int, batch: int, seed: int, epoch: int) -> list[Tensor]:
    """The indices of every batch of an epoch, a function of seed and epoch alone."""
    order = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    batches = list(torch.randperm(count, generator=order).split(batch))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches.pop()  # batch normalisation has no variance of one sample
    return batches


def _random_states() -> dict[str, Tensor | list[Tensor]]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_states(states: dict) -> None:
    torch.set_rng_state(states["cpu"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])


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

"""One experiment, whatever is predicted: a task, its config, training, weights, predictions.

A task says what differs between lifting, heatmaps, integral regression and body regression: which
networks there are, what they are trained on and how they are evaluated. A run trains one network
by a plain config (`Task.config`) with one seed, in a `Session`.

N samples, H x W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from posekit.data.batch import unit_range
from posekit.metrics.protocol import Protocol, Row, measure
from posekit.system import write_whole
from posekit.training.loop import History, Recipe, train
from posekit.training.rehearsal import rehearsed, rehearsing
from posekit.training.runs import WEIGHTS, Measured, Run, cache_folder

Networks = Mapping[str, Callable[..., nn.Module]]
RECIPE = ("epochs", "batch", "rate", "drops", "schedule", "average", "precision", "clip")
"""Settings that every training takes from the size, where it has them."""
OF_SIZE = ("picture", "augmented", "loss")
"""Options of tasks that are taken from the size, where it has them and the notebook has none."""
EVALUATED_TOGETHER = 64  # pictures


@dataclass(frozen=True)
class Task:
    """A kind of experiment: networks by name, training, evaluation."""

    networks: Networks
    options: ClassVar[Mapping] = {}  # further entries of a config, with their defaults

    def run(self, session: "Session", train, *tests) -> list[Row]:
        """Train by `session.config` and return what was measured on the test sets."""
        raise NotImplementedError

    def build(self, config: Mapping) -> nn.Module:
        """The network of a config with random weights."""
        return self.networks[config["network"]](**config["shape"])

    def loaded(self, config: Mapping, state: Mapping[str, Tensor], subject: str) -> nn.Module:
        """The network of a config, or of a later stage named `subject`, with trained weights."""
        network = self.build(config)
        network.load_state_dict(state)
        return network

    def restore(self, run: Run, subject: str = "") -> nn.Module:
        """The trained network of a finished run, on the CPU, in evaluation mode.

        Raises FileNotFoundError when the run's weights were deleted.
        """
        config = run.record["config"]
        return self.loaded(config, load_weights(run.folder, subject), subject).eval()

    def config(self, name: str, options: Mapping, setting: Mapping) -> dict:
        """The plain config of the configuration `name`, from its options and a size's setting.

        Options are `network` (by default the one of that name), `shape` (its arguments), `recipe`
        (what differs from the setting's RECIPE) and those of the task. Raises ValueError for an
        option or a network that there is not.
        """
        known = {"network", "shape", "recipe", *self.options}
        if unknown := sorted(set(options) - known):
            there = ", ".join(sorted(known))
            raise ValueError(f"{name}: no option {', '.join(unknown)}; there are {there}")
        network = options.get("network", name)
        if network not in self.networks:
            there = ", ".join(self.networks)
            raise ValueError(f"{name}: no network {network!r}; there are {there}")
        recipe = {key: setting[key] for key in RECIPE if key in setting}
        config = {"subject": name, "network": network, "shape": dict(options.get("shape", {}))}
        config |= {"recipe": recipe | options.get("recipe", {})}
        known = self.options | {key: setting[key] for key in OF_SIZE if key in setting}
        return config | {key: options.get(key, known[key]) for key in self.options}


@dataclass
class Session:
    """One run while it works: its config, its folder, and the losses of its trainings."""

    config: Mapping
    seed: int
    folder: Path
    share: float = 1.0  # of the training set's samples that it has, less than 1 in a rehearsal
    series: dict[str, list[float]] = field(default_factory=dict)
    histories: list[History] = field(default_factory=list)

    @property
    def device(self) -> str:
        return self.config["device"]

    def train(
        self,
        network: nn.Module,
        data,
        loss: Callable,
        *,
        name: str = "loss",
        recipe: Mapping | None = None,
        watch: Callable[[nn.Module], float] | None = None,
        checkpoint: str = "checkpoint",
    ) -> History:
        """Train a network in place; its losses are appended to the series `name`."""
        how = {"loss": loss, "seed": self.seed, "watch": watch, "device": self.device}
        how |= {"checkpoint": self.folder / f"{checkpoint}.pt"}
        how |= {"label": f"{self.config['subject']}, seed {self.seed}, {checkpoint}"}
        recipe = recipe or self.config["recipe"]
        if rehearsing():
            about = {"subject": self.config["subject"], "whole": round(len(data) / self.share)}
            history = rehearsed(train, network, data, recipe, **about, **how)
        else:
            history = train(network, data, Recipe(**recipe), **how)
        self.series.setdefault(name, []).extend(history.losses)
        self.histories.append(history)
        return history

    def save(self, network: nn.Module, subject: str = "") -> None:
        """Keep the weights of a network, for `Task.restore`."""
        state = {name: value.cpu() for name, value in network.state_dict().items()}
        write_whole(weights_path(self.folder, subject), lambda path: torch.save(state, path))

    def measure(self, known: Mapping[str, Protocol], data: str, *arguments) -> list[Row]:
        """The rows of the record by every protocol that the config names for a test set.

        `known` has the protocols by name, `arguments` are those of their `evaluate`.
        """
        protocols = [known[name] for name in self.config["protocols"][data]]
        return measure(self.config["subject"], protocols, data, *arguments)


def experiment(task: Task, config: dict, seed: int, folder: Path, data: Sequence) -> Measured:
    """The work of a run: a task on its data sets, the training set first."""
    session = Session(config, seed, folder, getattr(data[0], "share", 1.0) if data else 1.0)
    rows = task.run(session, *data)
    samples, carried, waited = (
        sum(getattr(history, name) for history in session.histories)
        for name in ("samples", "carried", "waited")
    )
    return Measured(rows, session.series, samples, carried, waited)


@torch.no_grad()
def predict(
    network: nn.Module,
    inputs: UInt8[Tensor, "N 3 H W"] | Float[Tensor, "N ..."],
    *,
    together: int = EVALUATED_TOGETHER,
):
    """A network's output for pictures (uint8) or other inputs, batch by batch, on the CPU.

    A tensor, or a named tuple of tensors where the network returns one.
    """
    network.eval()
    device = next(chain(network.parameters(), network.buffers())).device
    prepare = unit_range if inputs.dtype == torch.uint8 else lambda part: part
    parts = [network(prepare(part.to(device))) for part in inputs.split(together)]
    if isinstance(parts[0], Tensor):
        return torch.cat(parts).float().cpu()
    return type(parts[0])(*(torch.cat(each).float().cpu() for each in zip(*parts, strict=True)))


def best_median_worst(errors: Float[Tensor, " N"]) -> dict[str, int]:
    """The samples with the lowest, the median and the highest error."""
    order = errors.argsort().tolist()
    return {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}


def weights_path(folder: Path, subject: str = "") -> Path:
    """The file in a run's folder with the weights of its network, or of a later stage."""
    return folder / (f"{subject}.{WEIGHTS}" if subject else WEIGHTS)


def load_weights(run: Path | str, subject: str = "") -> dict[str, Tensor]:
    """The weights that a run saved, by its folder or its id."""
    folder = run if isinstance(run, Path) else cache_folder() / run
    path = weights_path(folder, subject)
    if not path.exists():
        raise FileNotFoundError(f"{path} is gone; delete {folder} and run the notebook again")
    return torch.load(path, weights_only=True, map_location="cpu")

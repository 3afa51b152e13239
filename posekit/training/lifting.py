"""Experiments on lifters: train on one data set, test on it and on others, by protocol cards.

N poses, J joints. `Study` is what a notebook asks; the config of the work functions below it is
{"network", "shape", "recipe", "device", "cards"}.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from posekit.data.poses import PoseSet
from posekit.metrics.protocol import measure
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.lifter import Lifter, MeanPose
from posekit.system import write_whole
from posekit.training import study
from posekit.training.loop import History, Recipe, train
from posekit.training.runs import Job, Measured, Run, cache_folder, run_all
from posekit.training.study import Networks, Runs

WEIGHTS = "lifter.pt"


class Study(study.Study):
    """The experiments of a notebook on lifters.

    `setting` has channels, dropout, epochs, batch and drops.
    """

    def train(self, learn: PoseSet, test: PoseSet, cards: Sequence[str]) -> Runs:
        """Every network taught by `learn` and judged on `test`."""
        config = {"cards": {test.name: list(cards)}}
        work = partial(experiment, self.networks)
        jobs = {
            (name, seed): self._lifter(work, name, name, seed, [learn, test], config)
            for seed in range(self.seeds)
            for name in self.networks
        }
        return run_all(jobs, workers=self.workers)

    def transfer(self, trained: Runs, learn: PoseSet, test: PoseSet, cards: Sequence[str]) -> Runs:
        """The networks of `train(learn, ...)` judged on another data set."""
        work = partial(transfer, self.networks)
        jobs = {}
        for (name, seed), run in trained.items():
            config = {"cards": {test.name: list(cards)}, "trained": run.record["id"]}
            title = f"{name} tested on {test.name}"
            jobs[name, seed] = self._lifter(work, title, name, seed, [learn, test], config)
        return run_all(jobs, workers=1)

    def leave_one_out(self, name: str, poses: PoseSet, updates: int, cards: Sequence[str]) -> Runs:
        """One network taught by `poses` itself, each performer judged by what the others taught.

        The schedule is stretched so that about `updates` poses are seen, as the others saw. The
        quantities are those of "NAME-on-DATA".
        """
        longer = max(1, round(updates / self.setting["epochs"] / len(poses)))
        recipe = self._recipe | {
            "epochs": longer * self.setting["epochs"],
            "drops": [longer * epoch for epoch in self.setting["drops"]],
        }
        subject = f"{name}-on-{poses.name}"
        config = {"cards": list(cards), "subject": subject, "recipe": recipe}
        work, title = partial(leave_one_out, self.networks), f"{name} taught by {poses.name}"
        jobs = {
            (subject, seed): self._lifter(work, title, name, seed, [poses], config)
            for seed in range(self.seeds)
        }
        return run_all(jobs, workers=self.workers)

    @property
    def _recipe(self) -> dict:
        return {name: self.setting[name] for name in ("epochs", "batch", "drops")}

    def _lifter(self, work, title: str, name: str, seed: int, data: Sequence, config: dict) -> Job:
        shape = {key: self.setting[key] for key in ("channels", "dropout")}
        learns = self.networks[name] is not MeanPose
        own = {"network": name, "shape": shape if learns else {}, "recipe": self._recipe}
        return self.job(work, title, seed, data, own | {"device": self.device} | config)


def experiment(
    networks: Networks, config: dict, seed: int, folder: Path, data: Sequence[PoseSet]
) -> Measured:
    """Train on the first data set, test on the others, keep the weights in `folder`."""
    learn, *tests = data
    lifter, history = _trained(networks, config, seed, folder, learn)
    write_whole(folder / WEIGHTS, lambda path: torch.save(lifter.cpu().state_dict(), path))
    rows = [row for test in tests for row in _tested(config, lifter, test, config["network"])]
    return _measured(rows, [history])


def transfer(
    networks: Networks, config: dict, seed: int, folder: Path, data: Sequence[PoseSet]
) -> Measured:
    """Test the lifter that run `config["trained"]` kept on the other data sets of `data`."""
    lifter = _restored(networks, config, cache_folder() / config["trained"])
    tests = data[1:]
    return Measured([row for t in tests for row in _tested(config, lifter, t, config["network"])])


def leave_one_out(
    networks: Networks, config: dict, seed: int, folder: Path, data: Sequence[PoseSet]
) -> Measured:
    """Test on each performer what the others taught; what a lifter of this very data can reach."""
    (poses,) = data
    performers = sorted(poses.frames["subject"].astype(str).unique())
    pred, histories = torch.zeros_like(poses.pose3d), []
    for performer in performers:
        own = (poses.frames["subject"] == performer).to_numpy(copy=True)
        place = folder / performer
        place.mkdir(exist_ok=True)
        lifter, history = _trained(networks, config, seed, place, poses.where(~own))
        pred[torch.from_numpy(own)] = lift(lifter, poses.where(own).pose2d)
        histories.append(history)
    protocols = [PROTOCOLS[name] for name in config["cards"]]
    truth = poses.centred, poses.frames
    rows = measure(config["subject"], protocols, poses.name, pred, *truth)
    return _measured(rows, histories)


def lift(lifter: Lifter, pose2d: Float[Tensor, "N J 2"]) -> Float[Tensor, "N J 3"]:
    """3D poses of any number of 2D poses, mm relative to the root, on the CPU."""
    device = next(lifter.buffers()).device
    lifter.eval()
    with torch.inference_mode():
        return torch.cat([lifter(part.to(device)).cpu() for part in pose2d.split(8192)]).clone()


def restore(networks: Networks, run: Run) -> Lifter:
    """The trained lifter of a finished `experiment`."""
    return _restored(networks, run.record["config"], run.folder)


def _restored(networks: Networks, config: dict, folder: Path) -> Lifter:
    path = folder / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is gone; delete {folder} and run the notebook again")
    state = torch.load(path, weights_only=True, map_location="cpu")
    return Lifter.restored(networks[config["network"]](**config["shape"]), state)


def _trained(
    networks: Networks, config: dict, seed: int, folder: Path, poses: PoseSet
) -> tuple[Lifter, History]:
    """A lifter taught by `poses`; the stages of a cascade one after the other, each on what the
    ones before it left over."""
    torch.manual_seed(seed)
    network = networks[config["network"]](**config["shape"])
    lifter = Lifter(network, poses.pose2d, poses.centred).to(config["device"])
    recipe = Recipe(**{**config["recipe"], "drops": tuple(config["recipe"]["drops"])})
    whole = History()
    with torch.no_grad():
        inputs = lifter.inputs(poses.pose2d.to(config["device"]))
        left = lifter.targets(poses.centred.to(config["device"]))
    for number, stage in enumerate(network.stages):
        history = train(
            stage,
            TensorDataset(inputs, left),
            recipe,
            loss=nn.functional.mse_loss,
            seed=seed,
            checkpoint=folder / f"stage{number}.pt",
            device=config["device"],
            label=f"{config['network']}, seed {seed}, stage {number + 1}/{len(network.stages)}",
        )
        whole.losses += history.losses
        for name in ("seconds", "carried", "samples"):
            setattr(whole, name, getattr(whole, name) + getattr(history, name))
        with torch.no_grad():
            left = left - torch.cat([stage(part) for part in inputs.split(8192)])
    return lifter.eval(), whole


def _tested(config: dict, lifter: Lifter, poses: PoseSet, subject: str) -> list:
    protocols = [PROTOCOLS[name] for name in config["cards"][poses.name]]
    truth = poses.centred, poses.frames
    return measure(subject, protocols, poses.name, lift(lifter, poses.pose2d), *truth)


def _measured(rows: list, histories: Sequence[History]) -> Measured:
    losses = {"loss" if n == 0 else f"loss{n}": h.losses for n, h in enumerate(histories)}
    samples, carried = (sum(getattr(h, name) for h in histories) for name in ("samples", "carried"))
    return Measured(rows, losses, samples, carried)

"""Lifting 2D poses to 3D: training on one data set, tests on it and on others.

N poses, J joints. All networks work on standardised coordinates (`models.lifter.Lifter`).
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import TensorDataset

from posekit.data.poses import PoseSet
from posekit.metrics.protocol import Row
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.lifter import Lifter, MeanPose
from posekit.training.experiment import Session, Task, load_weights, predict

TOGETHER = 8192  # poses in a forward pass without gradients
FOLDS = 4  # at most: CMU's performers go up to number 144: a lifter for each would take hours


class Lifting(Task):
    """Train a lifter on poses and test it on others."""

    def run(self, session: Session, train: PoseSet, *tests: PoseSet) -> list[Row]:
        lifter = self.trained(session, train)
        session.save(lifter)
        return [row for test in tests for row in _rows(session, lifter, test)]

    def build(self, config: Mapping) -> nn.Module:
        network = self.networks[config["network"]]
        return network() if network is MeanPose else network(**config["shape"])

    def loaded(self, config: Mapping, state: Mapping[str, Tensor], subject: str) -> Lifter:
        return Lifter.restored(self.build(config), state)

    def trained(self, session: Session, poses: PoseSet, part: str = "") -> Lifter:
        """A trained lifter; the stages of a cascade are trained one after the other, each on what
        the earlier ones left over."""
        device = session.device
        torch.manual_seed(session.seed)
        network = self.build(session.config)
        lifter = Lifter(network, poses.pose2d, poses.centred).to(device)
        with torch.no_grad():
            inputs = lifter.inputs(poses.pose2d.to(device))
            left = lifter.targets(poses.centred.to(device))
        losses = f"loss{part}"
        session.series[losses] = []
        for number, stage in enumerate(network.stages):
            session.train(
                stage,
                TensorDataset(inputs, left),
                nn.functional.mse_loss,
                name=losses,
                checkpoint=f"stage{part}-{number + 1}",
            )
            settle(stage, inputs)
            left = left - predict(stage, inputs, together=TOGETHER).to(device)
        return lifter


class Transfer(Lifting):
    """Test the lifter of an earlier run (`start`, its id) on another data set."""

    options: ClassVar = {"start": ""}

    def run(self, session: Session, train: PoseSet, *tests: PoseSet) -> list[Row]:
        state = load_weights(session.config["start"])
        lifter = self.loaded(session.config, state, "").eval()
        return [row for test in tests for row in _rows(session, lifter, test)]


class Folds(Lifting):
    """Test on each performer of a data set a lifter that was trained on performers of other folds.

    Performers go to the folds in turn, by name; with `FOLDS` of them or fewer, each is one. The only
    test set is the training set. ValueError where it has fewer than two performers.
    """

    def run(self, session: Session, train: PoseSet, *tests: PoseSet) -> list[Row]:
        performers = sorted(train.frames["subject"].astype(str).unique())
        if len(performers) < 2:
            raise ValueError(
                f"{train.name}: to test on each performer what has learnt from others takes two or "
                f"more, and here is {len(performers)}; put files of more into the data set's folder"
            )
        pred = torch.zeros_like(train.pose3d)
        for number in range(min(FOLDS, len(performers))):
            own = train.frames["subject"].isin(performers[number::FOLDS]).to_numpy(copy=True)
            lifter = self.trained(session, train.where(~own), str(number or ""))
            pred[torch.from_numpy(own)] = lift(lifter, train.where(own).pose2d)
        return session.measure(PROTOCOLS, train.name, pred, train.centred, train.frames)


def longer(setting: Mapping, least_shown: int, poses: PoseSet) -> dict:
    """The recipe of a setting, its schedule stretched so that `least_shown` poses or more are seen."""
    times = math.ceil(least_shown / setting["epochs"] / len(poses))
    drops = [times * epoch for epoch in setting["drops"]]
    stretched = {name: times * setting[name] for name in ("epochs", "average")}
    return stretched | {"drops": drops}


def _rows(session: Session, lifter: Lifter, test: PoseSet) -> list[Row]:
    pred = lift(lifter, test.pose2d)
    return session.measure(PROTOCOLS, test.name, pred, test.centred, test.frames)


def settle(network: nn.Module, inputs: Float[Tensor, "N C"]) -> None:
    """Give batch norm the statistics that poses have in the trained network, TOGETHER at most.

    As after averaging weights (Izmailov et al., 2018). What it gathered in training began at a
    variance of 1 and moves by 0.01 a step in `Martinez`, whose own variances are near 0.001: after
    a few hundred steps what is left of the 1 drowns them.
    """
    update_bn([inputs[:: -(-len(inputs) // TOGETHER)]], network)


def lift(lifter: Lifter, pose2d: Float[Tensor, "N J 2"]) -> Float[Tensor, "N J 3"]:
    """3D poses relative to the root, mm, of 2D poses in pixels."""
    return predict(lifter, pose2d, together=TOGETHER)

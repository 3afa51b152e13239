"""Heatmap regression: training on pictures, tests on others by loss and PCKh.

B pictures, S stacks, J joints, H x W pixels, h x w cells.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN, Batch, unit_range
from posekit.metrics.pckh import PCKH_PROTOCOLS, head_sizes
from posekit.metrics.protocol import Row
from posekit.models.heatmaps import highest, patch_targets, quarter_shift
from posekit.models.hourglass import STRIDE
from posekit.training.augment import Augmented
from posekit.training.experiment import EVALUATED_TOGETHER, Session, Task, predict
from posekit.training.losses import heatmap_loss

TRAIN_LOSS, TEST_LOSS = "kim-train-loss", "kim-test-loss"


class Heatmaps(Task):
    """Train a network of stacked heatmaps and test it on other pictures.

    The loss after `headline` epochs is the one recorded without an epoch in its name; `whole` says
    how much of a target is drawn (`patch_targets`).
    """

    options: ClassVar = {"augmentation": "kim", "headline": 1, "whole": False}

    def run(self, session: Session, train: Album, test: Album) -> list[Row]:
        config = session.config
        torch.manual_seed(session.seed)
        network = self.build(config)
        draw = partial(targets, whole=config["whole"])
        data = Augmented(
            train, config["augmentation"], draw, seed=session.seed, device=session.device
        )
        watch = partial(loss_on, album=test, whole=config["whole"])
        history = session.train(network, data, heatmap_loss, watch=watch)
        session.series["test_loss"] = history.watched
        session.save(network)
        rows = _losses(config, TRAIN_LOSS, history.losses, test.name)
        rows += _losses(config, TEST_LOSS, history.watched, test.name)
        pred = joints(predict(network, test.batch.images)[:, -1])
        known = test.batch.visible != UNKNOWN
        heads = head_sizes(test.batch.joints2d, known) if test.heads is None else test.heads
        truth = test.batch.joints2d, known, heads
        return rows + session.measure(PCKH_PROTOCOLS, test.name, pred, *truth)

    def build(self, config) -> nn.Module:
        return super().build(config).to(memory_format=torch.channels_last)


def targets(batch: Batch, *, whole: bool = False) -> Float[Tensor, "B J h w"]:
    """The target heatmaps of the labelled joints, as the base project of Kim et al. draws them."""
    size = batch.size[0] // STRIDE, batch.size[1] // STRIDE
    return patch_targets(batch.joints2d, batch.visible != UNKNOWN, size, STRIDE, whole=whole)


def _losses(config: dict, card: str, losses: Sequence[float], data: str) -> list[Row]:
    name = f"loss/{config['subject']}"
    rows = [(f"{name}/epoch-{k}", card, data, loss) for k, loss in enumerate(losses, start=1)]
    headline = min(config["headline"], len(losses))
    return [(name, card, data, losses[headline - 1]), *rows]


@torch.no_grad()
def loss_on(network: nn.Module, album: Album, *, whole: bool = False) -> float:
    """The mean loss of a network over pictures that are not augmented."""
    device, total = next(network.parameters()).device, 0.0
    for part in torch.arange(len(album)).split(EVALUATED_TOGETHER):
        batch = album.batch[part].to(device)
        loss = heatmap_loss(network(unit_range(batch.images)), targets(batch, whole=whole))
        total += loss.item() * len(part)
    return total / len(album)


def joints(maps: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J 2"]:
    """The joints of one stack's heatmaps, px of the picture, as the base project reads them."""
    return quarter_shift(maps, STRIDE)


def locate(maps: Float[Tensor, "J h w"]) -> tuple[Float[Tensor, "J 2"], Float[Tensor, " J"]]:
    """The `joints` of one person, and the highest value of each heatmap as its confidence."""
    return joints(maps[None])[0], highest(maps[None])[1][0]

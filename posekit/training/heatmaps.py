"""Experiments on networks that draw heatmaps: train on pictures, test on others by loss and PCKh.

B pictures, S stacks, J joints, H x W pixels, h x w cells. `Study` is what a notebook asks. The
config of the work function is {"network", "shape", "recipe", "augmentation", "headline", "cards",
"device"}.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from posekit.claims.statistics import t_interval
from posekit.data.albums import TOGETHER, Album, light
from posekit.data.batch import UNKNOWN, Batch
from posekit.data.mpii import MpiiPictures
from posekit.data.pictures import Pictures, draw
from posekit.metrics.pckh import PCKH_PROTOCOLS, head_sizes
from posekit.metrics.protocol import measure
from posekit.models.heatmaps import highest, patch_targets, quarter_shift
from posekit.models.hourglass import STRIDE
from posekit.system import write_whole
from posekit.training import study
from posekit.training.augment import augment
from posekit.training.loop import Recipe, train
from posekit.training.losses import supervised_loss
from posekit.training.runs import Measured, Run, run_all
from posekit.training.study import Networks, Runs

WEIGHTS = "network.pt"
TRAIN_LOSS, TEST_LOSS = "kim-train-loss", "kim-test-loss"


class Study(study.Study):
    """The experiments of a notebook on networks that draw heatmaps.

    `setting` has shape (arguments of the networks), epochs, batch and rate.
    """

    def train(
        self,
        configurations: Mapping[str, Mapping],
        learn: Album,
        test: Album,
        cards: Sequence[str],
        *,
        augmentation: str,
        headline: int,
    ) -> Runs:
        """Every configuration taught by `learn` and judged on `test`.

        A configuration has the name of its network, an optimiser and drops, the epochs after which
        its rate falls to a tenth. The loss after `headline` epochs is the one without an epoch in
        its name; `augmentation` is a name of `recipes.RECIPES`.
        """
        jobs = {}
        for seed in range(self.seeds):
            for name, own in configurations.items():
                recipe = {key: self.setting[key] for key in ("epochs", "batch", "rate")}
                config = {
                    "subject": name,
                    "network": own["network"],
                    "shape": self.setting["shape"],
                    "recipe": recipe | {key: own[key] for key in ("optimiser", "drops")},
                    "augmentation": augmentation,
                    "headline": min(headline, self.setting["epochs"]),
                    "cards": list(cards),
                    "device": self.device,
                }
                work = partial(experiment, self.networks)
                jobs[name, seed] = self.job(work, name, seed, [learn, test], config)
        return run_all(jobs, workers=self.workers)


class Lessons:
    """Pictures to learn from, every epoch otherwise augmented, with the heatmaps to be drawn."""

    def __init__(self, album: Album, augmentation: str, seed: int, device: str):
        self.batch, self.augmentation, self.seed = album.batch.to(device), augmentation, seed

    def __len__(self) -> int:
        return len(self.batch)

    def lesson(self, indices: Int64[Tensor, " B"], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures and heatmaps of some of the batch."""
        chosen = self.batch[indices.to(self.batch.images.device)]
        chosen = augment(chosen, self.augmentation, seed=self.seed, epoch=epoch)
        return light(chosen.images), targets(chosen)


def album(pictures: Pictures, label: str, workers: int | None = None) -> Album:
    """Pictures in memory with their head sizes: MPII's own, else from the joints (`head_sizes`)."""
    batch = draw(pictures, label, workers)
    if isinstance(pictures, MpiiPictures):
        heads = pictures.heads_in(batch).float()
    else:
        heads = head_sizes(batch.joints2d, batch.visible != UNKNOWN)
    return Album(pictures.name, pictures.version, batch, heads)


def targets(batch: Batch) -> Float[Tensor, "B J h w"]:
    """The heatmaps of the labelled joints, drawn as the base project of Kim et al. does."""
    size = batch.size[0] // STRIDE, batch.size[1] // STRIDE
    return patch_targets(batch.joints2d, batch.visible != UNKNOWN, size, STRIDE)


def experiment(
    networks: Networks, config: dict, seed: int, folder: Path, data: Sequence[Album]
) -> Measured:
    """Train on the first album, test on the second, keep the weights in `folder`."""
    learn, test = data
    torch.manual_seed(seed)
    network = networks[config["network"]](len(learn.batch.skeleton), **config["shape"])
    network = network.to(memory_format=torch.channels_last)
    recipe = Recipe(**{**config["recipe"], "drops": tuple(config["recipe"]["drops"])})
    history = train(
        network,
        Lessons(learn, config["augmentation"], seed, config["device"]),
        recipe,
        loss=supervised_loss,
        seed=seed,
        watch=partial(loss_on, album=test),
        checkpoint=folder / "checkpoint.pt",
        device=config["device"],
        label=f"{config['subject']}, seed {seed}",
    )
    write_whole(folder / WEIGHTS, lambda path: torch.save(network.cpu().state_dict(), path))
    network.to(config["device"])
    rows = _losses(config, TRAIN_LOSS, history.losses, test.name)
    rows += _losses(config, TEST_LOSS, history.watched, test.name)
    known = test.batch.visible != UNKNOWN
    found = points(heatmaps(network, test.batch.images)[:, -1])
    cards = [PCKH_PROTOCOLS[name] for name in config["cards"]]
    truth = test.batch.joints2d, known, test.heads
    rows += measure(config["subject"], cards, test.name, found, *truth)
    series = {"loss": history.losses, "test_loss": history.watched}
    return Measured(rows, series, history.samples, history.carried, history.waited)


def _losses(config: dict, card: str, losses: Sequence[float], data: str) -> list:
    name = f"loss/{config['subject']}"
    rows = [(f"{name}/epoch-{k}", card, data, loss) for k, loss in enumerate(losses, start=1)]
    return [(name, card, data, losses[config["headline"] - 1]), *rows]


@torch.no_grad()
def loss_on(network: nn.Module, album: Album) -> float:
    """The loss of a network on pictures as they are, a mean over them."""
    device, total = next(network.parameters()).device, 0.0
    for part in torch.arange(len(album)).split(TOGETHER):
        batch = album.batch[part].to(device)
        loss = supervised_loss(network(light(batch.images)), targets(batch))
        total += loss.item() * len(part)
    return total / len(album)


@torch.no_grad()
def heatmaps(network: nn.Module, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B S J h w"]:
    """What a network draws, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    parts = [network(light(part.to(device))).float().cpu() for part in images.split(TOGETHER)]
    return torch.cat(parts)


def points(maps: Float[Tensor, "B J h w"]) -> Float[Tensor, "B J 2"]:
    """The joints that one stack's heatmaps show, px of the picture, as the base project reads."""
    return quarter_shift(maps, STRIDE)


def locate(maps: Float[Tensor, "J h w"]) -> tuple[Float[Tensor, "J 2"], Float[Tensor, " J"]]:
    """`points` of one person, and how sure the network is: the highest value of each heatmap."""
    return points(maps[None])[0], highest(maps[None])[1][0]


def restore(networks: Networks, run: Run) -> nn.Module:
    """The trained network of a finished `experiment`, on the CPU, in eval mode."""
    config, path = run.record["config"], run.folder / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is gone; delete {run.folder} and run the notebook again")
    state = torch.load(path, weights_only=True, map_location="cpu")
    joints = next(value.shape[0] for name, value in state.items() if name.endswith("heatmaps.bias"))
    network = networks[config["network"]](joints, **config["shape"])
    network.load_state_dict(state)
    return network.to(memory_format=torch.channels_last).eval()


def differences(
    results: pd.DataFrame, pairs: Mapping[str, tuple[str, str]], card: str
) -> pd.DataFrame:
    """By how many per cent the loss of one configuration is above that of another.

    `results` is the `study.table` of a training, `pairs` names (one, another). Columns: mean, low,
    high (95 % t interval over seeds, each pair from the same seed), n.
    """
    headline = results[(results["card"] == card) & (results["slice"] == "")]
    loss = headline.pivot(index="seed", columns="network", values="value")
    rows = {}
    for name, (one, another) in pairs.items():
        found = t_interval((100 * (loss[one] / loss[another] - 1)).to_numpy())
        rows[name] = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
    return pd.DataFrame(rows).T

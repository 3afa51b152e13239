"""Experiments on networks from a picture to a pose in space: train, and judge by protocol cards.

B pictures, J joints of Human3.6M's 17, H x W pixels. `Study` is what a notebook asks. The config of
the work function is {"subject", "network", "shape", "recipe", "augmentation", "loss", "z_of_2d",
"cards", "device"}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from posekit.data.albums import TOGETHER, Album, Filmed, light
from posekit.data.batch import UNKNOWN, Batch, join
from posekit.metrics.pictures import PICTURE_PROTOCOLS, camera_points, depth_per_focal
from posekit.metrics.protocol import PoseProtocol, measure
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.integral import VolumeNet, from_cube, from_voxels, to_cube
from posekit.models.soft_argmax import soft_argmax
from posekit.studio.scene.occluders import shapes
from posekit.system import write_whole
from posekit.training import study
from posekit.training.augment import augment
from posekit.training.heatmaps import WEIGHTS
from posekit.training.loop import Recipe, train
from posekit.training.losses import Z_OF_2D, joint_loss, volume_loss
from posekit.training.runs import Measured, Run, run_all
from posekit.training.study import Networks, Runs

LOSSES = ("joints", "volumes", "both")
OCCLUDERS = 50  # generated shapes that a recipe pastes where it pastes Pascal VOC's objects


class Study(study.Study):
    """The experiments of a notebook on networks that see pictures.

    `setting` has shape (arguments of the networks), epochs, batch, rate and drops.
    """

    def train(
        self,
        configurations: Mapping[str, Mapping],
        learn: Mapping[str, Album],
        test: Filmed,
        cards: Sequence[str],
    ) -> Runs:
        """Every configuration taught by an album of `learn` and judged on `test`.

        A configuration has the name of its network, an augmentation of `recipes.RECIPES`, and, where
        they are not the first, its album, a loss of LOSSES, what it does to z that nobody knows
        (`joint_loss`), and a shape of its own.
        """
        jobs = {}
        for seed in range(self.seeds):
            for name, own in configurations.items():
                config = {
                    "subject": name,
                    "network": own["network"],
                    "shape": self.setting["shape"] | own.get("shape", {}),
                    "recipe": {k: self.setting[k] for k in ("epochs", "batch", "rate", "drops")},
                    "augmentation": own["augmentation"],
                    "loss": own.get("loss", LOSSES[0]),
                    "z_of_2d": own.get("z_of_2d", Z_OF_2D[0]),
                    "cards": list(cards),
                    "device": self.device,
                }
                work = partial(experiment, self.networks)
                lessons = learn[own.get("learn", next(iter(learn)))]
                jobs[name, seed] = self.job(work, name, seed, [lessons, test], config)
        return run_all(jobs, workers=self.workers)


class Lessons:
    """Pictures to learn from, every epoch otherwise augmented; targets are the cube's x, y and z,
    whether the joint is known, and whether z is. Pictures without depths are never augmented, as
    the paper leaves MPII's alone.
    """

    def __init__(self, album: Album, augmentation: str, seed: int, device: str):
        self.batch, self.augmentation, self.seed = album.batch.to(device), augmentation, seed
        self.occluders = tuple(shapes(np.random.default_rng(seed), OCCLUDERS))

    def __len__(self) -> int:
        return len(self.batch)

    def lesson(self, indices: Int64[Tensor, " B"], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures and targets of some of the batch."""
        chosen = self.batch[indices.to(self.batch.images.device)]
        if chosen.has_joints3d.any():
            chosen = self._augmented(chosen, epoch)
        return light(chosen.images), targets(chosen)

    def _augmented(self, chosen: Batch, epoch: int) -> Batch:
        deep = chosen.has_joints3d
        varied = augment(
            chosen[deep], self.augmentation, seed=self.seed, epoch=epoch, occluders=self.occluders
        )
        if deep.all():
            return varied
        back = torch.cat([deep.nonzero(), (~deep).nonzero()]).flatten().argsort()
        return join([varied, chosen[~deep]])[back]


def targets(batch: Batch) -> Float[Tensor, "B J 5"]:
    """x, y and z in the cube, 1 where a joint is known, 1 where its depth is."""
    depths = batch.joints3d[..., 2]
    depths = depths - depths[:, batch.skeleton.root, None]
    known = batch.visible != UNKNOWN
    deep = batch.has_joints3d[:, None].expand_as(known)
    flags = torch.stack([known, deep], dim=-1).float()
    return torch.cat([to_cube(batch.joints2d, depths, batch.size), flags], dim=-1)


def cube_loss(
    kind: str, z_of_2d: str, logits: Float[Tensor, "B J D h w"], target: Float[Tensor, "B J 5"]
) -> Float[Tensor, ""]:
    """The loss of some volumes: of the joints they show, of the volumes themselves, or of both."""
    true, known, deep = target[..., :3], target[..., 3] > 0, target[:, 0, 4] > 0
    losses = []
    if kind != "volumes":
        places = from_voxels(soft_argmax(logits), logits.shape[2:])
        losses.append(joint_loss(places, true, known, deep, z_of_2d=z_of_2d))
    if kind != "joints":
        losses.append(volume_loss(logits, true, known, deep))
    return torch.stack(losses).mean()  # each weighs a half, as published


class Volumes(nn.Module):
    """A network seen as what draws its volumes: losses look at those."""

    def __init__(self, network: VolumeNet):
        super().__init__()
        self.network = network

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J D h w"]:
        return self.network.volumes(pictures)


def experiment(
    networks: Networks, config: dict, seed: int, folder: Path, data: Sequence[Album | Filmed]
) -> Measured:
    """Train on the first data set, test on the second, keep the weights in `folder`."""
    learn, test = data
    if config["loss"] not in LOSSES:
        raise ValueError(f"no loss {config['loss']!r}; there are {', '.join(LOSSES)}")
    torch.manual_seed(seed)
    network = networks[config["network"]](**config["shape"])
    network = network.to(memory_format=torch.channels_last)
    recipe = Recipe(**{**config["recipe"], "drops": tuple(config["recipe"]["drops"])})
    history = train(
        Volumes(network),
        Lessons(learn, config["augmentation"], seed, config["device"]),
        recipe,
        loss=partial(cube_loss, config["loss"], config["z_of_2d"]),
        seed=seed,
        checkpoint=folder / "checkpoint.pt",
        device=config["device"],
        label=f"{config['subject']}, seed {seed}",
    )
    write_whole(folder / WEIGHTS, lambda path: torch.save(network.cpu().state_dict(), path))
    network.to(config["device"])
    cards = [(PICTURE_PROTOCOLS | PROTOCOLS)[name] for name in config["cards"]]
    found = joints(network, test.album.batch.images)
    rows = quantities(config["subject"], found, test, cards, factor(learn))
    return Measured(
        rows, {"loss": history.losses}, history.samples, history.carried, history.waited
    )


def factor(album: Album) -> float:
    """`depth_per_focal` of those pictures whose depth is known."""
    deep = album.batch[album.batch.has_joints3d]
    return depth_per_focal(deep.joints3d[:, deep.skeleton.root, 2], deep.intrinsics)


@torch.no_grad()
def joints(network: VolumeNet, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B J 3"]:
    """What a network says of pictures, in the cube, on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    parts = [network(light(part.to(device))).float().cpu() for part in images.split(TOGETHER)]
    return torch.cat(parts)


def quantities(
    subject: str,
    found: Float[Tensor, "B J 3"],
    filmed: Filmed,
    cards: Sequence[PoseProtocol],
    per_focal: float,
) -> list[tuple[str, str, str, float]]:
    """What a record says of the method `subject`: quantity, card, data, value."""
    batch, rows = filmed.album.batch, []
    pixels, depths = from_cube(found, batch.size)
    for card in cards:
        places = pixels, depths, batch.intrinsics, filmed.root_depths
        pred = camera_points(card, *places, per_focal)
        rows += measure(subject, [card], filmed.name, pred, batch.joints3d, filmed.frames)
    return rows


@dataclass(frozen=True)
class Case:
    """A picture of a test, what a network says of it, and the truth: camera points less the root, mm."""

    name: str
    row: int  # of the filmed pictures
    error: float  # mean over joints, mm
    points: Float[Tensor, "J 2"]  # px of the picture
    pose: Float[Tensor, "J 3"]
    true: Float[Tensor, "J 3"]


def cases(network: VolumeNet, filmed: Filmed, card: PoseProtocol) -> list[Case]:
    """The best, the median and the worst picture of a test by a card."""
    batch = filmed.album.batch
    pixels, depths = from_cube(joints(network, batch.images), batch.size)
    factor_here = factor(filmed.album)
    places = pixels, depths, batch.intrinsics, filmed.root_depths
    pred = camera_points(card, *places, factor_here)
    errors = card.errors(pred, batch.joints3d)
    order, root = errors.argsort(), batch.skeleton.root
    rows = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    found = []
    for name, row in rows.items():
        poses = (each[row] - each[row, root] for each in (pred, batch.joints3d))
        found.append(Case(name, int(row), errors[row].item(), pixels[row], *poses))
    return found


def restore(networks: Networks, run: Run) -> VolumeNet:
    """The trained network of a finished `experiment`, on the CPU, in eval mode."""
    config, path = run.record["config"], run.folder / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{path} is gone; delete {run.folder} and run the notebook again")
    network = networks[config["network"]](**config["shape"])
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.to(memory_format=torch.channels_last).eval()

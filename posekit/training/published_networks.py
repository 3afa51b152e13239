"""Published networks on the test sets of a study, by the protocols of the networks trained there.

Nothing is trained. Crops are resized to the side that the weights were trained for; the scale of
their input, the half voxel of their labels and the cube are the checkpoint's
(`posekit.models.checkpoint`); joints are matched by name.

N pictures, J joints.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN
from posekit.data.poses import PoseSet
from posekit.geometry.skeleton import SKELETONS, Skeleton
from posekit.metrics.pckh import PCKH_PROTOCOLS, head_sizes
from posekit.metrics.protocol import Row, measure
from posekit.metrics.protocols import PROTOCOLS
from posekit.models import checkpoint
from posekit.models.checkpoint import Checkpoint
from posekit.models.heatmaps import quarter_shift
from posekit.training import integral, lifting, mesh_evaluation
from posekit.training.experiment import predict
from posekit.training.integral import with_joints_of
from posekit.training.mesh_evaluation import BodyModel
from posekit.training.runs import Measured

Config = Mapping  # subject, kind, device, protocols (names by test set), ratio


def test(config: Config, seed: int, folder: Path, data: Sequence) -> Measured:
    """The work of a run: the published network `data[0]` on test sets.

    Before the test sets of bodies stands their `BodyModel`. `ratio` is the `integral.depth_ratio`
    of training pictures, for protocols that do not know the depth of the root. ValueError, naming
    the file, for joints that the protocols can't be given.
    """
    published, *others = data
    network = checkpoint.load(published.path)
    network.network.to(config["device"])
    try:
        return Measured(TESTS[network.kind](network, config, *others))
    except ValueError as error:
        raise ValueError(f"{published.path}: {error}") from error


class Resized(nn.Module):
    """A network that sees pictures at the side it was trained for, whatever theirs."""

    def __init__(self, found: Checkpoint):
        super().__init__()
        self.network, self.side = found.network, found.side

    def forward(self, pictures: Float[Tensor, "N 3 H W"]):
        if pictures.shape[2:] != (self.side, self.side):
            size, how = (self.side, self.side), {"mode": "bilinear", "antialias": True}
            pictures = functional.interpolate(pictures, size, **how).clamp(0, 1)
        return self.network(pictures)


def skeleton_of(found: Checkpoint) -> Skeleton:
    """The order of the network's joints; ValueError where it is not known."""
    if found.skeleton not in SKELETONS:
        there = ", ".join(SKELETONS)
        raise ValueError(f"its joints are {found.skeleton!r}, which are none of {there}")
    return SKELETONS[found.skeleton]


def _integral(found: Checkpoint, config: Config, *tests: Album) -> list[Row]:
    rows, source = [], skeleton_of(found)
    for album in tests:
        cube = predict(Resized(found), album.batch.images)
        joints = with_joints_of(album.batch.skeleton, cube, source)
        for name in config["protocols"][album.name]:
            protocol = integral.PROTOCOLS[name]
            beside = [
                source.index(j) for j in getattr(protocol, "beside", ()) if j in source.joints
            ]
            pred = torch.cat([joints, cube[:, beside]], dim=1)
            ratio = config.get("ratio", nan)
            rows += integral.quantities(config["subject"], pred, album, [protocol], ratio)
    return rows


def _heatmaps(found: Checkpoint, config: Config, *tests: Album) -> list[Row]:
    rows = []
    for album in tests:
        batch = album.batch
        maps = predict(Resized(found), batch.images)[:, -1]
        places = quarter_shift(maps, found.side / maps.shape[-1])
        places = places + places.new_tensor(found.about.offset[:2])
        places = (places + 0.5) * (batch.size[1] / found.side) - 0.5  # px of the album's pictures
        pred = with_joints_of(batch.skeleton, places, skeleton_of(found))
        known = batch.visible != UNKNOWN
        heads = head_sizes(batch.joints2d, known) if album.heads is None else album.heads
        protocols = [PCKH_PROTOCOLS[name] for name in config["protocols"][album.name]]
        truth = batch.joints2d, known, heads
        rows += measure(config["subject"], protocols, album.name, pred, *truth)
    return rows


def _mesh(found: Checkpoint, config: Config, model: BodyModel, *tests: Album) -> list[Row]:
    rows = []
    for album in tests:
        pred = predict(Resized(found), album.batch.images)
        names = config["protocols"][album.name]
        rows += mesh_evaluation.quantities(config["subject"], pred, album, model.body, names)
    return rows


def _lifting(found: Checkpoint, config: Config, *tests: PoseSet) -> list[Row]:
    rows, own = [], skeleton_of(found)
    for poses in tests:
        pred = lifting.lift(found.network, with_joints_of(own, poses.pose2d, poses.skeleton))
        pred = with_joints_of(poses.skeleton, pred, own)
        protocols = [PROTOCOLS[name] for name in config["protocols"][poses.name]]
        truth = poses.centred, poses.frames
        rows += measure(config["subject"], protocols, poses.name, pred, *truth)
    return rows


TESTS: Mapping[str, Callable[..., list[Row]]] = {
    "integral": _integral,
    "heatmaps": _heatmaps,
    "mesh": _mesh,
    "lifting": _lifting,
}
"""By the kind of a checkpoint: its errors on test sets."""

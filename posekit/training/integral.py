"""Integral regression: training on pictures with and without depths, tests by pose protocols.

A network draws a volume for each joint; the joint is the volume's mean (`models.integral`, which
also defines the cube that joints lie in). B pictures, J joints of Human3.6M's 17, H x W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN, Batch
from posekit.data.people import People
from posekit.geometry.skeleton import SAME_POINT, SPIN_3DHP_POINTS, Skeleton, convert
from posekit.metrics.mupots import MUPOTS_PROTOCOLS, scenes
from posekit.metrics.pictures import (
    ON_OTHERS,
    PICTURE_PROTOCOLS,
    camera_points,
    depth_per_focal,
)
from posekit.metrics.protocol import PoseProtocol, Row, measure
from posekit.metrics.protocols import PROTOCOLS as POSE_PROTOCOLS
from posekit.models.integral import VolumeNet, from_cube, from_voxels, to_cube
from posekit.models.soft_argmax import soft_argmax
from posekit.training.augment import Augmented
from posekit.training.experiment import (
    Session,
    Task,
    best_median_worst,
    load_weights,
    predict,
)
from posekit.training.losses import (
    MEANS,
    Z_OF_2D,
    joint_loss,
    published_volume_loss,
    volume_loss,
)

LOSSES = ("joints", "volumes", "both", "both, published")
OUTSIDE = ("taught", "ignored")
PICTURES = ("crop", "whole")
AUGMENTED = ("with depths", "all")
PROTOCOLS = PICTURE_PROTOCOLS | ON_OTHERS | POSE_PROTOCOLS | MUPOTS_PROTOCOLS
STAND_INS = SAME_POINT | SPIN_3DHP_POINTS | {"head_top": ("head",), "mid_head": ("neck_nose",)}
"""Joints that a network predicts, in the place of joints that only the test set has."""


@dataclass(frozen=True)
class SceneAlbum(Album):
    """Crops of the annotated `people` of MuPoTS-3D, who are evaluated picture by picture."""

    people: People | None = None


class Integral(Task):
    """Train a network of volumes on an album and test it on others, of any skeleton.

    `loss` is one of LOSSES; `z_of_2d` says what becomes of depths that are not labelled, `mean_over`
    what the loss is divided by (`joint_loss`), `outside` whether joints outside the cube are taught
    (`targets`). With `picture` "whole" persons are cut out of whole pictures after the augmentation
    (`training.whole_frames`). `augmented` says which pictures: those with depths, as Bouchiat et al.
    leave MPII's, or all, as Choi et al. do. `start` is the id of a run whose weights the training
    begins with, as far as the networks share them (`VolumeNet.take_shared`).
    """

    options: ClassVar = {
        "augmentation": "kim, report",
        "loss": LOSSES[0],
        "z_of_2d": Z_OF_2D[0],
        "mean_over": MEANS[0],
        "outside": OUTSIDE[0],
        "picture": PICTURES[0],
        "augmented": AUGMENTED[0],
        "start": "",
    }

    def run(self, session: Session, train: Album, *tests: Album) -> list[Row]:
        config = session.config
        torch.manual_seed(session.seed)
        network = self.build(config)
        options = {name: config[name] for name in self.options}
        if start := options.pop("start"):
            network.take_shared(load_weights(start))
        fit(session, network, train, **options)
        session.save(network)
        rows, ratio = [], depth_ratio(train)
        for test in tests:
            pred = predict(network, test.batch.images)
            pred = with_joints_of(test.batch.skeleton, pred, train.batch.skeleton)
            protocols = [PROTOCOLS[name] for name in config["protocols"][test.name]]
            rows += quantities(config["subject"], pred, test, protocols, ratio)
        return rows

    def config(self, name: str, options: Mapping, setting: Mapping) -> dict:
        config = super().config(name, options, setting)
        words = {"loss": LOSSES, "z_of_2d": Z_OF_2D, "mean_over": MEANS, "outside": OUTSIDE}
        words |= {"picture": PICTURES, "augmented": AUGMENTED}
        for key, known in words.items():
            if config[key] not in known:
                there = ", ".join(known)
                raise ValueError(f"{name}: no {key} {config[key]!r}; there are {there}")
        return config

    def build(self, config: Mapping) -> VolumeNet:
        return super().build(config).to(memory_format=torch.channels_last)


class Volumes(nn.Module):
    """A network that returns its volumes instead of the joints: the input of the losses."""

    def __init__(self, network: VolumeNet):
        super().__init__()
        self.network = network

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J D h w"]:
        return self.network.volumes(pictures)


def fit(
    session: Session,
    network: VolumeNet,
    train: Album,
    augmentation: str,
    *,
    loss: str = LOSSES[0],
    z_of_2d: str = Z_OF_2D[0],
    mean_over: str = MEANS[0],
    outside: str = OUTSIDE[0],
    picture: str = PICTURES[0],
    augmented: str = AUGMENTED[0],
) -> list[float]:
    """Train a network of volumes in place; returns its losses by epoch."""
    about = {"seed": session.seed, "device": session.device, "whole": picture == "whole"}
    about["only_3d"] = augmented != "all"
    data = Augmented(train, augmentation, partial(targets, outside=outside), **about)
    how = {"kind": loss, "z_of_2d": z_of_2d, "mean_over": mean_over}
    return session.train(Volumes(network), data, partial(cube_loss, **how)).losses


def targets(batch: Batch, *, outside: str = OUTSIDE[0]) -> Float[Tensor, "B J 5"]:
    """x, y and z in the cube, 1 where a joint is known, 1 where its depth is.

    With `outside` "ignored", joints that lie outside the picture or, where depths are known, more
    than 1 m before or behind the root count as unknown: so Choi et al. train (MobileHumanPose,
    data/dataset.py), and Bouchiat et al. do not. ValueError for another word.
    """
    if outside not in OUTSIDE:
        raise ValueError(f"no outside {outside!r}; there are {', '.join(OUTSIDE)}")
    depths = batch.joints3d[..., 2]
    depths = depths - depths[:, batch.skeleton.root, None]
    known = batch.visible != UNKNOWN
    deep = batch.has_joints3d[:, None].expand_as(known)
    places = to_cube(batch.joints2d, depths, batch.size)
    if outside == "ignored":
        within = (places >= -0.5) & (places < 0.5)
        known = known & within[..., :2].all(-1) & (within[..., 2] | ~deep)
    flags = torch.stack([known, deep], dim=-1).float()
    return torch.cat([places, flags], dim=-1)


def cube_loss(
    logits: Float[Tensor, "B J D h w"],
    target: Float[Tensor, "B J 5"],
    *,
    kind: str = LOSSES[0],
    z_of_2d: str = Z_OF_2D[0],
    mean_over: str = MEANS[0],
) -> Float[Tensor, ""]:
    """The loss of the joints of some volumes, of the volumes themselves, or the mean of both.

    With "both, published" that of the volumes is Bouchiat et al.'s (`published_volume_loss`).
    """
    true, known, deep = target[..., :3], target[..., 3] > 0, target[:, 0, 4] > 0
    losses = []
    if kind != "volumes":
        places = from_voxels(soft_argmax(logits), logits.shape[2:])
        losses.append(joint_loss(places, true, known, deep, z_of_2d=z_of_2d, mean_over=mean_over))
    if kind == "both, published":
        losses.append(published_volume_loss(logits, true, known, deep))
    elif kind != "joints":
        losses.append(volume_loss(logits, true, known, deep, mean_over=mean_over))
    return torch.stack(losses).mean()  # each weighs a half, as published


def depth_ratio(album: Album) -> float:
    """The ratio of root depth to focal length, mm a px, fitted on pictures with known depths."""
    deep = album.batch.has_joints3d
    return depth_per_focal(album.root_depths[deep], album.batch.intrinsics[deep])


def with_joints_of(
    target: Skeleton, pred: Float[Tensor, "B J D"], source: Skeleton
) -> Float[Tensor, "B K D"]:
    """Joints of the skeleton `source` as those of `target`, by name and by STAND_INS.

    Depths stay relative to the root of `source`. ValueError names joints that there are none for.
    """
    if source == target:
        return pred
    converted, missing = convert(pred, source, target, stand_ins=STAND_INS)
    if missing:
        lacking = ", ".join(missing)
        raise ValueError(f"a network of {source.name} predicts no {lacking} of {target.name}")
    return converted


def quantities(
    subject: str,
    pred: Float[Tensor, "B J 3"],
    test: Album,
    protocols: Sequence[PoseProtocol],
    ratio: float,
) -> list[Row]:
    """The errors of joints in the cube by some protocols, as rows of a record.

    `ratio` is the `depth_ratio` of the training pictures.
    """
    rows = []
    for protocol in protocols:
        compared = (in_camera(pred, test, protocol, ratio), test.batch.joints3d, test.frames)
        if isinstance(test, SceneAlbum):
            compared = (scenes(test.people, compared[0]),)
        rows += measure(subject, [protocol], test.name, *compared)
    return rows


def in_camera(
    pred: Float[Tensor, "B J 3"], test: Album, protocol: PoseProtocol, ratio: float
) -> Float[Tensor, "B J 3"]:
    """Joints in the cube as camera coordinates, mm, with the root depth that a protocol gives."""
    pixels, depths = from_cube(pred, test.batch.size)
    places = pixels, depths, test.batch.intrinsics, test.root_depths
    return camera_points(protocol, *places, ratio)


def baselines(train: Album, test: Album, protocols: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """The errors of the mean training pose, the same for every picture, and of the true joints.

    The truth is not without error: the intrinsics leave out the lens's distortion.
    """
    taught, exact = targets(train.batch), targets(test.batch)[..., :3]
    mean = taught[taught[:, 0, 4] > 0, :, :3].mean(0).expand_as(exact)
    cards, ratio = [PROTOCOLS[name] for name in protocols], depth_ratio(train)
    return tuple(
        quantities(name, pred, test, cards, ratio)
        for name, pred in (("mean-pose", mean), ("the truth", exact))
    )


class Case(NamedTuple):
    """A test picture with its predicted pose."""

    name: str  # best, median or worst
    row: int  # of the album
    error: float  # mean over joints, mm
    points: Float[Tensor, "J 2"]  # predicted, px of the picture
    pose: Float[Tensor, "J 3"]  # predicted, mm from the root
    true: Float[Tensor, "J 3"]


def cases(network: VolumeNet, test: Album, protocol: PoseProtocol) -> list[Case]:
    """The pictures with the lowest, the median and the highest error by a protocol."""
    pred, true = predict(network, test.batch.images), test.batch.joints3d
    placed = in_camera(pred, test, protocol, depth_ratio(test))
    pixels, _ = from_cube(pred, test.batch.size)
    errors, root = protocol.errors(placed, true), test.batch.skeleton.root
    chosen = []
    for name, row in best_median_worst(errors).items():
        poses = (joints[row] - joints[row, root] for joints in (placed, true))
        chosen.append(Case(name, row, errors[row].item(), pixels[row], *poses))
    return chosen

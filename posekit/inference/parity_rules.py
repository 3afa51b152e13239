"""Metrics and losses held against the published functions, as `parity` holds networks.

Here are the inputs, made of the documented numbers u (`parity_numbers`), and our side; the published
side is in `parity_published`. Poses and joints of a loss are of no real people: a rule has to hold
for them, too.

N poses, B pictures, J joints, S stacks, D x h x w voxels, G x G cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from posekit.inference.parity_numbers import uniform
from posekit.metrics.errors import align, mpjpe
from posekit.metrics.pckh import PCKH_PROTOCOLS
from posekit.metrics.pictures import camera_points
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.integral import from_voxels
from posekit.models.soft_argmax import soft_argmax
from posekit.training.losses import heatmap_loss, joint_loss, published_volume_loss

N = 32
SIDE = 16  # voxels on each side of a loss's volumes
CELLS = 64  # on each side of PCKh's heatmaps
FOCAL, CENTRE = 1145.0, (512.0, 515.0)  # px
MOBILEHUMANPOSE = "SangbumChoi/MobileHumanPose", "70baeafff0d57ab74a72abedb30c12e739da18ec"
MOON = "mks0601/3DMPPE_POSENET_RELEASE", "dd025c57c0bbca97f4f8ef37507ab2ad8ba28cc7"
NAMAN = "Naman-ntc/Pytorch-Human-Pose-Estimation", "11525c3d48ed92e0a44ff2f8bcc89c12d37f4360"
ETH = "kaufmann-a/ETH_MP-Human-Pose-Prediction", "9af61601945d75420a785c80c369806e0af61bab"


@dataclass(frozen=True)
class Rule:
    """A metric or a loss of a published project, and the same one here."""

    project: str  # owner/name on GitHub; the clone is the folder `name`
    commit: str
    folders: tuple[str, ...]  # folders and files of the project that its code is in
    compared: str  # in words
    ours: Callable[[], dict[str, Tensor]]
    decides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Quantities of papers' claims that say of this rule what was compared."""


class Seen(NamedTuple):
    """Moon et al.'s 18 joints in the camera, and a prediction of them in the whole picture."""

    true: Float64[Tensor, "N 18 3"]  # mm, of the camera
    pixels: Float64[Tensor, "N 18 2"]
    depths: Float64[Tensor, "N 18"]  # mm, from the true pelvis


def seen() -> Seen:
    true = 400 * uniform("true", N, 18, 3).double()
    true = true + torch.tensor([0, 0, 4500]) + 300 * uniform("place", N, 1, 3).double()
    pixels = FOCAL * true[..., :2] / true[..., 2:] + torch.tensor(CENTRE, dtype=torch.float64)
    pixels = pixels + 20 * uniform("pixels", N, 18, 2)
    depths = true[..., 2] - true[:, :1, 2] + 100 * uniform("depths", N, 18)
    return Seen(true, pixels, depths)


def _moon(protocol: str) -> dict[str, Tensor]:
    rule, (true, pixels, depths) = PROTOCOLS[protocol], seen()
    intrinsics = torch.eye(3, dtype=torch.float64)
    intrinsics[0, 0] = intrinsics[1, 1] = FOCAL
    intrinsics[:2, 2] = torch.tensor(CENTRE)
    known = intrinsics.expand(N, 3, 3), true[:, 0, 2], 1.0
    return {"errors": rule.errors(camera_points(rule, pixels, depths, *known), true)}


def poses(joints: int) -> tuple[Float64[Tensor, "N J 3"], Float64[Tensor, "N J 3"]]:
    """Predicted and true poses, mm from the first joint."""
    true = 500 * uniform("true", N, joints, 3)
    pred = true + 100 * uniform("predicted", N, joints, 3)
    return (pred - pred[:, :1]).double(), (true - true[:, :1]).double()


def _errors(protocol: str) -> dict[str, Tensor]:
    return {"errors": PROTOCOLS[protocol].errors(*poses(17))}


class Marked(NamedTuple):
    """MPII's 16 joints in cells of heatmaps, and in pixels of the picture."""

    pred: Float64[Tensor, "N 16 2"]  # whole cells
    true: Float64[Tensor, "N 16 2"]
    known: Bool[Tensor, "N 16"]
    head: Float64[Tensor, " N"]  # px of the picture; a cell has PX of them


PX = 4.0


def marked() -> Marked:
    """Many predictions are 3 cells off, about half a head: the smallest difference of rules counts."""
    true = (CELLS / 2 + 24 * uniform("true", N, 16, 2)).double().floor()
    pred = true + 3 * (1.5 * uniform("predicted", N, 16, 2)).double().round()
    known = uniform("known", N, 16) > -0.8
    return Marked(pred, true, known, 6 * PX + 0.3 * uniform("head", N).double())


def _pckh() -> dict[str, Tensor]:
    rule, given = PCKH_PROTOCOLS["mpii-naman-pckh"], marked()
    given = given._replace(head=given.head / PX)
    each = [rule.evaluate(*(part[n : n + 1] for part in given))["pckh"] for n in range(N)]
    made = torch.tensor([*each, rule.evaluate(*given)["pckh"]], dtype=torch.float64)
    return {"shares": made / 100}


def maps() -> tuple[Tensor, Tensor]:
    """Heatmaps of two stacks (B, S, J, G, G) and their targets (B, J, G, G)."""
    return uniform("heatmaps", 2, 2, 16, CELLS, CELLS), uniform("targets", 2, 16, CELLS, CELLS)


def with_gradient(inputs: Tensor, loss: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """A loss of these inputs and its gradient."""
    inputs = inputs.clone().requires_grad_()
    value = loss(inputs)
    value.backward()
    return {"loss": value.detach(), "gradient": inputs.grad}


def _heatmap_loss() -> dict[str, Tensor]:
    given, target = maps()
    return with_gradient(given, lambda maps: heatmap_loss(maps, target))


class Taught(NamedTuple):
    """Volumes and where their joints should be; pictures without depths among them."""

    volumes: Tensor  # (B, J, D, h, w)
    voxels: Tensor  # (B, J, 3)
    known: Tensor  # (B, J)
    deep: Tensor  # (B): whose depths are known


def taught() -> Taught:
    return Taught(
        8 * uniform("volumes", 4, 18, SIDE, SIDE, SIDE),
        SIDE / 2 * (1 + uniform("voxels", 4, 18, 3)),
        uniform("known", 4, 18) > -0.5,
        torch.tensor([True, False, True, False]),
    )


def _coordinate_loss() -> dict[str, Tensor]:
    """Choi et al. count voxels, and take the mean of x, y and z."""
    volumes, voxels, known, deep = taught()
    side = (SIDE, SIDE, SIDE)

    def loss(volumes: Tensor) -> Tensor:
        joints = from_voxels(soft_argmax(volumes), side)
        return SIDE / 3 * joint_loss(joints, from_voxels(voxels, side), known, deep)

    return with_gradient(volumes, loss)


def cube() -> tuple[Tensor, Tensor]:
    """Joints in the cube, (B, 17, 3): predicted and true."""
    return uniform("joints", 4, 17, 3) / 2, uniform("true", 4, 17, 3) / 2


def _regression_loss() -> dict[str, Tensor]:
    """Bouchiat et al. add up the joints."""
    (given, true), (_, _, known, deep) = cube(), taught()
    return with_gradient(given, lambda joints: 17 * joint_loss(joints, true, known[:, :17], deep))


def faint(volumes: Tensor) -> Tensor:
    """Volumes of 17 joints whose values are about as large as those of the Gaussians."""
    return volumes[:, :17] / 160


def _volume_loss() -> dict[str, Tensor]:
    volumes, _, known, _ = taught()
    known, deep = known[:, :17], torch.ones(4, dtype=torch.bool)
    return with_gradient(
        faint(volumes),
        lambda volumes: 17 * published_volume_loss(volumes, cube()[1], known, deep),
    )


_MOON_CODE = ("data/Human36M", "main", "common", "common/utils")
RULES: Mapping[str, Rule] = {
    "MobileHumanPose, MPJPE": Rule(
        *MOBILEHUMANPOSE, _MOON_CODE, f"h36m-moon-p2 of {N} poses from pixels and depths",
        lambda: _moon("h36m-moon-p2"),
    ),
    "MobileHumanPose, PA-MPJPE": Rule(
        *MOBILEHUMANPOSE, _MOON_CODE, f"h36m-moon-p1 of {N} poses from pixels and depths",
        lambda: _moon("h36m-moon-p1"),
    ),
    "MobileHumanPose, loss": Rule(
        *MOBILEHUMANPOSE, ("main", "common", "common/utils", "common/backbone"),
        f"loss and gradient of volumes 18x{SIDE}x{SIDE}x{SIDE} of 4 pictures, 2 without depths",
        _coordinate_loss, {"choi2021": ("loss_error/large", "flat_gradient/large")},
    ),
    "3DMPPE, MPJPE": Rule(
        *MOON, _MOON_CODE, f"h36m-moon-p2 of {N} poses from pixels and depths",
        lambda: _moon("h36m-moon-p2"),
    ),
    "3DMPPE, PA-MPJPE": Rule(
        *MOON, _MOON_CODE, f"h36m-moon-p1 of {N} poses from pixels and depths",
        lambda: _moon("h36m-moon-p1"),
    ),
    "ETH, loss of joints": Rule(
        *ETH, ("3dhumanpose_main/source/lossfunctions",),
        "loss and gradient of joints 17x3 of 4 pictures, 2 without depths", _regression_loss,
        {"bouchiat": ("loss_error/r50",)},
    ),
    "ETH, loss of volumes": Rule(
        *ETH, ("3dhumanpose_main/source/lossfunctions",),
        f"loss and gradient of volumes 17x{SIDE}x{SIDE}x{SIDE} of 4 pictures", _volume_loss,
    ),
    "SPIN, reconstruction error": Rule(
        "nkolot/SPIN", "2476c436013055be5cb3905e4e4ecfa86966fac3", ("utils",),
        f"PA-MPJPE of {N} poses of 14 joints",
        lambda: {"errors": mpjpe(align(*poses(14), "similarity"), poses(14)[1])},
    ),
    "Naman, PCKh": Rule(
        *NAMAN, ("metrics.py",), f"mpii-naman-pckh of {N} persons, each alone and all together",
        _pckh,
    ),
    "Naman, loss": Rule(
        *NAMAN, ("losses.py",), "loss and gradient of heatmaps 2x16x64x64 of 2 pictures",
        _heatmap_loss,
    ),
    "3d-pose-baseline, alignment": Rule(
        "una-dinosauria/3d-pose-baseline", "666080d86a96666d499300719053cc8af7ef51c8",
        ("src/procrustes.py",), f"{N} aligned poses of 17 joints",
        lambda: {"poses": align(*poses(17), "similarity")},
    ),
    "EvoSkeleton, P1": Rule(
        "Nicholasli1995/EvoSkeleton", "b2b355f4c1fa842709f100d931189ce80008f6ef",
        ("libs/trainer", "libs/utils", "libs/dataset/h36m"),
        f"h36m-evoskeleton-p1 of {N} poses", lambda: _errors("h36m-evoskeleton-p1"),
    ),
    "EvoSkeleton, P2": Rule(
        "Nicholasli1995/EvoSkeleton", "b2b355f4c1fa842709f100d931189ce80008f6ef",
        ("libs/trainer", "libs/utils", "libs/dataset/h36m"),
        f"h36m-evoskeleton-p2 of {N} poses", lambda: _errors("h36m-evoskeleton-p2"),
    ),
}  # fmt: skip

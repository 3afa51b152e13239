"""What integral regression is trained with: distances of joints, and volumes as an option.

Joints are in the cube of posekit.models.integral. Some pictures have no depths (MPII's): there x
and y alone are taught. Bouchiat et al.'s published code means to do so, but looks at a batch as a
whole: in one that has both kinds, z of the pictures without depths is taught to be 0.

B pictures, J joints, D x h x w voxels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Normal
from torch.nn import functional

from posekit.data.batch import UNKNOWN, Batch
from posekit.geometry.body import Body
from posekit.models.hmr import FOCAL, Estimate, intrinsics
from posekit.models.integral import to_voxels

Z_OF_2D = ("ignore", "zero")
Number = int | float


def joint_loss(
    joints: Float[Tensor, "B J 3"],
    true: Float[Tensor, "B J 3"],
    known: Bool[Tensor, "B J"],
    has_depth: Bool[Tensor, " B"],
    *,
    z_of_2d: str = "ignore",
) -> Float[Tensor, ""]:
    """Sum of |x|, |y| and |z| apart over the known joints, by their number; mean of the pictures.

    `has_depth` says whose z is known. `z_of_2d` says what z of the other pictures is taught:
    nothing ("ignore"), or 0, unless the whole batch is without depths ("zero": the published code's
    mistake). A picture without a known joint counts as 0 (there it is NaN).
    """
    if z_of_2d not in Z_OF_2D:
        raise ValueError(f"no z_of_2d {z_of_2d!r}; there are {', '.join(Z_OF_2D)}")
    deep = has_depth[:, None]
    x, y, z = (joints.float() - true).abs().unbind(-1)
    if z_of_2d == "zero":
        unknown = joints[..., 2].float().abs() * has_depth.any()
    else:
        unknown = torch.zeros_like(z)
    return _mean(x + y + torch.where(deep, z, unknown), known)


def volume_loss(
    logits: Float[Tensor, "B J D h w"],
    true: Float[Tensor, "B J 3"],
    known: Bool[Tensor, "B J"],
    has_depth: Bool[Tensor, " B"],
    *,
    sigma: Number = 1.0,
) -> Float[Tensor, ""]:
    """Squared distance of a joint's probabilities from a Gaussian of `sigma` voxels about it.

    Over the voxels the sum, over the known joints of a picture and over pictures the mean. Where
    there are no depths, the probabilities added up along z are compared with a Gaussian in x and y.
    The paper found its own kind harmful with MPII beside Human3.6M (section 2). As published, that
    compares the logits themselves, and takes the cube's coordinates for voxels.
    """
    volume = logits.shape[2:]
    shares = logits.float().flatten(2).softmax(2).unflatten(2, volume)
    places = to_voxels(true, volume).unbind(-1)
    x, y, z = (
        _density(place, count, sigma) for place, count in zip(places, reversed(volume), strict=True)
    )
    flat = torch.einsum("bjy,bjx->bjyx", y, x)
    solid = torch.einsum("bjz,bjyx->bjzyx", z, flat)
    apart3d = (shares - solid).square().sum((2, 3, 4))
    apart2d = (shares.sum(2) - flat).square().sum((2, 3))
    return _mean(torch.where(has_depth[:, None], apart3d, apart2d), known)


def _density(at: Float[Tensor, "B J"], count: int, sigma: Number) -> Float[Tensor, "B J n"]:
    steps = torch.arange(count, dtype=at.dtype, device=at.device)
    return Normal(at[..., None], sigma, validate_args=False).log_prob(steps).exp()


def _mean(apart: Float[Tensor, "B J"], known: Bool[Tensor, "B J"]) -> Float[Tensor, ""]:
    """Over the known joints of each picture, then over all pictures."""
    sums = apart.masked_fill(~known, 0).sum(1)
    return (sums / known.sum(1).clamp(min=1)).mean()


def supervised_loss(
    heatmaps: Float[Tensor, "B S J h w"], target: Float[Tensor, "B J h w"]
) -> Float[Tensor, ""]:
    """The mean squared error of each stack's heatmaps, summed over the stacks (the base project)."""
    return sum(functional.mse_loss(each.float(), target) for each in heatmaps.unbind(1))


# FOLDED posekit.mesh_loss: What body regression is trained with: the losses of Bae's trainer, which are SPIN's.
#
# H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021;
# train/train_add_smpl_loss4/trainer.py), after Kolotouros et al., SPIN (ICCV 2019), without its
# fitting. Each term looks at the persons of whom it is known and is 0 where there are none. SPIN's
# per-vertex term has no weight there, and isn't here.
#
# B persons, J joints of the batch's skeleton.


Number = int | float

HIPS = "left_hip", "right_hip"
SPIN_JOINTS = 49
"""Over which SPIN averages the 2D term; 25 of them, OpenPose's, weigh nothing in this training."""


@dataclass(frozen=True)
class MeshWeights:
    """Of the terms, and of their sum."""

    joints2d: Number = 5 * 24 / SPIN_JOINTS
    joints3d: Number = 5
    rotations: Number = 1
    shape: Number = 0.001
    camera: Number = 1
    all: Number = 60


PAPER_WEIGHTS = MeshWeights()


class MeshTerms(NamedTuple):
    """Of the loss, without weights."""

    joints2d: Float[Tensor, ""]  # in half pictures
    joints3d: Float[Tensor, ""]  # in metres, from the middle of the hips
    rotations: Float[Tensor, ""]
    shape: Float[Tensor, ""]
    camera: Float[Tensor, ""]


def mesh_loss(
    pred: Estimate, batch: Batch, body: Body, weights: MeshWeights = PAPER_WEIGHTS
) -> Float[Tensor, ""]:
    """The weighted sum of `terms`."""
    named = mesh_terms(pred, batch, body)._asdict()
    return weights.all * sum(getattr(weights, name) * term for name, term in named.items())


def mesh_terms(pred: Estimate, batch: Batch, body: Body) -> MeshTerms:
    """Mean squares, over all joints (those nobody knows count as right) and axes, of pictures (2D),
    of persons with 3D joints and hips (3D), or of persons with body parameters (rotations, shape); and
    exp(-10 scale)^2, which keeps the person before the camera.

    ValueError when the batch's skeleton has no hips, or the body knows not all of its joints.
    """
    points = body_joints(pred, body, batch)
    known = batch.visible != UNKNOWN
    hips = [batch.skeleton.index(name) for name in HIPS]
    middle, true_middle = (x[:, hips].mean(1, keepdim=True) for x in (points, batch.joints3d))
    deep = batch.has_joints3d & known[:, hips].all(1)
    apart3d = (points - middle - (batch.joints3d - true_middle)) / 1000
    seen = body_pixels(pred, points, batch.size)
    apart2d = (seen - batch.joints2d) / (max(batch.size) / 2)
    return MeshTerms(
        joints2d=_squares(apart2d, known, torch.ones_like(deep)),
        joints3d=_squares(apart3d, known, deep),
        rotations=_squares(pred.rotations.float() - batch.rotations, None, batch.has_body),
        shape=_squares(pred.shape.float() - batch.shape, None, batch.has_body),
        camera=_steep(-20 * pred.camera[:, 0].float()).mean(),
    )


def _steep(x: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """exp(x), from 20 on its tangent there: float32 has no exp of a scale of -5."""
    low = x.clamp(max=20)
    return low.exp() * (1 + x - low)


def body_joints(pred: Estimate, body: Body, batch: Batch) -> Float[Tensor, "B J 3"]:
    """The bodies' joints in the batch's skeleton, camera axes, mm from the root joint.

    In float32 also where a training runs in bfloat16, which would round joints to centimetres.
    """
    with torch.autocast(pred.rotations.device.type, enabled=False):
        posed = body(
            pred.rotations.float(), pred.shape.float(), torch.zeros_like(pred.camera).float()
        )
        return body.joints(posed.vertices, batch.skeleton)


def body_pixels(
    pred: Estimate, points: Float[Tensor, "B J 3"], size: tuple[int, int]
) -> Float[Tensor, "B J 2"]:
    """Where `intrinsics` shows points (camera axes, mm from the root joint) of the bodies.

    As at `pred.translation`, multiplied through by the camera's scale: early in a training scales
    may come near 0, where the bodies are infinitely far away and slopes by their distance too steep
    for float32, or fall below it, and have to find out of that.
    """
    scale, *place = pred.camera.float()[:, :, None].unbind(1)
    K = intrinsics(1, size).to(points)[0]
    seen = scale[..., None] * (points[..., :2] + 1000 * torch.stack(place, dim=-1))
    return K[0, 0] * seen / (scale * points[..., 2] + 2000 * FOCAL)[..., None] + K[:2, 2]


def _squares(
    apart: Float[Tensor, "B ..."], known: Bool[Tensor, "B J"] | None, who: Bool[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Mean square of the persons `who`, what isn't `known` counting as 0."""
    if known is not None:
        apart = apart.masked_fill(~known[..., None], 0)
    each = apart.flatten(1).masked_fill(~who[:, None], 0).square().mean(1)
    return each.sum() / who.sum().clamp(min=1)

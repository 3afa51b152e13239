"""The loss of body regression: that of Bae's trainer, which is SPIN's.

H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021;
train/train_add_smpl_loss4/trainer.py), after Kolotouros et al., SPIN (ICCV 2019), without its
fitting. Each term is a mean over the persons whose labels it needs, and 0 where there are none.
SPIN's per-vertex term has no weight there, and isn't here. Its 2D labels are cut to whole pixels of
the crop, then 1 is added: they lie half a pixel to the lower right on average. Here they are exact.

B persons, J joints of the batch's skeleton.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from posekit.data.batch import UNKNOWN, Batch
from posekit.geometry.body import Body
from posekit.models.hmr import FOCAL, Estimate

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
    exp(-10 scale)^2, which keeps the person before the camera; below a scale of 0, where the
    published loss goes on to rise as steeply, its tangent there. At -1 the published slope is 20
    exp(20), some 10^10: one such picture drowns all others of an epoch.

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
    """exp(x), from 0 on its tangent there."""
    low = x.clamp(max=0)
    return low.exp() * (1 + x - low)


def body_joints(pred: Estimate, body: Body, batch: Batch) -> Float[Tensor, "B J 3"]:
    """The bodies' joints in the batch's skeleton, camera axes, mm from the root joint.

    In float32 also where a training runs in bfloat16, which would round joints to centimetres.
    """
    with torch.autocast(pred.rotations.device.type, enabled=False):
        place = torch.zeros_like(pred.camera).float()
        # rotations are a network's by construction; NaN ends a training by its loss
        posed = body(pred.rotations.float(), pred.shape.float(), place, check=False)
        return body.joints(posed.vertices, batch.skeleton)


def body_pixels(
    pred: Estimate, points: Float[Tensor, "B J 3"], size: tuple[int, int]
) -> Float[Tensor, "B J 2"]:
    """Where `hmr.intrinsics` shows points (camera axes, mm from the root joint) of the bodies.

    As at `pred.translation`, multiplied through by the camera's scale: early in a training scales
    may come near 0, where the bodies are infinitely far away and slopes by their distance too steep
    for float32, or fall below it, and have to find out of that.
    """
    scale, *place = pred.camera.float()[:, :, None].unbind(1)
    focal, depth = FOCAL * max(size), scale * points[..., 2] + 2000 * FOCAL
    seen = scale[..., None] * (points[..., :2] + 1000 * torch.stack(place, dim=-1))
    x, y = (focal * seen / depth[..., None]).unbind(-1)
    return torch.stack([x + (size[1] - 1) / 2, y + (size[0] - 1) / 2], dim=-1)


def _squares(
    apart: Float[Tensor, "B ..."], known: Bool[Tensor, "B J"] | None, who: Bool[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Mean square of the persons `who`, what isn't `known` counting as 0."""
    if known is not None:
        apart = apart.masked_fill(~known[..., None], 0)
    each = apart.flatten(1).masked_fill(~who[:, None], 0).square().mean(1)
    return each.sum() / who.sum().clamp(min=1)

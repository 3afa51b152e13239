"""Protocols of networks that see pictures, and camera coordinates from what such a network says.

A network says where in the crop a joint is and how much deeper than the root it is. Pixels become
millimetres only with the depth of the root, and protocols differ in where that comes from
(`PoseProtocol.root_depth`).

B pictures, J joints.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.geometry.skeleton import H36M17
from posekit.metrics.protocol import PoseProtocol

_BOUCHIAT = PoseProtocol(
    name="h36m-bouchiat",
    rule="S8, every frame of every camera that is there: x and y of the crop become millimetres by "
    "the true depth of the pelvis and the camera's true intrinsics; mean distance of 17 joints, the "
    "pelvis's 0 among them, relative to the pelvis; mean of all samples.",
    source="Bouchiat et al.; kaufmann-a/ETH_MP-Human-Pose-Prediction, validation on subject 8",
    skeleton=H36M17,
    joints=H36M17.joints,
    subjects=("S8",),
)
PICTURE_PROTOCOLS = {
    "h36m-bouchiat": _BOUCHIAT,
    "h36m-bouchiat-unaided": replace(
        _BOUCHIAT,
        name="h36m-bouchiat-unaided",
        rule="As h36m-bouchiat, but the depth of the pelvis is not known: it is guessed from how "
        "large the crop shows things, by one factor fitted on the training pictures.",
        source="posekit, 2026: h36m-bouchiat without the true depth",
        root_depth="size",
    ),
}
"""Bouchiat et al.'s. The true depth of the pelvis gives away the person's size: with it, an error in
depth along the ray is the joint's own only. Moon et al.'s, in `posekit.metrics.protocols`, know the
true depth as well (their `use_gt_info`)."""
_OTHERS = replace(
    _BOUCHIAT,
    name="studio-others-bouchiat",
    rule=_BOUCHIAT.rule.replace("S8, every", "Every person, every"),
    source="posekit, 2026: the rule of h36m-bouchiat on the studio's actors S12 to S31",
    subjects=(),
    same_as="h36m-bouchiat",
)
ON_OTHERS = {
    "studio-others-bouchiat": _OTHERS,
    "studio-others-bouchiat-unaided": replace(
        _OTHERS,
        name="studio-others-bouchiat-unaided",
        rule=PICTURE_PROTOCOLS["h36m-bouchiat-unaided"].rule.replace("h36m", "studio-others"),
        source="posekit, 2026: studio-others-bouchiat without the true depth",
        same_as="h36m-bouchiat-unaided",
        root_depth="size",
    ),
}
"""The same on actors of no split, enough for an interval over people."""


def camera_points(
    protocol: PoseProtocol,
    pixels: Float[Tensor, "B J 2"],
    depths: Float[Tensor, "B J"],
    intrinsics: Float[Tensor, "B 3 3"],
    root: Float[Tensor, " B"],
    per_focal: float,
) -> Float[Tensor, "B J 3"]:
    """Camera coordinates (mm) of pixels of the crop and of depths relative to the root (mm).

    `root` are the true depths of the root, mm; a protocol that does not know them takes
    `per_focal` times the crop's focal length (`depth_per_focal`): the larger a crop shows things,
    the nearer they are. ValueError for shapes that do not go together.
    """
    count, joints = depths.shape
    if pixels.shape != (count, joints, 2) or len(intrinsics) != count:
        raise ValueError(
            f"pixels {tuple(pixels.shape)}, depths {tuple(depths.shape)} and {len(intrinsics)} "
            "intrinsics: not of the same pictures and joints"
        )
    _check_roots(root, intrinsics)
    if protocol.root_depth == "size":
        root = per_focal * intrinsics[:, 0, 0]
    rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    rays = rays @ torch.linalg.inv(intrinsics).mT
    return rays * (depths + root[:, None])[..., None]


def depth_per_focal(root: Float[Tensor, " B"], intrinsics: Float[Tensor, "B 3 3"]) -> float:
    """Median over pictures of the root's depth (mm) by the crop's focal length (px).

    A crop holds a person's box, so it shows about two metres whatever the distance. ValueError
    unless there is one depth for each picture.
    """
    _check_roots(root, intrinsics)
    return (root / intrinsics[:, 0, 0]).median().item()


def _check_roots(root: Tensor, intrinsics: Tensor) -> None:
    if root.shape != (len(intrinsics),):  # a column of them would be broadcast without a word
        raise ValueError(
            f"depths of the root of shape {tuple(root.shape)} for {len(intrinsics)} pictures"
        )

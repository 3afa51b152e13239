"""Protocol cards of networks that see pictures: what they are given besides, and how they are judged.

Such a network says where in the crop a joint is and how much deeper than the root. Pixels become
millimetres only with the depth of the root, and cards differ in where that comes from. Everything
else of a rule is a `posekit.card.Card`.

B pictures, J joints.
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.card import Card
from posekit.protocols import CARDS
from posekit.skeleton import H36M17


@dataclass(frozen=True)
class PictureCard(Card):
    """A card with the help that the prediction is given."""

    root_depth: str = "true"  # or "size": guessed from the size of the crop

    def place(
        self,
        pixels: Float[Tensor, "B J 2"],
        depths: Float[Tensor, "B J"],
        intrinsics: Float[Tensor, "B 3 3"],
        root: Float[Tensor, " B"],
        per_focal: float,
    ) -> Float[Tensor, "B J 3"]:
        """Camera points (mm) of px of the crop and mm from the root.

        `root` are the true depths of the root, mm; `per_focal` is what fits a data set best in
        depth = per_focal * focal length of the crop (`fit_size`): the larger a crop shows things,
        the nearer they are.
        """
        if self.root_depth == "size":
            root = per_focal * intrinsics[:, 0, 0]
        rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
        rays = rays @ torch.linalg.inv(intrinsics).mT
        return rays * (depths + root[:, None])[..., None]


def fit_size(root: Float[Tensor, " B"], intrinsics: Float[Tensor, "B 3 3"]) -> float:
    """The median of depth of the root / focal length of the crop, mm a px.

    A crop holds a person's box, so it shows about two metres whatever the distance.
    """
    return (root / intrinsics[:, 0, 0]).median().item()


_BOUCHIAT = PictureCard(
    name="h36m-bouchiat",
    rule="S8, every frame of every camera that is there: x and y of the crop become millimetres by "
    "the true depth of the pelvis and the camera's true intrinsics; mean distance of 17 joints, the "
    "pelvis's 0 among them, after both pelvises are put on one another; mean of all samples.",
    source="Bouchiat et al.; kaufmann-a/ETH_MP-Human-Pose-Prediction, validation on subject 8",
    skeleton=H36M17,
    joints=H36M17.joints,
    subjects=("S8",),
)
_UNAIDED = replace(
    _BOUCHIAT,
    name="h36m-bouchiat-unaided",
    rule="As h36m-bouchiat, but nobody tells the depth of the pelvis: it is guessed from how large "
    "the crop shows things, by one factor fitted on the training pictures.",
    source="posekit, 2026: h36m-bouchiat without its help",
    root_depth="size",
)
PICTURE_CARDS = {card.name: card for card in (_BOUCHIAT, _UNAIDED)}
"""Bouchiat et al.'s, by name. The true depth of the pelvis gives away the size of the person: with
it, an error in depth along the ray is the joints' own only."""

MOON_CARDS = {
    name: PictureCard(**{field.name: getattr(CARDS[name], field.name) for field in fields(Card)})
    for name in ("h36m-moon-p1", "h36m-moon-p2")
}
"""The cards of `posekit.protocols` that Choi et al. are judged by, for networks that see pictures:
the true depth of the pelvis is given, as Moon et al.'s evaluation does it (their `use_gt_info`)."""

"""The rules of MuPoTS-3D: 3DPCK of several persons in one picture, relative and absolute.

`posekit.people` matches predictions to persons; the bones of who was found get the true lengths; a
joint is found less than 150 mm from the universal truth. Relative: both pelvises are put on one
another (`mupots-moon` of `posekit.protocols`). Absolute: the pelvis stays where it was predicted,
so its own error, mostly in depth, is in every joint's. Of who was not found all joints count as
missed, or, "-matched", nothing counts.

N poses, J joints: 17 in the order of MPI_INF_3DHP17.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.card import Card
from posekit.data.coco import People
from posekit.metrics import joint_errors, rescale_bones
from posekit.people import Scene, evaluate_scenes
from posekit.protocols import CARDS
from posekit.skeleton import MPI_INF_3DHP17

JOINTS = len(MPI_INF_3DHP17)
# Of the persons predicted in a picture, 17 joints each: px of the picture; camera, mm.
Prediction = tuple[Float[Tensor, "_ _ 2"], Float[Tensor, "_ _ 3"]]


@dataclass(frozen=True)
class SceneCard(Card):
    """A rule of MuPoTS-3D, and whether persons have to stand in the right place."""

    absolute: bool = False

    def errors(
        self, pred: Float[Tensor, "N J 3"], true: Float[Tensor, "N J 3"]
    ) -> Float[Tensor, " N"]:
        """Each person's number, %; poses in mm, in camera coordinates. ValueError as `Card`'s."""
        if not self.absolute:
            return super().errors(pred, true)
        if pred.shape != true.shape or pred.shape[-2:] != (JOINTS, 3):
            raise ValueError(
                f"{self.name} wants {JOINTS} joints ({self.skeleton.name}) of 3 coordinates, not "
                f"poses of shape {tuple(pred.shape)} and {tuple(true.shape)}"
            )
        index = self.skeleton.index
        pred = rescale_bones(pred, true, [(index(p), index(child)) for p, child in self.bones])
        counted = [index(joint) for joint in self.joints]
        return self._score(joint_errors(pred[:, counted], true[:, counted]))


def _cards(what: str, listed: str) -> Iterable[SceneCard]:
    """A listed rule by what it measures, and the same with absolute places."""
    for ending in ("", "-matched"):
        moon = CARDS[listed.format(ending)]
        relative = SceneCard(**vars(moon) | {"name": f"mupots-{what}-rel{ending}"})
        yield relative
        yield replace(
            relative,
            name=f"mupots-{what}-abs{ending}",
            rule=f"As {relative.name}, but in camera coordinates: pelvises are not put on one "
            "another, bones grow from the predicted pelvis.",
            source=relative.source.replace("relative", "absolute"),
            absolute=True,
        )


MUPOTS_CARDS = {
    card.name: card
    for card in (*_cards("3dpck", "mupots-moon{}"), *_cards("auc", "mupots-moon{}-auc"))
}
"""By name; those relative to the pelvis are `mupots-moon*` of `posekit.protocols`."""


def scenes(people: People, predictions: Mapping[str, Prediction]) -> list[Scene]:
    """The pictures of annotated `people` with what was predicted in each, by the picture's name.

    A picture without a prediction has nobody found in it. ValueError when people of MuPoTS-3D are
    not of its universal skeletons, which all published numbers are measured against; when no name
    is that of a picture; and, naming the picture, for a prediction of another shape or not finite.
    """
    if people.name == "mupots" and not people.version.endswith("universal"):
        raise ValueError(f'read MuPoTS-3D with truth="universal", not "{people.version}"')
    groups = people.by_picture()
    if predictions and not groups.keys() & predictions.keys():
        raise ValueError(
            f"none of the predictions is of an annotated picture: they are of "
            f"{next(iter(predictions))!r}, ..., the pictures are {next(iter(groups))!r}, ..."
        )
    nobody = (torch.zeros(0, JOINTS, 2).double(), torch.zeros(0, JOINTS, 3).double())
    found = []
    for image, group in groups.items():
        pred2d, pred3d = (pose.double() for pose in predictions.get(image, nobody))
        shape = (len(pred2d), JOINTS)
        if pred2d.shape != (*shape, 2) or pred3d.shape != (*shape, 3):
            raise ValueError(f"{image}: {tuple(pred2d.shape)} in 2D, {tuple(pred3d.shape)} in 3D")
        if not (pred2d.isfinite().all() and pred3d.isfinite().all()):
            raise ValueError(f"{image}: a prediction is not finite")
        truth = people.joints2d[group], people.joints3d[group]
        found.append(Scene(str(people.rows["subject"].iloc[group[0]]), pred2d, pred3d, *truth))
    return found


def quantities(
    subject: str,
    pictures: Sequence[Scene],
    *,
    data: str = "mupots",
    cards: Iterable[SceneCard] = tuple(MUPOTS_CARDS.values()),
) -> list[tuple[str, str, str, float]]:
    """What a record says of the method `subject` on these scenes: quantity, card, data, value.

    "pck" becomes "pck/SUBJECT", "pck/TS1" becomes "pck/SUBJECT/TS1". Raises as `evaluate_scenes`.
    """
    rows = []
    for card in cards:
        for name, value in evaluate_scenes(card, pictures).items():
            metric, _, part = name.partition("/")
            quantity = "/".join(filter(None, (metric, subject, part)))
            rows.append((quantity, card.name, data, value))
    return rows

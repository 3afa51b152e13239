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

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.people import People
from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.errors import joint_errors, rescale_bones
from posekit.metrics.protocol import Card
from posekit.metrics.protocols import CARDS

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


@dataclass(frozen=True)
class Scene:
    """One picture: what was predicted and what is true, in MPI-INF-3DHP's 17 joints.

    The truth holds the valid persons only, in the order of the annotation, which the matching
    depends on. Camera coordinates in mm, of the universal skeleton.
    """

    sequence: str  # "TS1"
    pred2d: Float[Tensor, "P J 2"]  # px
    pred3d: Float[Tensor, "P J 3"]
    true2d: Float[Tensor, "G J 2"]  # px
    true3d: Float[Tensor, "G J 3"]


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


# FOLDED posekit.people: Evaluating several persons in one picture: who was predicted, and how well (MuPoTS-3D).
#
# The rule of Moon et al. (ICCV 2019), mpii_mupots_multiperson_eval.m, which the cards `mupots-moon*`
# of `posekit.protocols` describe.
#
# Dimensions: P predicted persons, G annotated persons of one picture, J joints.


MATCH_RADIUS = 40.0  # px, in x and in y, strict
MATCH_JOINTS = slice(1, 14)  # MPI-INF-3DHP's 17 without the head's top, pelvis, spine and head


def match(pred2d: Float[Tensor, "P J 2"], true2d: Float[Tensor, "G J 2"]) -> list[int]:
    """For each annotated person the prediction that is theirs, or -1.

    Greedy: each person in turn takes, of the predictions still free, the one with most joints
    within 40 px in x and in y, the first of equals; none without such a joint.
    """
    near = (pred2d - true2d[:, None]).abs() < MATCH_RADIUS  # (G, P, J, 2)
    votes = near.all(dim=-1)[..., MATCH_JOINTS].sum(dim=-1).tolist()
    owners: list[int] = []
    for ballot in votes:
        free = [person for person in range(len(ballot)) if person not in owners]
        best = max(free, key=ballot.__getitem__, default=-1)
        owners.append(best if best >= 0 and ballot[best] > 0 else -1)
    return owners


def evaluate_scenes(card: Card, scenes: Iterable[Scene]) -> dict[str, float]:
    """The card's numbers for these pictures: "pck", "pck/TS1", ... in %.

    Persons without a prediction count as 0, or not at all, as the card says. A sequence in which
    nobody counts has no number. Raises ValueError when nobody counts at all.
    """
    scores, sequences = [], []
    for scene in scenes:
        owners = torch.tensor(match(scene.pred2d, scene.true2d), dtype=torch.long)
        found = owners >= 0
        score = torch.zeros(len(owners), dtype=scene.true3d.dtype)
        score[found] = card.errors(scene.pred3d[owners[found]], scene.true3d[found])
        scores.append(score if card.misses else score[found])
        sequences += [scene.sequence] * len(scores[-1])
    if not sequences:
        raise ValueError(f"{card.name}: no person counts in these scenes")
    rows = pd.DataFrame({"subject": sequences, "action": sequences})
    numbers = card.average(torch.cat(scores), rows)
    return {f"{card.metric}/{part}" if part else card.metric: n for part, n in numbers.items()}

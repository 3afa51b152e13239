"""3DPCK and AUC of MuPoTS-3D: several persons in one picture, relative and absolute.

The rules of Moon et al. (ICCV 2019), mpii_mupots_multiperson_eval.m. Predictions are matched to
annotated persons by their pixels; the bones of a matched prediction get the true lengths; a joint
is correct less than 150 mm from the truth of the universal skeleton. Relative: to the pelvis.
Absolute: in camera coordinates, so that the pelvis's own error, mostly in depth, is in every
joint's. A person without a prediction counts as wholly wrong or, "-matched", not at all.

P predicted persons, G annotated persons of one picture, J = 17 joints of MPI_INF_3DHP17.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.people import People
from posekit.geometry.skeleton import MPI_INF_3DHP17
from posekit.metrics.protocol import PoseProtocol
from posekit.metrics.protocols import AREA

MATCH_RADIUS = 40.0  # px, in x and in y, strict
JOINTS = len(MPI_INF_3DHP17)
MATCH_JOINTS = slice(1, 14)  # without the head's top, pelvis, spine and the middle of the head

BONES = (
    *(("pelvis", "spine"), ("spine", "neck_base")),
    *(("neck_base", "head_top"), ("neck_base", "mid_head")),
    *(("neck_base", "right_shoulder"), ("right_shoulder", "right_elbow")),
    *(("right_elbow", "right_wrist"), ("neck_base", "left_shoulder")),
    *(("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
    *(("pelvis", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle")),
    *(("pelvis", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle")),
)
"""(parent, child): in the published script the head's top hangs on the neck, not on the head."""


@dataclass(frozen=True)
class Scene:
    """One picture: predicted and true persons, px of the picture and camera coordinates in mm.

    The truth holds the valid persons only, in the order of the annotation, on which the matching
    depends. ValueError for other shapes.
    """

    sequence: str  # "TS1"
    pred2d: Float[Tensor, "P J 2"]
    pred3d: Float[Tensor, "P J 3"]
    true2d: Float[Tensor, "G J 2"]
    true3d: Float[Tensor, "G J 3"]

    def __post_init__(self):
        for flat, space in ((self.pred2d, self.pred3d), (self.true2d, self.true3d)):
            shapes, wanted = (tuple(flat.shape), tuple(space.shape)), (len(flat), JOINTS)
            if shapes != ((*wanted, 2), (*wanted, 3)):
                raise ValueError(
                    f"{self.sequence}: joints of shapes {shapes[0]} and {shapes[1]} in one picture, "
                    f"wanted (persons, {JOINTS}, 2) and (persons, {JOINTS}, 3)"
                )


def scenes(people: People, pred3d: Float[Tensor, "N 17 3"]) -> list[Scene]:
    """The pictures of N annotated people, each of whom has one prediction (camera, mm).

    Such are the predictions of a network that sees the annotated boxes. Their pixels are where the
    pictures' cameras see them. `people` are those of `posekit.data.mupots`. ValueError, naming the
    person, for a prediction that is not finite or behind the camera; ValueError for another shape.
    """
    if pred3d.shape != people.joints3d.shape:
        raise ValueError(
            f"predictions of shape {tuple(pred3d.shape)} for people of {people.name} whose joints "
            f"are {tuple(people.joints3d.shape)}"
        )
    pred3d = pred3d.double()
    broken = ~(pred3d.isfinite().all(-1) & (pred3d[..., 2] > 0)).all(-1)
    if broken.any():
        who = people.who(int(broken.nonzero()[0]))
        raise ValueError(f"{who}: a predicted joint is not finite or lies behind the camera")
    seen = pred3d @ people.intrinsics.mT
    tensors = seen[..., :2] / seen[..., 2:], pred3d, people.joints2d, people.joints3d
    return [
        Scene(str(people.rows["subject"].iloc[group[0]]), *(each[group] for each in tensors))
        for group in people.by_picture().values()
    ]


def match(pred2d: Float[Tensor, "P J 2"], true2d: Float[Tensor, "G J 2"]) -> list[int]:
    """For each annotated person the index of their prediction, or -1.

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


@dataclass(frozen=True, kw_only=True)
class SceneProtocol(PoseProtocol):
    """A rule of MuPoTS-3D."""

    misses: bool = True  # a person that no prediction was matched to counts as 0

    def evaluate(self, scenes: Iterable[Scene]) -> dict[str, float]:
        """The numbers of these pictures, %: "pck", "pck/TS1", ...

        A sequence in which nobody counts has no number. ValueError when nobody counts at all.
        """
        scores, sequences = [], []
        for scene in scenes:
            owners = torch.tensor(match(scene.pred2d, scene.true2d), dtype=torch.long)
            matched = owners >= 0
            score = torch.zeros(len(owners), dtype=scene.true3d.dtype)
            score[matched] = self.errors(scene.pred3d[owners[matched]], scene.true3d[matched])
            scores.append(score if self.misses else score[matched])
            sequences += [scene.sequence] * len(scores[-1])
        if not sequences:
            raise ValueError(f"{self.name}: no person counts in these scenes")
        frames = pd.DataFrame({"subject": sequences, "action": sequences})
        return self.average(torch.cat(scores), frames)


def _protocols() -> Iterator[SceneProtocol]:
    relative = SceneProtocol(
        name="mupots-3dpck-rel",
        rule="Every annotated person, predictions matched greedily by 2D joints within 40 px and "
        "given the true bone lengths: share of 14 joints less than 150 mm from the universal truth, "
        "relative to the pelvis, 0 for persons missed; mean of each sequence, then mean of the "
        "sequences.",
        source="Moon et al., ICCV 2019; data/MuPoTS/mpii_mupots_multiperson_eval.m, mode 0, "
        "relative",
        skeleton=MPI_INF_3DHP17,
        joints=MPI_INF_3DHP17.joints[:14],
        metric="pck",
        bones=BONES,
        mean_over="subjects",
    )
    absolute = replace(
        relative,
        name="mupots-3dpck-abs",
        rule="As mupots-3dpck-rel, but in camera coordinates: not relative to the pelvis, bones "
        "start at the predicted pelvis.",
        source=relative.source.replace("relative", "absolute"),
        root=(),
    )
    for protocol in (relative, absolute):
        matched = replace(
            protocol,
            name=f"{protocol.name}-matched",
            rule=f"As {protocol.name}, of the persons that a prediction was matched to.",
            source=protocol.source.replace("mode 0", "mode 1"),
            misses=False,
        )
        for pck in (protocol, matched):
            yield pck
            area = {"rule": AREA.format(pck.name), "metric": "auc"}
            yield replace(pck, name=pck.name.replace("3dpck", "auc"), **area)


MUPOTS_PROTOCOLS = {protocol.name: protocol for protocol in _protocols()}

RELATIVE = tuple(name for name in MUPOTS_PROTOCOLS if "-rel" in name)
"""Those for predictions that were given the true depths of the pelvises: absolute ones would not
show that it was given."""

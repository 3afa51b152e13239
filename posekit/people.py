"""Evaluating several persons in one picture: who was predicted, and how well (MuPoTS-3D).

The rule of Moon et al. (ICCV 2019), mpii_mupots_multiperson_eval.m, which the cards `mupots-moon*`
of `posekit.protocols` describe.

Dimensions: P predicted persons, G annotated persons of one picture, J joints.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.card import Card

MATCH_RADIUS = 40.0  # px, in x and in y, strict
MATCH_JOINTS = slice(1, 14)  # MPI-INF-3DHP's 17 without the head's top, pelvis, spine and head


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

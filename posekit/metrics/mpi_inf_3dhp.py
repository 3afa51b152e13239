"""The rules of MPI-INF-3DHP's test set: 3DPCK, AUC and MPJPE, by activity, take and scene.

The release (Mehta et al., 3DV 2017) measures against the universal skeletons, relative to the
pelvis, in valid frames alone; the cards `3dhp-*` of `posekit.protocols` say how. A network that was
taught the actors' own sizes is judged too hard by it, so each rule is here a second time against
the true skeletons, under another name. `posekit.data.mpi_inf_3dhp.read_test` reads both.

N poses, 17 joints in the order of MPI_INF_3DHP17.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from posekit.data.poses import PoseSet
from posekit.metrics import protocol
from posekit.metrics.protocol import Card
from posekit.metrics.protocols import CARDS


@dataclass(frozen=True)
class HpCard(Card):
    """A rule of the test set, and which skeletons it measures against."""

    truth: str = "universal"  # or "true", the actors' own

    def average(self, errors: Float[Tensor, " N"], frames: pd.DataFrame) -> dict[str, float]:
        """As `Card.average`, and one number for each scene where `frames` tells them."""
        numbers = super().average(errors, frames)
        if "scene" in frames.columns:
            scenes = frames["scene"].astype(str).to_numpy()
            for scene in dict.fromkeys(scenes):
                numbers[scene] = errors[scenes == scene].double().mean().item()
        return numbers


_OFFICIAL = tuple(HpCard(**vars(CARDS[f"3dhp-{what}"])) for what in ("pck", "auc", "mpjpe"))

THREEDHP_CARDS = {
    rule.name: rule
    for official in _OFFICIAL
    for rule in (
        official,
        replace(
            official,
            name=f"{official.name}-true",
            rule=f"As {official.name}, against the actors' own skeletons instead of the universal "
            "one.",
            source=f"posekit, 2026: the rule of {official.name} on annot3 instead of univ_annot3",
            truth="true",
        ),
    )
}
"""By name: the three of the release, equal to those of `posekit.protocols`, and three "-true"."""


def quantities(
    subject: str,
    pred: Float[Tensor, "N 17 3"],
    truths: Mapping[str, PoseSet],
    cards: Iterable[HpCard] = tuple(THREEDHP_CARDS.values()),
) -> list[tuple[str, str, str, float]]:
    """What a record says of the method `subject` on the test set: quantity, card, data, value.

    `truths`: the test set by "universal" and "true", as far as `cards` ask for them. "pck" becomes
    "pck/SUBJECT", "pck/Sports" becomes "pck/SUBJECT/Sports"; takes are TS1 to TS6. ValueError when
    a truth is not there, and as `posekit.card.evaluate`.
    """
    rows = []
    for rule in cards:
        if rule.truth not in truths:
            raise ValueError(
                f"{rule.name} measures against {rule.truth!r}: {list(truths)} is there"
            )
        rows += protocol.quantities(subject, pred, truths[rule.truth], [rule])
    return rows

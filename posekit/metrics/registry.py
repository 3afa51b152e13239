"""`ALL`: every protocol by name, whatever it measures, for tables and reports.

Trainings import the one module of their own protocols instead: what a run depends on is part of its
identity.
"""

from posekit.metrics.masks import MASK_PROTOCOLS
from posekit.metrics.mupots import MUPOTS_PROTOCOLS
from posekit.metrics.pckh import PCKH_PROTOCOLS
from posekit.metrics.photographs import PHOTOGRAPH_PROTOCOLS
from posekit.metrics.pictures import ON_OTHERS, PICTURE_PROTOCOLS
from posekit.metrics.protocol import Protocol
from posekit.metrics.protocols import PROTOCOLS

_KIM_LOSS = (
    "Kim et al., section V; the loss of their base project, "
    "Naman-ntc/Pytorch-Human-Pose-Estimation, losses.py"
)
_SUM = (
    "Mean squared error of the heatmaps over joints and cells, summed over the stacks; targets are "
    "Gaussians of height 1 and 6 x 6 cells, the base project's table without its last row and "
    "column (all 7 x 7 of it in runs before 29 November 2026: 3.5 % more where nothing is predicted), "
    "all zero where a joint is not labelled; "
)
LOSS_PROTOCOLS = {
    "kim-train-loss": Protocol(
        name="kim-train-loss",
        rule=_SUM + "mean over the pictures of the epoch, while the network learns from them.",
        source=f"{_KIM_LOSS}. The report says the loss during training",
        metric="loss",
    ),
    "kim-test-loss": Protocol(
        name="kim-test-loss",
        rule=_SUM + "mean over pictures of other people, after the epoch.",
        source=f"{_KIM_LOSS}. The report prints none of these",
        metric="loss",
    ),
}
"""Losses as numbers of a paper, so that no two are confused."""

ALL: dict[str, Protocol] = (
    PROTOCOLS
    | PCKH_PROTOCOLS
    | LOSS_PROTOCOLS
    | PICTURE_PROTOCOLS
    | ON_OTHERS
    | PHOTOGRAPH_PROTOCOLS
    | MUPOTS_PROTOCOLS
    | MASK_PROTOCOLS
)

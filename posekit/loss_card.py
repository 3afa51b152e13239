"""Losses as protocol cards: which loss a number is, so that no two are mixed up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossCard:
    """One rule by which a loss is told."""

    name: str
    rule: str  # in words
    source: str


_KIM = (
    "Kim et al., section V; the loss of their base project, "
    "Naman-ntc/Pytorch-Human-Pose-Estimation, losses.py"
)
_SUM = (
    "Mean squared error of the heatmaps over joints and cells, summed over the stacks; targets are "
    "7 x 7 Gaussians of height 1, all zero where a joint is not labelled; "
)
LOSS_CARDS = {
    card.name: card
    for card in (
        LossCard(
            "kim-train-loss",
            _SUM + "mean over the pictures of the epoch, while they were being learnt from.",
            f"{_KIM}. The report says the loss during training",
        ),
        LossCard(
            "kim-test-loss",
            _SUM + "mean over pictures of other people, after the epoch.",
            f"{_KIM}. The report prints none of these",
        ),
    )
}
"""All cards of losses by name."""

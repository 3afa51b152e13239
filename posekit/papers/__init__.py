"""One folder for each paper: its claims, its sizes and its networks counted."""

from torch import nn

from posekit.training.settings import load_settings

Counts = dict[str, int | float]
"""Quantity -> value, as `structure.py` of every paper returns them."""


def published_settings(slug: str) -> dict:
    """Setting -> value of the paper's own training: the column `paper` of its settings.csv."""
    return load_settings(slug)["paper"].to_dict()


def count_modules(network: nn.Module, kind: type | tuple[type, ...]) -> int:
    """How many layers of a kind a network has, at any depth."""
    return sum(isinstance(module, kind) for module in network.modules())

"""One folder for each paper: its claims, its sizes and its networks counted."""

import json

from torch import nn

from posekit.claims.paper import FOLDER, read_table

Counts = dict[str, int | float]
"""Quantity -> value, as `structure.py` of every paper returns them."""

_COLUMNS = ("setting", "smoke", "small", "gpu", "paper", "meaning")


def published_settings(slug: str) -> dict:
    """Setting -> value of the paper's own training: the column `paper` of its settings.csv."""
    path = FOLDER / slug / "settings.csv"
    return read_table(path, _COLUMNS, lambda row: (row["setting"], json.loads(row["paper"])))


def count_modules(network: nn.Module, kind: type | tuple[type, ...]) -> int:
    """How many layers of a kind a network has, at any depth."""
    return sum(isinstance(module, kind) for module in network.modules())

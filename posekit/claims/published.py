"""Networks, metrics and losses that give the published code's numbers: papers/parity.json.

`posekit parity` (posekit.inference.parity) writes the file. What is counted in such a network is as
good as counted in the published one: evidence E2, an independent reference. So is what is measured
of a loss, where it is just what was compared.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from posekit.claims.paper import FOLDER, split

RECORDS = "parity.json"

COUNTS = frozenset(
    [
        "params",
        "macs",
        "stem_params",
        "convs",
        "residuals",
        "convs_per_residual",
        "norms_per_residual",
        "relus_per_residual",
        "kernel",
        "stride",
        "padding",
        "channels_in",
        "channels_out",
        "channels_per_bin",
        "bins",
        "bin",
        "norms",
        "relus",
        "relu6s",
        "prelus",
        "activations",
        "deconvs",
        "backbone_layers",
        "joints",
        "depth",
        "heatmaps",
        "heatmap_width",
        "heatmap_height",
        "feature_width",
        "feature_height",
        "tap_width",
        "decoder_width",
        "concatenations",
        "average_pools",
        "max_pools",
        "bilinear_upsamplings",
        "upsampling_error",
        "stages_replaced",
        "bot_blocks",
        "attentions_per_block",
        "pointwise_per_block",
        "width_multiplier",
        "intermediate_channels",
    ]
)
"""Metrics that equal weights with equal outputs decide: sizes and numbers of a network's parts. A
setting of a training, a loss or a time is none of them."""


def records(folder: Path = FOLDER) -> dict[str, dict]:
    """What was compared, by its name; nothing where the file is not there.

    Each has project, commit, compared (in words), largest (the largest difference of two outputs in
    root mean squares of that output), outputs (digests) and, by paper, covers (a network: networks
    of claims) or decides (a metric or a loss: quantities of claims).
    """
    file = folder / RECORDS
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


@cache
def _named(what: str, paper: str) -> frozenset[str]:
    """What the records cover or decide of a paper's claims."""
    known = (record.get(what, {}).get(paper, ()) for record in records().values())
    return frozenset(name for names in known for name in names)


def is_count(quantities: Iterable[str]) -> bool:
    """Whether all are counts in a network, not measured of a loss."""
    return all(split(quantity)[0] in COUNTS for quantity in quantities)


def equal_to_published(paper: str, quantities: Iterable[str]) -> bool:
    """Whether all quantities are counts in networks, or of losses, that equal the published ones."""
    for quantity in quantities:
        metric, subject, _ = split(quantity)
        counted = metric in COUNTS and subject in _named("covers", paper)
        if not counted and quantity not in _named("decides", paper):
            return False
    return True

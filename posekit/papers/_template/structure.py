"""Counts and settings that the claims name, computed from the code here.

Keys are quantities of printed.csv: metric/network, and where it has several a part of it.
"""

import torch

from posekit.models.profile import parameters
from posekit.papers import Counts, published_settings
from posekit.papers._template.model import Network


def structure() -> Counts:
    """Quantity -> value, of everything that can be said without a training."""
    return layers() | recipe()


def layers() -> Counts:
    """Section 3: the network, at the paper's size."""
    with torch.device("meta"):  # shapes without numbers: nothing is computed
        network = Network(channels=published_settings("_template")["channels"])
    return {"params/ours": parameters(network)}


def recipe() -> Counts:
    """Section 4: settings of the training, at size `paper`."""
    return {"recipe_epochs/ours": published_settings("_template")["epochs"]}

"""Counts and settings of Tran et al. (2022) that its claims name, computed from the code here.

Keys are quantities of printed.csv: metric/network, and where it has several a part of it.
"""

import torch
from torch import nn

from posekit.metrics.protocols import PROTOCOLS
from posekit.models.lifter import LIFTERS as NETWORKS
from posekit.models.lifter import GatedLifter
from posekit.models.profile import operations, parameters
from posekit.papers import Counts, published_settings
from posekit.studio.poses import TRAIN
from posekit.training import loop


def structure() -> Counts:
    """Quantity -> value, of everything that can be said without a training."""
    return layers() | parameter_counts() | losses() | recipe() | split()


def layers() -> Counts:
    """Section 2.1 and Fig. 2: two streams of linear layers, one gated by a sigmoid, and their sum."""
    with torch.device("meta"):
        network = GatedLifter().eval()
        gate_stage, learner_stage = network.gate_stage, network.learner_stage
        x = torch.zeros(1, gate_stage.embed[0].in_features)
    gate, learner = operations(gate_stage, x), operations(learner_stage, x)
    embedded, outputs = gate_stage.embed(x), network(x).shape[1]
    return {
        "inputs/ours": x.shape[1],
        "outputs/ours": outputs,
        "joints_in/ours": x.shape[1] // 2,
        "joints_out/ours": outputs // 3,
        "width/ours/gate-stage": embedded.shape[1],
        "width/ours/learner-stage": learner_stage.embed(x).shape[1],
        "fc_layers/ours/gate-stage": operations(gate_stage.layers, embedded)["linear"],
        "products/ours/gate-stage": gate["mul"],
        "sigmoid/ours/gate-stage": gate["sigmoid"],
        "outputs/ours/gate-stage": gate_stage(x).shape[1],
        "sigmoid/ours/learner-stage": learner["sigmoid"],
        "convolutions/ours/learner-stage": sum(n for name, n in learner.items() if "conv" in name),
        "stages/ours": sum(name.endswith("stage") for name, _ in network.named_children()),
        "fc_layers/ours/output": operations(network.final, gate_stage(x))["linear"],
        "sum_error/ours": _sum_error(),
    }


def _sum_error() -> float:
    """How far the output is from the last layer of the streams' sum; relative to its largest."""
    network, x = GatedLifter(channels=32).eval(), torch.randn(8, 34)
    added = network.final(network.gate_stage(x) + network.learner_stage(x))
    return ((network(x) - added).abs().max() / added.abs().max()).item()


def parameter_counts() -> Counts:
    """Trainable parameters of every network that has some."""
    with torch.device("meta"):
        counts = {name: parameters(build()) for name, build in NETWORKS.items()}
    return {f"params/{name}": count for name, count in counts.items() if count}


def losses() -> Counts:
    """Equation 2: three times torch's mean square is the mean squared distance of the joints."""
    pred, true = torch.randn(2, 5, 48, generator=torch.Generator().manual_seed(0)).unbind()
    equation_2 = (pred - true).unflatten(1, (-1, 3)).square().sum(-1).mean()
    return {"loss_error/ours": abs(3 * nn.functional.mse_loss(pred, true) / equation_2 - 1).item()}


def recipe() -> Counts:
    """Section 3.1.2: batch, epochs and learning rate at size `paper`, and the optimiser."""
    settings, default = published_settings("tran2022"), loop.Recipe(epochs=1, batch=1)
    optimiser = loop.OPTIMISERS[default.optimiser]([torch.zeros(1)])
    return {
        "recipe_batch/ours": settings["batch"],
        "recipe_epochs/ours": settings["epochs"],
        "recipe_lr/ours": settings["rate"],
        "recipe_decay/ours": default.factor,
        "recipe_milestone/ours/first": settings["drops"][0],
        "recipe_milestone/ours/second": settings["drops"][1],
        "recipe_adam/ours": int(isinstance(optimiser, torch.optim.Adam)),
        "recipe_beta1/ours": optimiser.defaults["betas"][0],
    }


def split() -> Counts:
    """Section 3.1.1: the subjects of Human3.6M that train and that test."""
    test = PROTOCOLS["h36m-martinez-p1"].subjects
    return {
        **{f"trained_on/ours/{subject}": 1 for subject in TRAIN},
        **{f"tested_on/ours/{subject}": 1 for subject in test},
        "train_subjects/ours": len(TRAIN),
        "test_subjects/ours": len(test),
    }

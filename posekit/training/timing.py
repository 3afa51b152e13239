"""Latencies of networks, measured as a run."""

from collections.abc import Sequence
from pathlib import Path

import torch

from posekit.models.profile import latencies, parameters, remove_parametrizations
from posekit.training.experiment import Networks
from posekit.training.runs import Measured


def latency(networks: Networks, config: dict, seed: int, folder: Path, data: Sequence) -> Measured:
    """The work of a run: milliseconds of one forward pass of every network that has parameters.

    The input has the shape `config["input"]`; medians of `config["rounds"]`, recorded under the
    name `config["metric"]`.
    """
    built = {name: build() for name, build in networks.items()}
    for network in built.values():
        remove_parametrizations(network)
    timed = {name: network for name, network in built.items() if parameters(network)}
    times = latencies(timed, torch.randn(config["input"]), rounds=config["rounds"])
    return Measured([(f"{config['metric']}/{name}", "", "", ms) for name, ms in times.items()])

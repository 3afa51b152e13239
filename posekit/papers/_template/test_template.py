"""_template: its network and its counts."""

import torch

from posekit.claims.paper import load_paper
from posekit.papers._template.model import Network
from posekit.papers._template.structure import structure


def test_every_parameter_of_the_network_learns():
    network = Network(channels=16)
    pose = network(torch.randn(4, 34))
    assert pose.shape == (4, 48)
    pose.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def test_counts_are_those_that_the_paper_prints():
    paper, counted = load_paper("_template"), structure()
    assert counted["params/ours"] == 34 * 1024 + 1024 + 1024 * 48 + 48
    for name, count in counted.items():
        assert float(paper.printed[name, ""].text) == count, name

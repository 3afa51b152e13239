"""Counting what a network is made of."""

import torch
from torch import nn

from posekit.models.lifter import GatedLifter
from posekit.models.profile import latencies, operations, parameters


def test_parameters_of_a_linear_layer_are_its_weights_and_biases():
    assert parameters(nn.Linear(7, 5)) == 7 * 5 + 5


def test_operations_are_counted_as_they_run():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Conv1d(1, 1, 1)

        def forward(self, x):
            x = torch.sigmoid(self.a(x) * self.a(x)) * x
            return self.b(x[:, None])

    counts = operations(Net(), torch.randn(2, 3))
    assert (counts["linear"], counts["mul"], counts["sigmoid"], counts["conv1d"]) == (2, 2, 1, 1)


def test_the_two_stages_of_the_gated_lifter_hold_what_the_text_says():
    network, x = GatedLifter(channels=16), torch.randn(4, 34)
    gate, learner = (operations(s, x) for s in (network.gate_stage, network.learner_stage))
    assert (gate["sigmoid"], gate["mul"], gate["linear"]) == (1, 1, 1 + 8 + 1)
    assert (learner["sigmoid"], learner["mul"], learner["linear"]) == (0, 0, 1 + 8 + 1)


def test_a_larger_network_takes_longer():
    networks = {"small": nn.Linear(64, 64), "large": nn.Sequential(*[nn.Linear(1024, 1024)] * 8)}
    times = latencies(
        {"small": nn.Linear(1024, 1), "large": networks["large"]}, torch.randn(64, 1024)
    )
    assert 0 < times["small"] < times["large"]

"""Layers as they run: the stem of Table I and closed forms."""

import torch
from torch import nn

from posekit.models.profile import macs, spatial_layers


def test_layers_come_in_the_order_they_run_in_with_their_sizes():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.second = nn.Conv2d(4, 8, (3, 3), stride=2, padding=1)
            self.first = nn.Conv2d(3, 4, 5, bias=False)
            self.pool = nn.MaxPool2d(2)

        def forward(self, x):
            return self.second(self.pool(self.first(x)))

    first, pool, second = spatial_layers(Backwards(), torch.zeros(1, 3, 20, 20))
    assert first == {
        "size_in": 20, "size_out": 16, "kernel": 5, "stride": 1, "padding": 0, "channels_in": 3,
        "channels_out": 4, "parameters": 300, "convolution": 1,
    }  # fmt: skip
    assert (pool["size_in"], pool["size_out"], pool["kernel"], pool["stride"]) == (16, 8, 2, 2)
    assert (pool["convolution"], pool["parameters"], pool["channels_out"]) == (0, 0, 4)
    assert (second["size_out"], second["stride"], second["parameters"]) == (4, 2, 8 * 4 * 9 + 8)


def test_macs_are_those_of_the_closed_form():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(8 * 36, 10))
    assert macs(network, torch.zeros(1, 3, 6, 6)) == 36 * 8 * 27 + 8 * 36 * 10


def test_looking_changes_nothing():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    spatial_layers(network, torch.randn(1, 3, 8, 8))
    macs(network, torch.randn(1, 3, 8, 8))
    assert network.training and not any(m._forward_hooks for m in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

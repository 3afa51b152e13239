"""What training keeps, against sums by hand and against the other device."""

import pytest
import torch
from torch import nn

from posekit.models.mobile import mobile_pose
from posekit.models.profile import kept_bytes

SMALL = {"joints": 2, "width": 0.25, "channels": 16, "depth": 8}


class Net(nn.Module):
    """As much of a volume network as is looked at."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def volumes(self, pictures):
        return self.layers(pictures)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_each_tensor_counts_once_and_weights_do_not(device):
    with torch.device(device):
        x = torch.zeros(2, 3, 8, 8)
        conv, wide = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        given, made = 2 * 3 * 64 * 4, 2 * 4 * 64 * 4  # bytes of float32
        assert kept_bytes(Net(conv), x) == given
        # ReLU keeps what it makes, which the next convolution keeps as well; PReLU what it is given
        assert kept_bytes(Net(conv, nn.ReLU(inplace=True), wide), x) == given + made
        assert kept_bytes(Net(conv, nn.PReLU(4), wide), x) == given + 2 * made


def test_prelu_keeps_more_than_relu_and_as_much_as_relu6():
    kept = {}
    for activation in ("relu", "relu6", "prelu"):
        for device in ("cpu", "meta"):
            with torch.device(device):
                network = mobile_pose(**SMALL, activation=activation)
                kept[activation, device] = kept_bytes(network, torch.zeros(2, 3, 64, 64))
                assert network.training
    assert kept["prelu", "cpu"] == kept["prelu", "meta"]
    assert kept["relu", "cpu"] == kept["relu", "meta"]
    assert kept["relu", "meta"] < kept["relu6", "meta"] == kept["prelu", "meta"]

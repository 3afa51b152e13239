"""Parameters, operations, layers, activation memory and latency against sums by hand."""

import torch
from torch import nn
from torch.nn.utils import parametrize

from posekit.models.lifter import GatedLifter, Martinez
from posekit.models.mobile import mobile_pose
from posekit.models.profile import (
    activation_bytes,
    latencies,
    macs,
    operations,
    parameters,
    remove_parametrizations,
    spatial_layers,
)


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


def test_the_two_streams_of_the_gated_lifter_hold_what_the_text_says():
    network, x = GatedLifter(channels=16), torch.randn(4, 34)
    gate, learner = (operations(s, x) for s in (network.gate_stage, network.learner_stage))
    assert (gate["sigmoid"], gate["mul"], gate["linear"]) == (1, 1, 1 + 8 + 1)
    assert (learner["sigmoid"], learner["mul"], learner["linear"]) == (0, 0, 1 + 8 + 1)


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


def test_counting_leaves_a_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for count in (spatial_layers, macs, operations):
        count(network, torch.randn(1, 3, 8, 8))
    assert network.training and not any(m._forward_hooks for m in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_saved_tensor_counts_once_and_weights_do_not():
    for device in ("cpu", "meta"):
        with torch.device(device):
            x = torch.zeros(2, 3, 8, 8)
            conv, wide = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
            before, after = 2 * 3 * 64 * 4, 2 * 4 * 64 * 4  # bytes of float32
            assert activation_bytes(conv, x) == before
            # ReLU keeps its output, which the next convolution keeps as well; PReLU its input.
            relu, prelu = (nn.Sequential(conv, a, wide) for a in (nn.ReLU(True), nn.PReLU(4)))
            assert activation_bytes(relu, x) == before + after
            assert activation_bytes(prelu, x) == before + 2 * after


def test_prelu_keeps_more_than_relu_and_as_much_as_relu6():
    kept = {}
    shape = {"joints": 2, "width": 0.25, "channels": 16, "depth": 8}
    for activation, device in [(a, "meta") for a in ("relu", "relu6", "prelu")] + [
        ("prelu", "cpu")
    ]:
        with torch.device(device):
            network = mobile_pose(**shape, activation=activation)
            kept[activation, device] = activation_bytes(network, torch.zeros(2, 3, 64, 64))
            assert network.training
    assert kept["prelu", "cpu"] == kept["prelu", "meta"]
    assert kept["relu", "meta"] < kept["relu6", "meta"] == kept["prelu", "meta"]


def test_latency_is_the_median_pass_in_milliseconds(monkeypatch):
    # Starts of the first round, then starts and ends.
    clock = iter([0.0, 0.0, 0.0, 1.0, 0.0, 5.0, 0.0, 3.0, 0.0, 7.0, 0.0, 2.0, 0.0, 6.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    networks = {"small": nn.Linear(4, 1), "large": nn.Linear(4, 2)}
    assert latencies(networks, torch.randn(2, 4), rounds=3) == {"small": 2000, "large": 6000}


def test_weights_stay_without_their_parametrizations():
    network = Martinez(channels=16).eval()
    x = torch.randn(3, 34)
    before = network(x)
    remove_parametrizations(network)
    assert not any(parametrize.is_parametrized(module) for module in network.modules())
    torch.testing.assert_close(network(x), before, rtol=0, atol=0)

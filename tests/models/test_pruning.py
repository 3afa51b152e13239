"""Pruning: masks are the smallest weights and change no count, shrinking changes all of them."""

import builtins
import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from posekit.models.encoders import Encoder, small_resnet
from posekit.models.hmr import HMR, Step, hmr, rest_start
from posekit.models.profile import macs, parameters
from posekit.models.pruning import mask, shrink, sparsity, unmask

PICTURE = torch.rand(1, 3, 32, 32)


def cost(network: nn.Module, picture: torch.Tensor) -> tuple[int, int]:
    return parameters(network), macs(network, picture)


def small() -> nn.Sequential:
    """Two convolutions and a classifier."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 10, 3, bias=False),
        nn.BatchNorm2d(10),
        nn.ReLU(),
        nn.Conv2d(10, 5, 3),
        nn.Flatten(),
        nn.Linear(5 * 28 * 28, 2),
    )
    return net


def test_the_smallest_weights_of_each_convolution_go():
    net, before = small(), small()
    mask(net)
    for k, count in ((0, 54), (3, 90)):
        old, new = before[k].weight.abs(), net[k].weight
        assert int((new == 0).sum()) == count and old[new == 0].max() < old[new != 0].min()
    assert sparsity(net) == pytest.approx(0.2)
    assert torch.equal(net[5].weight, before[5].weight) and torch.equal(net[3].bias, before[3].bias)


def test_masks_change_neither_counts_nor_operations():
    net, picture = hmr("my-mobilenetv2", width=0.35, size=32), PICTURE
    before = cost(net, picture)
    mask(net)
    assert sparsity(net) == pytest.approx(0.2, abs=1e-3)
    mask(net)
    assert cost(net, picture) == before and sparsity(net) == pytest.approx(0.36, abs=1e-3)
    zeros, outputs = sparsity(net), net.eval()(picture)
    unmask(net)
    assert cost(net, picture) == before and sparsity(net) == zeros
    assert torch.equal(net(picture).rotations, outputs.rotations)
    assert not [name for name, _ in net.named_buffers() if "mask" in name]


def step(net: nn.Module, times: int) -> None:
    """Training, in short."""
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(times):
        optimiser.zero_grad()
        functional.mse_loss(net(PICTURE.expand(2, 3, 32, 32)), torch.ones(2, 2)).backward()
        optimiser.step()


def test_masked_weights_stay_0_in_training_until_they_are_unmasked():
    net = small()
    mask(net)
    gone, before = net[3].weight == 0, net[3].weight.detach().clone()
    step(net, 3)
    net.eval()(PICTURE)
    assert (net[3].weight[gone] == 0).all() and not torch.equal(net[3].weight, before)
    unmask(net)
    step(net.train(), 3)
    assert (net[3].weight[gone] != 0).any()


def test_what_cannot_be_pruned_is_named():
    for share in (0, 1, 1.5, -0.2):
        with pytest.raises(ValueError, match="it has to be between 0 and 1"):
            mask(small(), share)
        with pytest.raises(ValueError, match="it has to be between 0 and 1"):
            shrink(small(), PICTURE, share)
    with pytest.raises(ValueError, match="no convolutions to prune"):
        mask(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="none of the network's own"):
        shrink(small(), PICTURE, keep=[nn.Linear(3, 3)])
    net = small()
    mask(net)
    with pytest.raises(ValueError, match=r"masked: unmask\(network\) first"):
        shrink(net, PICTURE)


def test_without_torch_pruning_it_says_so(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch_pruning":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "posekit\[prune\]"'):
        shrink(small(), PICTURE)


@pytest.fixture
def library():
    """torch-pruning, where the extra is installed."""
    return pytest.importorskip("torch_pruning", reason="the extra 'prune' isn't installed")


def test_shrinking_takes_the_weakest_channels_and_all_that_belongs_to_them(library):
    net = small().eval()
    with torch.no_grad():
        net[0].weight[[2, 7]] *= 0.001
        net[1].weight[[2, 7]] *= 0.001
        net[1].bias[[2, 7]] = 0
        net[3].weight[:, [2, 7]] *= 0.001
    original = copy.deepcopy(net.state_dict())
    less = shrink(net, PICTURE, 0.2, keep=[net[3], net[5]])
    rest = [0, 1, 3, 4, 5, 6, 8, 9]
    assert torch.equal(less[0].weight, net[0].weight[rest])
    assert torch.equal(less[1].running_var, net[1].running_var[rest])
    assert torch.equal(less[3].weight, net[3].weight[:, rest])
    torch.testing.assert_close(less(PICTURE), net(PICTURE), atol=1e-4, rtol=0)
    assert all(torch.equal(original[k], v) for k, v in net.state_dict().items()), "a copy shrinks"
    (parameters_before, macs_before), (parameters_after, macs_after) = (
        cost(network, PICTURE) for network in (net, less)
    )
    # 2 of 10 channels: 3 x 3 x 3 and 5 x 3 x 3 weights each, 2 of normalisation.
    assert parameters_before - parameters_after == 2 * (27 + 45 + 2)
    assert macs_before - macs_after == 2 * (27 * 30**2 + 45 * 28**2)


def residual_hmr() -> HMR:
    """HMR behind a small ResNet, pooled."""
    stages = dict(small_resnet(16).named_children())
    pooled = {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    start = rest_start()
    return HMR(Encoder(stages | pooled, 128), Step(128, start, hidden=64), start)


@pytest.mark.parametrize("encoder", ["resnet", "mobilenetv2", "mobilenetv3", "my-mobilenetv2"])
def test_shrunken_networks_are_smaller_and_learn(library, encoder):
    torch.manual_seed(0)
    shape = {"width": 0.5, "size": 64}
    net = residual_hmr() if encoder == "resnet" else hmr(encoder, **shape)
    picture = torch.rand(1, 3, 64, 64)
    keep = [net.step] + ([net.encoder.outer] if encoder == "my-mobilenetv2" else [])
    less = shrink(net, picture, 0.25, keep=keep)
    (parameters_before, macs_before), (parameters_after, macs_after) = (
        cost(network, picture) for network in (net, less)
    )
    assert parameters_after < 0.85 * parameters_before and macs_after < 0.75 * macs_before
    assert less.training
    estimate = less(torch.rand(2, 3, 64, 64))
    assert estimate.rotations.shape == (2, 24, 3, 3) and estimate.shape.shape == (2, 10)
    sum(part.square().sum() for part in estimate).backward()
    assert all(p.grad is not None for p in less.parameters())


def test_a_network_it_cannot_follow_is_refused(library):
    net = hmr("shufflenetv2", width=0.5)
    with pytest.raises(ValueError, match="can't follow this network's channels"):
        shrink(net, torch.rand(1, 3, 64, 64), keep=[net.step])

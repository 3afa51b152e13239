"""Integral regression: published counts, other people's layers, and its formulas written out."""

import math

import pytest
import torch
from builders.spots import GUESS, learn_spots
from torch import nn

from posekit.models.botnet import botnet
from posekit.models.encoders import resnet, small_resnet
from posekit.models.integral import (
    ASPP,
    BINS,
    PPM,
    IntegralNet,
    from_cube,
    from_voxels,
    to_cube,
    to_voxels,
)
from posekit.models.profile import macs, parameters
from posekit.models.soft_argmax import soft_argmax
from posekit.models.torchvision_compat import torchvision
from posekit.training.losses import joint_loss

BOTTLENECKS = {
    "none": lambda channels: None,
    **{name: (lambda channels, bins=bins: PPM(channels, bins)) for name, bins in BINS.items()},
    "ASPP": lambda channels: ASPP(channels, (4, 8, 12), widen=1.5),
    "ASPP 2": lambda channels: ASPP(channels, (6, 12, 18), widen=1.5),
    "ASPP 3": lambda channels: ASPP(channels, (6, 12, 18), pooled=False),
}
ENCODERS = {
    "50": lambda: resnet(50),
    "101": lambda: resnet(101),
    "152": lambda: resnet(152),
    "BoTNet50": lambda: botnet(resnet(50), (256, 256)),
}


COUNTS = {
    ("50", "none", 64): 34_274_944,
    ("50", "none", 72): 34_309_896,
    ("50", "PPM 1", 64): 46_861_952,
    ("50", "PPM 2", 64): 46_861_952,
    ("50", "PPM 3", 64): 46_849_660,
    ("50", "PPM 4", 64): 46_837_368,
    ("50", "ASPP", 64): 268_144_256,
    ("50", "ASPP 2", 64): 268_144_256,
    ("50", "ASPP 3", 64): 168_513_152,
    ("BoTNet50", "none", 64): 46_349_184,
    ("BoTNet50", "PPM 1", 64): 58_936_192,
    ("101", "none", 72): 53_302_024,
    ("152", "none", 72): 68_945_672,
    ("152", "PPM 1", 72): 81_532_680,
}


def test_networks_have_the_parameters_of_the_published_code():
    counted = {}
    with torch.device("meta"):
        encoders = {name: build() for name, build in ENCODERS.items()}
        for encoder, bottleneck, depth in COUNTS:
            between = BOTTLENECKS[bottleneck](encoders[encoder].channels)
            network = IntegralNet(encoders[encoder], between, depth=depth)
            counted[encoder, bottleneck, depth] = parameters(network)
    assert counted == COUNTS


@pytest.mark.parametrize("encoder", ["50", "BoTNet50"])
def test_volumes_have_a_quarter_of_the_pictures_resolution(encoder):
    with torch.device("meta"):
        network = IntegralNet(ENCODERS[encoder](), depth=72)
        assert network.volumes(torch.empty(1, 3, 256, 256)).shape == (1, 17, 72, 64, 64)


def test_the_final_models_volumes_and_operations():
    with torch.device("meta"):
        network = IntegralNet(resnet(152), PPM(2048), depth=72).eval()
        assert network.volumes(torch.empty(1, 3, 384, 288)).shape == (1, 17, 72, 96, 72)
        counted = macs(network.head, torch.empty(1, 4096, 12, 9))
    # A transposed convolution takes 16 = 4 x 4 taps for every input cell.
    cells = [12 * 9, 24 * 18, 48 * 36, 96 * 72]
    taps = [4096 * 256 * 16, 256 * 256 * 16, 256 * 256 * 16, 256 * 17 * 72]
    assert counted == sum(c * t for c, t in zip(cells, taps, strict=True))


def small(bottleneck: str = "none", encoder=None, **shape) -> IntegralNet:
    torch.manual_seed(0)
    encoder = encoder or small_resnet(4)
    made = BOTTLENECKS[bottleneck](encoder.channels)
    return IntegralNet(encoder, made, joints=3, depth=8, channels=16, **shape)


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_every_parameter_learns(bottleneck):
    network = small(bottleneck)
    joints = network(torch.rand(4, 3, 64, 96))
    assert joints.shape == (4, 3, 3)
    everything = torch.ones(4, 3, dtype=torch.bool)
    joint_loss(joints, torch.full((4, 3, 3), 0.3), everything, everything[:, 0]).backward()
    # A constant added to all voxels is nothing to a softmax, so no bias here is without effect.
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_botnet_in_it_learns():
    network = small("PPM 1", botnet(small_resnet(4), (64, 64), heads=2, head_channels=4))
    for block in network.encoder.layer4:
        nn.init.ones_(block.layers[-1].weight)
    network(torch.rand(4, 3, 64, 64)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_head_starts_as_published():
    head = small().head
    for layer in head:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.001, rel=0.1)
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all() and (layer.bias == 0).all()
    assert (head[-1].bias == 0).all()


def test_joints_are_the_mean_places_of_the_volumes():
    """Softmax, and the sum over voxels of probability times place, in float64."""
    network = small()
    nn.init.normal_(network.head[-1].weight)
    pictures = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        logits = network.volumes(pictures).double()
        assert logits.shape == (2, 3, 8, 16, 24)
        shares = logits.flatten(2).softmax(2).view_as(logits)
        axes = [
            (torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5
            for n in reversed(shares.shape[2:])
        ]
        expected = torch.stack([
            torch.einsum("bjzyx,x->bj", shares, axes[0]),
            torch.einsum("bjzyx,y->bj", shares, axes[1]),
            torch.einsum("bjzyx,z->bj", shares, axes[2]),
        ], dim=-1)  # fmt: skip
        assert expected.std() > 0.01, "not all in the middle"
        torch.testing.assert_close(network(pictures), expected.float(), atol=1e-5, rtol=0)


def test_a_voxel_lies_in_the_cube_where_its_middle_lies_in_the_picture():
    network, size = small(), (64, 96)
    logits = torch.full((1, 3, 8, 16, 24), -1e4)
    places = [(0, 0, 0), (15, 3, 23), (7, 7, 12)]  # y, z, x
    for joint, (y, z, x) in enumerate(places):
        logits[0, joint, z, y, x] = 1e4
    network.volumes = lambda pictures: logits
    joints = network(torch.zeros(1, 3, *size))
    pixels, depths = from_cube(joints, size)
    torch.testing.assert_close(
        pixels[0], torch.tensor([[x * 4 + 1.5, y * 4 + 1.5] for y, _, x in places])
    )
    # Slices of 250 mm, from 1000 mm before the root to 1000 mm behind it.
    torch.testing.assert_close(depths[0], torch.tensor([z * 250.0 - 875 for _, z, _ in places]))
    torch.testing.assert_close(to_cube(pixels, depths, size), joints)
    torch.testing.assert_close(to_voxels(joints, (8, 16, 24)), soft_argmax(logits))
    torch.testing.assert_close(from_voxels(soft_argmax(logits), (8, 16, 24)), joints)


def test_the_cube_ends_at_the_edges_of_the_picture_and_mirrors():
    corners = torch.tensor([[[-0.5, -0.5], [95.5, 63.5], [47.5, 31.5]]])
    cube = to_cube(corners, torch.tensor([[-1000.0, 1000.0, 0.0]]), (64, 96))
    torch.testing.assert_close(cube, torch.tensor([[[-0.5] * 3, [0.5] * 3, [0.0] * 3]]))
    x = torch.tensor([[[10.0, 5.0]]])
    mirrored = torch.tensor([[[95 - 10.0, 5.0]]])
    flat = torch.zeros(1, 1)
    torch.testing.assert_close(
        to_cube(mirrored, flat, (64, 96))[..., 0], -to_cube(x, flat, (64, 96))[..., 0]
    )


def test_pyramid_pooling_is_its_formula():
    """Means of equal parts and bilinear interpolation between their corners, written out."""
    torch.manual_seed(0)
    ppm = PPM(6, (1, 2, 3)).eval()
    x = torch.randn(2, 6, 6, 12)
    y = ppm(x)
    assert y.shape == (2, 12, 6, 12) and torch.equal(y[:, :6], x)

    def spread(count: int, cells: int) -> torch.Tensor:
        weights = torch.zeros(cells, count)
        for cell in range(cells):
            at = cell * (count - 1) / (cells - 1)
            low = min(int(at), max(count - 2, 0))
            weights[cell, low] = 1 - (at - low)
            if count > 1:
                weights[cell, low + 1] = at - low
        return weights

    for level, side in enumerate((1, 2, 3)):
        means = x.unflatten(3, (side, -1)).unflatten(2, (side, -1)).mean((3, 5))
        convolution, norm, _ = ppm.levels[level].layer
        means = torch.einsum("oi,bihw->bohw", convolution.weight[:, :, 0, 0], means)
        means = (means / math.sqrt(1 + norm.eps)).relu()
        expected = torch.einsum("yh,xw,bohw->boyx", spread(side, 6), spread(side, 12), means)
        torch.testing.assert_close(y[:, 6 + 2 * level : 8 + 2 * level], expected)


def test_atrous_pooling_is_torchvisions():
    torch.manual_seed(0)
    ours = ASPP(8, (2, 3, 4), widen=1.5).eval()
    theirs = torchvision.models.segmentation.deeplabv3.ASPP(8, [2, 3, 4], 12).eval()
    mine, other = ours.state_dict(), theirs.state_dict()
    assert [v.shape for v in mine.values()] == [v.shape for v in other.values()]
    theirs.load_state_dict(dict(zip(other, mine.values(), strict=True)))
    x = torch.randn(2, 8, 9, 11)
    torch.testing.assert_close(ours(x), theirs(x))


def test_atrous_pooling_drops_half_while_it_learns():
    torch.manual_seed(0)
    made = ASPP(8, pooled=False)
    assert made.together[-1].p == 0.5
    assert (made(torch.randn(2, 8, 9, 11)) == 0).float().mean() > 0.6  # of ReLU's half, half


def test_pictures_of_a_wrong_size_are_refused():
    with pytest.raises(ValueError, match="pictures of 48 x 64 px.*multiples of 32"):
        small()(torch.rand(1, 3, 64, 48))


def test_a_small_one_learns_where_a_spot_is():
    torch.manual_seed(0)
    network = IntegralNet(small_resnet(8), joints=1, depth=8, channels=32)
    assert learn_spots(network, steps=100, batch=8, rate=7e-3) < 2 / 3 * GUESS

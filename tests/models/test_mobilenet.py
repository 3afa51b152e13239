"""MobileNetV2 and the light backbones: torchvision's outputs, published shapes and counts."""

from pathlib import Path

import pytest
import torch
from torch import nn

from posekit.models.encoders import resnet
from posekit.models.mobile import PartHead, part_pose
from posekit.models.mobilenet import (
    ACTIVATIONS,
    HALF,
    LIGHT,
    MODIFIED,
    Layout,
    MobileNet,
    light_backbone,
    scaled,
)
from posekit.models.profile import parameters
from posekit.models.torchvision_compat import torchvision
from posekit.papers.choi2021.flops import paper_flops

models = torchvision.models

ORIGINAL = Layout(  # Sandler et al., Table 2
    first=32,
    stride=2,
    groups=(
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ),
    taps=(6, 5, 3),
)


@pytest.mark.parametrize("width", [0.5, 1])
def test_the_original_is_torchvisions(width):
    torch.manual_seed(0)
    net = MobileNet(ORIGINAL, width=width, channels=1280, activation="relu6").eval()
    whole = models.mobilenet_v2(weights=None, width_mult=width).eval()
    missing = whole.load_state_dict(net.state_dict(), strict=False)
    assert missing.missing_keys == ["classifier.1.weight", "classifier.1.bias"]
    assert not missing.unexpected_keys
    for module in [*net.modules(), *whole.modules()]:  # else everything is nearly 0 at the end
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(0.05)
    pictures = torch.rand(2, 3, 64, 96)
    standard = (pictures - net.mean) / net.deviation
    with torch.no_grad():
        (last,) = net(pictures)
        expected = whole.features(standard)
    assert expected.std() > 0.01 and last.shape == (2, 1280, 2, 3)
    torch.testing.assert_close(last, expected)


def test_channels_are_rounded_as_in_torchvision():
    rounded = models._utils._make_divisible
    for width in (0.1, 0.25, 0.35, 0.5, 0.75, 1.0, 1.4):
        for channels in (16, 24, 32, 48, 64, 96, 160, 320):
            assert scaled(channels, width) == rounded(channels * width, 8)


LARGE = [(48, 256), (64, 256), (48, 128), (48, 64), (64, 32), (96, 16), (160, 8), (320, 8)]
LATER = [(48, 128), (64, 64), (48, 32), (48, 16), (64, 8), (96, 4), (160, 4), (320, 4)]


@pytest.mark.parametrize(("layout", "maps"), [(MODIFIED, LARGE), (HALF, LATER)])
def test_maps_have_the_published_shapes(layout, maps):
    with torch.device("meta"):
        net = MobileNet(layout, taps=(1, 2, 3, 4, 5, 6, 7))
        last, *groups = net(torch.empty(1, 3, 256, 256))
        first = net.features[0](torch.empty(1, 3, 256, 256))
    assert last.shape == (1, 2048, maps[-1][1], maps[-1][1])
    assert [tuple(x.shape[1:3]) for x in (first, *groups)] == maps
    assert [256 // side for _, side in maps] == layout.strides and net.stride == layout.strides[-1]


@pytest.mark.parametrize(
    ("width", "channels", "counts"),
    [(1.0, 2048, (1_440, 1_965_056, 661_504)), (0.75, 512, (1_200, 1_149_280, 124_416))],
)
def test_parts_have_the_published_codes_parameters(width, channels, counts):
    with torch.device("meta"):
        first, *blocks, last = MobileNet(width=width, channels=channels).features
    assert (parameters(first), parameters(nn.Sequential(*blocks)), parameters(last)) == counts


def test_taps_are_the_groups_own_maps():
    torch.manual_seed(0)
    net = MobileNet(width=0.25, channels=16, taps=(6, 5, 4)).eval()
    with torch.no_grad():
        pictures = torch.rand(1, 3, 64, 64)
        last, *taps = net(pictures)
        x = (pictures - net.mean) / net.deviation
        outputs = [x := layer(x) for layer in net.features]
    # The first layer, then 1, 2, 3, 4, 3, 3 and 1 blocks.
    for ours, number in zip([last, *taps], (18, 16, 13, 10), strict=True):
        torch.testing.assert_close(ours, outputs[number])


def averaged(x: torch.Tensor) -> torch.Tensor:
    """Means of up to 3 x 3 cells about every other cell, of those that there are."""
    rows = []
    for y in range(0, x.shape[2], 2):
        cells = [
            x[:, :, max(y - 1, 0) : y + 2, max(c - 1, 0) : c + 2].mean((2, 3))
            for c in range(0, x.shape[3], 2)
        ]
        rows.append(torch.stack(cells, dim=2))
    return torch.stack(rows, dim=2)


def test_residual_concatenation_gives_a_group_its_inputs_input_too():
    torch.manual_seed(0)
    net = MobileNet(width=0.25, channels=16, residual=True, taps=(1, 2, 3, 4, 5, 6, 7)).eval()
    starts, given = (1, 2, 4, 7, 11, 14, 17, 18), []
    for number in starts:
        net.features[number].register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    with torch.no_grad():
        pictures = torch.rand(1, 3, 64, 64)
        first = net.features[0]((pictures - net.mean) / net.deviation)
        last, *groups = net(pictures)
    outputs = [first, *groups, last]
    assert torch.equal(given[0], first)
    for group in range(1, 8):
        before, x = outputs[group - 1 : group + 1]
        smaller = before if before.shape[2:] == x.shape[2:] else averaged(before)
        torch.testing.assert_close(given[group], torch.cat([smaller, x], dim=1))
    assert [before.shape[2] for before in outputs] == [64, 64, 32, 16, 8, 4, 2, 2, 2]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_activation_is_the_one_asked_for(activation):
    kinds = {"relu": nn.ReLU, "relu6": nn.ReLU6, "prelu": nn.PReLU}
    layer = MobileNet(width=0.25, channels=16, activation=activation).features[0]
    x = layer[1](layer[0](20 * torch.randn(2, 3, 32, 32))) * 5
    y = layer[2](x.clone())
    slope = 0.25 if activation == "prelu" else 0
    expected = torch.where(x > 0, x, slope * x).clamp(max=6 if activation == "relu6" else 1e9)
    assert type(layer[2]) is kinds[activation] and x.max() > 6
    torch.testing.assert_close(y, expected)
    if activation == "prelu":
        assert layer[2].weight.shape == (layer[0].out_channels,)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="no activation 'swish'; there are prelu, relu, relu6"):
        MobileNet(activation="swish")
    with pytest.raises(ValueError, match="width of 0.0; it has to be above 0"):
        MobileNet(width=0.0)
    with pytest.raises(ValueError, match=r"taps \(8,\) of groups 1 to 7"):
        Layout(48, 1, MODIFIED.groups, taps=(8,))
    with pytest.raises(ValueError):
        MODIFIED.with_strides(1, (1, 2), taps=(5,))
    with pytest.raises(ValueError, match="no backbone 'ghostnet'; there are mobilenet_v2, mnasnet"):
        light_backbone("ghostnet")
    with pytest.raises(ValueError, match="no activation 'relu'; there are own, prelu"):
        light_backbone("mnasnet1_0", activation="relu")
    with pytest.raises(ValueError, match="no weights 'best'; there are random, imagenet"):
        light_backbone("mnasnet1_0", weights="best")
    with pytest.raises(ValueError, match="63 maps; they have to be a multiple of 4"):
        PartHead(8, 63)


@pytest.fixture
def hub(hub) -> Path:
    """torch.hub's folder of weights, with MobileNetV2's made up."""
    torch.manual_seed(1)
    torch.save(models.mobilenet_v2(weights=None).state_dict(), hub / "mobilenet_v2-b0353104.pth")
    return hub


def test_without_the_web_it_says_so(hub):
    (hub / "mobilenet_v2-b0353104.pth").unlink()
    with pytest.raises(FileNotFoundError, match="no ImageNet weights for mobilenet_v2"):
        light_backbone("mobilenet_v2", weights="imagenet")
    with pytest.raises(FileNotFoundError, match="no ImageNet weights for mnasnet1_0"):
        light_backbone("mnasnet1_0", weights="imagenet")


def test_a_light_backbone_takes_imagenets_weights(hub):
    weights = torch.load(hub / "mobilenet_v2-b0353104.pth", weights_only=True)
    state = light_backbone("mobilenet_v2", activation="prelu", weights="imagenet").state_dict()
    taken = [name for name in state if name in weights and not name.startswith("features.18")]
    assert len(taken) == 6 * 51 and all(torch.equal(state[n], weights[n]) for n in taken)


TABLE_2 = {
    "ResNet-18": (lambda: resnet(18), 12_547_776, 3.46),
    "ResNet-50": (lambda: resnet(50), 28_418_240, 7.37),
    "MobileNetV2": (lambda: light_backbone("mobilenet_v2", activation="prelu"), 3_362_624, 1.48),
    "MobileNetV2, its own ReLU6": (lambda: light_backbone("mobilenet_v2"), 3_347_840, 1.48),
    "MNasNet": (lambda: light_backbone("mnasnet1_0"), 4_226_280, 1.49),
    # 1.39G of the published code, whose squeeze-and-excitation and strides aren't torchvision's.
    "MobileNetV3-Large": (
        lambda: light_backbone("mobilenet_v3_large", activation="prelu"), 4_281_184, 1.37
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE_2)
def test_networks_of_table_2_have_the_published_counts(name):
    build, count, billions = TABLE_2[name]
    with torch.device("meta"):
        network = part_pose(build()).eval()
        flops = paper_flops(network, torch.empty(1, 3, 256, 256))
    assert parameters(network) == count
    assert round(flops / 1e9, 2) == billions


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_backbone_is_torchvisions_up_to_its_last_layer(name):
    torch.manual_seed(0)
    encoder, whole = (
        light_backbone(name, channels=32).eval(),
        models.get_model(name, weights=None).eval(),
    )
    where, last, given = LIGHT[name]
    state, ours = whole.state_dict(), encoder.state_dict()
    fits = {k: v for k, v in ours.items() if k in state and state[k].shape == v.shape}
    state.update(fits)
    whole.load_state_dict(state)
    pictures = torch.rand(2, 3, 64, 96)
    standard = (pictures - encoder.mean) / encoder.deviation
    *layers, final = getattr(encoder, where)
    with torch.no_grad():
        expected = nn.Sequential(*list(getattr(whole, where))[:-last])(standard)
        assert expected.shape == (2, given, 2, 3)
        torch.testing.assert_close(nn.Sequential(*layers)(standard), expected)
        torch.testing.assert_close(encoder(pictures), final(expected))
    assert encoder.channels == 32
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


def test_prelu_replaces_the_activations_after_normalisation_only():
    encoder = light_backbone("mobilenet_v3_large", activation="prelu")
    kinds = [type(module) for module in encoder.modules()]
    assert nn.Hardswish not in kinds
    assert kinds.count(nn.ReLU) == kinds.count(nn.Hardsigmoid) == 8, "of squeeze and excitation"
    slopes = [m for m in encoder.modules() if isinstance(m, nn.PReLU)]
    assert sum(slope.weight.numel() for slope in slopes) == 4_281_184 - 4_270_640


def test_the_part_heads_shares_are_apart():
    torch.manual_seed(0)
    head = PartHead(8, 16).eval()
    x = torch.randn(1, 8, 2, 3)
    with torch.no_grad():
        before = head(x)
        head.parts[1][1].weight.zero_()
        after = head(x)
    assert before.shape == (1, 16, 16, 24)
    assert torch.equal(before[:, :12], after[:, :12])
    assert not torch.isclose(before[:, 12:], after[:, 12:]).all(1).any()


def test_a_network_of_table_2_learns_with_all_its_parameters():
    torch.manual_seed(0)
    network = part_pose(light_backbone("mobilenet_v2", activation="prelu"), joints=2, depth=8)
    joints = network(torch.rand(2, 3, 64, 96))
    assert joints.shape == (2, 2, 3)
    (joints - 0.3).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())

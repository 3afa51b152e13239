"""MobileHumanPose: the paper's counts to the digit, its joins written out, and that it learns."""

from dataclasses import replace

import pytest
import torch
from builders.spots import GUESS, learn_spots, spots
from torch import nn

from posekit.models.encoders import Encoder, resnet
from posekit.models.integral import IntegralNet, from_cube, to_voxels
from posekit.models.light import LightPose
from posekit.models.mobile import (
    CONCATENATIONS,
    SIZES,
    EncoderDecoder,
    mobile_pose,
)
from posekit.models.mobilenet import ACTIVATIONS, HALF, MODIFIED, PLAIN
from posekit.models.profile import macs, parameters
from posekit.models.soft_argmax import soft_argmax
from posekit.models.zoo import backbone
from posekit.papers.choi2021.flops import paper_flops
from posekit.papers.choi2021.structure import XS_READINGS

# Parameters for 18 joints, and G of FLOPS as the paper counts them.
COUNTS = {
    "large": (SIZES["large"], 4_073_248, 5.4910),
    "small": (SIZES["small"], 2_242_000, 3.9222),
    "Table 5, none": ({"concatenation": "none"}, 4_034_336, 5.4828),
    "Table 5, residual": ({"concatenation": "residual"}, 7_253_888, 11.4478),
    "Table 4, none, ReLU": ({"concatenation": "none", "activation": "relu"}, 4_015_168, 5.4828),
    "Table 4, skip, ReLU": ({"activation": "relu"}, 4_054_080, 5.4910),
    "ReLU6": ({"activation": "relu6"}, 4_054_080, 5.4910),
    "Table 6, 1, 1024": ({"channels": 1024}, 3_578_656, 5.4594),
    "Table 6, 1, 512": ({"channels": 512}, 3_331_360, 5.4435),
    "Table 6, 0.75, 2048": ({"width": 0.75}, 2_799_568, 3.9579),
    "Table 6, 0.75, 1024": ({"width": 0.75, "channels": 1024}, 2_427_856, 3.9341),
    "Table 6, 0.5, 2048": ({"width": 0.5}, 1_719_120, 2.4806),
    "Table 6, 0.5, 1024": ({"width": 0.5, "channels": 1024}, 1_470_288, 2.4647),
    "Table 6, 0.5, 512": ({"width": 0.5, "channels": 512}, 1_345_872, 2.4567),
    # Of the repository's later network, at the paper's two ends.
    "later, large": ({"layout": HALF, "depth": 32}, 3_500_064, 0.4917),
    "later, extra small": (SIZES["extra small"], 1_040_240, 0.2587),
}


@pytest.mark.parametrize("name", COUNTS)
def test_networks_have_the_published_counts(name):
    arguments, count, billions = COUNTS[name]
    with torch.device("meta"):
        network, picture = mobile_pose(**arguments), torch.empty(1, 3, 256, 256)
        assert parameters(network) == count
        assert round(paper_flops(network, picture) / 1e9, 4) == billions
    assert network.training, "counting leaves it as it was"


@pytest.mark.parametrize(("size", "billions"), [("large", 5.2794), ("small", 3.7545)])
def test_torchs_own_counter_has_the_convolutions_alone(size, billions):
    with torch.device("meta"):
        network, picture = mobile_pose(**SIZES[size]), torch.empty(1, 3, 256, 256)
        trunk = nn.Sequential(network.encoder, network.decoder)
        assert round(macs(trunk, picture) / 1e9, 4) == billions


@pytest.mark.parametrize(("size", "cells"), [("large", 64), ("extra small", 32)])
def test_volumes_have_the_published_size(size, cells):
    with torch.device("meta"):
        volumes = mobile_pose(**SIZES[size]).volumes(torch.empty(1, 3, 256, 256))
    assert volumes.shape == (1, 18, cells, cells, cells)


@pytest.mark.parametrize(("joints", "count"), [(21, 34_340_736), (18, 34_291_392)])
def test_moon_et_al_have_the_printed_parameters_with_mucos_joints(joints, count):
    with torch.device("meta"):
        assert parameters(IntegralNet(resnet(50), joints=joints)) == count


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        ("large", (723_584, 256_384, 169_216, 296_064)),
        ("small", (353_824, 190_816, 126_400, 296_064)),
    ],
)
def test_the_decoders_parts_have_the_published_codes_parameters(size, counts):
    with torch.device("meta"):
        decoder = mobile_pose(**SIZES[size]).decoder
    assert tuple(parameters(part) for part in (*decoder.ups, decoder.final)) == counts


def test_no_reading_of_the_extra_small_network_is_both_natural_and_0_96_million():
    found = []
    for layout in XS_READINGS.values():
        with torch.device("meta"):
            network = mobile_pose(layout=layout, width=0.5, channels=512, depth=32)
        side = 256 // layout.strides[-1] * 2 ** len(layout.taps)
        found.append((parameters(network), side))
    assert found == [
        (1_197_840, 64),
        (1_113_744, 32),
        (1_040_240, 32),
        (977_104, 32),
        (956_144, 32),
    ]


def test_more_joints_are_more_maps():
    with torch.device("meta"):
        network = mobile_pose(21)
        assert network.volumes(torch.empty(1, 3, 256, 192)).shape == (1, 21, 64, 64, 48)
        assert parameters(network) - parameters(mobile_pose()) == 3 * 64 * (256 + 1)


def test_the_papers_count_is_its_rule():
    """A convolution, its bias, normalisation, activation, pooling, enlargement: one of each."""
    layers = {
        "conv": nn.Conv2d(3, 8, 5, 2, 2, groups=1),
        "norm": nn.BatchNorm2d(8),
        "act": nn.PReLU(8),
        "pool": nn.AvgPool2d(2),
        "up": nn.Upsample(scale_factor=2),
        "depthwise": nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
    }
    network = EncoderDecoder(Encoder(layers, 8), nn.Identity(), joints=2, depth=4, multiple=4)
    cells = 16 * 24
    convolutions = cells * 8 * 3 * 25 + cells * 8 * 9
    bias, norm, activation, pooled, enlarged = (cells * 8 * times for times in (1, 2, 1, 1, 1))
    counted = paper_flops(network, torch.rand(1, 3, 32, 48))
    assert counted == convolutions + bias + norm + activation + pooled + enlarged


def small(joints: int = 3, *, depth: int = 8, **arguments) -> EncoderDecoder:
    torch.manual_seed(0)
    return mobile_pose(joints, **{"width": 0.25, "channels": 32, "depth": depth} | arguments)


LAYOUTS = {"modified": MODIFIED, "half": HALF}


@pytest.mark.parametrize("concatenation", CONCATENATIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_parameter_learns(concatenation, layout):
    network = small(concatenation=concatenation, layout=LAYOUTS[layout])
    network(torch.rand(3, 3, 64, 64)).sub(0.3).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_learns(activation):
    network = small(activation=activation)
    joints = network(torch.rand(3, 3, 64, 96))
    assert joints.shape == (3, 3, 3)
    joints.sub(0.3).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def seen_by_the_decoder(concatenation: str) -> tuple[list, list, list]:
    """What the encoder gives, what each enlargement is given and what it makes."""
    network = small(concatenation=concatenation).eval()
    given, made = [], []

    def note(up: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        given.append(inputs[0])
        made.append(output)

    for up in network.decoder.ups:
        up.register_forward_hook(note)
    with torch.no_grad():
        pictures = torch.rand(1, 3, 64, 64)
        maps = network.encoder(pictures)
        volumes = network.volumes(pictures)
        torch.testing.assert_close(volumes.flatten(1, 2), network.decoder.final(made[-1]))
    return maps, given, made


def test_skip_concatenation_joins_maps_of_equal_size_the_encoders_first():
    maps, given, made = seen_by_the_decoder("skip")
    assert [x.shape[1:] for x in maps] == [(32, 2, 2), (40, 2, 2), (24, 4, 4), (16, 8, 8)]
    last, *taps = maps
    for inputs, tap, x in zip(given, taps, [last, *made[:2]], strict=True):
        assert torch.equal(inputs, torch.cat([tap, x], dim=1))


def test_without_concatenation_the_decoder_has_the_last_map_alone():
    (last,), given, made = seen_by_the_decoder("none")
    for inputs, x in zip(given, [last, *made[:2]], strict=True):
        assert torch.equal(inputs, x)


def larger(x: torch.Tensor) -> torch.Tensor:
    """Twice the size, straight lines between cells, corners on corners."""

    def spread(cells: int) -> torch.Tensor:
        places = torch.linspace(0, cells - 1, 2 * cells)
        return (1 - (places[:, None] - torch.arange(cells)).abs()).clamp(min=0)

    return torch.einsum("yh,xw,bchw->bcyx", spread(x.shape[2]), spread(x.shape[3]), x)


def test_residual_concatenation_gives_an_enlargement_its_inputs_input_too():
    (last, group), given, made = seen_by_the_decoder("residual")
    inputs = [last, *made]
    assert torch.equal(given[0], torch.cat([group, last], dim=1))
    for number in (1, 2):
        before, x = inputs[number - 1 : number + 1]
        torch.testing.assert_close(given[number], torch.cat([larger(before), x], dim=1))


def test_enlargements_have_corners_on_corners():
    *layers, enlarge = small().decoder.ups[0].eval()
    with torch.no_grad():
        x = nn.Sequential(*layers)(torch.randn(2, layers[0].in_channels, 4, 6))
        torch.testing.assert_close(enlarge(x), larger(x))


def test_joints_are_the_mean_places_of_the_volumes():
    network, pictures = small(), torch.rand(2, 3, 64, 96)
    nn.init.normal_(network.decoder.final.weight)
    network.eval()
    with torch.no_grad():
        logits, joints = network.volumes(pictures), network(pictures)
        shares = logits.double().flatten(2).softmax(2).view_as(logits)
        for axis, name in enumerate(("zyx->x", "zyx->y", "zyx->z")):
            places = (torch.arange(n := (24, 16, 8)[axis]) + 0.5).double() / n - 0.5
            expected = torch.einsum(f"bj{name.replace('->', '->bj')}", shares) @ places
            torch.testing.assert_close(joints[..., axis], expected.float(), atol=1e-5, rtol=0)
    assert joints.std() > 0.01, "not all in the middle"
    torch.testing.assert_close(to_voxels(joints, (8, 16, 24)), soft_argmax(logits))


def test_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match="no concatenation 'dense'; there are none, residual, skip"
    ):
        mobile_pose(concatenation="dense")
    with pytest.raises(ValueError, match="no activation 'swish'"):
        mobile_pose(activation="swish")
    with pytest.raises(ValueError, match=r"taps \(5, 3\) have cells of \[16, 4\] px.*\[32, 16\]"):
        mobile_pose(layout=replace(MODIFIED, taps=(5, 3)))
    with pytest.raises(ValueError, match="one or more"):
        mobile_pose(layout=replace(MODIFIED, taps=()))
    with pytest.raises(ValueError, match="pictures of 48 x 64 px.*multiples of 32"):
        small()(torch.rand(1, 3, 64, 48))
    with pytest.raises(ValueError, match="pictures of 96 x 64 px.*multiples of 64"):
        small(layout=HALF)(torch.rand(1, 3, 64, 96))


def test_a_small_one_learns_where_a_spot_is():
    network = small(1, layout=HALF)
    assert learn_spots(network, steps=45, batch=6, rate=6e-3) < 2 / 3 * GUESS
    with torch.no_grad():
        pictures, true = spots(12)
        predicted, places = (from_cube(cube, (64, 64))[0] for cube in (network(pictures), true))
    assert (predicted - places).abs().mean() < 7


def test_an_encoder_takes_the_blocks_of_posekits_own_network():
    torch.manual_seed(0)
    light, how = LightPose(depth=4).eval(), {"layout": PLAIN, "channels": 8, "depth": 4}
    with torch.no_grad():  # of batch normalisation too, so that no tensor is as it was built
        for value in light.state_dict().values():
            value.copy_(torch.rand_like(value.float()) * 0.2 + 0.1)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        shallow = light.middle(light.stem((pictures - light.mean) / light.deviation))
        wanted = [light.deep(shallow), shallow]
    found = {}
    for activation in ("relu6", "relu", "prelu"):
        network = mobile_pose(17, activation=activation, **how).eval()
        final = network.decoder.final.weight.clone()
        network.take_shared(light.state_dict())
        assert torch.equal(network.decoder.final.weight, final), "the decoder stays"
        with torch.no_grad():
            _, *taps = network.encoder(pictures)
        found[activation] = taps
    assert all(map(torch.equal, found["relu6"], wanted))
    assert all(map(torch.equal, found["prelu"], found["relu"])), "slopes of 0"
    slopes = [m.weight for m in network.encoder.modules() if isinstance(m, nn.PReLU)]
    assert len(slopes) == 27 and not any(slope.any() for slope in slopes)


@pytest.mark.parametrize("how", [{"layout": HALF}, {"layout": PLAIN, "width": 0.75}])
def test_other_encoders_do_not_take_them(how):
    with pytest.raises(ValueError, match="an encoder of the layout PLAIN"):
        mobile_pose(17, channels=8, depth=4, **how).take_shared(LightPose(depth=4).state_dict())
    with pytest.raises(ValueError, match="an encoder of the layout PLAIN"):
        backbone(side=64, backbone="mnasnet1_0", depth=4).take_shared(LightPose().state_dict())

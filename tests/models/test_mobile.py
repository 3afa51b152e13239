"""MobileHumanPose: the paper's counts to the digit, its joins written out, and that it learns."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from posekit.models.encoders import Encoder, resnet
from posekit.models.integral import IntegralNet, from_cube, to_cube, to_voxels
from posekit.models.mobile import (
    CONCATENATIONS,
    INITIALISATIONS,
    SIZES,
    EncoderDecoder,
    initialise,
    mobile_pose,
)
from posekit.models.mobilenet import ACTIVATIONS, HALF, MODIFIED, ORIGINAL
from posekit.models.profile import macs, parameters
from posekit.models.soft_argmax import soft_argmax
from posekit.papers.choi2021.flops import paper_flops
from posekit.papers.choi2021.structure import XS_READINGS
from posekit.training.losses import joint_loss

# Parameters for 18 joints, and G of FLOPS as the paper counts them.
COUNTS = {
    "large": (SIZES["large"], 4_073_248, 5.4910),
    "small": (SIZES["small"], 2_242_000, 3.9222),
    "Table 5, none": ({"concatenation": "none"}, 4_034_336, 5.4828),
    "Table 5, residual": ({"concatenation": "residual"}, 7_253_888, 11.4478),
    "Table 4, none, ReLU": ({"concatenation": "none", "activation": "relu"}, 4_015_168, 5.4828),
    "Table 4, skip, ReLU": ({"activation": "relu"}, 4_054_080, 5.4910),
    "ReLU6": ({"activation": "relu6"}, 4_054_080, 5.4910),
    "Table 6, 1, 2048": ({}, 4_073_248, 5.4910),
    "Table 6, 1, 1024": ({"channels": 1024}, 3_578_656, 5.4594),
    "Table 6, 1, 512": ({"channels": 512}, 3_331_360, 5.4435),
    "Table 6, 0.75, 2048": ({"width": 0.75}, 2_799_568, 3.9579),
    "Table 6, 0.75, 1024": ({"width": 0.75, "channels": 1024}, 2_427_856, 3.9341),
    "Table 6, 0.75, 512": ({"width": 0.75, "channels": 512}, 2_242_000, 3.9222),
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
    depth = arguments.get("depth", 64)
    with torch.device("meta"):
        network, picture = mobile_pose(**arguments), torch.empty(1, 3, 256, 256)
        assert parameters(network) == count
        assert round(paper_flops(network, picture) / 1e9, 4) == billions
        assert network.volumes(picture).shape == (1, 18, depth, depth, depth)
    assert network.training, "counting leaves it as it was"


@pytest.mark.parametrize(("size", "billions"), [("large", 5.2794), ("small", 3.7545)])
def test_torchs_own_counter_has_the_convolutions_alone(size, billions):
    with torch.device("meta"):
        network, picture = mobile_pose(**SIZES[size]), torch.empty(1, 3, 256, 256)
        trunk = nn.Sequential(network.encoder, network.decoder)
        assert round(macs(trunk, picture) / 1e9, 4) == billions


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
            side = network.volumes(torch.empty(1, 3, 256, 256)).shape[-1]
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


LAYOUTS = {"modified": MODIFIED, "half": HALF, "original": ORIGINAL}


@pytest.mark.parametrize("concatenation", CONCATENATIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_parameter_learns(concatenation, layout):
    network = small(concatenation=concatenation, layout=LAYOUTS[layout])
    network(torch.rand(3, 3, 64, 128)).sub(0.3).square().sum().backward()
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


def deviations(network: EncoderDecoder) -> list[tuple[float, float, float]]:
    """Of convolutions' weights; and one over the root of the numbers in and, third, out of them."""
    return [
        (
            layer.weight.std().item(),
            (layer.weight[0].numel()) ** -0.5,
            (layer.out_channels * layer.weight[0, 0].numel()) ** -0.5,
        )
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 2000
    ]


def test_initialisations_are_the_repositorys():
    network = mobile_pose(**SIZES["small"])
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in network.modules())
    for how in INITIALISATIONS:
        with torch.no_grad():
            for p in network.parameters():
                p.fill_(7)
        torch.manual_seed(0)
        initialise(network, how)
        assert not any((p == 7).any() for p in network.parameters())
        found = deviations(network)
        assert convolutions == 59 and len(found) > 35
        decoder, encoder = found[-7:], found[:-7]
        for measured, fan_in, fan_out in encoder:
            uniform = fan_in / 3**0.5  # bounds of one over the root of the fan-in
            wanted = {"default": uniform, "kaiming": 2**0.5 * fan_out, "narrow": 0.001}[how]
            assert measured == pytest.approx(wanted, rel=0.1)
        for measured, fan_in, _ in decoder[:-1]:
            assert measured == pytest.approx(fan_in / 3**0.5, rel=0.1)
        final = network.decoder.final
        if how != "default":
            assert decoder[-1][0] == pytest.approx(0.001, rel=0.05) and not final.bias.any()
    slopes = [m.weight for m in network.modules() if isinstance(m, nn.PReLU)]
    assert all((slope == 0.25).all() for slope in slopes)


def test_a_new_network_has_the_default():
    fresh, other = small(channels=64), small(channels=64)
    initialise(other, "default")
    for one, two in zip(fresh.parameters(), other.parameters(), strict=True):
        if one.numel() > 3000:
            assert not torch.equal(one, two)
            assert one.std().item() == pytest.approx(two.std().item(), rel=0.1)


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
    with pytest.raises(ValueError, match="no initialisation 'xavier'; there are default, kaiming"):
        initialise(small(), "xavier")
    with pytest.raises(ValueError, match="pictures of 48 x 64 px.*multiples of 32"):
        small()(torch.rand(1, 3, 64, 48))
    with pytest.raises(ValueError, match="pictures of 96 x 64 px.*multiples of 64"):
        small(layout=HALF)(torch.rand(1, 3, 64, 96))


def test_a_small_one_learns_where_a_spot_is():
    """Column and row of a bright spot, and how bright it is as its depth."""
    network = small(1, layout=HALF)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    known = torch.ones(12, 1, dtype=torch.bool)

    def batch():
        places = torch.rand(12, 1, 2) * 40 + 12
        depths = torch.rand(12, 1) * 1200 - 600
        rows = torch.arange(64.0)[None, :, None] - places[..., 1:]
        columns = torch.arange(64.0)[None, None] - places[..., :1]
        spot = torch.exp(-(rows**2 + columns**2) / 32) * (0.6 + depths[..., None] / 2000)
        return spot[:, None].expand(-1, 3, -1, -1), to_cube(places, depths, (64, 64))

    losses = []
    for _ in range(60):
        pictures, true = batch()
        loss = joint_loss(network(pictures), true, known, known[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    # Saying the middle always costs 0.156 + 0.156 + 0.15 = 0.46; half of it is asked for.
    assert sum(losses[-10:]) / 10 < 0.23
    pictures, true = batch()
    found, wanted = (from_cube(cube, (64, 64))[0] for cube in (network(pictures), true))
    assert (found - wanted).abs().mean() < 5

"""The stacked hourglass: the counts that are published of it, and another way to build it."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from posekit.models.hourglass import STEMS, StackedHourglass
from posekit.models.profile import macs, parameters, spatial_layers
from posekit.training.losses import heatmap_loss


@pytest.mark.parametrize(
    ("stacks", "modules", "original", "reduced"),
    [
        (2, 2, 12_647_206, 12_530_790),
        (1, 2, 6_499_862, 6_383_446),
        (8, 1, 25_504_134, 25_387_718),
    ],
)
def test_whole_nets_have_the_parameters_of_the_base_project(stacks, modules, original, reduced):
    with torch.device("meta"):
        counts = {
            stem: parameters(StackedHourglass(stem=stem, stacks=stacks, modules=modules))
            for stem in STEMS
        }
    assert counts == {"original": original, "reduced": reduced}


@pytest.mark.parametrize(
    ("stem", "convolutions", "count", "operations"),
    [("original", 12, 350_848, 2.2513), ("reduced", 5, 235_328, 1.6305)],
)
def test_stems_have_the_printed_convolutions_and_operations(stem, convolutions, count, operations):
    with torch.device("meta"):
        layers, picture = STEMS[stem](256), torch.zeros(1, 3, 256, 256)
    rows = [row for row in spatial_layers(layers, picture) if row["convolution"]]
    assert len(rows) == convolutions
    assert sum(row["parameters"] for row in rows) == count
    assert round(macs(layers, picture) / 1e9, 4) == operations


def test_the_reduced_stem_is_table_1():
    columns = ["size_in", "size_out", "kernel", "stride", "padding", "channels_in", "channels_out"]
    with torch.device("meta"):
        rows = spatial_layers(STEMS["reduced"](256), torch.zeros(1, 3, 256, 256))
    sizes = [tuple(row[column] for column in columns) for row in rows]
    assert sizes == [
        (256, 128, 7, 2, 3, 3, 64),
        (128, 128, 3, 1, 1, 64, 64),
        (128, 128, 1, 1, 0, 64, 128),
        (128, 64, 2, 2, 0, 128, 128),
        (64, 64, 3, 1, 1, 128, 128),
        (64, 64, 1, 1, 0, 128, 256),
    ]


def small(**shape) -> StackedHourglass:
    torch.manual_seed(0)
    return StackedHourglass(5, channels=16, depth=2, modules=1, **shape)


@pytest.mark.parametrize("stem", STEMS)
def test_every_stack_gives_a_heatmap_a_joint_at_a_quarter_of_the_size(stem):
    network = small(stem=stem, stacks=3)
    heatmaps = network(torch.rand(2, 3, 32, 48))
    assert heatmaps.shape == (2, 3, 5, 8, 12)
    heatmap_loss(heatmaps, torch.rand(2, 5, 8, 12)).backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None}
    # What the last stack would hand to a next one, as the base project has it.
    assert idle == {f"stacks.2.{m}.{p}" for m in ("back", "heatmaps_back")
                    for p in ("weight", "bias")}  # fmt: skip


def test_a_residual_and_an_hourglass_are_what_their_formulas_say():
    """The same sums written out with functional calls."""
    network = small(stacks=1).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)

    def layer(part, x, **how):
        norm, _, conv = part
        x = functional.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False
        )
        return functional.conv2d(x.relu(), conv.weight, conv.bias, **how)

    def residual(part, x):
        one, two, three = part.layers
        y = layer(three, layer(two, layer(one, x), padding=1))
        if isinstance(part.round, nn.Conv2d):
            x = functional.conv2d(x, part.round.weight, part.round.bias)
        return x + y

    def hourglass(part, x, depth):
        low = residual(part.down[1][0], functional.max_pool2d(x, 2))
        low = hourglass(part.inner, low, depth - 1) if depth > 1 else residual(part.inner[0], low)
        low = residual(part.up[0][0], low)
        return residual(part.skip[0], x) + low.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = torch.rand(1, 3, 32, 32)
    first, one, _, two, three = network.stem
    y = residual(one, layer(first, x, stride=2, padding=3))
    y = residual(three, residual(two, functional.max_pool2d(y, 2)))
    (stack,) = network.stacks
    waist, residuals, last = stack.features
    y = layer(last, residual(residuals[0], hourglass(waist, y, 2)))
    expected = functional.conv2d(y, stack.heatmaps.weight, stack.heatmaps.bias)
    torch.testing.assert_close(network(x)[:, 0], expected)


def test_the_second_stack_is_given_features_and_heatmaps_of_the_first():
    network, x = small(stacks=2).eval(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        before = network(x)
        network.stacks[0].heatmaps_back.bias += 1
        after = network(x)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_the_loss_is_the_sum_of_the_stacks_mean_squares():
    heatmaps, target = torch.rand(3, 2, 4, 6, 6), torch.rand(3, 4, 6, 6)
    by_hand = sum(((heatmaps[:, s] - target) ** 2).sum() / target.numel() for s in range(2))
    torch.testing.assert_close(heatmap_loss(heatmaps, target), by_hand)


def test_bad_shapes_and_stems_are_named():
    with pytest.raises(ValueError, match="multiples of 16"):
        small()(torch.rand(1, 3, 40, 32))
    with pytest.raises(ValueError, match="no stem 'thin'; there are original, reduced"):
        StackedHourglass(stem="thin")

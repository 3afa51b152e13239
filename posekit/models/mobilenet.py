"""MobileNetV2 backbones with the activation, channels and strides of Choi et al.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018); Choi et al.,
"MobileHumanPose" (CVPR workshops 2021), sections 3.2, 4.2 and 4.3, as in its repository at commit
70baeaf. Blocks and parameter names are torchvision's. Notebook: mobile.

B pictures, C channels, H x W pixels, h x w cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import mul

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.encoders import Encoder, torchvision_network
from posekit.models.torchvision_compat import torchvision

Number = int | float

ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "prelu": nn.PReLU,
    "relu": lambda channels: nn.ReLU(inplace=True),
    "relu6": lambda channels: nn.ReLU6(inplace=True),
}
"""What `activation=` selects, built for a number of channels.

| activation | layer | where |
|---|---|---|
| prelu | PReLU, one learned slope per channel, 0.25 at first | MobileHumanPose (section 3.2) |
| relu | ReLU | the comparison of Table 4 |
| relu6 | ReLU6 | MobileNetV2 as published |
"""
ACTIVATION = "prelu"  # where none is named: MobileHumanPose's


def set_activation(network: nn.Module, activation: str) -> None:
    """Put an activation of `ACTIVATIONS` after each convolution with batch normalisation.

    Only torchvision's blocks of convolution, normalisation and activation change. ValueError for a
    name that is not in `ACTIVATIONS`.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"no activation {activation!r}; there are {', '.join(ACTIVATIONS)}")
    for block in network.modules():
        if isinstance(block, torchvision.ops.Conv2dNormActivation) and len(block) == 3:
            block[2] = ACTIVATIONS[activation](block[1].num_features)


@dataclass(frozen=True)
class Layout:
    """Channels and strides of a MobileNetV2 at width 1. Groups of blocks count from 1."""

    first: int  # channels of the first convolution
    stride: int  # its stride
    groups: tuple[tuple[int, int, int, int], ...]  # expansion, channels, blocks, first stride
    taps: tuple[int, ...]  # groups whose maps skip concatenation takes, the smallest map first

    def __post_init__(self):
        if not all(1 <= tap <= len(self.groups) for tap in self.taps):
            raise ValueError(f"taps {self.taps} of groups 1 to {len(self.groups)}")

    @property
    def strides(self) -> list[int]:
        """Picture pixels per cell of the first convolution's map, then of each group's."""
        return list(accumulate((group[3] for group in self.groups), mul, initial=self.stride))

    def with_strides(
        self, stride: int, strides: Sequence[int], *, taps: tuple[int, ...]
    ) -> "Layout":
        """The same channels with other strides of the first convolution and of the groups."""
        pairs = zip(self.groups, strides, strict=True)
        groups = tuple((*group[:3], other) for group, other in pairs)
        return replace(self, stride=stride, groups=groups, taps=taps)


MODIFIED = Layout(
    first=48,
    stride=1,
    groups=(
        (1, 64, 1, 1),
        (6, 48, 2, 2),
        (6, 48, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 2),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ),
    taps=(6, 5, 4),
)
"""Choi et al.'s: more channels than MobileNetV2 at the start, and twice the resolution up to the
fourth group."""

HALF = MODIFIED.with_strides(2, (2, 2, 2, 2, 2, 1, 1), taps=(5, 4, 3))
"""Their repository's layout after the paper (9ec923a): 4 x 4 cells at the narrowest."""

LARGE = MODIFIED.with_strides(1, (2, 2, 2, 2, 2, 1, 1), taps=(5, 4, 3))
"""That of its branch `large` (259e674): HALF with the paper's resolution."""

PLAIN = Layout(
    first=32,
    stride=2,
    groups=((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)),
    taps=(5, 3),
)
"""MobileNetV2's own (Table 2 of Sandler et al.), up to its fifth group. At width 1 these are the blocks
of posekit's own network (`models.light`), so that networks can begin with its weights."""


def scaled(channels: int, width: Number) -> int:
    """`channels` times `width`, to the nearest multiple of 8 that is at least 90 % of it."""
    exact = channels * width
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * exact else nearest


class MobileNet(Encoder):
    """MobileNetV2: the map of its last 1 x 1 layer, and the maps of the groups `taps` beside it.

    `residual` is the paper's residual concatenation: each group after the first gets its input and
    that input's own input, averaged to the same size. The published code does that at width 1 only.
    Sides of pictures are multiples of `stride` px.
    """

    def __init__(
        self,
        layout: Layout = MODIFIED,
        *,
        width: Number = 1.0,
        channels: int = 2048,
        activation: str = ACTIVATION,
        residual: bool = False,
        taps: tuple[int, ...] = (),
    ):
        if width <= 0:
            raise ValueError(f"a width of {width}; it has to be above 0")
        layer = torchvision.ops.Conv2dNormActivation
        ends, group_channels = [1], [scaled(layout.first, width)]
        features = [layer(3, group_channels[0], stride=layout.stride)]
        for expansion, base, blocks, stride in layout.groups:
            before = sum(group_channels[-2:] if residual else group_channels[-1:])
            group_channels.append(scaled(base, width))
            for _ in range(blocks):
                features.append(
                    torchvision.models.mobilenetv2.InvertedResidual(
                        before, group_channels[-1], stride, expansion
                    )
                )
                before, stride = group_channels[-1], 1
            ends.append(len(features))
        before = sum(group_channels[-2:] if residual else group_channels[-1:])
        features.append(layer(before, channels, 1))
        super().__init__({"features": nn.Sequential(*features)}, channels)
        set_activation(self, activation)
        self.stride = layout.strides[-1]
        self.group_channels = group_channels
        self.taps = taps
        self._spans = list(pairwise([*ends, len(features)]))
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False) if residual else None

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B _ _ _"]]:
        x = self.features[0]((pictures - self.mean) / self.deviation)
        before, kept = None, {}
        for number, (start, end) in enumerate(self._spans, 1):
            inputs = x
            if self.pool is not None and before is not None:
                same = before.shape[2:] == x.shape[2:]
                inputs = torch.cat([before if same else self.pool(before), x], dim=1)
            before, x = x, inputs
            for block in range(start, end):
                x = self.features[block](x)
            if number in self.taps:
                kept[number] = x
        return [x, *(kept[number] for number in self.taps)]


LIGHT = {
    "mobilenet_v2": ("features", 1, 320),
    "mnasnet1_0": ("layers", 3, 320),
    "mobilenet_v3_large": ("features", 1, 160),
}
"""torchvision's light backbones: where it keeps the layers, how many of these make up the last
1 x 1 layer, and the channels before it. It has no GhostNet and no MobileNeXt, of which the paper
says that they came out worse."""


def light_backbone(
    name: str, *, channels: int = 512, activation: str = "own", weights: str = "random"
) -> Encoder:
    """A backbone of `LIGHT` with a last 1 x 1 layer of `channels`, as compared in Table 2.

    `activation` is "own" or "prelu": PReLU wherever an activation follows batch normalisation,
    which the repository has in MobileNetV2 and MobileNetV3 (not in MNasNet, where it has ReLU6 for
    torchvision's ReLU). Batch normalisation has torch's momentum 0.1, as in the repository:
    torchvision's (0.0003 in MNasNet) is for trainings of a million steps. `weights` and errors are
    those of `encoders.torchvision_network`.
    """
    if name not in LIGHT:
        raise ValueError(f"no backbone {name!r}; there are {', '.join(LIGHT)}")
    if activation not in ("own", ACTIVATION):
        raise ValueError(f"no activation {activation!r}; there are own, {ACTIVATION}")
    where, last, before = LIGHT[name]
    layers = list(getattr(torchvision_network(name, weights), where))[:-last]
    layers.append(
        torchvision.ops.Conv2dNormActivation(before, channels, 1, activation_layer=nn.ReLU6)
    )
    encoder = Encoder({where: nn.Sequential(*layers)}, channels)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    if activation != "own":
        set_activation(encoder, activation)
    return encoder

"""MobileNetV2, with the channels and strides it was published with and with those of Choi et al.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018); Choi et al.,
"MobileHumanPose" (CVPR workshops 2021), sections 3.2 and 4.3, as in its repository at commit
70baeaf. Layers and names of parameters are torchvision's, so that its weights fit. Notebook:
mobile.

B pictures, C channels, H x W pixels, h x w cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import mul

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models import encoders
from posekit.models.encoders import Encoder
from posekit.models.torchvision_compat import torchvision

Number = int | float

ACTIVATIONS = {
    "relu": lambda channels: nn.ReLU(inplace=True),
    "relu6": lambda channels: nn.ReLU6(inplace=True),
    "prelu": nn.PReLU,  # a slope for each channel
}


@dataclass(frozen=True)
class Layout:
    """Channels and strides at width 1. Groups are counted from 1."""

    first: int  # channels of the first convolution
    stride: int  # its stride
    groups: tuple[
        tuple[int, int, int, int], ...
    ]  # expansion, channels, blocks, stride of the first
    taps: tuple[int, ...]  # groups whose maps skip concatenation takes, the smallest map first

    def __post_init__(self):
        if not all(1 <= tap <= len(self.groups) for tap in self.taps):
            raise ValueError(f"taps {self.taps} of groups 1 to {len(self.groups)}")

    @property
    def strides(self) -> list[int]:
        """Pixels of the picture along a cell: of the first convolution's map, then each group's."""
        return list(accumulate((group[3] for group in self.groups), mul, initial=self.stride))

    def paced(self, stride: int, strides: Sequence[int], *, taps: tuple[int, ...]) -> "Layout":
        """The same channels at other strides, of the first convolution and of the groups."""
        pairs = zip(self.groups, strides, strict=True)
        groups = tuple((*group[:3], other) for group, other in pairs)
        return replace(self, stride=stride, groups=groups, taps=taps)


ORIGINAL = Layout(
    32,
    2,
    (
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
"""Sandler et al.'s Table 2. The paper joins nothing to it; `taps` are its maps of the same sizes."""

MODIFIED = Layout(
    48,
    1,
    (
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
"""The paper's: other channels at the start, and twice the resolution up to the fourth group."""

HALF = MODIFIED.paced(2, (2, 2, 2, 2, 2, 1, 1), taps=(5, 4, 3))
"""What the repository came to have after the paper (9ec923a): 4 x 4 cells at the narrowest."""


def scaled(channels: int, width: Number) -> int:
    """`channels` times `width` to the nearest multiple of 8, but not under 90 % of it."""
    exact = channels * width
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * exact else nearest


class Layer(nn.Sequential):
    """Convolution without a bias, batch normalisation, activation."""

    def __init__(
        self,
        given: int,
        made: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: str,
    ):
        super().__init__(
            nn.Conv2d(given, made, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(made),
            ACTIVATIONS[activation](made),
        )


class InvertedResidual(nn.Module):
    """To `expansion` times the channels, a convolution of each channel alone, and a projection
    without activation; around them the input, where its shape stays."""

    def __init__(self, given: int, made: int, *, stride: int, expansion: int, activation: str):
        super().__init__()
        self.around = stride == 1 and given == made
        wide = given * expansion
        widen = [] if expansion == 1 else [Layer(given, wide, 1, activation=activation)]
        self.conv = nn.Sequential(
            *widen,
            Layer(wide, wide, 3, stride, groups=wide, activation=activation),
            nn.Conv2d(wide, made, 1, bias=False),
            nn.BatchNorm2d(made),
        )

    def forward(self, x: Float[Tensor, "B _ _ _"]) -> Float[Tensor, "B _ _ _"]:
        return x + self.conv(x) if self.around else self.conv(x)


class MobileNet(Encoder):
    """The last 1 x 1 layer's map of `channels`, and those of the groups `taps` beside it.

    `residual` is the paper's residual concatenation: what comes after the first group is given its
    input and that input's own input, averaged to the same size. The published code does that at
    width 1 only. Pictures' sides are multiples of `stride` px.
    """

    def __init__(
        self,
        layout: Layout = MODIFIED,
        *,
        width: Number = 1.0,
        channels: int = 2048,
        activation: str = "prelu",
        residual: bool = False,
        taps: tuple[int, ...] = (),
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(f"no activation {activation!r}; there are {', '.join(ACTIVATIONS)}")
        if width <= 0:
            raise ValueError(f"a width of {width}; it has to be above 0")
        made = [scaled(layout.first, width)]
        features = [Layer(3, made[0], stride=layout.stride, activation=activation)]
        ends = [1]
        for expansion, wide, blocks, stride in layout.groups:
            given, narrow = sum(made[-2:] if residual else made[-1:]), scaled(wide, width)
            for block in range(blocks):
                features.append(
                    InvertedResidual(
                        narrow if block else given,
                        narrow,
                        stride=1 if block else stride,
                        expansion=expansion,
                        activation=activation,
                    )
                )
            made.append(narrow)
            ends.append(len(features))
        given = sum(made[-2:] if residual else made[-1:])
        features.append(Layer(given, channels, 1, activation=activation))
        super().__init__({"features": nn.Sequential(*features)}, channels)
        self.stride = layout.strides[-1]
        self.made = made
        self.taps = taps
        self._spans = list(pairwise([*ends, len(features)]))
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False) if residual else None

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B _ _ _"]]:
        x = self.features[0]((pictures - self.mean) / self.deviation)
        before, kept = None, {}
        for number, (start, end) in enumerate(self._spans, 1):
            given = x
            if self.pool is not None and before is not None:
                same = before.shape[2:] == x.shape[2:]
                given = torch.cat([before if same else self.pool(before), x], dim=1)
            before, x = x, given
            for block in range(start, end):
                x = self.features[block](x)
            if number in self.taps:
                kept[number] = x
        return [x, *(kept[number] for number in self.taps)]


def load_imagenet(net: MobileNet) -> int:
    """Take torchvision's MobileNetV2 where a tensor's name and shape are the same; how many
    parameters that were.

    The paper's pre-trained networks (Tables 1 and 3; as its repository does it): all of the
    original but the last 1 x 1 layer, of the modified one what comes after the fourth group's first
    block. Slopes of PReLU stay as they are. Errors are those of `encoders.resnet`.
    """
    whole = torchvision.models.mobilenet_v2(weights=None)
    encoders.load_imagenet(whole, "mobilenet_v2")
    there, ours = whole.state_dict(), net.state_dict()
    same = {k: v for k, v in there.items() if k in ours and ours[k].shape == v.shape}
    net.load_state_dict(same, strict=False)
    return sum(p.numel() for name, p in net.named_parameters() if name in same)

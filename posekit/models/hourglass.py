"""The stacked hourglass, with the stem of its base project or the reduced stem of Kim et al.

D. Kim, V. Novossyolov, Y. Nurambek, "Final Project Report - Human Pose Estimation" (undated), built
on the stacked hourglass (Newell et al., ECCV 2016) of Naman-ntc/Pytorch-Human-Pose-Estimation.
Notebook: hourglass.

Every convolution has a bias and comes after its batch normalisation and ReLU: the base project's
order. Table I of the report names them "BatchNorm + ConvLayer + Relu"; the sizes of its
convolutions and their number of parameters are the same in either order.

B pictures, S stacks, J joints, C channels, H x W pixels, h x w = H/4 x W/4 cells of a heatmap.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

STRIDE = 4
"""Picture pixels per cell of a heatmap."""


class Layer(nn.Sequential):
    """Batch normalisation, ReLU, convolution."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1):
        super().__init__(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2),
        )


class Residual(nn.Module):
    """Three layers, narrow in the middle, and a shortcut: a 1 x 1 convolution where the channels
    change, else the identity (the base project's SkipLayer)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        narrow = out_channels // 2
        self.layers = nn.Sequential(
            Layer(in_channels, narrow), Layer(narrow, narrow, 3), Layer(narrow, out_channels)
        )
        same = in_channels == out_channels
        self.round = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        return self.layers(x) + self.round(x)


def original_stem(channels: int) -> nn.Sequential:
    """The base project's layers before the first hourglass: twelve convolutions, stride 4."""
    return nn.Sequential(
        Layer(3, channels // 4, 7, stride=2),
        Residual(channels // 4, channels // 2),
        nn.MaxPool2d(2),
        Residual(channels // 2, channels // 2),
        Residual(channels // 2, channels),
    )


def reduced_stem(channels: int) -> nn.Sequential:
    """Kim et al.'s layers before the first hourglass (Table I): five convolutions, stride 4."""
    return nn.Sequential(
        Layer(3, channels // 4, 7, stride=2),
        Layer(channels // 4, channels // 4, 3),
        Layer(channels // 4, channels // 2),
        nn.MaxPool2d(2),
        Layer(channels // 2, channels // 2, 3),
        Layer(channels // 2, channels),
    )


STEMS = {"original": original_stem, "reduced": reduced_stem}


def _residuals(count: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(channels, channels) for _ in range(count)))


class Hourglass(nn.Module):
    """Down to 1 / 2^depth of the resolution and up again, with a shortcut at every level."""

    def __init__(self, channels: int, depth: int, modules: int):
        super().__init__()
        self.skip = _residuals(modules, channels)
        self.down = nn.Sequential(nn.MaxPool2d(2), _residuals(modules, channels))
        self.inner = (
            Hourglass(channels, depth - 1, modules) if depth > 1 else _residuals(modules, channels)
        )
        self.up = nn.Sequential(_residuals(modules, channels), nn.Upsample(scale_factor=2))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return self.skip(x) + self.up(self.inner(self.down(x)))


class Stack(nn.Module):
    """An hourglass, from a feature map to its heatmaps and the next stack's feature map."""

    def __init__(self, joints: int, channels: int, depth: int, modules: int):
        super().__init__()
        self.features = nn.Sequential(
            Hourglass(channels, depth, modules),
            _residuals(modules, channels),
            Layer(channels, channels),
        )
        self.heatmaps = nn.Conv2d(channels, joints, 1)
        self.back = nn.Conv2d(channels, channels, 1)
        self.heatmaps_back = nn.Conv2d(joints, channels, 1)

    def forward(
        self, x: Float[Tensor, "B C h w"]
    ) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B J h w"]]:
        features = self.features(x)
        heatmaps = self.heatmaps(features)
        return x + self.back(features) + self.heatmaps_back(heatmaps), heatmaps


class StackedHourglass(nn.Module):
    """A stem and a row of hourglasses, from RGB pictures in [0, 1] to heatmaps of every stack.

    `modules` are the residuals at each place of an hourglass. As in the base project the last stack
    also has the two convolutions towards a next one, which nothing uses. Sides of pictures are
    multiples of 4 * 2^depth px, else ValueError.
    """

    def __init__(
        self,
        joints: int = 16,
        *,
        stem: str = "original",
        stacks: int = 2,
        modules: int = 2,
        depth: int = 4,
        channels: int = 256,
    ):
        super().__init__()
        if stem not in STEMS:
            raise ValueError(f"no stem {stem!r}; there are {', '.join(STEMS)}")
        self.multiple = STRIDE * 2**depth
        self.stem = STEMS[stem](channels)
        self.stacks = nn.ModuleList(Stack(joints, channels, depth, modules) for _ in range(stacks))

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B S J h w"]:
        if pictures.shape[2] % self.multiple or pictures.shape[3] % self.multiple:
            raise ValueError(
                f"pictures of {pictures.shape[3]} x {pictures.shape[2]} px; this depth needs "
                f"sides that are multiples of {self.multiple}"
            )
        x, heatmaps = self.stem(pictures), []
        for stack in self.stacks:
            x, drawn = stack(x)
            heatmaps.append(drawn)
        return torch.stack(heatmaps, dim=1)

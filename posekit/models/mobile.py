"""MobileHumanPose: integral regression small enough for a phone.

S. Choi, S. Choi, C. Kim, "MobileHumanPose: Toward real-time 3D human pose estimation in mobile
devices" (CVPR workshops 2021), Figure 3, as in its repository at commit 70baeaf, to which the
printed counts belong (its later versions are other networks). Notebook: mobile.

A backbone, as many enlargements by two as it takes to reach the heatmap, a 1 x 1 convolution to
the volumes, soft-argmax. Joints are in the cube of posekit.models.integral.

B pictures, J joints, C channels, H x W pixels, D x h x w voxels.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.encoders import STRIDE, Encoder
from posekit.models.integral import VolumeNet
from posekit.models.mobilenet import ACTIVATIONS, HALF, MODIFIED, Layout, MobileNet, Number, scaled

CONCATENATIONS = ("none", "residual", "skip")  # Figure 3 (a), (b), (c)

INITIALISATIONS = ("default", "kaiming", "narrow")

WIDE = 256  # channels that every enlargement makes

SIZES = {
    "large": {"layout": MODIFIED, "width": 1.0, "channels": 2048, "depth": 64},
    "small": {"layout": MODIFIED, "width": 0.75, "channels": 512, "depth": 64},
    "extra small": {"layout": HALF, "width": 0.5, "channels": 512, "depth": 32},
}
"""What `mobile_pose` is given for the paper's three models, for pictures of 256 x 256 px.

4,073,248, 2,242,000 and 1,040,240 parameters for 18 joints. The paper prints 0.96M for the extra
small one, of which it says no more than width 0.5, 512 channels and 32 x 32 x 32 voxels; the
repository's network of that heatmap is taken. Of the readings in papers.choi2021 one alone has 0.96M.
"""


class Up(nn.Sequential):
    """A 1 x 1 and a 3 x 3 layer, and twice the size, corners on corners."""

    def __init__(self, given: int, narrow: int, *, activation: str):
        super().__init__(
            nn.Conv2d(given, narrow, 1),
            nn.BatchNorm2d(narrow),
            ACTIVATIONS[activation](narrow),
            nn.Conv2d(narrow, WIDE, 3, padding=1),
            nn.BatchNorm2d(WIDE),
            ACTIVATIONS[activation](WIDE),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        )


class Decoder(nn.Module):
    """From the backbone's last map, enlarged once for each of `narrow`, to the volumes.

    `narrow` are the channels between the two convolutions of each enlargement. `beside` are those
    that an enlargement is given besides: nothing in a plain decoder, a map of the backbone each
    (skip), or, where `residual`, what the enlargement before it was given, made twice as large.
    """

    def __init__(
        self,
        channels: int,
        made: int,
        *,
        narrow: Sequence[int],
        beside: Sequence[int],
        residual: bool,
        activation: str,
    ):
        super().__init__()
        given = [channels, *[WIDE] * (len(narrow) - 1)]
        self.ups = nn.ModuleList(
            Up(x + more, between, activation=activation)
            for x, more, between in zip(given, beside, narrow, strict=True)
        )
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.residual = residual
        self.final = nn.Conv2d(WIDE, made, 1)

    def forward(self, maps: list[Float[Tensor, "B _ _ _"]]) -> Float[Tensor, "B _ h w"]:
        x, *others = maps
        for number, up in enumerate(self.ups):
            given = torch.cat([others[number], x], dim=1) if others else x
            if self.residual and number + 1 < len(self.ups):
                others.append(self.enlarge(x))
            x = up(given)
        return self.final(x)


class EncoderDecoder(VolumeNet):
    """An encoder and a decoder that fit: it makes `joints` times `depth` maps, and its last
    convolutions are its `final`."""

    def __init__(
        self,
        encoder: Encoder,
        decoder: nn.Module,
        *,
        joints: int,
        depth: int,
        multiple: int = STRIDE,
    ):
        super().__init__(joints=joints, depth=depth, multiple=multiple)
        self.encoder = encoder
        self.decoder = decoder

    def maps(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B _ h w"]:
        return self.decoder(self.encoder(pictures))


def mobile_pose(
    joints: int = 18,
    *,
    layout: Layout = MODIFIED,
    width: Number = 1.0,
    channels: int = 2048,
    depth: int = 64,
    concatenation: str = "skip",
    activation: str = "prelu",
) -> EncoderDecoder:
    """MobileHumanPose: `mobile_pose(**SIZES["small"])`, with 64 x 64 x `depth` voxels of a picture
    of 256 x 256 px (32 x 32 in the layout HALF).

    `channels` are those of the intermediate layer, the backbone's last. Joints are 18 in the
    paper's Human3.6M and 21 in MuCo. ValueError where the layout's taps aren't, one after the
    other, as large as what they are joined to.
    """
    if concatenation not in CONCATENATIONS:
        raise ValueError(
            f"no concatenation {concatenation!r}; there are {', '.join(CONCATENATIONS)}"
        )
    sizes, narrowest = layout.strides, layout.strides[-1]
    wanted = [narrowest // 2**number for number in range(len(layout.taps))]
    there = [sizes[tap] for tap in layout.taps]
    if there != wanted or not wanted:
        raise ValueError(
            f"taps {layout.taps} have cells of {there} px; enlargements from {narrowest} px need "
            f"{wanted or 'one or more'}"
        )
    residual, skip = concatenation == "residual", concatenation == "skip"
    taps = layout.taps if skip else (len(layout.groups),) if residual else ()
    encoder = MobileNet(
        layout,
        width=width,
        channels=channels,
        activation=activation,
        residual=residual,
        taps=taps,
    )
    narrow = [scaled(layout.groups[tap - 1][1], width) for tap in layout.taps]
    beside = {
        "none": [0] * len(narrow),
        "residual": [encoder.made[-1], channels, *[WIDE] * len(narrow)][: len(narrow)],
        "skip": narrow,
    }[concatenation]
    decoder = Decoder(
        channels,
        joints * depth,
        narrow=[WIDE] * len(narrow) if residual else narrow,
        beside=beside,
        residual=residual,
        activation=activation,
    )
    return EncoderDecoder(encoder, decoder, joints=joints, depth=depth, multiple=encoder.stride)


def initialise(network: EncoderDecoder, how: str) -> None:
    """Draw the weights anew as the repository did at one time or another.

    "default" is torch's own (70baeaf, the paper's networks), "kaiming" Kaiming et al.'s normal
    distribution by fan-out in the backbone (the networks of Tables 1 and 2), "narrow" a deviation of
    0.001 there (fb16b4d on). The last two have one of 0.001 in the final convolution, too, and
    biases of 0; the enlargements keep torch's own. After it `mobilenet.load_imagenet` can follow.
    """
    if how not in INITIALISATIONS:
        raise ValueError(f"no initialisation {how!r}; there are {', '.join(INITIALISATIONS)}")
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    if how == "default":
        return
    for convolution in _convolutions(network.encoder):
        if how == "kaiming":
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
        else:
            nn.init.normal_(convolution.weight, std=0.001)
    for convolution in _convolutions(network.decoder.final):
        nn.init.normal_(convolution.weight, std=0.001)
        nn.init.zeros_(convolution.bias)


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [each for each in module.modules() if isinstance(each, nn.Conv2d)]

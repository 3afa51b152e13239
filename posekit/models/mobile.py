"""MobileHumanPose: integral regression small enough for a phone.

S. Choi, S. Choi, C. Kim, "MobileHumanPose: Toward real-time 3D human pose estimation in mobile
devices" (CVPR workshops 2021), Figure 3, as in its repository at commit 70baeaf, to which the
printed counts belong (its later versions are other networks). Notebook: mobile.

A MobileNetV2 backbone, a decoder that doubles the resolution until it is the heatmap's, a 1 x 1
convolution to the volumes, soft-argmax. Joints are in the cube of posekit.models.integral.
`part_pose` has the decoder with which the paper compares backbones (Table 2).

Two conventions of its repository, and of 3DMPPE_POSENET_RELEASE before it, are others; weights from
there need them, and networks trained here do not. Its labels have pixel 4 v at voxel v of x and y,
and v / D of the box of depths at voxel v of z, where here a voxel is at its middle (half a voxel, as
in posekit.models.integral). Its pictures have 0 to 255 where ImageNet's mean and deviation are those
of 0 to 1, so that the network sees about -2 to 1,130: the same as an encoder whose mean and
deviation are divided by 255.

B pictures, J joints, C channels, H x W pixels, D x h x w voxels.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.encoders import STRIDE, Encoder
from posekit.models.integral import VolumeNet
from posekit.models.light import blocks
from posekit.models.mobilenet import (
    ACTIVATION,
    ACTIVATIONS,
    HALF,
    MODIFIED,
    PLAIN,
    Layout,
    MobileNet,
    Number,
)

CONCATENATIONS = ("none", "residual", "skip")  # Figure 3 (a), (b), (c)

WIDE = 256  # output channels of every upsampling stage

SIZES = {
    "large": {"layout": MODIFIED, "width": 1.0, "channels": 2048, "depth": 64},
    "small": {"layout": MODIFIED, "width": 0.75, "channels": 512, "depth": 64},
    "extra small": {"layout": HALF, "width": 0.5, "channels": 512, "depth": 32},
}
"""Arguments of `mobile_pose` for the paper's three models, for pictures of 256 x 256 px.

4,073,248, 2,242,000 and 1,040,240 parameters for 18 joints. The paper prints 0.96M for the extra
small one, of which it says no more than width 0.5, 512 channels and 32 x 32 x 32 voxels; here it is
the repository's network of that heatmap. One alone of the readings in papers.choi2021 has 0.96M.
"""


def _upsample() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


class Up(nn.Sequential):
    """A 1 x 1 and a 3 x 3 convolution with normalisation and activation, then upsampling by 2."""

    def __init__(self, in_channels: int, hidden: int, *, activation: str):
        super().__init__(
            nn.Conv2d(in_channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            ACTIVATIONS[activation](hidden),
            nn.Conv2d(hidden, WIDE, 3, padding=1),
            nn.BatchNorm2d(WIDE),
            ACTIVATIONS[activation](WIDE),
            _upsample(),
        )


class Decoder(nn.Module):
    """From the backbone's last map to the volumes, through one `Up` for each of `hidden`.

    `hidden` are the channels between the two convolutions of each stage. `extra` are the channels
    joined to each stage's input: 0 in a plain decoder, those of a map of the backbone (skip), or,
    where `residual`, those of the upsampled input of the stage before.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        *,
        hidden: Sequence[int],
        extra: Sequence[int],
        residual: bool,
        activation: str,
    ):
        super().__init__()
        inputs = [channels, *[WIDE] * (len(hidden) - 1)]
        self.ups = nn.ModuleList(
            Up(before + more, between, activation=activation)
            for before, more, between in zip(inputs, extra, hidden, strict=True)
        )
        self.enlarge = _upsample()
        self.residual = residual
        self.final = nn.Conv2d(WIDE, out_channels, 1)

    def forward(self, maps: list[Float[Tensor, "B _ _ _"]]) -> Float[Tensor, "B _ h w"]:
        x, *others = maps
        for number, up in enumerate(self.ups):
            inputs = torch.cat([others[number], x], dim=1) if others else x
            if self.residual and number + 1 < len(self.ups):
                others.append(self.enlarge(x))
            x = up(inputs)
        return self.final(x)


class PartHead(nn.Module):
    """Three upsamplings, each with a convolution, in two branches of 3/4 and 1/4 of the channels.

    The decoder of the light backbones' comparison (Table 2), after Chen et al.'s (2020) search for
    a network for each part of the body. The first convolution is the only dense one and comes after
    its upsampling, so most of the multiplications are there.
    """

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        if out_channels % 4:
            raise ValueError(f"{out_channels} maps; they have to be a multiple of 4 to be split")
        quarters = 3, 1
        self.parts = nn.ModuleList(self._branch(channels, n * WIDE // 4) for n in quarters)
        self.final = nn.ModuleList(
            nn.Conv2d(n * WIDE // 4, n * out_channels // 4, 1) for n in quarters
        )

    @staticmethod
    def _branch(channels: int, wide: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, groups in ((channels, 1), (wide, wide), (wide, wide)):
            convolution = nn.Conv2d(before, wide, 3, padding=1, groups=groups, bias=False)
            layers += [_upsample(), convolution, nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "B C _ _"]) -> Float[Tensor, "B _ h w"]:
        branches = zip(self.parts, self.final, strict=True)
        return torch.cat([final(part(x)) for part, final in branches], dim=1)


class EncoderDecoder(VolumeNet):
    """An encoder, and a decoder of its maps to `joints` times `depth` channels."""

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

    def take_shared(self, state: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights from the state of a `light.LightPose`; the rest stays random.

        Such an encoder is a MobileNet of the layout `mobilenet.PLAIN` at width 1, whose last layer keeps
        its kernels. All its PReLUs then begin with slopes of 0, for those weights were taught with ReLU6.
        ValueError for another encoder or state.
        """
        taught = blocks(state)
        slopes = {n: m for n, m in self.encoder.named_modules() if isinstance(m, nn.PReLU)}
        last = f"features.{1 + sum(group[2] for group in PLAIN.groups)}."  # after the blocks
        own = {
            name: value.shape
            for name, value in self.encoder.state_dict().items()
            if not (name.startswith(last) or name.rpartition(".")[0] in slopes)
        }
        if {name: value.shape for name, value in taught.items()} != own:
            raise ValueError(
                "not the weights of a LightPose, or not an encoder of the layout PLAIN"
            )
        self.encoder.load_state_dict(taught, strict=False)
        for prelu in slopes.values():
            nn.init.zeros_(prelu.weight)


def mobile_pose(
    joints: int = 18,
    *,
    layout: Layout = MODIFIED,
    width: Number = 1.0,
    channels: int = 2048,
    depth: int = 64,
    concatenation: str = "skip",
    activation: str = ACTIVATION,
) -> EncoderDecoder:
    """MobileHumanPose: `mobile_pose(**SIZES["small"])`, with 64 x 64 x `depth` voxels of a picture
    of 256 x 256 px (32 x 32 in the layout HALF).

    `channels` are those of the intermediate layer, the backbone's last. `activation` is one of
    `mobilenet.ACTIVATIONS`. The paper has 18 joints for Human3.6M and 21 for MuCo. ValueError where
    the layout's taps don't double in resolution from the narrowest map on, or a name is unknown.
    """
    if concatenation not in CONCATENATIONS:
        raise ValueError(
            f"no concatenation {concatenation!r}; there are {', '.join(CONCATENATIONS)}"
        )
    strides, narrowest = layout.strides, layout.strides[-1]
    wanted = [narrowest // 2**number for number in range(len(layout.taps))]
    actual = [strides[tap] for tap in layout.taps]
    if actual != wanted or not wanted:
        raise ValueError(
            f"taps {layout.taps} have cells of {actual} px; upsampling from {narrowest} px needs "
            f"{wanted or 'one or more'}"
        )
    residual = concatenation == "residual"
    taps = {"none": (), "residual": (len(layout.groups),), "skip": layout.taps}[concatenation]
    encoder = MobileNet(
        layout,
        width=width,
        channels=channels,
        activation=activation,
        residual=residual,
        taps=taps,
    )
    tapped = [encoder.group_channels[tap] for tap in layout.taps]
    count = len(tapped)
    extra = {
        "none": [0] * count,
        "residual": [encoder.group_channels[-1], channels, *[WIDE] * count][:count],
        "skip": tapped,
    }[concatenation]
    decoder = Decoder(
        channels,
        joints * depth,
        hidden=[WIDE] * count if residual else tapped,
        extra=extra,
        residual=residual,
        activation=activation,
    )
    return EncoderDecoder(encoder, decoder, joints=joints, depth=depth, multiple=encoder.stride)


def part_pose(encoder: Encoder, joints: int = 18, *, depth: int = 64) -> EncoderDecoder:
    """A network of Table 2: `part_pose(light_backbone("mnasnet1_0"))`, `part_pose(resnet(50))`.

    The paper's number for MobileNetV2, 3.36M, is that of `light_backbone("mobilenet_v2",
    activation="prelu")`; with MobileNetV2's own ReLU6 it is 3.35M.
    """
    head = PartHead(encoder.channels, joints * depth)
    return EncoderDecoder(encoder, head, joints=joints, depth=depth)

"""Integral regression: a network draws a volume for each joint, and its mean place is the joint.

K. Bouchiat, J. Braun, A. Kaufmann, "Exploring end-to-end Human Pose Estimation via integrative
argmax approximation" (ETH, undated), after Sun et al., "Integral Human Pose Regression" (ECCV
2018). Encoder, bottleneck or none, three transposed convolutions, a 1 x 1 convolution, soft-argmax.
Notebook: integral. The text has a 2D convolution after each upsampling; the published code has not.

The cube: a joint as the network says it. x and y are the crop's, z the depth in a box of 2000 mm
about the root, each from -0.5 to 0.5, so that 0 is the middle of the picture and of the box, and
mirroring the picture is changing the sign of x. Voxel v of n has its middle at (v + 0.5) / n - 0.5.
(The published code has v / n - 0.5: half a voxel, 2 px, to the upper left of that.)

B pictures, J joints, C channels, H x W pixels, h x w = H/4 x W/4 cells, D slices in depth.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from posekit.models import encoders
from posekit.models.soft_argmax import soft_argmax

BOX = 2000
"""Millimetres that z of the cube is long."""

BINS = {
    "PPM 1": (1, 2, 3, 6),
    "PPM 2": (1, 6, 12, 18),
    "PPM 3": (1, 2, 3, 6, 12, 18),
    "PPM 4": (1, 2, 3, 6, 12, 18, 24),
}
"""Sides of the grids that each of the paper's pyramids pools to (section 3.1)."""


def to_cube(
    joints2d: Float[Tensor, "B J 2"], depths: Float[Tensor, "B J"], size: tuple[int, int]
) -> Float[Tensor, "B J 3"]:
    """Places in a crop of `size` (height, width), px, and depths less the root's, mm, in the cube."""
    sides = joints2d.new_tensor([size[1], size[0]])
    return torch.cat([(joints2d + 0.5) / sides - 0.5, depths[..., None] / BOX], dim=-1)


def from_cube(
    joints: Float[Tensor, "B J 3"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B J 2"], Float[Tensor, "B J"]]:
    """What `to_cube` was given: px of the crop, and mm from the root."""
    sides = joints.new_tensor([size[1], size[0]])
    return (joints[..., :2] + 0.5) * sides - 0.5, joints[..., 2] * BOX


def to_voxels(joints: Float[Tensor, "B J 3"], volume: Sequence[int]) -> Float[Tensor, "B J 3"]:
    """The cube's places in voxels of a volume of (D, h, w), 0 at the middle of the first one."""
    return (joints + 0.5) * joints.new_tensor(volume[::-1]) - 0.5


def from_voxels(places: Float[Tensor, "B J 3"], volume: Sequence[int]) -> Float[Tensor, "B J 3"]:
    """What `to_voxels` was given."""
    return (places + 0.5) / places.new_tensor(volume[::-1]) - 0.5


def _layer(given: int, made: int, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(given, made, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(inplace=True),
    )


class _Pooled(nn.Module):
    """The map's means in `side` x `side` parts, through a 1 x 1 layer, at the map's size again."""

    def __init__(self, given: int, made: int, side: int):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.layer = _layer(given, made)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        means = self.layer(self.pool(x))
        return functional.interpolate(means, x.shape[2:], mode="bilinear", align_corners=True)


class PPM(nn.Module):
    """Pyramid pooling (Zhao et al., CVPR 2017): the map, and beside it its means in coarse grids.

    All grids together have as many channels as the map, or a few less where these can't be shared
    out evenly. A grid with a single part has no deviation when only one picture is given: batch
    normalisation then refuses to train.
    """

    def __init__(self, given: int, bins: Sequence[int] = BINS["PPM 1"]):
        super().__init__()
        share = given // len(bins)
        self.levels = nn.ModuleList(_Pooled(given, share, side) for side in bins)
        self.channels = given + share * len(bins)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        return torch.cat([x, *(level(x) for level in self.levels)], dim=1)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., ECCV 2018): dilated convolutions side by side.

    A 1 x 1, a 3 x 3 for each of `dilations`, with `pooled` the map's mean, each with `widen` times
    the channels given; then a 1 x 1 that brings them together, and dropout of a half. The paper's
    are ASPP (widen 1.5, dilations 4, 8, 12), ASPP 2 (1.5; 6, 12, 18) and ASPP 3 (1; 6, 12, 18; not
    pooled), by its published configurations.
    """

    def __init__(
        self,
        given: int,
        dilations: Sequence[int] = (6, 12, 18),
        *,
        widen: float = 1.0,
        pooled: bool = True,
    ):
        super().__init__()
        self.channels = int(given * widen)
        self.levels = nn.ModuleList([
            _layer(given, self.channels),
            *(_layer(given, self.channels, 3, dilation) for dilation in dilations),
            *([_Pooled(given, self.channels, 1)] if pooled else []),
        ])  # fmt: skip
        self.together = nn.Sequential(
            _layer(len(self.levels) * self.channels, self.channels), nn.Dropout(0.5)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        return self.together(torch.cat([level(x) for level in self.levels], dim=1))


class Head(nn.Sequential):
    """Three transposed convolutions, each to twice the size, and a 1 x 1 to the volumes."""

    def __init__(self, given: int, made: int, *, channels: int):
        ups = []
        for before in (given, channels, channels):
            up = nn.ConvTranspose2d(before, channels, 4, stride=2, padding=1, bias=False)
            ups += [up, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        super().__init__(*ups, nn.Conv2d(channels, made, 1))
        for module in self:
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(self[-1].bias)


class VolumeNet(nn.Module):
    """From pictures to the joints in the cube, by a volume a joint. What draws them is `maps`.

    Pictures are RGB from 0 to 1, their sides multiples of `multiple` px.
    """

    def __init__(self, *, joints: int, depth: int, multiple: int = encoders.STRIDE):
        super().__init__()
        self.shape = joints, depth
        self.multiple = multiple

    def maps(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B _ h w"]:
        """The layers of each joint's volume, one joint after the other."""
        raise NotImplementedError

    def volumes(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J D h w"]:
        """The logarithm of each joint's probability at each voxel, up to a constant."""
        height, width = pictures.shape[2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"pictures of {width} x {height} px; their sides have to be multiples of "
                f"{self.multiple}"
            )
        return self.maps(pictures).unflatten(1, self.shape)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J 3"]:
        logits = self.volumes(pictures)
        return from_voxels(soft_argmax(logits), logits.shape[2:])


class IntegralNet(VolumeNet):
    """Sun et al.'s network: an encoder, a bottleneck or none, three deconvolutions.

    `encoder` and `bottleneck` come built, and know their `channels`: `IntegralNet(resnet(50),
    PPM(2048))`.
    """

    def __init__(
        self,
        encoder: encoders.Encoder,
        bottleneck: PPM | ASPP | None = None,
        *,
        joints: int = 17,
        depth: int = 64,
        channels: int = 256,
    ):
        super().__init__(joints=joints, depth=depth)
        self.encoder = encoder
        self.bottleneck = bottleneck or nn.Identity()
        given = (bottleneck or encoder).channels
        self.head = Head(given, joints * depth, channels=channels)

    def maps(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B _ h w"]:
        return self.head(self.bottleneck(self.encoder(pictures)))

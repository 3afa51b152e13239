"""Integral regression: a network predicts a volume for each joint, whose mean place is the joint.

K. Bouchiat, J. Braun, A. Kaufmann, "Exploring end-to-end Human Pose Estimation via integrative
argmax approximation" (ETH, undated), after Sun et al., "Integral Human Pose Regression" (ECCV
2018). Encoder, bottleneck or none, three transposed convolutions, a 1 x 1 convolution, soft-argmax.
Notebook: integral. The text has a 2D convolution after each upsampling; the published code has not.

The cube holds the network's joint coordinates: x and y in the crop, z the depth in a box of 2000 mm
around the root, each from -0.5 to 0.5, so that 0 is the middle of the picture and of the box, and
mirroring the picture changes the sign of x. Voxel v of n has its middle at (v + 0.5) / n - 0.5.
(The published code has v / n - 0.5: half a voxel, 2 px, to the upper left of that.)

B pictures, J joints, C channels, H x W pixels, h x w = H/4 x W/4 cells, D slices in depth.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from posekit.models import encoders
from posekit.models.soft_argmax import soft_argmax
from posekit.models.torchvision_compat import torchvision

BOX = 2000
"""Length of the cube's z axis, mm."""

BINS = {
    "PPM 1": (1, 2, 3, 6),
    "PPM 2": (1, 6, 12, 18),
    "PPM 3": (1, 2, 3, 6, 12, 18),
    "PPM 4": (1, 2, 3, 6, 12, 18, 24),
}
"""Sides of the pooling grids of the paper's pyramids (section 3.1)."""


def to_cube(
    joints2d: Float[Tensor, "B J 2"], depths: Float[Tensor, "B J"], size: tuple[int, int]
) -> Float[Tensor, "B J 3"]:
    """Cube coordinates of pixels in a crop of `size` (height, width) and depths from the root, mm."""
    sides = joints2d.new_tensor([size[1], size[0]])
    return torch.cat([(joints2d + 0.5) / sides - 0.5, depths[..., None] / BOX], dim=-1)


def from_cube(
    joints: Float[Tensor, "B J 3"], size: tuple[int, int]
) -> tuple[Float[Tensor, "B J 2"], Float[Tensor, "B J"]]:
    """Pixels of the crop and depths from the root, mm: the inverse of `to_cube`."""
    sides = joints.new_tensor([size[1], size[0]])
    return (joints[..., :2] + 0.5) * sides - 0.5, joints[..., 2] * BOX


def to_voxels(joints: Float[Tensor, "B J 3"], volume: Sequence[int]) -> Float[Tensor, "B J 3"]:
    """Cube coordinates as voxels of a volume (D, h, w), 0 at the middle of the first voxel."""
    return (joints + 0.5) * joints.new_tensor(volume[::-1]) - 0.5


def from_voxels(places: Float[Tensor, "B J 3"], volume: Sequence[int]) -> Float[Tensor, "B J 3"]:
    """Voxels as cube coordinates: the inverse of `to_voxels`."""
    return (places + 0.5) / places.new_tensor(volume[::-1]) - 0.5


_layer = torchvision.ops.Conv2dNormActivation  # convolution without bias, batch norm, ReLU


class _Pooled(nn.Module):
    """Average pooling to `side` x `side`, a 1 x 1 layer, and upsampling to the map's size."""

    def __init__(self, in_channels: int, out_channels: int, side: int):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.layer = _layer(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        means = self.layer(self.pool(x))
        return functional.interpolate(means, x.shape[2:], mode="bilinear", align_corners=True)


class PPM(nn.Module):
    """Pyramid pooling (Zhao et al., CVPR 2017): the map, joined with its means in coarse grids.

    All grids together have as many channels as the map, or a few less where these don't divide. A
    1 x 1 grid of a single picture has no deviation: batch normalisation then refuses to train.
    """

    def __init__(self, channels: int, bins: Sequence[int] = BINS["PPM 1"]):
        super().__init__()
        share = channels // len(bins)
        self.levels = nn.ModuleList(_Pooled(channels, share, side) for side in bins)
        self.channels = channels + share * len(bins)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        return torch.cat([x, *(level(x) for level in self.levels)], dim=1)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., ECCV 2018): dilated convolutions side by side.

    A 1 x 1, a 3 x 3 for each of `dilations` and, with `pooled`, the map's mean, each with `widen`
    times the input channels; then a 1 x 1 over all of them, and dropout of a half. The paper's are
    ASPP (widen 1.5, dilations 4, 8, 12), ASPP 2 (1.5; 6, 12, 18) and ASPP 3 (1; 6, 12, 18; not
    pooled), by its published configurations.
    """

    def __init__(
        self,
        channels: int,
        dilations: Sequence[int] = (6, 12, 18),
        *,
        widen: float = 1.0,
        pooled: bool = True,
    ):
        super().__init__()
        self.channels = int(channels * widen)
        levels = [_layer(channels, self.channels, 1)]
        levels += [_layer(channels, self.channels, dilation=dilation) for dilation in dilations]
        levels += [_Pooled(channels, self.channels, 1)] if pooled else []
        self.levels = nn.ModuleList(levels)
        self.together = nn.Sequential(
            _layer(len(levels) * self.channels, self.channels, 1), nn.Dropout(0.5)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        return self.together(torch.cat([level(x) for level in self.levels], dim=1))


class Head(nn.Sequential):
    """Three transposed convolutions, each of which doubles the size, and a 1 x 1 to the volumes."""

    def __init__(self, in_channels: int, out_channels: int, *, channels: int):
        ups = []
        for before in (in_channels, channels, channels):
            up = nn.ConvTranspose2d(before, channels, 4, stride=2, padding=1, bias=False)
            ups += [up, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        super().__init__(*ups, nn.Conv2d(channels, out_channels, 1))
        for module in self:
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(self[-1].bias)


class VolumeNet(nn.Module):
    """From RGB pictures in [0, 1] to joints in the cube, through a volume for each joint.

    Subclasses compute the volumes in `maps`. Sides of pictures are multiples of `multiple` px.
    `offset` is added to the joints: not 0 for weights whose labels were at whole voxels
    (`posekit.models.checkpoint`).
    """

    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # in the cube

    def __init__(self, *, joints: int, depth: int, multiple: int = encoders.STRIDE):
        super().__init__()
        self.shape = joints, depth
        self.multiple = multiple

    def maps(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B _ h w"]:
        """The volumes as J x D channels, one joint after the other."""
        raise NotImplementedError

    def volumes(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J D h w"]:
        """Logits of each joint's place over the voxels; ValueError for sides that don't fit."""
        height, width = pictures.shape[2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"pictures of {width} x {height} px; their sides have to be multiples of "
                f"{self.multiple}"
            )
        return self.maps(pictures).unflatten(1, self.shape)

    @torch.no_grad()
    def take_shared(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights of a network that lacks some parts of this one, such as its pyramid.

        Parts that it lacks keep their weights. Kernels that read the additional channels too, after
        the others, have 0 for those: the outputs are the other network's until training changes
        that. ValueError for a tensor that this network has not, or in another shape.
        """
        own = self.state_dict()
        for name, value in state.items():
            mine = own.get(name)
            if mine is None or mine.dim() != value.dim():
                raise ValueError(f"the network has no {name} of {value.dim()} dimensions")
            if mine.dim() == 4 and mine.shape[1] > value.shape[1]:
                mine[:, value.shape[1] :] = 0
                mine = mine[:, : value.shape[1]]
            if mine.shape != value.shape:
                raise ValueError(f"{name} is {tuple(value.shape)}, not {tuple(mine.shape)}")
            mine.copy_(value)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B J 3"]:
        logits = self.volumes(pictures)
        joints = from_voxels(soft_argmax(logits), logits.shape[2:])
        return joints + joints.new_tensor(self.offset) if any(self.offset) else joints


class IntegralNet(VolumeNet):
    """Sun et al.'s network: an encoder, a bottleneck or none, three transposed convolutions.

    For example `IntegralNet(resnet(50), PPM(2048))`.
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
        features = (bottleneck or encoder).channels
        self.head = Head(features, joints * depth, channels=channels)

    def maps(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B _ h w"]:
        return self.head(self.bottleneck(self.encoder(pictures)))

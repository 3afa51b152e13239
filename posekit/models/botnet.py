"""BoTNet: a ResNet whose last stage uses self-attention over the feature map, not convolutions.

Srinivas et al., "Bottleneck Transformers for Visual Recognition" (CVPR 2021), in the form that
Bouchiat et al. took from lucidrains/bottleneck-transformer-pytorch: ReLU throughout, heads of 128
channels, and a 3 x 3 convolution of stride 2 as the first block's shortcut. Notebook: integral.

B pictures, C channels, N heads, E channels of a head, h x w cells.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from posekit.models.encoders import STRIDE, Encoder
from posekit.models.torchvision_compat import torchvision

EXPANSION = 4  # output channels of a block over input channels of its attention


class RelativePositions(nn.Module):
    """A learned vector for every row offset and every column offset between a query and a key."""

    def __init__(self, size: tuple[int, int], channels: int):
        super().__init__()
        deviation = channels**-0.5
        self.down = nn.Parameter(torch.randn(2 * size[0] - 1, channels) * deviation)
        self.across = nn.Parameter(torch.randn(2 * size[1] - 1, channels) * deviation)

    def forward(self, queries: Float[Tensor, "B N h w E"]) -> Float[Tensor, "B N h w h w"]:
        """The addition to the score of each query (first h w) with each key (last h w)."""
        h, w = queries.shape[2:4]
        down = torch.einsum("bnyxe,yve->bnyxv", queries, self.down[_offsets(h, queries.device)])
        across = torch.einsum("bnyxe,xue->bnyxu", queries, self.across[_offsets(w, queries.device)])
        return down[..., :, None] + across[..., None, :]


def _offsets(count: int, device: torch.device) -> Int64[Tensor, "n n"]:
    """Key minus query, counted from 0."""
    steps = torch.arange(count, device=device)
    return steps[None, :] - steps[:, None] + count - 1


class Attention(nn.Module):
    """Multi-head self-attention over the cells of a map of one `size` (h, w)."""

    def __init__(self, channels: int, size: tuple[int, int], *, heads: int, head_channels: int):
        super().__init__()
        self.size = size
        self.heads = heads
        self.scale = head_channels**-0.5
        self.project = nn.Conv2d(channels, 3 * heads * head_channels, 1, bias=False)
        self.positions = RelativePositions(size, head_channels)

    def forward(self, x: Float[Tensor, "B _ h w"]) -> Float[Tensor, "B _ h w"]:
        if tuple(x.shape[2:]) != self.size:
            raise ValueError(
                f"a map of {x.shape[3]} x {x.shape[2]} cells; this BoTNet was made for "
                f"{self.size[1]} x {self.size[0]}: give botnet() the size of the pictures"
            )
        parts = self.project(x).unflatten(1, (3, self.heads, -1))
        queries, keys, values = parts.movedim(3, -1).unbind(1)  # (B, N, h, w, E)
        queries = queries * self.scale
        scores = torch.einsum("bnyxe,bnvue->bnyxvu", queries, keys) + self.positions(queries)
        attention = scores.flatten(-2).softmax(-1)  # (B, N, h, w, h w)
        mixed = torch.einsum("bnyxk,bnke->bneyx", attention, values.flatten(2, 3))
        return mixed.flatten(1, 2)


class Block(nn.Module):
    """1 x 1 convolution, attention, 1 x 1 convolution, and a shortcut around them.

    The last batch normalisation starts at 0, so at first the block is its shortcut.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: tuple[int, int],
        *,
        halve: bool,
        heads: int,
        head_channels: int,
    ):
        super().__init__()
        narrow, attended = out_channels // EXPANSION, heads * head_channels
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, narrow, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            Attention(narrow, size, heads=heads, head_channels=head_channels),
            nn.AvgPool2d(2) if halve else nn.Identity(),
            nn.BatchNorm2d(attended),
            nn.ReLU(),
            nn.Conv2d(attended, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        nn.init.zeros_(self.layers[-1].weight)
        self.round = nn.Identity()  # the shortcut
        if halve or in_channels != out_channels:
            kernel, stride = (3, 2) if halve else (1, 1)
            self.round = torchvision.ops.Conv2dNormActivation(
                in_channels, out_channels, kernel, stride, inplace=False
            )

    def forward(self, x: Float[Tensor, "B _ _ _"]) -> Float[Tensor, "B _ _ _"]:
        return torch.relu(self.layers(x) + self.round(x))


def botnet(
    resnet: Encoder,
    size: tuple[int, int],
    *,
    heads: int = 4,
    head_channels: int = 128,
) -> Encoder:
    """The ResNet with attention blocks as its last stage; it shares all other stages.

    `size` (height, width) is that of the pictures, px: the position vectors depend on it. ValueError
    unless it is in multiples of 32.
    """
    if size[0] % STRIDE or size[1] % STRIDE:
        raise ValueError(
            f"pictures of {size[1]} x {size[0]} px; BoTNet needs multiples of {STRIDE}"
        )
    height, width = size[0] // STRIDE, size[1] // STRIDE
    channels = resnet.channels
    shape = {"heads": heads, "head_channels": head_channels}
    first = Block(channels // 2, channels, (2 * height, 2 * width), halve=True, **shape)
    others = (Block(channels, channels, (height, width), halve=False, **shape) for _ in range(2))
    stages = dict(resnet.named_children()) | {"layer4": nn.Sequential(first, *others)}
    return Encoder(stages, channels)

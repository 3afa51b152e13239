"""A small network of volumes that knows photographs: what `posekit predict` uses by default.

The first fourteen blocks of MobileNetV2 (Sandler et al., CVPR 2018), whose weights ImageNet taught,
three residual blocks of 5 x 5 cells, and one step up to an eighth of the picture's side, joined with
the encoder's map of that size. Of no paper; posekit's own. `posekit maintain light` trains it, and
trainings at size medium begin with its weights, as papers begin with ImageNet's and MPII.

B pictures, J joints, C channels, D x h x w voxels with h and w an eighth of the picture's sides.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from posekit.models.encoders import DEVIATION, MEAN
from posekit.models.integral import PPM, VolumeNet
from posekit.models.torchvision_compat import torchvision
from posekit.system import file_digest

FROZEN, SKIP, LAST = 4, 7, 14  # blocks of MobileNetV2: those that stay as they are, and two ends
ENCODER = ("stem", "middle", "deep")  # of a LightPose: where these blocks are
MULTIPLE = 16  # sides of pictures, px
WIDE = 96  # channels behind the encoder
WEIGHTS = ("random", "posekit")
BUNDLED = Path(__file__).parent / "weights" / "posekit-light.safetensors"
DIGEST = "6f654883b4546c43254b88778312ab7063e1cc1fbf0e44b5590b5a56f6957e1f"
"""SHA-256 of the weights that come with posekit: as a part of the code it is a part of a run's
identity."""

_layer = torchvision.ops.Conv2dNormActivation  # convolution without bias, batch norm, ReLU


class Block(nn.Module):
    """An inverted residual block: C channels to `expand` times C and back, beside the identity."""

    def __init__(self, channels: int, *, expand: int, kernel: int):
        super().__init__()
        hidden = channels * expand
        self.conv = nn.Sequential(
            _layer(channels, hidden, 1),
            _layer(hidden, hidden, kernel, groups=hidden),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return x + self.conv(x)


class LightPose(VolumeNet):
    """From crops to volumes of an eighth of their side: 821,872 parameters for 17 joints.

    With `bins` a pyramid (`PPM`) pools the encoder's map.
    """

    def __init__(self, *, joints: int = 17, depth: int = 16, bins: Sequence[int] = ()):
        super().__init__(joints=joints, depth=depth, multiple=MULTIPLE)
        blocks = torchvision.models.mobilenet_v2().features
        self.stem, self.middle = blocks[:FROZEN], blocks[FROZEN:SKIP]
        self.deep = blocks[SKIP:LAST]
        self.bottleneck = PPM(WIDE, bins) if bins else nn.Identity()
        features = self.bottleneck.channels if bins else WIDE
        residual = [Block(WIDE, expand=3, kernel=5) for _ in range(3)]
        self.neck = nn.Sequential(_layer(features, WIDE, 1), *residual)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.up = nn.Sequential(_layer(WIDE + 32, WIDE, 1), Block(WIDE, expand=2, kernel=3))
        self.final = nn.Conv2d(WIDE, joints * depth, 1)
        nn.init.normal_(self.final.weight, std=0.01)
        nn.init.zeros_(self.final.bias)
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def maps(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B _ h w"]:
        middle = self.middle(self.stem((pictures - self.mean) / self.deviation))
        deep = self.neck(self.bottleneck(self.deep(middle)))
        return self.final(self.up(torch.cat([self.enlarge(deep), middle], dim=1)))

    def train(self, mode: bool = True) -> "LightPose":
        """As in torch, but the encoder's batch normalisation keeps ImageNet's statistics."""
        super().train(mode)
        for part in (self.stem, self.middle, self.deep):
            part.eval()
        return self

    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights from MobileNetV2's, of torchvision or of another project.

        Tensors are told by their order and shapes: names differ from project to project. ValueError
        where one does not fit.
        """
        whole = torchvision.models.mobilenet_v2()
        wanted = [n for n in whole.state_dict() if n.startswith("features.")]
        given = [value for name, value in state.items() if name.startswith("features.")]
        shapes = [whole.state_dict()[name].shape for name in wanted]
        if [value.shape for value in given] != shapes:
            raise ValueError(f"{len(given)} tensors are not the {len(wanted)} of MobileNetV2")
        whole.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)
        ends = pairwise((0, FROZEN, SKIP, LAST))
        for part, (first, last) in zip((self.stem, self.middle, self.deep), ends, strict=True):
            part.load_state_dict(whole.features[first:last].state_dict())


def blocks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MobileNetV2's blocks in the state of a `LightPose`, by their names there, `features.0` and on.

    Empty for states of other networks.
    """
    named = [(*name.partition("."), value) for name, value in state.items()]
    return {f"features.{name}": value for part, _, name, value in named if part in ENCODER}


def light_pose(
    *,
    side: int,
    joints: int = 17,
    depth: int = 16,
    bins: Sequence[int] = (),
    weights: str = "random",
) -> LightPose:
    """`LightPose` for crops of `side` px, with "random" `weights` or those that come with "posekit".

    ValueError for a side or a word that it can't take, and for a file of weights that was changed.
    """
    if side % MULTIPLE:
        raise ValueError(f"crops of {side} px; they have to be multiples of {MULTIPLE}")
    if weights not in WEIGHTS:
        raise ValueError(f"no weights {weights!r}; there are {', '.join(WEIGHTS)}")
    network = LightPose(joints=joints, depth=depth, bins=bins)
    if weights == "posekit":
        if file_digest(BUNDLED) != DIGEST:
            raise ValueError(f"{BUNDLED} is not the file of this version; install posekit again")
        network.take_shared(load_file(BUNDLED))
    return network

"""The light backbones that MobileHumanPose was chosen from, and the head they were compared with.

Choi et al., "MobileHumanPose" (CVPR workshops 2021), section 4.2 and Table 2, as in its
repository at commit 70baeaf. The backbones are torchvision's: `library` has MobileNetV2, MNasNet
and MobileNetV3, `encoders.resnet` ResNet-18 and ResNet-50. torchvision has no GhostNet and no
MobileNeXt, of which the paper says that they came out worse. Notebook: mobile.

B pictures, C channels, h x w cells of a heatmap.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models import encoders
from posekit.models.encoders import Encoder
from posekit.models.mobile import WIDE, EncoderDecoder
from posekit.models.mobilenet import Layer
from posekit.models.torchvision_compat import torchvision

LIBRARY = {
    "mobilenet_v2": ("features", 1, 320),
    "mnasnet1_0": ("layers", 3, 320),
    "mobilenet_v3_large": ("features", 1, 160),
}
"""torchvision's names, where it keeps the layers, how many of these make up the last 1 x 1 layer,
and the channels before it."""


def library(
    name: str, *, channels: int = 512, activation: str = "own", weights: str = "random"
) -> Encoder:
    """A light backbone of torchvision's, with a last 1 x 1 layer of the paper's `channels`.

    `activation` is "own" or "prelu": PReLU for those after batch normalisation, which the
    repository has in MobileNetV2 and MobileNetV3 (not in MNasNet, where it has ReLU6 for
    torchvision's ReLU). The momentum of batch normalisation is torch's 0.1, as in the repository:
    torchvision's (0.0003 in MNasNet) is for trainings of a million steps. `weights` are those of
    `encoders.resnet`, and so are the errors.
    """
    if name not in LIBRARY:
        raise ValueError(f"no backbone {name!r}; there are {', '.join(LIBRARY)}")
    if activation not in ("own", "prelu"):
        raise ValueError(f"no activation {activation!r}; there are own, prelu")
    if weights not in encoders.WEIGHTS:
        raise ValueError(f"no weights {weights!r}; there are {', '.join(encoders.WEIGHTS)}")
    net = torchvision.models.get_model(name, weights=None)
    if weights == "imagenet":
        encoders.load_imagenet(net, name)
    where, last, given = LIBRARY[name]
    layers = list(getattr(net, where))[:-last]
    layers.append(
        Layer(given, channels, 1, activation="prelu" if activation == "prelu" else "relu6")
    )
    encoder = Encoder({where: nn.Sequential(*layers)}, channels)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
        normed = isinstance(module, torchvision.ops.Conv2dNormActivation) and len(module) == 3
        if activation == "prelu" and normed:
            module[2] = nn.PReLU(module[1].num_features)
    return encoder


class PartHead(nn.Module):
    """Enlargements with a convolution for each channel alone, apart for a quarter of the channels
    and of the volumes and for the rest: that of the light backbones' comparison (Table 2).

    After Chen et al.'s (2020) search for a network for each part of the body. The first convolution
    comes after its enlargement, and so has most of the multiplications.
    """

    def __init__(self, channels: int, made: int):
        super().__init__()
        if made % 4:
            raise ValueError(f"{made} maps; they have to be a multiple of 4 to be shared out")
        shares = 3, 1
        self.parts = nn.ModuleList(
            nn.Sequential(*self._part(channels, share * WIDE // 4)) for share in shares
        )
        self.final = nn.ModuleList(
            nn.Conv2d(share * WIDE // 4, share * made // 4, 1) for share in shares
        )

    @staticmethod
    def _part(channels: int, wide: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for given, groups in ((channels, 1), (wide, wide), (wide, wide)):
            layers += [
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                nn.Conv2d(given, wide, 3, padding=1, groups=groups, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
            ]
        return layers

    def forward(self, x: Float[Tensor, "B C _ _"]) -> Float[Tensor, "B _ h w"]:
        shares = zip(self.parts, self.final, strict=True)
        return torch.cat([final(part(x)) for part, final in shares], dim=1)


def part_pose(encoder: Encoder, joints: int = 18, *, depth: int = 64) -> EncoderDecoder:
    """A network of Table 2: `part_pose(library("mnasnet1_0"))`, `part_pose(resnet(50))`.

    The paper's number for MobileNetV2, 3.36M, is that of `library("mobilenet_v2",
    activation="prelu")`; with MobileNetV2's own ReLU6 it is 3.35M.
    """
    return EncoderDecoder(
        encoder, PartHead(encoder.channels, joints * depth), joints=joints, depth=depth
    )

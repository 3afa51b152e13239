"""The networks of Choi et al.'s Tables 1 and 2, built of plain data, as a run's config has to be."""

from posekit.models.encoders import STRIDE, resnet
from posekit.models.light import LIBRARY, library, part_pose
from posekit.models.mobile import EncoderDecoder

BACKBONES = {
    "mobilenetv2": {"backbone": "mobilenet_v2", "activation": "prelu"},
    "mnasnet": {"backbone": "mnasnet1_0"},
    "mobilenetv3": {"backbone": "mobilenet_v3_large", "activation": "prelu"},
    "resnet18": {"backbone": "resnet18"},
    "resnet50": {"backbone": "resnet50"},
}
"""What `part` is given for the rows of Table 2; torchvision has no MobileNeXt and no GhostNet."""


def part(
    *,
    side: int,
    backbone: str,
    joints: int = 17,
    depth: int = 64,
    channels: int = 512,
    activation: str = "own",
    weights: str = "random",
) -> EncoderDecoder:
    """A backbone under the head that the paper compared them with (`models.light`).

    `channels` and `activation` are those of light backbones, a ResNet has its own. Errors as
    `light.library` and `encoders.resnet`, and ValueError for a `side` (px) that it can't take.
    """
    if side % STRIDE:
        raise ValueError(f"crops of {side} px; they have to be multiples of {STRIDE}")
    if backbone in LIBRARY:
        encoder = library(backbone, channels=channels, activation=activation, weights=weights)
    elif backbone.startswith("resnet"):
        encoder = resnet(int(backbone.removeprefix("resnet")), weights=weights)
    else:
        there = ", ".join((*LIBRARY, "resnet18", "resnet50"))
        raise ValueError(f"no backbone {backbone!r}; there are {there}")
    return part_pose(encoder, joints, depth=depth)

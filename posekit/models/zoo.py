"""Networks from a picture to a 3D pose by name, built of plain data such as a run's config.

`NETWORKS` has what the notebooks train; `posekit predict` rebuilds a trained network by its name.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import nn

from posekit.models.botnet import botnet
from posekit.models.encoders import STRIDE, resnet, small_resnet
from posekit.models.integral import ASPP, BINS, PPM, IntegralNet
from posekit.models.light import light_pose
from posekit.models.mobile import EncoderDecoder, mobile_pose, part_pose
from posekit.models.mobilenet import ACTIVATION, HALF, LARGE, LIGHT, MODIFIED, PLAIN, light_backbone

Number = int | float

DILATIONS = {
    "aspp": {"dilations": (4, 8, 12), "widen": 1.5},
    "aspp2": {"dilations": (6, 12, 18), "widen": 1.5},
    "aspp3": {"dilations": (6, 12, 18), "pooled": False},
}
"""Bouchiat et al.'s ASPPs, by their published configurations."""

LAYOUTS = {"modified": MODIFIED, "half": HALF, "large": LARGE, "mobilenetv2": PLAIN}


def integral(
    *,
    side: int | Sequence[int],
    depth: int,
    channels: int,
    joints: int = 17,
    width: int | None = None,
    layers: int = 50,
    weights: str = "random",
    bins: Sequence[int] = (),
    dilations: Sequence[int] = (),
    widen: float = 1.0,
    pooled: bool = True,
    attention: bool = False,
) -> IntegralNet:
    """An integral network, the paper's or a narrow one for CPUs.

    `side` is that of its pictures, px, or their height and width.

    The encoder is `small_resnet(width)` where there is a `width`, else `resnet(layers)` with
    "random" or "imagenet" `weights`. `bins` are those of a PPM; `dilations`, `widen` and `pooled`
    the arguments of an ASPP, where there are dilations. `attention` makes the encoder a BoTNet,
    whose heads are narrower by as much as the rest.
    """
    encoder = small_resnet(width) if width else resnet(layers, weights=weights)
    if attention:
        narrow = {"head_channels": 2 * width} if width else {}
        size = (side, side) if isinstance(side, int) else tuple(side)
        encoder = botnet(encoder, size, **narrow)
    bottleneck = PPM(encoder.channels, bins) if bins else None
    if dilations:
        bottleneck = ASPP(encoder.channels, dilations, widen=widen, pooled=pooled)
    return IntegralNet(encoder, bottleneck, joints=joints, depth=depth, channels=channels)


def mobile(
    *,
    side: int,
    joints: int = 17,
    layout: str = "modified",
    width: Number = 1.0,
    channels: int = 2048,
    depth: int = 64,
    concatenation: str = "skip",
    activation: str = ACTIVATION,
) -> EncoderDecoder:
    """`mobile_pose` with its layout by name, for crops of `side` px.

    ValueError for a layout that is not in `LAYOUTS`, or a side that the network can't take.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}; there are {', '.join(LAYOUTS)}")
    network = mobile_pose(
        joints,
        layout=LAYOUTS[layout],
        width=width,
        channels=channels,
        depth=depth,
        concatenation=concatenation,
        activation=activation,
    )
    _check_side(side, network.multiple)
    return network


BACKBONES = {
    "mobilenetv2": {"backbone": "mobilenet_v2", "activation": ACTIVATION},
    "mnasnet": {"backbone": "mnasnet1_0"},
    "mobilenetv3": {"backbone": "mobilenet_v3_large", "activation": ACTIVATION},
    "resnet18": {"backbone": "resnet18"},
    "resnet50": {"backbone": "resnet50"},
}
"""Arguments of `backbone` for the rows of Choi et al.'s Table 2."""


def backbone(
    *,
    side: int,
    backbone: str,
    joints: int = 17,
    depth: int = 64,
    activation: str = "own",
    weights: str = "random",
) -> EncoderDecoder:
    """A backbone under the decoder of Choi et al.'s comparison (`part_pose`), for crops of `side` px.

    `activation` is that of light backbones, a ResNet has its own. Errors as `light_backbone` and
    `resnet`, and ValueError for a side that the network can't take.
    """
    _check_side(side, STRIDE)
    if backbone in LIGHT:
        encoder = light_backbone(backbone, activation=activation, weights=weights)
    elif backbone.startswith("resnet"):
        encoder = resnet(int(backbone.removeprefix("resnet")), weights=weights)
    else:
        names = ", ".join((*LIGHT, "resnet18", "resnet50"))
        raise ValueError(f"no backbone {backbone!r}; there are {names}")
    return part_pose(encoder, joints, depth=depth)


def _check_side(side: int, multiple: int) -> None:
    if side % multiple:
        raise ValueError(f"crops of {side} px; they have to be multiples of {multiple}")


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "resnet": integral,
    "r152": partial(integral, layers=152),
    "botnet": partial(integral, attention=True),
    "botnet-ppm": partial(integral, attention=True, bins=BINS["PPM 1"]),
    "ppm": partial(integral, bins=BINS["PPM 1"]),
    "ppm2": partial(integral, bins=BINS["PPM 2"]),
    "ppm3": partial(integral, bins=BINS["PPM 3"]),
    "ppm4": partial(integral, bins=BINS["PPM 4"]),
    **{name: partial(integral, **how) for name, how in DILATIONS.items()},
    "r101": partial(integral, layers=101),
    "r152-ppm": partial(integral, layers=152, bins=BINS["PPM 1"]),
    "mobile": mobile,
    "part": backbone,
    "light": light_pose,
    "light-ppm": partial(light_pose, bins=BINS["PPM 1"]),
}
"""Constructors by the name in a run's config; all of them take the `side` of the pictures."""

"""Encoders: networks that were made to name what is in a picture, without their last layers.

What stays is the feature map before pooling, a 32nd of the picture's sides. Layers and names of
parameters are torchvision's, so that its weights fit. ResNet is He et al., "Deep Residual Learning
for Image Recognition" (CVPR 2016), with the stride in the 3 x 3 convolution, as torchvision has it.

B pictures, C channels, H x W pixels, h x w = H/32 x W/32 cells.
"""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.torchvision_compat import torchvision

STRIDE = 32
"""Pixels of the picture along a cell of the feature map."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1: what torchvision's weights were trained with."""

RESNETS = (18, 34, 50, 101, 152)
WEIGHTS = ("random", "imagenet")


class Encoder(nn.Sequential):
    """Stages one after the other, of which the last makes `channels`.

    Pictures are RGB from 0 to 1; they are standardised here, with ImageNet's mean and deviation.
    """

    def __init__(self, stages: Mapping[str, nn.Module], channels: int):
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.channels = channels
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        return super().forward((pictures - self.mean) / self.deviation)


def resnet(layers: int = 50, *, weights: str = "random") -> Encoder:
    """torchvision's ResNet of 18, 34, 50, 101 or 152 layers.

    `weights` are "random" (torchvision's initialisation) or "imagenet" (its IMAGENET1K_V1, the first
    training; fetched once, into torch.hub's folder). FileNotFoundError where these can't be
    fetched, ValueError where the file is damaged; `resnet_or_random` goes on without them.
    """
    if layers not in RESNETS:
        raise ValueError(f"no ResNet-{layers}; there are {', '.join(map(str, RESNETS))}")
    if weights not in WEIGHTS:
        raise ValueError(f"no weights {weights!r}; there are {', '.join(WEIGHTS)}")
    net = torchvision.models.get_model(f"resnet{layers}", weights=None)
    if weights == "imagenet":
        load_imagenet(net, f"resnet{layers}")
    stages = {name: m for name, m in net.named_children() if name not in ("avgpool", "fc")}
    return Encoder(stages, net.fc.in_features)


def resnet_or_random(layers: int = 50) -> tuple[Encoder, str]:
    """`resnet` with ImageNet's weights where they can be had, else random ones; and which it was."""
    try:
        return resnet(layers, weights="imagenet"), "imagenet"
    except FileNotFoundError:
        return resnet(layers), "random"


def load_imagenet(net: nn.Module, name: str) -> None:
    """Into a torchvision network its weights, from torch.hub's folder or else the web."""
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    file = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    try:
        with redirect_stdout(sys.stderr):  # torch.hub says there that it downloads
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        net.load_state_dict(state)
    except OSError as error:
        raise FileNotFoundError(
            f"no ImageNet weights for {name}: {weights.url} can't be had ({error}). "
            f"Put the file at {file}, or take weights='random'"
        ) from error
    except Exception as error:  # a damaged file can bring up almost any
        raise ValueError(
            f"{weights.url} or {file} is damaged ({error}). Remove that file and try again"
        ) from error


def small_resnet(width: int = 16, *, blocks: tuple[int, ...] = (2, 2, 2, 2)) -> Encoder:
    """A ResNet-18 whose four stages have `width`, 2, 4 and 8 times `width` channels, for CPUs.

    Made of torchvision's basic blocks, with its names and initialisation: a width of 64 is its
    ResNet-18, with `blocks` of (3, 4, 6, 3) its ResNet-34.
    """
    stages = {
        "conv1": nn.Conv2d(3, width, 7, 2, 3, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, 2, 1),
    }
    given = width
    for number, count in enumerate(blocks):
        made = width * 2**number
        first = _basic_block(given, made, stride=1 if number == 0 else 2)
        others = (_basic_block(made, made) for _ in range(count - 1))
        stages[f"layer{number + 1}"] = nn.Sequential(first, *others)
        given = made
    encoder = Encoder(stages, given)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return encoder


def _basic_block(given: int, made: int, stride: int = 1) -> nn.Module:
    """torchvision's block of two 3 x 3 convolutions; a 1 x 1 on the way round where sizes change."""
    change = None
    if stride != 1 or given != made:
        change = nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))
    return torchvision.models.resnet.BasicBlock(given, made, stride, change)

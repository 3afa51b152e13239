"""Image encoders: torchvision's classification networks without their last layers.

An encoder maps RGB pictures in [0, 1] to a feature map at 1/32 of their resolution. Layers,
parameter names and initialisation are torchvision's, so that its ImageNet weights load. ResNet is
He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), with the stride in the 3 x 3
convolution, as torchvision has it.

B pictures, C channels, H x W pixels, h x w = H/32 x W/32 cells.
"""

import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.torchvision_compat import torchvision

STRIDE = 32
"""Picture pixels per cell of the feature map."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's RGB in [0, 1], which torchvision's weights expect."""

RESNETS = (18, 34, 50, 101, 152)
WEIGHTS = ("random", "imagenet")


class Encoder(nn.Sequential):
    """Stages in sequence after standardising pictures with ImageNet's mean and deviation.

    `channels` is the number of output channels, or of features where the last stage pools.
    """

    def __init__(self, stages: Mapping[str, nn.Module], channels: int):
        super().__init__()
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.channels = channels
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C *cells"]:
        return super().forward((pictures - self.mean) / self.deviation)


def torchvision_network(name: str, weights: str = "random", **options: float) -> nn.Module:
    """A whole classification network by its torchvision name.

    `weights` are "random" (torchvision's initialisation) or "imagenet" (its IMAGENET1K_V1, fetched
    once into torch.hub's folder). `options` go to torchvision's constructor. FileNotFoundError where
    the weights can't be fetched; ValueError for other `weights` or a damaged file.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"no weights {weights!r}; there are {', '.join(WEIGHTS)}")
    network = torchvision.models.get_model(name, weights=None, **options)
    if weights == "imagenet":
        load_imagenet(network, name)
    return network


def load_imagenet(network: nn.Module, name: str) -> None:
    """Load ImageNet weights into a torchvision network, from torch.hub's folder or the web."""
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    file = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints there that it downloads
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        # DenseNet's file has names of an older torch: "norm.1" for the layer "norm1".
        old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")
        network.load_state_dict({old.sub(r"\1", key): value for key, value in state.items()})
    except OSError as error:
        raise FileNotFoundError(
            f"no ImageNet weights for {name}: {weights.url} can't be had ({error}). "
            f"Put the file at {file}, or take weights='random'"
        ) from error
    except Exception as error:  # a damaged file can bring up almost any
        raise ValueError(
            f"{weights.url} or {file} is damaged ({error}). Remove that file and try again"
        ) from error


def feature_maps(network: nn.Module) -> Encoder:
    """The layers of a torchvision network, or of a mesh encoder, up to its last feature map.

    Shares the layers with the network; nothing is copied.
    """
    network = getattr(network, "net", network)
    stages = dict(network.named_children())
    if "features" in stages:  # DenseNets and MobileNets
        stages = {"features": network.features}
    else:  # ResNets and ShuffleNets
        for name in ("avgpool", "flatten", "fc"):
            stages.pop(name, None)
    layers = nn.ModuleList(stages.values()).modules()
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    return Encoder(stages, norms[-1].num_features)


def resnet(layers: int = 50, *, weights: str = "random") -> Encoder:
    """torchvision's ResNet of 18, 34, 50, 101 or 152 layers; weights and errors as there."""
    if layers not in RESNETS:
        raise ValueError(f"no ResNet-{layers}; there are {', '.join(map(str, RESNETS))}")
    return feature_maps(torchvision_network(f"resnet{layers}", weights))


def resnet_or_random(layers: int = 50) -> tuple[Encoder, str]:
    """`resnet` with ImageNet weights where they can be fetched, else random ones; and which."""
    try:
        return resnet(layers, weights="imagenet"), "imagenet"
    except FileNotFoundError:
        return resnet(layers), "random"


def small_resnet(width: int = 16, *, blocks: tuple[int, ...] = (2, 2, 2, 2)) -> Encoder:
    """A ResNet-18 whose stages have `width`, 2, 4 and 8 times `width` channels, for CPUs.

    Made of torchvision's basic blocks, with its names and initialisation: a width of 64 is its
    ResNet-18, with `blocks` of (3, 4, 6, 3) its ResNet-34.
    """
    stages = {
        "conv1": nn.Conv2d(3, width, 7, 2, 3, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, 2, 1),
    }
    channels = [width, *(width * 2**number for number in range(len(blocks)))]
    for number, count in enumerate(blocks):
        before, after = channels[number : number + 2]
        first = _basic_block(before, after, stride=1 if number == 0 else 2)
        others = (_basic_block(after, after) for _ in range(count - 1))
        stages[f"layer{number + 1}"] = nn.Sequential(first, *others)
    encoder = Encoder(stages, channels[-1])
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return encoder


def _basic_block(in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    """Two 3 x 3 convolutions and a shortcut, a 1 x 1 convolution where the shape changes."""
    shortcut = None
    if stride != 1 or in_channels != out_channels:
        shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    return torchvision.models.resnet.BasicBlock(in_channels, out_channels, stride, shortcut)

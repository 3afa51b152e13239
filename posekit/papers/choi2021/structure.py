from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.mobile import EncoderDecoder
from posekit.models.mobilenet import HALF, MODIFIED

XS_READINGS = {
    "the paper's strides, three enlargements": MODIFIED,
    "the paper's strides, two enlargements, groups 6 and 5": replace(MODIFIED, taps=(6, 5)),
    "the repository's later strides, groups 5, 4 and 3": HALF,
    "8 x 8 cells, two enlargements, groups 5 and 4": MODIFIED.paced(
        2, (1, 2, 2, 2, 2, 1, 1), taps=(5, 4)
    ),
    "8 x 8 cells, two enlargements, groups 5 and 3": MODIFIED.paced(
        2, (2, 2, 2, 1, 2, 1, 1), taps=(5, 3)
    ),
}
"""Layouts that "half resolution" could mean; in this order, at width 0.5 with 512 channels and a
depth of 32, 1,197,840 (64 x 64 x 32 voxels), 1,113,744, 1,040,240, 977,104 and 956,144 parameters.
The last rounds to 0.96M, but its strides were found nowhere in the paper and the repository."""


def _made(layer: nn.Module, given: Tensor, made: Tensor) -> int:
    return made.numel()


def _given(layer: nn.Module, given: Tensor, made: Tensor) -> int:
    return given.numel()


def _convolved(layer: nn.Conv2d, given: Tensor, made: Tensor) -> int:
    return made.numel() * (layer.weight[0].numel() + (layer.bias is not None))


COUNTED = {
    nn.Conv2d: _convolved,
    nn.BatchNorm2d: lambda layer, given, made: 2 * made.numel(),
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.PReLU, nn.Upsample), _made),
    **dict.fromkeys((nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d), _given),
}


def paper_flops(network: EncoderDecoder, picture: Float[Tensor, "1 3 H W"]) -> int:
    """The paper's FLOPS of one picture, up to the volumes: what ptflops counted early in 2021.

    Multiply-accumulates of convolutions; one for each number that a bias, an activation or an
    enlargement makes or that pooling is given, two for each that batch normalisation makes; nothing
    for joining, adding, and activations of another kind. It hits all of the paper's numbers, where
    `layers.macs`, torch's own counter, has convolutions alone. Today's ptflops counts PReLU twice.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal total
        total += COUNTED[type(layer)](layer, inputs[0], made)

    hooks = [m.register_forward_hook(count) for m in network.modules() if type(m) in COUNTED]
    training = network.training
    with torch.no_grad():
        network.eval().volumes(picture)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return total

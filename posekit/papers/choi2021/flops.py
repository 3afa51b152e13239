"""The paper's count of operations: what the tool ptflops counted early in 2021.

It hits all of the paper's numbers, where torch's own counter (`models.profile.macs`) has
convolutions alone. Today's ptflops counts PReLU twice.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from posekit.models.integral import VolumeNet
from posekit.models.profile import evaluating, without_batch_norm


def _per_output(layer: nn.Module, x: Tensor, output: Tensor) -> int:
    return output.numel()


def _per_input(layer: nn.Module, x: Tensor, output: Tensor) -> int:
    return x.numel()


def _convolution(layer: nn.Conv2d, x: Tensor, output: Tensor) -> int:
    return output.numel() * (layer.weight[0].numel() + (layer.bias is not None))


COUNTERS: dict[type[nn.Module], Callable[[nn.Module, Tensor, Tensor], int]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: lambda layer, x, output: 2 * output.numel(),
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.PReLU, nn.Upsample), _per_output),
    **dict.fromkeys((nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d), _per_input),
}
"""Layer -> (layer, input, output) -> operations; other layers count nothing."""


def paper_flops(network: VolumeNet, picture: Float[Tensor, "1 3 H W"]) -> int:
    """Operations from one picture to the volumes, as the paper's "FLOPS" count them.

    Multiply-accumulates of convolutions; one for each number that a bias, an activation or an
    upsampling puts out or that pooling takes in, two for each that batch normalisation puts out.
    Concatenations, additions and other activations count nothing. The network is left in the mode
    (training or evaluation) that it was in.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += COUNTERS[type(layer)](layer, inputs[0], output)

    hooks = [m.register_forward_hook(count) for m in network.modules() if type(m) in COUNTERS]
    with evaluating(network), without_batch_norm():
        network.volumes(picture)
    for hook in hooks:
        hook.remove()
    return total

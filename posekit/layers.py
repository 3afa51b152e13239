"""The layers of a network as they run on a picture: their sizes, kernels, and multiplications."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

SPATIAL = nn.Conv2d | nn.MaxPool2d


def spatial_layers(network: nn.Module, picture: Float[Tensor, "1 C H H"]) -> list[dict[str, int]]:
    """Every convolution and pooling in the order in which it runs, squares throughout.

    size_in and size_out (side, px), kernel, stride, padding, channels_in, channels_out,
    parameters (weights and bias), convolution (1, or 0 for pooling).
    """
    rows = []

    def note(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        rows.append({
            "size_in": inputs[0].shape[-1],
            "size_out": output.shape[-1],
            **{name: _side(getattr(layer, key)) for name, key in SIDES.items()},
            "channels_in": inputs[0].shape[1],
            "channels_out": output.shape[1],
            "parameters": sum(p.numel() for p in layer.parameters()),
            "convolution": int(isinstance(layer, nn.Conv2d)),
        })  # fmt: skip

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, SPATIAL)]
    _run(network, picture)
    for hook in hooks:
        hook.remove()
    return rows


SIDES = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}


def _side(value: int | tuple[int, int]) -> int:
    return value[0] if isinstance(value, tuple) else value


def macs(network: nn.Module, picture: Float[Tensor, "1 C H W"]) -> int:
    """Multiply-accumulate operations of convolutions and matrix products in one forward pass."""
    with FlopCounterMode(display=False) as counter:
        _run(network, picture)
    return counter.get_total_flops() // 2


@torch.no_grad()
def _run(network: nn.Module, picture: Tensor) -> None:
    """One forward pass that leaves the network as it was."""
    training = network.training
    network.eval()(picture)
    network.train(training)

"""What a network is made of, counted as it runs: parameters, operations, latency."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode


def parameters(network: nn.Module) -> int:
    """Trainable numbers, batch normalisation's included."""
    return sum(p.numel() for p in network.parameters())


class _Census(TorchFunctionMode):
    """Counts the operations on tensors by name; what an operation calls inside isn't counted."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.counts[getattr(function, "__name__", str(function)).strip("_")] += 1
        return function(*args, **(kwargs or {}))


def operations(module: nn.Module, *inputs: Tensor) -> Counter[str]:
    """How often each tensor operation runs in one forward pass: "linear", "sigmoid", "mul"."""
    module.eval()
    with torch.no_grad(), _Census() as census:
        module(*inputs)
    return census.counts


def latencies(
    networks: Mapping[str, nn.Module], x: Tensor, *, rounds: int = 20
) -> dict[str, float]:
    """Median milliseconds of one forward pass of each network on `x`.

    The networks take turns, so that a machine that slows down slows all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for network in networks.values():
            network.eval()(x)
        for _ in range(rounds):
            for name, network in networks.items():
                start = time.perf_counter()
                network(x)
                if x.is_cuda:
                    torch.cuda.synchronize()
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def settle(network: nn.Module) -> None:
    """Let weights be what they are, where training computes them anew at every step."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            # A copy shares its class, in which the computing is, with the network it was made of.
            kind = type(module)
            module.__class__ = type(kind.__name__, kind.__bases__, dict(vars(kind)))
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)

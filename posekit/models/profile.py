"""The size and cost of a network: parameters, operations, activation memory, latency.

`parameters`, `macs`, `operations`, `spatial_layers` and `activation_bytes` count; on the device
"meta" they compute and allocate nothing, so that networks of full size cost no time. `latencies`
measures. Every count leaves the network as it was.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    """Number of trainable parameters, batch normalisation's included."""
    return sum(p.numel() for p in network.parameters())


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, then the network's own mode again."""
    training = network.training
    try:
        with torch.no_grad():
            network.eval()
            yield
    finally:
        network.train(training)


@contextmanager
def without_batch_norm() -> Iterator[None]:
    """Batch normalisation returns its input: shapes stay, and on the device "meta", where torch
    computes it step by step in Python, a forward pass takes half the time.
    """
    normalise, functional.batch_norm = functional.batch_norm, lambda x, *_, **__: x
    try:
        yield
    finally:
        functional.batch_norm = normalise


def macs(network: nn.Module, picture: Float[Tensor, "1 C H W"]) -> int:
    """Multiply-accumulate operations of convolutions and matrix products in one forward pass."""
    with evaluating(network), without_batch_norm(), FlopCounterMode(display=False) as counter:
        network(picture)
    return counter.get_total_flops() // 2


class _Census(TorchFunctionMode):
    """Counts tensor operations by name, without those that an operation calls inside."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.counts[getattr(function, "__name__", str(function)).strip("_")] += 1
        return function(*args, **(kwargs or {}))


def operations(module: nn.Module, *inputs: Tensor) -> Counter[str]:
    """Calls of each tensor operation in one forward pass: "linear", "sigmoid", "mul"."""
    with evaluating(module), _Census() as census:
        module(*inputs)
    return census.counts


def spatial_layers(network: nn.Module, picture: Float[Tensor, "1 C H H"]) -> list[dict[str, int]]:
    """Sizes of every convolution and pooling of square maps, in the order in which they run.

    size_in and size_out (side, px), kernel, stride, padding, channels_in, channels_out,
    parameters (weights and bias), convolution (1, or 0 for pooling).
    """
    rows = []

    def note(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        rows.append({
            "size_in": inputs[0].shape[-1],
            "size_out": output.shape[-1],
            "kernel": _side(layer.kernel_size),
            "stride": _side(layer.stride),
            "padding": _side(layer.padding),
            "channels_in": inputs[0].shape[1],
            "channels_out": output.shape[1],
            "parameters": parameters(layer),
            "convolution": int(isinstance(layer, nn.Conv2d)),
        })  # fmt: skip

    kinds = nn.Conv2d | nn.MaxPool2d
    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, kinds)]
    with evaluating(network):
        network(picture)
    for hook in hooks:
        hook.remove()
    return rows


def _side(value: int | tuple[int, int]) -> int:
    return value[0] if isinstance(value, tuple) else value


def activation_bytes(network: nn.Module, inputs: Float[Tensor, "B ..."]) -> int:
    """Activation memory that autograd saves for the backward pass, in bytes.

    That is nearly all the memory of a training step besides weights and optimiser. Counted are the
    storages of all saved tensors of a pass in training mode, each once, without parameters and
    buffers; of networks that predict volumes, up to these. Only the averages of batch normalisation
    change.
    """
    training = network.training
    network.train()
    with saved_storages([*network.parameters(), *network.buffers()]) as saved:
        output = getattr(network, "volumes", network)(inputs)
    network.train(training)
    total = sum(storage.nbytes() for storage in saved.values())
    del output  # its graph holds the saved tensors until here
    return total


@contextmanager
def saved_storages(own: Iterable[Tensor]) -> Iterator[dict]:
    """The storages of what autograd saves in this context, each once, without those of `own`."""
    owned = {tensor.untyped_storage()._cdata for tensor in own}  # meta tensors have no addresses
    saved = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in owned:
            saved[storage._cdata] = storage  # held, so that no other gets its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield saved


def median_seconds(
    functions: Mapping[str, Callable[[], object]], rounds: int = 5
) -> dict[str, float]:
    """Median seconds of a call of each function, after one round to warm up.

    The functions take turns, so that a machine that slows down slows all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def latencies(
    networks: Mapping[str, nn.Module], x: Tensor, *, rounds: int = 20
) -> dict[str, float]:
    """Median milliseconds of one forward pass of each network on `x`, the networks in turns."""

    def forward(network: nn.Module) -> None:
        network(x)
        if x.is_cuda:
            torch.cuda.synchronize()

    for network in networks.values():
        network.eval()
    with torch.inference_mode():
        calls = {name: partial(forward, network) for name, network in networks.items()}
        return {name: 1e3 * value for name, value in median_seconds(calls, rounds).items()}


def remove_parametrizations(network: nn.Module) -> None:
    """Replace parametrised weights by their current values, before timing or export."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            # A deep copy shares its parametrised class with the original: give it one of its own.
            kind = type(module)
            module.__class__ = type(kind.__name__, kind.__bases__, dict(vars(kind)))
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)

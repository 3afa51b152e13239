"""What a network is made of, counted as it runs: parameters, operations, latency."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode


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


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Median seconds of each way, the ways taking turns after one round to warm up.

    In turns, so that a machine that slows down slows all of them.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def latencies(
    networks: Mapping[str, nn.Module], x: Tensor, *, rounds: int = 20
) -> dict[str, float]:
    """Median milliseconds of one forward pass of each network on `x`, the networks in turns."""

    def pass_through(network: nn.Module) -> None:
        network(x)
        if x.is_cuda:
            torch.cuda.synchronize()

    for network in networks.values():
        network.eval()
    with torch.inference_mode():
        seconds = interleaved({n: partial(pass_through, w) for n, w in networks.items()}, rounds)
    return {name: 1e3 * value for name, value in seconds.items()}


def settle(network: nn.Module) -> None:
    """Let weights be what they are, where training computes them anew at every step."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            # A copy shares its class, in which the computing is, with the network it was made of.
            kind = type(module)
            module.__class__ = type(kind.__name__, kind.__bases__, dict(vars(kind)))
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)


# FOLDED posekit.layers: The layers of a network as they run on a picture: their sizes, kernels, and multiplications.


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
    _run_meta(network, picture)
    for hook in hooks:
        hook.remove()
    return rows


SIDES = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}


def _side(value: int | tuple[int, int]) -> int:
    return value[0] if isinstance(value, tuple) else value


def macs(network: nn.Module, picture: Float[Tensor, "1 C H W"]) -> int:
    """Multiply-accumulate operations of convolutions and matrix products in one forward pass."""
    with FlopCounterMode(display=False) as counter:
        _run_meta(network, picture)
    return counter.get_total_flops() // 2


@torch.no_grad()
def _run_meta(network: nn.Module, picture: Tensor) -> None:
    """One forward pass that leaves the network as it was."""
    training = network.training
    network.eval()(picture)
    network.train(training)


# FOLDED posekit.training_memory: What training must keep of a forward pass until the backward pass has used it.
#
# That is nearly all the memory that a step of training takes besides weights and optimiser. It is
# counted, not measured: every tensor that torch's autograd saves, each storage once, in bytes. On the
# device "meta" nothing is computed for it.
#
# B pictures, H x W pixels.


def kept_bytes(network: nn.Module, pictures: Float[Tensor, "B 3 H W"]) -> int:
    """Bytes kept of a pass in training mode, up to the volumes of networks that draw some; weights and
    buffers don't count.

    The network is left as it was, but for the averages of its normalisations.
    """
    own = [*network.parameters(), *network.buffers()]
    ours = {each.untyped_storage()._cdata for each in own}  # meta tensors have no addresses
    kept = {}

    def note(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage._cdata not in ours:
            kept[storage._cdata] = storage  # held, so that no other gets its place
        return saved

    training = network.training
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        made = getattr(network, "volumes", network)(pictures)
    network.train(training)
    total = sum(storage.nbytes() for storage in kept.values())
    del made
    return total

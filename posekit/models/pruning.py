"""Pruning: the paper's, which only masks weights, and one that makes a network smaller.

H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021),
Tables I and V: 20 % of the convolutions' weights, the smallest of the whole network, as in the
example that its repository names (L1, global, 20 %). For ResNet-50 they were taken before the
training; for the author's own network a trained one was pruned and trained on for 20 epochs (P1),
pruned again, by 20 % of what was left, and trained on for 8 (P2). The paper says no more, and its
code for it isn't published.

`mask` sets weights to 0 and keeps them there: parameters, operations and time stay what they were.
`shrink` removes whole channels, and all of them fall.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import prune

from posekit.models.profile import macs, parameters

Number = int | float

SCOPES = ("global", "layer")
PAPER_ROUNDS = ((0.2, 20), (0.2, 8))
"""P1 + FT(20) and P2 + FT(8) of Table V: the share pruned, then epochs of training on."""


class Cost(NamedTuple):
    """What a network needs for one picture."""

    parameters: int
    macs: int


def cost(network: nn.Module, picture: Float[Tensor, "1 3 H W"]) -> Cost:
    """As `structure.parameters` and `layers.macs` count: weights that are masked count, too."""
    return Cost(parameters(network), macs(network, picture))


def mask(network: nn.Module, share: Number = 0.2, *, scope: str = "global") -> None:
    """Set the smallest `share` of the convolutions' weights to 0, in place, until `unmask`.

    The smallest of the whole network ("global") or of each convolution ("layer"). Of a network that
    is masked, the share is of the weights that are left. ValueError for another scope, a share that
    is not between 0 and 1, or a network without convolutions.
    """
    if scope not in SCOPES:
        raise ValueError(f"no scope {scope!r}; there are {', '.join(SCOPES)}")
    _check(share)
    weights = [(layer, "weight") for layer in _convolutions(network)]
    if scope == "global":
        prune.global_unstructured(weights, prune.L1Unstructured, amount=float(share))
    else:
        for layer, name in weights:
            prune.l1_unstructured(layer, name, amount=float(share))


def unmask(network: nn.Module) -> None:
    """Make the zeros weights like all others: the outputs stay, but training may change them."""
    for layer in _convolutions(network):
        if prune.is_pruned(layer):
            prune.remove(layer, "weight")


def sparsity(network: nn.Module) -> float:
    """The share of the convolutions' weights that are 0."""
    weights = [layer.weight for layer in _convolutions(network)]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def rounds(
    network: nn.Module,
    tune: Callable[[nn.Module, int], object],
    plan: Sequence[tuple[Number, int]] = PAPER_ROUNDS,
    *,
    scope: str = "global",
) -> Iterator[float]:
    """Prune, train on, prune again: `tune(network, epochs)` after each mask of the plan.

    Gives the sparsity after each round, to test the network in between:

        for zeros in rounds(network, lambda net, epochs: train(net, data, ...)):
            print(zeros, evaluate(network))
    """
    for share, epochs in plan:
        mask(network, share, scope=scope)
        tune(network, epochs)
        yield sparsity(network)


def shrink(
    network: nn.Module,
    picture: Float[Tensor, "1 3 H W"],
    share: Number = 0.2,
    *,
    keep: Sequence[nn.Module] = (),
) -> nn.Module:
    """A copy of the network with `share` fewer channels in every layer, the weakest by L2 norm.

    Channels that are added, joined or normalised together go together (Fang et al., "DepGraph",
    CVPR 2023; its torch-pruning, of the extra "prune"). `keep` are modules whose outputs stay: for
    `hmr`, `network.step`, whose numbers are a body's, and My MobileNetV2's `network.encoder.outer`.
    What they are given shrinks. ModuleNotFoundError where torch-pruning isn't installed, ValueError
    for a share that isn't between 0 and 1, a masked network, a module that isn't the network's, or
    a network whose channels torch-pruning can't follow, as ShuffleNetV2's.
    """
    _check(share)
    layers = [layer for module in keep for layer in module.modules()]
    names = {module: name for name, module in network.named_modules()}
    if any(layer not in names for layer in layers):
        raise ValueError("a module to keep is none of the network's own")
    if any(prune.is_pruned(layer) for layer in _convolutions(network)):
        raise ValueError("the network is masked: unmask(network) first")
    pruning = _library()
    training, network = network.training, copy.deepcopy(network).eval()
    kept = [network.get_submodule(names[layer]) for layer in layers]
    try:
        pruning.BasePruner(
            network,
            picture,
            importance=pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=float(share),
            ignored_layers=kept,
        ).step()
    except Exception as error:  # torch-pruning raises whatever it stumbles over
        raise ValueError(
            f"torch-pruning can't follow this network's channels ({error!r}); ShuffleNetV2's, "
            "which change places, it can't"
        ) from error
    return network.train(training)


def _library():
    try:
        import torch_pruning
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'shrinking networks needs torch-pruning: pip install "posekit[prune]"'
        ) from error
    return torch_pruning


def _convolutions(network: nn.Module) -> list[nn.Conv2d]:
    found = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    if not found:
        raise ValueError("the network has no convolutions to prune")
    return found


def _check(share: Number) -> None:
    if not 0 < share < 1:
        raise ValueError(f"a share of {share}; it has to be between 0 and 1")

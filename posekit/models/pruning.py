"""Pruning: masking small weights, as Bae's paper does, and removing whole channels.

H. Bae, "Comparison of Various CNN Models for 3D Human Pose Estimation" (internship report, 2021),
Tables I and V: 20 % of the convolutions' weights. ResNet-50 was pruned before the training; the
author's own network was trained, pruned and trained for 20 more epochs (P1), pruned again by 20 %
of the rest and trained for 8 more (P2). The paper says no more, and its code isn't published. Here
each convolution loses its smallest weights; the example that its repository names (L1, global, 20 %)
takes the smallest of the whole network.

`mask` keeps weights at 0, which changes neither parameters nor operations nor time; `shrink`
removes channels, and all three fall.
"""

import copy
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import prune

Number = int | float

PAPER_ROUNDS = ((0.2, 20), (0.2, 8))
"""P1 + FT(20) and P2 + FT(8) of Table V: the share pruned, then epochs of further training."""


def mask(network: nn.Module, share: Number = 0.2) -> None:
    """Set the smallest `share` of each convolution's weights to 0, in place, until `unmask`.

    In a masked network it is the share of the remaining weights. Parameters and operations stay as
    they are. ValueError for a share that is not between 0 and 1, or no convolutions.
    """
    _check(share)
    for layer in _convolutions(network):
        prune.l1_unstructured(layer, "weight", amount=float(share))


def unmask(network: nn.Module) -> None:
    """Make masked weights ordinary weights of value 0, which training may change."""
    for layer in _convolutions(network):
        if prune.is_pruned(layer):
            prune.remove(layer, "weight")


def sparsity(network: nn.Module) -> float:
    """Share of the convolutions' weights that are 0."""
    weights = [layer.weight for layer in _convolutions(network)]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def shrink(
    network: nn.Module,
    picture: Float[Tensor, "1 3 H W"],
    share: Number = 0.2,
    *,
    keep: Sequence[nn.Module] = (),
) -> nn.Module:
    """A copy of the network with `share` fewer channels in every layer, the weakest by L2 norm.

    Channels that are added, joined or normalised together go together (Fang et al., "DepGraph",
    CVPR 2023; its torch-pruning, of the extra "prune"). `keep` are modules whose outputs stay, only
    their inputs shrink: for `hmr`, `network.step`, and My MobileNetV2's `network.encoder.outer`.
    ModuleNotFoundError where torch-pruning isn't installed; ValueError for a share that isn't
    between 0 and 1, a masked network, a module that isn't the network's, or a network whose
    channels torch-pruning can't follow, as ShuffleNetV2's.
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

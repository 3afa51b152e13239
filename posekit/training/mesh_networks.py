"""Networks that regress bodies: as a training begins, and as a pruning leaves them.

B pictures, H x W pixels.
"""

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import prune

from posekit.models import pruning
from posekit.models.encoders import feature_maps
from posekit.models.hmr import HMR, Start, Step, hmr, rest_start
from posekit.models.light import FROZEN, LAST, blocks

Number = int | float
PRUNED = ("", "mask", "shrink")


class Blind(nn.Module):
    """An encoder that looks at nothing: what is learnt after it is the best answer for all."""

    channels = 1

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1"]:
        return pictures.new_zeros(len(pictures), 1)


def blind(*, size: int = 224) -> HMR:
    """The regressor without a picture, of whatever size: the best body for all, found by training."""
    start = rest_start()
    return HMR(Blind(), Step(Blind.channels, start), start)


def pruned(how: str, share: Number, **shape) -> HMR:
    """The network `hmr(**shape)` with `share` of its weights or channels gone, of PRUNED.

    Which ones depends on weights that are random: it has the costs of a trained one, not its use.
    """
    network = changed(hmr(**shape), {"pruned": how, "share": share}, shape["size"])
    if prune.is_pruned(network):
        pruning.unmask(network)
    # as `hmr` lays weights out: in another way they are faster or slower, masked or not
    return network.to(memory_format=torch.contiguous_format)


def begin(network: HMR, start: Start) -> None:
    """Let the network's corrections begin with another body."""
    for name, part in start._asdict().items():
        getattr(network, f"start_{name}").copy_(part)


def take(network: HMR, state: Mapping[str, Tensor]) -> None:
    """Give the encoder the weights that a run of `training.pretraining` saved.

    Those of `Pretraining` are all layers up to the feature maps. Those of posekit's own network are
    the first fourteen blocks of a MobileNetV2 of width 1; training then leaves them as that network's
    does: all of them keep the statistics of their batch normalisation, and the first four their
    weights. The other layers stay random. ValueError for weights of other layers.
    """
    maps, taught = feature_maps(network.encoder), blocks(state)
    own = {name: value.shape for name, value in maps.state_dict().items()}
    given = {name: value.shape for name, value in (taught or state).items()}
    if not given.items() <= own.items() or not taught and given != own:
        raise ValueError("the weights of the start are not those of this encoder's layers")
    maps.load_state_dict(taught or state, strict=not taught)
    if taught:
        maps.features[:FROZEN].requires_grad_(False)
        network.steady = LAST


@torch.no_grad()
def awaken(network: HMR, pictures: Float[Tensor, "B 3 H W"]) -> None:
    """Scale and shift the encoder's last layer so that over these pictures each feature has mean 0
    and deviation 1, as Mishkin and Matas do with every layer (ICLR 2016).

    Random encoders say nearly the same of all pictures, far less than the regressor's dropout
    blurs: without this, networks learn the mean body and nothing else for thousands of steps.
    """
    layers = [layer for layer in network.encoder.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        return  # pooled maps, or none at all
    features = network.train().encoder(pictures)
    deviation, mean = torch.std_mean(features, dim=0)
    deviation = deviation.clamp(min=1e-6)
    layers[-1].weight /= deviation[:, None]
    layers[-1].bias.sub_(mean).div_(deviation)


def changed(network: HMR, stage: Mapping, side: int) -> HMR:
    """A copy, pruned as the stage of a configuration has it."""
    if stage["pruned"] not in PRUNED:
        raise ValueError(f"no pruning {stage['pruned']!r}; there are {', '.join(PRUNED)}")
    if stage["pruned"] == "shrink":
        picture = network.start_pose.new_zeros(1, 3, side, side)
        return pruning.shrink(network, picture, stage["share"], keep=[network.step])
    network = copy.deepcopy(network)
    if stage["pruned"] == "mask":
        cover(network, stage["share"])
    return network


def cover(network: HMR, share: Number) -> None:
    """Mask the smallest `share` of each convolution's weights, in place."""
    network.to(memory_format=torch.contiguous_format)  # torch can't sort weights laid otherwise
    pruning.mask(network, share)
    network.to(memory_format=torch.channels_last)

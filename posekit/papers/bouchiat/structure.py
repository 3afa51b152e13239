"""Counts and settings of Bouchiat et al. (undated) that its claims name, computed from the code here.

Keys are quantities of printed.csv: metric/network, and where it has several a part of it.
"""

import torch
from torch import nn

from posekit.data.albums import Album, single
from posekit.data.batch import join, unit_range
from posekit.data.mixture import flattened
from posekit.geometry.skeleton import H36M17
from posekit.models.botnet import Attention, Block, botnet
from posekit.models.encoders import Encoder, resnet
from posekit.models.integral import ASPP, BINS, PPM, IntegralNet
from posekit.models.profile import parameters, without_batch_norm
from posekit.models.soft_argmax import soft_argmax
from posekit.models.zoo import DILATIONS, NETWORKS
from posekit.papers import Counts, count_modules, published_settings
from posekit.studio.pictures import StudioPictures
from posekit.training import loop
from posekit.training.augment import Augmented
from posekit.training.augmentations import AUGMENTATIONS
from posekit.training.integral import targets
from posekit.training.losses import joint_loss

PYRAMIDS = dict(zip(("ppm", "ppm2", "ppm3", "ppm4"), BINS.values(), strict=True))
FINAL_SIZE = (384, 288)  # height and width of the final network's pictures, px


def structure() -> Counts:
    """Quantity -> value, of everything that can be said without a training."""
    with torch.device("meta"), without_batch_norm():
        built = networks()
        final = final_network(built["final"])
    counts = {f"params/{name}": parameters(network) for name, network in built.items()}
    counts |= pyramids(built) | bottleneck_transformer(built["botnet50"].encoder)
    return counts | final | regression() | augmentations() | recipe() | augmented()


def networks() -> dict[str, IntegralNet]:
    """The paper's networks by the names of its tables, not trained."""
    r50 = resnet(50)
    return {
        "r50": IntegralNet(r50),
        "botnet50": IntegralNet(botnet(resnet(50), (256, 256))),
        **{f"r50-{name}": IntegralNet(r50, PPM(2048, bins)) for name, bins in PYRAMIDS.items()},
        **{f"r50-{name}": IntegralNet(r50, ASPP(2048, **how)) for name, how in DILATIONS.items()},
        **{f"r{layers}-d72": IntegralNet(resnet(layers), depth=72) for layers in (50, 101, 152)},
        "final": IntegralNet(resnet(152), PPM(2048), depth=72).eval(),
    }


def pyramids(built: dict[str, IntegralNet]) -> Counts:
    """Sections 2 and 3.1: the grids of each pyramid, and the channels that they share out evenly."""
    pyramid, counts = built["r50-ppm"].bottleneck, {}
    for part, level in zip(("first", "second", "third", "fourth"), pyramid.levels, strict=True):
        counts[f"bin/r50-ppm/{part}"] = level.pool.output_size
    for name in PYRAMIDS:
        levels = built[f"r50-{name}"].bottleneck.levels
        counts[f"bins/r50-{name}"] = len(levels)
        counts[f"channels_per_bin/r50-{name}"] = levels[0].layer[0].out_channels
    even = PPM(8, (1, 2)).eval()(torch.full((1, 8, 6, 6), 2.5))[:, 8:]  # must be even everywhere
    return counts | {
        "kernel/r50-ppm/reduction": pyramid.levels[0].layer[0].kernel_size[0],
        "channels_in/r50-ppm": built["r50"].encoder.channels,
        "channels_out/r50-ppm": pyramid.channels,
        "upsampling_error/r50-ppm": (even.amax((2, 3)) - even.amin((2, 3))).max().item(),
    }


def bottleneck_transformer(encoder: Encoder) -> Counts:
    """Section 4: what BoTNet puts in the place of the last stage of ResNet-50."""
    block = encoder.layer4[1].layers
    convolutions = [layer for layer in block if isinstance(layer, nn.Conv2d)]
    return {
        "stages_replaced/botnet50": sum(count_modules(stage, Attention) > 0 for stage in encoder),
        "bot_blocks/botnet50": count_modules(encoder, Block),
        "attentions_per_block/botnet50": count_modules(block, Attention),
        "pointwise_per_block/botnet50": sum(c.kernel_size == (1, 1) for c in convolutions),
    }


def final_network(final: IntegralNet) -> Counts:
    """Section 2: encoder, pyramid and head of the final network, on pictures of 288 x 384 px."""
    picture = torch.zeros(1, 3, *FINAL_SIZE)
    features, volumes = final.bottleneck(final.encoder(picture)), final.volumes(picture)
    ups = [layer for layer in final.head if isinstance(layer, nn.ConvTranspose2d)]
    return {
        "backbone_layers/r50": _layers(resnet(50)),
        "backbone_layers/final": _layers(final.encoder),
        "bins/final": len(final.bottleneck.levels),
        "deconvs/final": len(ups),
        "channels_out/final/deconvs": ups[-1].out_channels,
        "kernel/final/deconvs": ups[-1].kernel_size[0],
        "stride/final/deconvs": ups[-1].stride[0],
        "norms/final/deconvs": count_modules(final.head, nn.BatchNorm2d),
        "relus/final/deconvs": count_modules(final.head, nn.ReLU),
        "kernel/final/last": final.head[-1].kernel_size[0],
        "heatmaps/final": volumes.shape[1],
        "depth/final": volumes.shape[2],
        "depth/r50": IntegralNet(resnet(50)).shape[1],
        "joints/final": len(H36M17),
        "feature_height/final": features.shape[2],
        "feature_width/final": features.shape[3],
        "heatmap_height/final": volumes.shape[3],
        "heatmap_width/final": volumes.shape[4],
        "input_height/final": FINAL_SIZE[0],
        "input_width/final": FINAL_SIZE[1],
    }


def _layers(encoder: Encoder) -> int:
    """Layers as a ResNet's name counts them: with its first and its last, which is left out here."""
    return 3 * sum(len(getattr(encoder, f"layer{number}")) for number in range(1, 5)) + 2


def regression() -> Counts:
    """Section 2: soft-argmax (voxels) and loss beside their definitions, and what learns nothing."""
    tiny = NETWORKS["resnet"](side=64, depth=8, channels=8, width=8)
    random = torch.Generator().manual_seed(0)
    pictures = torch.rand(4, 3, 64, 64, generator=random)
    joints, true = tiny(pictures), torch.rand(4, 17, 3, generator=random) - 0.5
    known, has_depth = torch.ones(4, 17, dtype=torch.bool), torch.ones(4, dtype=torch.bool)
    loss = joint_loss(joints, true, known, has_depth)
    loss.backward()
    definition = (joints - true).abs().sum(-1).mean()
    return {
        "definition_error/soft-argmax": _soft_argmax_error(),
        "loss_error/r50": (loss / definition - 1).abs().item(),
        "untaught/r50": sum(p.grad is None for p in tiny.parameters()),
    }


def _soft_argmax_error() -> float:
    """How far soft-argmax is from the mean place in double precision, voxels; also in one hot volume
    and in one that is the same everywhere."""
    side = 16
    volumes = torch.randn(6, side, side, side, generator=torch.Generator().manual_seed(0)) * 5
    volumes[4:] = torch.tensor([-1e4, 0.0])[:, None, None, None]
    volumes[4, 3, 5, 7] = 1e4
    shares = volumes.double().flatten(1).softmax(1).view_as(volumes)
    steps = torch.arange(side).double()
    mean = torch.stack([shares.sum(axes) @ steps for axes in ((1, 2), (1, 3), (2, 3))], dim=1)
    return (soft_argmax(volumes) - mean).abs().max().item()


def augmentations() -> Counts:
    """Sections 3.2 and A.3, and the published code, where it differs: what each augmentation draws from."""
    names = ("flip", "colour", "rotation", "zoom", "VOC")
    flip, recolour, rotation, zoom, voc = (AUGMENTATIONS[f"bouchiat: {name}"] for name in names)
    return {
        "recipe_flip/r50-flip": flip.flip,
        "recipe_colour_low/r50-colour": recolour.colour.low,
        "recipe_colour_high/r50-colour": recolour.colour.high,
        "recipe_colour_factors/r50-colour": len(recolour.draw(0, (64, 64), seed=0).colour),
        "recipe_pasted/r50-voc": voc.paste.probability,
        "recipe_fewest/r50-voc": voc.paste.count[0],
        "recipe_most/r50-voc": voc.paste.count[1],
        "recipe_most/voc-code": voc.paste.count[1],
        "recipe_scale_low/r50-voc": voc.paste.scale.low,
        "recipe_scale_high/r50-voc": voc.paste.scale.high,
        "recipe_zoom/r50-zoom": 100 * zoom.zoom.spread,
        "recipe_turned/r50-rotation": rotation.turned,
        "recipe_turn/r50-rotation": rotation.turn.spread * rotation.turn.clip,
        "recipe_turn/rotation-code": rotation.turn.spread * rotation.turn.clip,
    }


def recipe() -> Counts:
    """Sections 2 and 3: the optimiser, and settings at size `paper`."""
    settings, default = published_settings("bouchiat"), loop.Recipe(epochs=1, batch=1)
    optimiser = loop.OPTIMISERS[default.optimiser]([torch.zeros(1)])
    adam = int(isinstance(optimiser, torch.optim.Adam))
    return {
        "recipe_adam/r50": adam,
        "recipe_adam/final": adam,
        "recipe_lr/r50": settings["rate"],
        "recipe_lr/final": settings["rate"],
        "recipe_beta1/final": optimiser.defaults["betas"][0],
        "recipe_beta2/final": optimiser.defaults["betas"][1],
        "recipe_decay/final": default.factor,
        "recipe_imagenet/final": int(settings["weights"] == "imagenet"),
        "recipe_depth/bottlenecks-configured": settings["depth"],
        "recipe_milestone/final/first": settings["drops"][0],
        "recipe_milestone/final/second": settings["drops"][1],
        "recipe_batch/r50": settings["batch"],
        "input_width/r50": settings["side"],
        "input_height/r50": settings["side"],
    }


def augmented() -> Counts:
    """Section 3.2: are Human3.6M's pictures recoloured in training, and MPII's, without depths?

    Tried on a picture of the studio, with its depths and without.
    """
    picture = StudioPictures(("S1",), size=64).sample(0)
    both = join([picture, flattened(picture)])
    data = Augmented(Album("", "", both, single(2)), "bouchiat: colour", targets, only_3d=True)
    seen, _ = data.samples(torch.arange(2))
    changed = (seen != unit_range(both.images)).flatten(1).any(1).tolist()
    return {
        "recipe_augmented/final/human36m": int(changed[0]),
        "recipe_augmented/final/mpii": int(changed[1]),
    }

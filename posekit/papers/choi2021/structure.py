"""Counts and settings of Choi et al. (2021) that its claims name, computed from the code here.

Keys are quantities of printed.csv: metric/network or metric/protocol, and where it has several a
part of it.
"""

from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor, nn

from posekit.data.mixture import flattened
from posekit.metrics.protocols import PROTOCOLS
from posekit.models.encoders import resnet
from posekit.models.integral import BOX, IntegralNet, VolumeNet
from posekit.models.mobile import SIZES, mobile_pose
from posekit.models.mobilenet import HALF, MODIFIED
from posekit.models.profile import activation_bytes, parameters, without_batch_norm
from posekit.models.zoo import BACKBONES, backbone
from posekit.papers import Counts, count_modules, published_settings
from posekit.papers.choi2021.flops import paper_flops
from posekit.studio.pictures import StudioPictures
from posekit.studio.poses import TRAIN
from posekit.training import loop
from posekit.training.augmentations import AUGMENTATIONS
from posekit.training.integral import targets
from posekit.training.losses import joint_loss

XS_READINGS = {
    "xs-three-deconvs": MODIFIED,
    "xs-two-deconvs": replace(MODIFIED, taps=(6, 5)),
    "xs": HALF,
    "xs-middle-taps": MODIFIED.with_strides(2, (1, 2, 2, 2, 2, 1, 1), taps=(5, 4)),
    "xs-low-taps": MODIFIED.with_strides(2, (2, 2, 2, 1, 2, 1, 1), taps=(5, 3)),
}
"""Layouts that "half resolution" of the extra small network could mean.

In this order: the paper's strides, with three and with two enlargements; the repository's later
strides, taken as `xs`; 8 x 8 cells and two enlargements that join groups 5 and 4, or 5 and 3. At
width 0.5, 512 channels and a depth of 32 they have 1,197,840 (volumes of 64 x 64 x 32), 1,113,744,
1,040,240, 977,104 and 956,144 parameters. The last rounds to the paper's 0.96M, but its strides
were found neither in the paper nor in the repository.
"""

SPLITS = {
    "protocol-1": (PROTOCOLS["h36m-moon-p1"], (*TRAIN, "S9")),
    "protocol-2": (PROTOCOLS["h36m-moon-p2"], TRAIN),
}
"""Human3.6M: the rule of each of the paper's protocols, and the subjects that train for it."""

PARTS = ("first", "second", "third")


def splits() -> pd.DataFrame:
    """`SPLITS` as a table."""
    rows = {
        name: (" ".join(taught), " ".join(own.subjects), f"every {own.every}th", own.alignment)
        for name, (own, taught) in SPLITS.items()
    }
    columns = ["trained on", "tested on", "frames", "alignment"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns)


def sizes(counts: Counts) -> pd.DataFrame:
    """Parameters, and operations where they are counted, of the networks in `structure`."""
    names = [name.removeprefix("params/") for name in counts if name.startswith("params/")]
    operations = [counts.get(f"macs/{name}", float("nan")) / 1e9 for name in names]
    columns = {"parameters": [counts[f"params/{name}"] for name in names]}
    return pd.DataFrame(columns | {"operations, G": operations}, names)


def structure() -> Counts:
    """Quantity -> value, of everything that can be said without a training."""
    with torch.device("meta"):
        built, moon = networks(), IntegralNet(resnet(50), joints=21)
        picture = torch.zeros(1, 3, 256, 256)
    counts = {f"params/{name}": parameters(network) for name, network in built.items()}
    counts |= {f"macs/{name}": paper_flops(network, picture) for name, network in built.items()}
    counts["params/moon"] = parameters(moon)
    with without_batch_norm():
        counts |= skip_concatenation(built["large"], picture) | volumes(built, picture)
        counts |= backbones(built, picture)
    counts |= widths(built) | layers(built)
    return counts | protocols() | loss() | recipe()


def networks() -> dict[str, VolumeNet]:
    """The paper's networks for 18 joints by the names of its tables, not trained."""
    large, xs = SIZES["large"], SIZES["extra small"]
    grid = [(width, channels) for width in (1.0, 0.75, 0.5) for channels in (2048, 1024, 512)]
    others = ("xs-three-deconvs", "xs-two-deconvs", "xs-low-taps")
    return {
        "large": mobile_pose(**large),
        "small": mobile_pose(**SIZES["small"]),
        "xs": mobile_pose(**xs),
        "large-relu": mobile_pose(**large, activation="relu"),
        "concat-none": mobile_pose(**large, concatenation="none"),
        "concat-residual": mobile_pose(**large, concatenation="residual"),
        **{f"w{width}-c{c}": mobile_pose(width=width, channels=c) for width, c in grid},
        **{name: backbone(side=256, joints=18, **how) for name, how in BACKBONES.items()},
        **{name: mobile_pose(**xs | {"layout": XS_READINGS[name]}) for name in others},
    }


def skip_concatenation(large: VolumeNet, picture: Tensor) -> Counts:
    """Section 3.2, Fig. 3 (c): cells across of the encoder's maps and of the decoder's they join."""
    x, *taps = large.encoder(picture)
    counts, joined = {"input_channels/large": large.encoder.features[0][0].in_channels}, 0
    for part, tap, up in zip(PARTS, taps, large.decoder.ups, strict=True):
        counts |= {f"tap_width/large/{part}": tap.shape[3]}
        counts |= {f"decoder_width/large/{part}": x.shape[3]}
        joined += up[0].in_channels > x.shape[1]
        x = up(torch.cat([tap, x], dim=1))
    return counts | {"concatenations/large": joined}


def volumes(built: dict[str, VolumeNet], picture: Tensor) -> Counts:
    """Section 4.5 and Fig. 3: the volumes (voxels) that the networks draw for each joint."""
    names = ("depth", "heatmap_height", "heatmap_width")
    counts = {"channels_out/large": built["large"].decoder.final.out_channels}
    counts |= {"joints/large": built["large"].volumes(picture).shape[1]}
    for name in ("large", "xs"):
        shape = built[name].volumes(picture).shape[2:]  # (D, h, w)
        counts |= {f"{part}/{name}": cells for part, cells in zip(names, shape, strict=True)}
    return counts


def widths(built: dict[str, VolumeNet]) -> Counts:
    """Sections 3.2, 4.3 and 4.5: multipliers, and the channels of intermediate and first layers."""
    counts = {}
    for name, size in {"large": "large", "small": "small", "xs": "extra small"}.items():
        counts[f"width_multiplier/{name}"] = SIZES[size]["width"]
        counts[f"intermediate_channels/{name}"] = built[name].encoder.channels
    for name in ("large", "mobilenetv2"):
        for number in range(1, 5):
            last = built[name].encoder.features[number].conv[-1]
            counts[f"channels_out/{name}/block-{number}"] = last.num_features
    return counts


def backbones(built: dict[str, VolumeNet], picture: Tensor) -> Counts:
    """Section 3.2: cells of the map with which each backbone ends, for pictures of 256 px."""
    counts = {}
    for name in ("large", *BACKBONES):
        found = built[name].encoder(picture)
        last = found[0] if name == "large" else found  # with skips, the maps to join come after it
        counts |= {f"feature_height/{name}": last.shape[2], f"feature_width/{name}": last.shape[3]}
    return counts


def layers(built: dict[str, VolumeNet]) -> Counts:
    """Section 3.2: activations of the large network; how residual concatenation resizes its maps."""
    large, residual = built["large"], built["concat-residual"]
    pool = residual.encoder.pool
    enlargements = [m for m in residual.modules() if isinstance(m, nn.Upsample)]
    return {
        "prelus/large": count_modules(large, nn.PReLU),
        "relu6s/large": count_modules(large, nn.ReLU6),
        "activations/large": count_modules(large, (nn.ReLU, nn.ReLU6, nn.PReLU, nn.Hardswish)),
        "average_pools/concat-residual": count_modules(residual, nn.AvgPool2d),
        "max_pools/concat-residual": count_modules(residual, nn.MaxPool2d),
        "bilinear_upsamplings/concat-residual": sum(m.mode == "bilinear" for m in enlargements),
        "kernel/concat-residual/pool": pool.kernel_size,
        "stride/concat-residual/pool": pool.stride,
        "padding/concat-residual/pool": pool.padding,
    }


def protocols() -> Counts:
    """Section 4.1: the subjects of Human3.6M that train for each protocol, and that test."""
    counts = {}
    for name, (protocol, trained_on) in SPLITS.items():
        counts |= {f"trained_on/{name}/{subject}": 1 for subject in trained_on}
        counts |= {f"tested_on/{name}/{subject}": 1 for subject in protocol.subjects}
        counts[f"train_subjects/{name}"] = len(trained_on)
        counts[f"test_subjects/{name}"] = len(protocol.subjects)
    return counts


def loss() -> Counts:
    """Sections 3.2 and 4.1: the loss beside its definition, and what it makes of unknown depths.

    Of four pictures two have no depths. `flat_depth` is the depth (mm) in the target of such a
    picture, tried on one of the studio's whose depths are withheld.
    """
    generator = torch.Generator().manual_seed(0)
    joints, true = (torch.rand(4, 17, 3, generator=generator) - 0.5 for _ in range(2))
    joints.requires_grad_()
    has_depth = torch.tensor([True, False, True, False])
    computed = joint_loss(joints, true, torch.ones(4, 17, dtype=torch.bool), has_depth)
    computed.backward()
    apart = (joints - true).abs()
    sums = [a.sum() if deep else a[:, :2].sum() for a, deep in zip(apart, has_depth, strict=True)]
    flat = targets(flattened(StudioPictures(("S1",), size=64).sample(0)))
    return {
        "loss_error/large": (computed / (sum(sums) / (4 * 17)) - 1).abs().item(),
        "flat_gradient/large": joints.grad[~has_depth][..., 2].abs().max().item(),
        "flat_depth/large": BOX * flat[..., 2].abs().max().item(),
    }


def recipe() -> Counts:
    """Sections 4.1 and 4.5: settings at size `paper`, the optimiser and the augmentation."""
    settings, default = published_settings("choi2021"), loop.Recipe(epochs=1, batch=1)
    augmentation = AUGMENTATIONS[settings["augmentation"]]
    turn, factor = augmentation.turn, augmentation.colour
    optimiser = loop.OPTIMISERS[default.optimiser]([torch.zeros(1)])
    return {
        "recipe_adam/large": int(isinstance(optimiser, torch.optim.Adam)),
        "recipe_lr/large": settings["rate"],
        "recipe_decay/large": default.factor,
        "recipe_milestone/large/first": settings["drops"][0],
        "recipe_milestone/large/second": settings["drops"][1],
        "recipe_epochs/large": settings["epochs"],
        "recipe_batch/large": settings["batch"],
        "recipe_turned/large": augmentation.turned,
        "recipe_turn/large": turn.spread * turn.clip,
        "recipe_flip/large": augmentation.flip,
        "recipe_colour_low/large": factor.low,
        "recipe_colour_high/large": factor.high,
        "recipe_erased/large": augmentation.erase.probability,
        "recipe_erased_share/large": augmentation.erase.area.high,
        "recipe_timed_rounds/large": settings["rounds"],
        "input_width/large": settings["side"],
        "input_height/large": settings["side"],
    }


def training_memory() -> Counts:
    """Section 4.3: megabytes that the backward pass needs of the large network, PReLU and ReLU."""
    activations = {"large": "prelu", "large-relu": "relu"}
    return {f"train_memory_mb/{name}": kept_megabytes(a) for name, a in activations.items()}


def kept_megabytes(activation: str) -> float:
    """Megabytes that autograd keeps of 24 pictures in the large network with this activation."""
    with torch.device("meta"):
        network = mobile_pose(**SIZES["large"], activation=activation)
        return activation_bytes(network, torch.zeros(24, 3, 256, 256)) / 1e6

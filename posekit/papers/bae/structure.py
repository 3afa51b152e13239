"""Counts and settings of Bae (2021) that its claims name, computed from the code here.

Keys are quantities of printed.csv: metric/network, and for data sets which one.
"""

import torch

from posekit.data.spin import TRAIN
from posekit.models.hmr import HMR, hmr
from posekit.models.mesh_encoders import NETS
from posekit.models.profile import activation_bytes, macs, parameters
from posekit.models.pruning import PAPER_ROUNDS, mask
from posekit.models.torchvision_compat import torchvision
from posekit.papers import Counts

CLASSIFIERS = {"mobilenetv2": "classifier", "mobilenetv3": "classifier", "shufflenetv2": "fc"}
"""Light encoders, and torchvision's name of the layer that makes their 1000 features."""

DATA_SETS = {
    "mpi_inf_3dhp": "mpi-inf-3dhp",
    "lsp": "lsp-orig",
    "lspet": "lspet",
    "coco": "coco",
    "mpii": "mpii",
    "human36m": "h36m",
    "threedpw": "3dpw",
}
"""Data sets of section II.A, and SPIN's name of each."""


def structure() -> Counts:
    """Quantity -> value, of everything that can be said without a training."""
    with torch.device("meta"):
        built = networks()
        return parameter_counts(built) | shares(built) | training_data()


def networks() -> dict[str, HMR]:
    """The regressor behind every encoder, and behind DenseNet-169 the paper's versions 1 and 2."""
    return {
        **{name: hmr(name) for name in NETS},
        "densenet169-nofc2": hmr("densenet169", fc2=False),
        "densenet169-nofc2-2it": hmr("densenet169", fc2=False, iterations=2),
    }


def parameter_counts(built: dict[str, HMR]) -> Counts:
    """Tables V and VI: parameters; section I: those that are trained; II.A.2: corrections."""
    pruned = hmr("my-mobilenetv2")
    mask(pruned, PAPER_ROUNDS[0][0])
    twice = ("params/my-mobilenetv2-pruned", "params/my-mobilenetv2-pruned-twice")
    optimiser = torch.optim.Adam(built["resnet50"].parameters())
    held = [p for group in optimiser.param_groups for p in group["params"]]
    return {
        **{f"params/{name}": parameters(network) for name, network in built.items()},
        "params/resnet50-torchvision": parameters(torchvision.models.resnet50()),
        **dict.fromkeys(twice, parameters(pruned)),
        **{f"iterations/{n}": net.iterations for n, net in built.items() if "densenet169" in n},
        "trained_params/resnet50": sum(p.numel() for p in held),
    }


def shares(built: dict[str, HMR]) -> Counts:
    """Section II.A.2: the share of the regressor's parameters, alone and with the classifier's."""
    counts = {}
    for name, layer in CLASSIFIERS.items():
        network = built[name]
        regressor, whole = parameters(network.step), parameters(network)
        classifier = parameters(getattr(network.encoder.net, layer))
        counts[f"share/{name}-regressor"] = regressor / whole
        counts[f"share/{name}-fc"] = (regressor + classifier) / whole
    return counts


def training_data() -> Counts:
    """Section II.A: is a data set in SPIN's mixture as the paper has it?"""
    used = set(TRAIN)
    return {f"recipe_trained_on/all/{name}": int(key in used) for name, key in DATA_SETS.items()}


def operations() -> Counts:
    """Multiply-accumulates of each whole network for one picture of 224 x 224 px."""
    with torch.device("meta"):
        built, picture = networks(), torch.zeros(1, 3, 224, 224)
    return {f"macs/{name}": macs(network, picture) for name, network in built.items()}


def training_memory() -> Counts:
    """Section III: megabytes that a step of training holds, ResNet-50, 100 pictures of 224 px.

    In float32: weights, gradients and the optimiser's two averages, the masks of a pruned network,
    and all that the backward pass needs.
    """
    counts = {}
    with torch.device("meta"):
        pictures = torch.zeros(100, 3, 224, 224)
        for name in ("resnet50", "resnet50-pruned"):
            network = hmr("resnet50")
            if name.endswith("-pruned"):
                mask(network, PAPER_ROUNDS[0][0])
            masks = sum(b.numel() for key, b in network.named_buffers() if key.endswith("_mask"))
            held = 4 * (4 * parameters(network) + masks)
            counts[f"train_memory_mb/{name}"] = (held + activation_bytes(network, pictures)) / 1e6
    return counts


def reference() -> Counts:
    """Section II.A: % of ImageNet's pictures that the first weights of torchvision name rightly."""
    counts = {}
    for name in ("densenet169", "densenet201"):
        weights = torchvision.models.get_model_weights(NETS[name]).IMAGENET1K_V1
        counts[f"top1/{name}"] = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    return counts

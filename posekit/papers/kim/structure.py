"""Counts and settings of Kim et al. (undated) that its claims name, computed from the code here.

Keys are quantities of printed.csv: metric/network, and for Table I the layer. `original` is the
stem of the base project, `reduced` the report's own.
"""

import cv2
import numpy as np
import torch
from torch import nn

from posekit.figures.heatmap_view import look
from posekit.figures.panel import uploaded
from posekit.geometry.crop import kim_affine, take
from posekit.geometry.skeleton import MPII16
from posekit.models.hourglass import STEMS, Hourglass, Residual, StackedHourglass
from posekit.models.profile import macs, operations, parameters, spatial_layers
from posekit.papers import Counts, count_modules, published_settings
from posekit.training.heatmaps import locate

MODELS = {
    "rmsprop-original": ("original", "rmsprop"),
    "radam-original": ("original", "radam"),
    "adam-original": ("original", "adam"),
    "scheduled-original": ("original", "adam"),
    "rmsprop-reduced": ("reduced", "rmsprop"),
    "adam-reduced": ("reduced", "adam"),
}
"""Section V, Models 1 to 6: stem and optimiser. Model 4 has a scheduler, too."""

COMPARED_EPOCHS = 5
"""Epochs after which section V compares the losses."""

LAYERS = ("conv1", "conv2", "conv3", "pool", "conv4", "conv5")  # of Table I
COLUMNS = ("size_in", "size_out", "kernel", "stride", "padding", "channels_in", "channels_out")


def structure() -> Counts:
    """Quantity -> value, of everything that can be said without a training."""
    return stems() | table_1() | blocks() | whole_networks() | crop() | recipe() | panel()


def stems() -> Counts:
    """Section IV: convolutions, parameters and multiply-accumulates of both stems at 256 px."""
    with torch.device("meta"):
        built, picture = (
            {name: stem(256) for name, stem in STEMS.items()},
            torch.zeros(1, 3, 256, 256),
        )
    counts: Counts = {}
    for name, stem in built.items():
        convolutions = [row for row in spatial_layers(stem, picture) if row["convolution"]]
        counts |= {
            f"convs/{name}": len(convolutions),
            f"stem_params/{name}": sum(row["parameters"] for row in convolutions),
            f"stem_macs/{name}": macs(stem, picture),
        }
    return counts


def table_1() -> Counts:
    """Table I: sizes (px), kernels and channels of the reduced stem's layers, as they run."""
    with torch.device("meta"):
        rows = spatial_layers(STEMS["reduced"](256), torch.zeros(1, 3, 256, 256))
    layers = zip(LAYERS, rows, strict=True)
    return {f"{column}/reduced/{name}": row[column] for name, row in layers for column in COLUMNS}


def blocks() -> Counts:
    """Section IV: what a residual block is made of, and how an hourglass enlarges and adds."""
    stem, block, hourglass = STEMS["original"](256), Residual(64, 128).layers, Hourglass(32, 4, 2)
    x = torch.rand(1, 32, 32, 32)
    runs, in_block = operations(hourglass, x), operations(Residual(32, 32), x)
    additions_in_blocks = in_block["add"] * count_modules(hourglass, Residual)
    enlarged, repeated = hourglass.up[-1](x), x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return {
        "residuals/original": count_modules(stem, Residual),
        "convs_per_residual/original": count_modules(block, nn.Conv2d),
        "norms_per_residual/original": count_modules(block, nn.BatchNorm2d),
        "relus_per_residual/original": count_modules(block, nn.ReLU),
        "upsamplings/reduced": runs["interpolate"],
        "upsampling_error/reduced": (enlarged - repeated).abs().max().item(),
        "additions/reduced": runs["add"] - additions_in_blocks,
    }


def whole_networks() -> Counts:
    """Parameters of both networks, what differs between them outside the stem, and the heatmaps."""
    with torch.device("meta"):
        networks = {name: StackedHourglass(stem=name) for name in STEMS}
        heatmaps = networks["reduced"](torch.zeros(2, 3, 64, 64))  # (B, S, J, h, w)
    outside = [
        {(name, p.shape) for name, p in network.named_parameters() if not name.startswith("stem.")}
        for network in networks.values()
    ]
    return {
        **{f"params/{name}": parameters(network) for name, network in networks.items()},
        "changed_outside_stem/reduced": len({name for name, _ in outside[0] ^ outside[1]}),
        "heatmaps/reduced": heatmaps.shape[2],
        "joints/reduced": len(MPII16),
    }


def crop() -> Counts:
    """Section IV: the crop of a person of scale 1, px, in the middle and at the edge of a picture."""
    centre, edge = (kim_affine((x, 500), 1, 256, picture=(1000, 1000)) for x in (500, 30))
    left, top, right, bottom = centre.window
    white = np.full((1000, 1000, 3), 255, dtype=np.uint8)
    return {
        "crop_above/reduced": 500 - top,
        "crop_left/reduced": 500 - left,
        "crop_height/reduced": bottom - top,
        "crop_width/reduced": right - left,
        "crop_clips/reduced": int(edge.window[0] == 0),
        "crop_square/reduced": int(edge.matrix[0, 0] == edge.matrix[1, 1]),
        "crop_padding/reduced": int(take(white, edge.matrix, (256, 256), edge.window).min()),
    }


def recipe() -> Counts:
    """Table II and section V: settings at size `paper`, and how many trainings are compared."""
    settings = published_settings("kim")
    return {
        "recipe_batch/reduced": settings["batch"],
        "recipe_epochs/reduced": settings["epochs"],
        "recipe_compared_epochs/reduced": COMPARED_EPOCHS,
        "recipe_lr/reduced": settings["rate"],
        "recipe_rmsprop/reduced": int(MODELS["rmsprop-reduced"][1] == "rmsprop"),
        "configurations/all": len(MODELS),
        "input_size/reduced": settings["side"],
    }


def panel() -> Counts:
    """Section I: a graphical interface; 1 if ours finds all joints in a picture that is uploaded."""
    network = StackedHourglass(stem="reduced", channels=16, depth=2, modules=1).eval()
    png = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    picture = uploaded(png, "upload", (64, 64))
    view = look(picture, lambda images: network(images / 255), MPII16, locate=locate)
    return {"panel/reduced": int(all(len(joints) == len(MPII16) for joints in view.joints))}

"""How published projects name the weights of their networks, and what posekit calls them.

One table, `LAYOUTS`: a pattern that tells a project's names from others', rules that rename them,
and what else one must know: the scale of the input, the half voxel of the labels, the joints.
`posekit.inference.published` applies it.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posekit.data.formats import npz
from posekit.geometry.skeleton import H36M17, MOON18, MPII16, MUCO21, SMPL24
from posekit.models.checkpoint import published_offset
from posekit.models.encoders import DEVIATION, MEAN, STRIDE
from posekit.models.integral import BINS
from posekit.models.lifter import JOINTS
from posekit.models.mesh_encoders import NARROW
from posekit.models.mobile import CONCATENATIONS
from posekit.models.mobilenet import MODIFIED, scaled
from posekit.system import need_file

SIDE = 256  # px: of the crops of all networks but SPIN's and bae's
SKELETONS = {len(skeleton): skeleton.name for skeleton in (H36M17, MOON18, MUCO21)}
OF_255 = {  # 3DMPPE and MobileHumanPose: numbers from 0 to 255 were standardised as if up to 1
    "mean": tuple(value / 255 for value in MEAN),
    "deviation": tuple(value / 255 for value in DEVIATION),
}
ASPPS = {  # dilations and widths as in ETH's configurations
    "aspp": {"dilations": [4, 8, 12], "widen": 1.5},
    "aspp2": {"dilations": [6, 12, 18], "widen": 1.5},
    "aspp3": {"dilations": [6, 12, 18], "pooled": False},
}
STATS = "stats.npy"

State = dict[str, Tensor]
Fields = Mapping[str, Any]  # of an About: shape, and what differs from the layout's


@dataclass(frozen=True)
class Layout:
    """How a project's files name the weights of its network."""

    title: str  # the project, for people
    mark: str  # a pattern that one of its names matches, and no other layout's
    rules: tuple[tuple[str, str | Callable[[re.Match], str]], ...]  # applied in this order
    fields: Fields  # of the About, as far as they are the same for all its files
    variants: Callable[[State], Iterator[tuple[str, Fields]]]  # that a file may be, by name
    finish: Callable[[State, Path], State] = lambda state, path: state  # after renaming


def _add(number: int) -> Callable[[re.Match], str]:
    """The match with its last group, a number, changed by `number`."""
    return lambda match: f"{match[1]}{int(match[2]) + number}."


# ---- what can be seen of a network in its weights ------------------------------------------------
def _count(state: State, pattern: str) -> int:
    """One more than the largest number that the pattern's group takes in the names; 0 for none."""
    found = [int(match[1]) for name in state if (match := re.match(pattern, name))]
    return max(found, default=-1) + 1


def _joints(channels: int, depth: int) -> list[int]:
    """The number of joints whose volumes make so many channels, where it is a skeleton's."""
    return [channels // depth] if channels / depth in SKELETONS else []


def _resnet(state: State) -> int:
    """The layers of a ResNet, by the blocks of its third stage."""
    blocks, deep = (
        _count(state, r"encoder\.layer3\.(\d+)\."),
        "encoder.layer1.0.conv3.weight" in state,
    )
    return {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101}.get((blocks, deep), 152)


# ---- layouts -------------------------------------------------------------------------------------
def _mobile(state: State) -> Iterator[tuple[str, Fields]]:
    channels = len(state["encoder.features.18.0.weight"])
    first, outputs = len(state["encoder.features.0.0.weight"]), len(state["decoder.final.weight"])
    widths = [w for w in (1.0, 0.75, 0.5, 0.25, 1.25, 1.5) if scaled(MODIFIED.first, w) == first]
    for layout, depth in {"modified": 64, "half": 32, "large": 64}.items():
        joinings = CONCATENATIONS if layout == "modified" else ("skip",)
        for joints, width, how in product(_joints(outputs, depth), widths, joinings):
            shape = {"side": SIDE, "joints": joints, "layout": layout, "width": width}
            shape |= {"channels": channels, "depth": depth, "concatenation": how}
            # as many cells as slices
            yield layout, {"shape": shape, "offset": published_offset(SIDE, depth, depth)}


def _integral(state: State, depths: tuple[int, ...]) -> Iterator[Fields]:
    """Sun et al.'s network, without a bottleneck."""
    for depth in depths:
        for joints in _joints(len(state["head.9.weight"]), depth):
            shape = {"side": SIDE, "joints": joints, "depth": depth, "layers": _resnet(state)}
            shape["channels"] = len(state["head.9.weight"][0])
            yield {"shape": shape, "offset": published_offset(SIDE, SIDE // 4, depth)}


def _moon(state: State) -> Iterator[tuple[str, Fields]]:
    for fields in _integral(state, (64,)):
        yield f"resnet{fields['shape']['layers']}", fields


def _eth(state: State) -> Iterator[tuple[str, Fields]]:
    levels = _count(state, r"bottleneck\.levels\.(\d+)\.")
    if "bottleneck.together.0.0.weight" in state:
        bottlenecks = dict(ASPPS)
    elif levels:
        bottlenecks = {
            name.lower().replace(" 1", "").replace(" ", ""): {"bins": list(bins)}
            for name, bins in BINS.items()
            if len(bins) == levels
        }
    else:
        bottlenecks = {"plain": {}}
    own, encoder = {}, ""
    if (positions := state.get("encoder.layer4.0.layers.3.positions.down")) is not None:
        own = {"attention": True, "side": (len(positions) + 1) // 2 * STRIDE // 2}
        encoder = "botnet-"
    for fields in _integral(state, (64, 72)):
        for name, bottleneck in bottlenecks.items():
            yield encoder + name, {**fields, "shape": fields["shape"] | own | bottleneck}


def _spin(state: State) -> Iterator[tuple[str, Fields]]:
    yield "resnet50", {"shape": {"encoder": "resnet50", "size": 224}}


def _bae(state: State) -> Iterator[tuple[str, Fields]]:
    cells = math.isqrt(state["encoder.outer.classifier2.weight"].shape[1] // NARROW)
    shape = {"encoder": "my-mobilenetv2", "size": STRIDE * cells, "frozen_shape": True}
    yield "my-mobilenetv2", {"shape": shape}


def _naman(state: State) -> Iterator[tuple[str, Fields]]:
    joints, channels = state["stacks.0.heatmaps.weight"].shape[:2]
    shape = {
        "joints": joints,
        "channels": channels,
        "stacks": _count(state, r"stacks\.(\d+)\."),
        "modules": _count(state, r"stacks\.0\.features\.1\.(\d+)\."),
        "depth": max(name.count("inner.") for name in state),
    }
    yield "hourglass", {"shape": shape}


def _evo(state: State) -> Iterator[tuple[str, Fields]]:
    shape = {
        "stages": _count(state, r"stages\.(\d+)\."),
        "blocks": _count(state, r"stages\.0\.(\d+)\.") - 1,
        "channels": len(state["stages.0.0.0.weight"]),
    }
    yield "cascade", {"shape": shape}


def _evo_block(match: re.Match) -> str:
    stage, block, kind, layer = match.groups()
    return f"stages.{stage}.{int(block) + 1}.layers.{int(layer) - 1}.{int(kind != 'w')}."


def _without_first_axis(state: State, path: Path) -> State:
    return {n: v[0] if n.startswith("start_") and v.dim() == 2 else v for n, v in state.items()}


def _from_rgb(state: State, path: Path) -> State:
    """The first layer for RGB in [0, 1] where it was for BGR / 256: exactly the same function."""
    norm, scale, epsilon = "stem.0.0.", 255 / 256, 1e-5
    changed = {f"{norm}{part}": state[f"{norm}{part}"].flip(0) for part in ("weight", "bias")}
    changed[f"{norm}running_mean"] = state[f"{norm}running_mean"].flip(0) / scale
    variance = state[f"{norm}running_var"].flip(0).double() + epsilon
    changed[f"{norm}running_var"] = (variance / scale**2 - epsilon).float()
    changed["stem.0.2.weight"] = state["stem.0.2.weight"].flip(1)
    return state | changed


def _with_statistics(state: State, path: Path) -> State:
    """A cascade as the network of a `Lifter`, with the statistics in the file beside it."""
    inputs = state["stages.0.0.0.weight"].shape[1]
    if inputs != 2 * JOINTS:
        raise ValueError(
            f"its networks take {inputs} numbers of a pose; only those of the {JOINTS} joints of "
            f"Human3.6M, {2 * JOINTS} numbers, can be converted"
        )
    file = path.with_name(STATS)
    need_file(file, source=f"{path.name} needs the {STATS} that was saved with it")
    last = _count(state, r"stages\.0\.(\d+)\.")
    made = {f"network.{n.replace('.last.', f'.{last}.')}": value for n, value in state.items()}
    known = npz.read(file)
    for dimension, count in (("2d", 2 * JOINTS), ("3d", 3 * (JOINTS - 1))):
        for part in ("mean", "std"):
            try:
                used = np.asarray(known[f"dim_use_{dimension}"], dtype=np.int64)
                values = np.asarray(known[f"{part}_{dimension}"], dtype=np.float32)[used]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise ValueError(f"{file} has no usable {part}_{dimension}: {error!r}") from error
            if values.shape != (count,):
                raise ValueError(f"{file}: {part}_{dimension} has {values.shape}, not ({count},)")
            made[f"{part}_{dimension}"] = torch.from_numpy(values)
    return made


LAYOUTS: Mapping[str, Layout] = {
    "mobilehumanpose": Layout(
        "MobileHumanPose (SangbumChoi/MobileHumanPose)",
        mark=r"backbone\.inv_residual\.",
        rules=(
            (r"^backbone\.", ""),
            (r"^first_conv\.", "encoder.features.0."),
            (r"^(inv_residual\.)(\d+)\.", _add(1)),
            (r"^inv_residual\.", "encoder.features."),
            (r"^last_conv\.", "encoder.features.18."),
            (r"^decon?v(\d)\.|^deonv(\d)\.", lambda m: f"decoder.ups.{m[1] or m[2]}."),
            (r"^final_layer\.", "decoder.final."),
        ),
        fields={"kind": "integral", "network": "mobile", **OF_255},
        variants=_mobile,
    ),
    "3dmppe": Layout(
        "3DMPPE PoseNet (mks0601/3DMPPE_POSENET_RELEASE)",
        mark=r"head\.deconv_layers\.",
        rules=(
            (r"^backbone\.", "encoder."),
            (r"^head\.deconv_layers\.", "head."),
            (r"^head\.final_layer\.", "head.9."),
        ),
        fields={"kind": "integral", "network": "resnet", **OF_255},
        variants=_moon,
    ),
    "eth": Layout(
        "ETH's integral networks (kaufmann-a/ETH_MP-Human-Pose-Prediction)",
        mark=r"joint_decoder\.",
        rules=(
            (r"^backbone\.fc\..*", ""),
            (r"^backbone\.0\.", "encoder.conv1."),
            (r"^backbone\.1\.", "encoder.bn1."),
            (r"^(backbone\.)([456])\.", _add(-3)),
            (r"^backbone\.([123])\.", r"encoder.layer\1."),
            (r"^backbone\.7\.net\.", "encoder.layer4."),
            (r"^(encoder\.layer4\.\d\.)net\.", r"\1layers."),
            (r"\.shortcut\.", ".round."),
            (r"\.to_qkv\.", ".project."),
            (r"\.pos_emb\.rel_height$", ".positions.down"),
            (r"\.pos_emb\.rel_width$", ".positions.across"),
            (r"^backbone\.", "encoder."),
            (
                r"^joint_decoder\.upsample_features\.(\d)\.(\d)\.",
                lambda m: f"head.{3 * int(m[1]) + int(m[2])}.",
            ),
            (r"^joint_decoder\.features_to_heatmaps\.", "head.9."),
            (r"^(bottleneck\.features\.\d\.)(\d)\.", _add(-1)),
            (r"^bottleneck\.features\.(\d)\.", r"bottleneck.levels.\1.layer."),
            (r"^(bottleneck\.aspp_block_)(\d)\.", _add(-1)),
            (r"^bottleneck\.aspp_block_", "bottleneck.levels."),
            (r"^(bottleneck\.global_avg_pool\.)(\d)\.", _add(-1)),
            (r"^bottleneck\.global_avg_pool\.", "bottleneck.levels.4.layer."),
            (r"^bottleneck\.output_block\.", "bottleneck.together.0."),
        ),
        fields={"kind": "integral", "network": "resnet"},
        variants=_eth,
    ),
    "spin": Layout(
        "SPIN's HMR (nkolot/SPIN)",
        mark=r"decpose\.",
        rules=(
            (r"^(fc1|fc2|decpose|decshape|deccam)\.", r"step.\1."),
            (r"^init_cam$", "start_camera"),
            (r"^init_", "start_"),
            (r"^(?!step\.|start_)", "encoder."),
        ),
        fields={"kind": "mesh", "network": "hmr", "skeleton": SMPL24.name, "side": 224},
        variants=_spin,
        finish=_without_first_axis,
    ),
    "bae": Layout(
        "My MobileNetV2 (bae3559/2021summerintern)",
        mark=r"decpose2\.",
        rules=(
            (r"^features\.", "encoder.features."),
            (r"^(classifier1|classifier2|conv2|conv3)\.", r"encoder.outer.\1."),
            (r"^((?:dec)?(?:pose|shape|cam)(?:2|conv))\.", r"step.\1."),
            (r"^init_cam$", "start_camera"),
            (r"^init_", "start_"),
        ),
        fields={"kind": "mesh", "network": "hmr", "skeleton": SMPL24.name},
        variants=_bae,
        finish=_without_first_axis,
    ),
    "naman": Layout(
        "stacked hourglass (Naman-ntc/Pytorch-Human-Pose-Estimation)",
        mark=r"jointstochan\.",
        rules=(
            (r"^start\.", "stem.0."),
            (r"^res1\.", "stem.1."),
            (r"^(res)([23])\.", _add(1)),
            (r"^res([34])\.", r"stem.\1."),
            (r"^hourglass\.(\d+)\.", r"stacks.\1.features.0."),
            (r"^Residual\.(\d+)\.", r"stacks.\1.features.1."),
            (r"^lin1\.(\d+)\.", r"stacks.\1.features.2."),
            (r"^chantojoints\.(\d+)\.", r"stacks.\1.heatmaps."),
            (r"^lin2\.(\d+)\.", r"stacks.\1.back."),
            (r"^jointstochan\.(\d+)\.", r"stacks.\1.heatmaps_back."),
            (r"\b(hg|num1res)\.", "inner."),
            (r"\bafterpool\.", "down.1."),
            (r"\blowres\.", "up.0."),
            (r"\b(cb\.cbr)(\d)\.", _add(-1)),
            (r"\bcb\.cbr", "layers."),
            (r"\bskip\.conv\.", "round."),
            (r"\bbn\.", "0."),
            (r"\bconv\.", "2."),
        ),
        # a joint at px p is in the cell floor(p / 4), and in posekit's floor((p + 1/2) / 4)
        fields={
            "kind": "heatmaps",
            "network": "hourglass",
            "skeleton": MPII16.name,
            "side": SIDE,
            "offset": (0.5, 0.5, 0.0),
        },
        variants=_naman,
        finish=_from_rgb,
    ),
    "evoskeleton": Layout(
        "EvoSkeleton's cascades (Nicholasli1995/EvoSkeleton)",
        mark=r"0\.res_blocks\.",
        rules=(
            (r"^(\d+)\.w1\.", r"stages.\1.0.0."),
            (r"^(\d+)\.batch_norm1\.", r"stages.\1.0.1."),
            (r"^(\d+)\.w2\.", r"stages.\1.last."),
            (r"^(\d+)\.res_blocks\.(\d+)\.(w|batch_norm)(\d)\.", _evo_block),
        ),
        fields={
            "kind": "lifting",
            "network": "cascade",
            "skeleton": H36M17.name,
            "side": 1000,  # px: of Human3.6M's pictures
        },
        variants=_evo,
        finish=_with_statistics,
    ),
}

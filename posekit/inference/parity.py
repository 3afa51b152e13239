"""Networks and rules held against the published code: the same weights, the same inputs.

The published code is not part of posekit. `posekit parity FOLDER` imports it from the user's clones,
fills its networks and ours with the same numbers, and writes how far the outputs lie apart, with a
digest of the published outputs, to papers/parity.json; tests hold our networks to these digests.

The numbers are those of `parity_numbers`: weights by their names, pictures (1 + u) / 2, standardised
poses u. Metrics and losses are held against the published ones in the same way (`parity_rules`).

B samples, H x W pixels.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.claims import published
from posekit.claims.paper import FOLDER
from posekit.inference.parity_numbers import numbers, uniform
from posekit.inference.parity_rules import RULES, Rule
from posekit.inference.published_layouts import LAYOUTS, OF_255
from posekit.models import checkpoint
from posekit.models.checkpoint import About
from posekit.models.encoders import DEVIATION, MEAN
from posekit.models.hmr import Estimate
from posekit.models.integral import VolumeNet
from posekit.models.soft_argmax import soft_argmax
from posekit.system import write_text

RECORDS = FOLDER / published.RECORDS
TOGETHER = 1  # pictures at a time
KEPT = 24  # numbers of an output that its digest has
TOLERANCE = 1e-3  # of the root mean square of an output, between this machine and the digest's

Outputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A network of a published project, and the same one here."""

    project: str  # owner/name on GitHub; the clone is the folder `name`
    commit: str
    folders: tuple[str, ...]  # of the project, that its code is in
    layout: str  # one of LAYOUTS
    fields: Mapping  # of our network's About: kind, network, side, shape
    published: Mapping = field(default_factory=dict)  # arguments of the published network
    covers: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # networks of papers' claims

    @property
    def about(self) -> About:
        return About(skeleton="", name="", origin="", **self.fields)


MOBILE, LARGE, MASTER = (
    "70baeafff0d57ab74a72abedb30c12e739da18ec",
    "259e6744e81135b8487bbe77612c562f1c88848d",
    "a359dd9798e011af3499623d5fbb6dfcbb069a59",
)


def _mobile(commit: str, backbone: str, covers: tuple[str, ...], **shape) -> Case:
    shape = {"side": 128, "joints": 18, "width": 1.0, "channels": 2048, "depth": 64} | shape
    fields = {"kind": "integral", "network": "mobile", "side": 128, "shape": shape, **OF_255}
    return Case(
        "SangbumChoi/MobileHumanPose", commit, ("main", "common"), "mobilehumanpose", fields,
        {"backbone": backbone}, {"choi2021": covers} if covers else {},
    )  # fmt: skip


def _eth(resnet: int, covers: tuple[str, ...], side: int, published: Mapping, **shape) -> Case:
    shape = {"side": side, "layers": resnet, "channels": 256, "depth": 64} | shape
    fields = {"kind": "integral", "network": "resnet", "side": side, "shape": shape}
    return Case(
        "kaufmann-a/ETH_MP-Human-Pose-Prediction", "9af61601945d75420a785c80c369806e0af61bab",
        ("3dhumanpose_main",), "eth", fields, published, {"bouchiat": covers} if covers else {},
    )  # fmt: skip


def _body(project: str, commit: str, folders: tuple[str, ...], layout: str, **shape) -> Case:
    fields = {"kind": "mesh", "network": "hmr", "side": 224, "shape": {"size": 224, **shape}}
    return Case(
        project, commit, folders, layout, fields, covers={"bae": (shape["encoder"],)}
    )  # fmt: skip


CASES: Mapping[str, Case] = {
    "MobileHumanPose, large": _mobile(MOBILE, "LPSKI", ("large",)),
    "MobileHumanPose, small": _mobile(MOBILE, "LPSKI", ("small",), width=0.75, channels=512),
    "MobileHumanPose, no concatenation": _mobile(
        MOBILE, "LPWO", ("concat-none",), concatenation="none"
    ),
    "MobileHumanPose, residual concatenation": _mobile(
        MOBILE, "LPRES", ("concat-residual",), concatenation="residual"
    ),
    "MobileHumanPose, extra small": _mobile(
        MASTER, "LPSKI", ("xs",), layout="half", width=0.5, channels=512, depth=32
    ),
    "MobileHumanPose, branch large": _mobile(LARGE, "LPSKI", (), layout="large"),
    "3DMPPE PoseNet, ResNet-50": Case(
        "mks0601/3DMPPE_POSENET_RELEASE", "dd025c57c0bbca97f4f8ef37507ab2ad8ba28cc7",
        ("main", "common"), "3dmppe",
        {
            "kind": "integral", "network": "resnet", "side": 128, **OF_255,
            "shape": {"side": 128, "joints": 21, "layers": 50, "depth": 64, "channels": 256},
        },
        covers={"choi2021": ("moon",)},
    ),
    "ETH, ResNet-50": _eth(50, ("r50",), 128, {}),
    "ETH, ResNet-50, PPM": _eth(
        50, ("r50-ppm",), 128,
        {"bottleneck": {"method": "PPM", "bins": [1, 2, 3, 6]}}, bins=[1, 2, 3, 6],
    ),
    "ETH, ResNet-152, PPM, depth 72": _eth(
        152, ("final",), 192,
        {"bottleneck": {"method": "PPM", "bins": [1, 2, 3, 6]}}, bins=[1, 2, 3, 6], depth=72,
    ),
    "ETH, ResNet-18, ASPP": _eth(
        18, (), 192,
        {"bottleneck": {
            "method": "ASPP", "out_dim_factor": 1.5, "dilation": [1, 4, 8, 12],
            "use_global_avg_pooling": True,
        }},
        dilations=[4, 8, 12], widen=1.5,
    ),
    "ETH, BoTNet-50": _eth(50, ("botnet50",), 128, {"use_bot_net": True}, attention=True),
    "SPIN, ResNet-50": _body(
        "nkolot/SPIN", "2476c436013055be5cb3905e4e4ecfa86966fac3", ("models", "utils"), "spin",
        encoder="resnet50",
    ),
    "bae, My MobileNetV2": _body(
        "bae3559/2021summerintern", "647d2c816772c0f135fe88ce07f9e2eb8f5061f7", ("train",), "bae",
        encoder="my-mobilenetv2", frozen_shape=True,
    ),
    "Naman, stacked hourglass": Case(
        "Naman-ntc/Pytorch-Human-Pose-Estimation", "11525c3d48ed92e0a44ff2f8bcc89c12d37f4360",
        ("models",), "naman",
        {
            "kind": "heatmaps", "network": "hourglass", "side": 128,
            "shape": {"joints": 16, "stacks": 2, "modules": 2, "depth": 4, "channels": 256},
        },
        covers={"kim": ("original",)},
    ),
    "EvoSkeleton, 3 stages of 3 blocks": Case(
        "Nicholasli1995/EvoSkeleton", "b2b355f4c1fa842709f100d931189ce80008f6ef",
        ("libs",), "evoskeleton",
        {
            "kind": "lifting", "network": "cascade", "side": 1000,
            "shape": {"stages": 3, "blocks": 3, "channels": 1024},
        },
        covers={"tran2022": ("evoskeleton-3x3",)},
    ),
}  # fmt: skip


ALL: Mapping[str, Case | Rule] = {**CASES, **RULES}


# ---- the same numbers ----------------------------------------------------------------------------
def inputs(case: Case) -> Tensor:
    """Pictures, or standardised poses of Human3.6M's 17 joints."""
    if case.about.kind == "lifting":
        return uniform("inputs", 16, 34)
    return (1 + uniform("inputs", TOGETHER, 3, case.about.side, case.about.side)) / 2


def published_inputs(case: Case) -> Tensor:
    """The same, on the scale that the published network takes."""
    given = inputs(case)
    if case.layout == "naman":
        return (255 * given).flip(1) / 256
    if case.layout == "evoskeleton":
        return given
    mean, deviation = (
        torch.tensor(case.fields.get(key, default))[:, None, None]
        for key, default in (("mean", MEAN), ("deviation", DEVIATION))
    )
    return (given - mean) / deviation


def ours(case: Case | Rule) -> dict[str, Tensor]:
    """The outputs of our network, or of our metric or loss."""
    if isinstance(case, Rule):
        return case.ours()
    network = checkpoint.build(case.about)
    filled: nn.Module = network.network if case.about.kind == "lifting" else network
    state = {name: numbers(name, tuple(v.shape)) for name, v in filled.state_dict().items()}
    if case.layout == "naman":
        state = LAYOUTS["naman"].finish(state, Path())
    filled.load_state_dict(state)
    return outputs(filled, inputs(case))


@torch.inference_mode()
def outputs(network: nn.Module, given: Float[Tensor, "B ..."]) -> dict[str, Tensor]:
    """What a network of ours makes, by name."""
    if isinstance(network, VolumeNet):
        volumes = network.volumes(given)
        return {"volumes": volumes, "voxels": soft_argmax(volumes)}
    made = network(given)
    return dict(made._asdict()) if isinstance(made, Estimate) else {"output": made}


# ---- records -------------------------------------------------------------------------------------
def digest(made: Outputs) -> dict[str, dict]:
    """A few numbers of each output: its shape, root mean square, and KEPT values spread evenly."""
    found = {}
    for name, value in made.items():
        flat = value.double().flatten()
        places = torch.linspace(0, len(flat) - 1, KEPT).long()
        kept = [float(f"{number:.6g}") for number in flat[places].tolist()]
        rms = float(f"{flat.square().mean().sqrt():.6g}")
        found[name] = {"shape": list(value.shape), "rms": rms, "values": kept}
    return found


def apart(made: Outputs, others: Outputs) -> float:
    """The largest difference of two sets of outputs, in root mean squares of the output it is in.

    ValueError where they are not of the same names and shapes.
    """
    shapes = [{n: tuple(v.shape) for n, v in each.items()} for each in (made, others)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"outputs {shapes[0]} here, {shapes[1]} there")
    pairs = [(value.double(), others[name].double()) for name, value in made.items()]
    return max(((a - b).abs().max() / b.square().mean().sqrt()).item() for a, b in pairs)


def measure(folder: Path | str, records: Path = RECORDS) -> list[str]:
    """Compare all whose project is in `folder`, rewrite its record; a line on each.

    The projects' code is imported: do this only with clones that you trust. Each is taken at the
    commit that its case names, whatever is checked out. ETH's BoTNet needs the package einops.
    FileNotFoundError when no project is there.
    """
    folder = Path(folder)
    found = {name: case for name, case in ALL.items() if _clone(folder, case.project).is_dir()}
    if not found:
        names = sorted({case.project for case in ALL.values()})
        raise FileNotFoundError(f"{folder} has no clone of {', '.join(names)}")
    known = json.loads(records.read_text(encoding="utf-8")) if records.is_file() else {}
    lines = []
    for name, case in found.items():
        theirs = _published(folder, name, case)
        difference = apart(ours(case), theirs)
        known[name] = {
            "project": case.project,
            "commit": case.commit,
            "compared": _compared(case, theirs),
            "largest": float(f"{difference:.2g}"),
            _claims(case): {
                paper: list(names) for paper, names in getattr(case, _claims(case)).items()
            },
            "outputs": digest(theirs),
        }
        lines.append(f"{name}: {known[name]['compared']}; largest difference {difference:.2g} rms")
        write_text(records, _text(known))
    return lines


def _text(known: Mapping) -> str:
    """The records as JSON, one a line."""
    rows = (f"{json.dumps(n)}: {json.dumps(known[n])}" for n in ALL if n in known)
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _claims(case: Case | Rule) -> str:
    """What its record says of papers' claims: networks that it covers, quantities that it decides."""
    return "decides" if isinstance(case, Rule) else "covers"


def _compared(case: Case | Rule, made: Outputs) -> str:
    if isinstance(case, Rule):
        return case.compared
    taken = "poses" if case.about.kind == "lifting" else f"picture of {case.about.side} px"
    what = ", ".join(f"{name} {'x'.join(map(str, v.shape[1:]))}" for name, v in made.items())
    return f"{what} of {len(inputs(case))} {taken}"


def _clone(folder: Path, project: str) -> Path:
    return folder / project.partition("/")[2]


def _published(folder: Path, name: str, case: Case | Rule) -> dict[str, Tensor]:
    """The outputs of the published code, from a process of its own in a copy of its code."""
    with tempfile.TemporaryDirectory() as place:
        _check_out(folder, case.project, case.commit, case.folders, Path(place, "code"))
        if getattr(case, "layout", "") == "bae":  # its network imports SPIN's geometry
            spin = CASES["SPIN, ResNet-50"]
            _check_out(folder, spin.project, spin.commit, ("utils",), Path(place, "code"))
        out = Path(place, "outputs.npz")
        command = [sys.executable, "-m", "posekit.inference.parity_published", name, str(out)]
        done = subprocess.run(
            [*command, str(Path(place, "code"))], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {case.project} could not be run: {done.stderr[-2000:]}")
        with np.load(out) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def _check_out(folder: Path, project: str, commit: str, parts: tuple[str, ...], to: Path) -> None:
    """Folders and files of a project as they were at a commit; FileNotFoundError when the clone lacks it."""
    clone = _clone(folder, project)
    code = [part if part.endswith(".py") else f"{part}/*.py" for part in parts]
    command = ["git", "-C", str(clone), "archive", commit, *code]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise FileNotFoundError(
            f"{clone} has no {', '.join(parts)} at commit {commit}: {done.stderr.decode()[-500:]}"
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(to, filter="data")

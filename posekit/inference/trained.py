"""A trained network as people use it: crops in, joints in the cube out, whoever trained it.

It comes from a finished run of posekit (its id, its folder in the cache, or the network.pt in it),
or from a .onnx that `posekit.export` wrote. A run's record says how its network was built:
`config["network"]` is a name in `networks.NETWORKS`, `config["shape"]` what that is given. Nothing in
these files is executed.

B crops of S x S pixels, J joints.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from posekit.data.batch import unit_range
from posekit.geometry.skeleton import H36M17, MOON18, MUCO21, Skeleton
from posekit.inference.video import digest
from posekit.models.integral import from_voxels
from posekit.models.soft_argmax import soft_argmax
from posekit.models.zoo import NETWORKS
from posekit.training.experiment import EVALUATED_TOGETHER, WEIGHTS
from posekit.training.runs import cache_folder

LARGEST = 4_000_000_000  # bytes of a file with weights
SKELETONS = {len(skeleton): skeleton for skeleton in (H36M17, MOON18, MUCO21)}
"""By the number of joints that a network has: what the papers' networks are taught."""


@dataclass(frozen=True)
class Trained:
    """A network and what has to be known to use it."""

    name: str  # for people
    digest: str  # of the weights: SHA-256
    skeleton: Skeleton
    side: int  # of the crops, px
    forward: Callable[[UInt8[Tensor, "B 3 S S"]], Float[Tensor, "B J 3"]]

    @torch.inference_mode()
    def joints(self, crops: UInt8[Tensor, "B 3 S S"]) -> Float[Tensor, "B J 3"]:
        """The joints in the cube, on the CPU; ValueError when they are none or not finite."""
        found = torch.cat(
            [self.forward(part).float().cpu() for part in crops.split(EVALUATED_TOGETHER)]
        )
        wanted = (len(crops), len(self.skeleton), 3)
        if found.shape != wanted or not found.isfinite().all():
            raise ValueError(
                f"{self.name} gave {tuple(found.shape)} numbers, not all finite or not {wanted}: "
                "was it trained to the end?"
            )
        return found


def load(model: str, device: str = "cpu") -> Trained:
    """The network of a finished run or of an .onnx file.

    FileNotFoundError when there is none; ValueError when it is damaged, too large, or predicts no
    joints in space; ModuleNotFoundError naming the extra where ONNX Runtime is missing.
    """
    path = Path(model).expanduser()
    if path.suffix.lower() == ".onnx":
        return _exported(path)
    if path.name == WEIGHTS:
        path = path.parent
    if not path.is_dir():
        if not re.fullmatch("[0-9a-f]{16}", model):
            raise FileNotFoundError(
                f"--model {model} is neither a run's folder, nor an .onnx file, nor a run's id (16 "
                "hexadecimal digits, as in the names in results/runs)"
            )
        path = cache_folder() / model
    return _of_run(path, device)


def _of_run(folder: Path, device: str) -> Trained:
    record, weights = folder / "record.json", folder / WEIGHTS
    for file in (record, weights):
        if not file.is_file():
            raise FileNotFoundError(
                f"there is no {file}: a finished run that keeps a network has one; run its "
                "notebook on this machine, or set POSEKIT_CACHE to where its runs are"
            )
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        config = known["config"]
        network, shape = config["network"], config["shape"]
        side = shape["side"] if network in NETWORKS else 0
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{record} does not say which network was trained: {error!r}") from error
    if network not in NETWORKS:
        raise ValueError(
            f"{folder.name} trained the network {network!r}; joints in space are predicted by "
            f"{', '.join(NETWORKS)}"
        )
    try:
        built = NETWORKS[network](**shape)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{record}: no {network} network has the shape {shape}: {error}"
        ) from error
    _check_size(weights, 2 * sum(v.nbytes for v in built.state_dict().values()) + 10_000_000)
    try:
        built.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    except Exception as error:  # torch has no common one for files that are not whole
        raise ValueError(
            f"{weights} is damaged or of another network; delete {folder}, run its notebook again"
        ) from error
    built = built.to(device, memory_format=torch.channels_last).eval()
    name = f"{config.get('subject', network)}, run {known.get('id', folder.name)}"
    skeleton = _skeleton(built.shape[0], name)
    return Trained(name, digest(weights), skeleton, side, partial(_through, built, device))


def _through(
    network: nn.Module, device: str, crops: UInt8[Tensor, "B 3 S S"]
) -> Float[Tensor, "B J 3"]:
    return network(unit_range(crops.to(device)))


def _exported(path: Path) -> Trained:
    if not path.is_file():
        raise FileNotFoundError(f"there is no network {path}")
    _check_size(path, LARGEST)
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{path.name} needs ONNX Runtime: pip install "posekit[export]"'
        ) from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own have no common class
        raise ValueError(f"{path} is no network that ONNX Runtime reads: {error}") from error
    (given, *more), (made, *_) = session.get_inputs(), session.get_outputs()
    _, colours, height, width = given.shape if len(given.shape) == 4 else (0, 0, 0, 0)
    if more or colours != 3 or not isinstance(width, int) or height != width or width < 1:
        raise ValueError(
            f"{path} is given {[(i.name, i.shape) for i in session.get_inputs()]}, not one batch "
            "of (B, 3, side, side)"
        )

    def forward(crops: UInt8[Tensor, "B 3 S S"]) -> Float[Tensor, "B J 3"]:
        pictures = unit_range(crops).contiguous().numpy()
        if given.shape[0] == 1:  # exported for one at a time
            parts = [session.run([made.name], {given.name: each[None]})[0] for each in pictures]
            out = torch.cat([torch.from_numpy(part) for part in parts])
        else:
            out = torch.from_numpy(session.run([made.name], {given.name: pictures})[0])
        if out.dim() == 5:  # exported without the soft-argmax
            out = from_voxels(soft_argmax(out), out.shape[2:])
        return out

    joints = made.shape[1] if len(made.shape) in (3, 5) else None
    return Trained(path.name, digest(path), _skeleton(joints, path.name), width, forward)


def _skeleton(joints: object, name: str) -> Skeleton:
    if joints not in SKELETONS:
        raise ValueError(
            f"{name} has {joints} joints; known are networks of {', '.join(map(str, SKELETONS))}"
        )
    return SKELETONS[joints]


def _check_size(path: Path, most: int) -> None:
    if (size := path.stat().st_size) > most:
        raise ValueError(f"{path} has {size:,} bytes, more than such a network needs ({most:,})")

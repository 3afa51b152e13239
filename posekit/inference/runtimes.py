"""One way to run a trained network: of a checkpoint, a run's folder, ONNX, OpenVINO or TFLite.

    predictor = runtimes.load("net.xml", precision="bfloat16")
    joints = predictor(pictures)

Nothing in these files is executed. B samples, J joints, D x h x w voxels.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from posekit.data.batch import unit_range
from posekit.inference.export import VOLUMES, package
from posekit.models import checkpoint
from posekit.models.integral import from_voxels
from posekit.models.lifter import JOINTS
from posekit.models.soft_argmax import soft_argmax
from posekit.models.zoo import NETWORKS
from posekit.training.experiment import EVALUATED_TOGETHER, WEIGHTS
from posekit.training.runs import cache_folder

PRECISIONS = {
    ".onnx": {"float32": ""},
    ".xml": {"float32": "f32", "bfloat16": "bf16"},
    ".tflite": {"float32": ""},
}
"""What each kind of file can be computed in, and OpenVINO's word for it. A TFLite file of int8
computes in that all the same."""


@dataclass(frozen=True)
class Predictor:
    """A trained network that is ready to run."""

    name: str  # for people
    weights: Path  # the file that has them
    shape: tuple[int, ...]  # of one input
    run: Callable[[Float[Tensor, "B ..."]], Tensor | tuple]
    volumes: bool  # whether `run` leaves soft-argmax out

    def raw(self, inputs: Float[Tensor, "B ..."]) -> Tensor | tuple:
        """The output of the file: volumes where it leaves soft-argmax out.

        Raises ValueError for inputs of another shape.
        """
        if tuple(inputs.shape[1:]) != self.shape:
            raise ValueError(
                f"{self.name} can't be run on inputs of shape {tuple(inputs.shape)}: it takes "
                f"(number, {', '.join(map(str, self.shape))})"
            )
        return self.run(inputs)

    @torch.inference_mode()
    def __call__(self, inputs: Float[Tensor, "B ..."]) -> Tensor | tuple:
        """The output of the network: joints in the cube where it draws volumes, a named tuple where
        it regresses bodies."""
        made = self.raw(inputs)
        return from_voxels(soft_argmax(made), made.shape[2:]) if self.volumes else made

    def predict(self, pictures: UInt8[Tensor, "N 3 H W"]) -> Tensor:
        """The output for pictures of any number, batch by batch."""
        return torch.cat([self(unit_range(part)) for part in pictures.split(EVALUATED_TOGETHER)])


def load(
    model: str | Path, *, device: str = "cpu", threads: int = 0, precision: str = "float32"
) -> Predictor:
    """The network of a checkpoint, of an .onnx, .xml (OpenVINO) or .tflite file, or of a run.

    A checkpoint is a .safetensors file (`posekit.models.checkpoint`). A finished run is given by its
    id, its folder or the network.pt in it. Both run on `device`. Other files run on the CPU, on so
    many `threads` (0: one for each core), in one of the PRECISIONS of their kind.

    Raises FileNotFoundError when there is none; ValueError for another precision, a damaged file,
    and a run of another kind of network; ModuleNotFoundError naming the extra that is missing.
    """
    path = Path(model).expanduser()
    if path.suffix in PRECISIONS:
        return _of_file(path, threads or cores(), precision)
    if path.suffix == checkpoint.ENDING:
        return _of_checkpoint(path, device)
    if path.name == WEIGHTS:
        path = path.parent
    if not path.is_dir():
        if not re.fullmatch("[0-9a-f]{16}", str(model)):
            endings = ", ".join((checkpoint.ENDING, *PRECISIONS))
            raise FileNotFoundError(
                f"the model {model} is neither a run's folder, nor a file that ends in {endings}, "
                "nor a run's id (16 hexadecimal digits, as in the names in results/runs)"
            )
        path = cache_folder() / str(model)
    return _of_run(path, device)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def files_of(path: Path) -> list[Path]:
    """A file, or both of OpenVINO's."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]


def _of_checkpoint(path: Path, device: str) -> Predictor:
    found = checkpoint.load(path)
    shape = (JOINTS, 2) if found.kind == "lifting" else (3, found.side, found.side)
    return Predictor(found.name, path, shape, _in_torch(found.network, device), volumes=False)


def _in_torch(network: nn.Module, device: str) -> Callable:
    """A torch network on a device, its output on the CPU in float32."""
    network = network.to(device, memory_format=torch.channels_last).eval()

    def run(inputs: Tensor):
        made = network(inputs.to(device))
        if isinstance(made, Tensor):
            return made.float().cpu()
        return type(made)(*(part.float().cpu() for part in made))

    return run


def _of_run(folder: Path, device: str) -> Predictor:
    record, weights = folder / "record.json", folder / WEIGHTS
    for file in (record, weights):
        if not file.is_file():
            raise FileNotFoundError(
                f"there is no {file}: a finished run that keeps a network has one; run its "
                "notebook on this machine, or set POSEKIT_CACHE to where its runs are"
            )
    try:
        config = json.loads(record.read_text(encoding="utf-8"))["config"]
        network, side = NETWORKS[config["network"]](**config["shape"]), config["shape"]["side"]
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{record} has no network that is known ({', '.join(NETWORKS)}), or not its shape: "
            f"{error!r}"
        ) from error
    most = 2 * sum(tensor.nbytes for tensor in network.state_dict().values()) + 10_000_000
    try:
        if weights.stat().st_size > most:
            raise ValueError(f"more than {most:,} bytes")
        network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    except Exception as error:  # torch has no common one for files that are not whole
        raise ValueError(
            f"{weights} is damaged or of another network; delete {folder}, run its notebook again"
        ) from error
    name = f"{config.get('subject', config['network'])}, run {folder.name}"
    return Predictor(name, weights, (3, side, side), _in_torch(network, device), volumes=False)


def _of_file(path: Path, threads: int, precision: str) -> Predictor:
    if precision not in PRECISIONS[path.suffix]:
        there = ", ".join(PRECISIONS[path.suffix])
        raise ValueError(f"{path.suffix} files can't be run in {precision!r}, but in {there}")
    for part in files_of(path):
        if not part.is_file():
            raise FileNotFoundError(
                f"there is no {part}; posekit.inference.export writes such files"
            )
    package_name, opened = {
        ".onnx": ("onnxruntime", _onnxruntime),
        ".xml": ("openvino", partial(_openvino, precision=precision)),
        ".tflite": ("ai_edge_litert.interpreter", _litert),
    }[path.suffix]
    library = package(package_name)
    try:
        shape, output, run = opened(library, path, threads)
        shape = tuple(int(size) for size in shape[1:])
    except Exception as error:  # a damaged file can bring up almost any
        raise ValueError(
            f"{path} is damaged, or not of its kind ({error}); write it anew"
        ) from error
    in_torch = lambda inputs: torch.from_numpy(np.array(run(inputs.detach().contiguous().numpy())))
    return Predictor(path.name, files_of(path)[-1], shape, in_torch, volumes=output == VOLUMES)


def _onnxruntime(library, path: Path, threads: int) -> tuple:
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait for more by spinning take the cores from who comes next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (taken,), (made,) = session.get_inputs(), session.get_outputs()
    return taken.shape, made.name, lambda inputs: session.run(None, {taken.name: inputs})[0]


def _openvino(library, path: Path, threads: int, *, precision: str) -> tuple:
    options = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[".xml"][precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = library.Core().compile_model(path, "CPU", options)
    request = compiled.create_infer_request()
    sizes = [
        size.get_length() if size.is_static else -1 for size in compiled.input(0).partial_shape
    ]
    return sizes, compiled.output(0).get_any_name(), lambda inputs: request.infer([inputs])[0]


def _litert(library, path: Path, threads: int) -> tuple:
    interpreter = library.Interpreter(str(path), num_threads=threads)
    ((_, ends),) = interpreter.get_signature_list().items()
    interpreter.allocate_tensors()
    (taken,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def one(sample: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], sample)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

    def run(inputs: np.ndarray) -> np.ndarray:
        return np.concatenate([one(inputs[at : at + 1]) for at in range(len(inputs))])

    return taken["shape"], ends["outputs"][0], run

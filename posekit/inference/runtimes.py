"""Networks from files that posekit.export wrote, or others like them, as networks again.

    network = deploy.load("net.xml", precision="bfloat16")
    joints = network(pictures)

Soft-argmax is done here where the file leaves it out. B samples, J joints, D x h x w voxels.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from posekit.inference.export import package
from posekit.models.integral import from_voxels
from posekit.models.soft_argmax import soft_argmax

PRECISIONS = {
    ".onnx": {"float32": ""},
    ".xml": {"float32": "f32", "bfloat16": "bf16"},
    ".tflite": {"float32": ""},
}
"""What each kind of file can be computed in, and OpenVINO's word for it. A TFLite file of int8
computes in that all the same."""

MB = 1e6
"""Bytes, as file sizes are counted here."""

Run = Callable[[np.ndarray], np.ndarray]
VOLUMES = "volumes"  # what the output is called where soft-argmax is left out


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Deployed(nn.Module):
    """A network in a file, on the CPU. It has no gradient, and its weights can't be reached."""

    def __init__(self, path: Path, run: Run, *, draws: bool):
        super().__init__()
        self.path, self.run, self.draws = path, run, draws
        # Who asks where the weights are, to bring inputs there, finds the CPU.
        self.nowhere = nn.Parameter(torch.empty(0), requires_grad=False)

    def raw(self, inputs: Float[Tensor, "B ..."]) -> Tensor:
        """What the file says: volumes where it leaves soft-argmax out."""
        given = inputs.detach().float().contiguous().numpy()
        try:
            return torch.from_numpy(np.array(self.run(given)))
        except Exception as error:  # each library has its own
            raise ValueError(
                f"{self.path} can't be run on inputs of shape {tuple(inputs.shape)} ({error})"
            ) from error

    def forward(self, inputs: Float[Tensor, "B ..."]) -> Tensor:
        found = self.raw(inputs)
        return from_voxels(soft_argmax(found), found.shape[2:]) if self.draws else found


def load(path: str | Path, *, threads: int = 0, precision: str = "float32") -> Deployed:
    """The network in an .onnx, .xml (OpenVINO) or .tflite file.

    It runs on so many `threads` (0: one for each core), in one of the PRECISIONS of its kind of
    file. Errors: FileNotFoundError without the file, ValueError for another ending or precision
    and for a damaged file, ModuleNotFoundError naming the extra of posekit that is missing.
    """
    path = Path(path)
    if path.suffix not in PRECISIONS:
        raise ValueError(f"{path} ends in none of {', '.join(PRECISIONS)}")
    if precision not in PRECISIONS[path.suffix]:
        there = ", ".join(PRECISIONS[path.suffix])
        raise ValueError(f"{path.suffix} files can't be run in {precision!r}, but in {there}")
    for part in [path, *([path.with_suffix(".bin")] if path.suffix == ".xml" else [])]:
        if not part.is_file():
            raise FileNotFoundError(f"no {part}; posekit.export writes such files")
    name, opened = {
        ".onnx": ("onnxruntime", _onnxruntime),
        ".xml": ("openvino", partial(_openvino, precision=precision)),
        ".tflite": ("ai_edge_litert.interpreter", _litert),
    }[path.suffix]
    library = package(name)
    try:
        run, said = opened(library, path, threads or cores())
    except Exception as error:  # a damaged file can bring up almost any
        raise ValueError(
            f"{path} is damaged, or not of its kind ({error}); write it anew"
        ) from error
    return Deployed(path, run, draws=said == VOLUMES)


def size_mb(path: str | Path) -> float:
    """Of a file, or of both of OpenVINO's, in a million bytes."""
    path = Path(path)
    parts = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    return sum(part.stat().st_size for part in parts) / MB


def _onnxruntime(library, path: Path, threads: int) -> tuple[Run, str]:
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait for more by spinning take the cores from who comes next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    return lambda inputs: session.run(None, {given.name: inputs})[0], made.name


def _openvino(library, path: Path, threads: int, *, precision: str) -> tuple[Run, str]:
    options = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[".xml"][precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = library.Core().compile_model(path, "CPU", options)
    request = compiled.create_infer_request()
    return lambda inputs: request.infer([inputs])[0], compiled.output(0).get_any_name()


def _litert(library, path: Path, threads: int) -> tuple[Run, str]:
    interpreter = library.Interpreter(str(path), num_threads=threads)
    ((_, ends),) = interpreter.get_signature_list().items()
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def one(sample: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(given["index"], sample)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

    def run(inputs: np.ndarray) -> np.ndarray:
        return np.concatenate([one(inputs[at : at + 1]) for at in range(len(inputs))])

    return run, ends["outputs"][0]

"""One way to run a trained network: of a checkpoint, a run's folder, ONNX, OpenVINO or TFLite.

    predictor = runtimes.load("net.xml", precision="bfloat16")
    joints = predictor(pictures)

Nothing in these files is executed. B samples, J joints, D x h x w voxels.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from posekit.inference import trained
from posekit.inference.export import VOLUMES, package
from posekit.inference.predictor import Predictor
from posekit.models import checkpoint
from posekit.models.lifter import JOINTS
from posekit.system import cores, need_file
from posekit.training.experiment import WEIGHTS
from posekit.training.runs import cache_folder

PRECISIONS = {
    ".onnx": {"float32": ""},
    ".xml": {"float32": "f32", "bfloat16": "bf16"},
    ".tflite": {"float32": ""},
}
"""What each kind of file can be computed in, and OpenVINO's word for it. A TFLite file of int8
computes in that all the same."""


FOREIGN = (
    "it was not written by posekit, so what its numbers mean is not known. Published weights become "
    "a checkpoint by `posekit data convert-checkpoint FILE`"
)


def load(
    model: str | Path, *, device: str = "cpu", threads: int = 0, precision: str = "float32"
) -> Predictor:
    """The network of a checkpoint, of an .onnx, .xml (OpenVINO) or .tflite file, or of a run.

    A checkpoint is a .safetensors file (`posekit.models.checkpoint`), or the name of one that comes
    with the package. A finished run is given by its id, its folder or the network.pt in it, a later
    stage of it by its STAGE.network.pt. These run on `device`. Other files run on the CPU, on so
    many `threads` (0: one for each core), in one of the PRECISIONS of their kind.

    Raises FileNotFoundError when there is none; ValueError for another precision, a damaged file,
    and a network that is not known; ModuleNotFoundError naming the extra that is missing.
    """
    path = Path(model).expanduser()
    if path.suffix in PRECISIONS:
        return _of_file(path, threads or cores(), precision)
    if path.suffix == checkpoint.ENDING:
        return trained.of_checkpoint(path, device)
    if path.name.endswith(WEIGHTS) and not path.is_dir():
        stage = path.name.removesuffix(WEIGHTS).removesuffix(".")
        return trained.of_run(path.parent, stage, device)
    if path.is_dir():
        return trained.of_run(path, "", device)
    named = {own.stem: own for own in trained.bundled()}
    if str(model) in named:
        return trained.of_checkpoint(named[str(model)], device)
    if not re.fullmatch("[0-9a-f]{16}", str(model)):
        endings = ", ".join((checkpoint.ENDING, *PRECISIONS))
        raise FileNotFoundError(
            f"the model {model} is neither a run's folder, nor a file that ends in {endings}, nor a "
            "run's id (16 hexadecimal digits), nor a network that comes with the package: `posekit "
            "runs` lists the last two"
        )
    return trained.of_run(cache_folder() / str(model), "", device)


def files_of(path: Path) -> list[Path]:
    """A file, or both of OpenVINO's."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]


class Opened(NamedTuple):
    """A file that a library has opened."""

    shape: tuple  # of its input: the number of samples first, a number only where it is fixed
    kind: np.dtype  # of its numbers
    output: str  # its output's name
    run: Callable[[np.ndarray], np.ndarray]


def _of_file(path: Path, threads: int, precision: str) -> Predictor:
    if precision not in PRECISIONS[path.suffix]:
        there = ", ".join(PRECISIONS[path.suffix])
        raise ValueError(f"{path.suffix} files can't be run in {precision!r}, but in {there}")
    for part in files_of(path):
        need_file(part, source="posekit.inference.export writes such files")
    package_name, opener = {
        ".onnx": ("onnxruntime", _onnxruntime),
        ".xml": ("openvino", partial(_openvino, precision=precision)),
        ".tflite": ("ai_edge_litert.interpreter", _litert),
    }[path.suffix]
    library = package(package_name)
    try:
        opened = opener(library, path, threads)
    except Refused as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # a damaged file can bring up almost any
        raise ValueError(
            f"{path} is damaged, or not of its kind ({error}); write it anew"
        ) from error
    shape, wanted = opened.shape[1:], (np.dtype(np.float16), np.dtype(np.float32))
    if opened.kind not in wanted or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(
            f"{path} takes {opened.kind} of shape {list(opened.shape)}; a network of float16 or "
            "float32 with fixed sizes, all but the number of samples, can be run: export it so"
        )
    run, volumes = partial(_run, path, opened), opened.output == VOLUMES
    kind = _kind(path, opened, tuple(run(torch.zeros(1, *shape)).shape[1:]))
    return Predictor(path.name, files_of(path)[-1], kind, shape, run, volumes)


class Refused(ValueError):
    """A file that is whole and can't be used."""


def _run(path: Path, opened: Opened, inputs: Tensor) -> Tensor:
    """The output of an opened file, in float32, for any number of samples.

    Where the number is fixed, the last batch is filled with zeros whose output is dropped.
    """
    samples, fixed = inputs.detach().contiguous().numpy().astype(opened.kind), opened.shape[0]
    step = fixed if isinstance(fixed, int) and fixed > 0 else len(samples)
    parts = []
    try:
        for start in range(0, len(samples), step):
            part = samples[start : start + step]
            empty = np.zeros((step - len(part), *part.shape[1:]), part.dtype)
            made = opened.run(np.concatenate([part, empty]) if len(empty) else part)
            parts.append(np.asarray(made, dtype=np.float32)[: len(part)].copy())
    except Exception as error:  # each library raises its own
        raise ValueError(f"{path} can't be run on {samples.shape}: {error}") from error
    return torch.from_numpy(np.concatenate(parts))


def _kind(path: Path, opened: Opened, made: tuple[int, ...]) -> str:
    """What kind of network a file has: by the name of its output, which posekit writes, and by its
    shapes. ValueError for one that posekit did not write."""
    taken = opened.shape[1:]
    if opened.output in ("joints", VOLUMES):
        return "integral"
    if opened.output == "output" and len(taken) == 3 and len(made) == 4:
        return "heatmaps"
    if opened.output == "output" and len(taken) < 3:
        return "lifting" if taken == (JOINTS, 2) else "standardised"
    raise ValueError(f"{path} makes {made} of {taken} under the name {opened.output!r}: {FOREIGN}")


def _ends(inputs: list, outputs: list) -> tuple:
    """The only input and the only output of a network."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise Refused(
            f"it has {len(inputs)} inputs and {len(outputs)} outputs; a network with one of each can "
            "be run"
        )
    return inputs[0], outputs[0]


def _onnxruntime(library, path: Path, threads: int) -> Opened:
    options = library.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait for more by spinning take the cores from who comes next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    taken, made = _ends(session.get_inputs(), session.get_outputs())
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    kind = np.dtype(kinds.get(taken.type, np.object_))
    run = lambda inputs: session.run(None, {taken.name: inputs})[0]
    return Opened(tuple(taken.shape), kind, made.name, run)


def _openvino(library, path: Path, threads: int, *, precision: str) -> Opened:
    options = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[".xml"][precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = library.Core().compile_model(path, "CPU", options)
    taken, made = _ends(compiled.inputs, compiled.outputs)
    request = compiled.create_infer_request()
    sizes = tuple(size.get_length() if size.is_static else -1 for size in taken.partial_shape)
    kind = np.dtype(taken.get_element_type().to_dtype())
    return Opened(sizes, kind, made.get_any_name(), lambda inputs: request.infer([inputs])[0])


def _litert(library, path: Path, threads: int) -> Opened:
    interpreter = library.Interpreter(str(path), num_threads=threads)
    signatures = interpreter.get_signature_list()
    interpreter.allocate_tensors()
    taken, made = _ends(interpreter.get_input_details(), interpreter.get_output_details())
    outputs = [name for ends in signatures.values() for name in ends["outputs"]]

    def run(inputs: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], inputs)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

    shape = tuple(map(int, taken["shape"]))
    return Opened(shape, np.dtype(taken["dtype"]), (outputs or [made["name"]])[0], run)

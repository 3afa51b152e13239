"""How large a network's files are, and how long each way of running it takes on this CPU.

Soft-argmax is in none of the times and files, as in Table 10 of Choi et al., "MobileHumanPose":
what is timed is a picture's way to its volumes (or what a network without volumes says).
"""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from posekit.data.albums import Album
from posekit.data.batch import unit_range
from posekit.inference import export, runtimes
from posekit.metrics.protocol import PoseProtocol
from posekit.models.profile import latencies
from posekit.system import keep_freed_memory
from posekit.training import integral
from posekit.training.experiment import predict
from posekit.training.runs import Measured

FILES = {
    "onnx-float32": ".onnx",
    "openvino-float32": ".xml",
    "openvino-float16": ".xml",
    "tflite-float32": ".tflite",
    "tflite-float16": ".tflite",
    "tflite-int8": ".tflite",
}
"""Format and the precision of its weights, and the ending of the file."""

TORCH = (
    "eager-float32",
    "channels_last-float32",
    "channels_last-bfloat16",
    "compiled-float32",
    "compiled-bfloat16",
)
RUNNING = {
    "onnxruntime-float32": ("onnx-float32", "float32"),
    "openvino-float32": ("openvino-float32", "float32"),
    "openvino-bfloat16": ("openvino-float32", "bfloat16"),
    "litert-float32": ("tflite-float32", "float32"),
    "litert-float16": ("tflite-float16", "float32"),
    "litert-int8": ("tflite-int8", "float32"),
}
"""Runtime and precision: the file that is run, and in what. float16 is the file's, not the sums'."""

PRINTED = "tflite-float32", "litert-float32"
"""What is set beside the paper's size and time on the CPU."""


def installed(quick: bool = False) -> dict[str, list[str]]:
    """The files and ways of `deployment` whose packages are installed; `quick`: torch alone."""
    files, ways = [], ["eager-float32"]
    if quick:
        return {"files": files, "ways": ways}
    ways += ["channels_last-bfloat16", "compiled-bfloat16"]
    if find_spec("onnxscript"):
        files, ways = [*files, "onnx-float32"], [*ways, "onnxruntime-float32"]
    if find_spec("openvino"):
        files, ways = [*files, "openvino-float16"], [*ways, "openvino-bfloat16"]
    if find_spec("litert_torch"):
        files += ["tflite-float32", "tflite-float16", "tflite-int8"]
        ways += ["litert-float32", "litert-float16", "litert-int8"]
    return {"files": files, "ways": ways}


def deployment(
    networks: Mapping[str, Callable[[], nn.Module]],
    config: dict,
    seed: int,
    folder: Path,
    data: Sequence,
) -> Measured:
    """The work of a run: sizes and times of `config["networks"]`.

    Rows are size_mb/NETWORK/FORMAT-PRECISION (10^6 bytes) for `config["files"]` of FILES, and
    latency_ms/NETWORK/RUNTIME-PRECISION-THREADS for `config["ways"]` of TORCH and RUNNING, threads
    being 1 and all: medians of `config["rounds"]` passes of one input of shape `config["input"]`,
    all ways taking turns. Beside them what is compared with the paper's Table 10: size_mb/NETWORK,
    of the float32 TFLite file, and latency_ms/NETWORK/cpu, of that file on one thread, which is
    what TFLite takes where nothing is said. Torch has `keep_freed_memory`, without which eager
    torch is slower by half or more. int8's scales come from random inputs: they are right for size
    and time alone. Errors are those of `posekit.export`; ValueError for an unknown file or way.
    """
    unknown = [name for name in config["files"] if name not in FILES]
    unknown += [name for name in config["ways"] if name not in (*TORCH, *RUNNING)]
    if unknown:
        raise ValueError(
            f"no {', '.join(unknown)}; there are the files {', '.join(FILES)} and the ways "
            f"{', '.join((*TORCH, *RUNNING))}"
        )
    torch.manual_seed(seed)
    keep_freed_memory()
    inputs = torch.rand(config["input"])
    rows = []
    for name in config["networks"]:
        network = networks[name]().eval()
        with tempfile.TemporaryDirectory() as place:
            needed = {RUNNING[way][0] for way in config["ways"] if way in RUNNING}
            files = {
                file: write(network, file, Path(place), inputs)
                for file in FILES
                if file in needed or file in config["files"]
            }
            sizes = {file: runtimes.size_mb(files[file]) for file in config["files"]}
            times = clock(network, inputs, config["ways"], files, rounds=config["rounds"])
        rows += [(f"size_mb/{name}/{file}", "", "", size) for file, size in sizes.items()]
        rows += [(f"latency_ms/{name}/{way}", "", "", ms) for way, ms in times.items()]
        if PRINTED[0] in sizes:
            rows.append((f"size_mb/{name}", "", "", sizes[PRINTED[0]]))
        if PRINTED[1] in config["ways"]:
            rows.append((f"latency_ms/{name}/cpu", "", "", times[f"{PRINTED[1]}-1"]))
    return Measured(rows)


def write(
    network: nn.Module,
    file: str,
    folder: Path,
    inputs: Tensor,
    calibration: Tensor | None = None,
) -> Path:
    """Write one of FILES to a folder, without soft-argmax; where it lies.

    Without a `calibration`, int8's scales come from noise: right for size and time alone.
    """
    kind, precision = file.split("-")
    path = folder / f"{file}{FILES[file]}"
    if kind == "onnx":
        export.onnx(network, path, inputs, inside=False)
    elif kind == "openvino":
        export.openvino(network, path, inputs, inside=False, precision=precision)
    else:
        seen = None
        if precision == "int8":
            seen = torch.rand(4, *inputs.shape[1:]) if calibration is None else calibration
        export.tflite(network, path, inputs, inside=False, precision=precision, calibration=seen)
    return path


def clock(
    network: nn.Module,
    inputs: Tensor,
    ways: Sequence[str],
    files: Mapping[str, Path],
    *,
    rounds: int,
) -> dict[str, float]:
    """Median milliseconds by "WAY-1" and "WAY-all", for one thread and one for each core."""
    before = torch.get_num_threads()
    times = {}
    try:
        for label, threads in (("1", 1), ("all", runtimes.cores())):
            torch.set_num_threads(threads)
            taken = {}
            for way in ways:
                if way in RUNNING:
                    file, precision = RUNNING[way]
                    loaded = runtimes.load(files[file], threads=threads, precision=precision)
                    taken[f"{way}-{label}"] = _Calling(loaded.raw)
                else:
                    taken[f"{way}-{label}"] = _in_torch(network, way, inputs)
            times |= latencies(taken, inputs, rounds=rounds)
    finally:
        torch.set_num_threads(before)
    return times


class _Calling(nn.Module):
    """A function where a network is expected."""

    def __init__(self, run: Callable[[Tensor], object]):
        super().__init__()
        self.run = run

    def forward(self, inputs: Tensor):
        return self.run(inputs)


def _in_torch(network: nn.Module, way: str, inputs: Tensor) -> _Calling:
    """A network's pass in torch, done in one of the ways of TORCH."""
    how, precision = way.split("-")
    layout = torch.contiguous_format if how == "eager" else torch.channels_last
    copied = copy.deepcopy(network).eval()
    run = copied.volumes if hasattr(copied, "volumes") else copied
    if how == "compiled":
        program = export.traced(export.Written(network, inside=False), inputs)
        copied = program.module()
        # Dead branches of Python are gone from it; its number of threads is that of now.
        run = torch.compile(copied, dynamic=False, options={"freezing": True})
    copied.to(memory_format=layout)
    dims = inputs.dim() == 4

    def call(given: Tensor):
        given = given.contiguous(memory_format=layout) if dims else given
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32"):
            return run(given)

    return _Calling(call)


# FOLDED posekit.precision: What fewer bits cost a trained network: the error of its files beside its own, by a card.


CALIBRATION = 100  # pictures that int8's scales are found on


def errors(
    network: nn.Module,
    ways: Sequence[str],
    learn: Album,
    test: Album,
    card: PoseProtocol,
) -> dict[str, float]:
    """mm on `test` of the network itself ("torch-float32") and of its files, each run in a way of
    `speed.RUNNING`. int8's scales are found on pictures of `learn`, spread over all of it.

    Errors as `posekit.export`; KeyError for another way.
    """
    pictures = test.batch.images
    chosen = learn.batch.images[:: max(1, len(learn) // CALIBRATION)]
    found = {"torch-float32": predict(network, pictures)}
    with tempfile.TemporaryDirectory() as folder:
        for way in ways:
            file, precision = RUNNING[way]
            path = write(network, file, Path(folder), unit_range(pictures[:1]), unit_range(chosen))
            loaded = runtimes.load(path, threads=1, precision=precision)
            found[way] = torch.cat([loaded(unit_range(part)) for part in pictures.split(100)])
    return {
        way: next(mm for *_, mm in integral.quantities("", cube, test, [card], 0.0))
        for way, cube in found.items()
    }

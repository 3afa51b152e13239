"""Networks as files: their size, their time on this CPU by each way of running them, their output.

Soft-argmax is in none of the times and files, as in Table 10 of Choi et al., "MobileHumanPose":
what is timed is a picture's way to its volumes (or the output of a network without volumes).
"""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from posekit.data.albums import Album
from posekit.data.batch import unit_range
from posekit.inference import export, runtimes
from posekit.metrics.protocol import PoseProtocol
from posekit.models.profile import median_seconds
from posekit.system import cores, keep_freed_memory
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

TORCH = ("eager-float32", "channels_last-bfloat16", "compiled-bfloat16")
RUNTIMES = {
    "onnxruntime-float32": ("onnx-float32", "float32"),
    "openvino-float32": ("openvino-float32", "float32"),
    "openvino-bfloat16": ("openvino-float32", "bfloat16"),
    "litert-float32": ("tflite-float32", "float32"),
    "litert-float16": ("tflite-float16", "float32"),
    "litert-int8": ("tflite-int8", "float32"),
}
"""Runtime and precision: the file that is run, and in what. float16 is the file's, not the sums'."""

PRINTED = "tflite-float32", "litert-float32"
"""The file and the way of running it that stand beside the paper's size and time on the CPU."""

CALIBRATION = 100  # pictures that int8's scales are found on


def installed(
    wanted: Sequence[str] | None = None, *, compiled: bool = True
) -> dict[str, list[str]]:
    """The files and ways of `deployment` whose packages are installed, of all or of those wanted.

    Without `compiled` no compiled torch, which takes minutes.
    """
    files, ways = [], [way for way in TORCH if compiled or not way.startswith("compiled")]
    if find_spec("onnxscript"):
        files, ways = [*files, "onnx-float32"], [*ways, "onnxruntime-float32"]
    if find_spec("openvino"):
        files, ways = [*files, "openvino-float16"], [*ways, "openvino-bfloat16"]
    if find_spec("litert_torch"):
        files += ["tflite-float32", "tflite-float16", "tflite-int8"]
        ways += ["litert-float32", "litert-float16", "litert-int8"]
    found = {"files": files, "ways": ways}
    return {k: [n for n in v if wanted is None or n in wanted] for k, v in found.items()}


def deployment(
    networks: Mapping[str, Callable[[], nn.Module]],
    config: dict,
    seed: int,
    folder: Path,
    data: Sequence,
) -> Measured:
    """The work of a run: sizes and times of `config["networks"]`.

    Rows are size_mb/NETWORK/FORMAT-PRECISION (10^6 bytes) for `config["files"]` of FILES, and
    latency_ms/NETWORK/RUNTIME-PRECISION-THREADS for `config["ways"]` of TORCH and RUNTIMES, threads
    being 1 and all: medians of `config["rounds"]` passes of one input of shape `config["input"]`,
    all ways taking turns. Beside them what is compared with the paper's Table 10: size_mb/NETWORK,
    of the float32 TFLite file, and latency_ms/NETWORK/cpu, of that file on one thread, which is
    what TFLite takes where nothing is said. Torch has `keep_freed_memory`, without which eager
    torch is slower by half or more. int8's scales come from random inputs: they are right for size
    and time alone. Errors are those of `export.save`; ValueError for an unknown file or way.
    """
    unknown = [name for name in config["files"] if name not in FILES]
    unknown += [name for name in config["ways"] if name not in (*TORCH, *RUNTIMES)]
    if unknown:
        raise ValueError(
            f"no {', '.join(unknown)}; there are the files {', '.join(FILES)} and the ways "
            f"{', '.join((*TORCH, *RUNTIMES))}"
        )
    torch.manual_seed(seed)
    keep_freed_memory()
    inputs = torch.rand(config["input"])
    needed = {RUNTIMES[way][0] for way in config["ways"] if way in RUNTIMES} | {*config["files"]}
    rows = []
    for name in config["networks"]:
        network = networks[name]().eval()
        with tempfile.TemporaryDirectory() as place:
            files = {
                file: write(network, file, Path(place), inputs) for file in FILES if file in needed
            }
            sizes = {file: size_mb(files[file]) for file in config["files"]}
            times = clock(network, inputs, config["ways"], files, rounds=config["rounds"])
        rows += [(f"size_mb/{name}/{file}", "", "", size) for file, size in sizes.items()]
        rows += [(f"latency_ms/{name}/{way}", "", "", ms) for way, ms in times.items()]
        if PRINTED[0] in sizes:
            rows.append((f"size_mb/{name}", "", "", sizes[PRINTED[0]]))
        if PRINTED[1] in config["ways"]:
            rows.append((f"latency_ms/{name}/cpu", "", "", times[f"{PRINTED[1]}-1"]))
    return Measured(rows)


def errors(
    network: nn.Module, ways: Sequence[str], train: Album, test: Album, protocol: PoseProtocol
) -> dict[str, float]:
    """The errors (mm) on `test` of a network and of its files, by a protocol.

    Keys are "torch-float32" and `ways` of RUNTIMES. int8's scales are found on CALIBRATION pictures
    of `train`, spread over all of it. Errors as `export.save`; KeyError for another way.
    """
    pictures = test.batch.images
    calibration = train.batch.images[:: max(1, len(train) // CALIBRATION)]
    joints = {"torch-float32": predict(network, pictures)}
    joints |= predictions(network, ways, pictures, calibration)
    rows = {way: integral.quantities("", j, test, [protocol], 0.0) for way, j in joints.items()}
    return {way: of_all[-1] for way, (of_all, *_) in rows.items()}


def predictions(
    network: nn.Module,
    ways: Sequence[str],
    pictures: UInt8[Tensor, "N 3 H W"],
    calibration: UInt8[Tensor, "M 3 H W"],
) -> dict[str, Float[Tensor, "N J 3"]]:
    """The joints in the cube that a network's files give, by each of `ways` of RUNTIMES."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        files = dict.fromkeys(RUNTIMES[way][0] for way in ways)
        inputs = unit_range(pictures[:1]), unit_range(calibration)
        files = {file: write(network, file, Path(folder), *inputs) for file in files}
        for way in ways:
            file, precision = RUNTIMES[way]
            predictor = runtimes.load(files[file], threads=1, precision=precision)
            found[way] = predictor.predict(pictures)
    return found


def write(
    network: nn.Module,
    file: str,
    folder: Path,
    inputs: Tensor,
    calibration: Tensor | None = None,
) -> Path:
    """Write one of FILES to a folder, without soft-argmax, and return its path.

    Without a `calibration`, int8's scales come from noise: right for size and time alone.
    """
    precision, path = file.split("-")[1], folder / f"{file}{FILES[file]}"
    if precision == "int8" and calibration is None:
        calibration = torch.rand(4, *inputs.shape[1:])
    scales = {"calibration": calibration} if precision == "int8" else {}
    export.save(network, path, inputs, soft_argmax=False, precision=precision, **scales)
    return path


def size_mb(path: Path) -> float:
    """Of a file, or of both of OpenVINO's, in a million bytes."""
    return sum(part.stat().st_size for part in runtimes.files_of(path)) / 1e6


def clock(
    network: nn.Module,
    inputs: Tensor,
    ways: Sequence[str],
    files: Mapping[str, Path],
    *,
    rounds: int,
) -> dict[str, float]:
    """Median milliseconds by "WAY-1" and "WAY-all", for one thread and one for each core."""
    before, times = torch.get_num_threads(), {}
    try:
        for label, threads in (("1", 1), ("all", cores())):
            torch.set_num_threads(threads)
            calls = {}
            for way in ways:
                if way in TORCH:
                    run = _in_torch(network, way, inputs)
                else:
                    file, precision = RUNTIMES[way]
                    run = runtimes.load(files[file], threads=threads, precision=precision).raw
                calls[f"{way}-{label}"] = partial(run, inputs)
            with torch.inference_mode():
                times |= median_seconds(calls, rounds)
    finally:
        torch.set_num_threads(before)
    return {way: 1e3 * seconds for way, seconds in times.items()}


def _in_torch(network: nn.Module, way: str, inputs: Tensor) -> Callable[[Tensor], object]:
    """A network's pass in torch, done in one of the ways of TORCH."""
    how, precision = way.split("-")
    layout = torch.contiguous_format if how == "eager" else torch.channels_last
    copied = copy.deepcopy(network).eval()
    run = copied.volumes if hasattr(copied, "volumes") else copied
    if how == "compiled":
        copied = export.traced(export.Exported(network, soft_argmax=False), inputs).module()
        # Dead branches of Python are gone from it; its number of threads is that of now.
        run = torch.compile(copied, dynamic=False, options={"freezing": True})
    copied.to(memory_format=layout)

    def call(pictures: Tensor):
        pictures = pictures.contiguous(memory_format=layout) if pictures.dim() == 4 else pictures
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32"):
            return run(pictures)

    return call

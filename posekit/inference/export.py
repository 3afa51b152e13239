"""Networks saved to files that run without torch: ONNX, OpenVINO, TFLite.

    export.save(network, "net.onnx", torch.empty(1, 3, 256, 256))

`posekit.inference.runtimes` loads them.

B samples, J joints, D x h x w voxels.
"""

import contextlib
import copy
import importlib
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from posekit.models.profile import remove_parametrizations
from posekit.system import write_whole

FORMATS = {
    ".onnx": ("float32",),
    ".xml": ("float32", "float16"),
    ".tflite": ("float32", "float16", "int8"),
}
"""Endings of files, and what their weights can be saved as. float16 saves space alone: the
computation stays in float32. .xml is OpenVINO's, with the weights in a .bin beside it."""

VOLUMES = "volumes"
"""The name of the output where soft-argmax is left to whoever runs the file."""

EXTRAS = {
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "openvino": "export",
    "litert_torch": "tflite",
    "ai_edge_quantizer": "tflite",
    "ai_edge_litert": "tflite",
}


def save(
    network: nn.Module,
    path: str | Path,
    example: Float[Tensor, "B ..."],
    *,
    soft_argmax: bool = True,
    precision: str = "float32",
    calibration: Float[Tensor, "N ..."] | None = None,
) -> None:
    """Save a network, in the format that the ending of `path` names, for inputs like `example`.

    A network of volumes is saved with the joints in the cube as its output, or without its
    `soft_argmax`, with the volumes: as in Table 10 of Choi et al., "MobileHumanPose". ONNX and
    OpenVINO files take any number of inputs at a time, TFLite files one. `precision` is that of the
    weights. int8 computes in 8 bits, too, all but soft-argmax, in scales found on the
    `calibration`: inputs like those to come, a hundred or so.

    Raises ValueError for an ending or precision not in FORMATS, for int8 without a finite
    calibration, and for volumes of a network with an offset (`VolumeNet`); ModuleNotFoundError
    naming the extra of posekit that is missing; OSError where the file can't be written.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"{path} has to end in one of {', '.join(FORMATS)}")
    if precision not in FORMATS[path.suffix]:
        there = ", ".join(FORMATS[path.suffix])
        raise ValueError(f"{path.suffix} files have no precision {precision!r}; there are {there}")
    if (precision == "int8") != (calibration is not None):
        raise ValueError("int8 needs a calibration, inputs to find its scales on, and only int8")
    if calibration is not None:
        _check_calibration(calibration, example)
    write = {".onnx": _onnx, ".xml": _openvino, ".tflite": _tflite}[path.suffix]
    whole = Exported(network, soft_argmax=soft_argmax, expand_prelu=path.suffix == ".onnx")
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "net").with_suffix(path.suffix)
        write(whole, made, example, precision, calibration)
        for file in sorted(made.parent.glob("net.*")):
            write_whole(path.with_suffix(file.suffix), partial(shutil.copyfile, file))


def package(name: str) -> ModuleType:
    """A package, or a module of one, that only exported networks need.

    ModuleNotFoundError names the extra of posekit that brings it.
    """
    whole = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != whole:
            raise
        raise ModuleNotFoundError(
            f'{whole} is not installed: pip install "posekit[{EXTRAS[whole]}]"', name=whole
        ) from None


class SoftArgmax(nn.Module):
    """Soft-argmax by its definition, in the cube: of operations that every format has.

    It sums places of the cube, about 0, and not numbers of voxels up to 64: float32 keeps more
    digits of them, and bfloat16 enough. `offset` is the network's (`VolumeNet`).
    """

    def __init__(self, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)):
        super().__init__()
        self.offset = offset

    def forward(self, logits: Float[Tensor, "B J D h w"]) -> Float[Tensor, "B J 3"]:
        sizes = logits.shape[2:]
        weights = logits.flatten(2).softmax(2).unflatten(2, sizes)
        means = []
        rows = zip(reversed(sizes), ((2, 3), (2, 4), (3, 4)), self.offset, strict=True)
        for count, others, offset in rows:
            middles = (torch.arange(count, device=logits.device) + 0.5) / count - 0.5 + offset
            means.append((weights.sum(others) * middles).sum(-1))
        return torch.stack(means, -1)


class ExpandedPReLU(nn.Module):
    """PReLU as a x + (1 - a) max(0, x), which is the same for every slope a.

    ONNX Runtime takes longer for its own.
    """

    def __init__(self, prelu: nn.PReLU):
        super().__init__()
        self.register_buffer("slopes", prelu.weight.detach().clone())

    def forward(self, x: Float[Tensor, "B C *cells"]) -> Float[Tensor, "B C *cells"]:
        slopes = self.slopes.view(-1, *[1] * (x.dim() - 2))
        return slopes * x + (1 - slopes) * x.relu()


class Exported(nn.Module):
    """A copy of a network, on the CPU, as it is saved; it returns {name of the output: output}."""

    def __init__(self, network: nn.Module, *, soft_argmax: bool = True, expand_prelu: bool = False):
        super().__init__()
        # Weights in the usual layout: channels_last would be saved as transpositions.
        self.network = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format)
        remove_parametrizations(self.network)
        self.output = "output"
        if hasattr(network, "volumes"):
            self.output = "joints" if soft_argmax else VOLUMES
        offset = getattr(network, "offset", SoftArgmax().offset)
        if any(offset) and not soft_argmax:
            raise ValueError(
                "volumes of published weights are read in another way: say soft_argmax"
            )
        self.soft_argmax = SoftArgmax(offset)
        for module in list(self.modules()) if expand_prelu else []:
            for name, child in module.named_children():
                if isinstance(child, nn.PReLU):
                    setattr(module, name, ExpandedPReLU(child))
        self.eval()

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        if self.output == "output":
            return {self.output: self.network(inputs)}
        volumes = self.network.volumes(inputs)
        return {self.output: volumes if self.output == VOLUMES else self.soft_argmax(volumes)}


def traced(exported: Exported, example: Float[Tensor, "B ..."]) -> ExportedProgram:
    """The operations of a network, for any number of inputs like those of `example`."""
    pair = example[:1].cpu().expand(2, *example.shape[1:]).contiguous()  # one would be taken as all
    with torch.no_grad():
        return torch.export.export(exported, (pair,), dynamic_shapes=({0: Dim("batch")},))


def _onnx(exported: Exported, path: Path, example: Tensor, *_) -> None:
    for name in ("onnx", "onnxscript"):
        package(name)
    program = traced(exported, example)
    written = torch.onnx.export(program, dynamo=True, verbose=False, output_names=[exported.output])
    written.save(path, external_data=False)


def _openvino(exported: Exported, path: Path, example: Tensor, precision: str, _) -> None:
    library = package("openvino")
    model = library.convert_model(traced(exported, example))
    model.outputs[0].get_tensor().set_names({exported.output})
    # Sizes that the conversion has forgotten, all but the batch's.
    model.reshape([-1, *example.shape[1:]])
    library.save_model(model, path, compress_to_fp16=precision == "float16")


def _tflite(
    exported: Exported, path: Path, example: Tensor, precision: str, calibration: Tensor | None
) -> None:
    converted = package("litert_torch").convert(exported, (example[:1].contiguous(),))
    converted.export(str(path))
    if precision == "float32":
        return
    package("ai_edge_quantizer")
    from ai_edge_quantizer import qtyping, quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    every, scales = qtyping.TFLOperationName, None
    if precision == "float16":
        halves = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        kept = qtyping.OpQuantizationConfig(
            weight_tensor_config=halves,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        tool = quantizer.Quantizer(str(path))
        casting = AlgorithmName.FLOAT_CASTING
        tool.update_quantization_recipe(".*", every.ALL_SUPPORTED, kept, algorithm_key=casting)
    else:
        tool = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
        kept = [(".*", every.INPUT), (".*", every.OUTPUT), (".*_output", every.ALL_SUPPORTED)]
        # An 8th bit of soft-argmax is 8 mm of the cube.
        kept += [(f".*{SoftArgmax.__name__}.*", every.ALL_SUPPORTED)]
        for names, operations in kept:
            untouched = AlgorithmName.NO_QUANTIZE
            tool.update_quantization_recipe(names, operations, algorithm_key=untouched)
        runner = package("ai_edge_litert.interpreter").Interpreter(str(path))
        ((signature, ends),) = runner.get_signature_list().items()
        (name,) = ends["inputs"]
        samples = [{name: sample[None].contiguous().numpy()} for sample in calibration.float()]
        scales = tool.calibrate({signature: samples}, num_threads=torch.get_num_threads())
    smaller = path.with_name("smaller.tflite")
    tool.quantize(scales).export_model(str(smaller))
    smaller.replace(path)


def _check_calibration(calibration: Tensor, example: Tensor) -> None:
    if not len(calibration) or calibration.shape[1:] != example.shape[1:]:
        raise ValueError(
            f"a calibration of shape {tuple(calibration.shape)}; inputs are of shape "
            f"{tuple(example.shape[1:])}, and one or more are needed"
        )
    if not calibration.isfinite().all():
        raise ValueError("the calibration holds numbers that are not finite")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Converters tell of their steps, and warn of each other, in great detail."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)

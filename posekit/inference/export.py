"""Networks written to files that run without torch: ONNX, OpenVINO, TFLite.

    export.onnx(network, "net.onnx", torch.empty(1, 3, 256, 256))

What a file says is what the network says: joints in the cube where it draws volumes; or, with
`inside=False`, the volumes themselves, and soft-argmax is left to whoever reads the file, as in
Table 10 of Choi et al., "MobileHumanPose". `posekit.inference.runtimes` runs the files, and does that.

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

OPENVINO = ("float32", "float16")
TFLITE = ("float32", "float16", "int8")
"""What weights can be written as. float16 is for size: what is computed stays float32."""

EXTRAS = {
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "openvino": "export",
    "litert_torch": "tflite",
    "ai_edge_quantizer": "tflite",
    "ai_edge_litert": "tflite",
}


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


class MeanPlace(nn.Module):
    """Soft-argmax by its definition, in the cube: by operations that every format has.

    The places that are summed are the cube's, about 0, and not voxels' numbers up to 64: float32
    keeps more digits of them, and bfloat16 enough.
    """

    def forward(self, logits: Float[Tensor, "B J D h w"]) -> Float[Tensor, "B J 3"]:
        sizes = logits.shape[2:]
        weights = logits.flatten(2).softmax(2).unflatten(2, sizes)
        means = []
        for count, others in zip(reversed(sizes), ((2, 3), (2, 4), (3, 4)), strict=True):
            middles = (torch.arange(count, device=logits.device) + 0.5) / count - 0.5
            means.append((weights.sum(others) * middles).sum(-1))
        return torch.stack(means, -1)


class SlopedReLU(nn.Module):
    """PReLU as a x + (1 - a) max(0, x), which is the same for every slope a."""

    def __init__(self, prelu: nn.PReLU):
        super().__init__()
        self.register_buffer("slopes", prelu.weight.detach().clone())

    def forward(self, x: Float[Tensor, "B C *cells"]) -> Float[Tensor, "B C *cells"]:
        slopes = self.slopes.view(-1, *[1] * (x.dim() - 2))
        return slopes * x + (1 - slopes) * x.relu()


class Written(nn.Module):
    """A copy of a network, on the CPU, as it is written to files. The network stays as it is.

    `inside` is for networks that have `volumes`: what comes out are joints, or those. `sloped` has
    every PReLU as a `SlopedReLU`.
    """

    def __init__(self, network: nn.Module, *, inside: bool = True, sloped: bool = False):
        super().__init__()
        # Weights in the usual layout: channels_last would be written as transpositions.
        self.network = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format)
        remove_parametrizations(self.network)
        self.draws = hasattr(network, "volumes")
        self.says = ("joints" if inside else "volumes") if self.draws else "output"
        self.place = MeanPlace() if inside else nn.Identity()
        if sloped:
            for module in list(self.modules()):
                for name, child in module.named_children():
                    if isinstance(child, nn.PReLU):
                        setattr(module, name, SlopedReLU(child))
        self.eval()

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """What the network says, by the name that it has in files."""
        if not self.draws:
            return {self.says: self.network(inputs)}
        return {self.says: self.place(self.network.volumes(inputs))}


def onnx(
    network: nn.Module,
    path: str | Path,
    example: Float[Tensor, "B ..."],
    *,
    inside: bool = True,
    sloped: bool = True,
) -> None:
    """Write an ONNX file, float32, for inputs like `example` and any number of them at a time.

    PReLUs are written as `sloped` says: ONNX Runtime takes longer for its own. Errors:
    ModuleNotFoundError without the extra `export`, OSError where the file can't be written.
    """
    for name in ("onnx", "onnxscript"):
        package(name)
    with _quiet():
        whole = Written(network, inside=inside, sloped=sloped)
        written = torch.onnx.export(
            traced(whole, example), dynamo=True, verbose=False, output_names=[whole.says]
        )
        write_whole(Path(path), lambda part: written.save(part, external_data=False))


def openvino(
    network: nn.Module,
    path: str | Path,
    example: Float[Tensor, "B ..."],
    *,
    inside: bool = True,
    precision: str = "float32",
) -> None:
    """Write OpenVINO's pair of files, `path` and the weights as .bin beside it.

    `path` ends in .xml. `precision` is that of the weights, one of OPENVINO; in which one it runs
    is up to who runs it. Errors as `onnx`, and ValueError for another precision or ending.
    """
    path = Path(path)
    _check(precision, OPENVINO, path, ".xml")
    library = package("openvino")
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        whole = Written(network, inside=inside)
        model = library.convert_model(traced(whole, example))
        model.outputs[0].get_tensor().set_names({whole.says})
        # Sizes that the conversion has forgotten, all but the batch's.
        model.reshape([-1, *example.shape[1:]])
        made = Path(folder, "net.xml")
        library.save_model(model, made, compress_to_fp16=precision == "float16")
        for ending in (".bin", ".xml"):
            source = made.with_suffix(ending)
            write_whole(path.with_suffix(ending), partial(shutil.copyfile, source))


def tflite(
    network: nn.Module,
    path: str | Path,
    example: Float[Tensor, "B ..."],
    *,
    inside: bool = True,
    precision: str = "float32",
    calibration: Float[Tensor, "N ..."] | None = None,
) -> None:
    """Write a TFLite file for one input like those of `example` at a time.

    `precision` is one of TFLITE. int8 has weights and what is computed in 8 bits, all but
    soft-argmax, in scales that are found on `calibration`: inputs like those to come, a hundred or
    so. Inputs and outputs are float32 in each. Errors: ModuleNotFoundError without the extra
    `tflite`, ValueError for another precision and for int8 without a calibration (or with one that
    isn't finite), OSError where the file can't be written.
    """
    path = Path(path)
    _check(precision, TFLITE, path, ".tflite")
    if (precision == "int8") != (calibration is not None):
        raise ValueError(
            f"{precision} with{'out' if calibration is None else ''} a calibration; int8 needs "
            "inputs to find its scales on, and no other precision does"
        )
    if calibration is not None:
        _check_calibration(calibration, example)
    converter = package("litert_torch")
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        whole = Written(network, inside=inside)
        made = Path(folder, "net.tflite")
        converter.convert(whole, (example[:1].contiguous(),)).export(str(made))
        if precision != "float32":
            made = _smaller(made, precision, calibration)
        write_whole(path, partial(shutil.copyfile, made))


def _smaller(file: Path, precision: str, calibration: Tensor | None) -> Path:
    """A float32 TFLite file's weights, or all of it, in fewer bits, written beside it."""
    package("ai_edge_quantizer")
    from ai_edge_quantizer import qtyping, quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    every = qtyping.TFLOperationName
    made = file.with_name(f"{precision}.tflite")
    if precision == "float16":
        halves = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        kept = qtyping.OpQuantizationConfig(
            weight_tensor_config=halves,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        tool = quantizer.Quantizer(str(file))
        tool.update_quantization_recipe(
            ".*", every.ALL_SUPPORTED, kept, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
        tool.quantize().export_model(str(made))
        return made
    tool = quantizer.Quantizer(str(file), recipe.static_wi8_ai8())
    untouched = AlgorithmName.NO_QUANTIZE
    for name in (every.INPUT, every.OUTPUT):
        tool.update_quantization_recipe(".*", name, algorithm_key=untouched)
    for names in (f".*{MeanPlace.__name__}.*", ".*_output"):  # an 8th bit is 8 mm of the cube
        tool.update_quantization_recipe(names, every.ALL_SUPPORTED, algorithm_key=untouched)
    runner = package("ai_edge_litert.interpreter").Interpreter(str(file))
    ((signature, ends),) = runner.get_signature_list().items()
    (given,) = ends["inputs"]
    samples = [{given: sample[None].contiguous().numpy()} for sample in calibration.float()]
    scales = tool.calibrate({signature: samples}, num_threads=torch.get_num_threads())
    tool.quantize(scales).export_model(str(made))
    return made


def traced(written: Written, example: Float[Tensor, "B ..."]) -> ExportedProgram:
    """The operations of a network, for any number of inputs like those of `example`."""
    pair = example[:1].cpu().expand(2, *example.shape[1:]).contiguous()  # one would be taken as all
    with torch.no_grad():
        return torch.export.export(written, (pair,), dynamic_shapes=({0: Dim("batch")},))


def _check(precision: str, precisions: tuple[str, ...], path: Path, ending: str) -> None:
    if precision not in precisions:
        raise ValueError(f"no precision {precision!r}; there are {', '.join(precisions)}")
    if path.suffix != ending:
        raise ValueError(f"{path} has to end in {ending}")


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

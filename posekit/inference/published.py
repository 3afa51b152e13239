"""Published checkpoints as posekit's: `posekit data convert-checkpoint`.

A file's weights are recognised by their names, renamed by the rules of their layout, and written
as a checkpoint (`posekit.models.checkpoint`) with the input scale and the half voxel of the labels
that they were trained with. Nothing in the file is executed.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from posekit.data.formats import torch_pickles
from posekit.inference import published_onnx
from posekit.inference.published_layouts import LAYOUTS, SKELETONS, State
from posekit.models import checkpoint
from posekit.models.checkpoint import About
from posekit.system import file_digest, need_file

LARGEST = 4 * 1024**3  # bytes of a file, and of what it unpacks to
MAGIC = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04")  # a zip file, or a pickle as older torch has
ENTRIES = ("network", "model", "model_state", "model_state_dict", "state_dict")
EVO = {"libs.model.model": ("FCModel", "ResidualBlock")}


def convert(path: Path | str, layout: str = "", out: Path | str | None = None) -> str:
    """Write a published checkpoint as posekit's, beside it if `out` is not given; a line on it.

    An .onnx file becomes another one (`published_onnx`), all others a .safetensors file.

    `layout` is one of LAYOUTS, or one of its variants ("eth-aspp"), where the file's names leave it
    open. Raises FileNotFoundError; FileExistsError when something is at `out`; ValueError naming the
    file when it is damaged, too large, of no known layout, or asks for more than data (`Refused`:
    nothing was run).
    """
    path = Path(path).expanduser()
    is_onnx, stem = path.suffix == ".onnx", path.stem.removesuffix(".pth")  # of .pth.tar
    own = f"{stem}-posekit.onnx" if is_onnx else f"{stem}{checkpoint.ENDING}"
    out = path.with_name(own) if out is None else Path(out)
    need_file(path)
    if out.exists():
        raise FileExistsError(f"{out} is there already; move it away or choose another --out")
    digest = file_digest(path)
    state = {} if is_onnx else read_state(path)
    try:
        if is_onnx:
            return published_onnx.convert(path, layout, out, digest)
        variant, state, fields = recognise(state, layout, path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    title = LAYOUTS[variant.partition("-")[0]].title
    about = About(name=stem, origin=f"{title}, {path.name}", source=digest, **fields)
    network = checkpoint.build(about)
    network.load_state_dict(state)
    checkpoint.save(out, network, about)
    return f"wrote {out}: {about.kind} network, {variant}, {about.skeleton}, {about.side} px"


def read_state(path: Path) -> State:
    """The tensors by name that a file of `torch.save` holds, wherever in it the projects put them."""
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = max(size, sum(entry.file_size for entry in archive.infolist()))
    if size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes")
    with path.open("rb") as file:
        begins = file.read(2)
    if begins not in MAGIC:
        raise ValueError(
            f"{path} is no file of torch.save: it begins with {begins!r}; {_supported()}"
        )
    try:
        made = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:  # more than weights
        made = torch_pickles.read(path, EVO)
    except Exception as error:  # torch has no common one for files that are not whole
        raise ValueError(f"{path} is damaged, or no file of torch.save: {error}") from error
    if isinstance(made, torch_pickles.Module):
        made = torch_pickles.state_dict(_plain(made, path))
    for entry in ENTRIES:
        if isinstance(made, Mapping) and isinstance(made.get(entry), Mapping):
            made = made[entry]
    if not isinstance(made, Mapping) or not all(isinstance(v, Tensor) for v in made.values()):
        there = ", ".join(map(str, list(made)[:8])) if isinstance(made, Mapping) else type(made)
        raise ValueError(f"{path} has no weights by name, but {there}; {_supported()}")
    return {str(name).removeprefix("module."): value for name, value in made.items()}


def _plain(module: torch_pickles.Module, path: Path) -> torch_pickles.Module:
    """The module; ValueError where its parts say that they work in another way than posekit's."""
    for part in (module.state or {}).get("_modules", {}).values():
        for option in ("leaky", "refine_3d"):
            if part.state.get(option):
                raise ValueError(f"{path} was trained with {option}, which posekit has not")
    return module


def recognise(state: State, layout: str, path: Path) -> tuple[str, State, dict]:
    """The variant of a layout, the weights by posekit's names, and the fields of their `About`."""
    family = layout.partition("-")[0]
    if layout and family not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}; {_supported()}")
    names = [n for n, each in LAYOUTS.items() if any(re.match(each.mark, key) for key in state)]
    if layout and family not in names:
        raise ValueError(f"it is not of the layout {family}: {_looks(state)}")
    if not names:
        raise ValueError(f"no known layout: {_looks(state)}; {_supported()}")
    family = family or names[0]
    known = LAYOUTS[family]
    renamed = {
        new: value for name, value in state.items() if (new := renamed_key(name, known.rules))
    }
    fitting, misfit = {}, "its weights are of no size that is known"
    try:
        for variant, own in known.variants(renamed):
            name, fields = f"{family}-{variant}", _complete({**known.fields, **own})
            if layout in (family, name, ""):
                made = known.finish(renamed, path)
                try:
                    fitting[name] = fields, _fit(made, fields)
                except ValueError as error:
                    misfit = str(error)
    except KeyError as error:
        misfit = f"there is no {error}"
    if len(fitting) > 1:
        raise ValueError(f"it may be {' or '.join(fitting)}: say which with --layout")
    if not fitting:
        raise ValueError(f"it is like {family}'s, but {misfit}")
    ((variant, (fields, made)),) = fitting.items()
    return variant, made, fields


def renamed_key(name: str, rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _complete(fields: Mapping) -> dict:
    """The fields with the skeleton and the side that the network's shape says."""
    shape = fields["shape"]
    own = {"side": side} if (side := shape.get("side", shape.get("size"))) else {}
    if fields["kind"] == "integral":
        own["skeleton"] = SKELETONS[shape["joints"]]
    return {**fields, **own}


def _fit(state: State, fields: Mapping) -> State:
    """The weights, with the counters that older versions of torch did not save; ValueError where
    they are not the network's."""
    with torch.device("meta"):
        network = checkpoint.build(About(name="", origin="", **fields))
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in network.state_dict()
        if name.endswith(".num_batches_tracked")
    }
    state = counters | state
    checkpoint.compare(network, {name: tuple(value.shape) for name, value in state.items()})
    return state


def _looks(state: State) -> str:
    rows = [f"{name} {tuple(value.shape)}" for name, value in list(state.items())[:5]]
    return f"{len(state)} tensors, such as {', '.join(rows)}"


def _supported() -> str:
    return "supported are " + "; ".join(f"{name}: {each.title}" for name, each in LAYOUTS.items())

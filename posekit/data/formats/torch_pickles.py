"""What `torch.save` wrote of whole modules, read without running anything.

torch itself reads weights safely (`weights_only=True`), but refuses files that hold a network as
Python objects, as EvoSkeleton's model.th does. Here the names in such a file stand for plain stubs
(see `pickles`): a closed list of layers, storages and functions, and what the caller adds. Both of
torch's containers are read: the zip archive, and the row of pickles that it wrote before 1.6.

No dimension key: tensors of any shape.
"""

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posekit.data.formats import pickles
from posekit.data.formats.pickles import Refused, Stub

MAX_BYTES = 2 * 1024**3
MAGIC = 0x1950A86A20F9469CFC6C  # what the first of the older files' pickles holds
KINDS = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "BoolStorage": "?",
    "ByteStorage": "u1",
}
LAYERS = {
    "container": ("ModuleList", "Sequential", "ModuleDict"),
    "linear": ("Linear", "Identity"),
    "batchnorm": ("BatchNorm1d", "BatchNorm2d"),
    "activation": ("ReLU", "ReLU6", "LeakyReLU", "PReLU"),
    "dropout": ("Dropout",),
    "conv": ("Conv2d",),
    "pooling": ("MaxPool2d", "AvgPool2d"),
}


class Module(Stub):
    """A layer or network: its attributes in `state`, and no behaviour."""


@dataclass
class _Storage:
    kind: np.dtype
    count: int
    content: bytes | None = None


@dataclass(frozen=True)
class _Placed:
    """A tensor before the numbers of its storage are read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        numbers = (*self.shape, *self.stride, self.offset)
        if not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("a tensor whose shape is not made of counts")
        if len(self.shape) != len(self.stride) or math.prod(self.shape) > self.storage.count:
            raise ValueError(f"a tensor of shape {self.shape} in {self.storage.count} numbers")
        flat = torch.from_numpy(np.frombuffer(self.storage.content, self.storage.kind).copy())
        return flat.as_strided(self.shape, self.stride, self.offset).clone()


def _placed(storage: Any, offset: Any, shape: Any, stride: Any, *_grad_and_hooks: Any) -> _Placed:
    if not isinstance(storage, _Storage):
        raise Refused("a tensor that is not in a storage")
    return _Placed(storage, offset, tuple(shape), tuple(stride))


def _set(values: Any = ()) -> set:
    return set(pickles.keys(values))


class _Kind(Stub):
    """A class of storages, by the type of its numbers."""

    dtype: np.dtype


NAMES: pickles.Names = {
    ("collections", "OrderedDict"): dict,
    ("torch._utils", "_rebuild_tensor_v2"): _placed,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_grad_and_hooks: data,
    **{(module, "set"): _set for module in ("builtins", "__builtin__")},
    **{
        (module, name): type(name, (_Kind,), {"dtype": np.dtype(kind)})
        for module in ("torch", "torch.cuda")
        for name, kind in KINDS.items()
    },
    **{
        (f"torch.nn.modules.{module}", name): Module
        for module, names in LAYERS.items()
        for name in names
    },
}


def read(path: Path | str, networks: Mapping[str, tuple[str, ...]]) -> Any:
    """What a file of `torch.save` holds: plain data, tensors, and `Module` where a module is.

    `networks` are classes of networks by the module that has them: further names that a file may
    ask for. ValueError (or its Refused) naming the file when it is damaged, too large or asks for
    another name.
    """
    path = Path(path)
    own = {(module, name): Module for module, names in networks.items() for name in names}
    with pickles.named(path), path.open("rb") as file:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        opened = _archive if zipfile.is_zipfile(path) else _row
        try:
            return _resolved(opened(file, NAMES | pickles.NAMES | own), {})
        except RuntimeError as error:  # torch's, of views outside their storage
            raise ValueError(str(error)) from error


def state_dict(module: Module, prefix: str = "") -> dict[str, Tensor]:
    """The parameters and buffers of a module and its parts, named as in torch."""
    found = {}
    state = module.state if isinstance(module.state, dict) else {}
    for part in ("_parameters", "_buffers"):
        for name, value in (state.get(part) or {}).items():
            if isinstance(value, Tensor):
                found[f"{prefix}{name}"] = value
    for name, child in (state.get("_modules") or {}).items():
        if isinstance(child, Module):
            found |= state_dict(child, f"{prefix}{name}.")
    return found


class _Reader(pickles._Unpickler):
    """Reads one pickle of a file; storages are known by their keys."""

    def __init__(self, file: BufferedIOBase, names: pickles.Names, storages: dict[str, _Storage]):
        pickle._Unpickler.__init__(self, file, encoding="latin1")
        self.names, self.storages = names, storages

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", type() as kind, str() as key, str(), int() as count, *view) if (
                issubclass(kind, _Kind) and view in ([], [None]) and 0 <= count <= MAX_BYTES
            ):
                return self.storages.setdefault(key, _Storage(kind.dtype, count))
            case ("module", kind, *_source) if kind is Module:
                return Module
        raise Refused("its pickle refers outside itself")


def _archive(file: BufferedIOBase, names: pickles.Names) -> Any:
    storages: dict[str, _Storage] = {}
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes")
        (whole,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        made = _Reader(io.BytesIO(archive.read(whole)), names, storages).load()
        folder = whole.removesuffix(".pkl")
        for key, storage in storages.items():
            _fill(storage, archive.read(f"{folder}/{key}"))
    return made


def _row(file: BufferedIOBase, names: pickles.Names) -> Any:
    storages: dict[str, _Storage] = {}
    magic, _version, _system, made, keys = (_Reader(file, names, storages).load() for _ in range(5))
    if magic != MAGIC or type(keys) is not list:
        raise ValueError("it is not what torch.save writes")
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storage = storages[key]
        if count != storage.count:
            raise ValueError(f"{count} numbers where {storage.count} are announced")
        _fill(storage, file.read(count * storage.kind.itemsize))
    return made


def _fill(storage: _Storage, content: bytes) -> None:
    if len(content) != storage.count * storage.kind.itemsize:
        raise ValueError(f"{len(content)} bytes for {storage.count} numbers")
    storage.content = content


def _resolved(value: Any, seen: dict[int, Any]) -> Any:
    """The same data with tensors in it; ValueError for what is nested too deep or without end."""
    if isinstance(value, _Placed):
        return value.tensor()
    if id(value) in seen or not isinstance(value, dict | list | tuple | Stub):
        return seen.get(id(value), value)
    if isinstance(value, Stub):
        seen[id(value)] = value
        value.state = _resolved(value.state, seen)
        return value
    if isinstance(value, dict):
        seen[id(value)] = made = {}
        made |= {key: _resolved(each, seen) for key, each in value.items()}
        return made
    seen[id(value)] = value  # of those that hold themselves
    made = [_resolved(each, seen) for each in value]
    seen[id(value)] = made if isinstance(value, list) else tuple(made)
    return seen[id(value)]

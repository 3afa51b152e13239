"""Matlab's files, read as data: those of version 5 by scipy, those of version 7.3 by h5py.

Of some damaged files scipy (1.17) reads beyond what is there and dies, so files of version 5 are
looked through first: what is handed on has as many bytes everywhere as it says. Of files of version
7.3 (HDF5) only arrays of numbers in the file itself are read, nothing that leads to other files.

No dimension key: arrays of any shape.
"""

import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io.matlab import MatReadError

from posekit.data.formats.pickles import AGAIN, DAMAGE

# Of files cut off or damaged: whatever scipy (NotImplementedError for Matlab 7.3) and h5py raise.
UNREADABLE = (*DAMAGE, OSError, zlib.error, struct.error, RuntimeError, MatReadError)

# Of the Matlab 5 format: elements, classes of matrices, and bytes of each type of numbers.
MATRIX, COMPRESSED, CELL, STRUCT, TEXT, NUMERIC, COMPLEX = 14, 15, 1, 2, 4, range(6, 16), 0x800
WIDTHS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
LARGEST = 2**30  # bytes of a variable; the largest of MPI-INF-3DHP has 121 MB
MOST = 10_000_000  # numbers in an array of a Matlab 7.3 file; the largest here has some 300,000


def read_cells(path: Path, fields: Iterable[str], source: str) -> dict[str, np.ndarray]:
    """Cell arrays of a Matlab 5 file, by name.

    FileNotFoundError, with the `source`; ValueError names the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: {source}")
    fields = tuple(fields)
    held = read_mat(path, re.compile("|".join(fields)))
    if lacking := [name for name in fields if name not in held or held[name].dtype != object]:
        raise ValueError(f"{path} has no cells {', '.join(lacking)}; {AGAIN}")
    return {name: held[name] for name in fields}


def read_mat(path: Path, wanted: re.Pattern, *, objects: bool = False) -> dict[str, Any]:
    """The variables of a Matlab 5 file whose whole name is `wanted`.

    Structs are records of arrays, or `objects` with attributes, single values then being scalars.
    ValueError, naming the file, when it is damaged.
    """
    from scipy.io import loadmat

    try:
        names = [name for name in _sound(path.read_bytes(), wanted) if wanted.fullmatch(name)]
        forms = {"squeeze_me": objects, "struct_as_record": not objects}
        held = loadmat(path, variable_names=names, **forms) if names else {}
        return {name: held[name] for name in names}
    except UNREADABLE as error:
        raise ValueError(f"{path} is no Matlab file as released: {error}; {AGAIN}") from error


def _sound(content: bytes, wanted: re.Pattern) -> Iterator[str]:
    """The names of a Matlab 5 file's variables; ValueError when one that is `wanted` is not sound."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or content.startswith(b"MATLAB 7.3"):
        raise ValueError(f"it begins with {content[:10]!r}")
    at, whole = 128, memoryview(content)
    while at < len(whole):
        kind, data, at = _element(whole, at, order)
        if kind == COMPRESSED:
            data = memoryview(zlib.decompressobj().decompress(data, LARGEST))
            kind, data, _ = _element(data, 0, order)
        if kind != MATRIX:
            raise ValueError(f"a variable of type {kind}")
        yield _matrix(data, order, wanted)


def _element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Type and bytes of the element that begins `at`, and where the next one does."""
    kind, size = struct.unpack_from(order + "II", data, at)
    start, end = at + 8, at + 8 + size + (-size % 8 if kind != COMPRESSED else 0)
    if kind >> 16:  # a small one, all in 8 bytes
        kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    if start + size > min(end, len(data)):
        raise ValueError("it ends too early")
    return kind, data[start : start + size], end


def _matrix(data: memoryview, order: str, wanted: re.Pattern | None = None) -> str:
    """The name of a matrix; ValueError unless it is sound, and all in it, if it is `wanted` at all."""
    if not data:
        return ""
    flags_kind, flags, at = _element(data, 0, order)
    sizes_kind, sizes, at = _element(data, at, order)
    name_kind, name, at = _element(data, at, order)
    if (flags_kind, len(flags), sizes_kind, name_kind) != (6, 8, 5, 1) or len(sizes) % 4:
        raise ValueError("a matrix without its head")
    (flag,) = struct.unpack_from(order + "I", flags)
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    count, kind, name = math.prod(shape), flag & 0xFF, bytes(name).decode("latin-1")
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"a matrix of shape {shape}")
    if wanted is not None and not wanted.fullmatch(name):
        return name
    if kind in (CELL, STRUCT):
        if kind == STRUCT:
            _, width, at = _element(data, at, order)
            names_kind, names, at = _element(data, at, order)
            (width,) = struct.unpack(order + "i", width)
            if names_kind != 1 or width < 1 or len(names) % width:
                raise ValueError("a struct without names")
            count *= len(names) // width
        for _ in range(count):
            inner_kind, inner, at = _element(data, at, order)
            if inner_kind != MATRIX:
                raise ValueError(f"an element of type {inner_kind} where a matrix should be")
            _matrix(inner, order)
        return name
    if kind != TEXT and kind not in NUMERIC:
        raise ValueError(f"{name!r} holds values of class {kind}")
    for _ in range(2 if flag & COMPLEX else 1):
        values_kind, values, at = _element(data, at, order)
        width = WIDTHS.get(values_kind)
        if width is None or (kind != TEXT and len(values) != width * count):
            raise ValueError(f"{count} values of type {values_kind} in {len(values)} bytes")
    return name


def read_h5(
    path: Path,
    fields: Iterable[str],
    source: str,
    *,
    optional: Iterable[str] = (),
    kinds: str = "fiub",
) -> dict[str, np.ndarray]:
    """Arrays of an HDF5 file (Matlab 7.3), axes in the file's order, of these `kinds` of numbers.

    `optional` ones are left out where they are absent. Errors as `read_cells`, and
    ModuleNotFoundError when h5py is absent.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: {source}")
    try:
        import h5py
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f'{path} needs h5py: pip install "posekit[data]"') from None
    try:
        with h5py.File(path, "r") as file:
            wanted = [*fields, *(name for name in optional if name in file)]
            return {name: _array(file, name, kinds) for name in wanted}
    except UNREADABLE as error:
        raise ValueError(f"{path}: {error}; {AGAIN}") from error


def _array(file: Any, name: str, kinds: str) -> np.ndarray:
    """One array, if it is in the file itself and no larger than those of real data sets."""
    import h5py

    if name not in file:
        raise ValueError(f"it lacks {name!r}")
    own = isinstance(file.get(name, getlink=True), h5py.HardLink)
    data = file[name] if own else None
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise ValueError(f"{name!r} is not an array in the file itself")
    if data.ndim == 0 or data.size > MOST or data.dtype.kind not in kinds:
        raise ValueError(f"{name!r} of shape {data.shape} and type {data.dtype}")
    return data[()]

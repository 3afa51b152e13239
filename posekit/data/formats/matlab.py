"""Matlab's files, read as data: those of version 5 by hand, those of version 7.3 (HDF5) by h5py.

scipy (1.17) reads beyond what is there in some damaged files of version 5, and dies; pymatreader
and others read with scipy. Of HDF5 only arrays in the file itself are read, nothing that leads to
other files.

No dimension key: arrays of any shape.
"""

import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from posekit.data.formats.pickles import AGAIN, DAMAGE
from posekit.system import need_file

UNREADABLE = (*DAMAGE, OSError, zlib.error, RuntimeError)  # of h5py, the last

# Of the Matlab 5 format: kinds of elements, classes of matrices, types of numbers and of text.
MATRIX, COMPRESSED, CELL, STRUCT, TEXT, NUMERIC, COMPLEX = 14, 15, 1, 2, 4, range(6, 16), 0x800
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
LARGEST = 2**28  # bytes of a variable; the largest of MPI-INF-3DHP has 121 MB
MOST = 10_000_000  # numbers in an array; the largest, of MPII's in HDF5, has 1,300,000
EMPTY = np.zeros((0, 0))


def read_cells(path: Path, fields: Iterable[str], source: str) -> dict[str, np.ndarray]:
    """Cell arrays of a Matlab 5 file, by name.

    FileNotFoundError, with the `source`; ValueError names the file.
    """
    need_file(path, source=source)
    fields = tuple(fields)
    held = read_mat(path, re.compile("|".join(fields)))
    if lacking := [name for name in fields if name not in held or held[name].dtype != object]:
        raise ValueError(f"{path} has no cells {', '.join(lacking)}; {AGAIN}")
    return {name: held[name] for name in fields}


def read_mat(path: Path, wanted: re.Pattern) -> dict[str, np.ndarray]:
    """The variables of a Matlab 5 file whose whole name is `wanted`.

    Arrays of numbers, of one text, and of objects: a cell array's values, a struct array's
    dictionaries. ValueError, naming the file, when it is damaged, or they are something else.
    """
    if (size := path.stat().st_size) > 4 * LARGEST:
        raise ValueError(f"{path} has {size:,} bytes: no data set's file of this kind is so large")
    try:
        return dict(_variables(path.read_bytes(), wanted))
    except UNREADABLE as error:
        raise ValueError(f"{path} is no Matlab file as released: {error}; {AGAIN}") from error


def _variables(content: bytes, wanted: re.Pattern) -> Iterator[tuple[str, Any]]:
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or content.startswith(b"MATLAB 7.3"):
        raise ValueError(f"it begins with {content[:10]!r}")
    for kind, data in _elements(memoryview(content)[128:], order):
        if kind == COMPRESSED:
            packed = zlib.decompressobj()
            whole = memoryview(packed.decompress(data, LARGEST))
            if packed.unconsumed_tail:
                raise ValueError(f"a variable of more than {LARGEST:,} bytes")
            ((kind, data),) = islice(_elements(whole, order), 1)
        if kind != MATRIX:
            raise ValueError(f"a variable of type {kind}")
        name, value = _matrix(data, order, wanted)
        if wanted.fullmatch(name):
            yield name, value


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of each element."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        start, end = at + 8, at + 8 + size + (-size % 8 if kind != COMPRESSED else 0)
        if kind >> 16:  # a small one, all in 8 bytes
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > min(end, len(data)):
            raise ValueError("it ends too early")
        yield kind, data[start : start + size]
        at = end


def _matrix(data: memoryview, order: str, wanted: re.Pattern | None = None) -> tuple[str, Any]:
    """The name and value of a matrix; only the name of one that is not `wanted`."""
    if not data:
        return "", EMPTY
    parts = _elements(data, order)
    (*kinds,), (flags, sizes, name) = zip(*islice(parts, 3), strict=True)
    if kinds != [6, 5, 1] or len(flags) != 8 or len(sizes) % 4:
        raise ValueError("a matrix without its head")
    (flag, _), name = struct.unpack(order + "II", flags), bytes(name).decode("latin-1")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"a matrix of shape {shape}")
    if wanted is not None and not wanted.fullmatch(name):
        return name, None
    kind, count = flag & 0xFF, math.prod(shape)
    if kind == CELL:
        return name, _objects(_values(parts, count, order), shape)
    if kind == STRUCT:
        (_, width), (_, names) = islice(parts, 2)
        (width,) = struct.unpack(order + "i", width)
        fields = [bytes(names[at : at + width]) for at in range(0, len(names), width)]
        fields = [field.split(b"\0")[0].decode("latin-1") for field in fields]
        values = iter(_values(parts, count * len(fields), order))
        return name, _objects(
            [dict(zip(fields, values)) for _ in range(count if fields else 0)], shape
        )
    ((stored, content),) = islice(parts, 1)
    if kind == TEXT:
        encoding = TEXTS[stored] + {"<": "-le", ">": "-be"}[order] * (stored not in (1, 2, 16))
        return name, np.array(bytes(content).decode(encoding))
    if kind not in NUMERIC or flag & COMPLEX:
        raise ValueError(f"{name!r} holds values of class {kind}")
    if count > MOST:
        raise ValueError(f"{name!r} has {count:,} numbers, at most {MOST:,} are read")
    array = np.frombuffer(content, order + NUMBERS[stored]).reshape(shape, order="F")
    return name, array.astype(array.dtype.newbyteorder("="))


def _values(parts: Iterator[tuple[int, memoryview]], count: int, order: str) -> list[Any]:
    found = [_matrix(data, order)[1] for kind, data in islice(parts, count) if kind == MATRIX]
    if len(found) != count:
        raise ValueError(f"{len(found)} values where {count} should be")
    return found


def _objects(values: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    return np.fromiter(values, object, len(values)).reshape(shape, order="F")


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
    need_file(path, source=source)
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

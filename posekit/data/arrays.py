"""Npy and npz files that hold pickled dictionaries of arrays, read without running anything.

Martinez' and VideoPose3D's preparations of Human3.6M keep such dictionaries, which numpy reads
only with allow_pickle=True, and that runs whatever code the file asks for. Here a pickle may ask
for nothing but numbers, strings, bytes, None, tuples, lists, dictionaries and arrays of these.
Every other name in it is refused before anything is called, and the few names that are known
build plain descriptions, from which the arrays are made afterwards, with sizes checked against
the bytes that are really there. Streams of Python 2 (latin-1) and both of numpy's module names
(numpy.core, numpy._core) are understood.

No dimension key: arrays of any shape.
"""

import ast
import io
import math
import pickle
import pickletools
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 8 * 1024**3  # of one array or archive member; Human3.6M's largest take is far below
MAX_TUPLES = 100_000  # Python overflows its stack over millions, one inside the other
PLAIN = re.compile(r"[biufcSU]\d{1,6}|\?")  # kinds of numbers and strings
MAGIC = b"\x93NUMPY"
AGAIN = "it is damaged or only half downloaded; get it again"
DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
    zipfile.BadZipFile,
    NotImplementedError,
    SyntaxError,
)


class Refused(ValueError):
    """A file asks for something that data has no need of."""


def read(path: Path | str) -> Any:
    """What an .npy file holds: an array, or the dictionary inside a pickled 0-d array.

    Raises FileNotFoundError; ValueError naming the file when it is cut off, is no .npy file, or
    asks for a function or class (named in the message; nothing was run).
    """
    path = Path(path)
    with _existing(path).open("rb") as file:
        return _guarded(path, file, path.stat().st_size)


def read_archive(path: Path | str) -> dict[str, Any]:
    """Everything an .npz file holds, by name; the errors are those of `read`."""
    path = Path(path)
    try:
        with zipfile.ZipFile(_existing(path)) as archive:
            found = {}
            for member in archive.infolist():
                if member.file_size > MAX_BYTES:
                    raise Refused(f"{path}: {member.filename} claims {member.file_size} bytes")
                # The whole member at once: reading to its end checks its checksum.
                content = archive.read(member)
                place = Path(f"{path}:{member.filename}")
                name = member.filename.removesuffix(".npy")
                found[name] = _guarded(place, io.BytesIO(content), len(content))
            return found
    except Refused:
        raise
    except (*DAMAGE, OSError, zlib.error) as error:
        if isinstance(error, FileNotFoundError) or str(path) in str(error):
            raise
        raise ValueError(f"{path}: {error}; {AGAIN}") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    return path


def _guarded(place: Path, file: io.BufferedIOBase, size: int) -> Any:
    try:
        return _read_npy(file, size)
    except Refused as error:
        raise Refused(f"{place}: {error}") from None
    except DAMAGE as error:
        raise ValueError(f"{place}: {type(error).__name__}: {error}; {AGAIN}") from error


def _read_npy(file: io.BufferedIOBase, size: int) -> Any:
    magic = file.read(8)
    if magic[:6] != MAGIC:
        raise ValueError(f"begins with {magic[:6]!r}: not a numpy file")
    width, layout = (2, "<H") if magic[6] == 1 else (4, "<I")
    (length,) = struct.unpack(layout, file.read(width))
    if length > 65536:
        raise ValueError(f"header of {length} bytes")
    header = ast.literal_eval(file.read(length).decode("latin-1"))
    shape, kind = header["shape"], header["descr"]
    if kind in ("|O", "O"):
        return _unpickle(file.read())
    dtype = _plain_dtype(kind)
    needed = _count(shape) * dtype.itemsize
    if needed > min(size - file.tell(), MAX_BYTES):
        raise ValueError(f"shape {shape} needs {needed} bytes, {size - file.tell()} are there")
    order = "F" if header["fortran_order"] else "C"
    return _native(file.read(needed), dtype).reshape(shape, order=order)


def _unpickle(stream: bytes) -> Any:
    """The object of a pickle of plain data; Refused names what else it asks for."""
    _check_opcodes(stream)
    made = _Unpickler(io.BytesIO(stream), encoding="latin1").load()
    value = _settle(made, {})
    return value.item() if isinstance(value, np.ndarray) and value.shape == () else value


def _check_opcodes(stream: bytes) -> None:
    """Refuse names before anything is built, and memory that the stream itself can't fill."""
    tuples = 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream), start=1):
        if opcode.name in ("GLOBAL", "INST"):
            _known(*argument.split(" ", 1))
        elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > count:
            raise Refused(f"its pickle numbers {argument} values after {count} steps")
        elif opcode.name in ("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"):
            raise Refused(f"its pickle refers outside itself ({opcode.name})")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > MAX_TUPLES:
            raise Refused(f"its pickle has more than {MAX_TUPLES} tuples")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> "_Known":
        return _known(module, name)


class _Known:
    """Stands for one of the few names a pickle of arrays uses; can be called, not altered."""

    __slots__ = ("_build",)

    def __init__(self, build):
        self._build = build

    def __call__(self, *arguments):
        return self._build(*arguments)

    def __setstate__(self, state):
        raise Refused("its pickle alters a function")


class _Dtype:
    """A number's or string's type while its pickle is being read."""

    __slots__ = ("kind", "order")

    def __init__(self, kind: str, order: str = "|"):
        self.kind, self.order = str(kind), order

    def __setstate__(self, state: tuple) -> None:
        if any(part is not None for part in state[2:5]):
            raise Refused("it holds an array of records; only plain arrays are read")
        self.order = state[1]

    def numpy(self) -> np.dtype:
        return _plain_dtype(self.order + self.kind)


class _Array:
    """An array while its pickle is being read: nothing is allocated until all of it is known."""

    __slots__ = ("state",)

    def __init__(self):
        self.state = None

    def __setstate__(self, state: tuple) -> None:
        self.state = state


def _known(module: str, name: str) -> _Known:
    build = ALLOWED.get((module.replace("numpy._core.", "numpy.core."), name))
    if build is None:
        raise Refused(
            f"asks for {module}.{name}, which data has no need of. It was refused and nothing was "
            "run; get the file from its official source"
        )
    return _Known(build)


def _reconstruct(kind: Any, shape: tuple, letter: Any) -> _Array:
    return _Array()


def _ndarray(*arguments: Any) -> None:
    raise Refused("its pickle calls numpy.ndarray directly")


def _dtype(kind: str, *align_and_copy: Any) -> _Dtype:
    return _Dtype(kind)


def _scalar(dtype: _Dtype, raw: Any) -> Any:
    return np.frombuffer(_bytes(raw), dtype.numpy(), count=1)[0].item()


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"its pickle encodes as {encoding!r}; only latin1 is known")
    return text.encode("latin-1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}


def _settle(value: Any, done: dict[int, Any]) -> Any:
    """`value` with real arrays in it. Shared parts are made once, so none can multiply."""
    if isinstance(value, (int, float, complex, str, bytes, bytearray, type(None))):
        return value
    if id(value) not in done:
        done[id(value)] = _settle_new(value, done)
    return done[id(value)]


def _settle_new(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {_settle(k, done): _settle(v, done) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_settle(part, done) for part in value)
    if isinstance(value, _Array):
        return _array(value.state, done)
    raise Refused(f"it holds a {type(value).__name__.strip('_')} where data should be")


def _array(state: tuple, done: dict[int, Any]) -> np.ndarray:
    _, shape, dtype, fortran, content = state
    count, order = _count(shape), "F" if fortran else "C"
    if dtype.kind in ("O", "O4", "O8"):
        if len(content) != count:
            raise ValueError(f"{len(content)} objects for the shape {shape}")
        objects = np.empty(count, dtype=object)
        for i, part in enumerate(content):
            objects[i] = _settle(part, done)
        return objects.reshape(shape, order=order)
    raw, kind = _bytes(content), dtype.numpy()
    if count * kind.itemsize != len(raw):
        raise ValueError(f"shape {shape} of {kind} and {len(raw)} bytes do not agree")
    return _native(raw, kind).reshape(shape, order=order)


def _native(raw: bytes, dtype: np.dtype) -> np.ndarray:
    """A writable array in this machine's byte order, which torch insists on."""
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))


def _plain_dtype(kind: str) -> np.dtype:
    if not isinstance(kind, str) or not PLAIN.fullmatch(kind.lstrip("<>|=")):
        raise Refused(f"holds values of type {kind!r}; only numbers and strings are read")
    return np.dtype(kind)


def _count(shape: tuple) -> int:
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"shape {shape}")
    return math.prod(shape)


def _bytes(content: Any) -> bytes:
    """Raw values: bytes, or the latin-1 text that a Python 2 stream makes of them."""
    return content.encode("latin-1") if isinstance(content, str) else bytes(memoryview(content))

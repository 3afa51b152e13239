"""Pickles of plain data, read without running anything.

A pickle is a small program: the usual reader calls whatever functions it names. Here it may name
only what stands in a closed list: numpy's arrays, numbers and types, and what the caller adds.
Every other name is refused before anything is called, and the few names that are known build
plain descriptions (`Stub`), from which the arrays are made afterwards, with sizes checked against
the bytes that are really there. Streams of Python 2 (latin-1) and both of numpy's module names
(numpy.core, numpy._core) are understood.

No dimension key: arrays of any shape.
"""

import contextlib
import io
import math
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posekit.data.formats import opcodes
from posekit.data.formats.opcodes import Refused

MAX_DIMENSIONS = 64  # numpy's own limit; the product of millions of counts would take ages
PLAIN = re.compile(r"[biufcSU]\d{1,6}|\?")  # kinds of numbers and strings
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

# What the pickle of an array, dictionary, list or object begins with, or all that is left of it
BEGINS = re.compile(rb"\x80(?:[\x00-\x05]|\Z)|[](})]|c[\w.]+(?:\n|\Z)|\Z")
REMEDIES = {  # by package
    "chumpy": "If you trust the file, open it where chumpy is installed, replace every chumpy "
    "value by numpy.array(value), and pickle that",
    "scipy": "If you trust the file, open it where scipy is installed, replace every sparse "
    "matrix by its toarray(), and pickle that",
}

Names = Mapping[tuple[str, str], Callable]


class NoPickle(ValueError):
    """A stream that can't be read and doesn't begin as a pickle of data does."""


class Stub:
    """An object of a known class while its pickle is being read: its state, and no behaviour.

    The state is what the pickle gives (None before that). Subclasses stand for classes that
    aren't imported here; `load` takes them in `more`.
    """

    __slots__ = ("state",)

    def __new__(cls):
        self = super().__new__(cls)
        self.state = None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load(stream: bytes, more: Names | None = None) -> Any:
    """What the pickle `stream` holds, with stubs where `settle` will put arrays.

    `more` says, by (module, name), which functions or Stub classes stand for further names. Raises
    Refused for a name that is in no list, NoPickle, and any of DAMAGE for a stream that is cut off.
    """
    try:
        return _load(stream, ALLOWED | dict(more or {}))
    except DAMAGE as error:
        # Refused stays for what ends as a pickle; a text's `import os` only looks like a call.
        if BEGINS.match(stream) or (isinstance(error, Refused) and stream.endswith(b".")):
            raise
        raise NoPickle(f"no pickle, where one would begin it has {stream[:24]!r}") from None


def _load(stream: bytes, allowed: Names) -> Any:
    for module, name in opcodes.names(stream):
        _known(module, name, allowed)
    unpickler = _Unpickler(io.BytesIO(stream), encoding="latin1")
    unpickler.allowed = allowed
    return unpickler.load()


def settle(value: Any) -> Any:
    """`value` of `load` with real arrays in it; Refused when other stubs are among them."""
    return _settle(value, {})


@contextlib.contextmanager
def named(place: Path | str) -> Iterator[None]:
    """Errors in reading untrusted bytes, as one line each that begins with `place`.

    Refused stays Refused; everything else that damage can raise becomes a ValueError.
    """
    try:
        yield
    except Refused as error:
        raise Refused(f"{place}: {_printable(error)}") from None
    except NoPickle as error:
        raise ValueError(f"{place} is {error}; name the .pkl file itself") from None
    except DAMAGE as error:
        raise ValueError(f"{place}: {type(error).__name__}: {_printable(error)}; {AGAIN}") from None


def _printable(error: Exception) -> str:
    """Its message on one line: the file has a say in it and could move the cursor."""
    shown = (c if c.isprintable() else repr(c).strip("'") for c in str(error)[:400])
    return "".join(shown)


class _Unpickler(pickle.Unpickler):
    allowed: Names

    def find_class(self, module: str, name: str) -> "_Known | type[Stub]":
        return _known(module, name, self.allowed)


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
        self.kind, self.order = kind, order

    def __setstate__(self, state: Any) -> None:
        if any(part is not None for part in state[2:5]):
            raise Refused("it holds an array of records; only plain arrays are read")
        self.order = state[1]

    def numpy(self) -> np.dtype:
        return plain_dtype(self.order + self.kind)


class _Array(Stub):
    """An array while its pickle is being read: nothing is allocated until all of it is known."""

    __slots__ = ()


def _known(module: str, name: str, allowed: Names) -> "_Known | type[Stub]":
    build = allowed.get((module.replace("numpy._core.", "numpy.core."), name))
    if build is None:
        remedy = REMEDIES.get(module.split(".")[0], "Get the file from its official source")
        raise Refused(
            f"asks for {module[:80]}.{name[:80]}, which is not plain data. It was refused and "
            f"nothing was run. {remedy}"
        )
    if isinstance(build, type) and issubclass(build, Stub):
        return build  # Itself: the pickle's NEWOBJ insists on a class.
    return _Known(build)


def _reconstruct(kind: Any, shape: Any, letter: Any) -> _Array:
    return _Array()


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """An array of protocol 5, which keeps the values themselves apart."""
    array = _Array()
    array.state = (1, shape, dtype, order == "F", buffer)
    return array


def only_named(*arguments: Any) -> None:
    """What calling numpy.ndarray or object does: pickles of data only name them."""
    raise Refused("its pickle calls object or numpy.ndarray directly")


def _dtype(kind: Any, *align_and_copy: Any) -> _Dtype:
    if not isinstance(kind, str):
        raise Refused(f"its pickle makes a type of a {type(kind).__name__}")
    return _Dtype(kind)


def _scalar(dtype: Any, raw: Any) -> Any:
    return np.frombuffer(_bytes(raw), dtype.numpy(), count=1)[0].item()


def _encode(text: Any, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused("its pickle encodes text in another way than latin1")
    return text.encode("latin-1")


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): only_named,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",  # how protocols before 3 write the empty one
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


def _array(state: Any, done: dict[int, Any]) -> np.ndarray:
    _, shape, dtype, fortran, content = state
    size, order = count(shape), "F" if fortran else "C"
    if dtype.kind in ("O", "O4", "O8"):
        if len(content) != size:
            raise ValueError(f"{len(content)} objects for the shape {shape}")
        objects = np.empty(size, dtype=object)
        for i, part in enumerate(content):
            objects[i] = _settle(part, done)
        return objects.reshape(shape, order=order)
    raw, kind = _bytes(content), dtype.numpy()
    if size * kind.itemsize != len(raw):
        raise ValueError(f"shape {shape} of {kind} and {len(raw)} bytes do not agree")
    return native(raw, kind).reshape(shape, order=order)


def native(raw: bytes, dtype: np.dtype) -> np.ndarray:
    """A writable array of `raw` in this machine's byte order, which torch insists on."""
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))


def plain_dtype(kind: Any) -> np.dtype:
    """numpy's type of that name; Refused when it is none of numbers or strings."""
    if not isinstance(kind, str) or not PLAIN.fullmatch(kind.lstrip("<>|=")):
        raise Refused(f"holds values of type {kind!r}; only numbers and strings are read")
    return np.dtype(kind)


def count(shape: Any) -> int:
    """How many values an array of that shape has; ValueError when it is no shape."""
    if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("a shape that is not made of counts")
    return math.prod(shape)


def _bytes(content: Any) -> bytes:
    """Raw values: bytes, or the latin-1 text that a Python 2 stream makes of them."""
    return content.encode("latin-1") if isinstance(content, str) else bytes(memoryview(content))

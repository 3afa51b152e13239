"""Pickles of plain data, read without running anything.

A pickle is a small program: the usual reader calls whatever functions it names. Here it may name
only what stands in a closed list: numpy's arrays, numbers and types, and what the caller adds.
Every other name is refused, and so is everything that a pickle of data does not do: it alters no
function or class, refers to nothing outside the file, and hashes nothing but keys of data. Arrays
are as large as the bytes in the file say. Streams of Python 2 (latin-1) and both of numpy's module
names (numpy.core, numpy._core) are understood.

No dimension key: arrays of any shape.
"""

import contextlib
import io
import math
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

MAX_DIMENSIONS = 64  # numpy's own limit; the product of millions of counts would take ages
PLAIN = re.compile(r"[biufcSU]\d{1,6}|\?|O\d?")  # types of numbers, strings and objects
ATOMS = (int, float, complex, str, bytes, type(None))  # what tuples that are hashed may hold
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


class Refused(ValueError):
    """A file asks for something that data has no need of."""


class Stub:
    """An object of a class that is not imported: its state, and no behaviour."""

    state: Any = None


class _Dtype(Stub):
    """A number's or string's type; its state, where there is one, has the order of its bytes."""

    def __init__(self, kind: str):
        self.kind = kind

    def numpy(self) -> np.dtype:
        _, order, *records = (self.state or (3, "|"))[:5]
        if any(part is not None for part in records):
            raise Refused("it holds an array of records; only plain arrays are read")
        return plain_dtype(order + self.kind)


def load(stream: bytes, names: Names | None = None) -> Any:
    """The plain data that the pickle `stream` holds.

    `names` says, by (module, name), which functions or `Stub` classes stand for further names. What
    they make stands in the data, too. Raises Refused for a name that is in no list, and any of
    DAMAGE for a stream that is cut off or no pickle.
    """
    names = dict(names or {})
    if not BEGINS.match(stream):
        raise ValueError(
            f"no pickle of data begins with {stream[:24]!r}; name the .pkl file itself"
        )
    found = _Unpickler(stream, NAMES | names).load()
    _check_plain(found, tuple(kind for kind in names.values() if isinstance(kind, type)))
    return found


@contextlib.contextmanager
def named(place: Path | str) -> Iterator[None]:
    """Errors in reading untrusted bytes, as one line each that begins with `place`.

    Refused stays Refused; everything else that damage can raise becomes a ValueError.
    """
    try:
        yield
    except Refused as error:
        raise Refused(f"{place}: {_printable(error)}") from None
    except DAMAGE as error:
        raise ValueError(f"{place}: {type(error).__name__}: {_printable(error)}; {AGAIN}") from None


def _printable(error: Exception) -> str:
    """Its message on one line: the file has a say in it and could move the cursor."""
    shown = (c if c.isprintable() else repr(c).strip("'") for c in str(error)[:400])
    return "".join(shown)


class _Unpickler(pickle._Unpickler):
    """Python's reader, the one that is written in Python: its steps can be told what not to do."""

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream: bytes, names: Names):
        super().__init__(io.BytesIO(stream), encoding="latin1")
        self.names = names

    def find_class(self, module: str, name: str) -> Callable:
        found = self.names.get((module.replace("numpy._core.", "numpy.core."), name))
        if found is None:
            remedy = REMEDIES.get(module.split(".")[0], "Get the file from its official source")
            raise Refused(
                f"asks for {module[:80]}.{name[:80]}, which is not plain data. It was refused and "
                f"nothing was run. {remedy}"
            )
        return found

    def persistent_load(self, _pid: Any) -> None:
        raise Refused("its pickle refers outside itself")

    get_extension = persistent_load

    def load_build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if type(value) is np.ndarray:
            _fill(value, *state)
        elif isinstance(value, Stub):
            value.state = state
        else:
            raise Refused(f"its pickle alters a {type(value).__name__}")

    def load_bytearray8(self) -> None:  # Python's own makes as much room as the file claims
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def load_setitems(self) -> None:
        self._put(self.pop_mark())

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._put(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        set.update(self.stack[-1], keys(items))

    def load_frozenset(self) -> None:
        self.append(frozenset(keys(self.pop_mark())))

    def _put(self, items: list[Any]) -> None:
        """Put keys and values, which take turns, into the dictionary on top of the stack."""
        dict.update(self.stack[-1], zip(keys(items[::2]), items[1::2], strict=True))

    dispatch |= {
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
    }


def keys(values: Iterable[Any]) -> list[Any]:
    """These values; Refused unless all can be hashed at once: numbers, strings, tuples of them.

    Tuples of tuples, each twice in the next, would take ages, or overflow Python's stack.
    """
    values = list(values)
    for value in values:
        parts = value if type(value) is tuple else (value,)
        if not all(isinstance(part, ATOMS) for part in parts):
            raise Refused("its pickle has a key of other things than numbers and strings")
    return values


def _check_plain(value: Any, stubs: tuple[type, ...]) -> None:
    """Refused unless there are only numbers, strings, arrays, and containers and stubs of these."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, (*ATOMS, bytearray)):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set | frozenset):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.flat if part.dtype == object else ()
        elif isinstance(part, stubs):
            waiting.append(part.state)
        else:
            raise Refused(f"it holds a {type(part).__name__} where data should be")


def _fill(
    array: np.ndarray, _version: Any, shape: Any, dtype: _Dtype, fortran: Any, content: Any
) -> None:
    """Make an empty array the one that its pickle describes, no larger than its content."""
    size, kind = count(shape), dtype.numpy()
    if array.shape != (0,):
        raise Refused("its pickle alters an array")
    if kind == object:
        if type(content) is not list or len(content) != size:
            raise ValueError(f"{len(content)} objects for the shape {shape}")
    else:
        content = _bytes(content)
        if size * kind.itemsize != len(content):
            raise ValueError(f"shape {shape} of {kind} and {len(content)} bytes do not agree")
        if not kind.isnative:  # torch insists on this machine's order
            content = np.frombuffer(content, kind).astype(kind.newbyteorder("=")).tobytes()
            kind = kind.newbyteorder("=")
    array.__setstate__((1, shape, kind, bool(fortran), content))


def plain_dtype(kind: Any) -> np.dtype:
    """numpy's type of that name; Refused when it is none of numbers, strings or objects."""
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


# ---- what stands for the names that pickles of arrays have
def _empty(*_kind_shape_letter: Any) -> np.ndarray:
    return np.empty(0, "b")


def _from_buffer(buffer: Any, dtype: _Dtype, shape: Any, order: Any) -> np.ndarray:
    """An array of protocol 5, which keeps the values themselves apart."""
    array = _empty()
    _fill(array, 1, shape, dtype, order == "F", buffer)
    return array


def only_named(*_arguments: Any) -> None:
    """What calling numpy.ndarray or object does: pickles of data only name them."""
    raise Refused("its pickle calls object or numpy.ndarray directly")


def _dtype(kind: Any, *_align_and_copy: Any) -> _Dtype:
    if not isinstance(kind, str):
        raise Refused(f"its pickle makes a type of a {type(kind).__name__}")
    return _Dtype(kind)


def _scalar(dtype: _Dtype, raw: Any) -> Any:
    return np.frombuffer(_bytes(raw), dtype.numpy(), count=1)[0].item()


def _encode(text: str, encoding: Any) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused("its pickle encodes text in another way than latin1")
    return text.encode("latin-1")


NAMES: Names = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): only_named,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): lambda: b"",  # how protocols before 3 write the empty one
}

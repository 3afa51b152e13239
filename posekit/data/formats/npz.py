"""Npy and npz files that hold pickled dictionaries of arrays, read without running anything.

Martinez' and VideoPose3D's preparations of Human3.6M keep such dictionaries, which numpy reads
only with allow_pickle=True, and that runs whatever code the file asks for. Here a pickle may ask
for nothing but numbers, strings, bytes, None, tuples, lists, dictionaries and arrays of these
(posekit/data/pickles.py).

No dimension key: arrays of any shape.
"""

import ast
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from posekit.data.formats import pickles
from posekit.data.formats.opcodes import Refused
from posekit.data.formats.pickles import AGAIN, DAMAGE

MAX_BYTES = 8 * 1024**3  # of one array or archive member; Human3.6M's largest take is far below
MAGIC = b"\x93NUMPY"


def read(path: Path | str) -> Any:
    """What an .npy file holds: an array, or the dictionary inside a pickled 0-d array.

    Raises FileNotFoundError; ValueError naming the file when it is cut off, is no .npy file, or
    asks for a function or class (named in the message; nothing was run).
    """
    path = Path(path)
    with _existing(path).open("rb") as file, pickles.named(path):
        return _read_npy(file, path.stat().st_size)


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
                name = member.filename.removesuffix(".npy")
                with pickles.named(f"{path}:{member.filename}"):
                    found[name] = _read_npy(io.BytesIO(content), len(content))
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
        value = pickles.settle(pickles.load(file.read()))
        return value.item() if isinstance(value, np.ndarray) and value.shape == () else value
    dtype = pickles.plain_dtype(kind)
    needed = pickles.count(shape) * dtype.itemsize
    if needed > min(size - file.tell(), MAX_BYTES):
        raise ValueError(f"shape {shape} needs {needed} bytes, {size - file.tell()} are there")
    order = "F" if header["fortran_order"] else "C"
    return pickles.native(file.read(needed), dtype).reshape(shape, order=order)

"""Npy and npz files that hold arrays or pickled dictionaries of arrays, read without running anything.

Martinez' and VideoPose3D's preparations of Human3.6M keep such dictionaries, which numpy reads
only with allow_pickle=True, and that runs whatever code the file asks for. Here numpy reads plain
arrays, and `pickles` the others.

No dimension key: arrays of any shape.
"""

import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from posekit.data.formats import pickles
from posekit.data.formats.pickles import AGAIN, DAMAGE, Refused
from posekit.system import need_file

MAX_BYTES = 2 * 1024**3  # of an archive's member; Human3.6M's largest is far below
LOOSE, PACKED = 2**28, 100  # members above so many bytes are no data if packed more than so tightly
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read(path: Path | str) -> Any:
    """What an .npy file holds: an array, or the dictionary inside a pickled 0-d array.

    Raises FileNotFoundError; ValueError naming the file when it is cut off, is no .npy file, or
    asks for a function or class (named in the message; nothing was run).
    """
    path = Path(path)
    content = need_file(path).read_bytes()
    with pickles.named(path):
        return _array(content)


def read_archive(path: Path | str) -> dict[str, Any]:
    """Everything an .npz file holds, by name; the errors are those of `read`."""
    path, found = Path(path), {}
    try:
        with zipfile.ZipFile(need_file(path)) as archive:
            for member in archive.infolist():
                size, ratio = member.file_size, member.file_size / max(member.compress_size, 1)
                if size > MAX_BYTES or (size > LOOSE and ratio > PACKED):
                    raise Refused(f"{path}: {member.filename} claims {size} bytes")
                # The whole member at once: reading to its end checks its checksum.
                content = archive.read(member)
                with pickles.named(f"{path}:{member.filename}"):
                    found[member.filename.removesuffix(".npy")] = _array(content)
    except (*DAMAGE, OSError, zlib.error) as error:
        if str(path) in str(error):  # FileNotFoundError, too
            raise
        raise ValueError(f"{path}: {error}; {AGAIN}") from error
    return found


def _array(content: bytes) -> Any:
    file = io.BytesIO(content)
    try:
        header = HEADERS[npy.read_magic(file)]
        shape, _, dtype = header(file)
    except (ValueError, KeyError, tokenize.TokenError) as error:
        raise ValueError(f"begins with {content[:6]!r}: not a numpy file ({error})") from error
    if dtype == object:
        value = pickles.load(file.read())
        return value.item() if isinstance(value, np.ndarray) and value.shape == () else value
    size, there = pickles.count(shape) * dtype.itemsize, len(content) - file.tell()
    if size > there:  # numpy would make room for it first
        raise ValueError(f"shape {shape} needs {size} bytes, {there} are there")
    array = npy.read_array(io.BytesIO(content), allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="))  # torch insists on this machine's order

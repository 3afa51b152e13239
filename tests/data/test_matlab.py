"""Matlab's files: what is wanted of them comes out, and no damage kills the process."""

import re
import struct
import zlib

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from posekit.data.formats.matlab import LARGEST, read_cells, read_h5, read_mat


def cells(arrays):
    column = np.empty((len(arrays), 1), dtype=object)
    for row, array in enumerate(arrays):
        column[row, 0] = array
    return column


def test_wanted_variables_come_as_scipy_has_them(tmp_path):
    path = tmp_path / "a.mat"
    values = np.random.default_rng(0).normal(size=(3, 14, 5))
    savemat(path, {"joints": values, "joints2": 1.0, "s": {"a": 2.0, "b": "text"}})
    held = read_mat(path, re.compile("joints"))
    assert list(held) == ["joints"] and np.array_equal(held["joints"], values)
    (struct,) = read_mat(path, re.compile("s"))["s"].flat
    assert struct == {"a": 2, "b": "text"}
    assert read_mat(path, re.compile("absent")) == {}


def test_real_files_come_as_scipy_has_them(shared):
    folder = shared / "mpii_val_tompson"
    truth = loadmat(folder / "detections_our_format.mat")
    held = read_mat(folder / "detections_our_format.mat", re.compile(r"(?!__).+"))
    assert held.keys() == truth.keys() - {"__header__", "__version__", "__globals__"}
    assert all(np.array_equal(held[name], truth[name]) for name in held)
    points = read_mat(folder / "detections.mat", re.compile("keypointsAll"))["keypointsAll"]
    theirs = loadmat(folder / "detections.mat", variable_names=["keypointsAll"])["keypointsAll"]
    assert points.shape == theirs.shape == (1, 2958)
    assert all(np.array_equal(a, b) for a, b in zip(points.flat, theirs.flat, strict=True))


def test_damage_that_scipy_dies_of_is_refused(tmp_path):
    """Every byte of a small file that is not compressed, changed: an answer or a ValueError.

    Of such files scipy 1.17 by itself dies, or raises UnboundLocalError.
    """
    path = tmp_path / "a.mat"
    values = [np.zeros((1, 2)), np.zeros((1, 3), np.uint8), np.array("text")]
    savemat(path, {"cells": cells([*values, {"a": values[1]}]), "x": 1j})
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="'x' holds values of class 6"):
        read_mat(path, re.compile("x"))
    refused = 0
    for place in range(124, len(whole)):
        for value in {0, 8, 255} - {whole[place]}:
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                read_mat(path, re.compile("cells"))
            except ValueError:
                refused += 1
    assert refused > 500


def test_files_that_are_none_are_named(tmp_path):
    path = tmp_path / "a.mat"
    for content in (b"", b"nothing", b"MATLAB 5.0 MAT-file" + bytes(200), b"x" * 1000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.mat is no Matlab file as released"):
            read_mat(path, re.compile("x"))
    path.unlink()
    with pytest.raises(FileNotFoundError, match="ask them"):
        read_cells(path, ["x"], "ask them")
    with pytest.raises(FileNotFoundError, match="ask them"):
        read_h5(path, ["x"], "ask them")


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def bomb(path, shape, stored, content):
    """A file of a few hundred kB whose one variable is as large as one likes."""
    head = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<3i", *shape))
    packed = zlib.compress(element(14, head + element(1, b"joints") + element(stored, content)), 1)
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(start + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 3_000_000


def test_a_small_file_can_not_fill_the_memory(tmp_path):
    """Packed zeros: as many bytes as no variable has, or few bytes that become eight each."""
    path = tmp_path / "a.mat"
    bomb(path, (14, 3, 10**7), 9, bytes(LARGEST + 8))
    with pytest.raises(ValueError, match="a variable of more than 268,435,456 bytes"):
        read_mat(path, re.compile("joints"))
    bomb(path, (14, 3, 10**6), 2, bytes(42 * 10**6))
    with pytest.raises(ValueError, match="'joints' has 42,000,000 numbers, at most 10,000,000"):
        read_mat(path, re.compile("joints"))
    with path.open("wb") as file:
        file.truncate(4 * LARGEST + 1)  # takes no room
    with pytest.raises(ValueError, match="no data set's file of this kind is so large"):
        read_mat(path, re.compile("joints"))


def test_arrays_of_version_7_3_lie_in_the_file_itself(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w") as file:
        file["joints"] = np.arange(6.0).reshape(1, 2, 3)
        file["else"] = h5py.ExternalLink("/etc/passwd", "x")
        file["words"] = "text"
    assert read_h5(path, ["joints"], "")["joints"].shape == (1, 2, 3)
    for name, message in (("else", "file itself"), ("absent", "it lacks"), ("words", "type")):
        with pytest.raises(ValueError, match=rf"a\.mat: .*{message}"):
            read_h5(path, [name], "")

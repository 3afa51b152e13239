"""Pickled object arrays: data comes out whole, and nothing else comes out at all."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from posekit.data.formats import npz, pickles

CAMERA = (np.eye(3), np.arange(3.0).reshape(3, 1), np.float64(2.5), "54138969", b"x", None, True)
DATA = {
    (1, "Directions", "Directions 1.h5"): np.arange(12, dtype=np.float32).reshape(4, 3),
    ("S9", 4): CAMERA,
    "nested": {"list": [np.arange(4, dtype=np.int16), np.asfortranarray(np.ones((2, 3)))]},
    "names": np.array(["hip", "knee"]),
}


def save_object(path, value, protocol):
    """As np.save does it, in the pickle protocol of the program that wrote the file."""
    array = np.empty((), dtype=object)
    array[()] = value
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"shape": (), "fortran_order": False, "descr": "|O"}
        )
        pickle.dump(array, file, protocol=protocol)
    return path


def save_stream(path, stream):
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"shape": (), "fortran_order": False, "descr": "|O"}
        )
        file.write(stream)
    return path


def same(ours, theirs):
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, (list, tuple)):
        return type(ours) is type(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, np.ndarray):
        return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    return ours == theirs


@pytest.mark.parametrize("protocol", range(6))
def test_dictionaries_of_arrays_come_back_as_numpy_reads_them(tmp_path, protocol):
    path = save_object(tmp_path / "a.npy", DATA, protocol)
    theirs = np.load(path, allow_pickle=True).item()
    assert same(npz.read(path), theirs)


def test_arrays_come_in_the_byte_order_of_this_machine(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3, dtype=">f4"))
    found = npz.read(tmp_path / "a.npy")
    assert found.dtype == np.float32 and found.tolist() == [0, 1, 2]


def test_an_archive_gives_object_and_number_arrays_by_name(tmp_path):
    path = tmp_path / "a.npz"
    grid = np.arange(6.0).reshape(2, 3).T
    np.savez_compressed(path, positions_3d=DATA, numbers=grid, text=np.array("hello"))
    found = npz.read_archive(path)
    assert set(found) == {"positions_3d", "numbers", "text"}
    assert same(found["positions_3d"], DATA)
    assert np.array_equal(found["numbers"], grid)
    assert found["text"] == "hello"


def test_a_stream_of_python_2_is_understood(tmp_path):
    # What Python 2 and numpy 1.x wrote: byte strings without a type, and numpy.core names.
    raw = np.array([1.0, -2.5]).tobytes()
    stream = (
        b"\x80\x02}U\x04poseq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
        b"K\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U"
        + bytes([len(raw)])
        + raw
        + b"tbs."
    )
    assert same(npz.read(save_stream(tmp_path / "a.npy", stream)), {"pose": np.array([1, -2.5])})


def test_a_text_stream_of_python_2_is_understood(tmp_path):
    raw = repr(np.array([1.0, -2.5]).tobytes())[1:].encode()  # escaped, as both Pythons do it
    stream = (
        b"(dS'pose'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS"
        + raw
        + b"\ntbs."
    )
    assert b"\\xf0" in raw  # no ASCII
    assert same(npz.read(save_stream(tmp_path / "a.npy", stream)), {"pose": np.array([1, -2.5])})


class Payload:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (lambda trap: Payload(os.system, f"touch {trap}"), "system"),
        (lambda trap: Payload(eval, f"open({str(trap)!r}, 'w')"), "eval"),
        (lambda trap: Payload(getattr, "text", "upper"), "getattr"),
        (lambda trap: Payload(np.fromfile, str(trap)), "fromfile"),
        (lambda trap: Payload(Payload, state={"a": 1}), "Payload"),
    ],
)
@pytest.mark.parametrize("nest", ["alone", "dictionary", "array"])
def test_a_payload_is_refused_by_name_and_never_run(tmp_path, payload, name, nest, protocol):
    trap = tmp_path / "trap"
    value = payload(trap)
    if nest == "dictionary":
        value = {"S1": [(1, value)]}
    if nest == "array":
        inner = np.empty(2, dtype=object)
        inner[:] = [np.eye(2), value]
        value = {"S1": inner}
    path = save_object(tmp_path / "a.npy", value, protocol)
    with pytest.raises(pickles.Refused, match=rf"a\.npy: asks for .*{name}"):
        npz.read(path)
    assert not trap.exists()


def test_a_payload_inside_an_archive_is_refused_too(tmp_path):
    trap = tmp_path / "trap"
    np.savez(tmp_path / "a.npz", positions_3d={"S1": Payload(os.system, f"touch {trap}")})
    with pytest.raises(pickles.Refused, match="positions_3d.*system"):
        npz.read_archive(tmp_path / "a.npz")
    assert not trap.exists()


def test_known_functions_can_not_be_altered_or_turned_to_other_use(tmp_path):
    altered = b"\x80\x02cnumpy\ndtype\n}U\x08__call__K\x01sb."
    with pytest.raises(pickles.Refused, match="alters a function"):
        npz.read(save_stream(tmp_path / "a.npy", altered))
    allocation = b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R."
    with pytest.raises(pickles.Refused, match="ndarray directly"):
        npz.read(save_stream(tmp_path / "b.npy", allocation))
    with pytest.raises(pickles.Refused, match="where data should be"):
        npz.read(save_stream(tmp_path / "c.npy", b"\x80\x02cnumpy\ndtype\n."))


def test_records_and_references_outside_the_file_are_refused(tmp_path):
    records = {"a": np.zeros(2, dtype=[("x", "f4"), ("y", "O")])}
    with pytest.raises(pickles.Refused, match="records"):
        npz.read(save_object(tmp_path / "a.npy", records, 2))
    with pytest.raises(pickles.Refused, match="outside itself"):
        npz.read(save_stream(tmp_path / "b.npy", b"\x80\x02Psomewhere\n."))


def test_what_a_file_says_of_a_types_flags_does_not_matter(tmp_path):
    """numpy would take flags that call numbers pointers."""
    stream = pickle.dumps({"a": np.arange(2.0)}, protocol=2)
    flags = b"\xff\xff\xff\xffK\x00tq"
    assert stream.count(flags) == 1
    stream = stream.replace(flags, b"\xff\xff\xff\xffK\x3ftq")
    assert npz.read(save_stream(tmp_path / "a.npy", stream))["a"].tolist() == [0, 1]


def test_absurd_shapes_and_indices_take_no_memory(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"shape": (10**9, 10**9), "fortran_order": False, "descr": "<f8"}
        )
    with pytest.raises(ValueError, match=r"a\.npy.*needs 8000000000000000000 bytes"):
        npz.read(path)
    pickled = pickle.dumps(np.zeros(2), protocol=2).replace(
        b"K\x02\x85q", b"J\xff\xff\xff\x7f\x85q"
    )
    with pytest.raises(ValueError, match="do not agree"):
        npz.read(save_stream(tmp_path / "b.npy", pickled))
    memo = b"\x80\x02Nr" + struct.pack("<I", 2**31) + b"."
    assert npz.read(save_stream(tmp_path / "c.npy", memo)) is None


def test_a_small_archive_can_not_fill_the_memory(tmp_path):
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))
    assert path.stat().st_size < 3_000_000
    with pytest.raises(pickles.Refused, match="a.npy claims 314572800 bytes"):
        npz.read_archive(path)


def test_tuples_that_would_take_ages_to_hash_are_refused(tmp_path):
    key = None
    for _ in range(60):
        key = (key, key)
    doubling = b"\x80\x02}N" + b"2\x86" * 60 + b"Ns."
    with pytest.raises(pickles.Refused, match=r"a\.npy.*a key of other things"):
        npz.read(save_stream(tmp_path / "a.npy", doubling))
    # As values they are harmless.
    assert len(npz.read(save_stream(tmp_path / "a.npy", pickle.dumps([key], protocol=2)))) == 1


@pytest.mark.parametrize("depth", [3, 300_000])
def test_bottomless_nesting_is_an_error_and_not_a_crash(tmp_path, depth):
    stream = b"\x80\x02}N" + b"\x85" * depth + b"K\x01s."  # a key in tuples in tuples ...
    with pytest.raises(ValueError, match=r"a\.npy"):
        npz.read(save_stream(tmp_path / "a.npy", stream))


def test_parts_that_are_shared_do_not_multiply(tmp_path):
    value = [0]
    for _ in range(60):
        value = [value, value]
    found = npz.read(save_object(tmp_path / "a.npy", value, 2))
    assert found[0] is found[1]


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_file_cut_off_anywhere_is_an_error_that_names_it(tmp_path, name):
    whole, cut = tmp_path / f"whole-{name}", tmp_path / name
    if name.endswith("npy"):
        save_object(whole, DATA, 4)
    else:
        np.savez_compressed(whole, positions_3d=DATA)
    content = whole.read_bytes()
    read = npz.read if name.endswith("npy") else npz.read_archive
    for length in range(0, len(content) - 1, 7):
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=name):
            read(cut)


def test_a_damaged_archive_member_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, positions_3d=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[4000] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"a\.npz.*get it again"):
        npz.read_archive(path)


def test_other_files_and_absent_ones_are_named(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"a\.npy.*not a numpy file"):
        npz.read(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"a\.npy.*not a zip file"):
        npz.read_archive(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*b\.npy"):
        npz.read(tmp_path / "b.npy")
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("readme.txt", "not an array")
    with pytest.raises(ValueError, match=r"c\.npz:readme\.txt.*not a numpy file"):
        npz.read_archive(tmp_path / "c.npz")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_every_single_changed_byte_gives_data_or_a_named_error(tmp_path):
    rng = np.random.default_rng(0)
    stream = io.BytesIO()
    np.save(stream, np.array({"S1": [np.arange(3.0), "text"]}, dtype=object), allow_pickle=True)
    for spot in range(len(stream.getvalue())):
        content = bytearray(stream.getvalue())
        content[spot] = rng.integers(256)
        path = tmp_path / "a.npy"
        path.write_bytes(bytes(content))
        try:
            npz.read(path)
        except ValueError as error:
            assert "a.npy" in str(error)

"""SMPL's model files: every layout comes out bit by bit, and nothing in a file is ever run."""

import io
import itertools
import os
import pickle
import re
import struct
import subprocess
import sys
import types
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from posekit.cli import main
from posekit.data.formats import pickles, smpl

PARENTS = [2**32 - 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
V, F = 40, 60


def body(shapes=10, floats=np.float64, seed=0, V=V):
    """Plain arrays of a body model, as small as can be."""
    rng = np.random.default_rng(seed)
    regressor = rng.random((24, V)) * (rng.random((24, V)) < 0.2)
    regressor[:, 0] += 0.1  # so that no row is empty
    return {
        "v_template": rng.normal(0, 0.3, (V, 3)).astype(floats),
        "shapedirs": rng.normal(size=(V, 3, shapes)).astype(floats),
        "posedirs": rng.normal(size=(V, 3, 207)).astype(floats),
        "J_regressor": (regressor / regressor.sum(1, keepdims=True)).astype(floats),
        "weights": rng.dirichlet(np.ones(24), V).astype(floats),
        "f": rng.integers(0, V, (F, 3), dtype=np.uint32),
        "kintree_table": np.array([PARENTS, range(24)], dtype=np.int64),
    }


@pytest.fixture
def chumpy(monkeypatch):
    """chumpy.ch.Ch as it pickles itself (chumpy does not build on today's Python)."""

    class Ch:
        def __new__(cls, x=None):
            self = super().__new__(cls)
            if x is not None:
                self.__dict__ |= ch_state(x)
                self.__dict__ |= {"_parents": weakref.WeakKeyDictionary(), "_cache": {"r": None}}
            return self

        def __getstate__(self):
            state = dict(self.__dict__)
            del state["_parents"], state["_cache"]
            return state

    class Select(Ch):
        """A chumpy value that is computed from another."""

    for name, kind in {"ch.Ch": Ch, "reordering.Select": Select}.items():
        module, kind.__name__ = name.split(".")
        kind.__module__, kind.__qualname__ = f"chumpy.{module}", kind.__name__
        fake = types.ModuleType(kind.__module__)
        setattr(fake, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, kind.__module__, fake)
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    return sys.modules["chumpy.ch"], sys.modules["chumpy.reordering"]


def ch_state(x):
    """What an object of chumpy.ch.Ch keeps."""
    deps = {"dr": {"deps": {"x"}, "value": None, "out_of_date": True}}
    return {
        "_dirty_vars": {"x"},
        "_itr": None,
        "_make_dense": False,
        "_make_sparse": False,
        "_depends_on_deps": deps,
        "x": x,
    }


def as_distributed(model, wrap, sparse=scipy.sparse.csc_matrix):
    """The keys that the licensed files carry, chumpy and sparse values among them."""
    return {
        "J_regressor_prior": sparse(model["J_regressor"]),
        "J_regressor": sparse(model["J_regressor"]),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "betas": wrap(np.zeros(10)),
        "pose_training_info": {"subjects": {"a", "b"}, "frames": [1, 2**40, 2.5, True, None]},
        "vert_sym_idxs": np.arange(len(model["weights"]))[::-1],
        "weights_prior": model["weights"] * 2,
        "J": model["J_regressor"] @ model["v_template"],
        "shapedirs": wrap(model["shapedirs"]),
        "v_template": wrap(model["v_template"]),
        "posedirs": np.asfortranarray(model["posedirs"]),
        "weights": model["weights"],
        "f": model["f"],
        "kintree_table": model["kintree_table"],
    }


@dataclass(frozen=True)
class Python2Object:
    """An object of a class that only Python 2 had."""

    module: str
    name: str
    state: Any


class Python2:
    """Pickles as Python 2 did: byte strings without a type, its modules' names, its opcodes."""

    def __init__(self, protocol):
        self.protocol, self.memo = protocol, {}

    def dump(self, value):
        start = b"\x80\x02" if self.protocol == 2 else b""
        return start + self.write(value) + b"."

    def write(self, value):
        kinds = {bool: "bool", int: "int", float: "float", str: "text", bytes: "text"}
        kinds |= {tuple: "tuple", list: "list", dict: "dict", set: "set", np.ndarray: "array"}
        kinds |= {Python2Object: "object", type(None): "none"}
        return getattr(self, f"_{kinds[type(value)]}")(value)

    def _none(self, value):
        return b"N"

    def _bool(self, value):
        if self.protocol == 2:
            return b"\x88" if value else b"\x89"
        return b"I01\n" if value else b"I00\n"

    def _int(self, value):
        if not -(2**31) <= value < 2**31:
            return (
                b"\x8a\x08" + struct.pack("<q", value) if self.protocol == 2 else b"L%dL\n" % value
            )
        if self.protocol == 0:
            return b"I%d\n" % value
        return b"K" + bytes([value]) if 0 <= value < 256 else b"J" + struct.pack("<i", value)

    def _float(self, value):
        return b"G" + struct.pack(">d", value) if self.protocol else b"F%r\n" % value

    def _text(self, value):
        raw = value if isinstance(value, bytes) else value.encode()
        if raw in self.memo:
            number = self.memo[raw]
            return b"h" + bytes([number]) if self.protocol else b"g%d\n" % number
        if not self.protocol:
            said = b"S" + repr(raw)[1:].encode() + b"\n"  # both Pythons escape alike
        elif len(raw) < 256:
            said = b"U" + bytes([len(raw)]) + raw
        else:
            said = b"T" + struct.pack("<i", len(raw)) + raw
        if len(self.memo) == 256 or len(raw) > 64:
            return said
        self.memo[raw] = number = len(self.memo)
        return said + (b"q" + bytes([number]) if self.protocol else b"p%d\n" % number)

    def _tuple(self, values):
        parts = b"".join(map(self.write, values))
        if self.protocol == 2 and 0 < len(values) < 4:
            return parts + b"\x85\x86\x87"[len(values) - 1 : len(values)]
        return b")" if self.protocol and not values else b"(" + parts + b"t"

    def _list(self, values):
        parts = [self.write(value) for value in values]
        if self.protocol:
            return b"](" + b"".join(parts) + b"e"
        return b"(l" + b"".join(part + b"a" for part in parts)

    def _dict(self, pairs):
        parts = [self.write(key) + self.write(value) for key, value in pairs.items()]
        if self.protocol:
            return b"}(" + b"".join(parts) + b"u"
        return b"(d" + b"".join(part + b"s" for part in parts)

    def _set(self, values):
        return b"c__builtin__\nset\n" + self.write((sorted(values),)) + b"R"

    def _array(self, array):
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        raw = array.tobytes(order="F" if fortran else "C")
        kind = array.dtype.str[1:]
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        made += (
            self.write((0,)) + self.write("b") + b"tR(" + self.write(1) + self.write(array.shape)
        )
        made += b"cnumpy\ndtype\n" + self.write((kind, 0, 1)) + b"R"
        made += self.write((3, "<", None, None, None, -1, -1, 0)) + b"b"
        return made + self.write(bool(fortran)) + self.write(raw) + b"tb"

    def _object(self, value):
        kind = f"c{value.module}\n{value.name}\n".encode()
        if self.protocol == 2:
            made = kind + b")\x81"
        else:
            made = b"ccopy_reg\n_reconstructor\n(" + kind + b"c__builtin__\nobject\nNtR"
        return made + self.write(value.state) + b"b"


def old_sparse(matrix, kind=scipy.sparse.csc_matrix):
    """A csc, csr or coo matrix as scipy had them when SMPL was made."""
    matrix, form = kind(matrix), kind.__name__[:3]
    state = {"_shape": matrix.shape, "maxprint": 50, "data": matrix.data}
    names = ("row", "col") if form == "coo" else ("indices", "indptr")
    state |= {name: np.asarray(getattr(matrix, name)) for name in names}
    return Python2Object(f"scipy.sparse.{form}", kind.__name__, state)


def old_chumpy(x):
    return Python2Object("chumpy.ch", "Ch", ch_state(x))


def save(path, value, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def check_same(found, model):
    assert list(found) == list(smpl.KEYS)
    for key, array in model.items():
        assert found[key].dtype == array.dtype and found[key].shape == array.shape, key
        assert found[key].tobytes() == array.tobytes(), key


KINDS = [scipy.sparse.csc_matrix, scipy.sparse.csr_matrix, scipy.sparse.coo_matrix]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("sparse", [*KINDS, scipy.sparse.csc_array])
@pytest.mark.parametrize(("shapes", "floats"), [(10, np.float64), (300, np.float32)])
def test_files_of_todays_python_come_out_bit_by_bit(
    tmp_path, chumpy, protocol, sparse, shapes, floats
):
    model = body(shapes, floats)
    path = save(tmp_path / "smpl.pkl", as_distributed(model, chumpy[0].Ch, sparse), protocol)
    check_same(smpl.read(path), model)


class Usual(pickle.Unpickler):
    """Python's own reader, told where the modules of old went."""

    def find_class(self, module, name):
        if module.startswith("scipy.sparse."):
            return getattr(scipy.sparse, name)
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_python_2_come_out_bit_by_bit(tmp_path, chumpy, protocol, kind):
    model = body()
    value = as_distributed(model, old_chumpy, lambda matrix: old_sparse(matrix, kind))
    stream = Python2(protocol).dump(value)
    (tmp_path / "smpl.pkl").write_bytes(stream)
    check_same(smpl.read(tmp_path / "smpl.pkl"), model)
    # Python's own reader, with the real scipy, agrees that the stream is such a file.
    theirs = Usual(io.BytesIO(stream), encoding="latin1").load()
    assert np.array_equal(theirs["shapedirs"].x, model["shapedirs"])
    assert theirs["pose_training_info"] == value["pose_training_info"]
    assert np.array_equal(theirs["posedirs"], model["posedirs"])
    if kind is not scipy.sparse.coo_matrix:  # its fields have other names today
        assert np.array_equal(theirs["J_regressor"].toarray(), model["J_regressor"])


def test_chumpy_is_not_imported(tmp_path):
    value = as_distributed(body(), old_chumpy, old_sparse)
    (tmp_path / "smpl.pkl").write_bytes(Python2(2).dump(value))
    smpl.read(tmp_path / "smpl.pkl")
    assert "chumpy" not in sys.modules


@pytest.fixture
def unchecked(monkeypatch):
    """Regressors whose rows may add up to anything."""
    monkeypatch.setattr(smpl.body_files, "check", lambda arrays: arrays)


def test_equal_places_in_a_sparse_matrix_add_up_and_room_to_spare_is_left_out(tmp_path, unchecked):
    doubled = scipy.sparse.coo_matrix(
        ([0.1, 0.2, 0.7], ([3, 3, 4], [5, 5, 6])), shape=(24, V), dtype=np.float64
    )
    roomy = scipy.sparse.csc_matrix(doubled)
    roomy.indices = np.append(roomy.indices, np.int32(-7))
    roomy.data = np.append(roomy.data, 9.0)
    for regressor in (doubled, roomy):
        path = save(tmp_path / "smpl.pkl", body() | {"J_regressor": regressor})
        assert np.array_equal(smpl.read(path)["J_regressor"], doubled.toarray())


def test_converting_writes_plain_arrays_and_says_what(tmp_path):
    model = body()
    path = save(tmp_path / "model_v1.0.0.pkl", model | {"bs_type": "lrotmin"})
    said = smpl.convert(path)
    out = tmp_path / "model_v1.0.0.npz"
    with np.load(out, allow_pickle=False) as archive:
        check_same({key: archive[key] for key in archive.files}, model)
    assert said == smpl.Converted(out, V, F, 24, 10, fresh=True)
    assert f"wrote {out}: {V} vertices, {F} faces, 24 joints, 10 shape components" in str(said)
    assert sorted(tmp_path.iterdir()) == [out, path]


def test_what_is_there_is_never_overwritten(tmp_path):
    path, out = save(tmp_path / "a.pkl", body()), tmp_path / "new" / "a.npz"
    assert smpl.convert(path, out).fresh
    first = out.read_bytes(), out.stat().st_mtime_ns
    again = smpl.convert(path, out)
    assert not again.fresh and "unchanged" in str(again)
    assert (out.read_bytes(), out.stat().st_mtime_ns) == first
    save(path, body(seed=1))
    with pytest.raises(FileExistsError, match=r"a\.npz is there already.*another --out"):
        smpl.convert(path, out)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(FileExistsError, match=r"folder\.npz is there already"):
        smpl.convert(path, tmp_path / "folder.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        smpl.convert(path, tmp_path / "model.pkl")
    assert (out.read_bytes(), out.stat().st_mtime_ns) == first


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path = save(tmp_path / "a.pkl", body())

    def full(file):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"can't write .*a\.npz: No space left"):
        smpl.convert(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_computed_chumpy_values_are_refused_by_name_with_the_remedy(tmp_path, chumpy, protocol):
    value = body() | {"shapedirs": chumpy[1].Select(np.zeros(3))}
    path = save(tmp_path / "mano.pkl", value, protocol)
    with pytest.raises(
        pickles.Refused,
        match=r"mano\.pkl: asks for chumpy\.reordering\.Select.*nothing was run.*numpy\.array\(value",
    ):
        smpl.read(path)


class Payload:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


NESTS = {
    "alone": lambda bad: bad,
    "dictionary": lambda bad: body() | {"pose_training_info": {"a": [1, (2, bad)]}},
    "key": lambda bad: body() | {"f": bad},
    "object array": lambda bad: body() | {"f": np.array([bad, None], dtype=object)},
    "array state": lambda bad: (
        body() | {"f": Python2Object("numpy.core.multiarray", "_reconstruct", bad)}
    ),
    "chumpy": lambda bad: body() | {"shapedirs": Python2Object("chumpy.ch", "Ch", bad)},
    "sparse": lambda bad: (
        body() | {"J_regressor": Python2Object("scipy.sparse.csc", "csc_matrix", bad)}
    ),
}


class NestedPickler(pickle._Pickler):
    """Writes Python2Objects as their state put on a new object."""

    def save(self, value, save_persistent_id=True):
        if not isinstance(value, Python2Object):
            super().save(value, save_persistent_id)
            return
        self.write(f"c{value.module}\n{value.name}\n".encode())
        self.write(b"(cnumpy\nndarray\n(tS'b'\ntR" if "numpy" in value.module else b")\x81")
        super().save(value.state, save_persistent_id)
        self.write(b"b")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "system"), (eval, "eval"), (exec, "exec"), (getattr, "getattr")]
    + [(np.fromfile, "fromfile"), (subprocess.Popen, "Popen"), (__import__, "__import__")],
)
def test_a_call_anywhere_is_refused_by_name_and_never_made(
    tmp_path, function, name, nest, protocol
):
    trap = tmp_path / "trap"
    code = f"open({str(trap)!r}, 'w')"
    arguments = {os.system: (f"touch {trap}",), subprocess.Popen: (["touch", str(trap)],)}
    bad = Payload(function, *arguments.get(function, (code,)))
    stream = io.BytesIO()
    NestedPickler(stream, protocol).dump(NESTS[nest](bad))
    path = tmp_path / "smpl.pkl"
    path.write_bytes(stream.getvalue())
    with pytest.raises(pickles.Refused, match=rf"smpl\.pkl: asks for .*{name}.*nothing was run"):
        smpl.read(path)
    assert not trap.exists()


CH, NPY = b"cchumpy.ch\nCh\n", b"cnumpy\ndtype\n"
FIRST = b"\x80\x02}U\x0av_template"  # a model up to its first value, and what comes after it
REST = b"s" + b"".join(b"U%c%bNs" % (len(k), k.encode()) for k in list(smpl.KEYS)[1:]) + b"."
REBUILD = b"ccopy_reg\n_reconstructor\n"
CRAFTED = {
    "REDUCE": (b"cos\nsystem\n(S'touch TRAP'\ntR.", "asks for os.system"),
    "posix": (b"cposix\nsystem\n(S'touch TRAP'\ntR.", "asks for posix.system"),
    "INST": (b"(S'touch TRAP'\nios\nsystem\n.", "asks for os.system"),
    "name after damage": (CH + b"(S'x'\ntRcos\nsystem\n.", "TypeError"),
    "OBJ": (b"(cos\nsystem\nS'touch TRAP'\no.", "asks for os.system"),
    "NEWOBJ": (
        b"\x80\x02csubprocess\nPopen\nS'touch TRAP'\n\x85\x81.",
        "asks for subprocess.Popen",
    ),
    "NEWOBJ_EX": (
        b"\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93S'touch TRAP'\n\x85}\x92.",
        "asks for subprocess.Popen",
    ),
    "STACK_GLOBAL": (
        b"\x80\x04\x8c\x02os\x8c\x06system\x93S'touch TRAP'\n\x85R.",
        "asks for os.sys",
    ),
    "dotted name": (
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        "asks for numpy.ndarray.dumps",
    ),
    "global of ours": (b"cposekit.data.formats.pickles\npickle.loads\n.", "asks for posekit.data"),
    "EXT": (b"\x80\x02\x82\x01.", "refers outside itself"),
    "PERSID": (b"\x80\x02Psomewhere\n.", "refers outside itself"),
    "BINPERSID": (b"\x80\x02S'somewhere'\nQ.", "refers outside itself"),
    "reconstructor of os": (
        REBUILD + b"(cos\nsystem\nc__builtin__\nobject\nNtR.",
        "asks for os.system",
    ),
    "reconstructor of dtype": (
        REBUILD + b"(" + NPY + b"c__builtin__\nobject\nNtR.",
        "rebuilds something",
    ),
    "reconstructor of object": (
        REBUILD + b"(c__builtin__\nobject\nc__builtin__\nobject\nNtR.",
        "rebuilds something",
    ),
    "reconstructor with state": (
        REBUILD + b"(" + CH + b"c__builtin__\nobject\nS'touch TRAP'\ntR.",
        "rebuilds something",
    ),
    "object called": (b"c__builtin__\nobject\n(tR.", "object or numpy.ndarray directly"),
    "state of a function": (NPY + b"}S'_build'\nS'x'\nsb.", "alters a function"),
    "slots of a function": (NPY + b"(N}S'_build'\nS'x'\nstb.", "alters a function"),
    "state of a class": (CH + b"}S'__setstate__'\nS'x'\nsb.", "alters a type"),
    "slots of a class": (CH + b"(N}S'__setstate__'\nS'x'\nstb.", "alters a type"),
    "class as its own state": (CH + CH + b")\x81b.", "alters a type"),
    "slots of a set": (
        b"c__builtin__\nset\n(tR(N}S'__class__'\n" + CH + b"stb.",
        "alters a set",
    ),
    "slots of a dictionary": (
        b"ccollections\nOrderedDict\n(tR(N}S'__class__'\n" + CH + b"stb.",
        "alters a dict",
    ),
    "slots of an array": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(tS'b'\ntR"
        b"(N}S'__class__'\n" + CH + b"stb.",
        "TypeError",
    ),
    "arguments for a class": (CH + b"S'touch TRAP'\n\x85\x81.", "TypeError"),
    "calling a class": (CH + b"(S'touch TRAP'\ntR.", "TypeError"),
    "NEWOBJ of a function": (b"\x80\x02" + NPY + b")\x81.", "not a type object"),
    "items of an object": (CH + b")\x81S'x'\nS'y'\ns.", "TypeError"),
    "terminal": (b"\x80\x04\x8c\x02os\x8c\x08sys\x1b[2J\n\x93.", r"os.sys\x1b[2J\n, which"),
    "memo": (b"\x80\x02Nr" + struct.pack("<I", 2**31) + b".", "holds a NoneType"),
    "claimed bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.", "EOFError"),
    "claimed bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.", "EOFError"),
    "tuples to hash": (b"\x80\x02}N" + b"2\x86" * 60 + b"Ns.", "a key of other things"),
    "tuples from the memo": (
        b"\x80\x02}Nq\x00" + b"0h\x00h\x00\x86q\x00" * 60 + b"Ns.",
        "a key of other things",
    ),
    "type of a list": (NPY + b"(]" + b"tR.", "makes a type of a list"),
    "shape": (
        FIRST
        + b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(tU\x01btR(K\x01("
        + b"K\x07" * 50_000
        + b"tcnumpy\ndtype\n(U\x02f8K\x00K\x01tRI00\nU\x00tb"
        + REST,
        "a shape that is not made of counts",
    ),
    "empty": (b"", "damaged"),
    "web page": (b"<html>404</html>", "no pickle of data begins with b'<html>404"),
    "text": (b"hello, read me\n", "no pickle of data begins with b'hello, read me"),
    "Python": (b"from os import system\n", "no pickle of data"),
    "imports": (b"import os\nimport sys\nos.remove('TRAP')\n", "no pickle of data"),
    "half": (b"\x80\x02}q\x00X\x04", "it is damaged or only half downloaded"),
    "list": (b"].", "holds a list, not a body model"),
    "function": (NPY + b".", "holds a function where data should be"),
    "no keys": (b"}S'f'\nNs.", "has no v_template, shapedirs"),
    "array": (b"\x93NUMPY\x01\x00", "not a pickle but a numpy array"),
    "gzip": (b"\x1f\x8b\x08", "not a pickle but compressed"),
    "resource fork": (b"\x00\x05\x16\x07\x00", "take the one without"),
}


@pytest.mark.parametrize("crafted", CRAFTED)
def test_crafted_streams_do_nothing_and_get_one_line(tmp_path, crafted, convert):
    stream, says = CRAFTED[crafted]
    trap = tmp_path / "trap"
    path = tmp_path / "smpl.pkl"
    path.write_bytes(stream.replace(b"TRAP", str(trap).encode()))
    known = [kind.__dict__.copy() for kind in (pickles.Stub, smpl._Chumpy, pickles._Dtype)]
    line = convert(path)
    assert str(path) in line and says in line
    assert not trap.exists() and list(tmp_path.iterdir()) == [path]
    assert known == [kind.__dict__ for kind in (pickles.Stub, smpl._Chumpy, pickles._Dtype)]


@pytest.fixture
def convert(monkeypatch, capsys):
    """`posekit data convert-smpl` of a bad file: the one line that it says."""

    def run(*words):
        command = ["posekit", "data", "convert-smpl", *map(str, words)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        (line,) = said.err.splitlines()
        assert end.value.code == 1 and not said.out and line.startswith("posekit: ")
        return line

    return run


def test_the_command_converts(tmp_path, monkeypatch, capsys):
    path = save(tmp_path / "smpl.pkl", body())
    command = ["posekit", "data", "convert-smpl", str(path), "--out", str(tmp_path / "b.npz")]
    monkeypatch.setattr(sys, "argv", command)
    for did in ("wrote ", "already there, unchanged: "):
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        assert capsys.readouterr().out.startswith(f"{did}{tmp_path / 'b.npz'}: {V} vertices")


def test_other_things_than_files_of_pickles_are_named(tmp_path, convert):
    assert "is a folder, not a .pkl file: name" in convert(tmp_path)
    assert ": . is a folder, not a .pkl file: name" in convert(".")
    assert "there is no .pkl file" in convert(tmp_path / "nowhere.pkl")
    np.savez(tmp_path / "done.npz", **body())
    assert "a zip or npz archive" in convert(tmp_path / "done.npz", "--out", tmp_path / "b.npz")
    path = save(tmp_path / "smpl.pkl", body())
    assert "must end in .npz" in convert(path, "--out", tmp_path / "b")
    (tmp_path / "large.pkl").touch()
    os.truncate(tmp_path / "large.pkl", smpl.MAX_BYTES + 1)  # sparse: takes no room
    assert "no SMPL model is that large" in convert(tmp_path / "large.pkl")


def altered(model, key, change):
    array = model[key].copy()
    change(array)
    return model | {key: array}


def cell(*place, value):
    return lambda array: array.__setitem__(place, value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m | {"shapedirs": m["shapedirs"][1:]}, r"shapedirs has shape \(39, 3, 10\)"),
        (lambda m: m | {"shapedirs": m["shapedirs"][..., :0]}, "shapedirs has shape"),
        (lambda m: m | {"posedirs": m["posedirs"][..., :135]}, r"posedirs .*not \(40, 3, 207\)"),
        (lambda m: m | {"J_regressor": m["J_regressor"].T}, r"J_regressor .*not \(24, 40\)"),
        (lambda m: m | {"weights": m["weights"][:, :16]}, r"weights .*\(40, 16\), not \(40, 24\)"),
        (lambda m: m | {"f": m["f"].reshape(-1)}, r"f has shape .* not \(any, 3\)"),
        (lambda m: m | {"f": m["f"][:0]}, "f has shape"),
        (lambda m: m | {"v_template": np.float64(1)}, "v_template: .*a float where an array"),
        (lambda m: m | {"v_template": m["v_template"].astype(int)}, "v_template holds int64"),
        (lambda m: m | {"weights": m["weights"].astype(str)}, "weights holds <U.*not floats"),
        (lambda m: m | {"weights": m["weights"].astype(object)}, "weights holds object, not float"),
        (lambda m: m | {"f": m["f"].astype(float)}, "f holds float64, not whole numbers"),
        (lambda m: m | {"kintree_table": m["kintree_table"][:, :22]}, "kintree_table has shape"),
        (lambda m: {k: v for k, v in m.items() if k != "posedirs"}, "has no posedirs"),
        (lambda m: m | {"v_template": 1000 * m["v_template"]}, "large; a body file is in metres"),
        (lambda m: m | {"weights": 2 * m["weights"]}, "weights has rows that do not add up to one"),
        (lambda m: altered(m, "posedirs", cell(3, 1, 7, value=np.nan)), "posedirs .* not finite"),
        (lambda m: altered(m, "weights", cell(3, 1, value=np.inf)), "weights .* not finite"),
        (lambda m: altered(m, "f", cell(3, 1, value=V)), f"f must name vertices 0 to {V - 1}"),
        *(
            (lambda m, c=c: altered(m, "kintree_table", c), "is not SMPL's tree of 24 joints")
            for c in (
                *(cell(0, 3, value=value) for value in (5, 3, -1)),
                *(cell(0, 0, value=4), cell(1, 4, value=5)),
            )
        ),
    ],
)
def test_models_that_do_not_agree_with_themselves_are_refused(tmp_path, convert, change, says):
    line = convert(save(tmp_path / "smpl.pkl", change(body())))
    assert re.search(rf"smpl\.pkl.*{says}", line)
    assert not (tmp_path / "smpl.npz").exists()


@pytest.mark.parametrize("root", [-1, 2**32 - 1])
def test_both_ways_to_write_a_root_are_kept_as_they_are(tmp_path, root):
    model = altered(body(), "kintree_table", cell(0, 0, value=root))
    assert smpl.read(save(tmp_path / "smpl.pkl", model))["kintree_table"][0, 0] == root


def ints(*values):
    return np.array(values, dtype=np.int64)


ENDS = np.arange(V + 1).clip(max=3)
SPARSE = {"_shape": (24, V), "data": np.ones(3), "indices": ints(0, 1, 2), "indptr": ENDS}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("indices", ints(0, 24, 2), "indices must be < 24"),
        ("indices", ints(0, -1, 2), "indices must be >= 0"),
        ("indices", np.array([0, 2**64 - 1, 2], dtype=np.uint64), "indices must be >= 0"),
        ("indices", ints(0, 1), "indices and data should have the same size"),
        ("indices", np.zeros(3), "indices is not a row of numbers"),
        ("indices", [0, 1, 2], "indices is not a row of numbers"),
        ("indptr", np.append(ENDS[:-2], [1, 3]), "indptr must be a non-decreasing sequence"),
        ("indptr", np.append(ENDS[:-2], [2**63 - 1, -(2**63)]), "indptr does not fit"),
        ("indptr", ENDS + 1, "indptr does not fit"),
        ("indptr", ENDS * 2, "indptr does not fit"),
        ("indptr", ENDS[1:], "index pointer size 40 should be 41"),
        ("indptr", ENDS[:, None], "indptr is not a row"),
        ("data", np.array(["a", "b", "c"]), "data is not a row of numbers"),
        ("data", np.array([[1.0, 2, 3]]), "data is not a row"),
        ("_shape", (10**6, 10**6), "too large"),
        ("_shape", (2**62, 0), "index pointer size 41 should be 1"),
        ("_shape", (24, -V), "not made of counts"),
        ("_shape", (24, V, 1), "no or too large a size"),
        ("_shape", None, "TypeError"),
        ("data", old_sparse(np.eye(3)), "data is not a row of numbers"),
    ],
)
def test_damaged_sparse_matrices_are_refused(tmp_path, convert, field, value, says):
    matrix = Python2Object("scipy.sparse.csc", "csc_matrix", SPARSE | {field: value})
    path = tmp_path / "smpl.pkl"
    stream = io.BytesIO()
    NestedPickler(stream, 2).dump(body() | {"J_regressor": matrix})
    path.write_bytes(stream.getvalue())
    line = convert(path)
    assert "smpl.pkl: J_regressor" in line and says in line


def test_the_matrix_that_those_are_made_from_is_sound(tmp_path, unchecked):
    stream = io.BytesIO()
    matrix = Python2Object("scipy.sparse.csc", "csc_matrix", SPARSE)
    NestedPickler(stream, 2).dump(body() | {"J_regressor": matrix})
    (tmp_path / "smpl.pkl").write_bytes(stream.getvalue())
    assert np.array_equal(
        smpl.read(tmp_path / "smpl.pkl")["J_regressor"], np.eye(24, V) * ([1] * 3 + [0] * 37)
    )


def nested_chumpy(depth):
    return (CH + b")\x81}U\x01x") * depth + b"N" + b"sb" * depth


@pytest.mark.parametrize("depth", [2, 3_000])
def test_chumpy_values_inside_each_other_are_refused(tmp_path, convert, depth):
    (tmp_path / "smpl.pkl").write_bytes(FIRST + nested_chumpy(depth) + REST)
    assert "v_template: ValueError: a _Chumpy where an array" in convert(tmp_path / "smpl.pkl")


def test_a_chumpy_value_that_holds_itself_is_refused(tmp_path, convert):
    itself = CH + b")\x81q\x00}U\x01xh\x00sb"
    (tmp_path / "smpl.pkl").write_bytes(FIRST + itself + REST)
    assert "v_template: ValueError: a _Chumpy where an array" in convert(tmp_path / "smpl.pkl")


def test_claimed_shapes_take_no_memory(tmp_path, convert):
    stream = pickle.dumps(body(), protocol=2)
    claimed = struct.pack("<BBBBB", ord("K"), V, ord("K"), 3, 0x86)
    assert claimed in stream
    path = tmp_path / "smpl.pkl"
    path.write_bytes(stream.replace(claimed, b"J" + struct.pack("<i", 2**31 - 1) + b"K\x03\x86"))
    assert "bytes do not agree" in convert(path)


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_file_cut_off_anywhere_is_named_and_nothing_written(tmp_path, protocol):
    stream = Python2(protocol).dump(as_distributed(body(V=5), old_chumpy, old_sparse))
    path = tmp_path / "smpl.pkl"
    for length in itertools.chain(range(0, 400, 7), range(400, len(stream) - 1, 1999)):
        path.write_bytes(stream[:length])
        with pytest.raises(ValueError, match=r"smpl\.pkl"):
            smpl.convert(path)
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_every_single_changed_byte_gives_a_model_or_a_named_error(tmp_path):
    rng = np.random.default_rng(0)
    model = body(V=5)
    stream = Python2(2).dump(as_distributed(model, old_chumpy, old_sparse))
    telling = np.ones(len(stream), dtype=bool)  # all but the numbers, which may be any
    for array in model.values():
        if (start := stream.find(array.tobytes())) >= 0:
            telling[start : start + array.nbytes] = False
    for spot in rng.choice(np.flatnonzero(telling), 200):
        content = bytearray(stream)
        content[spot] = rng.integers(256)
        path = tmp_path / "smpl.pkl"
        path.write_bytes(bytes(content))
        try:
            smpl.read(path)
        except ValueError as error:
            assert "smpl.pkl" in str(error)

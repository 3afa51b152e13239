"""SMPL's licensed model files, turned into plain npz files without running what is in them.

SMPL (Loper et al. 2015, "SMPL: A Skinned Multi-Person Linear Model", ACM Trans. Graphics 34(6))
comes as a Python 2 pickle of numpy arrays, scipy sparse matrices and chumpy values. Python's own
reader would import chumpy and call whatever else such a file names; here stubs stand for scipy's and
chumpy's classes (see `pickles`) and every other name is refused. The file stays under SMPL's
licence, and so does the npz.

Dimension key: V vertices (6890), F faces (13776), S shape components (10 or 300).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from posekit.data.formats import pickles
from posekit.data.formats.pickles import Refused, Stub
from posekit.geometry import body, body_files
from posekit.geometry.skeleton import H36M17_LEFT_FIRST
from posekit.system import need_file, write_whole

SOURCE = (
    "get SMPL at smpl.is.tue.mpg.de, licence to accept, and run `posekit data convert-smpl FILE.pkl`; "
    "J_regressor_extra.npy and J_regressor_h36m.npy come with fetch_data.sh of nkolot/SPIN"
)
GENDERS = ("NEUTRAL", "MALE", "FEMALE")
MAX_BYTES = 2 * 1024**3  # of a model file; the one with 300 shape components has a quarter
MAX_CELLS = 32_000_000  # of a sparse matrix made dense; SMPL's has 165,360
KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")
MISTAKEN = {  # what a file begins with that is something else
    b"PK\x03\x04": "a zip or npz archive; unpack a download first, and an npz needs no conversion",
    b"\x93NUMPY": "a numpy array",
    b"\x00\x05\x16\x07": "what macOS keeps beside a file; take the one without '._' in its name",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
}


@dataclass(frozen=True)
class Converted:
    """What `convert` wrote, or found already there; `str` makes a line of it."""

    path: Path
    vertices: int
    faces: int
    joints: int
    shapes: int
    fresh: bool  # False: the same file was there already

    def __str__(self) -> str:
        did = "wrote" if self.fresh else "already there, unchanged:"
        return (
            f"{did} {self.path}: {self.vertices} vertices, {self.faces} faces, {self.joints} "
            f"joints, {self.shapes} shape components. SMPL's licence holds for it too: keep it "
            "to yourself"
        )


def convert(path: Path | str, out: Path | str | None = None) -> Converted:
    """Write the SMPL model in the pickle `path` as the npz `out` (beside it if None).

    The npz holds the seven keys of `read` and can be read with np.load(allow_pickle=False). The
    same model gives the same bytes. Raises what `read` raises; ValueError when `out` doesn't end
    in .npz; FileExistsError when something else is there; OSError when it can't be written.
    """
    path = Path(path)
    if out is not None and Path(out).suffix != ".npz":
        raise ValueError(f"--out {out}: the name must end in .npz")
    model = read(path)
    out = path.with_suffix(".npz") if out is None else Path(out)
    buffer = io.BytesIO()
    np.savez(buffer, **model)
    content = buffer.getvalue()
    fresh = not out.exists()
    if fresh:
        write_whole(out, lambda part: part.write_bytes(content))
    elif not out.is_file() or out.read_bytes() != content:
        raise FileExistsError(
            f"{out} is there already and is not this model; move it away or choose another --out"
        )
    vertices, _, shapes = model["shapedirs"].shape
    return Converted(out, vertices, len(model["f"]), len(model["J_regressor"]), shapes, fresh)


def load(folder: Path | str, gender: str = "NEUTRAL") -> body.Body:
    """The body of SMPL_NEUTRAL.npz, or of another of GENDERS, as `convert` makes such files.

    J_regressor_extra.npy and J_regressor_h36m.npy lie beside it. Errors as `body.load`.
    """
    folder = Path(folder)
    joints = {H36M17_LEFT_FIRST: folder / "J_regressor_h36m.npy"}
    return body.load(folder / f"SMPL_{gender}.npz", joints, folder / "J_regressor_extra.npy")


def read(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of the SMPL model in the pickle `path`, dense, with the types that it has.

    v_template (V, 3), shapedirs (V, 3, S), posedirs (V, 3, 207) in metres, J_regressor (24, V),
    weights (V, 24), f (F, 3) from 0, kintree_table (2, 24): parents and joints. Raises
    FileNotFoundError; pickles.Refused naming what else than plain data the
    file asks for (nothing was run); ValueError naming the file, and the key where there is one,
    when it is damaged, is something else than SMPL, or doesn't agree with itself.
    """
    path = Path(path)
    stream = _bytes_of(path)
    with pickles.named(path):
        made = pickles.load(stream, NAMES)
    if type(made) is not dict:
        raise ValueError(f"{path} holds a {type(made).__name__}, not a body model")
    if missing := [key for key in KEYS if key not in made]:
        raise ValueError(f"{path} has no {', '.join(missing)}: it is not an SMPL body model")
    model = {}
    for key in KEYS:
        with pickles.named(f"{path}: {key}"):
            model[key] = _dense(made[key])
    try:
        body_files.check(model)
    except ValueError as error:
        raise ValueError(f"{path} is no SMPL body model, or damaged: {error}") from error
    return model


def _bytes_of(path: Path) -> bytes:
    if (size := need_file(path, ".pkl file").stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes: no SMPL model is that large")
    stream = path.read_bytes()
    for start, what in MISTAKEN.items():
        if stream.startswith(start):
            raise ValueError(f"{path} is not a pickle but {what}")
    return stream


class _Chumpy(Stub):
    """A chumpy.ch.Ch: its value is what its state has under 'x'."""


class _Sparse(Stub):
    """A matrix of scipy.sparse, whose state is the dictionary of its fields."""

    form: type[scipy.sparse.spmatrix]


class _Columns(_Sparse):
    form = scipy.sparse.csc_matrix


class _Rows(_Sparse):
    form = scipy.sparse.csr_matrix


class _Entries(_Sparse):
    form = scipy.sparse.coo_matrix


def _rebuild(kind: Any, base: Any, state: Any) -> Stub:
    """copy_reg._reconstructor: how protocols 0 and 1 make an object before its state comes."""
    if not (isinstance(kind, type) and issubclass(kind, Stub)) or state is not None:
        raise Refused("its pickle rebuilds something else than a chumpy value or sparse matrix")
    return kind()


def _set(parts: Any = ()) -> set:
    return set(pickles.keys(parts))


def _dictionary(pairs: Any = ()) -> dict:
    return dict(zip(pickles.keys(key for key, _ in pairs), (value for _, value in pairs)))


NAMES = {
    ("chumpy.ch", "Ch"): _Chumpy,
    **{
        (f"scipy.sparse.{module}", f"{kind}_{form}"): stub
        for kind, stub in {"csc": _Columns, "csr": _Rows, "coo": _Entries}.items()
        for module in (kind, f"_{kind}")
        for form in ("matrix", "array")
    },
    **{(module, "_reconstructor"): _rebuild for module in ("copy_reg", "copyreg")},
    **{(module, "object"): pickles.only_named for module in ("__builtin__", "builtins")},
    **{(module, "set"): _set for module in ("__builtin__", "builtins")},
    ("collections", "OrderedDict"): _dictionary,
}


def _dense(value: Any) -> np.ndarray:
    """The array behind a key: as it is, a chumpy value's, or a sparse matrix written out."""
    if isinstance(value, _Chumpy):
        value = value.state["x"]
    if isinstance(value, _Sparse):
        value = _densify(value)
    if isinstance(value, np.ndarray):
        return value
    raise ValueError(f"a {type(value).__name__} where an array should be")


def _densify(matrix: _Sparse) -> np.ndarray:
    """The matrix with its zeros; entries for the same place add up."""
    fields, shape = matrix.state, matrix.state["_shape"]
    if len(shape) != 2 or pickles.count(shape) > MAX_CELLS:
        raise ValueError("a sparse matrix of no or too large a size")
    data = _line(fields["data"], "data", "biuf")
    if isinstance(matrix, _Entries):
        names = fields["coords"] if "coords" in fields else (fields["row"], fields["col"])
        places = tuple(_line(place, "coords", "iu") for place in names)
        return matrix.form((data, places), shape=shape).toarray("C")
    indices, ends = (_line(fields[name], name, "iu") for name in ("indices", "indptr"))
    if not ((ends >= 0) & (ends <= len(data))).all():  # scipy's own check may overflow, and dies
        raise ValueError("a sparse matrix whose indptr does not fit its data")
    made = matrix.form((data, indices, ends), shape=shape)
    made.check_format(full_check=True)
    return made.toarray("C")


def _line(value: Any, name: str, kinds: str) -> np.ndarray:
    """A sparse matrix's field `name`: one dimension, places as int64."""
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in kinds:
        raise ValueError(f"a sparse matrix whose {name} is not a row of numbers")
    return value.astype(np.int64) if kinds == "iu" else value

"""Body files: reading them with the checks that an untrusted file needs, and labelling body parts.

Files are npz with SMPL's keys, in metres: v_template (V, 3), shapedirs (V, 3, S), J_regressor
(24, V), weights (V, 24), f (F, 3), kintree_table (2, 24) and, if the body has them, posedirs
(V, 3, 207). Keys "regressor_NAME" hold regressors (K, V) under the name of a skeleton. The bundled
files in `bodies` (see its NOTICE) have the same form in smaller types.

Dimensions: V vertices, F faces, S shape components, K joints of a regressor.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from posekit.geometry.skeleton import SMPL24
from posekit.system import need_file

LARGEST = 2**28  # bytes; SMPL takes 50 MB in float64, 100 MB with 300 shape components
POSE_DIRECTIONS = 9 * (len(SMPL24) - 1)
REMEDY = "convert the licensed model again with `posekit data convert-smpl`"
REGRESSOR = "regressor_"
ROOTS = (-1, 2**32 - 1, 2**64 - 1)  # how a root without a parent is written, signed or not
KINDS = {"f": "floats", "iu": "whole numbers"}

PARTS = ("left arm", "right arm", "head", "left leg", "right leg", "torso")
"""The parts of LSP's and SPIN's evaluation, labelled 1 to 6. Hands are arms, feet are legs, the
neck belongs to the head and the collars to the torso."""

_PIECES = [("head", ("smpl_neck", "smpl_head")), ("torso", ())] + [
    (f"{side} {limb}", tuple(f"{side}_{joint}" for joint in joints))
    for limb, joints in (
        ("arm", ("shoulder",)),
        ("arm", ("elbow",)),
        ("arm", ("wrist", "hand_base")),
        ("leg", ("hip",)),
        ("leg", ("knee",)),
        ("leg", ("ankle", "foot_ball")),
    )
    for side in ("left", "right")
]
"""The fourteen finer pieces in which `label` decides: the part that each belongs to, and the joints
that move it (the torso has all others). Pieces are numbered from 1."""

_PIECE_OF_JOINT = np.array([
    next((k for k, (_, joints) in enumerate(_PIECES, 1) if joint in joints), 2)
    for joint in SMPL24.joints
])  # fmt: skip
_PART_OF_PIECE = np.array([0, *(PARTS.index(part) + 1 for part, _ in _PIECES)], dtype=np.uint8)


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a body file, all finite and consistent, floats as float64.

    FileNotFoundError if there is none; ValueError names the file, the key and the remedy.
    """
    path = Path(path)
    arrays = _load(path)
    try:
        return check(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {REMEDY}") from error


def check(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a body model that posekit uses, floats as float64.

    ValueError names the key that is missing, of another shape or type, not finite, not in metres or
    not consistent with the others.
    """
    template = _finite(arrays, "v_template", (-1, 3))
    count = len(template)
    checked = {
        "v_template": template,
        "shapedirs": _finite(arrays, "shapedirs", (count, 3, -1)),
        "J_regressor": _sums_to_one(arrays, "J_regressor", (len(SMPL24), count)),
        "weights": _sums_to_one(arrays, "weights", (count, len(SMPL24))),
        "f": _faces(arrays, count),
    }
    tall = np.ptp(template, axis=0).max()
    if not 0.3 < tall < 3:
        raise ValueError(f"v_template is {tall:g} large; a body file is in metres")
    if "kintree_table" in arrays:
        parents, joints = _shaped(arrays, "kintree_table", (2, len(SMPL24)), "iu").tolist()
        root, own = parents[0], (tuple(parents[1:]), joints)
        if root not in ROOTS or own != (SMPL24.parents[1:], list(range(len(SMPL24)))):
            raise ValueError("kintree_table is not SMPL's tree of 24 joints")
    if "posedirs" in arrays:
        checked["posedirs"] = _finite(arrays, "posedirs", (count, 3, POSE_DIRECTIONS))
    for key in arrays:
        if key.startswith(REGRESSOR):
            checked[key] = _sums_to_one(arrays, key, (-1, count))
    return checked


def read_regressor(path: str | Path, joints: int, vertices: int) -> np.ndarray:
    """A joint regressor (joints, vertices) from a .npy file; errors as `read` gives them."""
    path = need_file(Path(path), "regressor", "name the .npy file")
    try:
        array = np.load(path, allow_pickle=False)
        return _sums_to_one({"the regressor": array}, "the regressor", (joints, vertices))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: {error}; it must fit this body and skeleton") from error


def label(faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The part of `PARTS` of each face, 1 to 6: (F,) uint8, from skinning weights (V, 24).

    A face belongs to the piece whose bones have the largest sum of weights at its three corners.
    Patches that are cut off from the largest one of their piece, on the same component of the mesh,
    take the label of most of their neighbours, so that borders are clean.
    """
    shares = np.zeros((len(weights), len(_PIECES) + 1))
    np.add.at(shares.T, _PIECE_OF_JOINT, weights.T)
    # Rounded, so that faces astride the middle of the body tie between left and right.
    labels = np.round(shares[faces].sum(axis=1), 6).argmax(axis=1)
    one, other = _neighbours(faces)
    component = _components(len(faces), one, other)
    for _ in _PIECES:
        inside = labels[one] == labels[other]
        patch = _components(len(faces), one[inside], other[inside])
        size = np.bincount(patch)
        largest = np.zeros((component.max() + 1, shares.shape[1]), dtype=np.int64)
        np.maximum.at(largest, (component, labels), size[patch])
        stray = size[patch] < largest[component, labels]
        if not stray.any():
            break
        votes = np.zeros((patch.max() + 1, shares.shape[1]))
        for a, b in ((one, other), (other, one)):
            edge = (patch[a] != patch[b]) & ~stray[b]
            np.add.at(votes, (patch[a][edge], labels[b][edge]), 1)
        outvoted = stray & (votes[patch].sum(axis=1) > 0)
        labels[outvoted] = votes[patch[outvoted]].argmax(axis=1)
    return _PART_OF_PIECE[labels]


def _neighbours(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of faces that share an edge."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    same = (np.diff(edges[order], axis=0) == 0).all(axis=1)
    return owner[order[:-1][same]], owner[order[1:][same]]


def _components(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _load(path: Path) -> dict[str, np.ndarray]:
    need_file(path, "body file", "name an npz, or use the bundled free body")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"it unpacks to {size / 2**30:.1f} GiB, no body is that large")
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                try:
                    arrays[key] = file[key]
                except ValueError as error:  # object arrays, broken headers
                    raise ValueError(f"{key}: {error}") from error
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a readable body file ({error}); {REMEDY}") from error
    return arrays


def _shaped(
    arrays: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...], kinds: str
) -> np.ndarray:
    """An array that must exist, of these `kinds` of numbers and this shape; -1: any length."""
    if key not in arrays:
        raise ValueError(f"{key} is missing")
    array = arrays[key]
    if array.dtype.kind not in kinds:
        raise ValueError(f"{key} holds {array.dtype}, not {KINDS[kinds]}")
    fits = array.ndim == len(shape) and all(
        n == m or (m < 0 and n > 0) for n, m in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n < 0 else str(n) for n in shape)
        raise ValueError(f"{key} has shape {array.shape}, not ({wanted})")
    return array


def _finite(arrays: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...]) -> np.ndarray:
    array = _shaped(arrays, key, shape, "f").astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{key} has entries that are not finite")
    return array


def _sums_to_one(arrays: Mapping[str, np.ndarray], key: str, shape: tuple[int, ...]) -> np.ndarray:
    array = _finite(arrays, key, shape)
    if np.abs(array.sum(axis=1) - 1).max() > 0.01:
        raise ValueError(f"{key} has rows that do not add up to one")
    return array


def _faces(arrays: Mapping[str, np.ndarray], vertices: int) -> np.ndarray:
    faces = _shaped(arrays, "f", (-1, 3), "iu")
    if faces.min() < 0 or faces.max() >= vertices:
        raise ValueError(f"f must name vertices 0 to {vertices - 1}")
    return faces.astype(np.int64)

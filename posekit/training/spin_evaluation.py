"""Test sets of body regression, from SPIN's label files or the data sets' own, where a user has them.

As eval.py of nkolot/SPIN does (Kolotouros et al., ICCV 2019): Human3.6M and MPI-INF-3DHP bring their
own joints, 3DPW's are regressed from the SMPL bodies of the persons' genders, and Leeds Sports Pose
has masks and parts of whole pictures. `posekit data check NAME FOLDER` says what of a data set is
there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data import albums, lsp, mpi_inf_3dhp, spin, threedpw
from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN
from posekit.data.formats import smpl
from posekit.data.people import MASKS_SOURCE, People, PeoplePictures, spin_crops, squares_round
from posekit.geometry.skeleton import H36M17
from posekit.metrics import mesh
from posekit.training import rehearsal
from posekit.training.mesh_evaluation import RENDERED, MaskAlbum

PROTOCOLS = {"human36m": "h36m", "mpi_inf_3dhp": "3dhp", "threedpw": "3dpw", "lsp": "lsp"}
"""Data sets, and how the names of their protocols begin."""

SPIN_SETS = ("h36m-p1", "mpi-inf-3dhp-test", "3dpw", "lsp")
"""The test sets of `spin.SETS`: the frames of Human3.6M's second protocol are among the first's."""

GENDERS = {"m": "MALE", "f": "FEMALE"}
FRAME = ("subject", "action", "take", "camera", "frame", "valid", "inside")

Tests = list[tuple[Album, tuple[str, ...]]]  # each with the names of its pose protocols


def tests(
    folders: Mapping[str, Path],
    *,
    size: int = 224,
    step: int = 1,
    read: Callable[..., Album] = albums.read,
) -> Tests:
    """Every `step`-th person of each test set in the `folders`, by data set, with its protocols.

    `folders` may name spin (SPIN's label files, which go before a data set's own), mpi_inf_3dhp,
    threedpw and lsp; with SMPL's (smpl) 3DPW and SPIN's sets are read, which need it. `read` makes
    albums of pictures, as `albums.read`. Errors as
    the readers'; FileNotFoundError where SPIN's folder has no test set or LSP no masks;
    ValueError for 3DPW without SMPL.
    """
    if "threedpw" in folders and "smpl" not in folders:
        raise ValueError("data: threedpw needs smpl, too: its truth are bodies of SMPL")
    found: dict[str, tuple[Album, tuple[str, ...]]] = {}
    for name, crops in _there(folders, size):
        if name in found:
            continue
        people = rehearsal.few(crops.people[::step])
        pictures = PeoplePictures(people, crops.folder, size=size, context=1, masks=crops.masks)
        start = PROTOCOLS[name]
        protocols = tuple(each for each in mesh.SPIN_PROTOCOLS if each.startswith(start))
        if name == "lsp":
            album = _with_masks(pictures, read)
        else:
            truth = _truth(people, folders.get("smpl"))
            album = _with_joints(read(pictures, name), people, truth)
        found[name] = album, protocols
    return list(found.values())


def _there(folders: Mapping[str, Path], size: int) -> Iterator[tuple[str, PeoplePictures]]:
    """The data sets in the folders with SPIN's crops of their test persons, SPIN's files first."""
    if {"spin", "smpl"} <= set(folders):
        found = False
        for key in SPIN_SETS:
            with suppress(FileNotFoundError):
                pictures = spin.load(folders["spin"], key, size=size)
                if key != "lsp" or pictures.masks:
                    found = True
                    yield spin.SETS[key].data, pictures
        if not found:
            raise FileNotFoundError(f"no test set of SPIN's in {folders['spin']}: {spin.SOURCE}")
    if "mpi_inf_3dhp" in folders:
        pictures = mpi_inf_3dhp.load(folders["mpi_inf_3dhp"], "test", size=size)
        yield "mpi_inf_3dhp", _in_spins_crops(pictures, size)
    if "threedpw" in folders:
        yield "threedpw", threedpw.load(folders["threedpw"], size=size)
    if "lsp" in folders:
        pictures = lsp.load(folders["lsp"], size=size)
        if not pictures.masks:
            raise FileNotFoundError(
                f"data: lsp={folders['lsp']}: it has no folder upi-s1h with the masks that bodies "
                f"are compared with: {MASKS_SOURCE}"
            )
        yield "lsp", pictures


def _in_spins_crops(pictures: PeoplePictures, size: int) -> PeoplePictures:
    """MPI-INF-3DHP's persons who are wholly in the picture, in the crops that SPIN makes of them."""
    people = pictures.people[pictures.people.rows["inside"].to_numpy()]
    everywhere = torch.ones(people.joints2d.shape[:2], dtype=torch.bool)
    people = replace(people, boxes=squares_round(people.joints2d, everywhere))
    return spin_crops(people, pictures.folder, pictures.folder, size=size)


def _truth(people: People, bodies: Path | None) -> Float[Tensor, "N 17 3"]:
    """Human3.6M's joints of everybody, mm from the root."""
    if people.name == "threedpw":
        genders = {sex: smpl.load(bodies, name) for sex, name in GENDERS.items()}
        return threedpw.truth(people, genders)
    known = people.joints3d.masked_fill(~people.known3d[..., None], torch.nan)
    joints = mesh.as_spin(known.float(), people.skeleton)
    if joints.isnan().any():
        raise ValueError(f"{people.name} ({people.version}) lacks joints that its protocols count")
    return joints


def _with_joints(album: Album, people: People, joints: Float[Tensor, "N 17 3"]) -> Album:
    """The album with these joints as all that is known of the people in 3D."""
    batch, count, rows = album.batch, len(album), people.rows
    batch = replace(
        batch,
        skeleton=H36M17,
        joints2d=torch.zeros(count, len(H36M17), 2),
        visible=torch.full((count, len(H36M17)), UNKNOWN, dtype=torch.uint8),
        joints3d=joints,
        has_joints3d=torch.ones(count).bool(),
        rotations=torch.eye(3).expand(count, 24, 3, 3),
        shape=torch.zeros(count, batch.shape.shape[1]),
        has_body=torch.zeros(count).bool(),  # 3DPW's are of their gender, and no neutral one
    )
    frames = rows[[name for name in FRAME if name in rows]].reset_index(drop=True)
    return replace(album, batch=batch, frames=frames)


def _with_masks(pictures: PeoplePictures, read: Callable[..., Album]) -> MaskAlbum:
    """The pictures with the masks and parts of the whole pictures that they were cut from."""
    album = read(pictures, pictures.name, masks=True)
    place = pictures.people, pictures.folder
    whole = PeoplePictures(*place, size=RENDERED, context=1, masks=pictures.masks)
    return MaskAlbum(album.name, album.version, album.batch, album.frames, whole=whole)

"""SPIN's test sets: Human3.6M, MPI-INF-3DHP and 3DPW, where a user has them.

As eval.py of nkolot/SPIN does (Kolotouros et al., ICCV 2019): Human3.6M and MPI-INF-3DHP bring their
own joints, 3DPW's are regressed from the SMPL bodies of the persons' genders. `posekit data check
spin FOLDER` says what is there. Pictures are kept in memory, 150 kB each at 224 px: Human3.6M's
110,000 take 17 GB. LSP's masks are read by `posekit.data.spin`; SPIN compares them at the size of
the whole picture, not of a crop.
"""

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data import albums, spin, threedpw
from posekit.data.albums import Album
from posekit.data.batch import UNKNOWN
from posekit.data.people import People, PeoplePictures
from posekit.geometry import body
from posekit.geometry.body import Body
from posekit.geometry.skeleton import H36M17, H36M17_LEFT_FIRST
from posekit.metrics import mesh

PROTOCOLS = {
    "h36m-p1": "h36m",
    "mpi-inf-3dhp-test": "3dhp",
    "3dpw": "3dpw",
}
"""Of `spin.SETS`, the sets with poses, and how the names of their protocols begin."""

GENDERS = {"m": "MALE", "f": "FEMALE"}
FRAME = ("subject", "action", "take", "camera", "frame", "valid", "inside")


def smpl(folder: Path | str, gender: str = "NEUTRAL") -> Body:
    """SMPL_NEUTRAL.npz, or that of another gender, as `posekit data convert-smpl` makes them, with
    J_regressor_extra.npy and J_regressor_h36m.npy beside it. Errors as `body.load`."""
    folder = Path(folder)
    joints = {H36M17_LEFT_FIRST: folder / "J_regressor_h36m.npy"}
    return body.load(folder / f"SMPL_{gender}.npz", joints, folder / "J_regressor_extra.npy")


def tests(
    folder: Path | str, bodies: Path | str, *, size: int = 224, workers: int | None = None
) -> list[tuple[Album, tuple[str, ...]]]:
    """Each test set whose label file is in SPIN's `folder`, with its protocols.

    SMPL lies in `bodies`. Errors as `spin.load`, and for 3DPW as `smpl`; FileNotFoundError where
    there is no test set.
    """
    found = []
    for name, start in PROTOCOLS.items():
        try:
            pictures = spin.load(folder, name, size=size)
        except FileNotFoundError:
            continue
        protocols = tuple(name for name in mesh.SPIN_PROTOCOLS if name.startswith(start))
        found.append((_album(pictures, _truth(pictures.people, bodies), workers), protocols))
    if not found:
        raise FileNotFoundError(f"no test set of SPIN's in {folder}: {spin.SOURCE}")
    return found


def _truth(people: People, bodies: Path | str) -> Float[Tensor, "N 17 3"]:
    """Human3.6M's joints of everybody, mm from the root."""
    if people.name == "threedpw":
        return threedpw.truth(people, {sex: smpl(bodies, name) for sex, name in GENDERS.items()})
    known = people.joints3d.masked_fill(~people.known3d[..., None], torch.nan)
    joints = mesh.as_spin(known.float(), people.skeleton)
    if joints.isnan().any():
        raise ValueError(f"{people.name} ({people.version}) lacks joints that its protocols count")
    return joints


def _album(pictures: PeoplePictures, joints: Float[Tensor, "N 17 3"], workers: int | None) -> Album:
    """The pictures with these joints as their only people."""
    album = albums.read(pictures, pictures.name, workers=workers)
    batch, count, rows = album.batch, len(album), pictures.people.rows
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

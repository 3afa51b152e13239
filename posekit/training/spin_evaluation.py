"""SPIN's test sets as exams: Human3.6M, MPI-INF-3DHP and 3DPW, where a user has them.

As eval.py of nkolot/SPIN does (Kolotouros et al., ICCV 2019): Human3.6M and MPI-INF-3DHP bring their
own joints, 3DPW's are regressed from the SMPL bodies of the persons' genders. `posekit data check
spin FOLDER` says what is there. Pictures are kept in memory, 150 kB each at 224 px: Human3.6M's
110,000 take 17 GB. LSP's masks are read by `posekit.data.spin`; SPIN compares them at the size of
the whole picture, which these exams of crops do not.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data import spin, threedpw
from posekit.data.albums import Album, Filmed
from posekit.data.batch import UNKNOWN
from posekit.data.people import People, PeoplePictures
from posekit.data.pictures import draw
from posekit.geometry import body
from posekit.geometry.body import Body
from posekit.geometry.skeleton import H36M17, H36M17_LEFT_FIRST
from posekit.metrics import mesh
from posekit.training.mesh_evaluation import Exam

CARDS = {
    "h36m-p1": "h36m",
    "mpi-inf-3dhp": "3dhp",
    "3dpw": "3dpw",
}
"""Of `spin.TEST`, the sets with poses, and how the names of their cards begin."""

GENDERS = {"m": "MALE", "f": "FEMALE"}


def smpl(folder: Path | str, gender: str = "NEUTRAL") -> Body:
    """SMPL_NEUTRAL.npz, or that of another gender, as `posekit data convert-smpl` makes them, with
    J_regressor_extra.npy and J_regressor_h36m.npy beside it. Errors as `body.load`."""
    folder = Path(folder)
    joints = {H36M17_LEFT_FIRST: folder / "J_regressor_h36m.npy"}
    return body.load(folder / f"SMPL_{gender}.npz", joints, folder / "J_regressor_extra.npy")


def exams(
    folder: Path | str, bodies: Path | str, *, size: int = 224, workers: int | None = None
) -> list[Exam]:
    """An exam of each test set whose label file is in SPIN's `folder`; SMPL lies in `bodies`.

    Errors as `spin.load`, and for 3DPW as `smpl`; FileNotFoundError where there is no test set.
    """
    found = []
    for name, start in CARDS.items():
        try:
            pictures = spin.load(folder, name, split="test", size=size)
        except FileNotFoundError:
            continue
        cards = tuple(card for card in mesh.SPIN_PROTOCOLS if card.startswith(start))
        found.append(Exam(_filmed(pictures, _truth(pictures.people, bodies), workers), cards))
    if not found:
        raise FileNotFoundError(f"no test set of SPIN's in {folder}: {spin.SOURCE}")
    return found


def _truth(labels: People, bodies: Path | str) -> Float[Tensor, "N 17 3"]:
    """Human3.6M's joints of everybody, mm from the root."""
    if labels.name == "threedpw":
        return threedpw.truth(labels, {sex: smpl(bodies, name) for sex, name in GENDERS.items()})
    known = labels.joints3d.masked_fill(~labels.known3d[..., None], torch.nan)
    joints = mesh.as_spin(known.float(), labels.skeleton)
    if joints.isnan().any():
        raise ValueError(f"{labels.name} ({labels.version}) lacks joints that its cards count")
    return joints


def _filmed(
    pictures: PeoplePictures, joints: Float[Tensor, "N 17 3"], workers: int | None
) -> Filmed:
    """The pictures with these joints as all that is known of them."""
    batch, count = draw(pictures, pictures.name, workers), len(pictures)
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
    heads = torch.full((count,), torch.nan)
    return Filmed(Album(pictures.name, pictures.version, batch, heads), _frames(pictures.people))


def _frames(labels: People) -> pd.DataFrame:
    """What cards ask for of each picture."""
    told = ("subject", "action", "take", "camera", "frame", "valid", "inside")
    return labels.rows[[name for name in told if name in labels.rows]].reset_index(drop=True)

"""MuPoTS-3D (Mehta et al., 3DV 2018): twenty takes with several people each, to test on.

TS1 to TS20 of MultiPersonTestSet.zip, each with annot.mat (cells of frame and person: annot2 (2, 17)
px, annot3 and univ_annot3 (3, 17) mm, isValidFrame), occlusion.mat (cells of the same: 17 labels, 1
covered) and img_000000.jpg. It has no intrinsics: they are fitted.

Persons of frames marked as not valid are left out. Joints are MPI-INF-3DHP's 17, in camera
coordinates, of the "universal" skeletons, one size for all, and persons in the release's order:
that is what published numbers are measured against (`posekit.metrics.mupots`).

N persons.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data.batch import HIDDEN, SEEN
from posekit.data.formats.matlab import read_cells
from posekit.data.formats.pickles import AGAIN, DAMAGE
from posekit.data.mpi_inf_3dhp import in_boxes_of_joints
from posekit.data.people import Part, People, PeoplePictures, Row, check_parts, together
from posekit.geometry.skeleton import MPI_INF_3DHP17

SOURCE = (
    "get MuPoTS-3D at gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson, without registration, for "
    "research only: MultiPersonTestSet.zip (5.6 GB)"
)
SIZES = {f"TS{n}": (2048, 2048) if n <= 5 else (1920, 1080) for n in range(1, 21)}  # width, height
JOINTS = len(MPI_INF_3DHP17)


def load(
    folder: Path | str, *, takes: Iterable[str] | None = None, size: int = 256
) -> PeoplePictures:
    """The crops of the persons of these takes (all by default), TS1 to TS20; errors as `read`."""
    return PeoplePictures(read(folder, takes=takes), _pictures(Path(folder)), size=size)


def read(folder: Path | str, *, takes: Iterable[str] | None = None) -> People:
    """The valid persons of these takes (all by default), TS1 to TS20.

    Intrinsics are fitted to each take's own, not universal, skeletons. FileNotFoundError;
    ValueError, naming file and entry, for a file that is damaged or of another kind, and for
    another take.
    """
    takes = tuple(SIZES if takes is None else takes)
    if not takes or not set(takes) <= set(SIZES):
        raise ValueError(f"no takes {takes} of MuPoTS-3D: there are {list(SIZES)}")
    return together([_take(_pictures(Path(folder)), take) for take in takes])


def check(folder: Path | str) -> Iterator[Row]:
    """What of MuPoTS-3D is in `folder`, as `posekit.data.check` reports it."""
    parts = [Part(take, partial(load, folder, takes=[take])) for take in SIZES]
    return check_parts(parts, Path(folder), SOURCE)


def _pictures(folder: Path) -> Path:
    """Where TS1 to TS20 are: in the folder, or in the one that the release's zip makes in it."""
    inside = folder / "MultiPersonTestSet"
    return inside if inside.is_dir() else folder


def _take(folder: Path, take: str) -> People:
    path = folder / take / "annot.mat"
    annotations = read_cells(path, ["annotations"], SOURCE)["annotations"]
    cover = folder / take / "occlusion.mat"
    labels = read_cells(cover, ["occlusion_labels"], SOURCE)["occlusion_labels"]
    if annotations.ndim != 2 or annotations.shape != labels.shape:
        raise ValueError(f"{path} has {annotations.shape} cells, {cover} {labels.shape}; {AGAIN}")
    valid = []
    for frame, person in np.ndindex(annotations.shape):
        who = f"{path}: frame {frame}, person {person}"
        cell = annotations[frame, person]
        if _field(cell, "isValidFrame", who).any():
            joints = [_points(cell, field, who) for field in ("annot2", "annot3", "univ_annot3")]
            covered = np.asarray(labels[frame, person]).reshape(-1)
            if covered.shape != (JOINTS,) or not np.isin(covered, (0, 1)).all():
                raise ValueError(f"{cover}: frame {frame}, person {person}: not 17 times 0 or 1")
            valid.append((frame, person, *joints, covered))
    if not valid:
        raise ValueError(f"{path}: nobody in it is valid; {AGAIN}")
    frames, persons, *arrays = (np.array(part) for part in zip(*valid))
    pixels, own, universal, covered = map(torch.from_numpy, arrays)
    columns = {"image": [f"{take}/img_{frame:06d}.jpg" for frame in frames], "subject": take}
    columns |= {"action": take, "take": persons, "camera": "0", "frame": frames}
    columns |= {"width": SIZES[take][0], "height": SIZES[take][1]}
    intrinsics = fit_intrinsics(own, pixels).expand(len(valid), 3, 3)
    visible = torch.where(covered > 0, HIDDEN, SEEN).to(torch.uint8)
    labels = pd.DataFrame(columns), intrinsics, pixels, universal, visible
    return in_boxes_of_joints("mupots", "release, universal", *labels)


def _field(cell: Any, field: str, who: str) -> np.ndarray:
    """A field of a cell's struct; ValueError when it has none."""
    try:
        return np.asarray(cell[0, 0][field])
    except (*DAMAGE,) as error:
        raise ValueError(f"{who}: no {field}; {AGAIN}") from error


def _points(cell: Any, field: str, who: str) -> Float64[np.ndarray, "17 D"]:
    values = _field(cell, field, who)
    numbers = 2 if field == "annot2" else 3
    if values.shape != (numbers, JOINTS) or values.dtype.kind not in "fiu":
        raise ValueError(f"{who}: {field} of {values.shape}, wanted {numbers} by 17; {AGAIN}")
    if not np.isfinite(values).all():
        raise ValueError(f"{who}: {field} is not finite; {AGAIN}")
    return values.T.astype(float)


def fit_intrinsics(
    places: Float64[Tensor, "N J 3"], pixels: Float64[Tensor, "N J 2"]
) -> Float64[Tensor, "3 3"]:
    """The pinhole camera that puts camera points (mm) closest to their pixels, by least squares.

    Linear in focal length and principal point, one axis at a time. ValueError when a point lies
    behind the camera, or when they do not tell a focal length.
    """
    x, y, z = places.flatten(0, 1).unbind(-1)
    if not (z > 0).all():
        raise ValueError("a joint lies behind the camera")
    matrix = torch.eye(3).double()
    for axis, ray in enumerate((x / z, y / z)):
        design = torch.stack([ray, torch.ones_like(ray)], dim=-1)
        answer = torch.linalg.lstsq(design, pixels[..., axis].flatten()[:, None]).solution
        matrix[axis, axis], matrix[axis, 2] = answer[:, 0]
    if not (matrix.isfinite().all() and (matrix.diagonal() > 0).all()):
        raise ValueError(f"no camera puts these points onto these pixels: {matrix.tolist()}")
    return matrix

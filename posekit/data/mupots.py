"""MuPoTS-3D (Mehta et al., 3DV 2018): twenty takes with several people each, to test on.

- TS1 to TS20 of MultiPersonTestSet.zip, each with annot.mat (cells of frame and person: annot2
  (2, 17) px, annot3 and univ_annot3 (3, 17) mm, isValidFrame), occlusion.mat (cells of the same:
  17 labels, 1 covered) and img_000000.jpg. It has no intrinsics: they are fitted.
- MuPoTS-3D.json of Moon et al. (ICCV 2019), with boxes and their intrinsics. It does not tell which
  joints are covered (all in the picture are SEEN), nor which of the two skeletons its joints are of.

Persons of frames marked as not valid are left out. Joints are MPI-INF-3DHP's 17, in camera
coordinates. Published numbers are measured against the "universal" skeletons, in the order of the
release's persons (`posekit.mupots_card`).

N persons.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data import muco
from posekit.data.batch import HIDDEN, SEEN
from posekit.data.coco import entries, name, numbers, picture_rows
from posekit.data.formats.matlab import read_cells, read_mat
from posekit.data.formats.pickles import AGAIN, DAMAGE
from posekit.data.mpi_inf_3dhp import TRUTHS
from posekit.data.people import (
    People,
    PeoplePictures,
    check_pictures,
    clip,
    picture_sizes,
    together,
)
from posekit.geometry.skeleton import MPI_INF_3DHP17

SOURCE = (
    "get MuPoTS-3D at gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson, without registration, for "
    "research only: MultiPersonTestSet.zip (5.6 GB); MuPoTS-3D.json is linked in the readme of "
    "mks0601/3DMPPE_POSENET_RELEASE"
)
FILE = "MuPoTS-3D.json"
SIZES = {f"TS{n}": (2048, 2048) if n <= 5 else (1920, 1080) for n in range(1, 21)}  # width, height
JOINTS = len(MPI_INF_3DHP17)
PREDICTED = re.compile(r"TS\d+_img_\d+")
PICTURE = re.compile(r"(TS\d+)/img_(\d+)\.jpg")


def read(folder: Path | str, *, takes: Iterable[str] = tuple(SIZES), truth: str = "true") -> People:
    """The persons of the release's own files, in its order.

    `truth`: "true" is each person's own skeleton, "universal" one size for all; intrinsics are
    fitted to the former in both cases. FileNotFoundError; ValueError, naming file and entry, for a
    file that is damaged or of another kind, and for another take or truth.
    """
    takes = tuple(takes)
    if not takes or not set(takes) <= set(SIZES):
        raise ValueError(f"no takes {takes} of MuPoTS-3D: there are {list(SIZES)}")
    if truth not in TRUTHS:
        raise ValueError(f"no truth {truth!r} of MuPoTS-3D: {' or '.join(TRUTHS)}")
    return together([_take(_pictures(Path(folder)), take, truth) for take in takes])


def _pictures(folder: Path) -> Path:
    """Where TS1 to TS20 are: in the folder, or in the one that the release's zip makes in it."""
    inside = folder / "MultiPersonTestSet"
    return inside if inside.is_dir() else folder


def _take(folder: Path, take: str, truth: str) -> People:
    path = folder / take / "annot.mat"
    annotations = read_cells(path, ["annotations"], SOURCE)["annotations"]
    cover = folder / take / "occlusion.mat"
    labels = read_cells(cover, ["occlusion_labels"], SOURCE)["occlusion_labels"]
    if annotations.ndim != 2 or annotations.shape != labels.shape:
        raise ValueError(f"{path} has {annotations.shape} cells, {cover} {labels.shape}; {AGAIN}")
    found = []
    for frame, person in np.ndindex(annotations.shape):
        who = f"{path}: frame {frame}, person {person}"
        cell = annotations[frame, person]
        if _field(cell, "isValidFrame", who).any():
            joints = [_points(cell, field, who) for field in ("annot2", "annot3", TRUTHS[truth])]
            covered = np.asarray(labels[frame, person]).reshape(-1)
            if covered.shape != (JOINTS,) or not np.isin(covered, (0, 1)).all():
                raise ValueError(f"{cover}: frame {frame}, person {person}: not 17 times 0 or 1")
            found.append((frame, person, *joints, covered))
    if not found:
        raise ValueError(f"{path}: nobody in it is valid; {AGAIN}")
    frames, persons, pixels, own, places, covered = (np.array(part) for part in zip(*found))
    rows = _rows(pd.DataFrame({"take": persons, "frame": frames, "subject": take}))
    low, high = pixels.min(1), pixels.max(1)
    matrix = fit_intrinsics(torch.from_numpy(own), torch.from_numpy(pixels))
    return _people(
        f"release, {truth}",
        rows,
        np.concatenate([low, high - low], axis=1),
        torch.from_numpy(pixels),
        torch.from_numpy(np.where(covered, HIDDEN, SEEN).astype(np.uint8)),
        matrix.expand(len(rows), 3, 3),
        torch.from_numpy(places),
    )


def _field(cell: Any, field: str, who: str) -> np.ndarray:
    """A field of a cell's struct; ValueError when it has none."""
    try:
        return np.asarray(cell[field][0, 0])
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


def _rows(rows: pd.DataFrame) -> pd.DataFrame:
    """With the picture's name and size, and what pose sets have besides."""
    takes, frames = rows["subject"], rows["frame"]
    sizes = np.array([SIZES[take] for take in takes])
    return rows.assign(
        image=[f"{take}/img_{frame:06d}.jpg" for take, frame in zip(takes, frames, strict=True)],
        width=sizes[:, 0],
        height=sizes[:, 1],
        action=takes,
        camera="0",
    )


def _people(version, rows, boxes, pixels, visible, intrinsics, places) -> People:
    """All of them, whether their box is in the picture or not: rules count all."""
    boxes = torch.from_numpy(boxes)
    clipped = clip(boxes, picture_sizes(rows))
    shown = (clipped[:, 2:] > 0).all(1, keepdim=True)
    return People(
        "mupots",
        version,
        MPI_INF_3DHP17,
        rows,
        clipped.where(shown, boxes),
        pixels,
        visible,
        intrinsics,
        places,
    )


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


def read_json(path: Path | str) -> People:
    """The valid persons of MuPoTS-3D.json, in its order; errors as `read`."""
    path = Path(path)
    people = [(a, p) for a, p in entries(path, SOURCE) if a.get("is_valid")]
    if not people:
        raise ValueError(f"{path}: nobody in it is valid")
    names = [name(path, *entry) for entry in people]
    pixels, places = muco.keypoints(people, JOINTS, names)
    rows = picture_rows(people, names)
    parts = [PICTURE.fullmatch(image) for image in rows["image"]]
    if None in parts:
        raise ValueError(f"{names[parts.index(None)]}: its picture is not TS1/img_000000.jpg")
    rows = rows.assign(
        subject=[part[1] for part in parts],
        frame=[int(part[2]) for part in parts],
        take=rows.groupby("image").cumcount(),
        action=[part[1] for part in parts],
        camera="0",
    )
    cameras = numbers([p.get("intrinsic") for _, p in people], (4,), names)
    return _people(
        "json",
        rows,
        numbers([a.get("bbox") for a, _ in people], (4,), names),
        pixels,
        torch.full(pixels.shape[:2], SEEN, dtype=torch.uint8),
        muco.intrinsics(cameras, names),
        places,
    )


def read_predictions(
    pixels: Path | str, places: Path | str
) -> dict[str, tuple[Float64[Tensor, "_ _ 2"], Float64[Tensor, "_ _ 3"]]]:
    """Predicted persons by the picture's name, as files of Moon et al.'s evaluation hold them.

    preds_2d_kpt_mupots.mat and preds_3d_kpt_mupots.mat: a variable TS1_img_000000 a picture, of
    shape (persons, 17, 2), px, and (persons, 17, 3), camera, mm. `posekit.mupots_card.scenes` takes
    them. FileNotFoundError; ValueError, naming file and picture, when the two do not fit together.
    """
    tables = []
    for path in (Path(pixels), Path(places)):
        if not path.is_file():
            raise FileNotFoundError(f"there are no predictions {path}")
        tables.append(read_mat(path, PREDICTED))
    flat, deep = tables
    if not flat or flat.keys() != deep.keys():
        raise ValueError(f"{pixels} and {places} have no variables TS1_img_000000, or not the same")
    found = {}
    for picture, pose2d in flat.items():
        shape = (len(pose2d), JOINTS)
        if pose2d.shape != (*shape, 2) or deep[picture].shape != (*shape, 3):
            raise ValueError(
                f"{picture}: {pose2d.shape} in {pixels}, {deep[picture].shape} in {places}"
            )
        if pose2d.dtype.kind not in "fiu" or deep[picture].dtype.kind not in "fiu":
            raise ValueError(f"{picture} in {pixels} or {places} is no table of numbers")
        poses = (torch.from_numpy(pose.astype(float)) for pose in (pose2d, deep[picture]))
        found[picture.replace("_", "/", 1) + ".jpg"] = tuple(poses)
    return found


def load(folder: Path | str, *, size: int = 256) -> PeoplePictures:
    """The pictures of `folder`, as MuPoTS-3D.json there labels them, or else the release.

    Pictures and the release's files may lie in MultiPersonTestSet. Errors as `read`.
    """
    folder = Path(folder)
    people = read_json(folder / FILE) if (folder / FILE).is_file() else read(folder)
    return PeoplePictures(people, _pictures(folder), size=size)


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of MuPoTS-3D is in `folder`: (what, state, detail), as `posekit.data.check` has them."""
    folder = Path(folder)
    for take in SIZES:
        try:
            people = read(folder, takes=[take])
        except (FileNotFoundError, ValueError) as error:
            yield take, "missing" if isinstance(error, OSError) else "wrong", str(error)
            continue
        _, state, detail = check_pictures(people, _pictures(folder), SOURCE)
        placed = people.joints3d @ people.intrinsics.mT
        off = (placed[..., :2] / placed[..., 2:] - people.joints2d).square().sum(-1).mean().sqrt()
        detail = detail if state != "ok" else f"{detail} pictures, {len(people):,} persons"
        yield take, state, f"{detail}; a pinhole camera fits to {off:.2g} px"
    if (folder / FILE).is_file():
        try:
            yield FILE, "ok", f"{len(read_json(folder / FILE)):,} persons"
        except ValueError as error:
            yield FILE, "wrong", str(error)
    else:
        yield FILE, "note", "not there: boxes are those of the joints, intrinsics are fitted"

"""SPIN's label files (Kolotouros et al., ICCV 2019): what body regression is trained and judged on.

One npz a data set, as SPIN's datasets/preprocess writes them and its dataset_extras.tar.gz has them:

- imgname; center, px; scale, the side of the crop over 200 px
- part (N, 24, 3): `SPIN24` in px and whether labelled; openpose (N, 25, 3): detections
- S (N, 24, 4): `SPIN24` in the camera's axes from the pelvis, m, and whether known
- pose (N, 72), rotation vectors, the root's to the camera, and shape (N, 10) of SMPL's body; has_smpl
  says of whom (without it of all); gender
- maskname, partname: of LSP's silhouettes, in UPi-S1h

What a set lacks its file has not: joints in space are in those of Human3.6M and MPI-INF-3DHP, bodies
in 3DPW's and, by fits to several views, in MPI-INF-3DHP's; further ones carry what people fitted.
Covered joints are not told: all labelled ones in the picture are SEEN. MPII's and LSP's pixels are
Matlab's, counted from 1, as SPIN's files have them.

FOLDER holds the npz files, or dataset_extras with them, and the pictures, each set in the folder
that `SETS` names.

N persons.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import roma
import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data import lsp, only, threedpw
from posekit.data.batch import SEEN, UNKNOWN
from posekit.data.formats import npz
from posekit.data.formats.pickles import AGAIN
from posekit.data.human36m.files import take_of
from posekit.data.mixture import Mixed, Turns
from posekit.data.people import (
    Part,
    People,
    PeoplePictures,
    Row,
    check_parts,
    inside,
    naming,
    spin_crops,
    squares,
)
from posekit.data.poses import COLUMNS
from posekit.geometry.skeleton import SPIN24
from posekit.system import need_file

SOURCE = (
    "get dataset_extras.tar.gz with fetch_data.sh of nkolot/SPIN; its readme says where the pictures "
    "of each set are"
)


class Set(NamedTuple):
    """One of SPIN's sets."""

    data: str  # the data set that it is of, as ledgers name it
    files: tuple[str, ...]  # names that its labels go by
    folder: str  # of its pictures
    persons: int | None = None  # in the whole set, where that is known
    release: Callable[..., PeoplePictures] | None = None  # the same of the data set's own files


def _threedpw(folder: Path, *, size: int) -> PeoplePictures:
    return threedpw.load(folder / "3dpw", size=size)


SETS = {
    # to train on
    "lsp-orig": Set(
        "lsp",
        ("lsp_dataset_original_train",),
        "lsp_dataset_original",
        1000,
        partial(lsp.load, split="train"),
    ),
    "mpii": Set("mpii", ("mpii_train",), "mpii"),
    "lspet": Set(
        "lspet", ("hr-lspet_train",), "hr-lspet", release=partial(lsp.load, split="extended")
    ),
    "coco": Set("coco", ("coco_2014_train",), "coco"),
    "mpi-inf-3dhp": Set("mpi_inf_3dhp", ("mpi_inf_3dhp_train",), "mpi_inf_3dhp", 96507),
    # to test on
    "h36m-p1": Set("human36m", ("h36m_valid_protocol1",), "h36m"),
    "h36m-p2": Set("human36m", ("h36m_valid_protocol2",), "h36m"),
    "lsp": Set("lsp", ("lsp_dataset_test",), "lsp_dataset", 1000, lsp.load),
    "mpi-inf-3dhp-test": Set(
        "mpi_inf_3dhp", ("mpi_inf_3dhp_valid", "mpi_inf_3dhp_test"), "mpi_inf_3dhp"
    ),
    "3dpw": Set("threedpw", ("3dpw_test",), "3dpw", threedpw.TEST_PERSONS, _threedpw),
}
TRAIN = ("mpi-inf-3dhp", "lsp-orig", "mpii", "lspet", "coco")
"""What Bae trains on; the last four are from the wild."""
SHARE_3D = 0.4
"""Of MPI-INF-3DHP in Bae's mixture: that of dhryougit's fork of SPIN, which has the same sets; the
paper, which leaves out Human3.6M (section III), does not publish its own."""

_NAMES = (  # of pictures: subject, action, take, camera, frame are told by them
    re.compile(
        r"images/(?P<subject>S\d+)_(?P<action>.+)\.(?P<camera>\d{8})_(?P<number>\d{6})\.jpg"
    ),
    re.compile(r"mpi_inf_3dhp_test_set/(?P<subject>TS\d)/imageSequence/img_(?P<number>\d{6})\.jpg"),
    re.compile(
        r"(?P<subject>S\d)/(?P<action>Seq(?P<take>\d))/imageFrames/video_(?P<camera>\d+)/"
        r"frame_(?P<number>\d{6})\.jpg"
    ),
    re.compile(r"imageFiles/(?P<subject>\w+)/image_(?P<frame>\d{5})\.jpg"),
)


def read(path: Path | str, name: str = "spin") -> People:
    """Everybody in a label file, their 3D joints counted from the pelvis.

    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense.
    """
    path = need_file(Path(path), "file of labels", SOURCE)
    held = npz.read_archive(path)
    with naming(path):
        return _people(held, name, path.stem)


def load(folder: Path | str, name: str, *, size: int = 224) -> PeoplePictures:
    """One of `SETS`: its labels, and crops of its pictures.

    LSP's and 3DPW's own files serve where SPIN's label file is not there; LSP's test set has masks
    and parts where the folder of UPi-S1h is. Errors as `read`, and ValueError for another name.
    """
    folder = Path(folder)
    if name not in SETS:
        raise ValueError(f"SPIN has no set {name!r}; there are {', '.join(SETS)}")
    chosen = SETS[name]
    places = (folder, folder / "dataset_extras")
    paths = [place / f"{stem}.npz" for place in places for stem in chosen.files]
    path = only(paths, f"SPIN's labels of {name}") or paths[0]
    if chosen.release and not path.is_file():
        with suppress(FileNotFoundError):
            return chosen.release(folder, size=size)
    return spin_crops(read(path, chosen.data), folder / chosen.folder, folder, size=size)


def mixture(folder: Path | str, *, size: int = 224) -> Mixed:
    """Bae's training sets (TRAIN), one after the other; errors as `load`."""
    sets = [load(folder, name, size=size) for name in TRAIN]
    return Mixed(sets, skeleton=SPIN24, stand_ins={})


def turns(sizes: Sequence[int]) -> Turns:
    """What an epoch shows of sets of these sizes, those of TRAIN: `SHARE_3D` of MPI-INF-3DHP, of the
    others shares by their sizes.

    As in SPIN an epoch has as many pictures as the largest set. SPIN itself draws the data set of
    each picture at random.
    """
    shares = [SHARE_3D, *((1 - SHARE_3D) * each / sum(sizes[1:]) for each in sizes[1:])]
    return Turns(tuple(sizes), tuple(shares), max(sizes))


def check(folder: Path | str) -> Iterator[Row]:
    """What of SPIN's sets is in `folder`, as `posekit.data.check` reports it."""
    parts = [
        Part(name, partial(load, folder, name), persons=each.persons) for name, each in SETS.items()
    ]
    return check_parts(parts, Path(folder), SOURCE)


# ---- what is in a file
def _people(held: dict[str, Any], name: str, version: str) -> People:
    if lacking := [key for key in ("imgname", "center", "scale") if key not in held]:
        raise ValueError(f"it has no {', '.join(lacking)}: it is none of SPIN's label files")
    count = len(np.atleast_1d(held["imgname"]))
    if not count:
        raise ValueError("nobody is in it")

    def numbers(key: str, *shape: int) -> Float64[Tensor, "N ..."] | None:
        if key not in held:
            return None
        array = np.asarray(held[key])
        if array.shape != (count, *shape) or array.dtype.kind not in "biuf":
            raise ValueError(
                f"{key} has the shape {array.shape} and the type {array.dtype}, not numbers of "
                f"shape {(count, *shape)}; {AGAIN}"
            )
        return torch.from_numpy(array.astype(float))

    rows, scale = _rows(held, count), numbers("scale")
    if not (scale > 0).all():
        person = int((~(scale > 0)).nonzero()[0])
        raise ValueError(f"entry {person} ({rows['image'][person]}): its scale is not positive")
    part, places = numbers("part", 24, 3), numbers("S", 24, 4)
    part = torch.zeros(count, 24, 3).double() if part is None else part
    known = part[..., 2] > 0
    joints3d = known3d = rotations = shape = has_body = None
    if places is not None:
        known3d = places[..., 3] > 0
        joints3d = 1000 * places[..., :3].where(known3d[..., None], 0.0)
    pose, shape = numbers("pose", 72), numbers("shape", 10)
    if pose is not None and shape is not None:
        flag = numbers("has_smpl")
        has_body = torch.ones(count).bool() if flag is None else flag > 0
        shape = shape.where(has_body[:, None], 0.0)  # whatever stands there
        turns = pose.where(has_body[:, None], 0.0).reshape(count, 24, 3)
        rotations = roma.rotvec_to_rotmat(turns).where(has_body[:, None, None, None], 0.0)
    return People(
        name,
        version,
        SPIN24,
        rows,
        squares(numbers("center", 2), scale),
        part[..., :2].where(known[..., None], 0.0),
        torch.where(known, SEEN, UNKNOWN).to(torch.uint8),
        joints3d=joints3d,
        known3d=known3d,
        rotations=rotations,
        shape=shape,
        has_body=has_body,
    )


def _rows(held: dict[str, Any], count: int) -> pd.DataFrame:
    """image, gender, mask, parts, and which frame of what each is, as far as names tell it."""
    columns = {"image": "imgname", "gender": "gender", "mask": "maskname", "parts": "partname"}
    texts = {column: _texts(held, key, count) for column, key in columns.items()}
    for column in ("image", "mask", "parts"):
        for row, path in enumerate(texts[column]):
            if path or column == "image":
                inside(path, f"entry {row}")
    frames = [_frame(image, row) for row, image in enumerate(texts["image"])]
    rows = pd.DataFrame(texts | dict(zip(COLUMNS, zip(*frames, strict=True), strict=True)))
    if rows["subject"].str.startswith("TS").all():
        rows = rows.assign(valid=True, inside=True)  # SPIN keeps nobody else of MPI-INF-3DHP's test
    return rows


def _texts(held: dict[str, Any], key: str, count: int) -> list[str]:
    values = np.atleast_1d(held.get(key, [""] * count))
    if values.shape != (count,) or values.dtype.kind not in "SUO":
        raise ValueError(f"{key} is not {count} texts but {values.dtype} of shape {values.shape}")
    texts = [value.decode("latin-1") if isinstance(value, bytes) else value for value in values]
    return [str(text) for text in texts]


def _frame(image: str, row: int) -> tuple[str, str, int, str, int]:
    """subject, action, take, camera and frame, from 0; of pictures without them the row."""
    match = next((match for name in _NAMES if (match := name.fullmatch(image))), None)
    if match is None:
        return "", "", 1, "", row
    told = match.groupdict()
    subject, action, take = told["subject"], told.get("action", ""), int(told.get("take", 1))
    camera = told.get("camera", "0")
    if len(camera) == 8:  # Human3.6M's
        action, take = take_of(subject, action)
    frame = int(told["frame"]) if "frame" in told else int(told["number"]) - 1
    return subject, action, take, camera, frame

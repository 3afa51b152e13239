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
that `TRAIN` and `TEST` name.

N persons.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import roma
import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data import people
from posekit.data.batch import SEEN, UNKNOWN
from posekit.data.formats import npz
from posekit.data.formats.pickles import AGAIN
from posekit.data.human36m.files import take_of
from posekit.data.lsp import MASKS, check_masks
from posekit.data.mixture import Mixed
from posekit.data.people import LabelPictures, Labels, squares
from posekit.data.poses import COLUMNS
from posekit.geometry.skeleton import SPIN24, SPIN49

SOURCE = (
    "get dataset_extras.tar.gz with fetch_data.sh of nkolot/SPIN; its readme says where the pictures "
    "of each set are, and that Human3.6M's training labels have to be made"
)


class Set(NamedTuple):
    """One of SPIN's sets."""

    data: str  # the data set that it is of, as ledgers name it
    files: tuple[str, ...]  # names that its labels go by
    folder: str  # of its pictures
    persons: int | None = None  # in the whole set, where that is known


TRAIN = {
    "h36m": Set("human36m", ("h36m_train", "h36m_single_train_openpose"), "h36m"),
    "lsp-orig": Set("lsp", ("lsp_dataset_original_train",), "lsp_dataset_original", 1000),
    "mpii": Set("mpii", ("mpii_train",), "mpii"),
    "lspet": Set("lspet", ("hr-lspet_train",), "hr-lspet"),
    "coco": Set("coco", ("coco_2014_train",), "coco"),
    "mpi-inf-3dhp": Set("mpi_inf_3dhp", ("mpi_inf_3dhp_train",), "mpi_inf_3dhp", 96507),
}
TEST = {
    "h36m-p1": Set("human36m", ("h36m_valid_protocol1",), "h36m"),
    "h36m-p2": Set("human36m", ("h36m_valid_protocol2",), "h36m"),
    "lsp": Set("lsp", ("lsp_dataset_test",), "lsp_dataset", 1000),
    "mpi-inf-3dhp": Set(
        "mpi_inf_3dhp", ("mpi_inf_3dhp_valid", "mpi_inf_3dhp_test"), "mpi_inf_3dhp"
    ),
    "3dpw": Set("threedpw", ("3dpw_test",), "3dpw", 35515),
}
SPLITS = {"train": TRAIN, "test": TEST}
WILD = ("lsp-orig", "mpii", "lspet", "coco")
"""Sets from the wild, which together make 0.6 of each mixture, each by its size."""
SHARES = {"spin": {"h36m": 0.3, "mpi-inf-3dhp": 0.1}, "bae": {"mpi-inf-3dhp": 0.4}}
"""Of the other sets. Bae leaves out Human3.6M (section III); with which shares is not published:
these are those of dhryougit's fork of SPIN, which has the same sets."""

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


def read(path: Path | str, name: str = "spin", *, openpose: bool = False) -> Labels:
    """Everybody in a label file; with `openpose` the detections as well, in `SPIN49`.

    Detections of any confidence count as SEEN. FileNotFoundError; ValueError, naming file and
    entry, for a file that is damaged or of another kind and for an entry that makes no sense.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no labels {path}: {SOURCE}")
    held = npz.read_archive(path)
    try:
        return _labels(held, name, path.stem, openpose)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def load(folder: Path | str, name: str, *, split: str = "train", size: int = 224) -> LabelPictures:
    """A set of `TRAIN` or, with `split` "test", of `TEST`: its labels, and crops of its pictures.

    LSP's test set has masks and parts where the folder of UPi-S1h is. Errors as `read`, and
    ValueError for another name.
    """
    folder = Path(folder)
    wanted = _set(name, split)
    labels = read(_file(folder, wanted), wanted.data)
    masked = (folder / MASKS).is_dir() and (labels.rows["mask"] != "").all()
    return LabelPictures(
        labels, folder / wanted.folder, size=size, masks=folder / MASKS if masked else None
    )


def mixture(
    folder: Path | str,
    shares: str = "bae",
    *,
    size: int = 224,
    length: int | None = None,
    seed: int = 0,
) -> Mixed:
    """The training sets in the `SHARES` "bae" or "spin".

    An epoch of SPIN's has as many pictures as its largest set, and so has the mixture, unless a
    `length` is given: that of all epochs, of which each takes the next stretch. SPIN throws dice
    for the set of each picture; here sets take turns. Errors as `load`.
    """
    if shares not in SHARES:
        raise ValueError(f"no shares {shares!r} of SPIN's sets: {' or '.join(SHARES)}")
    fixed = SHARES[shares]
    sets = {name: load(folder, name, size=size) for name in (*fixed, *WILD)}
    wild = sum(len(sets[name]) for name in WILD)
    rest = 1 - sum(fixed.values())
    parts = [fixed.get(name, rest * len(each) / wild) for name, each in sets.items()]
    length = length or max(map(len, sets.values()))
    return Mixed(
        list(sets.values()), parts, length=length, skeleton=SPIN24, stand_ins={}, seed=seed
    )


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of SPIN's sets is in `folder`: (what, state, detail), as `posekit.data.check` has them.

    Labels are read; pictures are looked for. Human3.6M's training labels may be absent: nobody may
    give them away, and Bae does without.
    """
    folder = Path(folder)
    named = {(split, name): each for split, sets in SPLITS.items() for name, each in sets.items()}
    there = [key for key, each in named.items() if _file(folder, each).is_file()]
    if not there:
        yield "label files", "missing", f"none in {folder} or its dataset_extras: {SOURCE}"
        return
    yield "label files", "ok", f"{len(there)} of {len(named)}"
    for (split, name), each in named.items():
        what = f"{name} {split}"
        try:
            pictures = load(folder, name, split=split)
        except FileNotFoundError as error:
            yield what, "note" if (split, name) == ("train", "h36m") else "missing", str(error)
            continue
        except ValueError as error:
            yield what, "wrong", str(error)
            continue
        labels = pictures.labels
        detail = f"{len(labels):,} persons, {int(labels.has_body.sum()):,} with a body"
        whole = each.persons in (None, len(labels))
        more = "" if whole else f"; the whole set has {each.persons:,}"
        yield what, "ok" if whole else "note", detail + more
        yield people.check_pictures(labels, pictures.folder, SOURCE)
        if (labels.rows["mask"] != "").all():
            yield check_masks(labels, folder / MASKS)


def _set(name: str, split: str) -> Set:
    sets = SPLITS.get(split, {})
    if name not in sets:
        known = "; ".join(f"{split}: {', '.join(sets)}" for split, sets in SPLITS.items())
        raise ValueError(f"SPIN has no set {name!r} of the split {split!r}; there are {known}")
    return sets[name]


def _file(folder: Path, wanted: Set) -> Path:
    """The set's label file, or where it should be."""
    places = (folder, folder / "dataset_extras")
    paths = [place / f"{stem}.npz" for place in places for stem in wanted.files]
    return next((path for path in paths if path.is_file()), paths[0])


# ---- what is in a file
def _labels(held: dict[str, Any], name: str, version: str, openpose: bool) -> Labels:
    if lacking := [key for key in ("imgname", "center", "scale") if key not in held]:
        raise ValueError(f"it has no {', '.join(lacking)}: it is none of SPIN's label files")
    count = len(np.atleast_1d(held["imgname"]))
    if not count:
        raise ValueError("nobody is in it")
    rows = _rows(held, count)
    named = [f"entry {row} ({image!r:.60})" for row, image in enumerate(rows["image"])]

    def numbers(key: str, *shape: int, of: Tensor | None = None) -> Float64[Tensor, "N ..."]:
        if key not in held:
            return torch.zeros(count, *shape).double()
        array = np.asarray(held[key])
        if array.shape != (count, *shape) or array.dtype.kind not in "biuf":
            raise ValueError(
                f"{key} has the shape {array.shape} and the type {array.dtype}, not numbers of "
                f"shape {(count, *shape)}; {AGAIN}"
            )
        table = torch.from_numpy(array.astype(float))
        if of is not None:
            table[~of] = 0.0  # whatever stands there
        if not table.isfinite().all():
            wrong = int((~table.isfinite()).reshape(count, -1).any(1).nonzero()[0])
            raise ValueError(f"{named[wrong]}: {key} is not finite")
        return table

    centre, scale = numbers("center", 2), numbers("scale")
    if not (scale > 0).all():
        raise ValueError(f"{named[int((scale <= 0).nonzero()[0])]}: its scale is not positive")
    points, places = numbers("part", 24, 3), numbers("S", 24, 4)
    if openpose:
        points = torch.cat([numbers("openpose", 25, 3), points], dim=1)
        places = torch.cat([torch.zeros(count, 25, 4).double(), places], dim=1)
    known, known3d = points[..., 2] > 0, places[..., 3] > 0
    has_body = torch.full((count,), "pose" in held and "shape" in held)
    if "has_smpl" in held:
        has_body &= numbers("has_smpl") > 0
    rotations = torch.zeros(1, 24, 3, 3).double().expand(count, 24, 3, 3)
    if has_body.any():
        turns = roma.rotvec_to_rotmat(numbers("pose", 72, of=has_body).reshape(count, 24, 3))
        rotations = turns.where(has_body[:, None, None, None], 0.0)
    return Labels(
        name=name,
        version=version,
        skeleton=SPIN49 if openpose else SPIN24,
        rows=rows,
        boxes=squares(centre, scale),
        joints2d=points[..., :2].where(known[..., None], 0.0),
        visible=torch.where(known, SEEN, UNKNOWN).to(torch.uint8),
        intrinsics=torch.eye(3).double().expand(count, 3, 3),
        joints3d=1000 * places[..., :3].where(known3d[..., None], 0.0),
        has_joints3d=known3d.any(1),
        known3d=known3d,
        rotations=rotations,
        shape=numbers("shape", 10, of=has_body),
        translation=torch.zeros(count, 3).double(),
        has_body=has_body,
    )


def _rows(held: dict[str, Any], count: int) -> pd.DataFrame:
    """image, gender, mask, parts, and which frame of what each is, as far as names tell it."""
    columns = {"image": "imgname", "gender": "gender", "mask": "maskname", "parts": "partname"}
    texts = {column: _texts(held, key, count) for column, key in columns.items()}
    for column in ("image", "mask", "parts"):
        for row, text in enumerate(texts[column]):
            if text or column == "image":
                people.inside(text, f"entry {row}")
    frames = [_frame(image, row) for row, image in enumerate(texts["image"])]
    rows = pd.DataFrame(texts | dict(zip(COLUMNS, zip(*frames, strict=True), strict=True)))
    if rows["subject"].str.startswith("TS").all():
        rows = rows.assign(valid=True, inside=True)  # SPIN keeps nobody else of MPI-INF-3DHP's test
    return rows


def _texts(held: dict[str, Any], key: str, count: int) -> list[str]:
    if key not in held:
        return [""] * count
    values = np.atleast_1d(held[key])
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

"""Leeds Sports Pose (Johnson and Everingham, BMVC 2010) and LSP extended (CVPR 2011): `LSP14` in pictures.

joints.mat has one array `joints`, of two shapes that mean different things:

- LSP (3, 14, 2000): every joint has a place; the third number is 1 where it is covered. Pictures
  images/im0001.jpg; the first 1000 are to train on. lsp_dataset has people about 150 px high,
  lsp_dataset_original the pictures as they were
- LSP extended (14, 3, 10000): the third number is 1 where a joint is labelled; who isn't seen was not.
  Pictures images/im00001.jpg of lspet_dataset, or im00001.png of hr-lspet (Insafutdinov et al., ECCV
  2016), the same people in the pictures as they were

(The readme of either calls the third number visibility; in LSP it is the opposite.) Pixels are as in the files, which come from Matlab. SPIN takes all
joints of both for labelled, also where LSP extended has none.

Masks and parts of the test pictures are those of UPi-S1h (Lassner et al., "Unite the People", CVPR
2017): upi-s1h/data/lsp/im1001_segmentation.png, im1001_part_segmentation.png, of the size of
lsp_dataset's pictures; 255 in the parts: not labelled.

N persons.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.formats.matlab import read_mat
from posekit.data.formats.pickles import AGAIN
from posekit.data.people import (
    Part,
    People,
    PeoplePictures,
    Row,
    check_parts,
    naming,
    spin_crops,
    squares_round,
)
from posekit.geometry.skeleton import LSP14
from posekit.system import need_file

SOURCE = (
    "get lsp_dataset.zip, lsp_dataset_original.zip and lspet_dataset.zip at sam.johnson.io/research, "
    "or hr-lspet.zip at datasets.d2.mpi-inf.mpg.de/hr-lspet"
)
TRAINED = 1000  # pictures of LSP to train on; the others are its test set
PHOTOGRAPHS = {"train": range(1, 2001), "test": range(2001, 2401)}  # of LSP extended
SPLITS = {  # folders that have it, the best first
    "test": ("lsp_dataset",),
    "train": ("lsp_dataset_original", "lsp_dataset"),
    "extended": ("hr-lspet", "lspet_dataset"),
}


def read(path: Path | str) -> People:
    """Everybody in a joints.mat, by picture; who has fewer than 2 labelled joints is left out.

    Pictures are named as in the zip files (jpg in images; png beside it in a folder hr-lspet). The
    boxes are SPIN's crops: 1.2 times what the labelled joints span. FileNotFoundError; ValueError,
    naming the file, when it is damaged or of another kind.
    """
    path = need_file(Path(path), "file of joints", SOURCE)
    table = read_mat(path, re.compile("joints")).get("joints", np.zeros(0))
    with naming(path):
        return _people(table, path.parent.name)


def _people(table: np.ndarray, folder: str) -> People:
    extended = table.shape[:2] == (14, 3)
    if table.ndim != 3 or not (extended or table.shape[:2] == (3, 14)) or not table.shape[2]:
        raise ValueError(
            f"joints of shape {table.shape}, not LSP's (3, 14, N) or LSP extended's (14, 3, N)"
        )
    if table.dtype.kind not in "biuf":
        raise ValueError(f"joints are {table.dtype}, not numbers; {AGAIN}")
    table = torch.from_numpy(table.astype(float)).permute((2, 0, 1) if extended else (2, 1, 0))
    flag = table[..., 2]
    if not torch.isin(flag, torch.tensor([0.0, 1.0]).double()).all():
        raise ValueError(f"the third number of a joint is neither 0 nor 1; {AGAIN}")
    seen, other = (1, UNKNOWN) if extended else (0, HIDDEN)
    visible = torch.where(flag == seen, SEEN, other).to(torch.uint8)
    known = visible != UNKNOWN
    joints = table[..., :2].where(known[..., None], 0.0)
    boxes = squares_round(joints, known)
    people = People(
        "lspet" if extended else "lsp",
        "extended" if extended else folder,
        LSP14,
        _rows(len(joints), extended, folder),
        boxes,
        joints,
        visible,
    )
    return people[(boxes[:, 2] > 0).numpy()]


def _rows(count: int, extended: bool, folder: str) -> pd.DataFrame:
    numbers = range(1, count + 1)
    digits, images = (5 if extended else 4), "images/im{}.jpg"
    if extended and folder == "hr-lspet":
        images = "im{}.png"
    rows = {"image": [images.format(f"{number:0{digits}d}") for number in numbers]}
    if not extended:
        for column, kind in (("mask", "segmentation"), ("parts", "part_segmentation")):
            name = f"data/lsp/im{{:04d}}_{kind}.png"
            rows[column] = [name.format(n) if n > TRAINED else "" for n in numbers]
    rows |= dict.fromkeys(("subject", "action", "camera"), "") | {"take": 1}
    return pd.DataFrame({**rows, "frame": range(count)})


def load(folder: Path | str, split: str = "test", *, size: int = 224) -> PeoplePictures:
    """SPIN's crops of "train" (pictures 1 to 1000), "test" (1001 to 2000) or "extended".

    `folder` has the zip files' folders of `SPLITS`, or is one of them; test pictures have masks and
    parts if upi-s1h is in it, too. Errors as `read`, and ValueError for another split.
    """
    folder = Path(folder)
    if split not in SPLITS:
        raise ValueError(f"no split {split!r} of LSP: {', '.join(SPLITS)}")
    places = [folder / name for name in SPLITS[split]]
    there = [place for place in (*places, folder) if (place / "joints.mat").is_file()]
    place = there[0] if there else places[0]
    people = read(place / "joints.mat")
    if (people.version == "extended") != (split == "extended"):
        raise ValueError(f"{place / 'joints.mat'} is of another set than LSP's {split!r}")
    if split != "extended":
        of_test = people.rows["frame"].to_numpy() >= TRAINED
        people = people[of_test if split == "test" else ~of_test]
    return spin_crops(people, place, folder, size=size)


def photographs(
    folder: Path | str,
    split: str = "test",
    *,
    size: int | Sequence[int] = 256,
    count: int | None = None,
) -> PeoplePictures:
    """Real people to train 2D networks on, "train", and to test any network on, "test".

    Pictures 1 to 2000 and 2001 to 2400 of LSP extended, or the first `count` of them: a split of
    posekit's, since the published one has all of them in its training set. Errors as `load`, and ValueError where a part has nobody.
    """
    if split not in PHOTOGRAPHS:
        raise ValueError(f"no split {split!r}; there are {', '.join(PHOTOGRAPHS)}")
    pictures, numbers = load(folder, "extended", size=size), PHOTOGRAPHS[split]
    chosen = pictures.people.rows["frame"].add(1).isin(numbers).to_numpy()
    if not chosen.any():
        raise ValueError(f"{folder} has none of the pictures {numbers[0]} to {numbers[-1]}")
    people = pictures.people[chosen][:count]
    return PeoplePictures(people, pictures.folder, size=size, context=1)


def check_photographs(folder: Path | str) -> Iterator[Row]:
    """Which of the `photographs` are in `folder`, as `posekit.data.check` reports it."""
    parts = [Part(name, partial(photographs, folder, name)) for name in PHOTOGRAPHS]
    return check_parts(parts, Path(folder), SOURCE)


def check(folder: Path | str) -> Iterator[Row]:
    """What of LSP is in `folder`, as `posekit.data.check` reports it."""
    folder = Path(folder)
    parts = [
        Part(split, lambda split=split: load(folder, split), optional=split == "extended")
        for split in SPLITS
    ]
    return check_parts(parts, folder, SOURCE)

"""Leeds Sports Pose (Johnson and Everingham, BMVC 2010) and LSP extended (CVPR 2011): `LSP14` in pictures.

joints.mat has one array `joints`, of two shapes that mean different things:

- LSP (3, 14, 2000): every joint has a place; the third number is 1 where it is covered. Pictures
  images/im0001.jpg; the first 1000 are to train on. lsp_dataset has people about 150 px high,
  lsp_dataset_original the pictures as they were
- LSP extended (14, 3, 10000): the third number is 1 where a joint is labelled; who isn't seen was not.
  Pictures images/im00001.jpg of lspet_dataset, or im00001.png of hr-lspet (Insafutdinov et al., ECCV
  2016), the same people in the pictures as they were

(The readme of either calls the third number visibility. Of LSP it is the opposite: whoever reads it
for training turns it round.) Pixels are as in the files, which come from Matlab. SPIN takes all
joints of both for labelled, also where LSP extended has none.

Masks and parts of the test pictures are those of UPi-S1h (Lassner et al., "Unite the People", CVPR
2017): upi-s1h/data/lsp/im1001_segmentation.png, im1001_part_segmentation.png, of the size of
lsp_dataset's pictures; 255 in the parts: not labelled.

N persons.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from posekit.data import people
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.formats.matlab import read_mat
from posekit.data.formats.pickles import AGAIN
from posekit.data.people import LabelPictures, Labels, squares_round
from posekit.geometry.skeleton import LSP14

SOURCE = (
    "get lsp_dataset.zip, lsp_dataset_original.zip and lspet_dataset.zip at sam.johnson.io/research, "
    "or hr-lspet.zip at datasets.d2.mpi-inf.mpg.de/hr-lspet"
)
MASKS = "upi-s1h"
MASKS_SOURCE = "get upi-s1h.zip at files.is.tuebingen.mpg.de/classner/up (45 GB)"
TRAINED = 1000  # pictures of LSP to train on; the others are its test set
SPLITS = {  # folders that have it, the best first
    "test": ("lsp_dataset",),
    "train": ("lsp_dataset_original", "lsp_dataset"),
    "extended": ("hr-lspet", "lspet_dataset"),
}


def read(path: Path | str) -> Labels:
    """Everybody in a joints.mat, by picture; who has fewer than 2 labelled joints is left out.

    Pictures are named as in the zip files (jpg in images; png beside it in a folder hr-lspet). The
    crop is SPIN's: 1.2 times what the labelled joints span. FileNotFoundError; ValueError, naming
    the file, when it is damaged or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no joints {path}: {SOURCE}")
    table = read_mat(path, re.compile("joints")).get("joints", np.zeros(0))
    extended = table.shape[:2] == (14, 3)
    if table.ndim != 3 or not (extended or table.shape[:2] == (3, 14)) or not table.shape[2]:
        raise ValueError(
            f"{path}: joints of shape {table.shape}, not LSP's (3, 14, N) or LSP extended's (14, 3, N)"
        )
    if table.dtype.kind not in "biuf":
        raise ValueError(f"{path}: joints are {table.dtype}, not numbers; {AGAIN}")
    table = torch.from_numpy(table.astype(float)).permute((2, 0, 1) if extended else (2, 1, 0))
    flag = table[..., 2]
    if not torch.isin(flag, torch.tensor([0.0, 1.0]).double()).all():
        raise ValueError(f"{path}: the third number of a joint is neither 0 nor 1; {AGAIN}")
    seen, else_ = (1, UNKNOWN) if extended else (0, HIDDEN)
    visible = torch.where(flag == seen, SEEN, else_).to(torch.uint8)
    known = visible != UNKNOWN
    joints = table[..., :2].where(known[..., None], 0.0)
    if not joints.isfinite().all():
        wrong = int((~joints.isfinite()).flatten(1).any(1).nonzero()[0])
        raise ValueError(f"{path}: joints of picture {wrong + 1} are not finite; {AGAIN}")
    boxes = squares_round(joints, known)
    count = len(joints)
    found = Labels(
        name="lspet" if extended else "lsp",
        version="extended" if extended else path.parent.name,
        skeleton=LSP14,
        rows=_rows(path, count, extended),
        boxes=boxes,
        joints2d=joints,
        visible=visible,
        intrinsics=torch.eye(3).double().expand(count, 3, 3),
        joints3d=torch.zeros(count, 14, 3).double(),
        has_joints3d=torch.zeros(count).bool(),
        known3d=torch.zeros(count, 14).bool(),
        rotations=torch.zeros(count, 24, 3, 3).double(),
        shape=torch.zeros(count, 10).double(),
        translation=torch.zeros(count, 3).double(),
        has_body=torch.zeros(count).bool(),
    )
    return found[(boxes[:, 2] > 0).numpy()]


def _rows(path: Path, count: int, extended: bool) -> pd.DataFrame:
    numbers = np.arange(1, count + 1)
    name = "images/im{:05d}.jpg" if extended else "images/im{:04d}.jpg"
    if extended and path.parent.name == "hr-lspet":
        name = "im{:05d}.png"
    up = "" if extended else "data/lsp/im{:04d}_{}.png"
    return pd.DataFrame(
        {
            "image": [name.format(number) for number in numbers],
            "gender": "",
            "mask": [up.format(number, "segmentation") for number in numbers],
            "parts": [up.format(number, "part_segmentation") for number in numbers],
            "subject": "",
            "action": "",
            "take": 1,
            "camera": "",
            "frame": numbers - 1,
        }
    )


def load(folder: Path | str, split: str = "test", *, size: int = 224) -> LabelPictures:
    """The pictures of "train" (1 to 1000), "test" (1001 to 2000) or "extended".

    `folder` has the zip files' folders of `SPLITS`, or is one of them; the test pictures have masks
    and parts where upi-s1h is in it, too. Errors as `read`, and ValueError for another split.
    """
    folder = Path(folder)
    place = _place(folder, split)
    labels = read(place / "joints.mat")
    if (labels.version == "extended") != (split == "extended"):
        raise ValueError(f"{place / 'joints.mat'} is of another set than LSP's {split!r}")
    if split != "extended":
        frame = labels.rows["frame"].to_numpy()
        labels = labels[frame < TRAINED if split == "train" else frame >= TRAINED]
    masked = split == "test" and (folder / MASKS).is_dir()
    return LabelPictures(labels, place, size=size, masks=folder / MASKS if masked else None)


def _place(folder: Path, split: str) -> Path:
    if split not in SPLITS:
        raise ValueError(f"no split {split!r} of LSP: {', '.join(SPLITS)}")
    places = [folder / name for name in SPLITS[split]]
    if (folder / "joints.mat").is_file():
        places.append(folder)
    return next((place for place in places if (place / "joints.mat").is_file()), places[0])


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of LSP is in `folder`: (what, state, detail), as `posekit.data.check` has them.

    Joints are read; pictures and masks are looked for.
    """
    folder = Path(folder)
    for split in SPLITS:
        try:
            pictures = load(folder, split)
        except FileNotFoundError as error:
            yield split, "note" if split == "extended" else "missing", str(error)
            continue
        except ValueError as error:
            yield split, "wrong", str(error)
            continue
        labels = pictures.labels
        yield split, "ok", f"{len(labels):,} persons of {pictures.folder.name}"
        yield people.check_pictures(labels, pictures.folder, SOURCE)
        if split == "test":
            yield check_masks(labels, folder / MASKS)


def check_masks(labels: Labels, folder: Path) -> tuple[str, str, str]:
    """A line about the masks and parts that these labels name."""
    files = [*labels.rows["mask"], *labels.rows["parts"]]
    missing = [name for name in files if not (folder / name).is_file()]
    what = f"masks of {labels.version}"
    if not missing:
        return what, "ok", f"{len(files):,} files"
    return what, "missing", f"{len(missing):,} of {len(files):,}, as {missing[0]}: {MASKS_SOURCE}"

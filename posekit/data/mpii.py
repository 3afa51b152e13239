"""MPII Human Pose (Andriluka et al., CVPR 2014): its annotations, in five forms, and its pictures.

Whatever the form (see `mpii_formats`), annotations mean one thing: pixels counted from 0 (the centre
of the upper left one), centre and scale as the release has them, head sizes as PCKh takes them.

N persons; B persons of a batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from posekit.data import only
from posekit.data.batch import UNKNOWN, Batch
from posekit.data.formats.pickles import DAMAGE
from posekit.data.mpii_formats import HEAD_TO_SCALE, JOINTS, SOURCE, Person, open_file
from posekit.data.people import Part, People, PeoplePictures, Row, check_parts, inside, naming
from posekit.geometry.crop import Crop, kim_affine
from posekit.geometry.skeleton import MPII16
from posekit.system import need_file

SPLITS = {"train": False, "valid": True}
Number = int | float
LEGS = ("right_knee", "left_knee", "right_ankle", "left_ankle")


def read(path: Path | str) -> People:
    """The persons of an annotation file of any form, told from what is in it.

    Boxes are squares of 200 px times scale, 15 px times scale below the centre, as Newell et al.
    (ECCV 2016) and most after them take them. Rows have person (number in the release's picture,
    from 0; -1: not told), x and y (the centre), scale (height / 200 px), head (0.6 of the head
    box's diagonal, px; NaN: not known) and, in bearpaw's form, validation.

    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense; ModuleNotFoundError when h5py is needed and absent.
    """
    path = need_file(Path(path), "file of annotations", SOURCE)
    form, persons = open_file(path)
    with naming(f"{path}, of MPII's {form} form by its looks"):
        return _people(form, persons)


def _people(form: str, persons: Iterable[Person]) -> People:
    """The entries as a table; whoever has the centre (-1, -1) has none and is left out."""
    found, place = [], "its beginning"
    try:
        for entry, person in enumerate(persons):
            place = f"entry {entry} ({person.image!r:.60})"
            if tuple(person.centre) != (-1, -1):
                found.append(_labels(person))
            place = f"after {place}"
    except DAMAGE as error:
        detail = error if type(error) is ValueError else repr(error)
        raise ValueError(f"{place}: {detail}") from error
    if not found:
        raise ValueError("nobody in it has joints, a centre and a scale")
    rows, joints, visible = zip(*found, strict=True)
    rows = pd.DataFrame(rows)
    if rows["validation"].isna().any():
        rows = rows.drop(columns="validation")
    x, y, scale = rows["x"], rows["y"], rows["scale"]
    boxes = np.stack([x - 100 * scale, y - 85 * scale, 200 * scale, 200 * scale], axis=1)
    return People(
        "mpii",
        form,
        MPII16,
        rows,
        torch.from_numpy(boxes),
        torch.from_numpy(np.stack(joints)),
        torch.from_numpy(np.stack(visible)),
    )


def _labels(person: Person) -> tuple[dict, np.ndarray, np.ndarray]:
    """A row, joints and flags of an entry, pixels counted from 0; ValueError says what is wrong."""
    joints, visible = np.asarray(person.joints, float), np.asarray(person.visible, np.uint8)
    if joints.shape != (JOINTS, 2) or visible.shape != (JOINTS,):
        raise ValueError(f"joints of shape {joints.shape}, MPII's are {JOINTS} of 2 numbers")
    (x, y), scale = map(float, person.centre), float(person.scale)
    if not scale > 0:
        raise ValueError(f"the scale {scale} is not a positive number; leave such persons out")
    head = HEAD_TO_SCALE * scale if person.head is None else float(person.head)
    row = {
        "image": inside(person.image, "this entry"),
        "person": int(person.number),
        "x": x - 1,
        "y": y - 1,
        "scale": scale,
        "head": head if head > 0 else np.nan,
        "validation": person.validation,
    }
    return row, np.where((visible != UNKNOWN)[:, None], joints - 1, 0.0), visible


CROPS = {"kim": 1.0, "moon": 1.25, "bouchiat": 1.25 * 1.25}
"""Rules of a person's crop. "kim": Kim et al.'s (`geometry.crop.kim_affine`), a box of 120 x 210 px
times scale, cut at the picture's edges, black outside. The others: how much larger than the square
of 200 px times scale. 250 px is usual; Bouchiat et al.'s code (data/mpii.py) widens by 1.25 twice,
to 312.5 px."""


class MpiiPictures(PeoplePictures):
    """One crop a person by a rule of CROPS, whose side is the crop's height.

    Errors as `PeoplePictures`, and ValueError for another rule, or one that only makes squares.
    """

    def __init__(
        self,
        people: People,
        folder: Path | str,
        *,
        size: int | Sequence[int] = 256,
        rule: str = "kim",
    ):
        if rule not in CROPS:
            raise ValueError(f"no rule {rule!r} of MPII's crops; there are {', '.join(CROPS)}")
        super().__init__(people, folder, size=size, context=CROPS[rule], fit="height")
        if rule == "kim" and self.size[0] != self.size[1]:
            raise ValueError(f"Kim et al.'s crops are squares, not of {self.size} px")
        self.rule, self.version = rule, f"{people.version}, {rule} crop"

    def heads_in(self, batch: Batch) -> Float64[Tensor, " B"]:
        """Head sizes, px of the crops, whether augmented or not; NaN where not known."""
        area = torch.linalg.det(batch.intrinsics[:, :2, :2].double()).abs()
        heads = torch.tensor(self.people.rows["head"].to_numpy())
        return heads[batch.index.cpu()].to(area.device) * area.sqrt()

    def picture(self, index: int) -> np.ndarray:
        try:
            return super().picture(index)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error}: {SOURCE}") from error

    def crop(self, index: int, picture: tuple[int, int]) -> tuple[Crop, Float64[Tensor, " 4"]]:
        if self.rule != "kim":
            return super().crop(index, picture)
        row, who = self.people.rows.iloc[index], self.people.who(index)
        crop = kim_affine(
            (row["x"], row["y"]), row["scale"], self.size[0], picture=picture, name=who
        )
        left, top, right, bottom = crop.window
        box = torch.tensor([left - 0.5, top - 0.5, right - left, bottom - top])
        return crop, box.double()


def leg_loss(
    people: People,
    *,
    height: Number = 210,
    width: Number = 120,
    joints: Iterable[str] = LEGS,
) -> float:
    """The share of these labelled joints outside `height` x `width` px times scale round the centre.

    By default those of the legs and the crop of Kim et al., section IV. ValueError when none of
    them is labelled.
    """
    index = [MPII16.index(joint) for joint in joints]
    known = people.visible[:, index] != UNKNOWN
    if not known.any():
        raise ValueError("none of these joints is labelled")
    centre = torch.tensor(people.rows[["x", "y"]].to_numpy())
    scale = torch.tensor(people.rows["scale"].to_numpy())
    half = torch.tensor([width, height], dtype=torch.float64) / 2
    away = (people.joints2d[:, index] - centre[:, None]).abs()
    outside = (away > half * scale[:, None, None]).any(-1)
    return outside[known].double().mean().item()


def load(folder: Path | str, split: str) -> People:
    """The persons of the split "train" or "valid": of the file named after it, or of one that tells.

    Files are looked for in `folder`, its annot and annotations. FileNotFoundError when none is of
    that split, ValueError when several are, or nobody is in it, else as `read`.
    """
    files = _files(Path(folder))
    named = [file for file in files if file.stem == split]
    if file := only(named, f"MPII's split {split!r}"):
        return read(file)
    for file in files:
        people = read(file)
        if "validation" in people.rows:
            chosen = people.rows["validation"].to_numpy() == SPLITS[split]
            if not chosen.any():
                raise ValueError(f"{file}: nobody in it is of the split {split!r}")
            return people[chosen]
    named = ", ".join(file.name for file in files) or "none"
    raise FileNotFoundError(
        f"no annotations of MPII's split {split!r} in {folder} (there are {named}): name a file "
        f"{split}.h5 or {split}.json; {SOURCE}"
    )


def _files(folder: Path) -> list[Path]:
    """All that may be annotations, not a detector's poses or an evaluation's truth."""
    return sorted(
        file
        for place in (folder, folder / "annot", folder / "annotations")
        for kind in ("mat", "h5", "json")
        for file in place.glob(f"*.{kind}")
        if not file.stem.startswith(("gt_", "mpii_gt_", "detections"))
    )


def check(folder: Path | str) -> Iterator[Row]:
    """What of MPII is in `folder`, or its annot, annotations and images: see `data.check`."""
    folder = Path(folder)
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    files = _files(folder) or [folder / "valid.h5"]
    parts = [
        Part(file.name, lambda file=file: MpiiPictures(read(file), pictures)) for file in files
    ]
    return check_parts(parts, folder, SOURCE)

"""MPII Human Pose (Andriluka et al., CVPR 2014): its annotations, in five forms, and its pictures.

Whatever the form, annotations mean one thing: pixels counted from 0 (the centre of the upper left
one), centre and scale as the release has them, head sizes as PCKh takes them.

N persons; B persons of a batch, K points of each.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from torch import Tensor

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch
from posekit.data.formats.pickles import DAMAGE
from posekit.data.mpii_formats import HEAD_TO_SCALE, JOINTS, Person, open_file
from posekit.data.pictures import Pictures, check_size
from posekit.geometry.crop import Crop, crop_affine, kim_affine, read_image, take
from posekit.geometry.skeleton import MPII16

SOURCE = (
    "get MPII at human-pose.mpi-inf.mpg.de, without registration, for research only: pictures "
    "mpii_human_pose_v1.tar.gz (12.9 GB), annotations mpii_human_pose_v1_u12_2.zip (12.5 MB)"
)
SPLITS = {"train": False, "valid": True}
CROPS = ("kim", "usual")
LEGS = ("right_knee", "left_knee", "right_ankle", "left_ankle")
Number = int | float


@dataclass(frozen=True)
class Annotations:
    """Persons of MPII."""

    form: str  # they were read from: "mat", "h5", "hrnet", "bearpaw" or "coco"
    images: tuple[str, ...]  # file names
    persons: Int64[Tensor, " N"]  # number in the release's picture, from 0; -1: not told
    centre: Float64[Tensor, "N 2"]  # px, not lowered
    scale: Float64[Tensor, " N"]  # height / 200 px, not widened
    joints: Float64[Tensor, "N 16 2"]  # px, 0 where UNKNOWN; may lie outside the picture
    visible: UInt8[Tensor, "N 16"]  # UNKNOWN, HIDDEN or SEEN
    head: Float64[Tensor, " N"]  # size, px: 0.6 of the head box's diagonal; NaN: not known
    validation: Bool[Tensor, " N"] | None = None  # in Tompson et al.'s split; None: not told

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: slice | Iterable[int] | Tensor | np.ndarray) -> "Annotations":
        """The persons of a slice, of a mask, or of these indices."""
        index = chosen if isinstance(chosen, slice) else torch.as_tensor(chosen)
        rows = torch.arange(len(self))[index]
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        taken = {name: value[rows] for name, value in named.items() if isinstance(value, Tensor)}
        return replace(self, images=tuple(self.images[row] for row in rows.tolist()), **taken)

    @property
    def known(self) -> Bool[Tensor, "N 16"]:
        """Which joints are labelled."""
        return self.visible != UNKNOWN


def read(path: Path | str, split: str = "") -> Annotations:
    """The persons of an annotation file of any form, told from what is in it.

    `split`: "train" or "valid" of a file that tells them apart (bearpaw's), "" for all of any.
    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense; ModuleNotFoundError when h5py is needed and absent.
    """
    path = Path(path)
    if split not in ("", *SPLITS):
        raise ValueError(f"no split {split!r} of MPII: 'train', 'valid', or '' for a whole file")
    if not path.is_file():
        raise FileNotFoundError(f"there are no annotations {path}: {SOURCE}")
    form, persons = open_file(path)
    try:
        found = _gather(form, persons)
    except ModuleNotFoundError:
        raise
    except (ValueError, OSError, RuntimeError, zlib.error) as error:  # h5py's are RuntimeErrors
        raise ValueError(f"{path}, of MPII's {form} form by its looks: {error}") from error
    if split and found.validation is None:
        raise ValueError(f"{path} does not tell validation from training: leave `split` empty")
    return found[found.validation == SPLITS[split]] if split else found


def _gather(form: str, persons: Iterable[Person]) -> Annotations:
    """The entries as arrays; whoever has the centre (-1, -1) has none and is left out."""
    rows, place = [], "its beginning"
    try:
        for entry, person in enumerate(persons):
            place = f"entry {entry} ({person.image!r:.60})"
            if tuple(person.centre) != (-1, -1):
                rows.append(_checked(person))
            place = f"after {place}"
    except DAMAGE as error:
        detail = error if type(error) is ValueError else repr(error)
        raise ValueError(f"{place}: {detail}") from error
    if not rows:
        raise ValueError("nobody in it has joints, a centre and a scale")
    images, joints, visible, centre, scale, numbers, heads, validation = zip(*rows, strict=True)
    return Annotations(
        form,
        images,
        torch.tensor(numbers),
        torch.from_numpy(np.stack(centre)),
        torch.tensor(scale, dtype=torch.float64),
        torch.from_numpy(np.stack(joints)),
        torch.from_numpy(np.stack(visible)),
        torch.tensor(heads, dtype=torch.float64),
        None if None in validation else torch.tensor(validation),
    )


def _checked(person: Person) -> Person:
    """The person in plain numbers, pixels counted from 0; ValueError says what is wrong."""
    name = person.image
    if not isinstance(name, str) or not name.isprintable() or name in ("", ".", ".."):
        raise ValueError("its picture has no name")
    if "/" in name or "\\" in name:
        raise ValueError("its picture's name leads to another folder; MPII's are plain file names")
    joints, visible = np.asarray(person.joints, float), np.asarray(person.visible)
    if joints.shape != (JOINTS, 2) or visible.shape != (JOINTS,):
        raise ValueError(f"joints of shape {joints.shape}, MPII's are {JOINTS} of 2 numbers")
    known = visible != UNKNOWN
    if (wrong := known & ~np.isfinite(joints).all(1)).any():
        names = [MPII16.joints[joint] for joint in np.flatnonzero(wrong)]
        raise ValueError(f"{', '.join(names)}: not finite; mark joints without a place as missing")
    centre, scale = np.asarray(person.centre, float), float(person.scale)
    if centre.shape != (2,) or not np.isfinite(centre).all():
        raise ValueError(f"the centre {centre.tolist()} is not two finite numbers")
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"the scale {scale} is not a positive number; leave such persons out")
    head = HEAD_TO_SCALE * scale if person.head is None else float(person.head)
    return Person(
        name,
        np.where(known[:, None], joints - 1, 0.0),
        visible.astype(np.uint8),
        centre - 1,
        scale,
        int(person.number),
        head if head > 0 else math.nan,
        person.validation,
    )


class MpiiPictures(Pictures):
    """One square crop a person, black where it reaches over the picture's edge.

    `crop`: "kim" is the rule of Kim et al. (`posekit.crop.kim_affine`); "usual" that of Newell et
    al. (2016) and most after them, 250 px times scale round the centre, 15 px times scale lower.
    A batch's boxes are 120 x 210 px times scale, clipped, for the first and 200 px times scale
    square for the second. Joints outside the crop or the picture are HIDDEN. No camera is known:
    the intrinsics hold the crop's matrix, from the picture's pixels to the crop's, which is that
    of a focal length of 1 px. Body and 3D joints are not known either.

    ValueError for another size or rule; when a sample is taken, FileNotFoundError and ValueError
    name the person whose picture is missing, is damaged, or does not hold them.
    """

    skeleton = MPII16
    name = "mpii"

    def __init__(
        self, annotations: Annotations, folder: Path | str, *, size: int = 256, crop: str = "kim"
    ):
        check_size(size)
        if crop not in CROPS:
            raise ValueError(f"no crop {crop!r}; there are {', '.join(CROPS)}")
        self.annotations, self.folder = annotations, Path(folder)
        self.size, self.rule = size, crop
        self.version = f"{annotations.form}, {crop} crop"

    def __len__(self) -> int:
        return len(self.annotations)

    @property
    def heads(self) -> Float64[Tensor, " N"]:
        """Head sizes, px of the pictures; NaN where not known."""
        return self.annotations.head

    def heads_in(self, batch: Batch) -> Float64[Tensor, " B"]:
        """Head sizes, px of the crops, whether augmented or not."""
        area = torch.linalg.det(batch.intrinsics[:, :2, :2].double()).abs()
        return self.heads[batch.index.cpu()].to(area.device) * area.sqrt()

    def to_picture(self, points: Float[Tensor, "B K 2"], batch: Batch) -> Float64[Tensor, "B K 2"]:
        """Points of crops, not augmented, in pixels of the pictures."""
        back = torch.linalg.inv(batch.intrinsics.double())
        return points.double() @ back[:, :2, :2].mT + back[:, None, :2, 2]

    def sample(self, index: int) -> Batch:
        people = self.annotations
        who = f"person {index} of MPII ({people.images[index]})"
        path = self.folder / people.images[index]
        try:
            image = read_image(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{who}: there is no {path}: {SOURCE}") from error
        except ValueError as error:
            raise ValueError(f"{who}: {error}") from error
        (matrix, window), box = self._crop(index, image.shape[:2], who)
        joints = people.joints[index]
        known = people.known[index]
        left, top, right, bottom = window
        low, high = torch.tensor([left, top]) - 0.5, torch.tensor([right, bottom]) - 0.5
        placed = joints @ matrix[:2, :2].T + matrix[:2, 2]
        inside = ((joints >= low) & (joints <= high)).all(1)
        inside &= ((placed >= -0.5) & (placed <= self.size - 0.5)).all(1)
        visible = people.visible[index]
        return Batch(
            skeleton=MPII16,
            index=torch.tensor([index]),
            images=take(image, matrix, (self.size, self.size), window)[None],
            boxes=_place_box(box, matrix).float()[None],
            joints2d=placed.where(known[:, None], 0.0).float()[None],
            visible=visible.masked_fill((visible == SEEN) & ~inside, HIDDEN)[None],
            intrinsics=matrix.float()[None],
            joints3d=torch.zeros(1, JOINTS, 3),
            has_joints3d=torch.tensor([False]),
            rotations=torch.zeros(1, 24, 3, 3),
            shape=torch.zeros(1, 10),
            translation=torch.zeros(1, 3),
            has_body=torch.tensor([False]),
        )

    def _crop(
        self, index: int, picture: tuple[int, int], who: str
    ) -> tuple[Crop, tuple[Number, Number, Number, Number]]:
        """The crop and the person's box, px of the picture."""
        x, y = self.annotations.centre[index].tolist()
        scale = self.annotations.scale[index].item()
        if self.rule == "kim":
            crop = kim_affine((x, y), scale, self.size, picture=picture, name=who)
            left, top, right, bottom = crop.window
            return crop, (left - 0.5, top - 0.5, right - left, bottom - top)
        box = (x - 100 * scale, y - 85 * scale, 200 * scale, 200 * scale)
        matrix = crop_affine(box, (self.size, self.size), picture=picture, name=who)
        return Crop(matrix, (0, 0, picture[1], picture[0])), box


def _place_box(box: tuple[Number, Number, Number, Number], matrix: Tensor) -> Tensor:
    corner, size = torch.tensor(box, dtype=torch.float64).split(2)
    scale = matrix[0, 0]
    return torch.cat([scale * corner + matrix[:2, 2], scale * size])


def leg_loss(
    annotations: Annotations,
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
    known = annotations.known[:, index]
    if not known.any():
        raise ValueError("none of these joints is labelled")
    half = torch.tensor([width, height], dtype=torch.float64) / 2
    away = (annotations.joints[:, index] - annotations.centre[:, None]).abs()
    outside = (away > half * annotations.scale[:, None, None]).any(-1)
    return outside[known].double().mean().item()


def load(folder: Path | str, split: str) -> Annotations:
    """The persons of the split "train" or "valid": of the file named after it, or of one that tells.

    Files are looked for in `folder`, its annot and annotations. FileNotFoundError when none is of
    that split, else as `read`.
    """
    files = _files(Path(folder))
    for file in files:
        if file.stem == split:
            return read(file)
    for file in files:
        found = read(file)
        if found.validation is not None:
            return found[found.validation == SPLITS[split]]
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


def check_mpii(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of MPII is in `folder`, or its annot, annotations and images: (what, state, detail).

    States are those of `posekit.data.check`. Pictures are looked for, not read.
    """
    folder = Path(folder)
    files = _files(folder)
    if not files:
        yield "annotations", "missing", f"none in {folder}, its annot or annotations: {SOURCE}"
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    for file in files:
        try:
            found = read(file)
        except (ValueError, ModuleNotFoundError) as error:
            yield file.name, "wrong", str(error)
            continue
        names = dict.fromkeys(found.images)
        yield file.name, "ok", f"{len(found):,} persons, {found.form} form"
        missing = [name for name in names if not (pictures / name).is_file()]
        what = f"pictures of {file.name}"
        if missing:
            detail = f"{len(missing):,} of {len(names):,} not in {pictures}, as {missing[0]}"
            yield what, "missing", f"{detail}: {SOURCE}"
        else:
            yield what, "ok", f"{len(names):,}"

"""Labelled people in pictures as one table, and square crops of them.

The readers of MPII, COCO, LSP, SPIN's files, 3DPW, MPI-INF-3DHP, MuCo and MuPoTS make `People` of
their files; `PeoplePictures` cuts each person out and moves the labels into the crop.

N persons, J joints, H x W pixels of a picture. Pixels: the centre of the upper left one is (0, 0).
Camera: mm, x right, y down, z forward.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float64, UInt8
from torch import Tensor

from posekit.data.batch import HIDDEN, IGNORE, SEEN, UNKNOWN, Batch, within
from posekit.data.pictures import Pictures, height_width
from posekit.geometry.crop import (
    FITS,
    Crop,
    crop_affine,
    read_image,
    read_labels,
    take,
    take_labels,
)
from posekit.geometry.skeleton import Skeleton
from posekit.geometry.units import check_pixels, check_poses

PARTS = 6  # of a body, as LSP's part maps count them
MASKS = "upi-s1h"  # the folder of LSP's masks and part maps
MASKS_SOURCE = "get upi-s1h.zip at files.is.tuebingen.mpg.de/classner/up (45 GB)"
SPIN_MARGIN = 1.2  # SPIN's square crop over the longer side of the box round the joints
Number = int | float


class Row(NamedTuple):
    """One line of a report on a data set's folder."""

    what: str
    state: str  # "ok", "note", or bad: "missing", "damaged", "wrong"
    detail: str


@dataclass(frozen=True)
class People:
    """Labelled persons of a data set's pictures. None: the data set does not have this label.

    `rows` has the column image, the picture's path in the data set's folder. Where a data set has
    them: height and width of the picture, px; mask and parts, the paths of label maps; gender ("m"
    or "f"); and the columns of `PoseSet.frames`.

    ValueError names the first person who has a label that is not finite, or a joint behind the
    camera, and tells labels that are in another unit.
    """

    name: str  # of the data set
    version: str  # which part of it, and how it was read
    skeleton: Skeleton
    rows: pd.DataFrame
    boxes: Float64[Tensor, "N 4"]  # left, top, width, height, px; may reach beyond the picture
    joints2d: Float64[Tensor, "N J 2"]  # px, 0 where UNKNOWN; may lie outside the picture
    visible: UInt8[Tensor, "N J"]  # UNKNOWN, HIDDEN or SEEN
    intrinsics: Float64[Tensor, "N 3 3"] | None = None  # of the whole picture
    joints3d: Float64[Tensor, "N J 3"] | None = None  # camera, mm; SPIN's count from the pelvis
    known3d: Bool[Tensor, "N J"] | None = None  # which of joints3d; left out: all if there are any
    rotations: Float64[Tensor, "N 24 3 3"] | None = None  # of joints to parents; root: to camera
    shape: Float64[Tensor, "N 10"] | None = None
    translation: Float64[Tensor, "N 3"] | None = None  # the body's root joint, camera, mm
    has_body: Bool[Tensor, " N"] | None = None  # whose rotations and shape are known

    def __post_init__(self):
        if self.known3d is None:
            known = torch.full(self.visible.shape, self.joints3d is not None)
            object.__setattr__(self, "known3d", known)
        if self.has_body is None:
            object.__setattr__(self, "has_body", torch.zeros(len(self), dtype=torch.bool))
        for name, values in self.tensors().items():
            if not (finite := values.isfinite()).all():
                person = int((~finite).flatten(1).any(1).nonzero()[0])
                raise ValueError(f"{self.who(person)}: {name} are not finite")
        who, labelled = f"{self.name} ({self.version})", self.visible != UNKNOWN
        check_pixels(self.joints2d, who, labelled)
        if self.joints3d is not None:
            seen = labelled & self.known3d
            check_poses(self.joints3d, who, seen, camera=self.intrinsics is not None)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice | Iterable[int] | Tensor | np.ndarray) -> "People":
        """The persons of a slice, of a mask, or of these indices."""
        if isinstance(chosen, Tensor):
            chosen = chosen.numpy()
        elif not isinstance(chosen, slice | np.ndarray):
            chosen = np.fromiter(chosen, dtype=np.int64)
        index = np.arange(len(self))[chosen]
        taken = {name: values[torch.from_numpy(index)] for name, values in self.tensors().items()}
        return replace(self, rows=self.rows.iloc[index].reset_index(drop=True), **taken)

    def tensors(self) -> dict[str, Tensor]:
        """The labels that the data set has, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def who(self, person: int) -> str:
        """How messages call a person."""
        return f"person {person} of {self.name} ({self.rows['image'].iloc[person]})"

    @property
    def has_masks(self) -> bool:
        """Whether there are the names of a mask and of a part map for everybody."""
        columns = ("mask", "parts")
        return all(name in self.rows and (self.rows[name] != "").all() for name in columns)

    def by_picture(self) -> dict[str, list[int]]:
        """The indices of the persons in each picture, in the order of the pictures."""
        groups = self.rows.groupby("image", sort=False).indices
        return {str(name): sorted(index.tolist()) for name, index in groups.items()}


def together(parts: Sequence[People]) -> People:
    """The people of several parts of one data set, in order; names are the first one's."""
    tensors = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in parts[0].tensors()
    }
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    return replace(parts[0], rows=rows, **tensors)


def intrinsic_matrices(
    focal: Float64[Tensor, "N 2"], principal: Float64[Tensor, "N 2"]
) -> Float64[Tensor, "N 3 3"]:
    """Camera matrices of focal lengths and principal points, px."""
    matrices = torch.diag_embed(torch.cat([focal, torch.ones_like(focal[:, :1])], dim=1))
    matrices[:, :2, 2] = principal
    return matrices


def squares(centre: Float64[Tensor, "N 2"], scale: Float64[Tensor, " N"]) -> Float64[Tensor, "N 4"]:
    """Square boxes with sides of 200 px times `scale`."""
    sides = 200 * scale[:, None].expand(-1, 2)
    return torch.cat([centre - sides / 2, sides], dim=1)


def clip(boxes: Float64[Tensor, "N 4"], sizes: Float64[Tensor, "N 2"]) -> Float64[Tensor, "N 4"]:
    """Boxes cut at the edges of pictures of these widths and heights, as Moon et al. cut them.

    3DMPPE_POSENET_RELEASE, `process_bbox`: a box goes from its first pixel to its last, so 10 px
    become a width of 9; what begins left of or above the picture is moved into it as a whole.
    """
    low, sides = boxes.split(2, dim=1)
    low = low.clamp(min=0)
    high = torch.minimum(low + (sides - 1).clamp(min=0), sizes - 1)
    return torch.cat([low, high - low], dim=1)


def picture_sizes(rows: pd.DataFrame) -> Float64[Tensor, "N 2"]:
    """Width and height, px, of the picture that each row is about."""
    return torch.tensor(rows[["width", "height"]].to_numpy(dtype=float))


def squares_round(
    points: Float64[Tensor, "N J 2"], known: Bool[Tensor, "N J"]
) -> Float64[Tensor, "N 4"]:
    """Square boxes, `SPIN_MARGIN` times what the known points span, round the middle of that."""
    low = points.masked_fill(~known[..., None], torch.inf).amin(1)
    high = points.masked_fill(~known[..., None], -torch.inf).amax(1)
    found = squares((low + high) / 2, SPIN_MARGIN * (high - low).amax(1) / 200)
    return found.where(known.any(1)[:, None], 0.0)


class PeoplePictures(Pictures):
    """One crop a person, square or of a `size` (height, width), black beyond the picture.

    The box is widened by `context` and fitted into the crop as `fit` says (`crop_affine`).

    A context of 1.25 is that of Moon et al. (ICCV 2019) and most after them; SPIN's boxes are crops
    already: 1. Joints outside the crop or the picture are HIDDEN. As everywhere, 3D joints are 0
    where the 2D joint is UNKNOWN; `people.joints3d` has them all. Where the camera is not known,
    the intrinsics are the crop's matrix, from the picture's pixels to the crop's. With the folder
    `masks` of UPi-S1h, the persons' masks and part maps come along.

    ValueError when there is nobody, and for another size; when a sample is taken, FileNotFoundError
    and ValueError name the person whose picture or masks are missing, damaged, or of another size
    than the annotations say, or whose box is outside the picture.
    """

    def __init__(
        self,
        people: People,
        folder: Path | str,
        *,
        size: int | Sequence[int] = 256,
        context: Number = 1.25,
        fit: str = FITS[0],
        masks: Path | None = None,
    ):
        if not len(people):
            raise ValueError(f"{people.name} ({people.version}): nobody is in it")
        self.people, self.folder, self.masks = people, Path(folder), masks
        self.size, self.context, self.fit = height_width(size), context, fit
        self.name, self.version, self.skeleton = people.name, people.version, people.skeleton

    def __len__(self) -> int:
        return len(self.people)

    @property
    def frames(self) -> pd.DataFrame:
        """The people's rows: subject, action, take, camera and frame where the data set has them."""
        return self.people.rows

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture that this person is in, RGB; errors as `geometry.crop.read_image`."""
        return read_image(self.folder / self.people.rows["image"].iloc[index])

    def mask_and_parts(self, index: int) -> tuple[UInt8[Tensor, "H W"], UInt8[Tensor, "H W"]]:
        """A person's mask, 0 or 1, and parts, 0 to 6 or IGNORE, in the whole picture.

        FileNotFoundError; ValueError names the person whose files are damaged or of other values.
        """
        if self.masks is None:
            raise ValueError(f"{self.name} ({self.version}) was opened without its masks")
        row = self.people.rows.iloc[index]
        with naming(self.people.who(index)):
            mask, parts = (read_labels(self.masks / row[column]) for column in ("mask", "parts"))
            mask = mask.any(-1) if mask.ndim == 3 else mask > 0
            if parts.ndim == 3 and (parts == parts[..., :1]).all():
                parts = parts[..., 0]
            if parts.shape != mask.shape or not np.isin(parts, (*range(PARTS + 1), IGNORE)).all():
                raise ValueError(f"{row['parts']} is no map of parts 0 to 6 as large as the mask")
        return torch.from_numpy(mask.astype(np.uint8)), torch.from_numpy(parts.copy())

    def crop(self, index: int, picture: tuple[int, int]) -> tuple[Crop, Float64[Tensor, " 4"]]:
        """The crop of a picture of this height and width, and the person's box in it, px."""
        box, how = self.people.boxes[index], {"context": self.context, "fit": self.fit}
        how |= {"picture": picture, "name": self.people.who(index)}
        matrix = crop_affine(tuple(box.tolist()), self.size, **how)
        return Crop(matrix, (0, 0, picture[1], picture[0])), box

    def sample(self, index: int) -> Batch:
        people, who = self.people, self.people.who(index)
        with naming(who):
            image = self.picture(index)
        picture, row = image.shape[:2], people.rows.iloc[index]
        if "height" in row and picture != (size := (int(row["height"]), int(row["width"]))):
            raise ValueError(
                f"{who}: the picture has {picture} px (height, width), its annotations "
                f"are of {size}: take the release's own pictures"
            )
        maps = {}
        if self.masks is not None:
            maps = dict(zip(("masks", "parts"), self.mask_and_parts(index), strict=True))
            if (size := tuple(maps["masks"].shape)) != picture:
                raise ValueError(f"{who}: the mask has {size} px, the picture {picture}")
        (matrix, window), box = self.crop(index, picture)
        linear, shift = matrix[:2, :2], matrix[:2, 2]
        joints, visible = people.joints2d[index], people.visible[index]
        placed = joints @ linear.T + shift
        left, top, right, bottom = window
        inside = within(joints - torch.tensor([left, top]), (bottom - top, right - left))
        inside &= within(placed, self.size)
        known = visible != UNKNOWN
        corner, extent = box.split(2)
        camera = matrix if people.intrinsics is None else matrix @ people.intrinsics[index]

        def label(name: str, *shape: int) -> Tensor:
            values = getattr(people, name)
            return torch.zeros(shape) if values is None else values[index].float()

        batch = {
            "index": torch.tensor(index),
            "images": take(image, matrix, self.size, window),
            "boxes": torch.cat([linear @ corner + shift, linear @ extent]).float(),
            "joints2d": placed.where(known[:, None], 0.0).float(),
            "visible": visible.masked_fill((visible == SEEN) & ~inside, HIDDEN),
            "intrinsics": camera.float(),
            "joints3d": label("joints3d", len(self.skeleton), 3).where(known[:, None], 0.0),
            "has_joints3d": (people.known3d[index] & known).any(),
            "rotations": label("rotations", 24, 3, 3),
            "shape": label("shape", 10),
            "translation": label("translation", 3),
            "has_body": people.has_body[index],
            **{name: take_labels(each.numpy(), matrix, self.size) for name, each in maps.items()},
        }
        return Batch(self.skeleton, **{name: value[None] for name, value in batch.items()})


def spin_crops(people: People, place: Path, folder: Path, *, size: int = 224) -> PeoplePictures:
    """Crops of the people's boxes, as SPIN's are: of pictures in `place`, masks in `folder`.

    Masks come along where the people name them and there is UPi-S1h.
    """
    masks = folder / MASKS if people.has_masks and (folder / MASKS).is_dir() else None
    return PeoplePictures(people, place, size=size, context=1, masks=masks)


def uncrop(
    labels: UInt8[Tensor, "h w"], matrix: Float64[Tensor, "3 3"], size: tuple[int, int]
) -> UInt8[Tensor, "H W"]:
    """A label map in a crop, such as a rendered body, in its whole picture of `size` (height, width).

    The nearest label, 0 beyond the crop; `matrix` made the crop of the picture. It undoes the crops
    made here; SPIN's own, cut at whole pixels, lie up to a pixel and a half beside them.
    """
    return take_labels(labels.numpy(), torch.linalg.inv(matrix), size)


def inside(path: Any, who: str) -> str:
    """A picture's path from a file, if it stays in the data set's folder; ValueError else."""
    if not isinstance(path, str) or not path or any(ord(letter) < 32 for letter in path):
        raise ValueError(f"{who}: its picture has no name")
    if "\\" in path or ".." in PurePosixPath(path).parts or path.startswith("/"):
        raise ValueError(f"{who}: its picture's name leads out of the folder")
    return path


@contextmanager
def naming(place: Path | str) -> Iterator[None]:
    """FileNotFoundError and ValueError from within begin with a file's or a person's name."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{place}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


# ---- reports on what a folder holds
@dataclass(frozen=True)
class Part:
    """A part of a data set that a report has lines on: what of it is there, and its pictures."""

    what: str
    load: Callable[[], PeoplePictures]
    optional: bool = False  # whether the data set is complete without it
    persons: int | None = None  # in the whole part, where that is published


def check_parts(parts: Iterable[Part], folder: Path, source: str) -> Iterator[Row]:
    """Lines on each part of the data set in `folder`; `source` says where to get its files.

    Labels are read; pictures and masks are looked for. One line where no part is there.
    """
    reports = [list(_check_part(part, folder, source)) for part in parts]
    absent = [report for report in reports if report[0].state == "missing"]
    yield from chain(*(absent[:1] if len(absent) == len(reports) else reports))


def _check_part(part: Part, folder: Path, source: str) -> Iterator[Row]:
    try:
        pictures = part.load()
    except FileNotFoundError as error:
        yield Row(part.what, "note" if part.optional else "missing", str(error))
        return
    except (ValueError, ModuleNotFoundError) as error:
        yield Row(part.what, "wrong", str(error))
        return
    people, bodies = pictures.people, int(pictures.people.has_body.sum())
    detail = f"{len(people):,} persons, {people.version}"
    detail += f", {bodies:,} with a body" if bodies else ""
    whole = part.persons in (None, len(people))
    detail += "" if whole else f"; the whole part has {part.persons:,}"
    yield Row(part.what, "ok" if whole else "note", detail)
    images = people.rows["image"].unique()
    yield _check_files(f"pictures of {part.what}", images, pictures.folder, source)
    if people.has_masks:
        files = [*people.rows["mask"], *people.rows["parts"]]
        yield _check_files(f"masks of {part.what}", files, folder / MASKS, MASKS_SOURCE)


def _check_files(what: str, files: Iterable[str], folder: Path, source: str) -> Row:
    missing = [file for file in files if not (folder / file).is_file()]
    if not missing:
        return Row(what, "ok", f"{len(files):,}")
    detail = f"{len(missing):,} of {len(files):,} not in {folder}, as {missing[0]}: {source}"
    return Row(what, "missing", detail)

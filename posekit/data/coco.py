"""COCO keypoints (Lin et al., ECCV 2014), and its kind of file: pictures, and persons that are in them.

MuCo-3DHP and MuPoTS-3D come in files of the same kind, and MPI-INF-3DHP's persons are kept in the
same way, so what all four share is here: `People`, `PeoplePictures`, `entries`, `numbers`.

Annotations are person_keypoints_{train,val}{2014,2017}.json. Of them crowds, who has no labelled
joint, and whose box has no area in the picture are left out, as Moon et al. (ICCV 2019) do. Pixels
count from 0, as COCO's do. It knows neither cameras nor depths.

N persons, J joints.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float64, UInt8
from torch import Tensor

from posekit.crop import crop_affine, read_image, take
from posekit.data.batch import HIDDEN, SEEN, UNKNOWN, Batch
from posekit.data.pickles import AGAIN
from posekit.data.pictures import Pictures, check_size
from posekit.data.poses import PoseSet
from posekit.skeleton import COCO17, Skeleton

SOURCE = (
    "get COCO at cocodataset.org, without registration: annotations_trainval2017.zip (CC BY 4.0) "
    "and the pictures train2017.zip and val2017.zip (each of its own licence)"
)
Number = int | float
Entry = tuple[dict, dict]  # a person's annotation and their picture


@dataclass(frozen=True)
class People:
    """Labelled persons of a data set's pictures."""

    name: str  # of the data set
    version: str  # what of it, and how read
    skeleton: Skeleton
    rows: pd.DataFrame  # N: image, its path in the folder; height, width, px; more, as releases do
    boxes: Float64[Tensor, "N 4"]  # left, top, width, height, px, inside the picture
    joints2d: Float64[Tensor, "N J 2"]  # px, 0 where UNKNOWN; may lie outside the picture
    visible: UInt8[Tensor, "N J"]  # UNKNOWN, HIDDEN or SEEN
    intrinsics: Float64[Tensor, "N 3 3"]  # of the picture; of a focal length of 1 px: not known
    joints3d: Float64[Tensor, "N J 3"]  # camera, mm; 0: not known
    has_joints3d: Bool[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice | Iterable[int] | Tensor | np.ndarray) -> "People":
        """The persons of a slice, of a mask, or of these indices."""
        if not isinstance(chosen, slice | np.ndarray | Tensor):
            chosen = np.fromiter(chosen, dtype=np.int64)
        index = np.arange(len(self))[chosen]
        named = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        taken = {name: value[torch.from_numpy(index)] for name, value in named.items()}
        return replace(self, rows=self.rows.iloc[index].reset_index(drop=True), **taken)

    def by_picture(self) -> dict[str, list[int]]:
        """The indices of the persons in each picture, in the order of the pictures."""
        groups = self.rows.groupby("image", sort=False).indices
        return {str(name): sorted(index.tolist()) for name, index in groups.items()}

    def poses(self) -> PoseSet:
        """All of them as poses in space; ValueError when somebody has none."""
        if not self.has_joints3d.all():
            raise ValueError(f"{self.name} ({self.version}) does not know poses in space")
        pose2d, pose3d = self.joints2d.float(), self.joints3d.float()
        return PoseSet(self.name, self.skeleton, pose2d, pose3d, self.rows, self.version)


def together(parts: Sequence[People]) -> People:
    """The people of several parts of one data set, in order; names are the first one's."""
    tensors = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name, value in vars(parts[0]).items()
        if isinstance(value, Tensor)
    }
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    return replace(parts[0], rows=rows, **tensors)


class PeoplePictures(Pictures):
    """One square crop a person: their box made square, times `context`, black beyond the picture.

    1.25 is what Moon et al. (ICCV 2019) and most after them take. A batch's boxes are those of the
    people. Joints outside the crop or the picture are HIDDEN. Where the camera is not known, the
    intrinsics are the crop's matrix. The body is not known.

    ValueError for another size; when a sample is taken, FileNotFoundError and ValueError name the
    person whose picture is missing, is damaged, or has another size than the annotations say.
    """

    def __init__(
        self, people: People, folder: Path | str, *, size: int = 256, context: Number = 1.25
    ):
        check_size(size)
        self.people, self.folder = people, Path(folder)
        self.size, self.context = size, context
        self.name, self.version, self.skeleton = people.name, people.version, people.skeleton

    def __len__(self) -> int:
        return len(self.people)

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The whole picture that this person is in, RGB; errors as `posekit.crop.read_image`."""
        return read_image(self.folder / self.people.rows["image"].iloc[index])

    def sample(self, index: int) -> Batch:
        people, row = self.people, self.people.rows.iloc[index]
        who = f"person {index} of {self.name} ({row['image']})"
        try:
            image = self.picture(index)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{who}: {error}") from error
        size = (int(row["height"]), int(row["width"]))
        if image.shape[:2] != size:
            raise ValueError(
                f"{who}: the picture has {image.shape[:2]} px (height, width), its annotations "
                f"are of {size}: take the release's own pictures"
            )
        box, joints = people.boxes[index], people.joints2d[index]
        square = (self.size, self.size)
        matrix = crop_affine(
            tuple(box.tolist()), square, context=self.context, picture=size, name=who
        )
        placed = joints @ matrix[:2, :2].T + matrix[:2, 2]
        visible = people.visible[index]
        inside = _within(joints, size) & _within(placed, square)
        known = (visible != UNKNOWN)[:, None]
        corner, extent = box.split(2)
        corner, extent = matrix[:2, :2] @ corner + matrix[:2, 2], matrix[:2, :2] @ extent
        return Batch(
            skeleton=self.skeleton,
            index=torch.tensor([index]),
            images=take(image, matrix, square)[None],
            boxes=torch.cat([corner, extent]).float()[None],
            joints2d=placed.where(known, 0.0).float()[None],
            visible=visible.masked_fill((visible == SEEN) & ~inside, HIDDEN)[None],
            intrinsics=(matrix @ people.intrinsics[index]).float()[None],
            joints3d=people.joints3d[index].where(known, 0.0).float()[None],
            has_joints3d=people.has_joints3d[index][None],
            rotations=torch.zeros(1, 24, 3, 3),
            shape=torch.zeros(1, 10),
            translation=torch.zeros(1, 3),
            has_body=torch.tensor([False]),
        )


def _within(points: Float64[Tensor, "J 2"], size: tuple[int, int]) -> Bool[Tensor, " J"]:
    high = torch.tensor([size[1], size[0]]) - 0.5
    return ((points >= -0.5) & (points <= high)).all(1)


def read(path: Path | str) -> People:
    """The persons of an annotation file.

    FileNotFoundError; ValueError, naming file and entry, for a file that is damaged or of another
    kind and for an entry that makes no sense.
    """
    path = Path(path)
    found = entries(path, SOURCE)
    people = [(a, p) for a, p in found if not a.get("iscrowd") and a.get("num_keypoints")]
    if not people:
        raise ValueError(f"{path}: nobody in it has labelled joints; take person_keypoints_*.json")
    names = [name(path, *entry) for entry in people]
    table = numbers([a.get("keypoints") for a, _ in people], (3 * len(COCO17),), names)
    table = table.reshape(-1, len(COCO17), 3)
    if (wrong := ~np.isin(table[..., 2], (UNKNOWN, HIDDEN, SEEN)).all(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: a joint is neither 0, 1 nor 2, as COCO's are")
    visible = torch.from_numpy(table[..., 2].astype(np.uint8))
    joints = torch.from_numpy(table[..., :2]).where((visible != UNKNOWN)[..., None], 0.0)
    rows = picture_rows(people, names)
    boxes, has_area = clip(numbers([a.get("bbox") for a, _ in people], (4,), names), rows)
    count = len(people)
    return People(
        "coco",
        path.stem.removeprefix("person_keypoints_"),
        COCO17,
        rows,
        boxes,
        joints,
        visible,
        torch.eye(3).double().expand(count, 3, 3),
        torch.zeros(count, len(COCO17), 3).double(),
        torch.zeros(count).bool(),
    )[has_area]


def load(folder: Path | str, split: str = "val2017", *, size: int = 256) -> PeoplePictures:
    """The persons of annotations/person_keypoints_SPLIT.json and the pictures of the folder SPLIT.

    The pictures may lie in images/SPLIT as well. Errors as `read`.
    """
    folder = Path(folder)
    return PeoplePictures(
        read(folder / "annotations" / f"person_keypoints_{split}.json"),
        pictures_of(folder, split),
        size=size,
    )


def pictures_of(folder: Path, split: str) -> Path:
    """Where a split's pictures are, or should be."""
    inside = folder / "images" / split
    return inside if inside.is_dir() else folder / split


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of COCO is in `folder`: (what, state, detail), as `posekit.data.check` has them.

    Pictures are looked for, not read.
    """
    folder = Path(folder)
    files = sorted((folder / "annotations").glob("person_keypoints_*.json"))
    if not files:
        yield "annotations", "missing", f"no annotations/person_keypoints_*.json: {SOURCE}"
    for file in files:
        try:
            people = read(file)
        except ValueError as error:
            yield file.name, "wrong", str(error)
            continue
        yield file.name, "ok", f"{len(people):,} persons with joints"
        yield check_pictures(people, pictures_of(folder, people.version), SOURCE)


def check_pictures(people: People, folder: Path, source: str) -> tuple[str, str, str]:
    """A line about the pictures that these people are in; `source` says where to get them."""
    images = people.rows["image"].unique()
    missing = [image for image in images if not (folder / image).is_file()]
    what = f"pictures of {people.version}"
    if not missing:
        return what, "ok", f"{len(images):,}"
    detail = f"{len(missing):,} of {len(images):,} not in {folder}, as {missing[0]}: {source}"
    return what, "missing", detail


# ---- files of this kind


def entries(path: Path, source: str) -> list[Entry]:
    """Every annotation of a file of this kind with its picture's entry.

    FileNotFoundError, with the `source`; ValueError, naming file and entry, when it is none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there are no annotations {path}: {source}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}; {AGAIN}") from error
    keys = ("images", "annotations")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        raise ValueError(f"{path} has no lists {' and '.join(keys)}: not a file of this kind")
    for key in keys:
        for number, entry in enumerate(content[key]):
            told = isinstance(entry, dict) and isinstance(entry.get("id"), int | str)
            if not told:
                raise ValueError(f"{path}: entry {number} of {key} has no id")
    pictures = {picture["id"]: picture for picture in content["images"]}
    found = []
    for annotation in content["annotations"]:
        picture = annotation.get("image_id")
        if not isinstance(picture, int | str) or picture not in pictures:
            raise ValueError(f"{path}: annotation {annotation['id']} has no picture; {AGAIN}")
        found.append((annotation, pictures[picture]))
    return found


def name(path: Path, annotation: dict, picture: dict) -> str:
    """How messages call a person."""
    return f"{path}: annotation {annotation['id']} ({str(picture.get('file_name'))!r:.60})"


def numbers(
    values: Sequence[Any], shape: tuple[int, ...], names: Sequence[str]
) -> Float64[np.ndarray, "N ..."]:
    """A field of every entry; ValueError names the entry whose value is not so many numbers."""
    try:
        table = np.array(values, dtype=float)
        if table.shape == (len(values), *shape) and np.isfinite(table).all():
            return table
    except (TypeError, ValueError, OverflowError):
        pass
    for value, who in zip(values, names, strict=True):
        try:
            row = np.array(value, dtype=float)
        except (TypeError, ValueError, OverflowError):
            row = np.array(np.nan)
        if row.shape != shape or not np.isfinite(row).all():
            raise ValueError(f"{who}: {str(value)[:60]} where numbers of shape {shape} should be")
    raise ValueError("no entries")


def picture_rows(people: Sequence[Entry], names: Sequence[str]) -> pd.DataFrame:
    """image, height, width, image_id and person of each entry; ValueError names a wrong one."""
    sizes = numbers([(p.get("height"), p.get("width")) for _, p in people], (2,), names)
    if (wrong := (sizes < 1).any(1)).any():
        raise ValueError(f"{names[wrong.argmax()]}: its picture has no size")
    return pd.DataFrame(
        {
            "image": [inside(p.get("file_name"), n) for (_, p), n in zip(people, names)],
            "height": sizes[:, 0].astype(int),
            "width": sizes[:, 1].astype(int),
            "image_id": [picture["id"] for _, picture in people],
            "person": [annotation["id"] for annotation, _ in people],
        }
    )


def inside(image: Any, who: str) -> str:
    """A picture's path if it stays in its folder; ValueError else."""
    if not isinstance(image, str) or not image.isprintable() or not image:
        raise ValueError(f"{who}: its picture has no name")
    parts = PurePosixPath(image).parts
    if "\\" in image or ":" in image or ".." in parts or image.startswith("/"):
        raise ValueError(f"{who}: its picture's name leads out of the folder")
    return image


def clip(
    boxes: Float64[np.ndarray, "N 4"], rows: pd.DataFrame
) -> tuple[Float64[Tensor, "N 4"], Bool[np.ndarray, " N"]]:
    """Boxes cut at the picture's edges as Moon et al. do (`process_bbox`), and which have an area.

    From the first pixel to the last, so that a box of 10 px has a width of 9; what begins left of
    the picture keeps its width, as in their code.
    """
    corner = np.maximum(boxes[:, :2], 0)
    last = np.minimum(rows[["width", "height"]] - 1, corner + np.maximum(boxes[:, 2:] - 1, 0))
    clipped = np.concatenate([corner, last - corner], axis=1)
    return torch.from_numpy(clipped), (clipped[:, 2:] > 0).all(1)

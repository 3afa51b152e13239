"""Persons as body regression is taught and judged by: labels of joints and bodies, square crops.

What SPIN (Kolotouros et al., ICCV 2019) made of eight data sets: `posekit.data.spin` reads its own
files of this, `lsp` and `threedpw` make the same of the releases.

A crop is SPIN's square of 200 px times a person's scale round their centre. SPIN cuts it at whole
pixels and moves joints to whole pixels of the crop; here nothing is rounded.

N persons, J joints, S shape numbers, H x W pixels.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float64, UInt8
from torch import Tensor

from posekit.data.batch import HIDDEN, IGNORE, SEEN, UNKNOWN, Batch
from posekit.data.formats.pickles import AGAIN
from posekit.data.pictures import Pictures, check_size
from posekit.data.poses import PoseSet
from posekit.geometry.crop import crop_affine, read_image, read_labels, take, take_labels
from posekit.geometry.skeleton import Skeleton, convert

PARTS = 6
WIDER = 1.2  # than the joints that it holds is SPIN's square


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


@dataclass(frozen=True)
class Labels(People):
    """People with what is known of their bodies.

    Boxes are the squares of the crops, which may reach beyond the picture. Joints in space count
    from the pelvis where the file says no more than that. Rows have gender ("m", "f", "": not
    told), mask and parts (paths, "": none) and the columns of a `PoseSet`, and need no height or
    width.
    """

    known3d: Bool[Tensor, "N J"]  # which of joints3d
    rotations: Float64[Tensor, "N 24 3 3"]  # of the body's joints to their parents; root: to camera
    shape: Float64[Tensor, "N 10"]
    translation: Float64[Tensor, "N 3"]  # the body's root joint, camera, mm; 0: not known
    has_body: Bool[Tensor, " N"]

    @property
    def centre(self) -> Float64[Tensor, "N 2"]:
        """Of the crops, px."""
        return self.boxes[:, :2] + self.boxes[:, 2:] / 2

    @property
    def scale(self) -> Float64[Tensor, " N"]:
        """The crops' sides over 200 px."""
        return self.boxes[:, 2] / 200

    def poses(self, skeleton: Skeleton | None = None) -> PoseSet:
        """All of them as poses in space, by name in another skeleton (`skeleton.convert`) if asked.

        ValueError names the joints that somebody lacks.
        """
        target = skeleton or self.skeleton
        places = self.joints3d.masked_fill(~self.known3d[..., None], torch.nan)
        pose3d = convert(places, self.skeleton, target).pose
        lacking = pose3d.isnan().any(-1).any(0).tolist()
        if any(lacking):
            names = ", ".join(joint for joint, no in zip(target.joints, lacking, strict=True) if no)
            raise ValueError(f"{self.name} ({self.version}) does not know everybody's {names}")
        pose2d = convert(self.joints2d, self.skeleton, target).pose.nan_to_num(0.0)
        return PoseSet(self.name, target, pose2d.float(), pose3d.float(), self.rows, self.version)


def squares(centre: Float64[Tensor, "N 2"], scale: Float64[Tensor, " N"]) -> Float64[Tensor, "N 4"]:
    """Boxes of 200 px times `scale`."""
    sides = 200 * scale[:, None].expand(-1, 2)
    return torch.cat([centre - sides / 2, sides], dim=1)


def squares_round(
    points: Float64[Tensor, "N J 2"], known: Bool[Tensor, "N J"]
) -> Float64[Tensor, "N 4"]:
    """Squares round the middle of what the known points span, `WIDER` than that."""
    low = points.masked_fill(~known[..., None], torch.inf).amin(1)
    high = points.masked_fill(~known[..., None], -torch.inf).amax(1)
    return squares((low + high) / 2, WIDER * (high - low).amax(1) / 200)


class LabelPictures(Pictures):
    """One square crop a person, black beyond the picture's edge.

    A batch's boxes are the crops. Joints outside the crop or the picture are HIDDEN. As everywhere,
    3D joints are 0 where the 2D joint is UNKNOWN; `labels.joints3d` has them all. Where the camera
    is not known, the intrinsics are the crop's matrix. Masks and parts come along if `masks` is the
    folder of those that the labels name.

    ValueError for another size, or labels without masks where a folder of them is given; when a
    sample is taken, FileNotFoundError and ValueError name the person whose files are missing,
    damaged, or not of one size.
    """

    def __init__(
        self,
        labels: Labels,
        folder: Path | str,
        *,
        size: int = 224,
        masks: Path | str | None = None,
    ):
        check_size(size)
        if masks is not None and (labels.rows[["mask", "parts"]] == "").any(axis=None):
            raise ValueError(f"{labels.name} ({labels.version}) names no masks")
        self.labels, self.folder, self.size = labels, Path(folder), size
        self.masks = None if masks is None else Path(masks)
        self.name, self.version, self.skeleton = labels.name, labels.version, labels.skeleton

    def __len__(self) -> int:
        return len(self.labels)

    def who(self, index: int) -> str:
        """How messages call a person."""
        return f"person {index} of {self.name} ({self.labels.rows['image'].iloc[index]})"

    def truth(self, index: int) -> tuple[UInt8[Tensor, "H W"], UInt8[Tensor, "H W"]]:
        """A person's mask, 0 or 1, and parts, 0 to 6 or IGNORE, at the picture's size.

        FileNotFoundError; ValueError names the person whose files are damaged or of other values.
        """
        if self.masks is None:
            raise ValueError(f"{self.name} ({self.version}) was opened without its masks")
        row = self.labels.rows.iloc[index]
        try:
            mask, parts = (read_labels(self.masks / row[column]) for column in ("mask", "parts"))
            if mask.ndim == 3:
                mask = mask.any(-1)
            if parts.ndim == 3:
                if (parts != parts[..., :1]).any():
                    raise ValueError(f"{row['parts']} has colours; UPi-S1h's parts are grey")
                parts = parts[..., 0]
            if mask.shape != parts.shape:
                raise ValueError(f"a mask of {mask.shape} px and parts of {parts.shape}")
            if strange := sorted(set(np.unique(parts).tolist()) - {*range(PARTS + 1), IGNORE}):
                raise ValueError(f"{row['parts']} has parts {strange[:5]}, which are not 0 to 6")
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{self.who(index)}: {error}") from error
        return torch.from_numpy((mask > 0).astype(np.uint8)), torch.from_numpy(parts.copy())

    def sample(self, index: int) -> Batch:
        labels, who = self.labels, self.who(index)
        try:
            image = read_image(self.folder / labels.rows["image"].iloc[index])
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"{who}: {error}") from error
        picture, square = image.shape[:2], (self.size, self.size)
        box = tuple(labels.boxes[index].tolist())
        matrix = crop_affine(box, square, context=1.0, picture=picture, name=who)
        joints, visible = labels.joints2d[index], labels.visible[index]
        placed = joints @ matrix[:2, :2].T + matrix[:2, 2]
        inside = _within(joints, picture) & _within(placed, square)
        known = visible != UNKNOWN
        maps = {}
        if self.masks is not None:
            maps = dict(zip(("masks", "parts"), self.truth(index), strict=True))
            if (there := tuple(maps["masks"].shape)) != picture:
                raise ValueError(f"{who}: the mask has {there} px, not {picture}")
        return Batch(
            skeleton=self.skeleton,
            index=torch.tensor([index]),
            images=take(image, matrix, square)[None],
            boxes=torch.tensor([[-0.5, -0.5, self.size, self.size]]),
            joints2d=placed.where(known[:, None], 0.0).float()[None],
            visible=visible.masked_fill((visible == SEEN) & ~inside, HIDDEN)[None],
            intrinsics=(matrix @ labels.intrinsics[index]).float()[None],
            joints3d=labels.joints3d[index].where(known[:, None], 0.0).float()[None],
            has_joints3d=(labels.known3d[index] & known).any()[None],
            rotations=labels.rotations[index].float()[None],
            shape=labels.shape[index].float()[None],
            translation=labels.translation[index].float()[None],
            has_body=labels.has_body[index][None],
            **{
                name: take_labels(each.numpy(), matrix, square)[None] for name, each in maps.items()
            },
        )


def uncrop(
    labels: UInt8[Tensor, "h w"], matrix: Float64[Tensor, "3 3"], size: tuple[int, int]
) -> UInt8[Tensor, "H W"]:
    """A map in a crop, such as a rendered body, in its picture of `size` (height, width).

    The nearest label, 0 beyond the crop; `matrix` made the crop of the picture. It undoes the crops
    made here; SPIN's own, cut at whole pixels, lie up to a pixel and a half beside them.
    """
    return take_labels(labels.numpy(), torch.linalg.inv(matrix), size)


def _within(points: Float64[Tensor, "J 2"], size: Sequence[int]) -> Bool[Tensor, " J"]:
    high = torch.tensor([size[1], size[0]]) - 0.5
    return ((points >= -0.5) & (points <= high)).all(1)


Number = int | float
Entry = tuple[dict, dict]  # a person's annotation and their picture


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
        inside = _people_within(joints, size) & _people_within(placed, square)
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


def _people_within(points: Float64[Tensor, "J 2"], size: tuple[int, int]) -> Bool[Tensor, " J"]:
    high = torch.tensor([size[1], size[0]]) - 0.5
    return ((points >= -0.5) & (points <= high)).all(1)


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

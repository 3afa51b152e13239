"""Persons as body regression is taught and judged by: labels of joints and bodies, square crops.

What SPIN (Kolotouros et al., ICCV 2019) made of eight data sets: `posekit.data.spin` reads its own
files of this, `lsp` and `threedpw` make the same of the releases.

A crop is SPIN's square of 200 px times a person's scale round their centre. SPIN cuts it at whole
pixels and moves joints to whole pixels of the crop; here nothing is rounded.

N persons, J joints, S shape numbers, H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float64, UInt8
from torch import Tensor

from posekit.crop import crop_affine, read_image, read_labels, take, take_labels
from posekit.data.batch import HIDDEN, IGNORE, SEEN, UNKNOWN, Batch
from posekit.data.coco import People
from posekit.data.pictures import Pictures, check_size
from posekit.data.poses import PoseSet
from posekit.skeleton import Skeleton, convert

PARTS = 6
WIDER = 1.2  # than the joints that it holds is SPIN's square


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

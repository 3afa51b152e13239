"""Who the studio's data card tests on, and by which rule a joint counts as found.

Persons of generated and of real pictures, cut the same way (`crop_affine`): the box's longer side
is `BOX` pixels of the crop, and errors are measured in these pixels. Of the data sets' json forms
only what the card needs is read.

B persons, J joints of SPIN24, H x W pixels of a crop.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from posekit.data.batch import SEEN, UNKNOWN, Batch
from posekit.geometry.crop import crop_affine, read_image, take
from posekit.geometry.skeleton import COCO17, LSP14, MPII16, SPIN24, Skeleton, convert
from posekit.metrics.pckh import head_sizes

SIDE = 128  # px of a crop
BOX = SIDE / 1.25  # px of it
LIMBS = LSP14.joints[:12]  # shoulders to wrists, hips to ankles: every data set labels them
ENOUGH = 6  # of LIMBS, that a real person must have labelled
MEASURES = ("PCK@0.2", "PCK@0.1", "PCKh@0.5")
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class People:
    """Crops of persons and their labelled joints."""

    name: str
    images: UInt8[Tensor, "B 3 H W"]
    joints: Float[Tensor, "B J 2"]  # px of the crop; anything where not labelled
    visible: UInt8[Tensor, "B J"]  # UNKNOWN, HIDDEN or SEEN

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labelled(self) -> Bool[Tensor, "B J"]:
        """Which joints are known."""
        return self.visible != UNKNOWN

    @property
    def heads(self) -> Float[Tensor, " B"]:
        """Head sizes after MPII, px; NaN where top of head or neck is not labelled."""
        return head_sizes(self.joints, self.labelled, SPIN24)


def together(people: list[People]) -> People:
    """All of them, under their joined names."""
    parts = [(each.images, each.joints, each.visible) for each in people]
    return People(
        " + ".join(each.name for each in people), *map(torch.cat, zip(*parts, strict=True))
    )


def from_batch(name: str, batch: Batch) -> People:
    """The persons of generated pictures; joints outside the crop count as not labelled."""
    end = torch.tensor([batch.size[1] - 0.5, batch.size[0] - 0.5])
    inside = ((batch.joints2d >= -0.5) & (batch.joints2d <= end)).all(-1)
    return People(name, batch.images, batch.joints2d, batch.visible.where(inside, torch.tensor(0)))


def mpii(annotations: Path) -> People:
    """Persons of MPII's json form (of HRNet and its descendants), pictures in the same folder.

    Joints and centres are counted from 1. A person's box is the square of 200 px times `scale`
    round the `center`, 15 px times `scale` lower. Labelled joints are SEEN: the form does not tell
    covered ones. FileNotFoundError, ValueError: as `read_image`, or for entries of another form.
    """

    def persons() -> Iterable[tuple[str, tuple, np.ndarray]]:
        for entry in _read(annotations):
            scale = float(entry["scale"])
            x, y = entry["center"][0] - 1.0, entry["center"][1] - 1.0 + 15 * scale
            box = (x - 100 * scale, y - 100 * scale, 200 * scale, 200 * scale)
            known = np.array(entry["joints_vis"], dtype=float)[:, None] > 0
            yield (
                entry["image"],
                box,
                np.hstack([np.array(entry["joints"], dtype=float) - 1, SEEN * known]),
            )

    return _cut("MPII", annotations, MPII16, persons)


def coco(annotations: Path) -> People:
    """Persons of COCO's keypoint json, pictures in the same folder, crowds left out.

    FileNotFoundError, ValueError: as `read_image`, or for a file of another form.
    """

    def persons() -> Iterable[tuple[str, tuple, np.ndarray]]:
        content = _read(annotations)
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for entry in content["annotations"]:
            if not entry["iscrowd"]:
                joints = np.array(entry["keypoints"], dtype=float).reshape(17, 3)
                yield names[entry["image_id"]], tuple(map(float, entry["bbox"])), joints

    return _cut("COCO", annotations, COCO17, persons)


def _read(path: Path):
    if not path.is_file():
        raise FileNotFoundError(f"there are no annotations {path}")
    return json.loads(path.read_text(encoding="utf-8"))  # a JSONDecodeError is a ValueError


def _cut(name: str, annotations: Path, skeleton: Skeleton, persons) -> People:
    """Crops of the persons (picture, box, joints with their visibility) that have enough joints."""
    images, rows = [], []
    try:
        for picture, box, joints in persons():
            labels = torch.from_numpy(joints)
            labels = convert(labels, skeleton, SPIN24, derive=False, stand_ins={}).pose.nan_to_num()
            if (labels[[SPIN24.index(joint) for joint in LIMBS], 2] > 0).sum() < ENOUGH:
                continue
            if Path(picture).name != picture:
                raise ValueError(f"the picture {picture!r} does not lie beside its annotations")
            matrix = crop_affine(box, (SIDE, SIDE), name=picture)
            images.append(take(read_image(annotations.parent / picture), matrix, (SIDE, SIDE)))
            labels[:, :2] = labels[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
            rows.append(labels)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{annotations} is not of {name}'s json form: {error!r}") from error
    if not rows:
        raise ValueError(f"{annotations} has nobody with {ENOUGH} of the joints {LIMBS}")
    joints = torch.stack(rows)
    return People(name, torch.stack(images), joints[..., :2].float(), joints[..., 2].byte())


def found(
    predicted: Float[Tensor, "B J 2"], people: People, measure: str
) -> Float[np.ndarray, "B J"]:
    """1 where a joint is found, 0 where not, NaN where it does not count.

    It is found when it lies no farther from the label than 0.2 (0.1) times the longer side of the
    person's box (PCK after Yang and Ramanan, 2013), or half the head size (PCKh, MPII). Only
    labelled joints count, for PCKh only of people with a head size. ValueError for another measure.
    """
    if measure not in MEASURES:
        raise ValueError(f"no measure {measure!r}; there are {', '.join(MEASURES)}")
    kind, share = measure.split("@")
    size = people.heads if kind == "PCKh" else torch.full((len(people),), BOX)
    errors = (predicted - people.joints).norm(dim=2)
    counts = people.labelled & size.isfinite()[:, None]
    right = (errors <= float(share) * size[:, None]).double()
    return right.where(counts, torch.tensor(math.nan, dtype=torch.float64)).numpy()


def share(rows: Float[np.ndarray, "B K"]) -> tuple[float, float, float]:
    """Mean of what counts (is not NaN), and its 95 % interval when other persons are drawn.

    Percentile bootstrap: rows are drawn with replacement, their numbers pooled. All NaN where
    nothing counts.
    """
    sums, counts = np.nansum(rows, axis=1), np.isfinite(rows).sum(axis=1)
    if not counts.sum():
        return (math.nan,) * 3
    drawn = np.random.default_rng(0).integers(0, len(rows), (DRAWS, len(rows)))
    totals = counts[drawn].sum(axis=1)
    means = sums[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(sums.sum() / counts.sum()), float(low), float(high)

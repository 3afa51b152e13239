"""What a protocol card is: one published evaluation rule, and how it turns poses into numbers.

The rules themselves are in `posekit.protocols`.

Dimensions: N poses, J joints of the card's skeleton.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from posekit.data.poses import PoseSet
from posekit.geometry.skeleton import MIDPOINTS, Skeleton
from posekit.metrics.errors import align, auc, centre, joint_errors, pck, rescale_bones

PCK_THRESHOLD = 150.0  # mm, strict


@dataclass(frozen=True)
class Card:
    """One published rule: from predictions and truth to the numbers a paper prints."""

    name: str
    rule: str  # in words
    source: str
    skeleton: Skeleton  # of the poses it judges
    joints: tuple[str, ...]  # that count
    root: tuple[str, ...] = ("pelvis",)  # their middle is the origin
    metric: str = "mpjpe"  # mpjpe, in mm; pck or auc, in %
    alignment: str = "none"
    aligned_on: tuple[str, ...] = ()  # empty: on the joints that count
    zero_columns: int = 0  # counted in the mean over joints, with an error of 0
    bones: tuple[tuple[str, str], ...] = ()  # (parent, child) given the true lengths, if any
    subjects: tuple[str, ...] = ()  # empty: all that are there
    cameras: tuple[str, ...] = ()  # empty: all that are there
    every: int = 1  # takes frames whose number is a multiple of this
    flag: str = ""  # takes frames for which this column holds
    misses: bool = True  # of several persons: one that no prediction was matched to counts as 0
    mean_over: str = "samples"  # or "actions", "subjects": the headline is the mean of their means

    @property
    def unit(self) -> str:
        """Of every number of this card."""
        return "mm" if self.metric == "mpjpe" else "%"

    def errors(
        self, pred: Float[Tensor, "N J 3"], true: Float[Tensor, "N J 3"]
    ) -> Float[Tensor, " N"]:
        """Each pose's number, mm or % (then more is better); poses in mm, centred or not.

        Raises ValueError when the poses do not have the joints of the card's skeleton.
        """
        for pose in (pred, true):
            if pose.shape[-2:] != (len(self.skeleton), 3):
                raise ValueError(
                    f"{self.name} wants {len(self.skeleton)} joints ({self.skeleton.name}) of 3 "
                    f"coordinates, not poses of shape {tuple(pose.shape)}"
                )
        if pred.shape != true.shape:
            raise ValueError(f"{self.name}: {len(pred)} predictions, {len(true)} true poses")
        origin = [self.skeleton.index(joint) for joint in self.root]
        pred, true = centre(pred, origin), centre(true, origin)
        if self.bones:
            index = self.skeleton.index
            pred = rescale_bones(pred, true, [(index(p), index(child)) for p, child in self.bones])
        names = self.aligned_on or self.joints
        pred, true = self._points(pred, names), self._points(true, names)
        counted = [names.index(joint) for joint in self.joints]
        pred = align(pred, true, self.alignment)
        return self._score(joint_errors(pred[:, counted], true[:, counted]))

    def select(self, frames: pd.DataFrame) -> Bool[np.ndarray, " N"]:
        """Which of the frames (subject, action, take, camera, frame) the rule takes.

        Raises ValueError when it takes none, or when a column it needs is absent.
        """
        if self.flag and self.flag not in frames.columns:
            raise ValueError(
                f"{self.name} needs a column {self.flag!r} that says which frames count"
            )
        taken = (frames["frame"] % self.every == 0).to_numpy(copy=True)
        for column, wanted in (("subject", self.subjects), ("camera", self.cameras)):
            if wanted:
                taken &= frames[column].astype(str).isin(wanted).to_numpy()
        if self.flag:
            taken &= frames[self.flag].to_numpy(dtype=bool)
        if not taken.any():
            raise ValueError(self._nothing_taken(frames))
        return taken

    def average(self, errors: Float[Tensor, " N"], frames: pd.DataFrame) -> dict[str, float]:
        """The headline number (slice ""), then one for each action and each subject.

        A NaN makes the numbers it enters NaN. Raises ValueError unless there is one error a frame.
        """
        if len(errors) != len(frames):
            raise ValueError(f"{self.name}: {len(errors)} errors for {len(frames)} frames")
        table = pd.DataFrame(
            {
                "subject": frames["subject"].astype(str).to_numpy(),
                "action": frames["action"].astype(str).to_numpy(),
                "error": errors.detach().cpu().double().numpy(),
            }
        )
        numbers = {"": self._mean(table)}
        for column in ("action", "subject"):
            for name, part in table.groupby(column, sort=False):
                numbers[str(name)] = self._mean(part)
        return numbers

    def _mean(self, table: pd.DataFrame) -> float:
        if self.mean_over == "samples":
            return float(table["error"].mean(skipna=False))
        groups = table.groupby(self.mean_over.removesuffix("s"), sort=False)["error"]
        return float(groups.mean(skipna=False).mean(skipna=False))

    def _score(self, errors: Float[Tensor, "N J"]) -> Float[Tensor, " N"]:
        if self.metric == "pck":
            return 100 * pck(errors, PCK_THRESHOLD)
        if self.metric == "auc":
            return 100 * auc(errors)
        return errors.sum(dim=-1) / (errors.shape[-1] + self.zero_columns)

    def _points(self, pose: Float[Tensor, "N J 3"], names: Sequence[str]) -> Float[Tensor, "N _ 3"]:
        return torch.stack([self._point(pose, name) for name in names], dim=1)

    def _point(self, pose: Float[Tensor, "N J 3"], name: str) -> Float[Tensor, "N 3"]:
        if name in self.skeleton.joints:
            return pose[:, self.skeleton.index(name)]
        return pose[:, [self.skeleton.index(end) for end in MIDPOINTS[name]]].mean(dim=1)

    def _nothing_taken(self, frames: pd.DataFrame) -> str:
        takes = [
            f"subjects {', '.join(self.subjects)}" if self.subjects else "",
            f"cameras {', '.join(self.cameras)}" if self.cameras else "",
            f"frames whose number is a multiple of {self.every}" if self.every > 1 else "",
            f"frames with {self.flag}" if self.flag else "",
        ]
        there = [
            f"{c}s {', '.join(sorted(set(frames[c].astype(str))))}" for c in ("subject", "camera")
        ]
        span = (
            f"frames {frames['frame'].min()} to {frames['frame'].max()}" if len(frames) else "none"
        )
        return (
            f"{self.name} takes none of the {len(frames)} frames: it takes "
            f"{'; '.join(filter(None, takes)) or 'all'}; there are {'; '.join([*there, span])}"
        )


def evaluate(
    card: Card,
    pred: Float[Tensor, "N J 3"],
    true: Float[Tensor, "N J 3"],
    frames: pd.DataFrame,
) -> dict[str, float]:
    """The card's numbers for these poses: "mpjpe", "mpjpe/Directions", ..., "mpjpe/S9", ...

    Poses in mm and in the order of `card.skeleton`; `frames` says which frame each one is. Raises
    ValueError when lengths differ, the joints are others, or the card takes none of the frames.
    """
    if not len(pred) == len(true) == len(frames):
        raise ValueError(
            f"{card.name}: {len(pred)} predictions, {len(true)} true poses, {len(frames)} frames"
        )
    taken = card.select(frames)
    chosen = torch.from_numpy(np.flatnonzero(taken)).to(pred.device)
    errors = card.errors(pred[chosen], true[chosen])
    return {
        f"{card.metric}/{part}" if part else card.metric: number
        for part, number in card.average(errors, frames[taken]).items()
    }


def quantities(
    subject: str, pred: Float[Tensor, "N J 3"], poses: PoseSet, cards: Sequence[Card]
) -> list[tuple[str, str, str, float]]:
    """What a record says of the method `subject` on these poses: quantity, card, data, value.

    "mpjpe" becomes "mpjpe/SUBJECT", "mpjpe/Directions" becomes "mpjpe/SUBJECT/Directions".
    """
    rows = []
    for card in cards:
        for name, value in evaluate(card, pred, poses.centred, poses.frames).items():
            metric, _, part = name.partition("/")
            quantity = "/".join(filter(None, (metric, subject, part)))
            rows.append((quantity, card.name, poses.name, value))
    return rows

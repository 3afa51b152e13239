"""`Protocol`, one published evaluation rule, and `PoseProtocol`, which measures 3D poses by one.

The published rules themselves are listed in `posekit.metrics.protocols`.

Dimensions: N poses, J joints of the protocol's skeleton.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from posekit.geometry.skeleton import MIDPOINTS, Skeleton
from posekit.geometry.units import check_poses
from posekit.metrics.errors import align, auc, centre, joint_errors, pck, rescale_bones

Row = tuple[str, str, str, float | int]
"""Quantity, protocol, data set and value, as the records of runs hold them."""

PCK_THRESHOLD = 150.0  # mm
UNITS = {"mpjpe": "mm", "pck": "%", "auc": "%", "pckh": "%", "accuracy": "%", "loss": "MSE"}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One published rule that turns predictions and truth into the numbers a paper prints."""

    name: str
    rule: str  # in words
    source: str  # the code or the paper that it follows
    metric: str  # of its main number
    same_as: str = ""  # the protocol whose rule it is, on other people

    @property
    def unit(self) -> str:
        """The unit of `metric`."""
        return UNITS[self.metric]

    def evaluate(self, *arguments) -> dict[str, float]:
        """The numbers by name: `metric` itself, then "metric/slice" for each slice of the data."""
        raise NotImplementedError(f"{self.name} only names numbers that a training writes down")


def check_flags(name: str, flags: Tensor) -> None:
    """ValueError for flags that are not bool: COCO's 0, 1 and 2 would select joints by number."""
    if flags.dtype != torch.bool:
        raise ValueError(
            f"{name}: which joints are known is bool, not {flags.dtype}; of visibilities take "
            "visible != UNKNOWN"
        )


def measure(subject: str, protocols: Iterable[Protocol], data: str, *arguments) -> list[Row]:
    """The numbers of a method by each protocol, as the rows of a run record.

    `subject` is the method's name, `data` the test set's, `arguments` are those of `evaluate`.
    "mpjpe" becomes "mpjpe/SUBJECT", "mpjpe/Directions" becomes "mpjpe/SUBJECT/Directions".
    """
    rows = []
    for protocol in protocols:
        for name, value in protocol.evaluate(*arguments).items():
            metric, _, part = name.partition("/")
            quantity = "/".join(filter(None, (metric, subject, part)))
            rows.append((quantity, protocol.name, data, value))
    return rows


@dataclass(frozen=True, kw_only=True)
class PoseProtocol(Protocol):
    """A rule for 3D poses: frames, joints, root, alignment, metric and mean."""

    skeleton: Skeleton  # of predictions and truth
    joints: tuple[str, ...]  # that count
    root: tuple[str, ...] = ("pelvis",)  # their middle is the origin; empty: the camera's centre
    metric: str = "mpjpe"  # or "pck", "auc"
    alignment: str = "none"
    aligned_on: tuple[str, ...] = ()  # empty: on the joints that count
    beside: tuple[str, ...] = ()  # joints that a pose may have after those of the skeleton
    zero_columns: int = 0  # counted in the mean over joints, with an error of 0
    bones: tuple[tuple[str, str], ...] = ()  # (parent, child) that get their true lengths
    subjects: tuple[str, ...] = ()  # empty: all that are there
    cameras: tuple[str, ...] = ()  # empty: all that are there
    every: int = 1  # takes frames whose number is a multiple of this
    flag: str = ""  # takes frames for which this column is true
    mean_over: str = "samples"  # or "actions", "subjects": the mean of their means
    root_depth: str = "true"  # of networks that see pictures; or "size", see `metrics.pictures`

    def evaluate(
        self, pred: Float[Tensor, "N K 3"], true: Float[Tensor, "N J 3"], frames: pd.DataFrame
    ) -> dict[str, float]:
        """The numbers of these poses: "mpjpe", "mpjpe/Directions", ..., "mpjpe/S9", ...

        Poses are in mm, relative to the root or not, with the joints of `skeleton` and perhaps
        those `beside` it; `frames` has a row (subject, action, take, camera, frame) for each.
        Raises ValueError when lengths differ, the joints are others, the true poses are no people
        in mm, or the protocol takes none of the frames.
        """
        if not len(pred) == len(true) == len(frames):
            raise ValueError(
                f"{self.name}: {len(pred)} predictions, {len(true)} true poses, {len(frames)} "
                "frames"
            )
        taken = self.select(frames)
        chosen = torch.from_numpy(np.flatnonzero(taken)).to(pred.device)
        errors = self.errors(pred[chosen], true[chosen])
        check_poses(true, f"{self.name}, true poses")
        return self.average(errors, frames[taken])

    def errors(
        self, pred: Float[Tensor, "N K 3"], true: Float[Tensor, "N J 3"]
    ) -> Float[Tensor, " N"]:
        """MPJPE (mm), PCK or AUC (%, more is better) of each pose; poses as in `evaluate`."""
        counts = {len(self.skeleton), len(self.skeleton) + len(self.beside)}
        wanted = {(len(pred), count, 3) for count in counts}
        if tuple(pred.shape) not in wanted or tuple(true.shape) not in wanted:
            more = f", or these and {', '.join(self.beside)}," if self.beside else ""
            raise ValueError(
                f"{self.name} wants {len(self.skeleton)} joints ({self.skeleton.name}){more} of 3 "
                f"coordinates, as many predicted poses as true ones, not shapes "
                f"{tuple(pred.shape)} and {tuple(true.shape)}"
            )
        index = self.skeleton.index
        if self.root:
            origin = [index(joint) for joint in self.root]
            pred, true = centre(pred, origin), centre(true, origin)
        if self.bones:
            pred = rescale_bones(pred, true, [(index(p), index(child)) for p, child in self.bones])
        names = self.aligned_on or self.joints
        pred, true = self._points(pred, names), self._points(true, names)
        counted = [names.index(joint) for joint in self.joints]
        distances = joint_errors(align(pred, true, self.alignment)[:, counted], true[:, counted])
        if self.metric == "pck":
            return 100 * pck(distances, PCK_THRESHOLD)
        if self.metric == "auc":
            return 100 * auc(distances)
        return distances.sum(dim=-1) / (len(counted) + self.zero_columns)

    def select(self, frames: pd.DataFrame) -> Bool[np.ndarray, " N"]:
        """Which rows of `frames` the rule takes.

        Raises ValueError when it takes none, or when a column it needs is absent or not bool.
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
            flags = frames[self.flag]
            if flags.dtype != bool:  # a text or a gap would count as true
                raise ValueError(
                    f"{self.name}: the column {self.flag!r} is {flags.dtype}, not bool"
                )
            taken &= flags.to_numpy()
        if not taken.any():
            wanted = [f"frames whose number is a multiple of {self.every}"]
            wanted += [f"with {self.flag}"] if self.flag else []
            wanted += [f"of {name}" for name in self.subjects + self.cameras]
            present = {
                c: sorted(set(frames[c].astype(str))) for c in ("subject", "camera", "frame")
            }
            raise ValueError(
                f"{self.name} takes none of the {len(frames)} frames: it takes {' '.join(wanted)}; "
                + "; ".join(
                    f"there are {c}s {', '.join(names[:9])}" for c, names in present.items()
                )
            )
        return taken

    def average(self, errors: Float[Tensor, " N"], frames: pd.DataFrame) -> dict[str, float]:
        """The mean of `errors` by name: of all, of each action, of each subject.

        A NaN makes the means it enters NaN. Raises ValueError unless there is one error a frame.
        """
        if errors.shape != (len(frames),):
            shape = tuple(errors.shape)
            raise ValueError(f"{self.name}: errors of shape {shape} for {len(frames)} frames")
        table = frames[["subject", "action"]].astype(str).reset_index(drop=True)
        table["error"] = errors.detach().cpu().double().numpy()
        numbers = {self.metric: self._mean(table)}
        for column in ("action", "subject"):
            for name, part in table.groupby(column, sort=False):
                if name:  # "" of single pictures, which belong to no action or subject
                    numbers[f"{self.metric}/{name}"] = self._mean(part)
        return numbers

    def _mean(self, table: pd.DataFrame) -> float:
        if self.mean_over == "samples":
            return float(table["error"].mean(skipna=False))
        groups = table.groupby(self.mean_over.removesuffix("s"), sort=False)["error"]
        return float(groups.mean(skipna=False).mean(skipna=False))

    def _points(self, pose: Float[Tensor, "N J 3"], names: Sequence[str]) -> Float[Tensor, "N _ 3"]:
        """The joints of these names, or the middles in the place of those that the pose lacks."""
        known = (*self.skeleton.joints, *self.beside)[: pose.shape[1]]
        ends = [(name,) if name in known else MIDPOINTS[name] for name in names]
        points = [pose[:, [known.index(end) for end in both]].mean(1) for both in ends]
        return torch.stack(points, dim=1)

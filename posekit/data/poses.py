"""`PoseSet`, 2D and 3D poses as cameras saw them, and `Motion`, 3D poses in the world.

Every data set of 3D poses is read into one of them.

N frames seen by a camera, T frames of a motion, J joints. World: millimetres, z up. Camera:
millimetres, x right, y down, z forward. Pictures: pixels from the upper left corner.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from posekit.geometry.camera import Camera
from posekit.geometry.skeleton import H36M17, Skeleton

COLUMNS = ("subject", "action", "take", "camera", "frame")


@dataclass(frozen=True)
class Motion:
    """One performance, as a motion capture system records it."""

    subject: str
    action: str
    take: int
    skeleton: Skeleton
    joints: Float[Tensor, "T J 3"]  # world, mm
    rate: float = 50.0  # frames a second


class Recording(NamedTuple):
    """A take of an action as one camera saw it."""

    subject: str
    action: str
    take: int
    camera: str
    frames: Int[np.ndarray, " T"]  # their numbers
    pose2d: Float[Tensor, "T J 2"]  # px
    pose3d: Float[Tensor, "T J 3"]  # camera, mm

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Subject, action, take and camera."""
        return self[:4]


@dataclass(frozen=True)
class PoseSet:
    """Poses seen by cameras: the 2D input, the true 3D poses, and which frame each one is."""

    name: str
    skeleton: Skeleton
    pose2d: Float[Tensor, "N J 2"]  # px, a detector's or the true ones
    pose3d: Float[Tensor, "N J 3"]  # camera, mm, not centred
    frames: pd.DataFrame  # N rows: subject, action, take, camera, frame
    version: str = ""  # of the generator or the preparation
    share: float = 1.0  # of the data set's poses that it has

    def __post_init__(self):
        lengths = {len(self.pose2d), len(self.pose3d), len(self.frames)}
        if len(lengths) != 1:
            raise ValueError(f"{self.name}: 2D, 3D and frames differ in length: {sorted(lengths)}")
        if missing := set(COLUMNS) - set(self.frames.columns):
            raise ValueError(f"{self.name}: frames lack the columns {sorted(missing)}")

    def __len__(self) -> int:
        return len(self.pose3d)

    @property
    def centred(self) -> Float[Tensor, "N J 3"]:
        """The 3D poses relative to their root joint, mm."""
        root = self.skeleton.root
        return self.pose3d - self.pose3d[:, root : root + 1]

    def where(self, mask: Bool[np.ndarray, " N"]) -> "PoseSet":
        """The frames where `mask` is true."""
        chosen = torch.from_numpy(np.flatnonzero(mask))
        return replace(
            self,
            pose2d=self.pose2d[chosen],
            pose3d=self.pose3d[chosen],
            frames=self.frames[mask].reset_index(drop=True),
        )

    def of(self, subjects: Iterable[str]) -> "PoseSet":
        """The frames of these subjects; ValueError names the ones that are not there."""
        wanted = list(subjects)
        there = set(self.frames["subject"].unique())
        if absent := [s for s in wanted if s not in there]:
            raise ValueError(f"{self.name} has no subjects {absent}; it has {sorted(there)}")
        return self.where(self.frames["subject"].isin(wanted).to_numpy())

    def fingerprint(self) -> str:
        """A short hash of all poses and frames, whatever files they were read from."""
        digest = hashlib.sha256(f"{self.name} {self.version} {self.skeleton.name}".encode())
        for poses in (self.pose2d, self.pose3d):
            digest.update(np.ascontiguousarray(poses.numpy()).tobytes())
        for column in COLUMNS:
            codes, names = pd.factorize(self.frames[column])
            digest.update(codes.astype("<i8").tobytes() + repr([str(n) for n in names]).encode())
        return digest.hexdigest()[:16]


def pose_set(
    name: str, skeleton: Skeleton, recordings: Iterable[Recording], version: str = ""
) -> PoseSet:
    """The frames of several recordings, one after the other; ValueError when there are none."""
    parts = list(recordings)
    if not parts:
        raise ValueError(f"{name}: there are no recordings")
    tables = [
        pd.DataFrame(dict(zip(COLUMNS, (*part.key, part.frames), strict=True))) for part in parts
    ]
    frames = pd.concat(tables, ignore_index=True)
    for column in ("subject", "action", "camera"):
        frames[column] = frames[column].astype("category")
    pose2d = torch.cat([part.pose2d.float() for part in parts])
    pose3d = torch.cat([part.pose3d.float() for part in parts])
    return PoseSet(name, skeleton, pose2d, pose3d, frames, version)


def project_motions(
    motions: Iterable[Motion],
    cameras: Callable[[str], Iterable[Camera]],
    *,
    name: str,
    version: str = "",
    every: int = 1,
    detect: Callable[[Float[Tensor, "T J 2"], Motion, Camera], Tensor] | None = None,
) -> PoseSet:
    """Motions as the cameras of `cameras(subject)` see them, every `every`-th frame.

    `detect(pixels, motion, camera)` turns true pixels into a detector's; without it the 2D input
    is the truth. Raises ValueError when there is no motion or a joint lies behind a camera.
    """
    parts = []
    skeleton = H36M17
    for motion in motions:
        skeleton, world = motion.skeleton, motion.joints[::every]
        for camera in cameras(motion.subject):
            pose3d = camera.world_to_camera(world)
            if (pose3d[..., 2] <= 0).any():
                raise ValueError(
                    f"{name}: {motion.subject} {motion.action} {motion.take} passes behind camera "
                    f"{camera.name}; move the motion into the studio first"
                )
            pose2d = camera.project(pose3d)
            if detect is not None:
                pose2d = detect(pose2d, motion, camera)
            frames = np.arange(len(world)) * every
            take = motion.subject, motion.action, motion.take
            parts.append(Recording(*take, camera.name, frames, pose2d, pose3d))
    return pose_set(name, skeleton, parts, version)

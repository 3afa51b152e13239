"""What every 3D data set is reduced to: motions in the world, and poses as cameras saw them.

N frames seen by a camera, T frames of a motion, J joints. World: millimetres, z up. Camera:
millimetres, x right, y down, z forward. Pictures: pixels from the upper left corner.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from posekit.geometry.camera import Camera
from posekit.geometry.skeleton import Skeleton

COLUMNS = ("subject", "action", "take", "camera", "frame")


@dataclass(frozen=True)
class Motion:
    """One performance, as a motion-capture system records it."""

    subject: str
    action: str
    take: int
    skeleton: Skeleton
    joints: Float[Tensor, "T J 3"]  # world, mm
    rate: float = 50.0  # frames a second


@dataclass(frozen=True)
class PoseSet:
    """Poses seen by cameras: the 2D input, the 3D truth, and which frame each one is."""

    name: str
    skeleton: Skeleton
    pose2d: Float[Tensor, "N J 2"]  # pixels, as a detector gives them (or the truth)
    pose3d: Float[Tensor, "N J 3"]  # camera, mm, not centred
    frames: pd.DataFrame  # N rows: subject, action, take, camera, frame
    version: str = ""  # of the generator or the preparation

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
        """The frames for which `mask` holds."""
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
        """A short hash of the poses themselves, the same wherever the files lie."""
        digest = hashlib.sha256(f"{self.name} {self.version} {self.skeleton.name}".encode())
        for poses in (self.pose2d, self.pose3d):
            digest.update(np.ascontiguousarray(poses.numpy()).tobytes())
        for column in COLUMNS:
            codes, names = pd.factorize(self.frames[column])
            digest.update(codes.astype("<i8").tobytes() + repr([str(n) for n in names]).encode())
        return digest.hexdigest()[:16]


def film(
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
    parts: list[tuple[Tensor, Tensor, pd.DataFrame]] = []
    skeleton = None
    for motion in motions:
        skeleton = motion.skeleton
        world = motion.joints[::every]
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
            parts.append((pose2d, pose3d, _rows(motion, camera, every, len(world))))
    if skeleton is None:
        raise ValueError(f"{name}: no motions to film")
    frames = pd.concat([rows for _, _, rows in parts], ignore_index=True)
    for column in ("subject", "action", "camera"):
        frames[column] = frames[column].astype("category")
    return PoseSet(
        name,
        skeleton,
        torch.cat([pose2d.float() for pose2d, _, _ in parts]),
        torch.cat([pose3d.float() for _, pose3d, _ in parts]),
        frames,
        version,
    )


def _rows(motion: Motion, camera: Camera, every: int, count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject": motion.subject,
            "action": motion.action,
            "take": motion.take,
            "camera": camera.name,
            "frame": np.arange(count) * every,
        }
    )

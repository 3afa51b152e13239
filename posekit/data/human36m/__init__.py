"""Human3.6M (Ionescu et al., 2014) in the four preparations that people have: 2D and 3D poses.

- videopose3d: data_3d_h36m.npz (world, m), data_2d_h36m_*.npz, and a file with the cameras
- martinez: threeDPose_{train,test}.npy (world, mm), twoDPose_*_{train,test}.npy, cameras.npy;
  EvoSkeleton's files are of this kind
- 3dmppe: Human36M_subject*_{camera,joint_3d}.json (world, mm), Moon et al.'s
- raw: S*/ with folders D3_Positions_mono (camera, mm) and D2_Positions (px) of CDF files

All give the same `PoseSet`: Human3.6M's 17 joints, right leg first, in camera coordinates, mm.
`files` reads them, `cameras` where the cameras stand; `pictures` has the frames as pictures.
Human3.6M needs registration at vision.imar.ro/human3.6m and may not be redistributed.

T frames of a take, seen by one camera; N frames of all of them.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from posekit.data.human36m.files import ACTIONS, CAMERAS, READERS, SOURCE, SUBJECTS
from posekit.data.poses import PoseSet, Recording, pose_set
from posekit.geometry.skeleton import H36M17
from posekit.geometry.units import check_pixels, check_poses

# Files by which a preparation is recognised, and those of preparations that are not read here.
SIGNS = {
    "videopose3d": ("data_3d_h36m.npz", "data_2d_h36m_*.npz"),
    "martinez": ("threeDPose_*.npy", "twoDPose_*.npy"),
    "3dmppe": ("Human36M_subject*_*.json", "annotations/Human36M_subject*_*.json"),
    "raw": ("S*/MyPoseFeatures/D3_Positions*", "S*/Poses_D3_Positions*", "S*/D3_Positions*"),
}
OTHERS = {
    "**/h36m_train.npz": "MMPose's or SPIN's h36m_train.npz is not read",
    "S*/MyPoses": "Martinez' h36m.zip (h5 files) is not read; take EvoSkeleton's npy files",
    "*.tgz": "the archives are still packed: unpack them here",
    "*.zip": "an archive is still packed: unpack it here",
}

# The video of S11's second Directions is damaged in camera 54138969.
DAMAGED = ("S11", "Directions", 2)

Key = tuple[str, str, int, str]  # subject, action, take, camera


def load(
    folder: Path | str,
    *,
    detections: str = "gt",
    subjects: Iterable[str] = SUBJECTS,
    every: int = 1,
    partial: bool = False,
) -> PoseSet:
    """2D and 3D poses of `subjects` in `folder`, every `every`-th frame of each take.

    `detections` names the 2D input: "gt" is the truth (a file of it, or the projected 3D poses),
    else what stands in the file's name, for example "cpn_ft_h36m_dbb" (VideoPose3D) or "HRN"
    (EvoSkeleton); joints a detector lacks are NaN.

    Of S11's second take of Directions, camera 54138969 is left out, whose video is damaged
    (Martinez et al., Moon et al.); VideoPose3D's files have none of its cameras. Greeting 2,
    SittingDown 2 and Waiting 1 of S9, whose 3D poses are shifted against the pictures, are kept, as
    the published protocols keep them.

    Raises FileNotFoundError or ValueError that names the file and the remedy when the folder holds
    nothing known, is half downloaded (unless `partial`), damaged, or has poses that are NaN.
    """
    folder, subjects = Path(folder), tuple(subjects)
    if unknown := set(subjects) - set(SUBJECTS):
        raise ValueError(f"no subjects {sorted(unknown)}; those with 3D poses are {SUBJECTS}")
    if every < 1:
        raise ValueError(f"every={every}: 1 keeps all frames, 5 every fifth")
    preparation = find_preparation(folder)
    parts: dict[Key, Recording] = {}
    for recording in recordings(folder, preparation, detections, subjects, partial):
        kept = recording.frames % every == 0
        chosen = torch.from_numpy(kept)
        pose2d, pose3d = recording.pose2d[chosen].float(), recording.pose3d[chosen].float()
        parts[recording.key] = Recording(*recording.key, recording.frames[kept], pose2d, pose3d)
    if not partial and (missing := missing_takes(parts, subjects)):
        raise ValueError(
            f"{folder}: {len(missing)} recordings are missing, for example {missing[:3]}: half "
            "downloaded? `partial` reads what is there"
        )
    parts.pop((*DAMAGED, CAMERAS[0]), None)
    if not parts:
        raise ValueError(f"{folder}: nothing of {subjects} there")
    ordered = [parts[key] for key in sorted(parts, key=_place)]
    return pose_set("human36m", H36M17, ordered, f"{preparation}/{detections}")


def recordings(
    folder: Path,
    preparation: str,
    detections: str = "gt",
    subjects: tuple[str, ...] = SUBJECTS,
    partial: bool = False,
) -> Iterator[Recording]:
    """Every recording in `folder`, one after the other; arguments and errors are those of `load`."""
    keys = set()
    try:
        for take in READERS[preparation](folder, subjects, detections, partial):
            for camera, pose2d in take.views:
                key = take.subject, take.action, take.number, camera.name
                if key in keys:
                    raise ValueError(f"{take.origin}: {key} is there twice")
                keys.add(key)
                pose3d = camera.world_to_camera(take.world)
                if pose2d is None:
                    pose2d = camera.project(pose3d)
                # Videos may run longer than the motion capture, never shorter.
                if len(pose2d) < len(pose3d):
                    raise ValueError(
                        f"{take.origin}: {len(pose2d)} 2D frames for {len(pose3d)} in 3D; the files "
                        "are of different preparations, or one is damaged"
                    )
                where = f"{take.origin}, camera {camera.name}"
                check_poses(pose3d, where, camera=True)
                check_pixels(pose2d, where)
                frames = np.arange(len(pose3d)) if take.frames is None else take.frames
                yield Recording(*key, frames, pose2d[: len(pose3d)], pose3d)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        message = f"{folder}: the files are not laid out as those of {preparation} are: {error!r}"
        raise ValueError(message) from error


def find_preparation(folder: Path | str) -> str:
    """Which preparation lies in `folder`; FileNotFoundError or ValueError: none, or several."""
    folder = Path(folder)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise FileNotFoundError(f"{folder} is empty or not there; for Human3.6M, {SOURCE}")

    def any_file(patterns: Iterable[str]) -> bool:
        return any(any(folder.glob(pattern)) for pattern in patterns)

    present = [name for name, patterns in SIGNS.items() if any_file(patterns)]
    if len(present) > 1:
        raise ValueError(
            f"{folder}: {' and '.join(present)} are both there; give each a folder of its own"
        )
    if not present:
        other = [text for pattern, text in OTHERS.items() if any_file([pattern])]
        known = "; ".join(f"{name}: {', '.join(signs)}" for name, signs in SIGNS.items())
        raise ValueError(
            f"{folder}: no preparation of Human3.6M that is known here{': ' if other else ''}"
            f"{', '.join(other)}. Known are {known}"
        )
    return present[0]


def missing_takes(keys: Iterable[Key], subjects: Iterable[str]) -> list[Key]:
    """The recordings of `subjects` that are not in `keys`; the damaged take may be absent."""
    present = set(keys)
    takes = [(s, a, t) for s in subjects for a in ACTIONS for t in (1, 2) if (s, a, t) != DAMAGED]
    return [(*take, c) for take in takes for c in CAMERAS if (*take, c) not in present]


def _place(key: Key) -> tuple[int, int, int, int]:
    """Where a recording stands among all: in the order of the lists, whatever the files' order."""
    subject, action, take, camera = key
    return SUBJECTS.index(subject), ACTIONS.index(action), take, CAMERAS.index(camera)

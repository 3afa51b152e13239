"""Human3.6M (Ionescu et al., 2014) in the four preparations people really have; poses only.

- videopose3d: data_3d_h36m.npz (world, m), data_2d_h36m_*.npz, and a file with the cameras
- martinez: threeDPose_{train,test}.npy (world, mm), twoDPose_*_{train,test}.npy, cameras.npy;
  EvoSkeleton's files are of this kind
- 3dmppe: Human36M_subject*_{camera,joint_3d}.json (world, mm), Moon et al.'s
- raw: S*/ with folders D3_Positions_mono (camera, mm) and D2_Positions (px) of CDF files

All give the same `PoseSet`: Human3.6M's 17 joints, right leg first, in camera coordinates, mm.
Human3.6M needs registration at vision.imar.ro/human3.6m and may not be redistributed.

T frames of a take, seen by one camera; N frames of all of them.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from posekit.data.human36m.files import ACTIONS, CAMERAS, READERS, SOURCE, SUBJECTS, Recording
from posekit.data.poses import PoseSet
from posekit.geometry.skeleton import H36M17

# The files that tell one preparation from another, and those of preparations not read here.
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

# Takes of S9 whose 3D truth is shifted against the pictures.
SHIFTED = {("S9", "Greeting", 2), ("S9", "SittingDown", 2), ("S9", "Waiting", 1)}


def load(
    folder: Path | str,
    *,
    preparation: str = "",
    detections: str = "gt",
    subjects: Iterable[str] = SUBJECTS,
    every: int = 1,
    damaged: str = "drop camera",
    shifted: str = "keep",
    partial: bool = False,
) -> PoseSet:
    """The frames of `subjects` in `folder`, every `every`-th of each take.

    `preparation` is found out by the files there. `detections` names the 2D input: "gt" is the
    truth (a file of it, or the projected 3D), else what stands in the file's name, for example
    "cpn_ft_h36m_dbb" (VideoPose3D) or "HRN" (EvoSkeleton); joints a detector lacks are NaN.

    `damaged`, for S11's second take of Directions: "drop camera" leaves out camera 54138969, whose
    video is broken (Martinez et al., Moon et al.), "drop take" all four (VideoPose3D), "keep"
    nothing. `shifted`, for the three takes of S9 whose truth is off: "keep" as the published
    protocols do, or "drop" (Iskakov et al., 2019).

    Raises FileNotFoundError or ValueError that names the file and the remedy when the folder holds
    nothing known, is half downloaded (unless `partial`), damaged, or has poses that are NaN.
    """
    folder, subjects = Path(folder), tuple(subjects)
    _check_options(subjects, every, damaged, shifted)
    preparation = preparation or find_preparation(folder)
    parts: dict[tuple, tuple[Tensor, Tensor, pd.DataFrame]] = {}
    for recording in recordings(folder, preparation, detections, subjects, partial):
        parts[recording.key] = _frames(recording, every)
    if not partial and (missing := missing_takes(parts, subjects)):
        raise ValueError(
            f"{folder}: {len(missing)} recordings are missing, for example {missing[:3]}: half "
            "downloaded? `partial` reads what is there"
        )
    kept = [parts[key] for key in _in_order(parts) if _wanted(key, damaged, shifted)]
    if not kept:
        raise ValueError(f"{folder}: nothing of {subjects} there")
    frames = pd.concat([rows for _, _, rows in kept], ignore_index=True)
    for column in ("subject", "action", "camera"):
        frames[column] = frames[column].astype("category")
    pose2d, pose3d = (torch.cat([part[i] for part in kept]) for i in (0, 1))
    return PoseSet("human36m", H36M17, pose2d, pose3d, frames, f"{preparation}/{detections}")


def recordings(
    folder: Path,
    preparation: str,
    detections: str = "gt",
    subjects: tuple[str, ...] = SUBJECTS,
    partial: bool = False,
) -> Iterator[Recording]:
    """Every recording in `folder`, one after the other; arguments and errors are those of `load`."""
    if preparation not in READERS:
        raise ValueError(f"no preparation {preparation!r}; there are {list(READERS)}")
    keys = set()
    try:
        for recording in READERS[preparation](folder, subjects, detections, partial):
            if recording.key in keys:
                raise ValueError(f"{recording.origin}: {recording.key} is there twice")
            keys.add(recording.key)
            yield recording
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        message = f"{folder}: the files are not laid out as those of {preparation} are: {error!r}"
        raise ValueError(message) from error


def find_preparation(folder: Path | str) -> str:
    """Which preparation lies in `folder`; FileNotFoundError or ValueError: none, or several."""
    folder = Path(folder)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise FileNotFoundError(f"{folder} is empty or not there; for Human3.6M, {SOURCE}")
    found = [name for name, patterns in SIGNS.items() if _any_file(folder, patterns)]
    if len(found) > 1:
        raise ValueError(f"{folder}: {' and '.join(found)} are both there; name the preparation")
    if not found:
        other = [text for pattern, text in OTHERS.items() if _any_file(folder, (pattern,))]
        known = "; ".join(f"{name}: {', '.join(signs)}" for name, signs in SIGNS.items())
        raise ValueError(
            f"{folder}: no preparation of Human3.6M that is known here{': ' if other else ''}"
            f"{', '.join(other)}. Known are {known}"
        )
    return found[0]


def missing_takes(keys: Iterable[tuple], subjects: Iterable[str]) -> list[tuple]:
    """The recordings of `subjects` that are not in `keys`; the damaged take may lack."""
    there = set(keys)
    takes = [(s, a, t) for s in subjects for a in ACTIONS for t in (1, 2) if (s, a, t) != DAMAGED]
    return [(*take, c) for take in takes for c in CAMERAS if (*take, c) not in there]


def _check_options(subjects: tuple[str, ...], every: int, damaged: str, shifted: str) -> None:
    if unknown := set(subjects) - set(SUBJECTS):
        raise ValueError(f"no subjects {sorted(unknown)}; those with 3D poses are {SUBJECTS}")
    if every < 1:
        raise ValueError(f"every={every}: 1 keeps all frames, 5 every fifth")
    if damaged not in ("drop camera", "drop take", "keep"):
        raise ValueError(f"damaged={damaged!r}: 'drop camera', 'drop take' or 'keep'")
    if shifted not in ("keep", "drop"):
        raise ValueError(f"shifted={shifted!r}: 'keep' or 'drop'")


def _wanted(key: tuple[str, str, int, str], damaged: str, shifted: str) -> bool:
    *take, camera = key
    if tuple(take) == DAMAGED and damaged != "keep":
        return damaged == "drop camera" and camera != CAMERAS[0]
    return shifted == "keep" or tuple(take) not in SHIFTED


def _in_order(keys: Iterable[tuple]) -> list[tuple]:
    """By subject, action, take and camera as they are listed here, whatever the files' order."""
    return sorted(
        keys, key=lambda k: (SUBJECTS.index(k[0]), ACTIONS.index(k[1]), k[2], CAMERAS.index(k[3]))
    )


def _frames(recording: Recording, every: int) -> tuple[Tensor, Tensor, pd.DataFrame]:
    """The kept frames of a recording as float32, and their rows."""
    pose3d, pose2d = recording.pose3d, recording.pose2d
    if pose2d is None:
        pose2d = recording.camera.project(pose3d)
    kept = recording.frames % every == 0
    subject, action, take, camera = recording.key
    rows = pd.DataFrame(
        {
            "subject": subject,
            "action": action,
            "take": take,
            "camera": camera,
            "frame": recording.frames[kept],
        }
    )
    chosen = torch.from_numpy(kept)
    return pose2d[: len(pose3d)][chosen].float(), pose3d[chosen].float(), rows


def _any_file(folder: Path, patterns: Iterable[str]) -> bool:
    return any(any(folder.glob(pattern)) for pattern in patterns)

"""The files of Human3.6M's four preparations, read recording by recording.

Each reader yields every take of the wanted subjects as each camera saw it, in camera coordinates
(mm), from whatever the preparation holds: the layouts are described where they are read.

T frames of a take, seen by one camera; J joints of a file.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from posekit.data.formats import npz, pickles
from posekit.data.human36m.cameras import find_cameras, read_cameras
from posekit.geometry.camera import HUMAN36M_INTRINSICS, Camera
from posekit.geometry.skeleton import COCO17, H36M17, H36M32, MPII16, Skeleton, convert

SOURCE = "register at vision.imar.ro/human3.6m"
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
CAMERAS = tuple(HUMAN36M_INTRINSICS)
ACTIONS = (  # in the order of the metadata, which counts them from 2
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Photo",
    "Waiting",
    "Walking",
    "WalkDog",
    "WalkTogether",
)
OTHER_NAMES = {
    "TakingPhoto": "Photo",
    "WalkingDog": "WalkDog",
    "WalkingTogether": "WalkTogether",
}

# A take's file is named after the action, mostly with a number for take 1 and without for take 2.
# Elsewhere: the numbers (0: none) of takes 1 and 2.
NUMBERS = {
    ("S1", "Sitting"): (1, 2),
    ("S5", "Directions"): (1, 2),
    ("S5", "Discussion"): (2, 3),
    ("S5", "Greeting"): (1, 2),
    ("S5", "Waiting"): (1, 2),
    ("S6", "Eating"): (1, 2),
    ("S6", "Sitting"): (1, 2),
    ("S7", "Waiting"): (1, 2),
    ("S7", "Walking"): (1, 2),
    ("S8", "WalkTogether"): (1, 2),
    ("S9", "Discussion"): (1, 2),
    ("S9", "SittingDown"): (0, 1),
    ("S11", "Discussion"): (1, 2),
    ("S11", "Phoning"): (3, 2),
    ("S11", "SittingDown"): (0, 1),
}
BY_COUNT = {17: H36M17, 32: H36M32, 16: MPII16}


@dataclass(frozen=True)
class Recording:
    """One take as one camera saw it."""

    subject: str
    action: str
    take: int
    camera: Camera
    frames: Int[np.ndarray, " T"]
    pose3d: Float[Tensor, "T 17 3"]  # camera, mm
    pose2d: Float[Tensor, "_ 17 2"] | None  # px, maybe longer than T; None: the projected truth
    origin: str  # where it was read, for messages

    def __post_init__(self):
        # Videos may run longer than the motion capture, never shorter.
        if self.pose2d is not None and len(self.pose2d) < len(self.pose3d):
            raise ValueError(
                f"{self.origin}: {len(self.pose2d)} 2D frames for {len(self.pose3d)} in 3D; the "
                "files are of different preparations, or one is damaged"
            )

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Subject, action, take and camera."""
        return self.subject, self.action, self.take, self.camera.name


def take_of(subject: str, name: str) -> tuple[str, int]:
    """Action and take of a name in the files: ("S1", "TakingPhoto 1") is ("Photo", 1)."""
    match = re.fullmatch(r"([A-Za-z]+?)[ _]?(\d)?", name)
    action = OTHER_NAMES.get(match[1], match[1]) if match else name
    if action not in ACTIONS:
        raise ValueError(f"{subject} {name!r}: no action of Human3.6M; there are {ACTIONS}")
    number = int(match[2] or 0)
    numbers = NUMBERS.get((subject, action), (number, 0) if number else (1, 0))
    if number not in numbers:
        raise ValueError(f"{subject} {name!r}: the takes of {action} are numbered {numbers}")
    return action, numbers.index(number) + 1


def to_17(
    pose: Float[np.ndarray, "T J D"], skeleton: Skeleton | None, origin: str
) -> Float[Tensor, "T 17 D"]:
    """A pose of a file as Human3.6M's 17 joints; ValueError when it has NaN or other joints.

    Without a skeleton the number of joints tells it.
    """
    skeleton = skeleton or BY_COUNT.get(pose.shape[1])
    if skeleton is None or len(skeleton) != pose.shape[1]:
        raise ValueError(f"{origin}: {pose.shape[1]} joints; this preparation has 32, 17 or 16")
    if bad := int((~np.isfinite(pose)).any(axis=(1, 2)).sum()):
        raise ValueError(f"{origin}: {bad} of {len(pose)} frames have NaN; get the file again")
    return convert(torch.from_numpy(pose), skeleton, H36M17).pose


def found(path: Path, what: str) -> Path:
    """`path`; FileNotFoundError says `what` to do when it is not there."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: {what}")
    return path


def read_videopose3d(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Recording]:
    """Pavllo et al. (CVPR 2019): positions_3d[subject][name] is (T, 32, 3), world, metres, z up.

    positions_2d[subject][name] lists (T, J, 2) pixels for the four cameras in their usual order.
    """
    path = found(folder / "data_3d_h36m.npz", "VideoPose3D's DATASETS.md says how to make it")
    cameras = read_cameras(find_cameras(folder))
    table = _part(npz.read_archive(path), "positions_3d", path)
    pixels, layout, flat = _videopose3d_2d(folder, detections)
    for subject in _there(table, subjects, path, partial):
        for name, metres in table[subject].items():
            action, take = take_of(subject, name)
            origin = f"{path} {subject} {name}"
            world = to_17(_joints(metres, 3, origin) * 1000, None, origin)
            for i, camera in enumerate(_cameras_of(subject, cameras, folder)):
                pose2d = None
                if pixels is not None:
                    seen = f"{flat} {subject} {name} {camera.name}"
                    views = pixels.get(subject, {}).get(name, ())
                    if len(views) != len(CAMERAS):
                        raise ValueError(f"{seen}: {len(views)} views of 4; get the file again")
                    pose2d = to_17(_joints(views[i], 2, seen), layout, seen)
                yield _recording(subject, action, take, camera, world, pose2d, origin)


def _videopose3d_2d(folder: Path, detections: str) -> tuple[dict | None, Skeleton | None, Path]:
    """The 2D table of an npz, its skeleton (None: by the number of joints), and its file."""
    path = folder / f"data_2d_h36m_{detections}.npz"
    if detections == "gt" and not path.is_file():
        return None, None, path
    there = sorted(file.stem.removeprefix("data_2d_h36m_") for file in folder.glob("data_2d_*.npz"))
    found(
        path, f"no detections {detections!r}; there are {there}. VideoPose3D's DATASETS.md has more"
    )
    archive = npz.read_archive(path)
    layout = _part(archive, "metadata", path).get("layout_name", "")
    return _part(archive, "positions_2d", path), COCO17 if layout == "coco" else None, path


def read_martinez(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Recording]:
    """Martinez et al. (ICCV 2017), EvoSkeleton: {(5, "Photo", "Photo 2.h5"): (T, 96)}, world, mm.

    2D: {(5, "Photo", "Photo 2.54138969.h5-sh"): (T, 64)}, px; joints no detector gives are 0.
    """
    get = "EvoSkeleton's docs/TRAINING.md links the archive human3.6M"
    cameras = read_cameras(found(folder / "cameras.npy", get))
    for split, members in (("train", SUBJECTS[:5]), ("test", SUBJECTS[5:])):
        if not set(members) & set(subjects):
            continue
        path = folder / f"threeDPose_{split}.npy"
        if partial and not path.is_file():
            continue
        table = _entries(npz.read(found(path, get)), path)
        pixels = _martinez_2d(folder, detections, split)
        for (subject, name), flat in table.items():
            if subject not in subjects:
                continue
            action, take = take_of(subject, name.removesuffix(".h5"))
            origin = f"{path} {subject} {name}"
            world = to_17(_joints(flat, 3, origin), None, origin)
            for camera in _cameras_of(subject, cameras, folder):
                seen = f"{name.removesuffix('.h5')}.{camera.name}.h5"
                pose2d = None
                if pixels is not None:
                    # EvoSkeleton's archive lacks the damaged view of S11.
                    if (flat2d := pixels.get((subject, seen))) is None:
                        continue
                    pose2d = to_17(_joints(flat2d, 2, f"{origin} {camera.name}"), None, seen)
                    pose2d[:, (pose2d == 0).all(dim=-1).all(dim=0)] = torch.nan
                yield _recording(subject, action, take, camera, world, pose2d, origin)


def _martinez_2d(folder: Path, detections: str, split: str) -> dict | None:
    path = folder / f"twoDPose_{detections}_{split}.npy"
    if detections == "gt" and not path.is_file():
        return None
    there = sorted({file.stem.split("_")[1] for file in folder.glob("twoDPose_*_*.npy")})
    table = _entries(npz.read(found(path, f"no {detections!r}; there are {there}")), path)
    return {(subject, name.removesuffix("-sh")): flat for (subject, name), flat in table.items()}


def read_3dmppe(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Recording]:
    """Moon et al. (ICCV 2019): joint_3d[action 2..16][take 1..2][frame] is 17 x 3, world, mm.

    Their cameras have no lens distortion; Human3.6M's own is put back.
    """
    if detections != "gt":
        raise ValueError(f"{folder}: this preparation has no 2D detections, only 'gt'")
    for subject in subjects:
        paths = _3dmppe_files(folder, subject)
        if partial and not all(path.is_file() for path in paths):
            continue
        stands, takes = (_json(path) for path in paths)
        for action_id, by_take in takes.items():
            for take, by_frame in by_take.items():
                origin = f"{paths[1]} action {action_id} take {take}"
                frames = np.array(sorted(map(int, by_frame)))
                listed = [by_frame[str(frame)] for frame in frames]
                world = to_17(_joints(listed, 3, origin), None, origin)
                action = ACTIONS[int(action_id) - 2]
                for i, name in enumerate(CAMERAS, start=1):
                    plain = Camera.from_3dmppe(stands[str(i)], name)
                    camera = HUMAN36M_INTRINSICS[name].at(plain.rotation, plain.centre)
                    seen = camera.world_to_camera(world)
                    yield Recording(subject, action, int(take), camera, frames, seen, None, origin)


def _3dmppe_files(folder: Path, subject: str) -> list[Path]:
    inside = folder / "annotations" if (folder / "annotations").is_dir() else folder
    number = subject.removeprefix("S")
    return [inside / f"Human36M_subject{number}_{part}.json" for part in ("camera", "joint_3d")]


def read_raw(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Recording]:
    """The official CDF files, variable Pose: D3_Positions_mono (1, T, 96) camera mm, D2 (1, T, 64).

    Both are one file a take and camera, "Photo 2.54138969.cdf". Without D2_Positions the 3D poses
    are projected.
    """
    if detections != "gt":
        raise ValueError(f"{folder}: the official files have no 2D detections, only 'gt'")
    for subject in subjects:
        places = _cdf_folders(folder, subject, "D3_Positions_mono")
        if not places and not partial:
            raise FileNotFoundError(
                f"{folder}: no {subject} with D3_Positions_mono; {SOURCE} and get "
                f"Poses_D3_Positions_mono_{subject}.tgz"
            )
        flat = _cdf_folders(folder, subject, "D2_Positions")
        for path in sorted(places[0].glob("*.cdf")) if places else ():
            name, _, camera_name = path.stem.rpartition(".")
            if name.startswith("_ALL"):  # calibration, no action
                continue
            action, take = take_of(subject, name)
            camera = HUMAN36M_INTRINSICS[camera_name].at(torch.eye(3), torch.zeros(3))
            pose3d = to_17(_joints(read_cdf(path), 3, str(path)), None, str(path))
            pose2d = None
            if flat:
                seen = found(flat[0] / path.name, "half unpacked? unpack D2_Positions again")
                pose2d = to_17(_joints(read_cdf(seen), 2, str(seen)), None, str(seen))
            frames = np.arange(len(pose3d))
            yield Recording(subject, action, take, camera, frames, pose3d, pose2d, str(path))


def _cdf_folders(folder: Path, subject: str, kind: str) -> list[Path]:
    """Where a subject's files of a kind lie: as the archives unpack, or as scripts place them."""
    places = (f"MyPoseFeatures/{kind}", f"Poses_{kind}", kind)
    return [p for place in places if (p := folder / subject / place).is_dir()]


def read_cdf(path: Path) -> Float[np.ndarray, "T D"]:
    """The poses of an official file; ValueError when it is cut off or no such file."""
    try:
        import cdflib
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('CDF files need cdflib: pip install "posekit[data]"') from error
    try:
        poses = np.asarray(cdflib.CDF(path).varget("Pose"), dtype=np.float64)
    except Exception as error:  # cdflib raises whatever the damage leads to
        raise ValueError(f"{path}: {error}; {pickles.AGAIN}") from error
    return poses.reshape(poses.shape[-2:])


def _recording(
    subject: str, action: str, take: int, camera: Camera, world: Tensor, pose2d: Any, origin: str
) -> Recording:
    frames = np.arange(len(world))
    seen = camera.world_to_camera(world)
    return Recording(subject, action, take, camera, frames, seen, pose2d, origin)


def _joints(values: Any, numbers: int, origin: str) -> Float[np.ndarray, "T J D"]:
    """A file's poses as joints of `numbers` coordinates, float64; ValueError for other values."""
    try:
        poses = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{origin}: {error}; {pickles.AGAIN}") from error
    if not poses.size or poses.ndim not in (2, 3):
        raise ValueError(f"{origin}: an array of shape {poses.shape} is no sequence of poses")
    if poses.ndim == 3 and poses.shape[2] > numbers:
        poses = poses[..., :numbers]  # a third number beside pixels is the detector's confidence
    if poses.shape[-1] % numbers:
        raise ValueError(f"{origin}: {poses.shape[-1]} numbers a frame, {numbers} a joint")
    return poses.reshape(len(poses), -1, numbers)


def _there(table: dict, subjects: tuple[str, ...], path: Path, partial: bool) -> list[str]:
    if not partial and (absent := [subject for subject in subjects if subject not in table]):
        raise ValueError(f"{path} has no {absent}, only {sorted(table)}; {pickles.AGAIN}")
    return [subject for subject in subjects if subject in table]


def _entries(table: Any, path: Path) -> dict[tuple[str, str], Any]:
    """By subject ("S5") and file name, as Martinez' keys (5, "Photo", "Photo 2.h5") say."""
    if not isinstance(table, dict) or not all(isinstance(k, tuple) and len(k) == 3 for k in table):
        raise ValueError(
            f"{path}: no dictionary by subject, action and file: not EvoSkeleton's file"
        )
    return {(f"S{subject}", name): value for (subject, _, name), value in table.items()}


def _part(archive: dict[str, Any], key: str, path: Path) -> dict:
    part = archive.get(key)
    if isinstance(part, dict):
        return part
    raise ValueError(f"{path} has no dictionary {key!r} but {sorted(archive)}: not VideoPose3D's")


def _cameras_of(subject: str, cameras: dict[tuple[str, str], Camera], folder: Path) -> list[Camera]:
    if lacking := [name for name in CAMERAS if (subject, name) not in cameras]:
        raise ValueError(f"{folder}: the cameras {lacking} of {subject} are not in its camera file")
    return [cameras[subject, name] for name in CAMERAS]


def _json(path: Path) -> Any:
    found(path, "get the annotations of Human3.6M that 3DMPPE_POSENET_RELEASE links to")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {pickles.AGAIN}") from error


READERS: dict[str, Callable[..., Iterator[Recording]]] = {
    "videopose3d": read_videopose3d,
    "martinez": read_martinez,
    "3dmppe": read_3dmppe,
    "raw": read_raw,
}

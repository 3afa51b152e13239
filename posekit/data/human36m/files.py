"""The files of Human3.6M's four preparations, read take by take.

Each reader yields the takes of the wanted subjects with the cameras that saw them, whatever the
preparation holds; the layouts are described at the readers.

T frames of a take; J joints of a file.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from posekit.data.formats import npz, pickles, text
from posekit.data.human36m.cameras import Cameras, find_cameras, read_cameras
from posekit.geometry.camera import HUMAN36M_INTRINSICS, Camera
from posekit.geometry.skeleton import COCO17, H36M17, H36M32, MPII16, Skeleton, convert
from posekit.system import need_file

SOURCE = "register at vision.imar.ro/human3.6m"
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
CAMERAS = tuple(HUMAN36M_INTRINSICS)
ACTIONS = (  # in the order of the metadata, which counts them from 2
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases"),
    *("Sitting", "SittingDown", "Smoking", "Photo", "Waiting"),
    *("Walking", "WalkDog", "WalkTogether"),
)
OTHER_NAMES = {
    "TakingPhoto": "Photo",
    "WalkingDog": "WalkDog",
    "WalkingTogether": "WalkTogether",
}

# A take's file is named after the action, mostly with a number for take 1 and without for take 2.
# Elsewhere: the numbers (0: none) of takes 1 and 2.
_FROM_1 = {
    "S1": ("Sitting",),
    "S5": ("Directions", "Greeting", "Waiting"),
    "S6": ("Eating", "Sitting"),
    "S7": ("Waiting", "Walking"),
    "S8": ("WalkTogether",),
    "S9": ("Discussion",),
    "S11": ("Discussion",),
}
NUMBERS = {(subject, action): (1, 2) for subject, names in _FROM_1.items() for action in names}
NUMBERS |= {("S5", "Discussion"): (2, 3), ("S11", "Phoning"): (3, 2)}
NUMBERS |= dict.fromkeys((("S9", "SittingDown"), ("S11", "SittingDown")), (0, 1))
BY_COUNT = {17: H36M17, 32: H36M32, 16: MPII16}


class Take(NamedTuple):
    """A take with the cameras that saw it."""

    subject: str
    action: str
    number: int  # 1 or 2
    world: Float[Tensor, "T 17 3"]  # mm; camera coordinates where the camera stands at the origin
    views: list[tuple[Camera, Float[Tensor, "_ 17 2"] | None]]  # px; None: project the 3D pose
    origin: str  # where it was read, for messages
    frames: Int[np.ndarray, " T"] | None = None  # their numbers; None: from 0


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


def joints(
    values: Any, size: int, origin: str, skeleton: Skeleton | None = None
) -> Float[Tensor, "T 17 D"]:
    """A file's poses as Human3.6M's 17 joints of `size` coordinates, float64.

    Without a skeleton the number of joints tells it. ValueError for NaN and for other values.
    """
    try:
        poses = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{origin}: {error}; {pickles.AGAIN}") from error
    if not poses.size or poses.ndim not in (2, 3):
        raise ValueError(f"{origin}: an array of shape {poses.shape} is no sequence of poses")
    if poses.ndim == 3 and poses.shape[2] > size:
        poses = poses[..., :size]  # a third number beside pixels is the detector's confidence
    if poses.shape[-1] % size:
        raise ValueError(f"{origin}: {poses.shape[-1]} numbers a frame, {size} a joint")
    poses = poses.reshape(len(poses), -1, size)
    skeleton = skeleton or BY_COUNT.get(poses.shape[1])
    if skeleton is None or len(skeleton) != poses.shape[1]:
        raise ValueError(f"{origin}: {poses.shape[1]} joints; this preparation has 32, 17 or 16")
    if bad := int((~np.isfinite(poses)).any(axis=(1, 2)).sum()):
        raise ValueError(f"{origin}: {bad} of {len(poses)} frames have NaN; get the file again")
    return convert(torch.from_numpy(poses), skeleton, H36M17).pose


def read_json(path: Path) -> Any:
    """The content of one of Moon et al.'s annotation files; errors name it."""
    need_file(path, source="get the annotations of Human3.6M that 3DMPPE_POSENET_RELEASE links to")
    return text.read_json(path)


def read_videopose3d(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Take]:
    """Pavllo et al. (CVPR 2019): positions_3d[subject][name] is (T, 32, 3), world, metres, z up.

    positions_2d[subject][name] lists (T, J, 2) pixels for the four cameras in their usual order.
    """
    path = need_file(
        folder / "data_3d_h36m.npz", source="VideoPose3D's DATASETS.md says how to make it"
    )
    cameras = read_cameras(find_cameras(folder))
    table = _dictionary(npz.read_archive(path), "positions_3d", path)
    if not partial and (absent := [subject for subject in subjects if subject not in table]):
        raise ValueError(f"{path} has no {absent}, only {sorted(table)}; {pickles.AGAIN}")
    flat, pixels, layout = folder / f"data_2d_h36m_{detections}.npz", None, None
    if detections != "gt" or flat.is_file():
        stems = sorted(file.stem for file in folder.glob("data_2d_*.npz"))
        have = [stem.removeprefix("data_2d_h36m_") for stem in stems]
        remedy = (
            f"no detections {detections!r}; there are {have}. VideoPose3D's DATASETS.md has more"
        )
        archive = npz.read_archive(need_file(flat, source=remedy))
        pixels = _dictionary(archive, "positions_2d", flat)
        if _dictionary(archive, "metadata", flat).get("layout_name") == "coco":
            layout = COCO17
    for subject in (subject for subject in subjects if subject in table):
        for name, metres in table[subject].items():
            origin = f"{path} {subject} {name}"
            world = 1000 * joints(metres, 3, origin)
            views = []
            for i, camera in enumerate(_cameras_of(subject, cameras, folder)):
                pose2d = None
                if pixels is not None:
                    seen = f"{flat} {subject} {name} {camera.name}"
                    four = pixels.get(subject, {}).get(name, ())
                    if len(four) != len(CAMERAS):
                        raise ValueError(f"{seen}: {len(four)} views of 4; get the file again")
                    pose2d = joints(four[i], 2, seen, layout)
                views.append((camera, pose2d))
            yield Take(subject, *take_of(subject, name), world, views, origin)


def read_martinez(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Take]:
    """Martinez et al. (ICCV 2017), EvoSkeleton: {(5, "Photo", "Photo 2.h5"): (T, 96)}, world, mm.

    2D: {(5, "Photo", "Photo 2.54138969.h5-sh"): (T, 64)}, px; joints no detector gives are 0.
    """
    get = "EvoSkeleton's docs/TRAINING.md links the archive human3.6M"
    cameras = read_cameras(need_file(folder / "cameras.npy", source=get))
    have = sorted({file.stem.split("_")[1] for file in folder.glob("twoDPose_*_*.npy")})
    for split, members in (("train", SUBJECTS[:5]), ("test", SUBJECTS[5:])):
        path, flat = (
            folder / f"threeDPose_{split}.npy",
            folder / f"twoDPose_{detections}_{split}.npy",
        )
        if not set(members) & set(subjects) or partial and not path.is_file():
            continue
        table, pixels = _martinez(need_file(path, source=get)), None
        if detections != "gt" or flat.is_file():
            pixels = _martinez(need_file(flat, source=f"no {detections!r}; there are {have}"))
        for (subject, name), numbers in table.items():
            if subject not in subjects:
                continue
            origin = f"{path} {subject} {name}.h5"
            views = []
            for camera in _cameras_of(subject, cameras, folder):
                pose2d = None
                if pixels is not None:
                    seen = f"{name}.{camera.name}"
                    if (subject, seen) not in pixels:
                        continue  # EvoSkeleton's archive lacks the damaged view of S11
                    pose2d = joints(pixels[subject, seen], 2, f"{flat} {subject} {seen}")
                    pose2d[:, (pose2d == 0).all(dim=-1).all(dim=0)] = torch.nan
                views.append((camera, pose2d))
            yield Take(subject, *take_of(subject, name), joints(numbers, 3, origin), views, origin)


def read_3dmppe(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Take]:
    """Moon et al. (ICCV 2019): joint_3d[action 2..16][take 1..2][frame] is 17 x 3, world, mm.

    Their cameras have no lens distortion; Human3.6M's own is put back.
    """
    _only_truth(folder, detections)
    for subject in subjects:
        paths = [annotations(folder, subject, part) for part in ("camera", "joint_3d")]
        if partial and not all(path.is_file() for path in paths):
            continue
        stands, takes = (read_json(path) for path in paths)
        cameras = []
        for i, name in enumerate(CAMERAS, start=1):
            plain = Camera.from_3dmppe(stands[str(i)], name)
            cameras.append(HUMAN36M_INTRINSICS[name].at(plain.rotation, plain.centre))
        for action, by_take in takes.items():
            for take, by_frame in by_take.items():
                origin = f"{paths[1]} action {action} take {take}"
                frames = np.array(sorted(map(int, by_frame)))
                world = joints([by_frame[str(frame)] for frame in frames], 3, origin)
                key = subject, ACTIONS[int(action) - 2], int(take)
                yield Take(*key, world, [(camera, None) for camera in cameras], origin, frames)


def annotations(folder: Path, subject: str, part: str) -> Path:
    """Moon et al.'s file "camera", "joint_3d" or "data" of a subject."""
    inside = folder / "annotations"
    number = subject.removeprefix("S")
    return (inside if inside.is_dir() else folder) / f"Human36M_subject{number}_{part}.json"


def read_raw(
    folder: Path, subjects: tuple[str, ...], detections: str, partial: bool
) -> Iterator[Take]:
    """The official CDF files, variable Pose: D3_Positions_mono (1, T, 96) camera mm, D2 (1, T, 64).

    Both are one file a take and camera, "Photo 2.54138969.cdf". Without D2_Positions the 3D poses
    are projected.
    """
    _only_truth(folder, detections)
    for subject in subjects:
        place, flat = (
            _cdf_folder(folder, subject, kind) for kind in ("D3_Positions_mono", "D2_Positions")
        )
        if place is None and not partial:
            raise FileNotFoundError(
                f"{folder}: no {subject} with D3_Positions_mono; {SOURCE} and get "
                f"Poses_D3_Positions_mono_{subject}.tgz"
            )
        for path in sorted(place.glob("*.cdf")) if place else ():
            name, _, camera = path.stem.rpartition(".")
            if name.startswith("_ALL"):  # calibration, no action
                continue
            pose3d, pose2d = joints(read_cdf(path), 3, str(path)), None
            if flat:
                seen = need_file(
                    flat / path.name, source="half unpacked? unpack D2_Positions again"
                )
                pose2d = joints(read_cdf(seen), 2, str(seen))
            lens = HUMAN36M_INTRINSICS[camera].at(torch.eye(3), torch.zeros(3))
            yield Take(subject, *take_of(subject, name), pose3d, [(lens, pose2d)], str(path))


def _cdf_folder(folder: Path, subject: str, kind: str) -> Path | None:
    """Where a subject's files of a kind lie: as the archives unpack, or as scripts place them."""
    for place in (f"MyPoseFeatures/{kind}", f"Poses_{kind}", kind):
        if (folder / subject / place).is_dir():
            return folder / subject / place
    return None


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


def _only_truth(folder: Path, detections: str) -> None:
    if detections != "gt":
        raise ValueError(f"{folder}: this preparation has no 2D detections, only 'gt'")


def _martinez(path: Path) -> dict[tuple[str, str], Any]:
    """A file's arrays by subject ("S5") and name without ending, as (5, "Photo", "Photo 2.h5")."""
    table = npz.read(path)
    if not isinstance(table, dict) or not all(isinstance(k, tuple) and len(k) == 3 for k in table):
        raise ValueError(
            f"{path}: no dictionary by subject, action and file: not EvoSkeleton's file"
        )
    return {
        (f"S{subject}", name.removesuffix("-sh").removesuffix(".h5")): value
        for (subject, _, name), value in table.items()
    }


def _dictionary(archive: dict[str, Any], key: str, path: Path) -> dict:
    if isinstance(archive.get(key), dict):
        return archive[key]
    raise ValueError(f"{path} has no dictionary {key!r} but {sorted(archive)}: not VideoPose3D's")


def _cameras_of(subject: str, cameras: Cameras, folder: Path) -> list[Camera]:
    if lacking := [name for name in CAMERAS if (subject, name) not in cameras]:
        raise ValueError(f"{folder}: the cameras {lacking} of {subject} are not in its camera file")
    return [cameras[subject, name] for name in CAMERAS]


READERS: dict[str, Callable[..., Iterator[Take]]] = {
    "videopose3d": read_videopose3d,
    "martinez": read_martinez,
    "3dmppe": read_3dmppe,
    "raw": read_raw,
}

"""MPI-INF-3DHP (Mehta et al., 3DV 2017): eight actors before 14 cameras, and a test set of six takes.

- S1 to S8, each with Seq1 and Seq2: annot.mat (cells of the cameras: annot2 (T, 56) px, annot3 and
  univ_annot3 (T, 84) mm), camera.calibration, imageSequence/video_*.avi. Frames that somebody took
  out of the videos, imageFrames/video_*/frame_000001.jpg as SPIN does, go before the videos.
- TS1 to TS6: annot_data.mat (Matlab 7.3: annot2, annot3, univ_annot3 (T, 1, 17, 2 or 3), valid_frame,
  activity_annotation) and imageSequence/img_000001.jpg.

Of both come the 17 joints that the test set has, in camera coordinates. Which joints are covered is
not told: all in the picture are SEEN. Pixels are as the files have them.

T frames of a take; N frames of all of them.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from posekit.data.batch import SEEN
from posekit.data.formats.matlab import read_cells, read_h5
from posekit.data.formats.pickles import AGAIN, DAMAGE
from posekit.data.people import (
    People,
    PeoplePictures,
    check_pictures,
    clip,
    picture_sizes,
    together,
)
from posekit.geometry.camera import Camera, Intrinsics
from posekit.geometry.skeleton import MPI_INF_3DHP17, MPI_INF_3DHP28, Skeleton, convert

SOURCE = (
    "get MPI-INF-3DHP at gvv.mpi-inf.mpg.de/3dhp-dataset, for research only: mpi_inf_3dhp.zip has "
    "the scripts get_dataset.sh (some 25 GB) and get_testset.sh (6.9 GB)"
)
FRAMES = {  # that the videos of each take have
    (f"S{subject}", take): frames
    for subject, takes in enumerate(
        (
            *((6416, 12430), (6502, 6081), (12488, 12283), (6171, 6675)),
            *((12820, 12312), (6188, 6145), (6239, 6320), (6468, 6054)),
        ),
        start=1,
    )
    for take, frames in enumerate(takes, start=1)
}
CUT_SHORT = {("S6", 2, 2): 3911}  # subject, take, camera: frames of a shorter video
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)  # of 14; the others look from above, or from close by
TEST_FRAMES = {"TS1": 6151, "TS2": 6080, "TS3": 5838, "TS4": 6007, "TS5": 320, "TS6": 492}
TEST_VALID = 2929  # frames
TRUTHS = {"true": "annot3", "universal": "univ_annot3"}
ACTIVITIES = (
    "Stand/Walk",
    "Exercise",
    "Sit on Chair",
    "Reach/Crouch",
    "On Floor",
    "Sports",
    "Misc.",
)
SCENES = ("green screen", "no green screen", "outdoors")  # of two takes each


def _lens(
    name: str,
    focal: float,
    aspect: float,
    offset: tuple[float, float],
    sensor: tuple[float, float],
    size: tuple[int, int],
) -> Intrinsics:
    """A camera told in mm on its sensor, without its distortion, as pictures have no place for it."""
    x, y = size[0] / sensor[0], size[1] / sensor[1] * aspect  # px a mm
    middle = (x * (sensor[0] / 2 + offset[0]), y * (sensor[1] / 2 + offset[1]))
    return Intrinsics(name, (x * focal, y * focal), middle, size=size)


_STUDIO = _lens("0", 7.32506, 1.00044, (-0.0322884, 0.0929296), (10.0, 10.0), (2048, 2048))
_OUTDOORS = _lens(
    "0", 8.770747185, 0.993236423, (-0.104908645, 0.104899704), (10.0, 5.625), (1920, 1080)
)
TEST_CAMERAS = dict.fromkeys(("TS1", "TS2", "TS3", "TS4"), _STUDIO) | dict.fromkeys(
    ("TS5", "TS6"), _OUTDOORS
)
"""Not in the annotations; numbers of the release's test cameras, as posepile has them."""


def read_train(
    folder: Path | str,
    *,
    takes: Iterable[tuple[str, int]] = tuple(FRAMES),
    cameras: Iterable[int] = CAMERAS,
    every: int = 10,
    truth: str = "true",
) -> People:
    """Every `every`-th frame of these takes, ("S1", 1) to ("S8", 2), as these cameras see them.

    `truth`: "true" is the actor's own skeleton, "universal" one size for all. Who is not in the
    picture at all is left out. FileNotFoundError; ValueError, naming file and field, for a file
    that is damaged or of another kind, and for another take, camera or truth.
    """
    takes, cameras = tuple(takes), tuple(cameras)
    _check_options(takes, FRAMES, truth)
    if not cameras or not set(cameras) <= set(range(14)) or every < 1:
        raise ValueError(f"cameras {cameras} every {every}: cameras are 0 to 13, every 1 or more")
    return together(
        [part for take in takes for part in _take(Path(folder), *take, cameras, every, truth)]
    )


def read_test(
    folder: Path | str, *, takes: Iterable[str] = tuple(TEST_FRAMES), truth: str = "universal"
) -> People:
    """The valid frames of these takes, "TS1" to "TS6".

    `truth` as in `read_train`; the published rules measure against "universal", which the pictures'
    intrinsics do not put onto the 2D joints. The rows tell the activity (as action), the scene, and
    whether all joints are inside the picture. Errors as `read_train`, and ModuleNotFoundError when
    h5py is absent.
    """
    takes = tuple(takes)
    _check_options(takes, TEST_FRAMES, truth)
    return together([_test_take(_test_folder(Path(folder)), take, truth) for take in takes])


def _check_options(takes: tuple, known: Iterable, truth: str) -> None:
    if not takes or not set(takes) <= set(known):
        raise ValueError(f"no takes {takes} of MPI-INF-3DHP: there are {list(known)}")
    if truth not in TRUTHS:
        raise ValueError(f"no truth {truth!r} of MPI-INF-3DHP: {' or '.join(TRUTHS)}")


def _take(
    folder: Path, subject: str, take: int, cameras: tuple[int, ...], every: int, truth: str
) -> Iterator[People]:
    place = f"{subject}/Seq{take}"
    calibrated = read_cameras(folder / place / "camera.calibration")
    path = folder / place / "annot.mat"
    cells = read_cells(path, ("annot2", TRUTHS[truth]), SOURCE)
    for camera in cameras:
        pixels, places = (
            _joints(cells[field], camera, size, f"{path}, {field} of camera {camera}")
            for field, size in (("annot2", 2), (TRUTHS[truth], 3))
        )
        if len(pixels) != len(places) or str(camera) not in calibrated:
            raise ValueError(
                f"{path}: camera {camera} is not calibrated, or has {len(pixels)} frames in 2D and "
                f"{len(places)} in 3D; {AGAIN}"
            )
        last = CUT_SHORT.get((subject, take, camera), FRAMES[subject, take])
        frames = np.arange(0, min(len(pixels), last), every)
        stills = f"{place}/imageFrames/video_{camera}"
        rows = pd.DataFrame(
            {
                "image": [f"{stills}/frame_{frame + 1:06d}.jpg" for frame in frames],
                "video": f"{place}/imageSequence/video_{camera}.avi",
                "subject": subject,
                "action": f"Seq{take}",
                "take": take,
                "camera": str(camera),
                "frame": frames,
            }
        )
        lens = calibrated[str(camera)]
        yield _people(f"train, {truth}", pixels[frames], places[frames], rows, lens)


def _joints(cells: np.ndarray, camera: int, size: int, where: str) -> Float64[Tensor, "T 28 D"]:
    """What one camera's cell holds; ValueError unless it is 28 joints a frame."""
    table = cells.reshape(-1)[camera] if camera < cells.size else np.zeros(0)
    if table.ndim != 2 or table.shape[1] != 28 * size or not len(table):
        raise ValueError(f"{where}: shape {table.shape}, wanted frames by {28 * size}; {AGAIN}")
    return torch.from_numpy(np.array(table, dtype=float)).reshape(-1, 28, size)


def _test_folder(folder: Path) -> Path:
    """Where TS1 to TS6 are: in the folder, or in the one that the release's zip makes in it."""
    inside = folder / "mpi_inf_3dhp_test_set"
    return inside if inside.is_dir() else folder


def _test_take(folder: Path, take: str, truth: str) -> People:
    path = folder / take / "annot_data.mat"
    fields = ("annot2", TRUTHS[truth], "valid_frame", "activity_annotation")
    table = read_h5(path, fields, SOURCE)
    count = len(table["annot2"])
    shapes = ((count, 17, 2), (count, 17, 3), (count,), (count,))
    for field, shape in zip(fields, shapes, strict=True):
        if table[field].size != np.prod(shape) or not count:
            raise ValueError(f"{path}: {field} of {table[field].shape}, wanted {shape}; {AGAIN}")
        table[field] = table[field].reshape(shape).astype(float)
    frames = np.flatnonzero(table["valid_frame"])
    activity = table["activity_annotation"][frames]
    if not len(frames) or not np.isin(activity, range(1, 1 + len(ACTIVITIES))).all():
        raise ValueError(f"{path}: no valid frame, or activities that are not 1 to 7; {AGAIN}")
    rows = pd.DataFrame(
        {
            "image": [f"{take}/imageSequence/img_{frame + 1:06d}.jpg" for frame in frames],
            "video": "",
            "subject": take,
            "action": [ACTIVITIES[int(code) - 1] for code in activity],
            "take": 1,
            "camera": "0",
            "frame": frames,
            "valid": True,
            "scene": SCENES[(int(take[2:]) - 1) // 2],
        }
    )
    pixels, places = (torch.from_numpy(table[field][frames]) for field in fields[:2])
    lens = TEST_CAMERAS[take]
    inside = ((pixels >= 0) & (pixels < torch.tensor(lens.size))).all(-1).all(-1)
    return _people(f"test, {truth}", pixels, places, rows.assign(inside=inside.numpy()), lens)


def _people(
    version: str,
    pixels: Float64[Tensor, "N J 2"],
    places: Float64[Tensor, "N J 3"],
    rows: pd.DataFrame,
    lens: Camera | Intrinsics,
) -> People:
    """People with the box of all their joints; of the 28 joints 17, by name."""
    where = f"{rows['subject'].iloc[0]} {rows['action'].iloc[0]}, camera {lens.name}"
    if not (pixels.isfinite().all() and places.isfinite().all()):
        raise ValueError(f"MPI-INF-3DHP, {where}: joints are not finite; {AGAIN}")
    rows = rows.assign(height=lens.size[1], width=lens.size[0])
    around = torch.cat([pixels.amin(1), pixels.amax(1) - pixels.amin(1)], dim=1)
    boxes = clip(around, picture_sizes(rows))
    shown = (boxes[:, 2:] > 0).all(1)
    source: Skeleton = MPI_INF_3DHP28 if pixels.shape[1] == 28 else MPI_INF_3DHP17
    matrix = torch.eye(3).double()
    (matrix[0, 0], matrix[1, 1]), (matrix[0, 2], matrix[1, 2]) = lens.focal, lens.principal
    found = People(
        "mpi_inf_3dhp",
        version,
        MPI_INF_3DHP17,
        rows,
        boxes.where(shown[:, None], around),
        convert(pixels, source, MPI_INF_3DHP17).pose,
        torch.full((len(rows), 17), SEEN, dtype=torch.uint8),
        matrix.expand(len(rows), 3, 3),
        convert(places, source, MPI_INF_3DHP17).pose,
    )
    # Whom a published rule counts stays, in the picture or not.
    return found[shown] if version.startswith("train") else found


class HpPictures(PeoplePictures):
    """As `PeoplePictures`, of stills where they are, else of the videos' frames."""

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        row = self.people.rows.iloc[index]
        if row["video"] and not (self.folder / row["image"]).is_file():
            return read_frame(self.folder / row["video"], int(row["frame"]))
        return super().picture(index)


def load(folder: Path | str, split: str, *, size: int = 256) -> HpPictures:
    """The pictures of "train" (every 10th frame, true) or of "test" (valid frames, universal)."""
    folder = Path(folder)
    if split == "train":
        return HpPictures(read_train(folder), folder, size=size)
    if split == "test":
        return HpPictures(read_test(folder), _test_folder(folder), size=size)
    raise ValueError(f"no split {split!r} of MPI-INF-3DHP: 'train' or 'test'")


def check(folder: Path | str) -> Iterator[tuple[str, str, str]]:
    """What of MPI-INF-3DHP is in `folder`: (what, state, detail), as `posekit.data.check` has them.

    Annotations are read; videos and pictures are looked for.
    """
    folder = Path(folder)
    for take in FRAMES:
        yield _check_take(folder, *take)
    valid = 0
    for take in TEST_FRAMES:
        try:
            people = read_test(folder, takes=[take])
        except (FileNotFoundError, ValueError, ModuleNotFoundError) as error:
            yield take, "missing" if isinstance(error, OSError) else "wrong", str(error)
            continue
        valid += len(people)
        _, state, detail = check_pictures(people, _test_folder(folder), SOURCE)
        yield take, state, detail if state != "ok" else f"{detail} valid frames"
    state = "ok" if valid == TEST_VALID else "note"
    yield "test set", state, f"{valid:,} valid frames; the whole has {TEST_VALID:,}"


def _check_take(folder: Path, subject: str, take: int) -> tuple[str, str, str]:
    what, whole = f"{subject}/Seq{take}", FRAMES[subject, take]
    try:
        people = read_train(folder, takes=[(subject, take)], every=1)
    except FileNotFoundError as error:
        return what, "missing", str(error)
    except ValueError as error:
        return what, "wrong", str(error)
    sources = people.rows.groupby("camera", sort=False).first()
    absent = [
        video
        for still, video in zip(sources["image"], sources["video"], strict=True)
        if not (folder / video).is_file() and not (folder / still).parent.is_dir()
    ]
    last = int(people.rows["frame"].max()) + 1
    if absent:
        return what, "missing", f"{len(absent)} of {len(sources)} videos, as {absent[0]}: {SOURCE}"
    return what, "ok", f"{last:,} of {whole:,} frames with somebody in them, {len(sources)} videos"


# ---- its files
def read_cameras(path: Path | str) -> dict[str, Camera]:
    """The cameras of a camera.calibration, by number; the world is the file's, in mm, y up.

    FileNotFoundError; ValueError, naming file and camera, when a number is missing or wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: {SOURCE}")
    found = {}
    for part in re.split(r"(?m)^name\s+", path.read_text(encoding="utf-8", errors="replace"))[1:]:
        name, *lines = part.splitlines()
        fields = {key: values for key, *values in (line.split() for line in lines if line.split())}
        try:
            matrix, place = (
                torch.tensor([float(value) for value in fields[key]]).double().reshape(4, 4)
                for key in ("intrinsic", "extrinsic")
            )
            width, height = (int(value) for value in fields["size"])
            if fields["radial"] != ["0"]:
                raise ValueError(f"a lens with distortion {fields['radial']}, which has no place")
            lens = Intrinsics(
                name.strip(),
                (matrix[0, 0].item(), matrix[1, 1].item()),
                (matrix[0, 2].item(), matrix[1, 2].item()),
                size=(width, height),
            )
            rotation = place[:3, :3]
            found[lens.name] = lens.at(rotation, -rotation.mT @ place[:3, 3])
        except (*DAMAGE, RuntimeError) as error:
            raise ValueError(f"{path}, camera {name.strip()!r:.20}: {error}; {AGAIN}") from error
    return found


def read_frame(path: Path, frame: int) -> UInt8[np.ndarray, "H W 3"]:
    """One frame of a video, from 0, RGB; FileNotFoundError; ValueError when it is not there."""
    if not path.is_file():
        raise FileNotFoundError(f"there is neither the frame nor the video {path}: {SOURCE}")
    video = cv2.VideoCapture(str(path))
    try:
        video.set(cv2.CAP_PROP_POS_FRAMES, frame)
        there = round(video.get(cv2.CAP_PROP_POS_FRAMES)) == frame
        read, image = video.read()
    finally:
        video.release()
    if not (there and read):
        raise ValueError(f"{path} has no frame {frame} that can be read: {AGAIN}")
    return np.ascontiguousarray(image[..., ::-1])

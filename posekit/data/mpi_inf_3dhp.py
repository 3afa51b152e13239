"""MPI-INF-3DHP (Mehta et al., 3DV 2017): eight actors before 14 cameras, and a test set of six takes.

- S1 to S8, each with Seq1 and Seq2, to train on: annot.mat (cells of the cameras: annot2 (T, 56) px,
  annot3 (T, 84) mm), camera.calibration, imageSequence/video_*.avi, or the frames that SPIN's scripts
  took out of them, imageFrames/video_*/frame_000001.jpg.
- TS1 to TS6: annot_data.mat (Matlab 7.3: annot2, univ_annot3 (T, 1, 17, 2 or 3), valid_frame,
  activity_annotation) and imageSequence/img_000001.jpg.

Both are read as the 17 joints that the test set has, in camera coordinates. Training has the actors'
own skeletons; the test set the "universal" ones, one size for all, which published numbers are
measured against (`3dhp-*` of `posekit.metrics.protocols`). Which joints are covered is not labelled:
all in the picture are SEEN.

T frames of a take; N frames of all of them.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from posekit.data.batch import SEEN, UNKNOWN
from posekit.data.formats.matlab import read_cells, read_h5
from posekit.data.formats.pickles import AGAIN, DAMAGE
from posekit.data.formats.text import read_text
from posekit.data.formats.video import open_video
from posekit.data.people import (
    Part,
    People,
    PeoplePictures,
    Row,
    check_parts,
    clip,
    intrinsic_matrices,
    picture_sizes,
    together,
)
from posekit.geometry.camera import Intrinsics
from posekit.geometry.skeleton import MPI_INF_3DHP17, MPI_INF_3DHP28, convert
from posekit.system import need_file

SOURCE = (
    "get MPI-INF-3DHP at gvv.mpi-inf.mpg.de/3dhp-dataset, for research only: mpi_inf_3dhp.zip has "
    "the scripts get_dataset.sh (some 25 GB) and get_testset.sh (6.9 GB)"
)
_VIDEOS = {  # frames of the videos of Seq1 and of Seq2
    "S1": (6416, 12430),
    "S2": (6502, 6081),
    "S3": (12488, 12283),
    "S4": (6171, 6675),
    "S5": (12820, 12312),
    "S6": (6188, 6145),
    "S7": (6239, 6320),
    "S8": (6468, 6054),
}
FRAMES = {(name, take): both[take - 1] for name, both in _VIDEOS.items() for take in (1, 2)}
CUT_SHORT = {("S6", 2, 2): 3911}  # subject, take, camera: frames of a shorter video
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)  # of 14; the others look from above, or from close by
TEST_TAKES = ("TS1", "TS2", "TS3", "TS4", "TS5", "TS6")
TEST_VALID = 2929  # frames of the test set
ACTIVITIES = (
    *("Stand/Walk", "Exercise", "Sit on Chair", "Reach/Crouch", "On Floor", "Sports", "Misc."),
)


_STUDIO = Intrinsics(
    "0",
    (1500.172288, 1500.83236380672),
    (1017.3873356800001, 1043.4909161521152),
    size=(2048, 2048),
)
_OUTDOORS = Intrinsics(
    "0", (1683.98345952, 1672.5937077248102), (939.85754016, 556.3521881207461), size=(1920, 1080)
)
TEST_CAMERAS = dict.fromkeys(TEST_TAKES[:4], _STUDIO) | dict.fromkeys(TEST_TAKES[4:], _OUTDOORS)
"""Not in the annotations: converted to px from the release's test cameras in mm, which posepile lists,
without the distortion of the second."""


class VideoPictures(PeoplePictures):
    """As `PeoplePictures`, of pictures and of frames of videos."""

    def picture(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        row = self.people.rows.iloc[index]
        if not row["image"].endswith(".avi"):
            return super().picture(index)
        path = need_file(self.folder / row["image"], "video", SOURCE)
        return open_video(path).frame(int(row["frame"]))


def load(folder: Path | str, split: str, *, every: int = 10, size: int = 256) -> VideoPictures:
    """The pictures of "train" (every `every`-th frame) or of "test" (the valid frames)."""
    folder = Path(folder)
    if split == "train":
        return VideoPictures(read_train(folder, every=every), folder, size=size)
    if split == "test":
        return VideoPictures(read_test(folder), _test_folder(folder), size=size)
    raise ValueError(f"no split {split!r} of MPI-INF-3DHP: 'train' or 'test'")


def read_train(
    folder: Path | str,
    *,
    takes: Iterable[tuple[str, int]] = tuple(FRAMES),
    cameras: Iterable[int] = CAMERAS,
    every: int = 10,
) -> People:
    """Every `every`-th frame of these takes, ("S1", 1) to ("S8", 2), as these cameras see them.

    Who is not in the picture at all is left out. FileNotFoundError; ValueError, naming file and
    field, for a file that is damaged or of another kind, and for another take or camera.
    """
    takes, cameras = tuple(takes), tuple(cameras)
    _check_takes(takes, FRAMES)
    if not cameras or not set(cameras) <= set(range(14)) or every < 1:
        raise ValueError(f"cameras {cameras} every {every}: cameras are 0 to 13, every 1 or more")
    return together([part for take in takes for part in _take(Path(folder), *take, cameras, every)])


def read_test(folder: Path | str, *, takes: Iterable[str] = TEST_TAKES) -> People:
    """The valid frames of these takes, "TS1" to "TS6", with the universal skeletons.

    The pictures' intrinsics do not put these onto the 2D joints. `rows` have the activity (as
    action), valid, and inside: whether all joints are inside the picture. Errors as `read_train`,
    and ModuleNotFoundError when h5py is absent.
    """
    takes = tuple(takes)
    _check_takes(takes, TEST_TAKES)
    return together([_test_take(_test_folder(Path(folder)), take) for take in takes])


def check(folder: Path | str) -> Iterator[Row]:
    """What of MPI-INF-3DHP is in `folder`, as `posekit.data.check` reports it."""
    folder = Path(folder)

    def train(take: tuple[str, int]) -> VideoPictures:
        return VideoPictures(read_train(folder, takes=[take]), folder)

    parts = [Part(f"{subject}/Seq{n}", partial(train, (subject, n))) for subject, n in FRAMES]
    test = Part("test set", partial(load, folder, "test"), persons=TEST_VALID)
    return check_parts([*parts, test], folder, SOURCE)


def in_boxes_of_joints(
    name: str,
    version: str,
    rows: pd.DataFrame,
    intrinsics: Float64[Tensor, "N 3 3"],
    pixels: Float64[Tensor, "N J 2"],
    places: Float64[Tensor, "N J 3"],
    visible: UInt8[Tensor, "N 17"] | None = None,
    *,
    everybody: bool = True,
) -> People:
    """People with the 17 joints of 17 or 28, and the boxes that all of these span in the pictures.

    Published rules count those outside their picture, too; without `everybody` they are left out, and
    so is who is partly behind the camera. Without `visible` all joints are SEEN. ValueError names
    the first person whose joints are not finite, or behind the camera.
    """
    low, high = pixels.amin(1), pixels.amax(1)
    boxes = torch.cat([low, high - low], dim=1)
    clipped = clip(boxes, picture_sizes(rows))
    shown = (clipped[:, 2:] > 0).all(1)
    boxes = clipped.where(shown[:, None], boxes)
    source = MPI_INF_3DHP28 if pixels.shape[1] == len(MPI_INF_3DHP28) else MPI_INF_3DHP17
    pixels, places = (convert(pose, source, MPI_INF_3DHP17).pose for pose in (pixels, places))
    if visible is None:
        visible = torch.full(pixels.shape[:2], SEEN, dtype=torch.uint8)
    ahead = ~(places[..., 2] <= 0)
    if not everybody:
        visible = visible.where(ahead, UNKNOWN)
    labels = boxes, pixels, visible, intrinsics, places
    people = People(name, version, MPI_INF_3DHP17, rows, *labels)
    return people if everybody else people[shown & ahead.all(1)]


# ---- its files
def _check_takes(takes: tuple, known: Iterable) -> None:
    if not takes or not set(takes) <= set(known):
        raise ValueError(f"no takes {takes} of MPI-INF-3DHP: there are {list(known)}")


def _take(
    folder: Path, subject: str, take: int, cameras: tuple[int, ...], every: int
) -> Iterator[People]:
    place = f"{subject}/Seq{take}"
    calibrated = read_intrinsics(folder / place / "camera.calibration")
    path = folder / place / "annot.mat"
    cells = read_cells(path, ("annot2", "annot3"), SOURCE)
    for camera in cameras:
        pixels, places = (
            _joints(cells[field], camera, size, f"{path}, {field} of camera {camera}")
            for field, size in (("annot2", 2), ("annot3", 3))
        )
        if len(pixels) != len(places) or str(camera) not in calibrated:
            raise ValueError(
                f"{path}: camera {camera} is not calibrated, or has {len(pixels)} frames in 2D and "
                f"{len(places)} in 3D; {AGAIN}"
            )
        last = CUT_SHORT.get((subject, take, camera), FRAMES[subject, take])
        frames = np.arange(0, min(len(pixels), last), every)
        images: str | list[str] = f"{place}/imageSequence/video_{camera}.avi"
        stills = f"{place}/imageFrames/video_{camera}"
        if (folder / stills).is_dir():
            images = [f"{stills}/frame_{frame + 1:06d}.jpg" for frame in frames]
        rows = {"image": images, "subject": subject, "action": f"Seq{take}", "take": take}
        rows |= {"camera": str(camera), "frame": frames}
        yield _people("train, true", rows, calibrated[str(camera)], pixels[frames], places[frames])


def _joints(cells: np.ndarray, camera: int, size: int, where: str) -> Float64[Tensor, "T 28 D"]:
    """The content of one camera's cell; ValueError unless it is 28 joints a frame."""
    table = cells.reshape(-1)[camera] if camera < cells.size else np.zeros(0)
    if table.ndim != 2 or table.shape[1] != 28 * size or not len(table):
        raise ValueError(f"{where}: shape {table.shape}, wanted frames by {28 * size}; {AGAIN}")
    return torch.from_numpy(np.array(table, dtype=float)).reshape(-1, 28, size)


def _test_folder(folder: Path) -> Path:
    """Where TS1 to TS6 are: in the folder, or in the one that the release's zip makes in it."""
    inside = folder / "mpi_inf_3dhp_test_set"
    return inside if inside.is_dir() else folder


def _test_take(folder: Path, take: str) -> People:
    path = folder / take / "annot_data.mat"
    fields = ("annot2", "univ_annot3", "valid_frame", "activity_annotation")
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
    pixels, places = (torch.from_numpy(table[field][frames]) for field in fields[:2])
    lens = TEST_CAMERAS[take]
    rows = {
        "image": [f"{take}/imageSequence/img_{frame + 1:06d}.jpg" for frame in frames],
        "subject": take,
        "action": [ACTIVITIES[int(code) - 1] for code in activity],
        "take": 1,
        "camera": lens.name,
        "frame": frames,
        "valid": True,
        "inside": ((pixels >= 0) & (pixels < torch.tensor(lens.size))).all(-1).all(-1).numpy(),
    }
    return _people("test, universal", rows, lens, pixels, places)


def _people(
    version: str,
    rows: dict,
    lens: Intrinsics,
    pixels: Float64[Tensor, "N J 2"],
    places: Float64[Tensor, "N J 3"],
) -> People:
    table = pd.DataFrame(rows | {"width": lens.size[0], "height": lens.size[1]})
    focal, principal = torch.tensor([lens.focal, lens.principal], dtype=torch.float64).split(1)
    intrinsics = intrinsic_matrices(focal, principal).expand(len(table), 3, 3)
    labels = table, intrinsics, pixels, places
    return in_boxes_of_joints("mpi_inf_3dhp", version, *labels, everybody="test" in version)


def read_intrinsics(path: Path | str) -> dict[str, Intrinsics]:
    """The lenses in a camera.calibration, by the camera's number.

    FileNotFoundError; ValueError, naming file and camera, when a number is missing or wrong.
    """
    path = need_file(Path(path), source=SOURCE)
    lenses = {}
    for part in re.split(r"(?m)^name\s+", read_text(path, lines=True, errors="replace"))[1:]:
        name, *lines = part.splitlines()
        fields = {key: values for key, *values in (line.split() for line in lines if line.split())}
        try:
            matrix = np.array(fields["intrinsic"], dtype=float).reshape(4, 4)
            width, height = (int(value) for value in fields["size"])
            if fields["radial"] != ["0"]:
                raise ValueError(f"a lens with distortion {fields['radial']}, which has no place")
            focal, principal = matrix.diagonal()[:2].tolist(), matrix[:2, 2].tolist()
            lens = Intrinsics(name.strip(), tuple(focal), tuple(principal), size=(width, height))
            lenses[lens.name] = lens
        except (*DAMAGE,) as error:
            raise ValueError(f"{path}, camera {name.strip()!r:.20}: {error}; {AGAIN}") from error
    return lenses

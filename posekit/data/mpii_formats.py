"""The five forms in which people have MPII's annotations; `posekit.data.mpii.read` makes one of them.

- "mat": the release, mpii_human_pose_v1_u12_1.mat. Persons without points, centre or scale (its
  test set) are left out; an absent or empty is_visible counts as seen, as in princeton-vl's and
  bearpaw's conversions.
- "h5": princeton-vl/pose-hg-train, src/misc/convert_annot.py. Its scale is 1.25 times the
  release's, its centre 15 px times scale lower, and fractions of joints are cut off towards 0:
  those of neck and head top, by less than 1 px in x and in y.
- "hrnet": the json of SimpleBaseline (Xiao et al., 2018), HRNet and mmpose; it does not tell covered
  joints. Head boxes come from gt_NAME.mat where it lies beside NAME.json.
- "bearpaw": bearpaw/pytorch-pose, miscs/gen_mpii.m, with 3 digits; a joint at (0, 0) that is not
  visible is not labelled.
- "coco": mks0601/TF-SimpleHumanPose, tool/mpii2coco.py, read by 3DMPPE, too. It has no centre, no
  scale and no covered joints. The centre is the box's middle; the scale is 0.03 times the way from
  neck to head top where both are labelled, else the box's longer side over 200 px.

All copy the release's pixels, which Matlab counts from 1: the loaders of bearpaw (pose/datasets/
mpii.py) and of HRNet (lib/dataset/mpii.py) say so and subtract 1.

MPII's scale is its head size over 25 (of the 2,958 validation persons, to 1e-13), and upper neck and
top of head lie 0.8 diagonals of the head box apart. So a head size that a form leaves out follows
from the scale, and 0.03 is 0.6 / 0.8 / 25.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.coco import people_of
from posekit.data.formats.matlab import read_h5, read_mat
from posekit.data.formats.text import read_json
from posekit.geometry.skeleton import MPII16

SOURCE = (
    "get MPII at human-pose.mpi-inf.mpg.de, without registration, for research only: pictures "
    "mpii_human_pose_v1.tar.gz (12.9 GB), annotations mpii_human_pose_v1_u12_2.zip (12.5 MB)"
)
HEAD_SHARE = 0.6  # of the head box's diagonal is the head size
HEAD_TO_SCALE = 25.0  # px of head size
NECK_TO_TOP = 0.8  # of the head box's diagonal
_NEEDED = ("center", "scale", "part", "visible")  # of princeton-vl's
_TRUTH = re.compile("pos_gt_src|jnt_missing|headboxes_src")  # of HRNet's gt_valid.mat
JOINTS = len(MPII16)
EMPTY = np.zeros(0)
NECK, TOP = MPII16.index("neck"), MPII16.index("head_top")


class Person(NamedTuple):
    """One entry of a file, as it stands there: pixels counted from 1, not checked."""

    image: Any
    joints: Any  # (16, 2), px
    visible: Any  # (16,) UNKNOWN, HIDDEN or SEEN
    centre: Any  # as in the release; (-1, -1): none
    scale: Any  # as in the release
    number: Any = -1  # among the picture's persons, from 0
    head: Any = None  # size, px; None: as the scale says
    validation: bool | None = None


def open_file(path: Path) -> tuple[str, Iterator[Person]]:
    """The form of a file, told from what is in it, and its entries.

    ValueError when it is none of the five; ModuleNotFoundError when h5py is needed and absent.
    """
    with path.open("rb") as file:
        begins = file.read(128)
    if begins.startswith(b"\x89HDF\r\n\x1a\n"):
        return "h5", _of_h5(path)
    if begins.startswith(b"MATLAB 7.3"):
        raise ValueError(f"{path} was saved again by a newer Matlab: take the release's own file")
    if begins.startswith(b"MATLAB"):
        return "mat", _of_mat(path)
    try:
        content = read_json(path)
    except ValueError as error:
        raise ValueError(f"{path} is neither .mat, .h5 nor json, or is damaged: {error}") from error
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return "coco", _of_coco(content, path)
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and "img_paths" in first:
        return "bearpaw", _of_bearpaw(content)
    if isinstance(first, dict) and {"image", "center", "scale"} <= first.keys():
        return "hrnet", _of_hrnet(content, path)
    raise ValueError(
        f"{path} is of none of MPII's json forms (HRNet's, bearpaw's, mks0601's): it begins with "
        f"{begins[:60].decode('utf-8', 'replace')!r}"
    )


def _of_mat(path: Path) -> Iterator[Person]:
    release = _field(read_mat(path, re.compile("RELEASE")), "RELEASE")
    if release is None:
        raise ValueError("it has no struct RELEASE; take mpii_human_pose_v1_u12_1.mat")
    for picture in release["annolist"].flat:
        for number, rect in enumerate(picture["annorect"].flat):
            points = (_field(rect, "annopoints") or {}).get("point", EMPTY)
            place, scale = _field(rect, "objpos"), _field(rect, "scale")
            if not points.size or place is None or scale is None:
                continue
            corners = [_field(rect, name) for name in ("x1", "y1", "x2", "y2")]
            head = None if None in corners else HEAD_SHARE * _diagonal(*map(float, corners))
            centre, image = (_field(place, "x"), _field(place, "y")), _field(picture, "image")
            yield Person(_field(image, "name"), *_points(points), centre, scale, number, head)


def _points(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, visible = np.zeros((JOINTS, 2)), np.full(JOINTS, UNKNOWN)
    for point in points.flat:
        joint, seen = int(_field(point, "id")), _field(point, "is_visible")
        if not 0 <= joint < JOINTS:
            raise ValueError(f"it has a joint {joint}, MPII's are 0 to 15")
        joints[joint] = _field(point, "x"), _field(point, "y")
        visible[joint] = SEEN if seen is None or int(seen) else HIDDEN
    return joints, visible


def _field(struct: dict | None, name: str) -> Any:
    """The first value in a field; None where there is no struct, no field, or nothing in it."""
    value = (struct or {}).get(name)
    if isinstance(value, np.ndarray):
        value = value.item(0) if value.size else None
    return None if value == "" else value


def _of_h5(path: Path) -> Iterator[Person]:
    (names,) = read_h5(path, ["imgname"], SOURCE, kinds="SOfiu").values()
    table = read_h5(path, _NEEDED, SOURCE, optional=("person", "normalize"))
    count = len(names)
    if wrong := [name for name, values in table.items() if len(values) != count]:
        raise ValueError(f"{', '.join(wrong)}: not one for each of the {count} pictures' names")
    scales = table["scale"] / 1.25
    for row, scale in enumerate(scales):
        joints, flag = table["part"][row], table["visible"][row]
        labelled = (joints != 0).any(-1) & (flag >= 0)
        visible = np.where(labelled, np.where(flag > 0, SEEN, HIDDEN), UNKNOWN)
        centre = table["center"][row] - [0, 15 * scale]
        number = table["person"][row] if "person" in table else -1
        head = table["normalize"][row] if "normalize" in table else None
        yield Person(_name(names[row]), joints, visible, centre, scale, number, head)


def _name(stored: Any) -> Any:
    """Text, bytes, or the codes of letters that the form's older files have."""
    if isinstance(stored, np.ndarray):
        stored = bytes(stored.astype(np.uint8))
    return stored.rstrip(b"\0").decode() if isinstance(stored, bytes) else stored


def _of_hrnet(content: list, path: Path) -> Iterator[Person]:
    if "joints" not in content[0]:
        raise ValueError("it has no joints: MPII keeps its test set's to itself")
    heads = _head_boxes(path, content)
    for entry, head in zip(content, heads, strict=True):
        visible = np.where(np.asarray(entry["joints_vis"]) > 0, SEEN, UNKNOWN)
        yield Person(
            entry["image"], entry["joints"], visible, entry["center"], entry["scale"], head=head
        )


def _head_boxes(path: Path, content: list) -> list[float | None]:
    """Head sizes of the file of true poses beside a json, if it is there: gt_valid, mpii_gt_val."""
    stem = path.stem.removeprefix("mpii_")
    names = [path.with_name(f"{prefix}{stem}.mat") for prefix in ("gt_", "mpii_gt_")]
    file = next((name for name in names if name.is_file()), None)
    if file is None:
        return [None] * len(content)
    truth = read_mat(file, _TRUTH)
    poses, known = truth["pos_gt_src"].transpose(2, 0, 1), truth["jnt_missing"].T == 0
    joints = np.array([entry["joints"] for entry in content], dtype=float)
    if poses.shape != joints.shape or np.median(np.abs(poses - joints)[known]) > 1:
        raise ValueError(
            f"{file} beside it has other persons: take both from one source, or move it"
        )
    low, high = truth["headboxes_src"]
    return list(HEAD_SHARE * np.linalg.norm(high - low, axis=0))


def _of_bearpaw(content: list) -> Iterator[Person]:
    for entry in content:
        if not len(entry["joint_self"]):
            continue
        rows = np.asarray(entry["joint_self"], float)
        joints, seen = rows[:, :2], rows[:, 2] > 0
        labelled = seen | (joints != 0).any(-1)
        yield Person(
            entry["img_paths"],
            joints,
            np.where(seen, SEEN, np.where(labelled, HIDDEN, UNKNOWN)),
            entry["objpos"],
            entry["scale_provided"],
            number=entry.get("people_index", 0) - 1,
            validation=bool(entry["isValidation"]),
        )


def _of_coco(content: dict, path: Path) -> Iterator[Person]:
    for entry, picture in people_of(content, path):
        rows = np.asarray(entry["keypoints"], float)
        if rows.shape != (3 * JOINTS,):
            raise ValueError(f"it has {len(rows) / 3:g} joints a person, MPII has {JOINTS}")
        rows = rows.reshape(JOINTS, 3)
        left, top, width, height = map(float, entry["bbox"])
        scale = max(width, height) / 200
        if (rows[[NECK, TOP], 2] > 0).all():
            diagonal = _diagonal(*rows[NECK, :2], *rows[TOP, :2]) / NECK_TO_TOP
            scale = HEAD_SHARE * diagonal / HEAD_TO_SCALE
        yield Person(
            picture["file_name"].removeprefix("images/"),
            rows[:, :2],
            np.where(rows[:, 2] > 0, SEEN, UNKNOWN),
            (left + width / 2, top + height / 2),
            scale,
            head=None if (rows[[NECK, TOP], 2] > 0).all() else float("nan"),
        )


def _diagonal(x1: float, y1: float, x2: float, y2: float) -> float:
    return float(np.hypot(x2 - x1, y2 - y1))

"""`posekit predict` for lifters: from the 2D joints of a file to people in space.

A lifter knows pixels of one size of picture, in which people are about as large as those it learned
from: `lift` puts each person there, and finds the place in the real picture's space afterwards.

N people, J joints. Pixels count from 0 at the centre of the upper left one; camera: mm, x right,
y down, z forward.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Float
from torch import Tensor

from posekit.data.formats.text import read_text
from posekit.geometry.camera import Camera
from posekit.geometry.skeleton import COCO17, H36M17, MOON_POINTS, SAME_POINT, Skeleton, convert
from posekit.geometry.units import check_pixels
from posekit.inference.localise import Person, PoseNetwork
from posekit.inference.predictor import Predictor
from posekit.system import need_file

LARGEST = 50_000_000  # bytes of a file
ORDERS = {"coco": COCO17, "h36m": H36M17}
FORMS = (
    'json: COCO\'s own results or annotations ("keypoints"), the people.json that posekit predicts, or '
    "a list of people of 17 [x, y] each, with --order coco or h36m. csv: a line a person, columns "
    "nose_x, nose_y, ... of all 17 joints of COCO or of Human3.6M"
)
USUAL = 0.307  # of the picture's side: mean longer side of people's boxes, studio's training actors
MIDDLE = (0.519, 0.535)  # of the picture's side: mean middle of these boxes
ASSUMPTIONS = (
    (
        "a person's 2D joints are scaled and moved so that their box is as large, and where, as "
        "people are on average in the pictures that the lifter learned from"
    ),
    (
        "a person stands where the lifted joints, in the lifter's millimetres, project nearest to "
        "the 2D joints (least squares): children come out too far away"
    ),
)
HALPE_POINTS = {"thorax": ("neck", "neck_base", "halpe_neck"), "head": ("head_top", "halpe_head")}
COCO_RULE = (
    "of COCO's joints: pelvis and thorax are the middles of hips and shoulders, the spine the middle "
    "of both, neck/nose the nose, the head the middle of the eyes"
)


@dataclass(frozen=True)
class Joints2d:
    """The 2D joints of a file."""

    skeleton: Skeleton
    people: Float[Tensor, "N J 2"]  # px; NaN where a joint is not labelled
    size: tuple[int, int] | None  # width, height of the picture, px, where the file says it


def read_joints(path: Path, order: str = "", picture: str = "") -> Joints2d:
    """The people of a file of 2D joints, in one of FORMS.

    `order`, "coco" or "h36m", says which joints a plain list has, `picture` of which picture's people
    they are, by its name, where COCO's entries are of several. FileNotFoundError, and ValueError that
    names the file, the entry and the remedy.
    """
    need_file(path, "file of 2D joints")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes: give the joints of one picture")
    if order and order not in ORDERS:
        raise ValueError(f"no order {order!r}; there are {', '.join(ORDERS)}")
    try:
        table = path.suffix.lower() == ".csv"
        text = read_text(path, lines=table)
        found = _of_csv(text) if table else _of_json(text, order, picture)
        check_pixels(found.people, "its 2D joints")
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path} can't be read: {error}") from error
    if not len(found.people):
        raise ValueError(f"{path} has nobody in it")
    return found


def _of_csv(text: str) -> Joints2d:
    rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    columns = rows[0].keys() if rows else ()
    for skeleton in ORDERS.values():
        names = [f"{joint}_{axis}" for joint in skeleton.joints for axis in "xy"]
        if set(names) <= set(columns):
            pairs = [[row[name] for name in names] for row in rows]
            people = [[*zip(each[::2], each[1::2], strict=True)] for each in pairs]
            return Joints2d(skeleton, _people(people, len(skeleton)), None)
    raise ValueError(f"its columns are those of no 17 joints; these forms are read: {FORMS}")


def _of_json(text: str, order: str, picture: str) -> Joints2d:
    found = json.loads(text)
    if isinstance(found, Mapping) and "people" in found and "skeleton" in found:
        return _of_posekit(found)
    images, people = [], found
    if isinstance(found, Mapping):
        images, people = found.get("images") or [], found.get("annotations")
    if not isinstance(people, list) or not isinstance(images, list):
        raise TypeError(f"it is no list of people; these forms are read: {FORMS}")
    if people and all(isinstance(each, Mapping) for each in people):
        people, images = _of_one_picture(people, images, picture)
        people = [each.get("keypoints") for each in people]
        people = [each for each in people if not isinstance(each, list) or any(each)]  # COCO: none
        order = order or "coco"
    if not order:
        raise ValueError("which joints does it have? Say --order coco or --order h36m")
    skeleton = ORDERS[order]
    return Joints2d(skeleton, _people(people, len(skeleton)), _size(images))


def _of_one_picture(people: list, images: list, picture: str) -> tuple[list, list]:
    """COCO's entries, and its images, of the picture of this name, or of the only one there is."""
    names = {each.get("id"): each for each in images if isinstance(each, Mapping)}

    def concerns(number) -> bool:
        name = str(names.get(number, {}).get("file_name", ""))
        # Without a list of images, COCO's own names are these numbers.
        return PurePosixPath(name).name == picture if name else _stem(picture) == str(number)

    numbers = {each.get("image_id") for each in people} - {None}
    if len(numbers) > 1 and not picture:
        raise ValueError(f"it is about {len(numbers)} pictures: name one of them with --picture")
    if picture and (len(numbers) > 1 or names):
        numbers = {number for number in numbers if concerns(number)}
    kept = [each for each in people if each.get("image_id") in numbers | {None}]
    if not kept:
        raise ValueError(f"it has nobody in {picture}")
    return kept, [names[number] for number in numbers if number in names]


def _stem(picture: str) -> str:
    return PurePosixPath(picture).stem.lstrip("0")


def _of_posekit(found: Mapping) -> Joints2d:
    """What `posekit predict` wrote, of any network."""
    about, source = found["skeleton"], found.get("source")
    try:
        joints, parents = tuple(map(str, about["joints"])), tuple(map(int, about["parents"]))
        people = [person["joints2d"] for person in found["people"]]
        skeleton = Skeleton(str(about["name"]), joints, parents)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"it is no people.json of posekit's ({error!r})") from error
    return Joints2d(skeleton, _people(people, len(joints)), _size([source]))


def _size(pictures) -> tuple[int, int] | None:
    """Width and height, where one picture is named with them."""
    if not (isinstance(pictures, list) and len(pictures) == 1 and isinstance(pictures[0], Mapping)):
        return None
    width, height = (pictures[0].get(key) for key in ("width", "height"))
    known = all(isinstance(side, int) and side > 0 for side in (width, height))
    return (width, height) if known else None


def _people(people: Sequence, joints: int) -> Float[Tensor, "N J 2"]:
    """People of [x, y] or [x, y, label] a joint, or COCO's flat list of the latter."""
    rows = []
    for number, person in enumerate(people):
        try:
            values = torch.tensor([_number(value) for value in _flat(person)], dtype=torch.float64)
            table = values.view(joints, -1)
            if table.shape[1] not in (2, 3):
                raise ValueError
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"entry {number} has no {joints} joints of x and y; these forms are read: {FORMS}"
            ) from None
        if table.shape[1] == 3:
            table = table.masked_fill(table[:, 2:] <= 0, math.nan)
        rows.append(table[:, :2])
    return torch.stack(rows) if rows else torch.zeros(0, joints, 2)


def _flat(person) -> list:
    return [
        value for part in person for value in (part if isinstance(part, list | tuple) else [part])
    ]


def _number(value) -> float:
    """NaN for a joint that is null or empty."""
    return math.nan if value is None or value == "" else float(value)


def as_human36m(given: Joints2d) -> Float[Tensor, "N 17 2"]:
    """Human3.6M's 17 joints, NaN where they can't be told from those given; COCO's by COCO_RULE."""
    stand_ins = MOON_POINTS | SAME_POINT | HALPE_POINTS
    pose = convert(given.people, given.skeleton, H36M17, stand_ins=stand_ins).pose
    if given.skeleton == COCO17:
        eyes = [COCO17.index("left_eye"), COCO17.index("right_eye")]
        shoulders = [H36M17.index("left_shoulder"), H36M17.index("right_shoulder")]
        pose[:, H36M17.index("head")] = given.people[:, eyes].mean(1)
        pose[:, H36M17.index("thorax")] = pose[:, shoulders].mean(1)
    spine = H36M17.index("spine")
    ends = pose[:, [H36M17.index("pelvis"), H36M17.index("thorax")]].mean(1)
    pose[:, spine] = torch.where(pose[:, spine].isnan(), ends, pose[:, spine])
    return pose


def check_lifter(predictor: Predictor | PoseNetwork) -> None:
    """ValueError for a network that is no lifter, or one of other joints than Human3.6M's 17."""
    if predictor.kind != "lifting":
        raise ValueError(
            f"{predictor.name} sees pictures (kind {predictor.kind!r}); 2D joints are for a lifter"
        )
    if predictor.skeleton not in (None, H36M17):
        raise ValueError(
            f"{predictor.name} lifts {predictor.skeleton.name}; lifters of {H36M17.name} can be used"
        )


def lift(
    predictor: Predictor, pixels: Float[Tensor, "N 17 2"], camera: Camera, side: int = 1000
) -> list[Person]:
    """People in space of their 2D joints, which are all known, as ASSUMPTIONS say.

    `side` is that of the pictures that the lifter learned from, px. ValueError for a network that is
    no lifter, numbers that are not finite, and joints that coincide.
    """
    check_lifter(predictor)
    low, high = pixels.amin(1), pixels.amax(1)
    extent = (high - low).amax(1)
    if not (extent > 0).all():
        raise ValueError(
            f"person {int((extent <= 0).nonzero()[0]) + 1}: all joints are at one place"
        )
    middle = torch.tensor(MIDDLE, dtype=pixels.dtype) * side
    scale = USUAL * side / extent[:, None, None]
    usual = (pixels - ((low + high) / 2)[:, None]) * scale + middle
    lifted = predictor(usual.float()).double()
    if not lifted.isfinite().all():
        raise ValueError(f"{predictor.name} predicts numbers that are not finite")
    placed = lifted + place(lifted, pixels.double(), camera)[:, None]
    if not (placed[..., 2] > 0).all():
        raise ValueError(f"{predictor.name} lifts to a pose that fits no place before the camera")
    boxes = torch.cat([low, high - low], dim=1).tolist()
    rows = zip(boxes, pixels.float(), placed.float(), strict=True)
    root = H36M17.root
    return [Person(tuple(box), None, pose[root, 2].item(), p, pose) for box, p, pose in rows]


def place(
    pose: Float[Tensor, "N J 3"], pixels: Float[Tensor, "N J 2"], camera: Camera
) -> Float[Tensor, "N 3"]:
    """Where the origin of poses (mm) is, so that they project nearest to the pixels.

    With (u, v) = (pixel - principal) / focal and the pose X, the place t solves, for all joints,
    t_x - u t_z = u X_z - X_x and t_y - v t_z = v X_z - X_y in the least-squares sense.
    """
    rays = (pixels - camera.principal) / camera.focal  # (N, J, 2)
    known = rays * pose[..., 2:] - pose[..., :2]
    eye = torch.eye(2, dtype=pose.dtype).expand(*rays.shape[:2], 2, 2)
    matrix = torch.cat([eye, -rays[..., None]], dim=-1).flatten(1, 2)  # (N, 2 J, 3)
    return torch.linalg.lstsq(matrix, known.flatten(1)[..., None]).solution[..., 0]

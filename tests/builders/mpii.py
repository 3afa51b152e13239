"""Tiny annotation files in exactly MPII's five forms, written from one set of made-up people.

Made-up, but as in MPII: pixels counted from 1, whole but for neck and head top, which lie 0.8
diagonals of the head box apart; the scale is 0.6 / 25 of that diagonal.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from scipy.io import savemat

NECK, TOP = 8, 9
EMPTY = np.zeros((0, 0))


@dataclass(frozen=True)
class Made:
    """One person, pixels counted from 1."""

    image: str
    number: int  # in the picture, from 0
    centre: tuple[int, int]
    box: tuple[int, int, int, int]  # of the head: x1, y1, x2, y2
    joints: np.ndarray  # (16, 2)
    visible: np.ndarray  # (16,) 0 not labelled, 1 covered, 2 seen

    @property
    def diagonal(self) -> float:
        x1, y1, x2, y2 = self.box
        return float(np.hypot(x2 - x1, y2 - y1))

    @property
    def scale(self) -> float:
        return 0.6 * self.diagonal / 25


def people(count: int = 6, seed: int = 0) -> list[Made]:
    """Three pictures of 400 x 300 px with two persons each, some joints covered or not labelled."""
    rng = np.random.default_rng(seed)
    made = []
    for row in range(count):
        centre = rng.integers((150, 110), (250, 190))
        joints = (centre + rng.integers(-90, 90, (16, 2))).astype(float)
        low = centre - (10, 80)
        box = (*low.tolist(), *(low + rng.integers(20, 40, 2)).tolist())
        angle = rng.uniform(0, 2 * np.pi)
        way = 0.8 * np.hypot(box[2] - box[0], box[3] - box[1])
        joints[TOP] = joints[NECK] + 0.25 + way * np.array([np.cos(angle), np.sin(angle)])
        joints[NECK] += 0.25
        visible = rng.choice([0, 1, 2], 16, p=[0.2, 0.3, 0.5])
        visible[[NECK, TOP]] = 2
        joints[visible == 0] = 0
        name = f"{row // 2:09d}.jpg"
        made.append(Made(name, row % 2, tuple(centre.tolist()), box, joints, visible))
    return made


def write_pictures(folder: Path, made: list[Made]) -> None:
    """A JPEG for each picture named."""
    folder.mkdir(parents=True, exist_ok=True)
    for row, name in enumerate(sorted({person.image for person in made})):
        noise = np.random.default_rng(row).integers(0, 256, (30, 40, 3), np.uint8)
        smooth = cv2.resize(noise, (400, 300), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / name), smooth)


def structs(rows: list[dict]) -> np.ndarray:
    """A 1 x N struct array; all rows have the same fields."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for column, row in enumerate(rows):
        for name, value in row.items():
            array[0, column][name] = value
    return array


def write_mat(path: Path, made: list[Made]) -> None:
    """The release: test pictures without points, pictures and persons with nothing, odd flags."""
    pictures = []
    for name in sorted({person.image for person in made}):
        rects = [_rect(person) for person in made if person.image == name]
        bystander = {field: EMPTY for field in rects[0]}
        annorect = structs([*rects, bystander])
        pictures.append({"image": structs([{"name": name}]), "annorect": annorect})
    someone = {"scale": 2.0, "objpos": structs([{"x": 9.0, "y": 9.0}])}
    pictures.append({"image": structs([{"name": "t.jpg"}]), "annorect": structs([someone])})
    pictures.append({"image": structs([{"name": "e.jpg"}]), "annorect": EMPTY})
    release = {
        "annolist": structs(pictures),
        "img_train": np.array([[1] * (len(pictures) - 2) + [0, 1]], np.uint8),
        "version": "12",
        "single_person": EMPTY,
        "act": structs([{"cat_name": "x", "act_name": EMPTY, "act_id": 1}] * len(pictures)),
        "video_list": EMPTY,
    }
    savemat(path, {"RELEASE": structs([release])}, do_compression=True)


def _rect(person: Made) -> dict:
    points = []
    for joint in np.flatnonzero(person.visible):
        x, y = person.joints[joint]
        covered = person.visible[joint] == 1
        # The release has characters, numbers, and nothing at all.
        flag = ("0" if joint % 2 else 0) if covered else (EMPTY, "1", 1, "")[joint % 4]
        points.append({"x": x, "y": y, "id": np.uint8(joint), "is_visible": flag})
    x1, y1, x2, y2 = person.box
    return {
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        "annopoints": structs([{"point": structs(points)}]),
        "scale": person.scale,
        "objpos": structs([{"x": person.centre[0], "y": person.centre[1]}]),
    }


def write_h5(path: Path, made: list[Made], *, names: str = "bytes") -> None:
    """princeton-vl's; `names`: "bytes", "text" of any length, or "codes" of letters."""
    stored = {
        "bytes": np.array([person.image.encode() for person in made]),
        "text": np.array([person.image for person in made], dtype=h5py.string_dtype()),
        "codes": np.array([[float(ord(c)) for c in person.image] for person in made]),
    }[names]
    scales = np.array([person.scale for person in made])
    centres = np.array([person.centre for person in made], dtype=float)
    centres[:, 1] += 15 * scales
    with h5py.File(path, "w") as file:
        file.attrs["name"] = "mpii"
        file["imgname"], file["center"], file["scale"] = stored, centres, scales * 1.25
        file["part"] = np.trunc([person.joints for person in made])
        file["visible"] = np.array([person.visible == 2 for person in made], dtype=float)
        file["normalize"] = np.array([0.6 * person.diagonal for person in made])
        file["person"] = np.array([person.number for person in made], dtype=float)
        file["index"] = file["torsoangle"] = np.zeros(len(made))


def write_hrnet(path: Path, made: list[Made], *, head_boxes: bool = True) -> None:
    """HRNet's json; with `head_boxes` the file of true poses and head boxes beside it, too."""
    entries = []
    for person in made:
        known = person.visible > 0
        entries.append(
            {
                "joints_vis": known.astype(int).tolist(),
                "joints": np.where(known[:, None], person.joints.round(4), -1.0).tolist(),
                "image": person.image,
                "scale": round(person.scale, 6),
                "center": [float(value) for value in person.centre],
            }
        )
    path.write_text(json.dumps(entries))
    if head_boxes:
        boxes = np.array([person.box for person in made])
        truth = {
            "jnt_missing": np.array([person.visible == 0 for person in made]).T.astype(np.uint8),
            "pos_gt_src": np.array([person.joints for person in made]).transpose(1, 2, 0),
            "headboxes_src": boxes.reshape(-1, 2, 2).transpose(1, 2, 0),
        }
        savemat(path.with_name(f"gt_{path.stem}.mat"), truth)


def write_bearpaw(path: Path, made: list[Made]) -> None:
    """bearpaw's json; the last two persons are the validation set. One entry has no joints."""

    def number(value) -> float:
        return round(float(value), 3)

    entries = []
    for row, person in enumerate(made):
        joints = [[number(x), number(y), 0.0] for x, y in person.joints]
        for joint in np.flatnonzero(person.visible == 2):
            joints[joint][2] = 1.0
        entries.append(
            {
                "dataset": "MPI",
                "isValidation": float(row >= len(made) - 2),
                "img_paths": person.image,
                "img_width": 400.0,
                "img_height": 300.0,
                "objpos": [number(value) for value in person.centre],
                "joint_self": joints,
                "scale_provided": number(person.scale),
                "joint_others": [],
                "scale_provided_other": 1.0,
                "objpos_other": [1.0, 1.0],
                "annolist_index": row // 2 + 1.0,
                "people_index": person.number + 1.0,
                "numOtherPeople": 1.0,
            }
        )
    entries.insert(1, {"dataset": "MPI", "isValidation": 0.0, "img_paths": [], "joint_self": []})
    path.write_text(json.dumps(entries))


def write_coco(path: Path, made: list[Made]) -> None:
    """mks0601's json."""
    names = sorted({person.image for person in made})
    images = [
        {"id": row, "file_name": f"images/{name}", "width": 400, "height": 300}
        for row, name in enumerate(names)
    ]
    annotations = []
    for row, person in enumerate(made):
        known = person.visible > 0
        low, high = person.joints[known].min(0), person.joints[known].max(0)
        size = 1.2 * (high - low - 1)
        keypoints = np.hstack([person.joints, known[:, None]])
        annotations.append(
            {
                "id": row,
                "image_id": names.index(person.image),
                "category_id": 1,
                "area": float(size.prod()),
                "bbox": [*((low + high) / 2 - size / 2).tolist(), *size.tolist()],
                "iscrowd": 0,
                "keypoints": keypoints.flatten().tolist(),
                "num_keypoints": int(known.sum()),
            }
        )
    content = {"images": images, "categories": [], "annotations": annotations}
    path.write_text(json.dumps(content))

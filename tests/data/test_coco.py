"""COCO's keypoints: a made-up file, damage, and four real pictures."""

import json
import pickle

import cv2
import numpy as np
import pytest
import torch

from posekit.data.batch import HIDDEN, SEEN, UNKNOWN
from posekit.data.check import check
from posekit.data.coco import load, read
from posekit.data.people import PeoplePictures
from posekit.geometry.skeleton import COCO17, MPI_INF_3DHP17, convert
from posekit.training.augment import augment

KEYPOINTS = [
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder"),
    *("right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip"),
    *("right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
]
HEIGHT, WIDTH = 120, 160


def person(number, picture=1, box=(40, 20, 60, 80), visible=2, **more):
    """Joints on a slope from the box's upper left to its lower right corner."""
    steps = np.linspace(0, 1, 17)[:, None]
    points = np.array(box[:2]) + steps * np.array(box[2:])
    keypoints = np.concatenate([points, np.full((17, 1), visible)], axis=1)
    keypoints[visible == 0] = 0
    return {
        "id": number,
        "image_id": picture,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": 17,
        "area": float(box[2] * box[3]),
        "bbox": list(box),
        "keypoints": keypoints.flatten().tolist(),
    } | more


def written(folder, annotations, split="val2017"):
    """A data set of two pictures: annotations/person_keypoints_SPLIT.json and SPLIT/*.jpg."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / split).mkdir(exist_ok=True)
    images = []
    for number in (1, 2):
        name = f"{number:012d}.jpg"
        ramp = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        ramp[..., 2] = np.arange(WIDTH)  # red tells x
        ramp[..., 1] = np.arange(HEIGHT)[:, None]  # green tells y
        cv2.imwrite(str(folder / split / name), ramp, [cv2.IMWRITE_JPEG_QUALITY, 100])
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
    path = folder / "annotations" / f"person_keypoints_{split}.json"
    categories = [{"id": 1, "name": "person", "keypoints": KEYPOINTS}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


def test_the_joints_stand_in_cocos_order():
    assert COCO17.joints == tuple(KEYPOINTS)


def test_crowds_people_without_joints_and_boxes_outside_are_left_out(tmp_path):
    people = [
        person(1),
        person(2, iscrowd=1),
        person(3, num_keypoints=0, visible=0),
        person(4, box=(200, 20, 30, 30)),
        person(5, box=(20, 20, 1, 30)),
        person(6, picture=2),
        person(7, picture=2, box=(5, 5, 30, 60)),
    ]
    found = read(written(tmp_path, people))
    assert found.rows["person"].tolist() == [1, 6, 7]
    assert found.by_picture() == {"000000000001.jpg": [0], "000000000002.jpg": [1, 2]}
    assert found.version == "val2017"
    assert found.joints3d is None and not found.known3d.any()


def test_boxes_are_cut_as_moon_et_al_cut_them(tmp_path):
    boxes = [(40, 20, 60, 80), (-10, 20, 60, 80), (130, 90, 60, 80)]
    found = read(written(tmp_path, [person(n, box=box) for n, box in enumerate(boxes)]))
    # By hand: x1 = max(0, x), x2 = min(width - 1, x1 + w - 1).
    expected = [[40, 20, 59, 79], [0, 20, 59, 79], [130, 90, 29, 29]]
    assert found.boxes.tolist() == expected


def test_labels_keep_their_meaning(tmp_path):
    one = person(1)
    one["keypoints"][:6] = [0, 0, 0, 41, 22, 1]
    found = read(written(tmp_path, [one]))
    assert found.visible[0, :3].tolist() == [UNKNOWN, HIDDEN, SEEN]
    assert found.joints2d[0, 1].tolist() == [41, 22]


def test_labels_are_counted_whatever_num_keypoints_says(tmp_path):
    people = [person(n, num_keypoints=number) for n, number in enumerate((0, 3, None), start=1)]
    people[2].pop("num_keypoints")
    people.append(person(4, visible=0))  # which says 17
    assert read(written(tmp_path, people)).rows["person"].tolist() == [1, 2, 3]


def changed(path, **parts):
    content = json.loads(path.read_text(encoding="utf-8-sig")) | parts
    path.write_text(json.dumps(content), encoding="utf-8-sig")  # with a byte order mark
    return path


def test_persons_are_those_of_the_category_called_so(tmp_path):
    path = written(tmp_path, [person(1), person(2, category_id=7), person(3, category_id=9)])
    dog, human = {"id": 1, "name": "dog"}, {"id": 7, "name": "Person"}
    assert read(changed(path, categories=[dog, human])).rows["person"].tolist() == [2]
    assert read(changed(path, categories=[])).rows["person"].tolist() == [1]
    with pytest.raises(ValueError, match="none of its categories is called person: dog"):
        read(changed(path, categories=[dog]))
    with pytest.raises(ValueError, match="nobody in it"):
        read(changed(path, categories=[human | {"id": 5}]))


def test_joints_stand_in_the_order_that_the_file_names_them_in(tmp_path):
    path = written(tmp_path, [person(1)])
    backwards = {"id": 1, "name": "person", "keypoints": [j.replace("_", " ") for j in KEYPOINTS]}
    backwards["keypoints"].reverse()
    found = read(changed(path, categories=[backwards]))
    assert found.joints2d[0, 16].tolist() == [40, 20] and found.joints2d[0, 0].tolist() == [
        100,
        100,
    ]
    backwards["keypoints"][0] = "tail"
    with pytest.raises(ValueError, match="other joints than COCO's: .*tail"):
        read(changed(path, categories=[backwards]))


def test_two_pictures_with_one_id_are_an_error(tmp_path):
    path = written(tmp_path, [person(1)])
    images = json.loads(path.read_text())["images"]
    with pytest.raises(ValueError, match="two of its images have one id"):
        read(changed(path, images=[*images, images[0] | {"file_name": "other.jpg"}]))


def test_a_split_with_nobody_in_it_is_not_complete(tmp_path):
    written(tmp_path, [person(1, box=(400, 20, 30, 30))])
    with pytest.raises(ValueError, match="nobody is in it"):
        load(tmp_path)
    report = check("coco", tmp_path)
    assert not report.ok and "nobody is in it" in str(report)


def test_names_of_pictures_are_any_text(tmp_path):
    path = written(tmp_path, [person(1)])
    images = json.loads(path.read_text())["images"]
    for name in ("at 12:30, $5 100%.jpg", "Shot 3.04\u202fPM \u4eba.jpg"):
        images[0]["file_name"] = name
        (tmp_path / "val2017" / name).write_bytes(
            (tmp_path / "val2017" / "000000000001.jpg").read_bytes()
        )
        changed(path, images=images)
        assert load(tmp_path, size=32)[0].visible.any()


def test_a_crop_shows_the_picture_where_its_joints_are(tmp_path):
    written(tmp_path, [person(1), person(2, picture=2, box=(60, 10, 30, 90))])
    pictures = load(tmp_path, size=64)
    batch = pictures[:]
    assert batch.images.shape == (2, 3, 64, 64) and batch.skeleton == COCO17
    # The longer side times 1.25 fills the crop; the box is in its middle.
    assert batch.boxes[0, 3].item() == pytest.approx(64 / 1.25, abs=1e-3)
    middle = batch.boxes[:, :2] + batch.boxes[:, 2:] / 2
    assert torch.allclose(middle, torch.full((2, 2), 31.5), atol=1e-3)
    for row in range(2):
        true = pictures.people.joints2d[row]
        for joint in (4, 8, 12):
            x, y = batch.joints2d[row, joint].round().int().tolist()
            red, green = batch.images[row, :2, y, x].tolist()
            assert (red, green) == pytest.approx(true[joint].tolist(), abs=4)
    # The intrinsics are the crop's matrix, as no camera is known.
    back = torch.linalg.inv(batch.intrinsics.double())
    pixels = batch.joints2d.double() @ back[:, :2, :2].mT + back[:, None, :2, 2]
    assert torch.allclose(pixels, pictures.people.joints2d, atol=1e-4)


def test_joints_outside_the_picture_or_the_crop_are_hidden(tmp_path):
    one = person(1, box=(2, 20, 60, 80))  # its crop goes from x = -18 to 82
    one["keypoints"][:9] = [-5, 30, 2, 158, 30, 2, 5, 30, 2]
    written(tmp_path, [one])
    batch = load(tmp_path, size=64)[0]
    assert (batch.joints2d[0, 0] > 0).all() and batch.joints2d[0, 1, 0] > 64
    assert batch.visible[0, :3].tolist() == [HIDDEN, HIDDEN, SEEN]


def test_samples_depend_on_nothing_but_their_index(tmp_path):
    written(tmp_path, [person(n, box=(10 + n, 10, 50, 70)) for n in range(4)])
    pictures = load(tmp_path, size=32)
    batch = pickle.loads(pickle.dumps(pictures))[[3, 1]]  # as workers get them
    assert torch.equal(batch.images, pictures[[3, 1]].images)
    assert pictures.fingerprint() == load(tmp_path, size=32).fingerprint()
    assert pictures.fingerprint() != load(tmp_path, size=48).fingerprint()
    fewer = PeoplePictures(pictures.people[1:], pictures.folder, size=32)
    assert len(fewer) == 3 and pictures.fingerprint() != fewer.fingerprint()
    augmented = augment(batch, "choi2021", seed=0)
    assert augmented.images.shape == batch.images.shape


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.pop("images"), "has no lists"),
        (lambda c: c["annotations"][1].pop("id"), "entry 1 of annotations has no id"),
        (lambda c: c["annotations"][1].update(image_id=9), "annotation 2 has no picture"),
        (lambda c: c["annotations"][1].update(keypoints=[1, 2]), r"annotation 2 .*\(51,\)"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, None, 3]), "annotation 2 .*None"),
        (lambda c: c["annotations"][1]["keypoints"].__setitem__(2, 3), "annotation 2 .*0, 1 nor 2"),
        (lambda c: c["images"][0].update(file_name="../x.jpg"), "leads out of the folder"),
        (lambda c: c["images"][0].update(file_name="/x.jpg"), "leads out of the folder"),
        (lambda c: c["images"][0].pop("file_name"), "has no name"),
        (lambda c: c["images"][0].update(height=0), "has no size"),
        (lambda c: c.update(annotations=[]), "nobody in it"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, spoil, message):
    path = written(tmp_path, [person(1), person(2)])
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)


def test_files_that_are_absent_or_cut_off_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="cocodataset.org"):
        read(tmp_path / "person_keypoints_val2017.json")
    path = written(tmp_path, [person(1)])
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match="half downloaded"):
        read(path)


def test_a_missing_or_resized_picture_names_the_person(tmp_path):
    written(tmp_path, [person(1), person(2, picture=2)])
    pictures = load(tmp_path, size=32)
    (tmp_path / "val2017" / "000000000001.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="person 0 of coco"):
        pictures.sample(0)
    small = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "val2017" / "000000000002.jpg"), small)
    with pytest.raises(ValueError, match="person 1 of coco.*take the release's own pictures"):
        pictures.sample(1)


def test_a_folder_is_checked(tmp_path):
    assert "cocodataset.org" in str(check("coco", tmp_path))
    written(tmp_path, [person(1), person(2, picture=2)])
    report = check("coco", tmp_path)
    assert report.ok and "2 persons, val2017" in str(report)
    (tmp_path / "val2017" / "000000000002.jpg").unlink()
    assert not check("coco", tmp_path).ok
    assert "1 of 2 not in" in str(check("coco", tmp_path))
    (tmp_path / "annotations" / "person_keypoints_train2017.json").write_text("{")
    assert "damaged" in str(check("coco", tmp_path))


# ---- real pictures


@pytest.fixture(scope="module")
def real(shared):
    folder = shared / "coco4"
    return PeoplePictures(read(folder / "test_coco.json"), folder)


def test_the_real_annotations_are_read(real):
    content = json.loads((real.folder / "test_coco.json").read_text())
    (category,) = content["categories"]
    assert category["keypoints"] == list(COCO17.joints)
    assert len(real) == 12  # of 14, two of whom have no joints
    assert [len(group) for group in real.people.by_picture().values()] == [1, 2, 4, 5]
    labelled = (real.people.visible != UNKNOWN).sum(1).tolist()
    assert labelled == [a["num_keypoints"] for a in content["annotations"] if a["num_keypoints"]]


def test_the_real_crops_hold_their_people(real):
    batch = real[:]
    assert batch.images.shape == (12, 3, 256, 256)
    assert (batch.images.float().std(dim=(1, 2, 3)) > 20).all()
    known = batch.visible != UNKNOWN
    inside = ((batch.joints2d >= -0.5) & (batch.joints2d <= 255.5)).all(-1)
    # A joint or two may be labelled beyond their box, hardly beyond its surroundings.
    assert inside[known].float().mean() > 0.99
    # The same rule as upstream's demo, whose boxes for this picture are printed in its code.
    demo = [139.41, 102.25, 222.39, 241.57]
    row = real.people.rows.query("image == '000000197388.jpg'").index[0]
    assert real.people.boxes[row].tolist() == pytest.approx([*demo[:2], demo[2] - 1, demo[3] - 1])


def test_a_real_crop_is_the_source_seen_through_its_matrix(real):
    """OpenCV's own remap, point by point, of the picture at the places that the matrix names."""
    batch = real[[0]]
    image = cv2.imread(str(real.folder / "000000000785.jpg"))[..., ::-1]
    back = torch.linalg.inv(batch.intrinsics[0].double()).numpy()
    for x, y in ((100, 60), (128, 128), (150, 200)):
        u, v, _ = back @ [x, y, 1]
        patch = cv2.getRectSubPix(np.ascontiguousarray(image), (1, 1), (u, v))[0, 0]
        assert batch.images[0, :, y, x].tolist() == pytest.approx(patch.tolist(), abs=12)


def test_joints_go_by_name_into_muco(real):
    joints, missing = convert(real.people.joints2d, COCO17, MPI_INF_3DHP17)
    assert set(missing) == {"head_top", "neck_base", "spine", "mid_head"}
    wrist = MPI_INF_3DHP17.index("left_wrist")
    assert torch.equal(joints[:, wrist], real.people.joints2d[:, 9])

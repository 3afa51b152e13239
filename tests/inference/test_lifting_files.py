"""From a file of 2D joints to people in space."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builders.networks import finished_run

from posekit.geometry.skeleton import COCO17, H36M17
from posekit.inference.lifting import as_human36m, lift, place, read_joints
from posekit.inference.localise import camera_of
from posekit.inference.predictor import Predictor

CAMERA = camera_of((480, 640), focal=700.0)
POSE = 300 * torch.randn(17, 3, generator=torch.Generator().manual_seed(0)).double()
POSE = POSE - POSE[:1]


def lifter(pose=POSE) -> Predictor:
    run = lambda joints: pose.float().expand(len(joints), 17, 3)
    return Predictor("true", Path(__file__), "lifting", (17, 2), run)


def pixels(at) -> torch.Tensor:
    points = POSE + torch.tensor(at).double()
    return CAMERA.project(points)


def test_a_lifted_pose_stands_where_it_projects_to_its_2d_joints():
    at = [[400.0, -200.0, 4000.0], [-900.0, 100.0, 7000.0]]
    seen = torch.stack([pixels(each) for each in at])
    assert (place(POSE.expand(2, 17, 3), seen, CAMERA) - torch.tensor(at)).abs().max() < 1e-6
    people = lift(lifter(), seen, CAMERA)
    for person, there, own in zip(people, at, seen, strict=True):
        assert (person.joints3d - POSE.float() - torch.tensor(there)).abs().max() < 0.01
        assert person.depth == pytest.approx(there[2], abs=0.01)
        assert torch.equal(person.joints2d, own.float()) and person.score is None


def test_a_lifter_sees_people_as_large_as_those_it_learned_from():
    seen = []

    def run(joints):
        seen.append(joints)
        return POSE.float().expand(len(joints), 17, 3)

    lift(
        Predictor("", Path(__file__), "lifting", (17, 2), run),
        pixels([[0, 0, 5000.0]])[None],
        CAMERA,
    )
    low, high = seen[0][0].amin(0), seen[0][0].amax(0)
    assert (high - low).max().item() == pytest.approx(307, abs=0.01)
    assert ((low + high) / 2).tolist() == pytest.approx([519, 535], abs=0.01)


def test_other_networks_and_poses_that_fit_nowhere_are_refused():
    other = Predictor("net", Path(__file__), "integral", (3, 64, 64), lambda x: x)
    with pytest.raises(ValueError, match="net sees pictures .kind 'integral'.; 2D joints are for"):
        lift(other, pixels([[0, 0, 5000.0]])[None], CAMERA)
    coco = Predictor("c", Path(__file__), "lifting", (17, 2), lambda x: x, skeleton=COCO17)
    with pytest.raises(ValueError, match="c lifts COCO-17; lifters of Human3.6M-17 can be used"):
        lift(coco, pixels([[0, 0, 5000.0]])[None], CAMERA)
    with pytest.raises(ValueError, match="person 1: all joints are at one place"):
        lift(lifter(), torch.ones(1, 17, 2).double(), CAMERA)


COCO = torch.arange(34.0).view(17, 2).double() + 1


def keypoints(label: int = 2) -> list[float]:
    return [float(v) for x, y in COCO.tolist() for v in (x, y, label)]


def test_cocos_joints_become_human36ms(read_joints_of):
    given = read_joints_of([{"keypoints": keypoints()}])
    assert given.skeleton is COCO17
    (pose,) = as_human36m(given)
    point = dict(zip(COCO17.joints, COCO, strict=True))
    own = dict(zip(H36M17.joints, pose, strict=True))
    for joint in set(COCO17.joints) & set(H36M17.joints):
        assert torch.equal(own[joint], point[joint])
    hips = (point["left_hip"] + point["right_hip"]) / 2
    shoulders = (point["left_shoulder"] + point["right_shoulder"]) / 2
    assert torch.equal(own["pelvis"], hips) and torch.equal(own["thorax"], shoulders)
    assert torch.equal(own["spine"], (hips + shoulders) / 2)
    assert torch.equal(own["neck_nose"], point["nose"])
    assert torch.equal(own["head"], (point["left_eye"] + point["right_eye"]) / 2)


@pytest.fixture
def read_joints_of(tmp_path):
    """What is read of a file of joints, csv of a text, else json."""

    def read(content, **how):
        path = tmp_path / f"joints{'.csv' if isinstance(content, str) else '.json'}"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8-sig")  # as some editors write it
        return read_joints(path, **how)

    return read


def test_json_and_csv_forms_give_the_same_people(read_joints_of):
    names = [f"{joint}_{axis}" for joint in H36M17.joints for axis in "xy"]
    table = ",".join(names) + "\n" + ",".join(str(v) for v in COCO.flatten().tolist()) + "\n"
    plain = read_joints_of([COCO.tolist()], order="h36m")
    named = read_joints_of(table)
    assert named.skeleton is plain.skeleton is H36M17
    assert torch.equal(named.people, plain.people)
    skeleton = {"name": "mine", "joints": H36M17.joints, "parents": H36M17.parents}
    own = {"schema": 2, "skeleton": skeleton, "source": {"width": 640, "height": 480}}
    posekits = read_joints_of(own | {"people": [{"joints2d": COCO.tolist()}]})
    assert torch.equal(as_human36m(posekits), COCO[None]) and posekits.size == (640, 480)


def test_joints_without_a_label_are_unknown_and_cocos_people_without_any_are_left_out(
    read_joints_of,
):
    half = keypoints()
    half[2::3] = [2] * 16 + [0]
    given = read_joints_of([{"keypoints": half}, {"keypoints": [0] * 51}])
    assert given.people.shape == (1, 17, 2)
    assert given.people[0, -1].isnan().all() and given.people[0, :-1].isfinite().all()


def test_joints_that_are_no_pixels_or_cut_off_are_refused(read_joints_of, tmp_path):
    shares = [value / 500 if n % 3 < 2 else value for n, value in enumerate(keypoints())]
    with pytest.raises(ValueError, match="joints.json can't be read: .* px: pixels are expected"):
        read_joints_of([{"keypoints": shares}])
    path = tmp_path / "cut.csv"
    path.write_text("nose_x,nose_y\n12,3")
    with pytest.raises(ValueError, match="cut.csv ends in the middle of a line"):
        read_joints(path)


def test_entries_of_other_pictures_are_left_out(read_joints_of):
    joints = lambda n: [value for j in range(17) for value in (n + 1.0, 5.0 * j, 2)]
    entries = [{"image_id": n, "keypoints": joints(n)} for n in (7, 8, 8)]
    images = [{"id": n, "file_name": f"dir/{n}.jpg", "width": n, "height": 9} for n in (7, 8)]
    whole = {"images": images, "annotations": entries}
    given = read_joints_of(whole, picture="8.jpg")
    assert len(given.people) == 2 and given.size == (8, 9) and (given.people[..., 0] == 9).all()
    assert len(read_joints_of(entries, picture="000000000007.jpg").people) == 1
    for content in (whole, entries):
        with pytest.raises(ValueError, match="about 2 pictures: name one of them with --picture"):
            read_joints_of(content)
        with pytest.raises(ValueError, match="nobody in 9.jpg"):
            read_joints_of(content, picture="9.jpg")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"a": 1}, "no list of people; these forms are read: json"),
        ([[[1, 2]] * 17], "which joints does it have\\? Say --order coco"),
        ([{"keypoints": [1, 2, 3]}], "entry 0 has no 17 joints of x and y"),
        ([{"points": 3}], "entry 0 has no 17 joints"),
        ([{"keypoints": ["a"] * 51}], "entry 0 has no 17 joints"),
        ([], "Say --order|nobody in it"),
        ("x,y\n1,2\n", "columns are those of no 17 joints"),
        ("", "columns are those of no 17 joints"),
    ],
)
def test_a_mistake_in_a_file_of_joints_is_named(read_joints_of, content, says):
    with pytest.raises(ValueError, match=f"joints.(json|csv).*({says})"):
        read_joints_of(content)


def test_the_command_lifts_a_file(tmp_path, command):
    finished_run(tmp_path / "run", "martinez", channels=16)
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((480, 640, 3), np.uint8))
    joints, lacking = tmp_path / "joints.json", [*keypoints()[:-1], 0]
    joints.write_text(json.dumps([{"keypoints": keypoints()}, {"keypoints": lacking}]))
    words = ("predict", joints, "--out", tmp_path / "out", "--model")
    status, _, error = command(*words, tmp_path / "run")
    assert status == 1 and "does not say how large its picture is: name it with --picture" in error
    status, said, error = command(*words, tmp_path / "run", "--picture", tmp_path / "p.png")
    assert status == 0 and said.startswith("people: 1; 1 more lack joints that a lifter needs")
    written = json.loads((tmp_path / "out" / "people.json").read_text())
    assert written["model"]["kind"] == "lifting" and written["model"]["side"] is None
    assert np.allclose(written["people"][0]["joints2d"][9], COCO[0])
    assert {"drawn.jpg", "space.html"} <= {path.name for path in (tmp_path / "out").iterdir()}
    finished_run(tmp_path / "other")
    status, _, error = command(*words, tmp_path / "other", "--picture", tmp_path / "p.png")
    assert status == 1 and "2D joints are for a lifter" in error

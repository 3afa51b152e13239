"""Pose2Sim's demo: one person, four calibrated cameras, triangulated joints."""

import json

import pytest
import torch

from posekit.data import pose2sim
from posekit.data.people import PeoplePictures
from posekit.geometry.skeleton import H36M17
from posekit.metrics.photographs import LIMBS


def image(name="cam1_000.jpg", depth=4000.0) -> dict:
    joints = [[10.0 * k, 20.0 * k, depth] for k in range(21)]
    pixels = [[270 + 800 * x / depth, 480 + 800 * y / depth] for x, y, _ in joints]
    K = [[800.0, 0.0, 270.0], [0.0, 800.0, 480.0], [0.0, 0.0, 1.0]]
    return {"file": name, "K": K, "dist": [0] * 4, "kp2d": pixels, "kp3d_cam_mm": joints}


def write(folder, images, joints=tuple(pose2sim.NAMES)):
    text = json.dumps({"joints": joints, "images": images})
    (folder / "gt.json").write_text(text, encoding="utf-8-sig")
    return folder


def test_joints_are_read_by_name_with_their_boxes(tmp_path):
    people = pose2sim.read(write(tmp_path, [image(), image("cam2_095.jpg")]))
    assert len(people) == 2 and people.skeleton.joints[1] == "right_knee"
    assert list(people.rows["image"]) == ["images/cam1_000.jpg", "images/cam2_095.jpg"]
    assert list(people.rows["camera"]) == ["cam1", "cam2"]
    assert people.joints3d[1, 3].tolist() == [30, 60, 4000]
    # They span 200 x 400 mm at 4 m: 40 x 80 px about (290, 520); the box is 1.2 times 80 px.
    assert people.boxes[0].tolist() == pytest.approx([290 - 48, 520 - 48, 96, 96])
    assert set(LIMBS) <= set(people.skeleton.joints) & set(H36M17.joints)


def test_the_tree_of_joints_is_one(tmp_path):
    skeleton = pose2sim.POSE2SIM21
    for joint in range(len(skeleton)):
        while skeleton.parents[joint] >= 0:
            joint = skeleton.parents[joint]
        assert joint == skeleton.root
    left = [k for k, name in enumerate(skeleton.joints) if name.startswith("left")]
    assert all(skeleton.joints[skeleton.mirror[k]].startswith("right") for k in left)


@pytest.mark.parametrize(
    ("images", "joints", "says"),
    [
        ([image(depth=4.0)], tuple(pose2sim.NAMES), "depths from 4 to 4; .* is it in mm"),
        ([image(depth=-4000.0)], tuple(pose2sim.NAMES), "depths from -4000"),
        ([image("../cam1.jpg")], tuple(pose2sim.NAMES), "'../cam1.jpg' is no name of a file"),
        ([image()], ("RHip",), "damaged or of another form .*joints are not RHip, RKnee"),
        ([image() | {"K": [[1.0]]}], tuple(pose2sim.NAMES), "damaged or of another form .*K of an"),
        ([{"file": "a.jpg"}], tuple(pose2sim.NAMES), "damaged or of another form .*kp2d"),
        ([], tuple(pose2sim.NAMES), "damaged or of another form"),
    ],
)
def test_another_form_is_named(tmp_path, images, joints, says):
    with pytest.raises(ValueError, match=f"gt.json.*{says}"):
        pose2sim.read(write(tmp_path, images, joints))


def test_a_missing_and_a_cut_file_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no .*gt.json: name the folder that has it"):
        pose2sim.read(tmp_path)
    (tmp_path / "gt.json").write_text('{"joints": [')
    with pytest.raises(ValueError, match="gt.json is damaged or of another form"):
        pose2sim.read(tmp_path)


def test_the_demo_s_joints_project_to_its_pixels(shared):
    folder = shared / "pose2sim_demo"
    people = pose2sim.read(folder)
    assert len(people) == 80 and sorted(set(people.rows["camera"])) == [
        f"cam{k}" for k in range(1, 5)
    ]
    seen = people.joints3d @ people.intrinsics.mT
    gap = seen[..., :2] / seen[..., 2:] - people.joints2d
    assert gap.abs().max() < 2  # the lens's distortion and the halved size
    batch = PeoplePictures(people, folder, size=64)[[0, 79]]
    assert batch.images.shape == (2, 3, 64, 64) and batch.joints3d.shape == (2, 21, 3)
    bones = (
        people.joints3d[:, people.skeleton.index("left_hip")]
        - people.joints3d[:, people.skeleton.index("left_knee")]
    )
    assert 300 < torch.linalg.norm(bones, dim=-1).median() < 550  # mm, of a thigh
